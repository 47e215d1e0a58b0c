"""Reading the values of command-line options that both tools share."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np


def parse_shapes(texts: Iterable[str]) -> dict[str, tuple[int | str, ...]]:
    """``["x=1x3x224x224", "y=Nx10"]`` as dims by input name; a dim is a number or the name of a symbol.

    Without a name the shape is the only input's, and its key is the empty text.
    Raises ValueError that quotes the text not understood.
    """
    shapes: dict[str, tuple[int | str, ...]] = {}
    for text in texts:
        name, _, dims = text.rpartition("=")
        shapes[name] = tuple(_parse_dim(dim, text) for dim in dims.split("x")) if dims else ()
    return shapes


def _parse_dim(dim: str, text: str) -> int | str:
    if re.fullmatch(r"\d+", dim):
        return int(dim)
    if re.fullmatch(r"[A-Za-z_]\w*", dim):
        return dim
    raise ValueError(f"'{text}' is no shape: expected [NAME=]DIMS such as x=1x3x224x224 or x=Nx3x224x224")


def parse_constants(texts: Iterable[str]) -> dict[str, np.ndarray]:
    """``["w=dense<1.0> : tensor<2x3xf32>"]`` as arrays by name. Raises ValueError quoting a wrong text."""
    return dict(_parse_constant(text) for text in texts)


def _parse_constant(text: str) -> tuple[str, np.ndarray]:
    from xdsl.context import Context
    from xdsl.dialects.builtin import Builtin, DenseIntOrFPElementsAttr
    from xdsl.parser import Parser
    from xdsl.utils.exceptions import ParseError

    name, equals, value = text.partition("=")
    context = Context()
    context.load_dialect(Builtin)
    try:
        attribute = Parser(context, value).parse_attribute() if equals else None
    except ParseError as error:
        raise ValueError(f"'{text}' is no constant: {error}") from error
    if not isinstance(attribute, DenseIntOrFPElementsAttr):
        raise ValueError(f"'{text}' is no constant: expected NAME=dense<...> : tensor<...>")
    array = np.array(attribute.get_values(), dtype=_numpy_type(str(attribute.get_element_type())))
    shape = attribute.get_shape()
    return name, np.full(shape, array[0]) if array.size == 1 else array.reshape(shape)


def _numpy_type(element: str) -> np.dtype:
    if element == "i1":
        return np.dtype(bool)
    if element == "bf16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    kinds = {"f": "float", "i": "int", "si": "int", "ui": "uint"}
    kind, bits = re.fullmatch(r"([a-z]+)(\d+)", element).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return np.dtype(f"{kinds[kind]}{bits}")
