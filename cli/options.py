"""Reading the values of command-line options that both tools share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

Shapes = dict[str, tuple[int | str, ...]]


def parse_shapes(texts: Iterable[str]) -> Shapes:
    """``["x=1x3x224x224", "y=Nx10"]`` as dims by input name; a dim is a number or the name of a symbol.

    Without a name the shape is the only input's, and its key is the empty text.
    Raises ValueError that quotes the text not understood.
    """
    shapes: Shapes = {}
    for text in texts:
        name, _, dims = text.rpartition("=")
        shapes[name] = tuple(_parse_dim(dim, text) for dim in dims.split("x")) if dims else ()
    return shapes


def parse_dims(texts: Iterable[str]) -> dict[str, int]:
    """``["N=1", "H=224"]`` as sizes by the name of a free dim. Raises ValueError quoting a wrong text."""
    sizes = {}
    for text in texts:
        name, equals, size = text.rpartition("=")
        if not (name and equals and re.fullmatch(r"\d+", size)):
            raise ValueError(f"'{text}' is no size of a dim: expected NAME=NUMBER such as N=1")
        sizes[name] = int(size)
    return sizes


def _parse_dim(dim: str, text: str) -> int | str:
    if re.fullmatch(r"\d+", dim):
        return int(dim)
    if re.fullmatch(r"[A-Za-z_]\w*", dim):
        return dim
    raise ValueError(f"'{text}' is no shape: expected [NAME=]DIMS such as x=1x3x224x224 or x=Nx3x224x224")


def name_the_only_input(shapes: Shapes, names: list[str]) -> Shapes:
    """The shapes with the nameless one given the name of the model's only input.

    Raises ValueError where there are several, or a shape is for no input.
    """
    if "" in shapes and len(names) != 1:
        raise ValueError(f"the model has {len(names)} inputs: say which, e.g. --shape {names[0]}=...")
    unknown = [name for name in shapes if name and name not in names]
    if unknown:
        raise ValueError(f"no input is called '{unknown[0]}': expected one of {', '.join(names)}")
    return {name or names[0]: shape for name, shape in shapes.items()}


def onnx_input_names(model: Path) -> list[str]:
    """Names of an ONNX model's inputs, without those that have a default. Raises LaminaError for another file."""
    import onnx
    from google.protobuf.message import DecodeError

    from ..runtime.errors import LaminaError

    try:
        graph = onnx.load(model, load_external_data=False).graph
    except DecodeError as error:
        raise LaminaError(f"'{model}' is no ONNX model: {error}") from error
    defaults = {tensor.name for tensor in graph.initializer}
    return [value.name for value in graph.input if value.name not in defaults]


def parse_constants(texts: Iterable[str]) -> dict[str, np.ndarray]:
    """``["w=dense<1.0> : tensor<2x3xf32>"]`` as arrays by name. Raises ValueError quoting a wrong text."""
    return dict(_parse_constant(text) for text in texts)


def _parse_constant(text: str) -> tuple[str, np.ndarray]:
    from xdsl.context import Context
    from xdsl.dialects.builtin import Builtin, DenseIntOrFPElementsAttr
    from xdsl.parser import Parser
    from xdsl.utils.exceptions import ParseError

    name, equals, value = text.rpartition("=")
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
