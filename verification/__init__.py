"""Checks a model phase by phase: each against the one before, the first against an engine that shares no code."""

from .comparison import Deviation, Tolerance, compare_arrays
from .report import Check, Report, Status
from .sizes import SizesToTry
from .verify import VerifyOptions, verify_model, verify_text

__all__ = [
    "Check",
    "Deviation",
    "Report",
    "SizesToTry",
    "Status",
    "Tolerance",
    "VerifyOptions",
    "compare_arrays",
    "verify_model",
    "verify_text",
]
