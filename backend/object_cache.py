"""Object code kept between processes, by everything it depends on.

The folder is `objects` in the user's cache, or under `LAMINA_CACHE_DIR`; `LAMINA_CACHE=off` does without. An entry is
the object behind its SHA-256. Whatever goes wrong with the disk costs time, never an answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

from .targets import Target

_LIMIT_BYTES = 512 << 20
_DIGEST_BYTES = 32


def _is_on() -> bool:
    return os.environ.get("LAMINA_CACHE", "").lower() not in ("off", "0", "no")


@cache
def _folder(root: str | None) -> Path | None:
    """The folder, or `None` where none can be made. Old entries go when it has grown beyond its limit."""
    import platformdirs

    folder = Path(root or platformdirs.user_cache_dir("lamina")) / "objects"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _trim(folder)
    except OSError:
        return None
    return folder


def _trim(folder: Path, limit: int = _LIMIT_BYTES) -> None:
    """Removes the entries used least recently until half of the limit is left."""
    entries = sorted((entry.stat().st_mtime, entry.stat().st_size, entry) for entry in folder.glob("*.o"))
    total = sum(size for _, size, _ in entries)
    if total <= limit:
        return
    for _, size, entry in entries:
        entry.unlink(missing_ok=True)
        total -= size
        if total <= limit // 2:
            return


@cache
def _compiler_identity() -> str:
    return f"llvmlite {llvmlite.__version__} llvm {llvm.llvm_version_info}"


def object_key(text: str, target: Target, optimization_level: int) -> str:
    """The name of the object that LLVM makes of this text: the text holds every instruction and attribute."""
    digest = hashlib.sha256()
    for part in (_compiler_identity(), repr(target), str(optimization_level), text):
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def load_object(key: str) -> bytes | None:
    """The object kept under a key."""
    folder = _folder(os.environ.get("LAMINA_CACHE_DIR")) if _is_on() else None
    if folder is None:
        return None
    path = folder / f"{key}.o"
    try:
        data = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    digest, contents = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    return contents if hashlib.sha256(contents).digest() == digest else None


def store_object(key: str, data: bytes) -> None:
    """Keeps an object; other processes see all of it or nothing."""
    folder = _folder(os.environ.get("LAMINA_CACHE_DIR")) if _is_on() else None
    if folder is None:
        return
    with contextlib.suppress(OSError):
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".new.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(data).digest() + data)
            os.replace(temporary, folder / f"{key}.o")
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
