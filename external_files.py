"""Which files beside a model may be read as its data: those in its folder, and nothing that a link leads out to.

It needs nothing of the compiler: the cache, which looks for a model's data before the model is parsed, asks here too.
"""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path, PurePosixPath, PureWindowsPath


class OutsideError(ValueError):
    """The file lies outside of the folders that a model's data may lie in."""


class NoFileError(ValueError):
    """It is a folder, a pipe or a device."""


def find_beside(path: Path, location: str) -> Path:
    """The file that the model at ``path`` calls ``location``, with all links followed.

    It lies in the model's folder, or in that of the file that the model's own path leads to.
    Raises OutsideError, OSError, and RuntimeError where links form a loop.
    """
    if "\0" in location or PurePosixPath(location).is_absolute() or PureWindowsPath(location).drive:
        raise OutsideError(location)
    if ".." in PurePosixPath(location).parts or ".." in PureWindowsPath(location).parts:
        raise OutsideError(location)
    file = (path.parent / location).resolve(strict=True)
    _require_within(file, path)
    return file


def open_beside(path: Path, file: Path) -> BufferedReader:
    """The stream of a file that ``find_beside`` gave. Raises OutsideError, NoFileError and OSError.

    Not blocking, so that a pipe put in the file's place cannot hold anybody up; and a link put there is not followed.
    """
    flags = (getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOFOLLOW"))
    descriptor = os.open(file, os.O_RDONLY | sum(flags))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NoFileError(file)
        real = _real_path(descriptor)
        if real is not None:
            _require_within(real, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _real_path(descriptor: int) -> Path | None:
    """Where what is open lies in truth, whatever was linked meanwhile; None where the system does not tell."""
    try:
        return Path(os.readlink(f"/proc/self/fd/{descriptor}"))
    except OSError:
        return None


def _require_within(file: Path, path: Path) -> None:
    if not any(file.is_relative_to(folder) for folder in (path.parent.resolve(), path.resolve().parent)):
        raise OutsideError(file)
