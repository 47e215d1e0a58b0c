"""The exceptions of onnxruntime's Python interface, and Lamina's own errors as one of them.

Callers catch them by class, by ``RuntimeError``, or as Lamina's: what a session raises is all of these at once.
"""

from __future__ import annotations

import builtins
import functools

from ..runtime.errors import (
    ExecutionError,
    FileFormatError,
    IndexOutOfRangeError,
    InputError,
    LaminaError,
    ProgramError,
)


class OnnxRuntimeFailure(LaminaError, RuntimeError):
    """Base of the exceptions of this interface. ``code`` and ``label`` stand in front of the message,
    which is ``reason``."""

    code = 1
    label = "FAIL"
    reason = ""


class MisuseError(LaminaError, RuntimeError):
    """An object of this interface was asked for what it does not have, or cannot do."""


class Fail(OnnxRuntimeFailure):
    """A run or the reading of a model failed."""


class InvalidArgument(OnnxRuntimeFailure):
    """What was handed over does not fit the model."""

    code, label = 2, "INVALID_ARGUMENT"


class NoSuchFile(OnnxRuntimeFailure):
    """There is no file at the path."""

    code, label = 3, "NO_SUCHFILE"


class NoModel(OnnxRuntimeFailure):
    """No model has been loaded."""

    code, label = 4, "NO_MODEL"


class EngineError(OnnxRuntimeFailure):
    """Never raised here; there for those who catch it."""

    code, label = 5, "ENGINE_ERROR"


class RuntimeException(OnnxRuntimeFailure):
    """Something is wrong inside."""

    code, label = 6, "RUNTIME_EXCEPTION"


class InvalidProtobuf(OnnxRuntimeFailure):
    """The file or the bytes are no model."""

    code, label = 7, "INVALID_PROTOBUF"


class ModelLoaded(OnnxRuntimeFailure):
    """Never raised here; there for those who catch it."""

    code, label = 8, "MODEL_LOADED"


class NotImplemented(OnnxRuntimeFailure):
    """The model, or a request, is of a kind that is not supported."""

    code, label = 9, "NOT_IMPLEMENTED"


class InvalidGraph(OnnxRuntimeFailure):
    """The model contradicts ONNX's rules or itself."""

    code, label = 10, "INVALID_GRAPH"


class EPFail(OnnxRuntimeFailure):
    """Never raised here: the only provider is the processor. There for those who catch it."""

    code, label = 11, "EP_FAIL"


class ModelLoadCanceled(OnnxRuntimeFailure):
    """Loading was called off by ``SessionOptions.set_load_cancellation_flag``."""

    code, label = 12, "MODEL_LOAD_CANCELED"


class ModelRequiresCompilation(OnnxRuntimeFailure):
    """Never raised here; there for those who catch it."""

    code, label = 13, "MODEL_REQUIRES_COMPILATION"


class NotFound(OnnxRuntimeFailure):
    """Never raised here; there for those who catch it."""

    code, label = 14, "NOT_FOUND"


class DeviceReset(OnnxRuntimeFailure):
    """Never raised here; there for those who catch it."""

    code, label = 15, "DEVICE_RESET"


@functools.cache
def _both(status: type[OnnxRuntimeFailure], own: type[Exception]) -> type[OnnxRuntimeFailure]:
    """The class of errors that are of both kinds; it bears the name that onnxruntime's callers know."""
    if issubclass(own, status):
        return own
    bases = (status,) if issubclass(status, own) else (status, own)
    return type(status.__name__, bases, {"__module__": __name__, "__str__": Exception.__str__})


def failure(status: type[OnnxRuntimeFailure], message: str, own: type[Exception] = LaminaError) -> OnnxRuntimeFailure:
    """An error to be raised, which is of the class ``own`` too."""
    error = _both(status, own)(f"[ONNXRuntimeError] : {status.code} : {status.label} : {message}")
    error.reason = message
    return error


def translated(error: LaminaError, status: type[OnnxRuntimeFailure] | None = None) -> OnnxRuntimeFailure:
    """An error of Lamina's as one of these, with the same message and attributes."""
    if isinstance(error, OnnxRuntimeFailure):
        return error
    result = failure(status or _status_of(error), str(error), type(error))
    result.__dict__.update(error.__dict__)
    return result


_STATUS: tuple[tuple[type[Exception], type[OnnxRuntimeFailure]], ...] = (
    (IndexOutOfRangeError, InvalidArgument),
    (InputError, InvalidArgument),
    (ExecutionError, Fail),
    (FileFormatError, InvalidProtobuf),
    (ProgramError, InvalidGraph),
    (builtins.NotImplementedError, NotImplemented),
)


def _status_of(error: LaminaError) -> type[OnnxRuntimeFailure]:
    for own, status in _STATUS:
        if isinstance(error, own):
            return status
    return InvalidGraph if isinstance(error, ValueError) else Fail
