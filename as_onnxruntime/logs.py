"""What is told of sessions beside their results: to a function of the caller, or to the error stream."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable

from .failures import MisuseError
from .typed_fields import integer

VERBOSE, INFO, WARNING, ERROR, FATAL = range(5)
_LETTERS = "VIWEF"

Callback = Callable[[int, str, str, str, str], None]
"""Severity, category, id of the log, place in the code, message."""

_callback: Callback | None = None
_severity = WARNING


def log(severity: int, where: str, message: str, logid: str = "", threshold: int = -1) -> None:
    """Tells a message that is severe enough. ``threshold`` is that of a session or run; below 0 it asks for none."""
    if severity < (threshold if threshold >= 0 else _severity):
        return
    if _callback is None:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        print(f"{stamp} [{_LETTERS[severity]}:lamina:{logid}, {where}] {message}", file=sys.stderr)
        return
    try:
        _callback(severity, "lamina", logid, where, message)
    except Exception:  # A message must never end what it is about.
        traceback.print_exc()


def set_default_logger_severity(severity: int) -> None:
    """Messages below it are not told: 0 verbose, 1 info, 2 warning, 3 error, 4 fatal. Raises RuntimeError."""
    global _severity
    _severity = _checked(severity)


def set_default_logger_verbosity(verbosity: int) -> None:
    """Accepted and without effect."""
    integer(verbosity)


def set_default_logger_callback(callback: Callback | None, severity: int = WARNING) -> None:
    """From now on messages go to ``callback``; None: to the error stream. Raises RuntimeError for another argument."""
    global _callback, _severity
    checked = _checked(severity)
    if callback is not None and not callable(callback):
        raise MisuseError(f"callback must be a callable, got {callback!r}")
    _callback, _severity = callback, checked


def _checked(severity: int) -> int:
    if not VERBOSE <= integer(severity) <= FATAL:
        raise MisuseError(f"Invalid logging severity {severity}: 0:Verbose, 1:Info, 2:Warning, 3:Error, 4:Fatal")
    return integer(severity)
