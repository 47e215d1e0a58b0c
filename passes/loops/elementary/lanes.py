"""Formulas over scalars or n-D vectors: Python operators that insert arith, math and vectorx operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, math, scf, vector
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    VectorType,
    f32,
    f64,
    i1,
    i32,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from ....dialects import vector_extension as vectorx
from ....dialects.shared_attributes import integer, vector_type

_NO_FLAGS: dict[str, Attribute] = {"fastmath": arith.FastMathFlagsAttr("none")}
_NO_OVERFLOW: dict[str, Attribute] = {"overflowFlags": arith.IntegerOverflowAttr("none")}


class LaneBuilder:
    """Inserts operations before a given one, on values of one shape (`None`: scalars).

    ``keeps_denormals``: the code runs where denormals are numbers; otherwise they are zero.
    """

    def __init__(self, before: Operation, shape: Sequence[int] | None, keeps_denormals: bool):
        block = before.parent
        assert isinstance(block, Block)
        self._before = before
        self._block = block
        self._sizes = shape
        self.keeps_denormals = keeps_denormals
        self._constants: dict[tuple[str, Attribute], Lane] = {}

    def type_of(self, element: Attribute) -> Attribute:
        """The type of values with this element type."""
        return element if self._sizes is None else vector_type(element, self._sizes)

    @property
    def is_vector(self) -> bool:
        return self._sizes is not None

    def value(self, ssa: SSAValue) -> Lane:
        """A value of the program as a term of a formula."""
        return Lane(self, ssa)

    def insert(
        self,
        operation: type[Operation],
        operands: Sequence[Lane],
        element: Attribute,
        properties: dict[str, Attribute] | None = None,
    ) -> Lane:
        """A new operation with one result."""
        op = operation.create(
            operands=[operand.ssa for operand in operands],
            result_types=(self.type_of(element),),
            properties=properties or {},
        )
        self._block.insert_op_before(op, self._before)
        return Lane(self, op.results[0])

    def constant(self, number: float | int, element: Attribute) -> Lane:
        """A number in every lane."""
        key = (repr(number), element)
        known = self._constants.get(key)
        if known is not None:
            return known
        value_type = self.type_of(element)
        scalar: IntegerAttr | FloatAttr
        if isinstance(element, IntegerType):
            scalar = IntegerAttr(int(number), element, truncate_bits=True)
        else:
            scalar = FloatAttr(float(number), element)  # pyright: ignore[reportArgumentType, reportCallIssue]
        if isinstance(value_type, VectorType):
            value: Attribute = DenseIntOrFPElementsAttr.from_list(value_type, [scalar.value.data])
        else:
            value = scalar
        op = arith.ConstantOp.create(result_types=(value_type,), properties={"value": value})
        self._block.insert_op_before(op, self._before)
        result = self._constants[key] = Lane(self, op.results[0])
        return result

    def if_any(
        self, mask: Lane, otherwise: Sequence[Lane], compute: Callable[[LaneBuilder], Sequence[Lane]]
    ) -> Sequence[Lane]:
        """What ``compute`` writes if the mask is on in any lane, else ``otherwise``: rare work behind a branch."""
        then = self._branch(compute)
        condition = self._any(mask) if self.is_vector else mask
        types = [value.ssa.type for value in otherwise]
        branch = scf.IfOp(condition.ssa, types, then, Region(Block([scf.YieldOp(*(v.ssa for v in otherwise))])))
        self._block.insert_op_before(branch, self._before)
        return [Lane(self, result) for result in branch.results]

    def _branch(self, compute: Callable[[LaneBuilder], Sequence[Lane]]) -> Region:
        end = scf.YieldOp()
        region = Region(Block([end]))
        end.operands = [value.ssa for value in compute(LaneBuilder(end, self._sizes, self.keeps_denormals))]
        return region

    def _any(self, mask: Lane) -> Lane:
        kind = vector.CombiningKindAttr(vector.CombiningKindFlag("or"))
        op = vector.ReductionOp.create(
            operands=[mask.ssa], result_types=[i1], properties={"kind": kind, "fastmath": _NO_FLAGS["fastmath"]}
        )
        self._block.insert_op_before(op, self._before)
        return Lane(self, op.results[0])

    def repeat(self, count: int, start: Sequence[Lane], step: Callable[[Sequence[Lane]], Sequence[Lane]]) -> list[Lane]:
        """``step`` of what the turn before gave, ``count`` times in a loop; its terms belong to the loop's lanes."""
        end = scf.YieldOp()
        body = Block([end], arg_types=[IndexType(), *(value.ssa.type for value in start)])
        inner = LaneBuilder(end, self._sizes, self.keeps_denormals)
        end.operands = [value.ssa for value in step([inner.value(argument) for argument in body.args[1:]])]
        first, last, stride = (self._index(number) for number in (0, count, 1))
        loop = scf.ForOp(first, last, stride, [value.ssa for value in start], body)
        self._block.insert_op_before(loop, self._before)
        return [Lane(self, result) for result in loop.results]

    def _index(self, number: int) -> SSAValue:
        op = arith.ConstantOp(IntegerAttr(number, IndexType()))
        self._block.insert_op_before(op, self._before)
        return op.result


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """A term: `+ - * /` are those of its float type; integers have named methods."""

    lanes: LaneBuilder
    ssa: SSAValue

    @property
    def element(self) -> Attribute:
        value_type = self.ssa.type
        return value_type.element_type if isinstance(value_type, VectorType) else value_type

    def like(self, operand: Lane | float | int) -> Lane:
        """The operand as a term: numbers become constants of this term's type."""
        return operand if isinstance(operand, Lane) else self.lanes.constant(operand, self.element)

    def _float(self, operation: type[Operation], *operands: Lane | float | int) -> Lane:
        return self.lanes.insert(operation, [self.like(operand) for operand in operands], self.element, _NO_FLAGS)

    def _integer(
        self, operation: type[Operation], other: Lane | int, properties: dict[str, Attribute] | None = None
    ) -> Lane:
        return self.lanes.insert(operation, [self, self.like(other)], self.element, properties)

    # --- floats

    def __add__(self, other: Lane | float) -> Lane:
        return self._float(arith.AddfOp, self, other)

    def __sub__(self, other: Lane | float) -> Lane:
        return self._float(arith.SubfOp, self, other)

    def __rsub__(self, other: float) -> Lane:
        return self._float(arith.SubfOp, other, self)

    def __mul__(self, other: Lane | float) -> Lane:
        return self._float(arith.MulfOp, self, other)

    def __rmul__(self, other: float) -> Lane:
        return self._float(arith.MulfOp, self, other)

    def __truediv__(self, other: Lane | float) -> Lane:
        return self._float(arith.DivfOp, self, other)

    def __rtruediv__(self, other: float) -> Lane:
        return self._float(arith.DivfOp, other, self)

    def __neg__(self) -> Lane:
        return self._float(arith.NegfOp, self)

    def __abs__(self) -> Lane:
        return self._float(math.AbsFOp, self)

    def fma(self, factor: Lane | float, addend: Lane | float) -> Lane:
        """`self * factor + addend`, rounded once where the machine can."""
        return self._float(math.FmaOp, self, factor, addend)

    def clamp(self, lowest: float, highest: float) -> Lane:
        """Limited to a range; NaN stays NaN."""
        return self.maximum(lowest).minimum(highest)

    def minimum(self, other: Lane | float) -> Lane:
        """The smaller one; NaN if one of both is."""
        return self._float(arith.MinimumfOp, self, other)

    def maximum(self, other: Lane | float) -> Lane:
        """The larger one; NaN if one of both is."""
        return self._float(arith.MaximumfOp, self, other)

    def sqrt(self) -> Lane:
        """The correctly rounded square root."""
        return self._float(math.SqrtOp, self)

    def truncate(self) -> Lane:
        """Rounded to an integer towards zero, as a float."""
        return self._float(math.TruncOp, self)

    def copysign(self, sign: Lane | float) -> Lane:
        """This magnitude with the other's sign."""
        return self._float(math.CopySignOp, self, sign)

    def polynomial(self, coefficients: Sequence[float]) -> Lane:
        """`c0 + c1 x + c2 x^2 + ...` by Horner's rule."""
        result = self.like(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            result = result.fma(self, coefficient)
        return result

    def compare(self, predicate: str, other: Lane | float) -> Lane:
        """Compares floats; lanes of `i1`."""
        operation = vectorx.CmpfOp if self.lanes.is_vector else arith.CmpfOp
        number = arith.CMPF_COMPARISON_OPERATIONS.index(predicate)
        properties: dict[str, Attribute] = {"predicate": integer(number)}
        if operation is arith.CmpfOp:
            properties |= _NO_FLAGS
        return self.lanes.insert(operation, [self, self.like(other)], i1, properties)

    # --- masks (lanes of i1)

    def select(self, chosen: Lane, other: Lane | float | int) -> Lane:
        """`self ? chosen : other`."""
        operation = vectorx.SelectOp if self.lanes.is_vector else arith.SelectOp
        return self.lanes.insert(operation, [self, chosen, chosen.like(other)], chosen.element)

    def both(self, other: Lane) -> Lane:
        """Where both masks are on."""
        return self._integer(arith.AndIOp, other)

    def either(self, other: Lane) -> Lane:
        """Where one of the masks is on."""
        return self._integer(arith.OrIOp, other)

    # --- bits

    def bits(self) -> Lane:
        """The float's bits as an integer of the same width."""
        return self.lanes.insert(arith.BitcastOp, [self], i64 if self.element == f64 else i32)

    def as_float(self) -> Lane:
        """The float that has these bits."""
        return self.lanes.insert(arith.BitcastOp, [self], f64 if self.element == i64 else f32)

    def plus(self, other: Lane | int) -> Lane:
        """Integer addition."""
        return self._integer(arith.AddiOp, other, _NO_OVERFLOW)

    def minus(self, other: Lane | int) -> Lane:
        """Integer subtraction."""
        return self._integer(arith.SubiOp, other, _NO_OVERFLOW)

    def shift_left(self, amount: int) -> Lane:
        """Shifted by a constant."""
        return self._integer(arith.ShLIOp, amount, _NO_OVERFLOW)

    def shift_right(self, amount: int) -> Lane:
        """Shifted by a constant, keeping the sign."""
        return self._integer(arith.ShRSIOp, amount)

    def shift_left_by(self, amount: Lane) -> Lane:
        """Shifted by less than the width, lane by lane."""
        return self._integer(arith.ShLIOp, amount, _NO_OVERFLOW)

    def shift_zeros_right(self, amount: Lane | int) -> Lane:
        """Shifted by less than the width, lane by lane; zeros come in from the left."""
        return self._integer(arith.ShRUIOp, amount)

    def times(self, other: Lane | int) -> Lane:
        """Integer multiplication."""
        return self._integer(arith.MuliOp, other, _NO_OVERFLOW)

    def or_bits(self, other: Lane | int) -> Lane:
        """Bitwise or."""
        return self._integer(arith.OrIOp, other)

    def and_bits(self, other: Lane | int) -> Lane:
        """Bitwise and."""
        return self._integer(arith.AndIOp, other)

    def xor_bits(self, other: Lane | int) -> Lane:
        """Bitwise exclusive or."""
        return self._integer(arith.XOrIOp, other)

    def compare_integers(self, predicate: str, other: Lane | int) -> Lane:
        """Compares integers; lanes of `i1`."""
        operation = vectorx.CmpiOp if self.lanes.is_vector else arith.CmpiOp
        number = arith.CMPI_COMPARISON_OPERATIONS.index(predicate)
        return self.lanes.insert(operation, [self, self.like(other)], i1, {"predicate": integer(number)})

    # --- conversions

    def _convert(self, operation: type[Operation], element: Attribute) -> Lane:
        if self.lanes.is_vector:
            operation = vectorx.VECTOR_CASTS.get(operation, operation)
        return self.lanes.insert(operation, [self], element)

    def to_float(self, element: Attribute = f32) -> Lane:
        """A signed integer as a float."""
        return self._convert(arith.SIToFPOp, element)

    def truncate_integer(self, element: Attribute = i32) -> Lane:
        """The low bits of an integer."""
        return self._convert(arith.TruncIOp, element)

    def extend_integer(self, element: Attribute = i64) -> Lane:
        """A wider integer with zeros in front."""
        return self._convert(arith.ExtUIOp, element)

    def extend(self, element: Attribute = f64) -> Lane:
        """A wider float."""
        return self._convert(arith.ExtFOp, element)

    def narrow(self, element: Attribute = f32) -> Lane:
        """A narrower float, to nearest even."""
        return self._convert(arith.TruncFOp, element)
