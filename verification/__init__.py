"""Checks a model phase by phase: each against the one before, the first against an engine that shares no code."""

from .comparison import Deviation, Tolerance, compare_arrays
from .report import PhaseCheck, Status, VerificationReport
from .sizes import SizesToTry
from .verify import VerifyOptions, verify_model, verify_text

__all__ = [
    "Deviation",
    "PhaseCheck",
    "SizesToTry",
    "Status",
    "Tolerance",
    "VerificationReport",
    "VerifyOptions",
    "compare_arrays",
    "verify_model",
    "verify_text",
]
