"""What is wrong with what a run is given, in onnxruntime's words, once a run has refused it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..runtime.errors import InputError, LaminaError
from .element_types import tensor_type
from .failures import InvalidArgument, MisuseError, OnnxRuntimeFailure, failure, translated
from .nodes import NodeArg
from .values import NativeValue, OrtValue

_HINT = "Please fix either the inputs/outputs or the model."


class NoDictionaryError(InputError, AttributeError):
    """The feeds are no dictionary."""


class MissingInputError(InputError):
    """An input that the model needs is not among the feeds."""


def plain(value: Any, dtype: np.dtype | None) -> Any:
    """What an OrtValue holds, as the model takes it; anything else as it is."""
    if isinstance(value, OrtValue):
        value = value._ortvalue
    if not isinstance(value, NativeValue):
        return value
    return value.content() if dtype is None else value.as_type_of(dtype)


def explained(error: LaminaError, inputs: Sequence[NodeArg], feeds: Any) -> Exception:
    """The error that a session raises for one of a run."""
    if not isinstance(error, InputError):
        return translated(error)
    if not isinstance(feeds, Mapping):
        message = f"feeds: expected arrays by name in a dictionary, got a {type(feeds).__name__}"
        return failure(InvalidArgument, message, NoDictionaryError)
    return _wrong_name(inputs, feeds) or _wrong_value(inputs, feeds) or translated(error)


def _wrong_name(inputs: Sequence[NodeArg], feeds: Mapping[str, Any]) -> Exception | None:
    names = [node.name for node in inputs]
    missing = [node.name for node in inputs if node.name not in feeds and not node.type.startswith("optional")]
    if missing:
        return MissingInputError(
            f"Required inputs ({missing}) are missing from input feed ({list(feeds)}): expected {names}."
        )
    unknown = next((name for name in feeds if name not in names), None)
    if unknown is None:
        return None
    return failure(
        InvalidArgument, f"Invalid input name: {unknown}; the model has no input of this name, but {names}", InputError
    )


def _wrong_value(inputs: Sequence[NodeArg], feeds: Mapping[str, Any]) -> OnnxRuntimeFailure | None:
    for node in inputs:
        value = plain(feeds[node.name], None)
        if not node.type.startswith("tensor"):
            continue
        if isinstance(value, (np.ndarray, np.generic)):
            found = tensor_type(value.dtype)
            if found != node.type:
                message = f"Unexpected input data type. Actual: ({found}) , expected: ({node.type})"
                return failure(InvalidArgument, f"{message} for input: {node.name}", InputError)
            wrong = _wrong_shape(node, value.shape)
            if wrong is not None:
                return wrong
    return None


def _wrong_shape(node: NodeArg, shape: tuple[int, ...]) -> OnnxRuntimeFailure | None:
    if len(shape) != len(node.shape):
        message = f"Invalid rank for input: {node.name} Got: {len(shape)} Expected: {len(node.shape)} {_HINT}"
        return failure(InvalidArgument, message, InputError)
    wrong = [
        f" index: {axis} Got: {size} Expected: {expected}"
        for axis, (size, expected) in enumerate(zip(shape, node.shape, strict=True))
        if isinstance(expected, int) and size != expected
    ]
    if not wrong:
        return None
    lines = "\n".join(wrong)
    message = f"Got invalid dimensions for input: {node.name} for the following indices\n{lines}\n {_HINT}"
    return failure(InvalidArgument, message, InputError)


def require_names(output_names: Any) -> list[str]:
    """Raises TypeError for what is no sequence of names."""
    if isinstance(output_names, str) or not isinstance(output_names, Iterable):
        raise TypeError(f"output_names: expected a sequence of names, got {output_names!r}")
    names = list(output_names)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"output_names: expected a sequence of names, got {output_names!r}")
    return names


def select(outputs: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    """The outputs of these names. Raises InvalidArgument for one that the model does not have."""
    unknown = next((name for name in names if name not in outputs), None)
    if unknown is not None:
        message = f"Invalid output name:{unknown}; the model has no outputs of this name, but {list(outputs)}"
        raise failure(InvalidArgument, message, InputError)
    return [outputs[name] for name in names]


def require_input(name: str, inputs: Sequence[NodeArg]) -> None:
    """Raises RuntimeError for a name that is none of these inputs'."""
    if not any(node.name == name for node in inputs):
        raise MisuseError(f"Failed to find NodeArg with name: {name} in the def list")
