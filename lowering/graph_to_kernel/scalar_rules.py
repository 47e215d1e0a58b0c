"""One element of each elementwise graph operation, written with ``arith``, ``math`` and ``vectorx``.

A rule gets the code to write to, the operands' elements and the graph operation. Signs of integers are
read off the graph operation's types. f16 and bf16 elements arrive as f32: arithmetic on them is done there.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite
from typing import TypeAlias, TypeGuard

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import IntegerType, f32, f64, i32, i64
from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects import graph
from ...dialects import vector_extension as vectorx
from ...dialects.graph.types import is_bool, is_float, numpy_dtype, ui64
from .elements import is_unsigned, signless
from .scalar_code import ScalarCode


class Element:
    """One operand's element: an argument of the region, or a ``number`` known at compile time.

    A number becomes an op only where a rule asks for its ``value``.
    """

    def __init__(self, code: ScalarCode, type_: Attribute, argument: SSAValue | None, number: float | int | None):
        self._code, self.type, self._argument, self.number = code, type_, argument, number

    @property
    def value(self) -> SSAValue:
        if self._argument is None:
            assert self.number is not None
            return self._code.constant(self.number, self.type)
        if self._argument.type != self.type:
            self._argument = self._code.widened(self._argument)
        return self._argument

    @property
    def stored(self) -> SSAValue:
        """The element as it is in memory: a short float as such."""
        return self.value if self._argument is None else self._argument


ScalarRule: TypeAlias = Callable[[ScalarCode, list[Element], graph.ElementwiseOp], SSAValue]


def _element_type(op: graph.ElementwiseOp, index: int = 0) -> Attribute:
    """Element type of an operand of the graph operation, signs and all."""
    return op.operand_types[index].element_type


def _plain(float_op: type[Operation], integer_op: type[Operation] | None = None) -> ScalarRule:
    """One op on all operands: one for floats, one for integers and truth values."""

    def rule(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
        values = [element.value for element in elements]
        chosen = float_op if integer_op is None or is_float(values[0].type) else integer_op
        return code.emit(chosen, *values)

    return rule


def _by_sign(float_op: type[Operation], signed_op: type[Operation], unsigned_op: type[Operation]) -> ScalarRule:
    def rule(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
        integer_op = unsigned_op if is_unsigned(_element_type(op)) else signed_op
        return _plain(float_op, integer_op)(code, elements, op)

    return rule


def _comparison(name: str) -> ScalarRule:
    def rule(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
        left, right = (element.value for element in elements)
        if is_float(left.type):
            return code.compare(f"o{name}", left, right)
        if name == "eq":
            return code.compare("eq", left, right)
        return code.compare(("u" if is_unsigned(_element_type(op)) else "s") + name, left, right)

    return rule


def _negate(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    x = elements[0].value
    if is_float(x.type):
        return code.emit(arith.NegfOp, x)
    return code.emit(arith.SubiOp, code.constant(0, x.type), x)


def _absolute(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    if is_unsigned(_element_type(op)):
        return elements[0].value
    return _plain(math.AbsFOp, math.AbsIOp)(code, elements, op)


def _sign(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    """Zero and NaN give themselves."""
    x = elements[0].value
    zero, one = code.constant(0, x.type), code.constant(1, x.type)
    if is_unsigned(_element_type(op)):
        return code.select(code.compare("ne", x, zero), one, zero)
    prefix = "o" if is_float(x.type) else "s"
    negative = code.select(code.compare(f"{prefix}lt", x, zero), code.constant(-1, x.type), x)
    return code.select(code.compare(f"{prefix}gt", x, zero), one, negative)


def _relu(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    x = elements[0].value
    if is_unsigned(_element_type(op)):
        return x
    return code.emit(arith.MaximumfOp if is_float(x.type) else arith.MaxSIOp, x, code.constant(0, x.type))


def _reciprocal(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    x = elements[0].value
    return code.emit(arith.DivfOp, code.constant(1, x.type), x)


def _sigmoid(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    """1 / (1 + exp(-x)): where exp overflows the result is 0, as it should be."""
    x = elements[0].value
    one = code.constant(1, x.type)
    power = code.emit(math.ExpOp, code.emit(arith.NegfOp, x))
    return code.emit(arith.DivfOp, one, code.emit(arith.AddfOp, one, power))


def _gelu(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    return code.emit(vectorx.TanhGeluOp if op.values["tanh"] else vectorx.GeluOp, elements[0].value)


def _is_nan(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    return code.compare("uno", elements[0].value, elements[0].value)


def _not(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    x = elements[0].value
    return code.emit(arith.XOrIOp, x, code.constant(-1, x.type))


def _where(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    return code.select(*(element.value for element in elements))


# --- division -------------------------------------------------------------------------------------------


def _divide(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    a, b = elements
    if is_float(a.type):
        return code.emit(arith.DivfOp, a.value, b.value)
    if is_unsigned(_element_type(op)):
        return code.emit(arith.DivUIOp, a.value, _without_zero(code, b))
    quotient = code.emit(arith.DivSIOp, a.value, _without_traps(code, b))
    if b.number is not None and b.number != -1:
        return quotient
    minus_one = code.compare("eq", b.value, code.constant(-1, b.type))
    return code.select(minus_one, code.emit(arith.SubiOp, code.constant(0, a.type), a.value), quotient)


def _without_zero(code: ScalarCode, divisor: Element) -> SSAValue:
    """Divisors of 0 become 1, since the machine stops a program that divides by 0. ONNX leaves the result open."""
    if divisor.number is not None:
        return code.constant(divisor.number or 1, divisor.type)
    is_zero = code.compare("eq", divisor.value, code.constant(0, divisor.type))
    return code.select(is_zero, code.constant(1, divisor.type), divisor.value)


def _without_traps(code: ScalarCode, divisor: Element) -> SSAValue:
    """As _without_zero, and -1 becomes 1 too, since the least number divided by -1 has no place in its type."""
    if divisor.number is not None:
        return code.constant(1 if divisor.number in (0, -1) else divisor.number, divisor.type)
    one = code.constant(1, divisor.type)
    is_safe = code.compare("ugt", code.emit(arith.AddiOp, divisor.value, one), one)
    return code.select(is_safe, divisor.value, one)


def _modulo(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    a, b = elements
    fmod = bool(op.values["fmod"])
    if is_float(a.type):
        return _float_modulo(code, a.value, b.value, fmod)
    if is_unsigned(_element_type(op)):
        return code.emit(arith.RemUIOp, a.value, _without_zero(code, b))
    remainder = code.emit(arith.RemSIOp, a.value, _without_traps(code, b))
    if fmod:
        return remainder
    zero = code.constant(0, a.type)
    signs_differ = code.compare("slt", code.emit(arith.XOrIOp, remainder, b.value), zero)
    wrong = code.emit(arith.AndIOp, code.compare("ne", remainder, zero), signs_differ)
    return code.select(wrong, code.emit(arith.AddiOp, remainder, b.value), remainder)


def _float_modulo(code: ScalarCode, a: SSAValue, b: SSAValue, fmod: bool) -> SSAValue:
    """The remainder of a division towards zero (fmod), or of one down: one b more where the signs differ."""
    remainder = code.emit(vectorx.RemfOp, a, b)
    if fmod:
        return remainder
    zero = code.constant(0, a.type)
    is_negative = code.compare("olt", remainder, zero)
    signs_differ = code.emit(arith.XOrIOp, is_negative, code.compare("olt", b, zero))
    wrong = code.emit(arith.AndIOp, code.compare("one", remainder, zero), signs_differ)
    return code.select(wrong, code.emit(arith.AddfOp, remainder, b), remainder)


# --- powers ----------------------------------------------------------------------------------------------

LARGEST_UNROLLED_POWER = 16
# Of floats each product rounds: so many lose up to 5 units in the last place.
FLOAT_POWERS = range(-4, 9)


def _power(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    base, exponent = elements
    number = exponent.number
    if _is_unrolled(number, base.type):
        return _integer_power(code, base.value, int(number))
    if number in (0.5, -0.5):
        root = _square_root_of_power(code, base.value)
        return root if number == 0.5 else code.emit(arith.DivfOp, code.constant(1, root.type), root)
    exponent_value = exponent.value
    if exponent_value.type != base.type:
        exponent_value = _convert(code, exponent_value, _element_type(op, 1), base.type)
    return code.emit(math.PowFOp, base.value, exponent_value)


def _square_root_of_power(code: ScalarCode, base: SSAValue) -> SSAValue:
    """The power of 1/2, which differs from a square root: of -0 it is 0, of -infinity infinity."""
    root = code.emit(math.SqrtOp, code.emit(arith.AddfOp, base, code.constant(0.0, base.type)))
    infinity = code.constant(inf, base.type)
    is_lowest = code.compare("oeq", base, code.constant(-inf, base.type))
    return code.select(is_lowest, infinity, root)


def _is_unrolled(exponent: float | int | None, base: Attribute) -> TypeGuard[float | int]:
    if exponent is None or not isfinite(exponent) or exponent != int(exponent):
        return False
    return int(exponent) in FLOAT_POWERS if is_float(base) else abs(exponent) <= LARGEST_UNROLLED_POWER


def _integer_power(code: ScalarCode, base: SSAValue, exponent: int) -> SSAValue:
    """By squaring; a negative exponent inverts the base, as a power could overflow whose inverse is a number."""
    if exponent == 0:
        return code.constant(1, base.type)
    if exponent < 0:
        base = code.emit(arith.DivfOp, code.constant(1, base.type), base)
    multiply = arith.MulfOp if is_float(base.type) else arith.MuliOp
    result, square, left = None, base, abs(exponent)
    while True:
        if left & 1:
            result = square if result is None else code.emit(multiply, result, square)
        left >>= 1
        if not left:
            break
        square = code.emit(multiply, square, square)
    assert result is not None
    return result


# --- bits and casts --------------------------------------------------------------------------------------


def _shift_left(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    """By the type's width or more everything is shifted out; amounts count as unsigned."""
    a, b = elements
    return _shift(code, arith.ShLIOp, a, b, code.constant(0, a.type))


def _shift_right(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    """Zeros come in from the left, or copies of the sign of a signed number."""
    a, b = elements
    if is_unsigned(_element_type(op)):
        return _shift(code, arith.ShRUIOp, a, b, code.constant(0, a.type))
    last = code.constant(_width(a) - 1, a.type)
    return _shift(code, arith.ShRSIOp, a, b, code.emit(arith.ShRSIOp, a.value, last))


def _shift(code: ScalarCode, op: type[Operation], a: Element, b: Element, beyond: SSAValue) -> SSAValue:
    is_within = code.compare("ult", b.value, code.constant(_width(a), b.type))
    return code.select(is_within, code.emit(op, a.value, b.value), beyond)


def _width(element: Element) -> int:
    return element.type.width.data  # pyright: ignore[reportAttributeAccessIssue]


def _cast(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    source, result = _element_type(op), op.result_types[0].element_type
    value = elements[0].value
    if op.values["saturate"] and not is_float(result) and not is_bool(result):
        value = _clamped(code, value, source, result)
        if value.type in (f32, f64) and result != ui64:
            through = _type_between(signless(result), is_unsigned(result))
            return _cut(code, code.emit(arith.FPToSIOp, value, type_=through), signless(result))
    return _convert(code, value, source, result)


def _bitcast(code: ScalarCode, elements: list[Element], op: graph.ElementwiseOp) -> SSAValue:
    """Truth values are bytes in memory alone."""
    source, result = _element_type(op), op.result_types[0].element_type
    if is_bool(source) or is_bool(result):
        return _convert(code, elements[0].value, source, result)
    value, target = elements[0].stored, signless(result)
    return value if value.type == target else code.emit(arith.BitcastOp, value, type_=target)


def _clamped(code: ScalarCode, value: SSAValue, source: Attribute, result: Attribute) -> SSAValue:
    """Within the range of an integer type; NaN becomes the type's largest number."""
    import numpy as np

    limits = np.iinfo(numpy_dtype(result))
    if is_float(value.type):
        # The largest float not above the limit: 2**31 - 1 itself is no f32.
        number = np.float64 if value.type == f64 else np.float32
        highest = number(limits.max)
        if int(highest) > limits.max:
            highest = np.nextafter(highest, number(0))
        lower = code.emit(arith.MinnumfOp, value, code.constant(float(highest), value.type))
        return code.emit(arith.MaxnumfOp, lower, code.constant(float(limits.min), value.type))
    own = np.iinfo(numpy_dtype(source)) if not is_bool(source) else None
    unsigned = is_unsigned(source)
    if own is not None and own.max > limits.max:
        value = code.emit(arith.MinUIOp if unsigned else arith.MinSIOp, value, code.constant(limits.max, value.type))
    if own is not None and own.min < limits.min:
        value = code.emit(arith.MaxSIOp, value, code.constant(limits.min, value.type))
    return value


def _convert(code: ScalarCode, value: SSAValue, source: Attribute, result: Attribute) -> SSAValue:
    """A value that represents graph element type ``source`` as one that represents ``result``."""
    target = signless(result)
    if is_float(value.type) and is_float(target):
        return _convert_float(code, value, target)
    if is_bool(result) and not is_bool(source):
        predicate = "une" if is_float(value.type) else "ne"
        return code.compare(predicate, value, code.constant(0, value.type))
    if is_float(value.type):
        return float_to_integer(code, value, target, is_unsigned(result))
    if is_float(target):
        wide = f32 if target.bitwidth < 32 else target  # pyright: ignore[reportAttributeAccessIssue]
        number = code.emit(arith.UIToFPOp if is_unsigned(source) else arith.SIToFPOp, value, type_=wide)
        return _convert_float(code, number, target)
    have, want = value.type.width.data, target.width.data  # pyright: ignore[reportAttributeAccessIssue]
    if have == want:
        return value
    if have > want:
        return code.emit(arith.TruncIOp, value, type_=target)
    return code.emit(arith.ExtUIOp if is_unsigned(source) else arith.ExtSIOp, value, type_=target)


def _convert_float(code: ScalarCode, value: SSAValue, target: Attribute) -> SSAValue:
    have, want = value.type.bitwidth, target.bitwidth  # pyright: ignore[reportAttributeAccessIssue]
    if have < want:
        return code.emit(arith.ExtFOp, value, type_=target)
    return value if value.type == target else code.emit(arith.TruncFOp, value, type_=target)


def float_to_integer(code: ScalarCode, value: SSAValue, target: Attribute, unsigned: bool) -> SSAValue:
    """Towards zero, on every target as ``reference.elementwise.float_to_integer`` defines it.

    Through a signed type, then cut to size. What that type does not hold, NaN included, is its least number; of u64 the
    upper half goes through the lower one.
    """
    through = _type_between(target, unsigned)
    value = _convert_float(code, value, f64 if value.type == f64 else f32)
    half = 2.0 ** (through.width.data - 1)
    least = code.constant(-int(half), through)
    if not (unsigned and target == i64):
        return _cut(code, _within(code, value, half, least), target)
    is_upper = code.compare("oge", value, code.constant(half, value.type))
    lowered = code.select(is_upper, code.emit(arith.SubfOp, value, code.constant(half, value.type)), value)
    number = _within(code, lowered, half, least)
    return code.emit(arith.AddiOp, number, code.select(is_upper, least, code.constant(0, through)))


def _type_between(target: Attribute, unsigned: bool) -> IntegerType:
    """The signed type in which a float becomes an integer before it is cut to size."""
    return i64 if target == i64 or (unsigned and target == i32) else i32


def _cut(code: ScalarCode, number: SSAValue, target: Attribute) -> SSAValue:
    return number if number.type == target else code.emit(arith.TruncIOp, number, type_=target)


def _within(code: ScalarCode, value: SSAValue, bound: float, otherwise: SSAValue) -> SSAValue:
    """A float of a size below ``bound`` as an integer of the type of ``otherwise``, which stands for all others."""
    fits = code.compare("olt", code.emit(math.AbsFOp, value), code.constant(bound, value.type))
    kept = code.select(fits, value, code.constant(0.0, value.type))
    return code.select(fits, code.emit(arith.FPToSIOp, kept, type_=otherwise.type), otherwise)


SCALAR_RULES: dict[str, ScalarRule] = {
    "graph.abs": _absolute,
    "graph.neg": _negate,
    "graph.sign": _sign,
    "graph.relu": _relu,
    "graph.exp": _plain(math.ExpOp),
    "graph.expm1": _plain(math.ExpM1Op),
    "graph.log": _plain(math.LogOp),
    "graph.log1p": _plain(math.Log1pOp),
    "graph.sqrt": _plain(math.SqrtOp),
    "graph.reciprocal": _reciprocal,
    "graph.erf": _plain(math.ErfOp),
    "graph.gelu": _gelu,
    "graph.tanh": _plain(math.TanhOp),
    "graph.sigmoid": _sigmoid,
    "graph.sin": _plain(math.SinOp),
    "graph.cos": _plain(math.CosOp),
    "graph.tan": _plain(math.TanOp),
    "graph.asin": _plain(math.AsinOp),
    "graph.acos": _plain(math.AcosOp),
    "graph.atan": _plain(math.AtanOp),
    "graph.sinh": _plain(math.SinhOp),
    "graph.cosh": _plain(math.CoshOp),
    "graph.asinh": _plain(math.AsinhOp),
    "graph.acosh": _plain(math.AcoshOp),
    "graph.atanh": _plain(math.AtanhOp),
    "graph.floor": _plain(math.FloorOp),
    "graph.ceil": _plain(math.CeilOp),
    "graph.round": _plain(math.RoundEvenOp),
    "graph.is_nan": _is_nan,
    "graph.add": _plain(arith.AddfOp, arith.AddiOp),
    "graph.sub": _plain(arith.SubfOp, arith.SubiOp),
    "graph.mul": _plain(arith.MulfOp, arith.MuliOp),
    "graph.div": _divide,
    "graph.pow": _power,
    "graph.mod": _modulo,
    "graph.maximum": _by_sign(arith.MaximumfOp, arith.MaxSIOp, arith.MaxUIOp),
    "graph.minimum": _by_sign(arith.MinimumfOp, arith.MinSIOp, arith.MinUIOp),
    "graph.equal": _comparison("eq"),
    "graph.less": _comparison("lt"),
    "graph.less_equal": _comparison("le"),
    "graph.greater": _comparison("gt"),
    "graph.greater_equal": _comparison("ge"),
    "graph.and": _plain(arith.AndIOp),
    "graph.or": _plain(arith.OrIOp),
    "graph.xor": _plain(arith.XOrIOp),
    "graph.shift_left": _shift_left,
    "graph.shift_right": _shift_right,
    "graph.not": _not,
    "graph.where": _where,
    "graph.cast": _cast,
    "graph.bitcast": _bitcast,
}

# Functions that are approximated for f32 elements only (shorter ones go through f32).
ONLY_SINGLE = frozenset(
    f"graph.{name}"
    for name in (
        "expm1", "log1p", "erf", "gelu", "tanh", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh",
        "acosh", "atanh",
    )
)  # fmt: skip
