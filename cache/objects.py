"""Object code of kernels on disk: each entry is the object behind its SHA-256."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from . import entries

_DIGEST_BYTES = 32


def load(key: str) -> bytes | None:
    """The object kept under a key. A damaged one is removed."""
    path = entries.find("objects", f"{key}.o")
    if path is None:
        return None
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if not _is_intact(data):
        entries.discard(path)
        return None
    entries.mark_used(path)
    return data[_DIGEST_BYTES:]


def store(key: str, data: bytes) -> None:
    """Keeps an object, where that is possible."""

    def write(stream: BinaryIO) -> None:
        stream.write(hashlib.sha256(data).digest())
        stream.write(data)

    entries.publish("objects", f"{key}.o", write, len(data))


def is_intact(path: Path) -> bool:
    """Whether an entry is as it was written. Raises OSError."""
    return _is_intact(path.read_bytes())


def _is_intact(data: bytes) -> bool:
    return hashlib.sha256(data[_DIGEST_BYTES:]).digest() == data[:_DIGEST_BYTES]
