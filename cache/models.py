"""Compiled models by the content of the ONNX model that they come from.

An entry is a compiled file as ``lamina.load`` reads it, found by a digest of everything that it follows from: the bytes
of the model and of its external data, the shapes it was fixed to, the target, and the compiler (``identity.py``). An
ONNX file does not show its external data without being parsed, which takes longer than all the rest; so the names of
these files are kept beside, by the content of the model alone, when it is compiled for the first time.

Every entry is checked whole when it is opened: an entry that a power failure or a disk has damaged is removed, and the
model compiled anew.
"""

from __future__ import annotations

import errno
import hashlib
import json
import operator
import os
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..external_files import find_beside, open_beside
from ..runtime import file_format
from ..runtime.errors import FileFormatError, ProgramError, TargetMismatchError
from ..runtime.executable import Executable, load
from . import entries, folder
from .identity import compiler_identity, machine_identity

_LISTING_SUFFIX = ".files"


@dataclass(frozen=True)
class ModelEntry:
    """The place of one compiled model in the cache, whether or not it is there yet.

    ``model_digest`` is of the model's own bytes; ``request`` is what else is asked for. ``path`` is where the model was
    read from (`None`: it is in memory), ``state`` that of the file then, and ``time`` when that was, in nanoseconds
    since 1970.
    """

    model_digest: str
    request: str
    path: Path | None
    state: tuple[int, ...]
    time: int

    def load(self, threads: int | None) -> Executable | None:
        """The compiled model, or `None` where there is none that is intact."""
        name = self._name()
        path = entries.find("models", name) if name is not None else None
        if path is None:
            return None
        try:
            executable = load(path, threads=threads)
        except (TargetMismatchError, OSError):
            return None
        except (FileFormatError, ProgramError):  # Any other error, such as of a setting, says nothing about the entry.
            entries.discard(path)
            return None
        entries.mark_used(path)
        return executable

    def store(self, executable: Executable, external_files: Sequence[str] = ()) -> bool:
        """Keeps what the model was compiled to; ``external_files`` hold the weights that are not in the model itself.

        Nothing is kept where the model, or one of these files, has been written to since it was looked up: nobody knows
        what was compiled. Nor is code for another machine, which could not be loaded here, or with
        operators that others define.
        """
        if _is_extended() or not executable.image.runs_here or not self._is_unchanged(external_files):
            return False
        if external_files:
            listing = json.dumps(external_files).encode()
            if not entries.publish("models", self._listing_name(), lambda stream: _write(stream, listing)):
                return False
        name = self._name()
        if name is None:
            return False
        size = executable.constants.size
        return entries.publish("models", name, lambda stream: file_format.write(executable, stream), size)

    def _is_unchanged(self, external_files: Sequence[str]) -> bool:
        if self.path is None:
            return True
        try:
            changes = [self._beside(name).stat().st_ctime_ns for name in external_files]
            return _file_state(self.path) == self.state and all(change < self.time for change in changes)
        except OSError:
            return False

    def _listing_name(self) -> str:
        return f"{self.model_digest}{_LISTING_SUFFIX}"

    def _name(self) -> str | None:
        """The entry's name, which depends on the content of the external files; `None` where one cannot be read."""
        digest = hashlib.sha256(f"{self.model_digest}\0{self.request}".encode())
        try:
            for name in self._external_files():
                digest.update(f"\0{name}\0{self._external_digest(name)}".encode())
        except (OSError, RuntimeError, ValueError):  # What may not be read as data of the model is not cached either.
            return None
        return f"{digest.hexdigest()}.lamina"

    def _external_digest(self, name: str) -> str:
        path = self.path or Path()
        with open_beside(path, find_beside(path, name)) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def _beside(self, name: str) -> Path:
        """The file of external data that the model calls ``name``."""
        return (self.path or Path()).parent / name

    def _external_files(self) -> list[str]:
        """The files with weights that the model names, as far as they are known. Raises OSError."""
        listing = entries.find("models", self._listing_name()) if self.path is not None else None
        if listing is None:
            return []
        names = _read_listing(listing)
        if names is None:
            entries.discard(listing)
        return names or []


def checks_by_default() -> bool:
    """Whether the environment asks for code that checks its accesses to memory."""
    return os.environ.get("LAMINA_CHECKED", "").lower() in ("1", "on", "true", "yes")


def find_entry(
    source: Any,
    shapes: Mapping[str, Any] | None,
    target: str,
    winograd_error: float = 3.0,
    checked: bool = False,
    denormals: str = "flush",
    precision: str = "f32",
) -> ModelEntry | None:
    """The place of a model in the cache; `None` where the cache is off or the model has no place in it."""
    if not folder.is_on("models") or _is_extended():
        return None
    request = _describe_request(shapes, target, [float(winograd_error), checked, denormals, precision])
    if request is None:
        return None
    try:
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            begin, state = time.time_ns(), _file_state(path)
            return ModelEntry(_file_digest(path), request, path, state, begin)
        content = _content(source)
    except OSError:
        return None
    return None if content is None else ModelEntry(hashlib.sha256(content).hexdigest(), request, None, (), 0)


def is_intact(path: Path) -> bool:
    """Whether an entry is as it was written. Raises OSError."""
    if path.suffix == _LISTING_SUFFIX:
        return isinstance(_read_listing(path), list)
    try:
        load(path, threads=1)
    except TargetMismatchError:  # Of another machine that uses the same folder; its checksums are right.
        return True
    except (FileFormatError, ProgramError):
        return False
    return True


def _read_listing(path: Path) -> list[str] | None:
    """The names in a list of external files; `None` where it is damaged."""
    try:
        names = json.loads(path.read_bytes())
    except ValueError:
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _content(source: Any) -> bytes | bytearray | memoryview | None:
    """The bytes of a model in memory; `None` for one that is too large to have any."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return source
    serialize = getattr(source, "SerializeToString", None)
    try:
        return serialize(deterministic=True) if serialize is not None else None
    except ValueError:  # More than 2 GiB.
        return None


def _describe_request(shapes: Mapping[str, Any] | None, target: str, options: list[float | bool | str]) -> str | None:
    """What is asked for besides the model, as text; `None` where that has none that tells it from all others."""
    compiler = compiler_identity()
    machine = machine_identity() if target == "host" else repr(target)
    if compiler is None or machine is None:
        return None
    try:
        dimensions = {str(name): _describe_shape(shape) for name, shape in (shapes or {}).items()}
    except TypeError:
        return None
    return json.dumps([compiler.hex(), file_format.FILE_VERSION, machine, dimensions, *options], sort_keys=True)


def _describe_shape(shape: Any) -> Any:
    """A size, the name of a dim, None, or a list of these. Raises TypeError for anything else."""
    if shape is None or isinstance(shape, str):
        return shape
    if isinstance(shape, Sequence):
        return [_describe_shape(dimension) for dimension in shape]
    return operator.index(shape)


def _is_extended() -> bool:
    """Whether this program has taught the compiler operators of its own, whose code no key tells of."""
    registry = sys.modules.get(f"{__name__.partition('.')[0]}.frontend.registry")
    return registry is not None and registry.has_foreign_converters()


def _file_digest(path: Path) -> str:
    # Not blocking, should a pipe have taken the place of the file that was looked at.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _file_state(path: Path) -> tuple[int, ...]:
    """What changes when a file is written to or replaced. Raises OSError; also for what is no file, such as a pipe."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _write(stream: BinaryIO, content: bytes) -> None:
    stream.write(content)
