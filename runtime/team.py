"""Teams: native threads that wait for runs in memory which they share.

Workers are native threads that never touch the GIL; the code they run is the thread driver of an image
(backend/support/threads.ll, which also documents the memory of a team). Between runs they spin for some tens of
microseconds, then they are parked by the system until the next run.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import time
from collections.abc import Callable

from .image import MappedImage
from .memory import c_library, map_pages

IDLE_SPIN_MICROSECONDS = 40.0
"""How long a worker waits for the next run before it parks; about what waking it costs."""
BARRIER_SPIN_MICROSECONDS = 100.0
"""How long a participant waits at a barrier before it parks."""
CROWDED_SPIN_MICROSECONDS = 1.0
"""Both of these where a run has more participants than there are processors."""

MAXIMUM_WORKERS = 512
"""Of one team."""

_STACK_BYTES = 4 << 20
_TEAM_BYTES = 384
_WORKER_BYTES = 64
_SPIN_FIELDS_OFFSET = 24
_PARKED_OFFSET = 40
_WAITED_OFFSET, _ELAPSED_OFFSET = 256, 264
_load_word = ctypes.c_uint32.from_address
_load_long = ctypes.c_uint64.from_address
_SYNCHRONOUS_SIGNALS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT}


class Team:
    """The shared memory of some workers; used by one run at a time. Never freed: its workers may live on.

    Its workers may run on the processors of ``affinity``, which they inherit from the thread that starts them. They are
    in one floating-point mode for good, that of images which keep denormals or of others.
    """

    def __init__(self, affinity: frozenset[int], keeps_denormals: bool = False) -> None:
        self.address = map_pages(_TEAM_BYTES + MAXIMUM_WORKERS * _WORKER_BYTES)
        self.affinity = affinity
        self.keeps_denormals = keeps_denormals
        self.workers = 0
        self.crowded: bool | None = None
        self.last_used = 0
        self.in_doubt = False

    def grow(self, image: MappedImage, workers: int) -> None:
        """Starts threads until there are ``workers`` of them, or the system gives no more.

        An interrupt in the middle leaves the team ``in_doubt``: nobody knows whether the last thread was started.
        """
        workers = min(workers, MAXIMUM_WORKERS)
        image.keep_forever()
        self.in_doubt = True
        while self.workers < workers and self._start_worker(image):
            pass
        self.in_doubt = False

    def _start_worker(self, image: MappedImage) -> bool:
        number = self.workers + 1
        record = self.address + _TEAM_BYTES + self.workers * _WORKER_BYTES
        current_job = ctypes.c_uint32.from_address(self.address).value
        ctypes.memmove(record, struct.pack("<QqI", self.address, number, current_job), 20)
        if not start_thread(image.address("lamina_worker"), record, f"lamina-{number}"):
            return False
        self.workers = number
        return True

    def set_patience(self, image: MappedImage, crowded: bool) -> None:
        """How long its threads spin before they park; not long where there are more of them than processors."""
        idle = CROWDED_SPIN_MICROSECONDS if crowded else IDLE_SPIN_MICROSECONDS
        barrier = CROWDED_SPIN_MICROSECONDS if crowded else BARRIER_SPIN_MICROSECONDS
        pauses = struct.pack("<qq", pauses_in(idle, image), pauses_in(barrier, image))
        ctypes.memmove(self.address + _SPIN_FIELDS_OFFSET, pauses, len(pauses))
        self.crowded = crowded

    @property
    def parked(self) -> bool:
        """Whether any of its workers is parked."""
        return _load_word(self.address + _PARKED_OFFSET).value != 0

    def waiting_share(self) -> float:
        """The part of the last run that the caller spent waiting for the workers."""
        elapsed = _load_long(self.address + _ELAPSED_OFFSET).value
        return _load_long(self.address + _WAITED_OFFSET).value / elapsed if elapsed else 0.0

    def dismiss(self) -> None:
        """Ends all workers. The team must be idle, and must not be used again."""
        job = ctypes.c_uint64.from_address(self.address)
        job.value = (job.value + 1) & 0xFFFFFFFF
        futex_wake_all(self.address)
        self.workers = 0


def start_thread(function: int, argument: int, name: str) -> bool:
    """Starts a detached native thread at the C function ``void *(*)(void *)``. False where the system refuses.

    Python's signal handlers stay with Python's threads: the new one has all asynchronous signals blocked.
    """
    library = c_library()
    attributes = ctypes.create_string_buffer(128)  # pthread_attr_t has 56 bytes on x86-64 and 64 on AArch64.
    identity = ctypes.c_void_p()
    library.pthread_attr_init(attributes)
    library.pthread_attr_setdetachstate(attributes, 1)
    library.pthread_attr_setstacksize(attributes, ctypes.c_size_t(_STACK_BYTES))

    def create() -> int:
        return library.pthread_create(
            ctypes.byref(identity), attributes, ctypes.c_void_p(function), ctypes.c_void_p(argument)
        )

    try:
        library.pthread_attr_setsigmask_np(attributes, _asynchronous_signals())
    except AttributeError:  # Other C libraries than glibc from 2.32 on.
        status = _with_signals_blocked(create)
    else:
        status = create()
    library.pthread_attr_destroy(attributes)
    if status != 0:
        return False
    library.pthread_setname_np(identity, name.encode()[:15])
    return True


def _asynchronous_signals() -> ctypes.Array[ctypes.c_char]:
    """The C library's set of all signals but those that a thread's own instructions cause."""
    library = c_library()
    signals = ctypes.create_string_buffer(128)
    library.sigfillset(signals)
    for number in _SYNCHRONOUS_SIGNALS:
        library.sigdelset(signals, int(number))
    return signals


def _with_signals_blocked(create: Callable[[], int]) -> int:
    """A thread inherits the signal mask of the one that starts it."""
    # Asked before anything changes: an interrupt at any point leaves this thread's own mask as it was.
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _SYNCHRONOUS_SIGNALS)
        return create()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def futex_wake_all(address: int) -> None:
    number = {"x86_64": 202, "aarch64": 98}[os.uname().machine]
    private_wake, everybody = 129, 2**31 - 1
    library = c_library()
    library.syscall(
        ctypes.c_long(number), ctypes.c_void_p(address), ctypes.c_long(private_wake), ctypes.c_long(everybody)
    )


_rate: float | None = None


def pauses_in(microseconds: float, image: MappedImage) -> int:
    """How many pauses of the thread driver take this long; measured once in a process, in less than a millisecond."""
    global _rate
    if _rate is None:
        _rate = _measure_pauses_per_microsecond(image)
    return max(1, round(microseconds * _rate))


def _measure_pauses_per_microsecond(image: MappedImage) -> float:
    spin = ctypes.CFUNCTYPE(None, ctypes.c_size_t)(image.address("lamina_spin"))
    pauses, best = 1000, float("inf")
    for _ in range(5):
        begin = time.perf_counter_ns()
        spin(pauses)
        best = min(best, time.perf_counter_ns() - begin)
    return pauses / max(best / 1000.0, 1.0)
