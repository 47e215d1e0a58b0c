"""Files of the cache: published whole or not at all, and removed when they were not used for longest.

Any number of processes read and write the same folders without locks. A file appears under its name by renaming, once
it is complete; what it contains depends on its name alone, so that it does not matter who wrote it. A file that a
process has open or mapped stays valid when its name goes.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .folder import KINDS, EntryKind, effective_limit_bytes, readable_folder, root_folder, writable_folder

SUFFIXES = (".lamina", ".files", ".o")
TEMPORARY_PREFIX = ".new."
STALE_SECONDS = 3600
"""A temporary file of this age has lost its writer, which takes seconds."""

_KEPT_SHARE = 0.75
"""Of the limit, after entries had to go: so that not every new entry makes the next one go."""
_UNCOUNTED_SHARE = 1 / 32
"""Of the limit: what a process writes between two looks at how much there is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the cache: its kind, size in bytes, and when it was last used (seconds since 1970)."""

    path: Path
    kind: EntryKind
    size: int
    used: float


_uncounted_bytes: list[int] = []
"""What this process has written, by entry, since it last looked at the size of the whole cache."""


def find(kind: EntryKind, name: str) -> Path | None:
    """The entry of that name, where there is one."""
    folder = readable_folder(kind)
    path = folder / name if folder is not None else None
    return path if path is not None and path.is_file() else None


def mark_used(path: Path) -> None:
    """Keeps an entry from going first. In a folder that cannot be written to, nothing goes anyway."""
    with contextlib.suppress(OSError):
        os.utime(path)


def discard(path: Path) -> None:
    """Removes an entry that turned out to be damaged."""
    with contextlib.suppress(OSError):
        path.unlink()


def publish(kind: EntryKind, name: str, write: Callable[[BinaryIO], None], size: int = 0) -> bool:
    """Keeps what ``write`` writes, about ``size`` bytes, under a name; other processes see all of it or nothing.

    Gives False, and leaves nothing behind, where that is not possible. It is not forced to the disk: what a power
    failure leaves of an entry is found out by its checksum.
    """
    folder = writable_folder(kind)
    if folder is None or size > effective_limit_bytes():
        return False
    try:
        with _temporary_file(folder) as temporary:
            with open(temporary, "xb") as stream:
                write(stream)
            written = temporary.stat().st_size
            os.replace(temporary, folder / name)
    except OSError:
        return False
    _count(written)
    return True


@contextlib.contextmanager
def _temporary_file(folder: Path) -> Iterator[Path]:
    """The path of a new file, which is gone afterwards unless it was renamed."""
    # The name is known before there is a file, so that an interrupt in between leaves none.
    path = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _count(written: int) -> None:
    """Looks at the size of the cache at a process's first entry, and each time when it has written much more."""
    first = not _uncounted_bytes
    _uncounted_bytes.append(written)
    if first or sum(_uncounted_bytes) > effective_limit_bytes() * _UNCOUNTED_SHARE:
        _uncounted_bytes[:] = [0]
        trim()


def entries() -> list[Entry]:
    """All entries, those that were not used for longest first. Files of others in the folders are left alone."""
    found = [entry for kind in KINDS for entry in _scan(kind) if entry.path.suffix in SUFFIXES]
    return sorted(found, key=lambda entry: entry.used)


def temporary_files() -> list[Entry]:
    """What is being written, or was left by a writer that was killed."""
    return [entry for kind in KINDS for entry in _scan(kind) if entry.path.name.startswith(TEMPORARY_PREFIX)]


def _scan(kind: EntryKind) -> Iterator[Entry]:
    root = root_folder()
    if root is None:
        return
    try:
        with os.scandir(root / kind) as files:
            for file in files:
                # Another process may remove it meanwhile.
                with contextlib.suppress(OSError):
                    if file.is_file(follow_symlinks=False):
                        status = file.stat(follow_symlinks=False)
                        yield Entry(Path(file.path), kind, status.st_size, status.st_mtime)
    except OSError:
        return


def trim() -> None:
    """Removes stale temporary files and, above the limit, the entries that were not used for longest."""
    now = time.time()
    for file in temporary_files():
        if now - file.used > STALE_SECONDS:
            discard(file.path)
    limit = effective_limit_bytes()
    present = entries()
    total = sum(entry.size for entry in present)
    if total <= limit:
        return
    for entry in present:
        discard(entry.path)
        total -= entry.size
        if total <= limit * _KEPT_SHARE:
            return


def clear() -> tuple[int, int]:
    """Removes all entries, and what killed writers left; gives their number and bytes. Raises OSError."""
    now = time.time()
    removed = [*entries(), *(file for file in temporary_files() if now - file.used > STALE_SECONDS)]
    for entry in removed:
        entry.path.unlink(missing_ok=True)
    return len(removed), sum(entry.size for entry in removed)
