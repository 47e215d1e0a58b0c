"""How element types are stored: bytes, NumPy dtypes."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import BFloat16Type, Float16Type, Float32Type, Float64Type, IntegerType, Signedness
from xdsl.ir import Attribute

from . import shape as dims
from .graph.types import StringType, is_container
from .layout import TensorType
from .shape import Dim

_FLOATS = {Float16Type: "float16", Float32Type: "float32", Float64Type: "float64", BFloat16Type: "bfloat16"}


def dtype_name(element: Attribute) -> str:
    """NumPy's name of an element type: float32, int64, bool, object for text and containers.

    Raises ValueError for one that is not stored.
    """
    if type(element) in _FLOATS:
        return _FLOATS[type(element)]
    if isinstance(element, StringType) or is_container(element):
        return "object"
    if isinstance(element, IntegerType):
        width = element.width.data
        if width == 1:
            return "bool"
        return f"{'u' if element.signedness.data == Signedness.UNSIGNED else ''}int{width}"
    raise ValueError(f"tensors of {element} cannot be stored")


def element_bytes(element: Attribute) -> int:
    name = dtype_name(element)
    return 2 if name == "bfloat16" else np.dtype(name).itemsize


def buffer_bytes(type_: TensorType) -> Dim:
    """Bytes of memory that a tensor takes, with margins and padding lanes."""
    return dims.multiply(type_.layout.element_count(type_.dims), element_bytes(type_.element_type))
