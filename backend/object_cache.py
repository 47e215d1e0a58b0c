"""Object code of kernels, by everything it depends on: in this process, and on disk for others."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

from ..cache import objects
from ..machines import Target

MEMORY_BYTES = 64 << 20
"""Of objects that a process keeps for the next model it compiles; a large network has some 5 MB."""


class _Memory:
    """The objects used last, up to a number of bytes. Any thread may call."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._objects: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        with self._lock:
            data = self._objects.get(key)
            if data is not None:
                self._objects.move_to_end(key)
            return data

    def keep(self, key: str, data: bytes) -> None:
        with self._lock:
            self._size += len(data) - len(self._objects.pop(key, b""))
            self._objects[key] = data
            while self._size > self._limit:
                self._size -= len(self._objects.popitem(last=False)[1])

    def clear(self) -> None:
        """Forgets all; also in a child of `fork`, where a thread that no longer exists may have held the lock."""
        self._lock = threading.Lock()
        self._objects = OrderedDict()
        self._size = 0


MEMORY = _Memory(MEMORY_BYTES)
os.register_at_fork(after_in_child=MEMORY.clear)


@cache
def _compiler_identity() -> str:
    """LLVM's version, and how it is used: the passes that text goes through are named in object_code.py."""
    usage = hashlib.sha256(Path(__file__).with_name("object_code.py").read_bytes()).hexdigest()
    return f"llvmlite {llvmlite.__version__} llvm {llvm.llvm_version_info} {usage}"


def object_key(text: str, target: Target, optimization_level: int) -> str:
    """The name of the object that LLVM makes of this text: the text holds every instruction and attribute."""
    digest = hashlib.sha256()
    for part in (_compiler_identity(), repr(target), str(optimization_level), text):
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def load_object(key: str) -> bytes | None:
    """The object kept under a key."""
    data = MEMORY.get(key)
    if data is None:
        data = objects.load(key)
        if data is not None:
            MEMORY.keep(key, data)
    return data


def store_object(key: str, data: bytes) -> None:
    """Keeps an object."""
    MEMORY.keep(key, data)
    objects.store(key, data)
