"""Code in memory: maps a flat image executable and gives the addresses of its functions."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import ProgramError, TargetMismatchError
from .memory import map_code, unmap_pages

SUPPORT_VERSION = 4
"""The version of the thread driver's layouts (backend/support/threads.ll) that this runtime speaks."""

_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_size_t
_RUN = ctypes.CFUNCTYPE(None, _POINTER, _POINTER, _SIZE, _SIZE)
_REPEAT = ctypes.CFUNCTYPE(_SIZE, _POINTER, _POINTER, _SIZE, _SIZE, _POINTER, _SIZE, _SIZE, _POINTER)
_RUN_CALL = ctypes.CFUNCTYPE(None, _POINTER)
_RUN_BRIEF_CALL = ctypes.PYFUNCTYPE(None, _POINTER)
_DRIVER = ("lamina_repeat", "lamina_run", "lamina_run_call", "lamina_spin", "lamina_support_version", "lamina_worker")


@dataclass(frozen=True, slots=True)
class Image:
    """Position-independent code with its constants, and the offset of each function: what the linker gives.

    ``driver_version`` is that of its thread driver, where it is known without running the code.
    """

    data: bytes
    symbols: Mapping[str, int]
    driver_version: int | None = None


class MappedImage:
    """A position-independent image in executable pages, which go when the last reference to this object does.

    ``run(team, stages, stage_count, threads)`` is its thread driver, ``repeat`` runs the rounds of a loop; calling them
    releases the GIL. ``run_call(call)`` runs a call record (backend/support/threads.ll) on this thread alone;
    ``run_brief_call`` keeps the GIL meanwhile. An image whose code worker threads run is kept for good: see
    ``keep_forever``.

    ``driver_version`` is that of its thread driver where it is known; otherwise the code is asked for it, and runs.

    Code for another machine is not mapped: with an ``obstacle``, that is raised by whatever would run the code, and
    the image can only be written to a file.
    """

    def __init__(
        self,
        data: bytes | memoryview,
        symbols: Mapping[str, int],
        obstacle: TargetMismatchError | None = None,
        driver_version: int | None = None,
    ):
        self.data = data
        self.symbols = dict(symbols)
        self._size = len(data)
        self._check_symbols()
        self._obstacle = obstacle
        if obstacle is not None:
            return
        self.base = map_code(data)
        self._unmap = weakref.finalize(self, unmap_pages, self.base, self._size)
        # When the interpreter ends, a worker may still be on its way out.
        self._unmap.atexit = False
        version = driver_version
        if version is None:
            version = ctypes.CFUNCTYPE(ctypes.c_uint64)(self.address("lamina_support_version"))()
        if version != SUPPORT_VERSION:
            raise ProgramError(f"the code has thread driver version {version}, this runtime has {SUPPORT_VERSION}")
        self.run = _RUN(self.address("lamina_run"))
        self.repeat = _REPEAT(self.address("lamina_repeat"))
        self.run_call = _RUN_CALL(self.address("lamina_run_call"))
        self.run_brief_call = _RUN_BRIEF_CALL(self.address("lamina_run_call"))

    @property
    def keeps_denormals(self) -> bool:
        """Whether its runs compute with denormals; others take them as zero."""
        return "lamina_keeps_denormals" in self.symbols

    @property
    def runs_here(self) -> bool:
        """Whether the code is for this machine."""
        return self._obstacle is None

    def _check_symbols(self) -> None:
        for name, offset in self.symbols.items():
            if not 0 <= offset < self._size:
                raise ProgramError(f"symbol '{name}' lies at {offset}, outside of the {self._size} bytes of code")
        for name in _DRIVER:
            if name not in self.symbols:
                raise ProgramError(f"the code lacks the thread driver: it does not define '{name}'")

    def address(self, symbol: str) -> int:
        """Address of a function. Raises ProgramError where the image does not define it, or the obstacle."""
        if self._obstacle is not None:
            raise TargetMismatchError(*self._obstacle.args)
        offset = self.symbols.get(symbol)
        if offset is None:
            raise ProgramError(f"the code defines no function '{symbol}'")
        return self.base + offset

    def keep_forever(self) -> None:
        """From now on the pages stay mapped until the process ends."""
        self._unmap.detach()
