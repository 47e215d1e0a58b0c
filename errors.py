"""The errors of the compiler, beside those of the runtime in ``runtime/errors.py``."""

from __future__ import annotations

from .runtime.errors import LaminaError


class InvalidModelError(LaminaError, ValueError):
    """The model contradicts ONNX's rules or itself."""


class UnsupportedOperatorError(LaminaError, NotImplementedError):
    """The model uses an operator, or a case of one, that cannot be imported."""


class MissingConstantError(LaminaError, KeyError):
    """A text refers to an array by a name that the store does not have."""

    __str__ = Exception.__str__  # KeyError would quote the message.


__all__ = ["InvalidModelError", "LaminaError", "MissingConstantError", "UnsupportedOperatorError"]
