"""The errors of the compiler, beside those of the runtime in ``runtime/errors.py``."""

from __future__ import annotations

from .runtime.errors import LaminaError


class InvalidModelError(LaminaError, ValueError):
    """The model contradicts ONNX's rules or itself."""


class UnsupportedOperatorError(LaminaError, NotImplementedError):
    """The model uses an operator, or a case of one, that cannot be imported."""


__all__ = ["InvalidModelError", "LaminaError", "UnsupportedOperatorError"]
