"""Scalar code on whole NumPy arrays: each op acts on all elements at once, in kernels' regions and on vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    BFloat16Type,
    DenseIntOrFPElementsAttr,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IndexType,
    IntegerType,
    Signedness,
    VectorType,
)
from xdsl.ir import Attribute, Operation, Region, SSAValue

from ..dialects import vector_extension as vectorx
from ..reference.elementwise import gelu, tanh_gelu
from ..reference.operations import evaluate


class NoMeaningError(ValueError):
    """An op that an interpreter does not know: what it computes cannot be checked, which says nothing against it."""


_FLOATS = {
    Float16Type: np.dtype(np.float16),
    BFloat16Type: np.dtype(ml_dtypes.bfloat16),
    Float32Type: np.dtype(np.float32),
    Float64Type: np.dtype(np.float64),
}


def scalar_dtype(type_: Attribute) -> np.dtype:
    """The NumPy dtype that holds a scalar type; integers are signed that don't say that they are not."""
    if isinstance(type_, IndexType):
        return np.dtype(np.int64)
    if isinstance(type_, IntegerType):
        sign = "u" if type_.signedness.data == Signedness.UNSIGNED else ""
        return np.dtype(np.bool_) if type_.width.data == 1 else np.dtype(f"{sign}int{type_.width.data}")
    return _FLOATS[type(type_)]


def evaluate_region(region: Region, arguments: Sequence[np.ndarray]) -> np.ndarray:
    """What the region yields for these arrays, which must broadcast against one another.

    Raises NoMeaningError for an op that it does not know.
    """
    values: dict[SSAValue, np.ndarray] = dict(zip(region.block.args, arguments, strict=True))
    with np.errstate(all="ignore"):
        for op in region.block.ops:
            if op.name == "kernel.yield":
                return values[op.operands[0]]
            values[op.results[0]] = operation_function(op)(*(values[operand] for operand in op.operands))
    raise ValueError("the region does not end in kernel.yield")


def element_dtype(type_: Attribute) -> np.dtype:
    """The dtype of a scalar, or of a vector's elements."""
    return scalar_dtype(type_.element_type if isinstance(type_, VectorType) else type_)


def operation_function(op: Operation) -> Callable[..., np.ndarray]:
    """What an op of arith, math or vectorx does to the arrays of its operands.

    Raises NoMeaningError for an op that it does not know.
    """
    dtype = element_dtype(op.results[0].type)
    if isinstance(op, arith.ConstantOp):
        value = _constant(op)
        return lambda: value
    function = _function(op, dtype)

    def apply(*operands: np.ndarray) -> np.ndarray:
        return np.asarray(function(*operands)).astype(dtype, copy=False)

    return apply


def _function(op: Operation, dtype: np.dtype) -> Callable[..., Any]:
    if isinstance(op, vectorx.ByteTableOp):
        table = np.frombuffer(op.numbers, np.int8)
        return lambda x: table[x.view(np.uint8)]
    name = op.name.replace("vectorx.", "arith.")
    if name in ("arith.cmpi", "arith.cmpf"):
        compare = _compare_integers if name == "arith.cmpi" else _compare_floats
        return partial(compare, _predicate(op))
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    if name in _REFERENCES:
        return lambda *operands: evaluate(_REFERENCES[name], operands, {})[0]
    if name in _CASTS:
        return lambda array: _CASTS[name](array, dtype)
    raise NoMeaningError(f"no meaning is known for {op.name} as scalar code")


def _predicate(op: Operation) -> str:
    names = arith.CMPI_COMPARISON_OPERATIONS if op.name.endswith("cmpi") else arith.CMPF_COMPARISON_OPERATIONS
    return names[op.properties["predicate"].value.data]  # pyright: ignore[reportAttributeAccessIssue]


def _constant(op: arith.ConstantOp) -> np.ndarray:
    attribute = op.value
    dtype = element_dtype(op.result.type)
    if isinstance(attribute, DenseIntOrFPElementsAttr):
        values = np.asarray(list(attribute.get_values())).astype(dtype)
        shape = op.result.type.get_shape()  # pyright: ignore[reportAttributeAccessIssue]
        return np.full(shape, values[0]) if values.size == 1 else values.reshape(shape)
    number = attribute.value.data  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(attribute, FloatAttr):
        return np.asarray(number).astype(dtype)
    return np.asarray(bool(number) if dtype == np.bool_ else number).astype(dtype)


def _unsigned(array: np.ndarray) -> np.ndarray:
    """The same bits as unsigned numbers."""
    return array.astype(np.uint8) if array.dtype == np.bool_ else array.view(f"u{array.dtype.itemsize}")


_ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


def _compare_integers(predicate: str, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    if predicate in _ORDERS:
        return _ORDERS[predicate](left, right)
    if predicate[0] == "u":
        left, right = _unsigned(left), _unsigned(right)
    return _ORDERS[predicate[1:]](left, right)


def _compare_floats(predicate: str, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    unordered = np.isnan(left) | np.isnan(right)
    if predicate in ("ord", "uno"):
        return unordered if predicate == "uno" else ~unordered
    if predicate in ("false", "true"):
        return np.full_like(unordered, predicate == "true")
    holds = _ORDERS[predicate[1:]](left, right)
    return holds & ~unordered if predicate[0] == "o" else holds | unordered


def _truncated_division(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    quotient = left // right
    return quotient + ((left % right != 0) & ((left < 0) != (right < 0)))


def _by_unsigned(function: Callable[[Any, Any], Any]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def apply(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.asarray(function(_unsigned(left), _unsigned(right))).view(left.dtype)

    return apply


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "arith.addf": np.add,
    "arith.subf": np.subtract,
    "arith.mulf": np.multiply,
    "arith.divf": np.divide,
    "arith.negf": np.negative,
    "arith.maximumf": np.maximum,
    "arith.minimumf": np.minimum,
    "arith.maxnumf": np.fmax,
    "arith.minnumf": np.fmin,
    "arith.addi": np.add,
    "arith.subi": np.subtract,
    "arith.muli": np.multiply,
    "arith.divsi": _truncated_division,
    "arith.divui": _by_unsigned(np.floor_divide),
    "arith.remsi": np.fmod,
    "arith.remui": _by_unsigned(np.remainder),
    "arith.maxsi": np.maximum,
    "arith.minsi": np.minimum,
    "arith.maxui": _by_unsigned(np.maximum),
    "arith.minui": _by_unsigned(np.minimum),
    "arith.andi": np.bitwise_and,
    "arith.ori": np.bitwise_or,
    "arith.xori": np.bitwise_xor,
    "arith.shli": np.left_shift,
    "arith.shrsi": np.right_shift,
    "arith.shrui": _by_unsigned(np.right_shift),
    "arith.select": np.where,
    "math.absf": np.abs,
    "math.absi": np.abs,
    "math.trunc": np.trunc,
    "math.copysign": np.copysign,
    "math.fma": lambda a, b, c: a.astype(np.float64) * b + c,
    "vector.fma": lambda a, b, c: a.astype(np.float64) * b + c,
    "math.powf": np.power,
    "math.exp2": np.exp2,
    "math.expm1": np.expm1,
    "math.log1p": np.log1p,
    "arith.remf": np.fmod,
    "arith.gelu": gelu,
    "arith.tanh_gelu": tanh_gelu,
}

# Ops of the math dialect that mean what a graph operation means.
_REFERENCES = {
    f"math.{name}": name
    for name in (
        "exp", "log", "sqrt", "erf", "tanh", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh",
        "acosh", "atanh", "floor", "ceil",
    )
} | {"math.roundeven": "round"}  # fmt: skip


def _plain_cast(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return array.astype(dtype)


_CASTS: dict[str, Callable[[np.ndarray, np.dtype], np.ndarray]] = {
    "arith.bitcast": lambda array, dtype: array.view(dtype),
    "arith.index_cast": _plain_cast,
    "arith.extf": _plain_cast,
    "arith.truncf": _plain_cast,
    "arith.extsi": lambda array, dtype: -array.astype(dtype) if array.dtype == np.bool_ else array.astype(dtype),
    "arith.extui": lambda array, dtype: _unsigned(array).astype(dtype),
    "arith.trunci": lambda array, dtype: array & 1 if dtype == np.bool_ else array.astype(dtype),
    "arith.sitofp": _plain_cast,
    "arith.uitofp": lambda array, dtype: _unsigned(array).astype(dtype),
    "arith.fptosi": _plain_cast,
    "arith.fptoui": lambda array, dtype: array.astype(f"u{dtype}").view(dtype),
}
