"""Elementwise operations: one element of the result from one element of each operand.

Operands broadcast as in NumPy. The families differ only in what element types they take and give:

========== ======================= ==========================
family     operands                result
========== ======================= ==========================
UnaryOp    one float or number     the same type
TestOp     one float               i1
BinaryOp   two of one number type  that type
CompareOp  two of one type         i1
LogicalOp  two of i1 or an integer that type (bitwise)
========== ======================= ==========================

Constraints of all of them: C1: operands have one element type, of the kinds that the operation takes;
C2: their shapes broadcast; C3: the result has the broadcast shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from xdsl.ir import Attribute
from xdsl.irdl import operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from .broadcasting import BroadcastError, broadcast_shapes
from .operation import GraphOperation, flag, graph_operation
from .types import TensorType, i1, is_bool, is_float, is_integer


def is_number(element: Attribute) -> bool:
    return is_float(element) or is_integer(element)


def _is_any(element: Attribute) -> bool:
    return True


class ElementwiseOp(GraphOperation):
    """Base of all elementwise operations."""

    ACCEPTS: ClassVar[Callable[[Attribute], bool]] = _is_any
    EXPECTED: ClassVar[str] = ""

    @classmethod
    def common_shape(cls, types: Sequence[TensorType]) -> tuple[Any, ...]:
        """C2: the broadcast of all operand shapes."""
        try:
            return broadcast_shapes(*(t.dims for t in types))
        except BroadcastError as error:
            shapes = ", ".join(str(t) for t in types)
            raise VerifyException(f"C2: the operands {shapes} don't broadcast: {error}") from None

    @classmethod
    def common_element(cls, types: Sequence[TensorType], first: int = 0) -> Attribute:
        """C1: the element type of all operands from ``first`` on."""
        element = types[first].element_type
        if not cls.ACCEPTS(element):
            raise VerifyException(f"C1: operand #{first} must have {cls.EXPECTED} elements, got {element}")
        for index, other in enumerate(types[first + 1 :], first + 1):
            if other.element_type != element:
                raise VerifyException(
                    f"C1: operand #{index} has elements of {other.element_type}, operand #{first} of {element}"
                )
        return element

    @classmethod
    def infer(cls, types: Sequence[TensorType], values: Mapping[str, Any]) -> Sequence[TensorType]:
        element = cls.common_element(types)
        return [TensorType.of(cls.common_shape(types), cls.result_element(element))]

    @classmethod
    def result_element(cls, element: Attribute) -> Attribute:
        return element


class UnaryOp(ElementwiseOp):
    """One operand, same type out."""

    ACCEPTS = staticmethod(is_float)
    EXPECTED: ClassVar[str] = "floating-point"
    x = operand_def(TensorType)
    result = result_def(TensorType)


class NumberUnaryOp(UnaryOp):
    """As UnaryOp, for integers too."""

    ACCEPTS = staticmethod(is_number)
    EXPECTED: ClassVar[str] = "numeric"


class TestOp(UnaryOp):
    """A question about each element."""

    @classmethod
    def result_element(cls, element: Attribute) -> Attribute:
        return i1


class BinaryOp(ElementwiseOp):
    """Two operands of one number type."""

    ACCEPTS = staticmethod(is_number)
    EXPECTED: ClassVar[str] = "numeric"
    a = operand_def(TensorType)
    b = operand_def(TensorType)
    result = result_def(TensorType)


class CompareOp(BinaryOp):
    """Two operands of one type, truth values out."""

    ACCEPTS = staticmethod(_is_any)

    @classmethod
    def result_element(cls, element: Attribute) -> Attribute:
        return i1


class LogicalOp(BinaryOp):
    """On i1 logical, on integers bit by bit."""

    ACCEPTS = staticmethod(lambda element: is_bool(element) or is_integer(element))
    EXPECTED: ClassVar[str] = "i1 or integer"


_OpT = TypeVar("_OpT", bound=ElementwiseOp)


def _define(base: type[_OpT], name: str, documentation: str) -> type[_OpT]:
    class_name = "".join(part.capitalize() for part in name.split("_")) + "Op"
    body = {"name": f"graph.{name}", "__doc__": documentation, "__module__": __name__, "__annotations__": {}}
    return graph_operation(type(class_name, (base,), body))


AbsOp = _define(NumberUnaryOp, "abs", "|x|")
NegOp = _define(NumberUnaryOp, "neg", "-x")
SignOp = _define(NumberUnaryOp, "sign", "-1, 0 or 1")
ReluOp = _define(NumberUnaryOp, "relu", "max(x, 0); NaN stays NaN")
ExpOp = _define(UnaryOp, "exp", "e to the x")
LogOp = _define(UnaryOp, "log", "natural logarithm")
SqrtOp = _define(UnaryOp, "sqrt", "square root")
ReciprocalOp = _define(UnaryOp, "reciprocal", "1 / x")
ErfOp = _define(UnaryOp, "erf", "Gauss error function")
TanhOp = _define(UnaryOp, "tanh", "hyperbolic tangent")
SigmoidOp = _define(UnaryOp, "sigmoid", "1 / (1 + exp(-x))")
SinOp = _define(UnaryOp, "sin", "sine")
CosOp = _define(UnaryOp, "cos", "cosine")
TanOp = _define(UnaryOp, "tan", "tangent")
AsinOp = _define(UnaryOp, "asin", "inverse sine")
AcosOp = _define(UnaryOp, "acos", "inverse cosine")
AtanOp = _define(UnaryOp, "atan", "inverse tangent")
SinhOp = _define(UnaryOp, "sinh", "hyperbolic sine")
CoshOp = _define(UnaryOp, "cosh", "hyperbolic cosine")
AsinhOp = _define(UnaryOp, "asinh", "inverse hyperbolic sine")
AcoshOp = _define(UnaryOp, "acosh", "inverse hyperbolic cosine")
AtanhOp = _define(UnaryOp, "atanh", "inverse hyperbolic tangent")
FloorOp = _define(UnaryOp, "floor", "rounded down")
CeilOp = _define(UnaryOp, "ceil", "rounded up")
RoundOp = _define(UnaryOp, "round", "rounded to nearest, halves to even")
IsNanOp = _define(TestOp, "is_nan", "whether x is NaN")
AddOp = _define(BinaryOp, "add", "a + b; integers wrap around")
SubOp = _define(BinaryOp, "sub", "a - b; integers wrap around")
MulOp = _define(BinaryOp, "mul", "a * b; integers wrap around")
DivOp = _define(BinaryOp, "div", "a / b; integers round towards zero")
MaximumOp = _define(BinaryOp, "maximum", "the larger; NaN where either is NaN")
MinimumOp = _define(BinaryOp, "minimum", "the smaller; NaN where either is NaN")
EqualOp = _define(CompareOp, "equal", "a == b")
LessOp = _define(CompareOp, "less", "a < b")
LessEqualOp = _define(CompareOp, "less_equal", "a <= b")
GreaterOp = _define(CompareOp, "greater", "a > b")
GreaterEqualOp = _define(CompareOp, "greater_equal", "a >= b")
AndOp = _define(LogicalOp, "and", "both")
OrOp = _define(LogicalOp, "or", "either")
XorOp = _define(LogicalOp, "xor", "one of both")
ShiftLeftOp = _define(LogicalOp, "shift_left", "a times two to the b, integers")
ShiftRightOp = _define(LogicalOp, "shift_right", "a divided by two to the b, rounded down, integers")


@graph_operation
class PowOp(BinaryOp):
    """``a`` to the power of ``b``. C1 is weaker here: the exponent may have a type of its own."""

    name = "graph.pow"

    @classmethod
    def common_element(cls, types: Sequence[TensorType], first: int = 0) -> Attribute:
        for index, operand in enumerate(types):
            if not is_number(operand.element_type):
                raise VerifyException(f"C1: operand #{index} must have numeric elements, got {operand.element_type}")
        return types[0].element_type


@graph_operation
class ModOp(BinaryOp):
    """Remainder of a / b with the sign of b; with ``fmod`` that of a, as C's fmod."""

    name = "graph.mod"
    fmod: bool = flag()


@graph_operation
class NotOp(ElementwiseOp):
    """Not x: logical on i1, bit by bit on integers."""

    name = "graph.not"
    ACCEPTS = staticmethod(lambda element: is_bool(element) or is_integer(element))
    EXPECTED: ClassVar[str] = "i1 or integer"
    x = operand_def(TensorType)
    result = result_def(TensorType)


@graph_operation
class WhereOp(ElementwiseOp):
    """``a`` where the condition holds, else ``b``. C4: the condition has elements of i1."""

    name = "graph.where"
    condition = operand_def(TensorType)
    a = operand_def(TensorType)
    b = operand_def(TensorType)
    result = result_def(TensorType)

    @classmethod
    def infer(cls, types: Sequence[TensorType], values: Mapping[str, Any]) -> Sequence[TensorType]:
        if not is_bool(types[0].element_type):
            raise VerifyException(f"C4: operand #0, the condition, must have elements of i1, got {types[0]}")
        return [TensorType.of(cls.common_shape(types), cls.common_element(types, 1))]


@graph_operation
class CastOp(ElementwiseOp):
    """Each element converted to the result's element type; float to integer rounds towards zero.

    ``saturate`` clamps to the range of an integer result instead of wrapping. C4: operand and result
    have the same shape.
    """

    name = "graph.cast"
    x = operand_def(TensorType)
    result = result_def(TensorType)
    saturate: bool = flag()

    @classmethod
    def check(
        cls, types: Sequence[TensorType], values: Mapping[str, Any], result_types: Sequence[TensorType]
    ) -> None:
        if types[0].shape != result_types[0].shape and not types[0].same_shape(result_types[0]):
            raise VerifyException(f"C4: the result must have the shape of operand #0 {types[0]}, got {result_types[0]}")


UNARY_OPERATIONS: tuple[type[UnaryOp], ...] = (
    AbsOp, NegOp, SignOp, ReluOp, ExpOp, LogOp, SqrtOp, ReciprocalOp, ErfOp, TanhOp, SigmoidOp, SinOp, CosOp, TanOp,
    AsinOp, AcosOp, AtanOp, SinhOp, CoshOp, AsinhOp, AcoshOp, AtanhOp, FloorOp, CeilOp, RoundOp, IsNanOp,
)  # fmt: skip
BINARY_OPERATIONS: tuple[type[BinaryOp], ...] = (
    AddOp, SubOp, MulOp, DivOp, PowOp, MaximumOp, MinimumOp, ModOp, EqualOp, LessOp, LessEqualOp, GreaterOp,
    GreaterEqualOp, AndOp, OrOp, XorOp, ShiftLeftOp, ShiftRightOp,
)  # fmt: skip
ELEMENTWISE_OPERATIONS: tuple[type[ElementwiseOp], ...] = (
    *UNARY_OPERATIONS,
    *BINARY_OPERATIONS,
    NotOp,
    WhereOp,
    CastOp,
)
