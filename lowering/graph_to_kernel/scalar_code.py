"""Writes the region of a kernel: scalar ``arith`` and ``math`` ops on one element of each operand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, IntegerType, f32, i1, i64
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from ...dialects import kernel
from ...dialects.graph.types import is_float

_FAST_MATH = {"fastmath": arith.FastMathFlagsAttr("none")}
_NO_OVERFLOW = {"overflowFlags": arith.IntegerOverflowAttr("none")}
_WRAPPING = (arith.AddiOp, arith.SubiOp, arith.MuliOp, arith.ShLIOp)
_FLOATING = (
    arith.AddfOp, arith.SubfOp, arith.MulfOp, arith.DivfOp, arith.NegfOp,
    arith.MaximumfOp, arith.MinimumfOp, arith.MaxnumfOp, arith.MinnumfOp,
)  # fmt: skip
_CMPI = {name: IntegerAttr(number, i64) for number, name in enumerate(arith.CMPI_COMPARISON_OPERATIONS)}
_CMPF = {name: IntegerAttr(number, i64) for number, name in enumerate(arith.CMPF_COMPARISON_OPERATIONS)}


class ScalarCode:
    """Builds a region op by op. ``arguments`` are its block's, one element of each operand."""

    def __init__(self, argument_types: Sequence[Attribute]):
        self.block = Block(arg_types=argument_types)
        self.arguments: list[SSAValue] = list(self.block.args)
        self._constants: dict[tuple[str, Attribute], SSAValue] = {}

    def finish(self, value: SSAValue) -> Region:
        """The region that yields ``value``."""
        self.block.add_op(kernel.YieldOp(value))
        return Region(self.block)

    def constant(self, value: float | int | bool, type_: Attribute) -> SSAValue:
        key = (repr(value), type_)
        if key not in self._constants:
            if isinstance(type_, IntegerType):
                attribute: Attribute = IntegerAttr(int(value), type_, truncate_bits=True)  # pyright: ignore[reportCallIssue]
            else:
                attribute = FloatAttr(float(value), type_)  # pyright: ignore[reportArgumentType, reportCallIssue]
            op = arith.ConstantOp.create(properties={"value": attribute}, result_types=[type_])
            self.block.add_op(op)
            self._constants[key] = op.result
        return self._constants[key]

    def emit(
        self,
        op: type[Operation],
        *operands: SSAValue,
        type_: Attribute | None = None,
        properties: Mapping[str, Attribute] | None = None,
    ) -> SSAValue:
        """Adds an op. By default its result has the type of its first operand, and it its usual ``properties``."""
        if properties is not None:
            properties = {**properties}
        elif op in _FLOATING or (op.name.startswith("math.") and op is not math.AbsIOp):
            properties = _FAST_MATH
        elif op in _WRAPPING:
            properties = _NO_OVERFLOW
        else:
            properties = {}
        created = op.create(
            operands=operands, result_types=[operands[0].type if type_ is None else type_], properties=properties
        )
        self.block.add_op(created)
        return created.results[0]

    def compare(self, predicate: str, left: SSAValue, right: SSAValue) -> SSAValue:
        """An i1; ``predicate`` is one of arith.cmpf for floats (``olt``), of arith.cmpi for integers (``slt``)."""
        if is_float(left.type):
            properties = {"predicate": _CMPF[predicate], **_FAST_MATH}
            op: Operation = arith.CmpfOp.create(operands=[left, right], result_types=[i1], properties=properties)
        else:
            properties = {"predicate": _CMPI[predicate]}
            op = arith.CmpiOp.create(operands=[left, right], result_types=[i1], properties=properties)
        self.block.add_op(op)
        return op.results[0]

    def select(self, condition: SSAValue, then: SSAValue, otherwise: SSAValue) -> SSAValue:
        return self.emit(arith.SelectOp, condition, then, otherwise, type_=then.type)

    def widened(self, value: SSAValue) -> SSAValue:
        """A short float as f32."""
        return self.emit(arith.ExtFOp, value, type_=f32)
