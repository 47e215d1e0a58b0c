"""The errors that Lamina raises on purpose. Each message says what was expected and what was found."""

from __future__ import annotations


class LaminaError(Exception):
    """Base of every error that Lamina raises on purpose."""


class InputError(LaminaError, ValueError):
    """A feed does not fit the model: a wrong name, dtype, rank or dimension."""


class ProgramError(LaminaError, ValueError):
    """A compiled model contradicts itself: its manifest, code and constants do not belong together."""


class FileFormatError(LaminaError, ValueError):
    """A file is no compiled model, or is truncated, corrupted or of another version."""


class TargetMismatchError(LaminaError, RuntimeError):
    """Code was compiled for a machine that this one is not."""


class ExecutionError(LaminaError, RuntimeError):
    """A run cannot go on: an operation on the host failed, or the system refused memory or threads."""


class IndexOutOfRangeError(ExecutionError, IndexError):
    """A computed index lies outside of the axis that it picks from."""


class MemoryAccessError(ExecutionError):
    """Checked code was kept from an access outside of a buffer."""
