"""Symbolic execution of small tensors: what is known of the elements of a result from those of the operands.

Shape arithmetic in ONNX is done with tensors (Shape, Gather, Mul, Concat, Reshape ...). Following it with
dimension expressions as elements turns a computed shape into a static one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..dialects.graph.types import GraphTensorType, is_bool, is_float
from ..dialects.shape import MAX_TERMS, canonical, divide_towards_zero, floordiv, maximum, minimum, multiply, term_count
from ..dialects.shape import modulo as modulo_dimension
from .values import MAX_TRACKED_ELEMENTS

_Known = np.ndarray
_Rule = Callable[[Sequence[_Known], Mapping[str, Any], GraphTensorType], "_Known | None"]

# A float enters dimension arithmetic only as a fraction this simple: 0.5 does, 0.1 does not.
MAX_DENOMINATOR = 2**16


def known_result(
    name: str, operands: Sequence[_Known | None], values: Mapping[str, Any], result: GraphTensorType
) -> _Known | None:
    """What is known of the result of operation ``name`` ("graph." left out); None where nothing is."""
    rule = RULES.get(name)
    if rule is None or not result.is_static or _count(result) > MAX_TRACKED_ELEMENTS:
        return None
    if any(operand is None for operand in operands):
        return None
    known = rule([operand for operand in operands if operand is not None], values, result)
    if known is not None and known.dtype == object:
        known = _as_objects(_FORGET_UNWIELDY(known), known.shape)
    if known is None or all(element is None for element in known.reshape(-1)):
        return None
    return known


def _wieldy(element: Any) -> Any:
    """The element, or None where it is no dimension that could be meant: models can square numbers without end."""
    if element is None or isinstance(element, bool | float):
        return element
    if isinstance(element, int):
        return element if abs(element) < 1 << 63 else None
    if element.is_Atom:
        return element
    numbers = [element] if element.is_Number else element.atoms(_integer_class())
    return element if all(abs(number) < 1 << 63 for number in numbers) else None


_FORGET_UNWIELDY = np.frompyfunc(_wieldy, 1, 1)


@functools.cache
def _integer_class() -> type:
    import sympy

    return sympy.Integer


def _product(left: Any, right: Any) -> Any:
    sums = [1 if isinstance(factor, int | float) else term_count(factor) for factor in (left, right)]
    return None if sums[0] * sums[1] > MAX_TERMS else canonical(left * right)


def _count(tensor: GraphTensorType) -> int:
    count = tensor.element_count
    return count if isinstance(count, int) else MAX_TRACKED_ELEMENTS + 1


def _is_plain(element: Any) -> bool:
    return isinstance(element, int | float | bool)


def as_exact(element: Any) -> Any:
    """A float as a simple fraction, so that it can meet dimensions; None where it is none.

    An undecided comparison is None too: only If looks at it.
    """
    import math

    import sympy

    if isinstance(element, sympy.Rel):
        return None
    if not isinstance(element, float):
        return element

    if not math.isfinite(element):
        return None
    numerator, denominator = element.as_integer_ratio()
    return sympy.Rational(numerator, denominator) if denominator <= MAX_DENOMINATOR else None


def _elementwise(function: Callable[..., Any]) -> _Rule:
    def rule(operands: Sequence[_Known], values: Mapping[str, Any], result: GraphTensorType) -> _Known | None:
        def on_elements(*elements: Any) -> Any:
            exact = [as_exact(element) for element in elements]
            return None if any(element is None for element in exact) else function(*exact)

        shape = _sizes(result)
        known = np.frompyfunc(on_elements, len(operands), 1)(*operands)
        return _as_objects(known, shape)

    return rule


def _sizes(result: GraphTensorType) -> tuple[int, ...]:
    """The shape of a result, which is known here."""
    return tuple(int(dimension) for dimension in result.dims)  # pyright: ignore[reportArgumentType]


def _as_objects(value: Any, shape: tuple[int, ...]) -> _Known:
    result = np.empty(shape, object)
    result[...] = value
    return result


def _divide(left: Any, right: Any) -> Any:
    if right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    if isinstance(right, int) and right < 0:
        left, right = canonical(-left), -right
    if not isinstance(right, int) and not right.is_nonnegative:
        return None
    return divide_towards_zero(left, right)


def _divide_float(left: Any, right: Any) -> Any:
    import sympy

    return None if right == 0 else sympy.sympify(left) / sympy.sympify(right)


def _difference_sign(left: Any, right: Any) -> int | None:
    """The sign of left - right, where it is the same for all values of the symbols."""
    if _is_plain(left) and _is_plain(right):
        return (left > right) - (left < right)
    difference = canonical(left - right)
    if isinstance(difference, int):
        return (difference > 0) - (difference < 0)
    if difference.is_positive:
        return 1
    if difference.is_negative:
        return -1
    return None


def _compare(test: Callable[[int], bool]) -> _Rule:
    def function(left: Any, right: Any) -> bool | None:
        sign = _difference_sign(left, right)
        return None if sign is None else test(sign)

    return _elementwise(function)


def _equal(left: Any, right: Any) -> Any:
    """Whether both are equal, or the equation itself where that depends on the symbols."""
    import sympy

    sign = _difference_sign(left, right)
    return sympy.Eq(left, right, evaluate=False) if sign is None else sign == 0


def _where(operands: Sequence[_Known], values: Mapping[str, Any], result: GraphTensorType) -> _Known | None:
    def choose(condition: Any, left: Any, right: Any) -> Any:
        if not isinstance(condition, bool):
            return left if left is not None and left is right else None
        return left if condition else right

    return _as_objects(np.frompyfunc(choose, 3, 1)(*operands), _sizes(result))


def _cast(operands: Sequence[_Known], values: Mapping[str, Any], result: GraphTensorType) -> _Known | None:
    def convert(element: Any) -> Any:
        if as_exact(element) is None and not _is_plain(element):
            return None
        if _is_plain(element):
            return result.dtype.type(element).item()
        if is_bool(result.element_type):
            return True if element.is_positive else None
        return element if is_float(result.element_type) else divide_towards_zero(element, 1)

    return _as_objects(np.frompyfunc(convert, 1, 1)(operands[0]), _sizes(result))


def _round(down: bool) -> _Rule:
    return _elementwise(lambda element: floordiv(element, 1) if down else -floordiv(-element, 1))


def _reduce(operands: Sequence[_Known], values: Mapping[str, Any], result: GraphTensorType) -> _Known | None:
    combine = {"sum": lambda a, b: canonical(a + b), "prod": multiply, "max": maximum, "min": minimum}
    if values["kind"] not in combine or is_float(result.element_type):
        return None
    if any(element is None for element in operands[0].reshape(-1)):
        return None
    function = np.frompyfunc(combine[values["kind"]], 2, 1)
    reduced = operands[0]
    for axis in sorted(values["axes"], reverse=True):
        if reduced.shape[axis] == 0:
            return None
        reduced = function.reduce(reduced, axis=axis)
    return _as_objects(reduced, ()) if not result.dims else np.asarray(reduced, object).reshape(_sizes(result))


def _gather(operands: Sequence[_Known], values: Mapping[str, Any], result: GraphTensorType) -> _Known | None:
    x, indices = operands
    if not all(isinstance(index, int) for index in indices.reshape(-1)):
        return None
    picked = np.take(x, indices.astype(np.int64), values["axis"])
    return _as_objects(picked, _sizes(result))


def _slice(operands: Sequence[_Known], values: Mapping[str, Any], result: GraphTensorType) -> _Known | None:
    from ..reference.movement import take_slice

    bounds = (*values["starts"], *values["ends"])
    if not all(isinstance(bound, int) for bound in bounds):
        return None
    return take_slice(operands[0], values["axes"], values["starts"], values["ends"], values["steps"])


def _concat(operands: Sequence[_Known], values: Mapping[str, Any], result: GraphTensorType) -> _Known | None:
    return np.concatenate(operands, values["axis"])


def _reshape(operands: Sequence[_Known], values: Mapping[str, Any], result: GraphTensorType) -> _Known | None:
    return operands[0].reshape(_sizes(result))


def _broadcast_to(operands: Sequence[_Known], values: Mapping[str, Any], result: GraphTensorType) -> _Known | None:
    return np.broadcast_to(operands[0], _sizes(result))


def _transpose(operands: Sequence[_Known], values: Mapping[str, Any], result: GraphTensorType) -> _Known | None:
    return np.transpose(operands[0], values["permutation"])


def _range(operands: Sequence[_Known], values: Mapping[str, Any], result: GraphTensorType) -> _Known | None:
    start, _, step = (operand.reshape(()).item() for operand in operands)
    if not isinstance(start, int) or not isinstance(step, int):
        return None
    count = int(result.dims[0])  # pyright: ignore[reportArgumentType]
    return _as_objects([start + index * step for index in range(count)], (count,))


def _logical(function: Callable[[int, int], int]) -> _Rule:
    return _elementwise(lambda a, b: function(a, b) if isinstance(a, int) and isinstance(b, int) else None)


def _divide_rule(operands: Sequence[_Known], values: Mapping[str, Any], result: GraphTensorType) -> _Known | None:
    function = _divide_float if is_float(result.element_type) else _divide
    return _elementwise(function)(operands, values, result)


def _modulo_rule(operands: Sequence[_Known], values: Mapping[str, Any], result: GraphTensorType) -> _Known | None:
    if values.get("fmod") or is_float(result.element_type):
        return None
    return _elementwise(lambda a, b: None if b == 0 else modulo_dimension(a, b))(operands, values, result)


RULES: dict[str, _Rule] = {
    "add": _elementwise(lambda a, b: canonical(a + b)),
    "sub": _elementwise(lambda a, b: canonical(a - b)),
    "mul": _elementwise(_product),
    "div": _divide_rule,
    "mod": _modulo_rule,
    "neg": _elementwise(lambda a: canonical(-a)),
    "maximum": _elementwise(maximum),
    "minimum": _elementwise(minimum),
    "floor": _round(down=True),
    "ceil": _round(down=False),
    "equal": _elementwise(_equal),
    "less": _compare(lambda sign: sign < 0),
    "less_equal": _compare(lambda sign: sign <= 0),
    "greater": _compare(lambda sign: sign > 0),
    "greater_equal": _compare(lambda sign: sign >= 0),
    "and": _logical(lambda a, b: a & b),
    "or": _logical(lambda a, b: a | b),
    "not": _elementwise(lambda a: not a if isinstance(a, bool) else None),
    "where": _where,
    "cast": _cast,
    "reduce": _reduce,
    "gather": _gather,
    "slice": _slice,
    "concat": _concat,
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "transpose": _transpose,
    "range": _range,
}
