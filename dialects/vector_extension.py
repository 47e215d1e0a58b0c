"""The `vectorx` dialect: operations on n-D vectors at the loops level that xDSL's `vector` and `arith` lack."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import I1, VectorType
from xdsl.ir import Dialect, SSAValue
from xdsl.irdl import (
    AnyAttr,
    IRDLOperation,
    VarConstraint,
    irdl_op_definition,
    operand_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.hints import isa


@irdl_op_definition
class SelectOp(IRDLOperation):
    """Chooses element by element: `vectorx.select %mask, %lhs, %rhs : vector<6x64xi1>, vector<6x64xf32>`.

    `arith.select` has a scalar condition and chooses between whole vectors.
    """

    T: ClassVar = VarConstraint("T", VectorType.constr(AnyAttr()))

    name = "vectorx.select"
    condition = operand_def(VectorType[I1])
    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(T)

    assembly_format = "$condition `,` $lhs `,` $rhs attr-dict `:` type($condition) `,` type($result)"
    traits = traits_def(Pure())

    def __init__(self, condition: SSAValue, lhs: SSAValue, rhs: SSAValue):
        super().__init__(operands=[condition, lhs, rhs], result_types=[lhs.type])

    def verify_(self) -> None:
        assert isa(self.condition.type, VectorType) and isa(self.result.type, VectorType)
        if self.condition.type.get_shape() != self.result.type.get_shape():
            raise VerifyException(f"condition {self.condition.type} and result {self.result.type} differ in shape")


VectorExtension = Dialect("vectorx", [SelectOp])
