"""Element types of ONNX and what holds them: what has fewer than 8 bits, and floats of 8, lie in bytes."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Attribute

from ..dialects.graph.types import element_type_of, i8, ui8
from .small_floats import SMALL_FLOATS

_T = onnx.TensorProto
_SMALL: dict[int, tuple[IntegerType, int]] = {
    _T.INT4: (i8, 4), _T.UINT4: (ui8, 4), _T.INT2: (i8, 2), _T.UINT2: (ui8, 2),
}  # fmt: skip


def element_of(code: int) -> Attribute:
    """The type that holds elements of ONNX's type of that number. Raises KeyError where there is none."""
    if code in SMALL_FLOATS:
        return ui8
    return _SMALL[code][0] if code in _SMALL else element_type_of(onnx.helper.tensor_dtype_to_np_dtype(code))


def small_bits(code: int) -> int:
    """Bits of an integer that has fewer than what holds it; 0 of any other type."""
    return _SMALL[code][1] if code in _SMALL else 0


def width_of(code: int) -> int:
    """Bits of an element that is held in a byte."""
    return _SMALL[code][1] if code in _SMALL else {0x8: 4, 0x20: 6}.get(SMALL_FLOATS[code].sign, 8)


def is_held_otherwise(code: int) -> bool:
    """Whether elements of ONNX's type of that number are held in a type that does not say what they are."""
    return code in _SMALL or code in SMALL_FLOATS


def type_name_of(code: int) -> str:
    """ONNX's name of such a type in signatures: int4, float8e4m3fn."""
    return _T.DataType.Name(code).lower()


def stored_array(tensor: onnx.TensorProto) -> np.ndarray:
    """The elements of a tensor as they are held."""
    array = numpy_helper.to_array(tensor)
    if tensor.data_type in SMALL_FLOATS:
        return array.view(np.uint8)
    if tensor.data_type not in _SMALL:
        return array
    return array.astype(np.int8 if _SMALL[tensor.data_type][0] == i8 else np.uint8)
