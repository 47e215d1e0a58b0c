"""Inputs as they are given, made what the program takes: arrays of its dtypes, and boxes of what is no tensor.

A sequence, an optional value or a map is the one element of an array of objects: a tuple of arrays, an array or None, a
dictionary of numbers or text.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import InputError
from .text import text_array

BOXED = ("seq", "optional", "map")
"""How the names of kinds begin that are the one element of an array."""
_DTYPES = {"float": "float32", "double": "float64", "string": "object"}
"""NumPy's names of ONNX's element types, where they differ."""


def dtype_of_feed(dtype: np.dtype, kind: str) -> np.dtype:
    """What ``convert_feed`` is told of an input; no array has the dtype itself if what it holds must be looked at."""
    return np.dtype(object, metadata={"kind": kind or "tensor(string)"}) if dtype.kind == "O" else dtype


def convert_feed(name: str, value: Any, dtype: np.dtype) -> np.ndarray:
    """The feed as a C-contiguous array of ``dtype``. Raises InputError where that would change a value or its type.

    An array must have the dtype already. Python numbers and lists have none: they are taken where they fit. Text may be
    an array of objects or of NumPy's text, or a list.
    """
    if dtype.kind == "O":
        return _object(name, value, dtype.metadata["kind"] if dtype.metadata else "tensor(string)")
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype != dtype:
            found = str(array.dtype) if array.dtype.isnative else f"{array.dtype.name} in foreign byte order"
            raise InputError(f"input '{name}': expected dtype {dtype}, got {found}")
        return array if array.flags.c_contiguous else array.copy(order="C")
    try:
        natural = np.asarray(value)
    except Exception as error:  # An array of another library says in its own way that it cannot be converted.
        raise InputError(
            f"input '{name}': expected an array of {dtype}, got {describe_value(value)}: {error}"
        ) from None
    if natural.dtype == dtype:
        return np.array(natural, dtype, order="C")
    own_dtype = getattr(value, "dtype", None)
    if own_dtype is not None or hasattr(value, "__array__") or not _fits(natural, dtype):
        raise InputError(f"input '{name}': expected dtype {dtype}, got {describe_value(value)} of {natural.dtype}")
    return np.array(natural, dtype, order="C")


def _fits(natural: np.ndarray, dtype: np.dtype) -> bool:
    """Whether Python numbers, which NumPy has read as ``natural``, are values of ``dtype``; floats may be rounded."""
    if natural.size == 0:
        return natural.dtype.kind in "biuf"
    if natural.dtype.kind == "b" or dtype.kind == "b":
        return natural.dtype.kind == dtype.kind
    if natural.dtype.kind in "iu" and dtype.kind in "iuf":
        with np.errstate(over="ignore"):
            return bool(np.all(natural.astype(dtype).astype(natural.dtype) == natural))
    return natural.dtype.kind == "f" and dtype.kind == "f"


def describe_value(value: Any) -> str:
    return f"a {type(value).__name__}"


def _object(name: str, value: Any, kind: str) -> np.ndarray:
    """Text, or a box of a sequence or an optional value, of that kind in ONNX's words."""
    if kind == "tensor(string)":
        return text_array(f"input '{name}'", value)
    return boxed(_content(name, value, kind))


def _content(name: str, value: Any, kind: str) -> Any:
    """A tuple of arrays for a sequence, an array for a tensor, None for an optional value that is not there."""
    container, _, inside = kind.removesuffix(")").partition("(")
    if container == "optional":
        return None if value is None else _content(name, value, inside)
    if container == "tensor":
        return convert_feed(name, value, np.dtype(_DTYPES.get(inside, inside)))
    if container == "map":
        return _mapped(name, value, kind, inside)
    if not isinstance(value, (list, tuple)):
        raise InputError(f"input '{name}': expected a list for {kind}, got {describe_value(value)}")
    return tuple(_content(f"{name}[{place}]", member, inside) for place, member in enumerate(value))


def _mapped(name: str, value: Any, kind: str, inside: str) -> dict[Any, Any]:
    """A dictionary whose keys and values are of the types that ``inside`` says: ``int64,tensor(float)``."""
    if not isinstance(value, dict):
        raise InputError(f"input '{name}': expected a dictionary for {kind}, got {describe_value(value)}")
    for part, wanted in zip((value.keys(), value.values()), inside.replace("tensor(", "").rstrip(")").split(",")):
        types = {"string": (str,), "int64": (int, np.integer)}.get(wanted, (int, float, np.number))
        wrong = [entry for entry in part if not isinstance(entry, types)]
        if wrong:
            raise InputError(f"input '{name}': expected {wanted} in {kind}, got {describe_value(wrong[0])}")
    return dict(value)


def boxed(content: Any) -> np.ndarray:
    """An array of one object."""
    box = np.empty((), object)
    box[()] = content
    return box


def unboxed(box: np.ndarray) -> Any:
    """What an output holds, in memory of its own: a list for a sequence."""
    content = box[()]
    if isinstance(content, tuple):
        return [array.copy() for array in content]
    return content.copy() if isinstance(content, np.ndarray) else content
