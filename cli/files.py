"""Writing files so that nobody ever finds half of one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replaced_file(destination: Path) -> Iterator[Path]:
    """Gives a path to write to, which takes the place of ``destination`` when all went well.

    The file exists from the start, so that a folder that cannot be written is found before the work. Whatever ends the
    work early, also Ctrl-C, leaves ``destination`` as it was. What is no regular file (a pipe, a device) is written
    itself. Raises OSError.
    """
    if destination.exists() and not destination.is_file():
        yield destination
        return
    target = destination.resolve()  # Links stay links.
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    _create(partial, destination)
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _create(partial: Path, destination: Path) -> None:
    try:
        partial.touch()
    except OSError as error:
        # The name that the user knows, not the one of the partial file.
        raise type(error)(error.errno, error.strerror, str(destination)) from error
