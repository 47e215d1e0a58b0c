"""Where networks are kept between runs: they are too big for the repository."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs


def cache_folder(name: str) -> Path:
    """A folder of that name in the user's cache (or under ``LAMINA_CACHE_DIR``), made if absent."""
    root = os.environ.get("LAMINA_CACHE_DIR") or platformdirs.user_cache_dir("lamina")
    folder = Path(root) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that becomes it on success, so that no other process sees half a file."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    try:
        yield Path(temporary)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
