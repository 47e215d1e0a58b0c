"""Runs an image in this process: for tests and measurements. Models run through `runtime`."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from ..machines import Target, host_target
from ..runtime.image import Image
from .compile_image import compile_image

Argument = np.ndarray | int | float

_PROT_READ_EXECUTE = mmap.PROT_READ | mmap.PROT_EXEC
_LIBC = ctypes.CDLL(None, use_errno=True)


class LoadedImage:
    """An image mapped executable; its kernels are looked up by name.

    Calls take arrays, which are passed by address and must outlive the call, and integers:
    `image["gemm"](a, b, c, 512, thread=0, threads=1)`.
    """

    def __init__(self, image: Image):
        self._symbols = image.symbols
        size = max(len(image.data), 1)
        self._memory = mmap.mmap(-1, size)
        self._memory[: len(image.data)] = image.data
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        if _LIBC.mprotect(ctypes.c_void_p(self._address), ctypes.c_size_t(size), _PROT_READ_EXECUTE) != 0:
            raise OSError(ctypes.get_errno(), "mprotect does not allow executable memory")

    def address(self, name: str) -> int:
        """Where a function starts. Raises `KeyError` for an unknown name."""
        return self._address + self._symbols[name]

    def __getitem__(self, name: str) -> Callable[..., None]:
        """A kernel as a Python function."""
        machine = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(self.address(name))

        def call(*arguments: Argument, thread: int = 0, threads: int = 1) -> None:
            table = argument_table(arguments)
            machine(table.ctypes.data, thread, threads)
            del table

        call.__name__ = name
        # The mapping lives as long as any of its functions.
        call.__dict__["image"] = self
        return call


def argument_table(arguments: tuple[Argument, ...]) -> np.ndarray:
    """The table of 8-byte slots: addresses of arrays, integers, and the bits of f32 numbers."""
    table = np.zeros(max(1, len(arguments)), dtype=np.int64)
    for slot, argument in enumerate(arguments):
        if isinstance(argument, np.ndarray):
            table[slot] = argument.ctypes.data
        elif isinstance(argument, float):
            table[slot : slot + 1].view(np.float32)[0] = argument
        else:
            table[slot] = argument
    return table


def load_module(module: ModuleOp | str, target: Target | None = None) -> LoadedImage:
    """Compiles and maps an llvm-level module."""
    return LoadedImage(compile_image(module, target or host_target(), support=False))
