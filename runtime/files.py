"""Writing files so that nobody ever finds half of one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".partial"
YOUNG_SECONDS = 60
"""A partial file of this age is locked by its writer, if it still has one."""


@contextlib.contextmanager
def replaced_file(destination: Path) -> Iterator[Path]:
    """Gives a path to write to, which takes the place of ``destination`` when all went well.

    The file exists from the start, so that a folder that cannot be written is found before the work; its name cannot be
    guessed. Whatever ends the work early, also Ctrl-C, leaves ``destination`` as it was; what a writer that was killed
    has left is removed by the next one. What is no regular file (a pipe, a device) is written itself. Raises OSError
    that names ``destination``.
    """
    if destination.exists() and not destination.is_file():
        yield destination
        return
    target = destination.resolve()  # Links stay links.
    _remove_abandoned(target)
    with _errors_of(destination, target):
        descriptor, name = tempfile.mkstemp(SUFFIX, f".{target.name[:100]}.", target.parent)
        partial = Path(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield partial
            os.fsync(descriptor)
            partial.chmod(_usual_mode(target))
            partial.replace(target)
        finally:
            os.close(descriptor)
            partial.unlink(missing_ok=True)


def _usual_mode(target: Path) -> int:
    """Who may do what with the file: as before, or as with any new file."""
    with contextlib.suppress(OSError):
        return target.stat().st_mode & 0o777
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


@contextlib.contextmanager
def _errors_of(destination: Path, target: Path) -> Iterator[None]:
    """Makes an error that names no file, or the partial one, name the file that the user knows."""
    try:
        yield
    except OSError as error:
        named = error.filename
        own = isinstance(named, str) and named.endswith(SUFFIX) and Path(named).parent == target.parent
        if error.errno is None or not (named is None or own):
            raise
        raise type(error)(error.errno, error.strerror, str(destination)) from error


def _remove_abandoned(target: Path) -> None:
    """Removes partial files of this target whose writers are gone: nobody holds their lock."""
    prefix = f".{target.name[:100]}."
    with contextlib.suppress(OSError), os.scandir(target.parent) as files:
        for file in files:
            if file.name.startswith(prefix) and file.name.endswith(SUFFIX):
                with contextlib.suppress(OSError):
                    _remove_unlocked(Path(file.path))


def _remove_unlocked(partial: Path) -> None:
    descriptor = os.open(partial, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if time.time() - os.fstat(descriptor).st_mtime > YOUNG_SECONDS:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink()
    finally:
        os.close(descriptor)
