"""Runs machine code that may be wrong in a process of its own, so that a crash is a finding and not the end."""

from __future__ import annotations

import faulthandler
import multiprocessing
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Announce = Callable[[str], None]
"""Says what runs next; the last words before a crash name the culprit."""


@dataclass(frozen=True)
class Crash:
    """The process ended by a signal while it ran what ``during`` names."""

    signal: str
    during: str


class OvertimeError(Exception):
    """The process was ended because it took longer than it may."""


def run_isolated(work: Callable[[Announce], Any], seconds: float | None = None) -> Any:
    """What ``work`` returns in a forked process, or the Crash that ended it. Its exceptions are raised here.

    Raises OvertimeError where that takes more than ``seconds``.
    """
    if seconds is not None and seconds <= 0:
        raise OvertimeError
    deadline = None if seconds is None else time.monotonic() + seconds
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_deliver, args=(sender, work))
    process.start()
    sender.close()
    during = ""
    try:
        while True:
            if deadline is not None and not receiver.poll(max(0.0, deadline - time.monotonic())):
                process.kill()
                raise OvertimeError
            kind, payload = receiver.recv()
            if kind == "announce":
                during = payload
            elif kind == "error":
                raise payload
            else:
                return payload
    except EOFError:
        process.join()
        number = -(process.exitcode or 0)
        return Crash(signal.Signals(number).name if number > 0 else f"exit code {-number}", during)
    finally:
        receiver.close()
        process.join()


def _deliver(sender: Any, work: Callable[[Announce], Any]) -> None:
    faulthandler.disable()  # A crash is reported by the process that waits for this one.
    try:
        result = ("result", work(lambda text: sender.send(("announce", text))))
    except Exception as error:
        result = ("error", error)
    try:
        sender.send(result)
    except Exception:  # What cannot be sent as it is, is sent as text.
        sender.send(("error", RuntimeError(str(result[1]))))
