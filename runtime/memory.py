"""Raw memory: executable pages, pages that outlive the interpreter, aligned arrays."""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import platform
import sys
from collections.abc import Callable

import numpy as np

from .errors import ExecutionError, TargetMismatchError

ALIGNMENT = 64
"""Bytes; every buffer that native code sees begins at a multiple of it, inputs and outputs excepted."""

_PRIVATE_ANONYMOUS = 0x22
_MAP_FAILED = ctypes.c_void_p(-1).value


def align_up(size: int, alignment: int = ALIGNMENT) -> int:
    return -(-size // alignment) * alignment


@functools.cache
def c_library() -> ctypes.CDLL:
    """The C library of this process, with the signatures that are used here declared."""
    library = ctypes.CDLL(None, use_errno=True)
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.mmap.argtypes = [pointer, size, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    library.mmap.restype = pointer
    library.munmap.argtypes = [pointer, size]
    library.mprotect.argtypes = [pointer, size, ctypes.c_int]
    return library


def map_pages(size: int) -> int:
    """Address of at least ``size`` zeroed, writable bytes in pages of their own. They stay until ``unmap_pages``."""
    size = align_up(max(size, 1), mmap.PAGESIZE)
    address = c_library().mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, _PRIVATE_ANONYMOUS, -1, 0)
    if address is None or address == _MAP_FAILED:
        raise ExecutionError(f"cannot map {size} bytes: {os.strerror(ctypes.get_errno())}")
    return address


def unmap_pages(address: int, size: int) -> None:
    c_library().munmap(address, align_up(max(size, 1), mmap.PAGESIZE))


def protect_pages(address: int, size: int) -> None:
    """From now on these pages can be neither read nor written."""
    if c_library().mprotect(address, size, 0) != 0:
        raise ExecutionError(f"cannot protect {size} bytes: {os.strerror(ctypes.get_errno())}")


def map_code(code: bytes | memoryview) -> int:
    """Address of a copy of ``code`` in pages that may be read and executed but not written."""
    if sys.platform != "linux":
        raise TargetMismatchError(f"compiled models run on Linux, this is {platform.system()}")
    size = len(code)
    address = map_pages(size)
    ctypes.memmove(address, bytes(code), size)
    length = align_up(max(size, 1), mmap.PAGESIZE)
    if c_library().mprotect(address, length, mmap.PROT_READ | mmap.PROT_EXEC) != 0:
        reason = os.strerror(ctypes.get_errno())
        unmap_pages(address, size)
        raise ExecutionError(f"the system does not let this process make code executable: {reason}")
    if platform.machine() == "aarch64":
        _flush_instruction_cache(address, size)
    return address


def _flush_instruction_cache(address: int, size: int) -> None:
    """AArch64 fetches instructions through a cache of its own, which does not see stores."""
    try:
        clear_cache = ctypes.CDLL("libgcc_s.so.1").__clear_cache
    except (OSError, AttributeError):
        return  # The kernel synchronises both caches when a page first becomes executable.
    clear_cache.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    clear_cache(address, address + size)


def _address_by_interface(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


DATA_POINTER_OFFSET = object.__basicsize__
"""Where an array object holds the address of its elements, in bytes from ``id(array)``, on CPython."""
_load_word = ctypes.c_size_t.from_address


def _address_by_layout(array: np.ndarray) -> int:
    return _load_word(id(array) + DATA_POINTER_OFFSET).value


def _layout_is_known() -> bool:
    """Whether the data pointer is the first field of an array object, as NumPy's C API has it on CPython."""
    if platform.python_implementation() != "CPython":
        return False
    whole = np.arange(64, dtype=np.float32)
    probes = (whole, whole[5:9], whole[::-2].reshape(4, 8)[1:], np.array(1.0), np.empty((0, 3)))
    return all(_address_by_layout(array) == _address_by_interface(array) for array in probes)


address_of: Callable[[np.ndarray], int] = _address_by_layout if _layout_is_known() else _address_by_interface
"""Address of the first element of an array, which the caller keeps alive. Reading the object itself takes a tenth
of the time of asking NumPy, which builds a dictionary."""


def may_read_array_objects() -> bool:
    """Whether ``id(array) + DATA_POINTER_OFFSET`` holds the address of the first element."""
    return address_of is _address_by_layout


def aligned_bytes(size: int) -> np.ndarray:
    """Uninitialised uint8 array of ``size`` bytes that begins at a multiple of ``ALIGNMENT``."""
    try:
        raw = np.empty(size + ALIGNMENT, dtype=np.uint8)
    except MemoryError as error:
        raise ExecutionError(f"the system refused {size} bytes of memory, which this run needs") from error
    start = -address_of(raw) % ALIGNMENT
    return raw[start : start + size]
