"""Element types by their three names: NumPy's, ONNX's number, and the word that stands in ``tensor(float)``.

Some have no type in NumPy. Where ``ml_dtypes`` is there arrays may have its types; else their bits stand in integers of
the same width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class ElementType:
    """``dtype`` is NumPy's name. Without ``native`` it is that of the integer which holds the bits; ``foreign`` is what
    ``ml_dtypes`` calls the type."""

    code: int
    word: str
    dtype: str
    native: bool = True
    foreign: str = ""


_TABLE = (
    ElementType(1, "float", "float32"),
    ElementType(2, "uint8", "uint8"),
    ElementType(3, "int8", "int8"),
    ElementType(4, "uint16", "uint16"),
    ElementType(5, "int16", "int16"),
    ElementType(6, "int32", "int32"),
    ElementType(7, "int64", "int64"),
    ElementType(8, "string", "object"),
    ElementType(9, "bool", "bool"),
    ElementType(10, "float16", "float16"),
    ElementType(11, "double", "float64"),
    ElementType(12, "uint32", "uint32"),
    ElementType(13, "uint64", "uint64"),
    ElementType(16, "bfloat16", "uint16", native=False, foreign="bfloat16"),
    ElementType(17, "float8e4m3fn", "uint8", native=False, foreign="float8_e4m3fn"),
    ElementType(18, "float8e4m3fnuz", "uint8", native=False, foreign="float8_e4m3fnuz"),
    ElementType(19, "float8e5m2", "uint8", native=False, foreign="float8_e5m2"),
    ElementType(20, "float8e5m2fnuz", "uint8", native=False, foreign="float8_e5m2fnuz"),
    ElementType(24, "float8e8m0", "uint8", native=False, foreign="float8_e8m0fnu"),
)
BY_CODE = {element.code: element for element in _TABLE}
_BY_DTYPE = {element.dtype: element for element in _TABLE if element.native}
_BY_DTYPE |= {element.foreign: element for element in _TABLE if element.foreign}
_BY_WORD = {element.word: element for element in _TABLE}
STRING = BY_CODE[8]


def element_of_dtype(dtype: np.dtype) -> ElementType:
    """Raises KeyError where no tensor has such elements."""
    return STRING if dtype.kind in "OSU" else _BY_DTYPE[dtype.name]


def element_of_word(word: str) -> ElementType:
    """Of ``float`` as in ``tensor(float)``. Raises KeyError."""
    return _BY_WORD[word]


def word_of_dtype(dtype: np.dtype) -> str:
    """``float`` of float32, as in ``tensor(float)``; NumPy's name where there is no other."""
    try:
        return element_of_dtype(dtype).word
    except KeyError:
        return dtype.name


def tensor_type(dtype: np.dtype) -> str:
    return f"tensor({word_of_dtype(dtype)})"
