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
from typing import Any, ClassVar

from xdsl.ir import Attribute
from xdsl.irdl import operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from .broadcasting import BroadcastError, broadcast_shapes
from .operation import GraphOperation, flag, graph_operation
from .types import GraphTensorType, i1, is_bool, is_float, is_integer


def is_number(element: Attribute) -> bool:
    return is_float(element) or is_integer(element)


def _is_any(element: Attribute) -> bool:
    return True


class ElementwiseOp(GraphOperation):
    """Base of all elementwise operations."""

    ACCEPTS: ClassVar[Callable[[Attribute], bool]] = _is_any
    EXPECTED: ClassVar[str] = ""

    @classmethod
    def common_shape(cls, types: Sequence[GraphTensorType]) -> tuple[Any, ...]:
        """C2: the broadcast of all operand shapes."""
        try:
            return broadcast_shapes(*(t.dims for t in types))
        except BroadcastError as error:
            shapes = ", ".join(str(t) for t in types)
            raise VerifyException(f"C2: the operands {shapes} don't broadcast: {error}") from None

    @classmethod
    def common_element(cls, types: Sequence[GraphTensorType], first: int = 0) -> Attribute:
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
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        element = cls.common_element(types)
        return [GraphTensorType.of(cls.common_shape(types), cls.result_element(element))]

    @classmethod
    def result_element(cls, element: Attribute) -> Attribute:
        return element


class UnaryOp(ElementwiseOp):
    """One operand, same type out."""

    ACCEPTS = staticmethod(is_float)
    EXPECTED: ClassVar[str] = "floating-point"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)


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
    a = operand_def(GraphTensorType)
    b = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)


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


@graph_operation
class AbsOp(NumberUnaryOp):
    """|x|."""

    name = "graph.abs"


@graph_operation
class NegOp(NumberUnaryOp):
    """-x."""

    name = "graph.neg"


@graph_operation
class SignOp(NumberUnaryOp):
    """-1, 0 or 1."""

    name = "graph.sign"


@graph_operation
class ReluOp(NumberUnaryOp):
    """max(x, 0); NaN stays NaN."""

    name = "graph.relu"


@graph_operation
class ExpOp(UnaryOp):
    """e to the power of x."""

    name = "graph.exp"


@graph_operation
class LogOp(UnaryOp):
    """Natural logarithm."""

    name = "graph.log"


@graph_operation
class Expm1Op(UnaryOp):
    """e to the power of x, less 1, to the last digits also near zero."""

    name = "graph.expm1"


@graph_operation
class Log1pOp(UnaryOp):
    """Natural logarithm of 1 + x, to the last digits also near zero."""

    name = "graph.log1p"


@graph_operation
class SqrtOp(UnaryOp):
    """Square root."""

    name = "graph.sqrt"


@graph_operation
class ReciprocalOp(UnaryOp):
    """1 / x."""

    name = "graph.reciprocal"


@graph_operation
class ErfOp(UnaryOp):
    """Gauss error function."""

    name = "graph.erf"


@graph_operation
class GeluOp(UnaryOp):
    """x / 2 (1 + erf(x / sqrt 2)), or with ``tanh`` x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""

    name = "graph.gelu"
    tanh: bool = flag()


@graph_operation
class TanhOp(UnaryOp):
    """Hyperbolic tangent."""

    name = "graph.tanh"


@graph_operation
class SigmoidOp(UnaryOp):
    """1 / (1 + exp(-x))."""

    name = "graph.sigmoid"


@graph_operation
class SinOp(UnaryOp):
    """Sine."""

    name = "graph.sin"


@graph_operation
class CosOp(UnaryOp):
    """Cosine."""

    name = "graph.cos"


@graph_operation
class TanOp(UnaryOp):
    """Tangent."""

    name = "graph.tan"


@graph_operation
class AsinOp(UnaryOp):
    """Inverse sine."""

    name = "graph.asin"


@graph_operation
class AcosOp(UnaryOp):
    """Inverse cosine."""

    name = "graph.acos"


@graph_operation
class AtanOp(UnaryOp):
    """Inverse tangent."""

    name = "graph.atan"


@graph_operation
class SinhOp(UnaryOp):
    """Hyperbolic sine."""

    name = "graph.sinh"


@graph_operation
class CoshOp(UnaryOp):
    """Hyperbolic cosine."""

    name = "graph.cosh"


@graph_operation
class AsinhOp(UnaryOp):
    """Inverse hyperbolic sine."""

    name = "graph.asinh"


@graph_operation
class AcoshOp(UnaryOp):
    """Inverse hyperbolic cosine."""

    name = "graph.acosh"


@graph_operation
class AtanhOp(UnaryOp):
    """Inverse hyperbolic tangent."""

    name = "graph.atanh"


@graph_operation
class FloorOp(UnaryOp):
    """Rounded down."""

    name = "graph.floor"


@graph_operation
class CeilOp(UnaryOp):
    """Rounded up."""

    name = "graph.ceil"


@graph_operation
class RoundOp(UnaryOp):
    """Rounded to nearest, halves to even."""

    name = "graph.round"


@graph_operation
class IsNanOp(TestOp):
    """Whether x is NaN."""

    name = "graph.is_nan"


@graph_operation
class AddOp(BinaryOp):
    """a + b; integers wrap around."""

    name = "graph.add"


@graph_operation
class SubOp(BinaryOp):
    """a - b; integers wrap around."""

    name = "graph.sub"


@graph_operation
class MulOp(BinaryOp):
    """a * b; integers wrap around."""

    name = "graph.mul"


@graph_operation
class DivOp(BinaryOp):
    """a / b; integers round towards zero."""

    name = "graph.div"


@graph_operation
class MaximumOp(BinaryOp):
    """The larger; NaN where either is NaN."""

    name = "graph.maximum"


@graph_operation
class MinimumOp(BinaryOp):
    """The smaller; NaN where either is NaN."""

    name = "graph.minimum"


@graph_operation
class EqualOp(CompareOp):
    """a == b."""

    name = "graph.equal"


@graph_operation
class LessOp(CompareOp):
    """a < b."""

    name = "graph.less"


@graph_operation
class LessEqualOp(CompareOp):
    """a <= b."""

    name = "graph.less_equal"


@graph_operation
class GreaterOp(CompareOp):
    """a > b."""

    name = "graph.greater"


@graph_operation
class GreaterEqualOp(CompareOp):
    """a >= b."""

    name = "graph.greater_equal"


@graph_operation
class AndOp(LogicalOp):
    """Both."""

    name = "graph.and"


@graph_operation
class OrOp(LogicalOp):
    """Either."""

    name = "graph.or"


@graph_operation
class XorOp(LogicalOp):
    """One of both."""

    name = "graph.xor"


@graph_operation
class ShiftLeftOp(LogicalOp):
    """A times two to the b, integers."""

    name = "graph.shift_left"


@graph_operation
class ShiftRightOp(LogicalOp):
    """A divided by two to the b, rounded down, integers."""

    name = "graph.shift_right"


@graph_operation
class PowOp(BinaryOp):
    """``a`` to the power of ``b``. C1 is weaker here: the exponent may have a type of its own."""

    name = "graph.pow"

    @classmethod
    def common_element(cls, types: Sequence[GraphTensorType], first: int = 0) -> Attribute:
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
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)


@graph_operation
class WhereOp(ElementwiseOp):
    """``a`` where the condition holds, else ``b``. C4: the condition has elements of i1."""

    name = "graph.where"
    condition = operand_def(GraphTensorType)
    a = operand_def(GraphTensorType)
    b = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        if not is_bool(types[0].element_type):
            raise VerifyException(f"C4: operand #0, the condition, must have elements of i1, got {types[0]}")
        return [GraphTensorType.of(cls.common_shape(types), cls.common_element(types, 1))]


@graph_operation
class CastOp(ElementwiseOp):
    """Each element converted to the result's element type; float to integer rounds towards zero.

    ``saturate`` clamps to the range of an integer result instead of wrapping. C4: operand and result
    have the same shape.
    """

    name = "graph.cast"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    saturate: bool = flag()

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        if types[0].shape != result_types[0].shape and not types[0].same_shape(result_types[0]):
            raise VerifyException(f"C4: the result must have the shape of operand #0 {types[0]}, got {result_types[0]}")


@graph_operation
class BitcastOp(ElementwiseOp):
    """The bits of each element read as the result's element type.

    C4: operand and result have the same shape; C5: their elements have the same width, of 1 to 8 bytes.
    """

    name = "graph.bitcast"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        if not types[0].same_shape(result_types[0]):
            raise VerifyException(f"C4: the result must have the shape of operand #0 {types[0]}, got {result_types[0]}")
        dtypes = [t.dtype for t in (types[0], result_types[0])]
        if dtypes[0].itemsize != dtypes[1].itemsize or any(dtype.kind == "O" for dtype in dtypes):
            raise VerifyException(f"C5: the bits of {types[0]} cannot be read as {result_types[0]}")


UNARY_OPERATIONS: tuple[type[UnaryOp], ...] = (
    AbsOp, NegOp, SignOp, ReluOp, ExpOp, Expm1Op, LogOp, Log1pOp, SqrtOp, ReciprocalOp, ErfOp, GeluOp, TanhOp,
    SigmoidOp, SinOp, CosOp, TanOp, AsinOp, AcosOp, AtanOp, SinhOp, CoshOp, AsinhOp, AcoshOp, AtanhOp, FloorOp, CeilOp,
    RoundOp, IsNanOp,
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
    BitcastOp,
)
