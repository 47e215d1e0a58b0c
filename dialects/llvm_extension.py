"""The `llvmx` dialect: LLVM instructions that xDSL's `llvm` dialect does not have, or has for scalars only.

Everything here is one LLVM instruction (a splat is two) and prints as such in `backend/llvm_text.py`. Intrinsics
without an op of their own go through `llvm.call_intrinsic`.
"""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import (
    I1,
    AnyFloatConstr,
    IntegerAttr,
    SignlessIntegerConstraint,
    StringAttr,
    VectorType,
    i1,
    i64,
)
from xdsl.dialects.llvm import FastMathAttr, FCmpPredicateFlag, LLVMPointerType
from xdsl.ir import Attribute, Dialect, Operation, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import (
    AnyAttr,
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.hints import isa


def _lanes(attribute: Attribute) -> int | None:
    """The lanes of a 1-D vector type, `None` for a scalar type."""
    if not isinstance(attribute, VectorType):
        return None
    if attribute.get_num_dims() != 1:
        raise VerifyException(f"expected a scalar or a vector of rank 1, got {attribute}")
    return attribute.get_shape()[0]


def _same_lanes(first: Attribute, second: Attribute) -> None:
    if _lanes(first) != _lanes(second):
        raise VerifyException(f"{first} and {second} differ in lanes")


@irdl_op_definition
class FCmpOp(IRDLOperation):
    """Compares floats lane by lane: `llvmx.fcmp "olt" %a, %b : vector<16xf32>` yields `vector<16xi1>`."""

    T: ClassVar = VarConstraint("T", AnyFloatConstr | VectorType.constr(AnyFloatConstr))

    name = "llvmx.fcmp"
    lhs = operand_def(T)
    rhs = operand_def(T)
    predicate = prop_def(StringAttr)
    fastmathFlags = prop_def(FastMathAttr, default_value=FastMathAttr(None))
    result = result_def(I1 | VectorType[I1])

    assembly_format = "$predicate $lhs `,` $rhs attr-dict `:` type($lhs) `->` type($result)"
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure())

    def __init__(self, lhs: SSAValue, rhs: SSAValue, predicate: str):
        lanes = _lanes(lhs.type)
        result_type = i1 if lanes is None else VectorType(i1, [lanes])
        super().__init__(
            operands=[lhs, rhs], result_types=[result_type], properties={"predicate": StringAttr(predicate)}
        )

    def verify_(self) -> None:
        if self.predicate.data not in {flag.value.strip("_") for flag in FCmpPredicateFlag}:
            raise VerifyException(f"'{self.predicate.data}' is no predicate of fcmp")
        _same_lanes(self.lhs.type, self.result.type)


@irdl_op_definition
class SelectOp(IRDLOperation):
    """Chooses lane by lane: `%mask ? %lhs : %rhs` with a vector of `i1`."""

    T: ClassVar = VarConstraint("T", VectorType.constr(AnyAttr()))

    name = "llvmx.select"
    condition = operand_def(VectorType[I1])
    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(T)

    assembly_format = "$condition `,` $lhs `,` $rhs attr-dict `:` type($condition) `,` type($result)"
    traits = traits_def(Pure())

    def __init__(self, condition: SSAValue, lhs: SSAValue, rhs: SSAValue):
        super().__init__(operands=[condition, lhs, rhs], result_types=[lhs.type])

    def verify_(self) -> None:
        _same_lanes(self.condition.type, self.result.type)


@irdl_op_definition
class SplatOp(IRDLOperation):
    """A vector with the same scalar in every lane (insertelement and shufflevector)."""

    T: ClassVar = VarConstraint("T", AnyAttr())

    name = "llvmx.splat"
    scalar = operand_def(T)
    result = result_def(VectorType.constr(T))

    assembly_format = "$scalar attr-dict `:` type($scalar) `to` type($result)"
    traits = traits_def(Pure())

    def __init__(self, scalar: SSAValue, result_type: VectorType):
        super().__init__(operands=[scalar], result_types=[result_type])


@irdl_op_definition
class ExtractElementOp(IRDLOperation):
    """The lane of a vector at a constant position."""

    T: ClassVar = VarConstraint("T", AnyAttr())

    name = "llvmx.extractelement"
    vector = operand_def(VectorType.constr(T))
    position = prop_def(IntegerAttr)
    result = result_def(T)

    assembly_format = "$vector `[` $position `]` attr-dict `:` type($vector) `->` type($result)"
    traits = traits_def(Pure())

    def __init__(self, vector: SSAValue, position: int):
        assert isa(vector.type, VectorType)
        super().__init__(
            operands=[vector],
            result_types=[vector.type.element_type],
            properties={"position": IntegerAttr(position, i64)},
        )

    def verify_(self) -> None:
        lanes = _lanes(self.vector.type)
        if lanes is None or not 0 <= self.position.value.data < lanes:
            raise VerifyException(f"position {self.position.value.data} is outside of {self.vector.type}")


@irdl_op_definition
class InsertElementOp(IRDLOperation):
    """A vector with the lane at a constant position replaced."""

    T: ClassVar = VarConstraint("T", AnyAttr())
    V: ClassVar = VarConstraint("V", VectorType.constr(T))

    name = "llvmx.insertelement"
    scalar = operand_def(T)
    vector = operand_def(V)
    position = prop_def(IntegerAttr)
    result = result_def(V)

    assembly_format = "$scalar `,` $vector `[` $position `]` attr-dict `:` type($scalar) `,` type($vector)"
    traits = traits_def(Pure())

    def __init__(self, scalar: SSAValue, vector: SSAValue, position: int):
        super().__init__(
            operands=[scalar, vector],
            result_types=[vector.type],
            properties={"position": IntegerAttr(position, i64)},
        )

    def verify_(self) -> None:
        lanes = _lanes(self.vector.type)
        if lanes is None or not 0 <= self.position.value.data < lanes:
            raise VerifyException(f"position {self.position.value.data} is outside of {self.vector.type}")


@irdl_op_definition
class PoisonOp(IRDLOperation):
    """A value whose bits do not matter."""

    name = "llvmx.poison"
    result = result_def()

    assembly_format = "attr-dict `:` type($result)"
    traits = traits_def(Pure())

    def __init__(self, result_type: Attribute):
        super().__init__(result_types=[result_type])


@irdl_op_definition
class ElementPointersOp(IRDLOperation):
    """Where elements of an array at as many places lie: a getelementptr with a vector of indices."""

    name = "llvmx.element_pointers"
    base = operand_def(LLVMPointerType)
    places = operand_def(VectorType.constr(SignlessIntegerConstraint))
    elem_type = prop_def(Attribute)
    result = result_def(VectorType.constr(AnyAttr()))

    assembly_format = (
        "$base `[` $places `]` `of` $elem_type attr-dict `:` type($base) `,` type($places) `->` type($result)"
    )
    traits = traits_def(Pure())

    def __init__(self, base: SSAValue, places: SSAValue, elem_type: Attribute):
        lanes = _lanes(places.type)
        assert lanes is not None
        super().__init__(
            operands=[base, places],
            properties={"elem_type": elem_type},
            result_types=[VectorType(LLVMPointerType(), [lanes])],
        )

    def verify_(self) -> None:
        _same_lanes(self.places.type, self.result.type)


class LLVMCastOperation(IRDLOperation):
    """A conversion lane by lane."""

    argument = operand_def()
    result = result_def()

    assembly_format = "$argument attr-dict `:` type($argument) `to` type($result)"
    traits = traits_def(Pure())

    def __init__(self, argument: SSAValue | Operation, result_type: Attribute):
        super().__init__(operands=[argument], result_types=[result_type])

    def verify_(self) -> None:
        _same_lanes(self.argument.type, self.result.type)


_INTEGERS = SignlessIntegerConstraint | VectorType.constr(SignlessIntegerConstraint)
_FLOATS = AnyFloatConstr | VectorType.constr(AnyFloatConstr)


@irdl_op_definition
class UIToFPOp(LLVMCastOperation):
    """Unsigned integer to float."""

    name = "llvmx.uitofp"
    argument = operand_def(_INTEGERS)
    result = result_def(_FLOATS)


@irdl_op_definition
class FPToSIOp(LLVMCastOperation):
    """Float to signed integer, towards zero."""

    name = "llvmx.fptosi"
    argument = operand_def(_FLOATS)
    result = result_def(_INTEGERS)


@irdl_op_definition
class FPToUIOp(LLVMCastOperation):
    """Float to unsigned integer, towards zero."""

    name = "llvmx.fptoui"
    argument = operand_def(_FLOATS)
    result = result_def(_INTEGERS)


@irdl_attr_definition
class MatrixType(ParametrizedAttribute, TypeAttribute):
    """A register that holds a matrix: LLVM's x86_amx."""

    name = "llvmx.amx"


MATRIX = MatrixType()

LLVMExtension = Dialect(
    "llvmx",
    [
        FCmpOp,
        SelectOp,
        SplatOp,
        ExtractElementOp,
        InsertElementOp,
        PoisonOp,
        ElementPointersOp,
        UIToFPOp,
        FPToSIOp,
        FPToUIOp,
    ],
    [MatrixType],
)
