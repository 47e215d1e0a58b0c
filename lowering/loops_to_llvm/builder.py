"""Creates llvm-dialect operations cheaply.

Every op goes through `Operation.create` with shared attribute objects, which is a quarter of the cost of the ops' own
constructors. Pure address and mask computations are looked up first in a table scoped by dominance, so that a
register tile of 24 vectors does not compute the same row address 24 times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from functools import cache

from xdsl.dialects import arith, llvm
from xdsl.dialects.builtin import (
    UNKNOWN_LOC,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntAttr,
    IntegerAttr,
    IntegerType,
    StringAttr,
    UnitAttr,
    VectorType,
    i1,
    i8,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from ...dialects import llvm_extension as llvmx
from ...dialects import shared_attributes
from ...dialects.shared_attributes import small_integers

POINTER = llvm.LLVMPointerType()
NO_FAST_MATH = llvm.FastMathAttr(None)
_NO_WRAP_FLAGS = IntegerAttr(0, 32)
_ORDERING = IntegerAttr(0, i64)
_NO_BUNDLES = small_integers()
_DYNAMIC = small_integers(llvm.GEP_USE_SSA_VAL)
_INT32_RANGE = range(-(1 << 31) + 1, 1 << 31)


@cache
def vector_type(element: Attribute, lanes: int) -> Attribute:
    """The LLVM type of a piece of `lanes` elements: a scalar where there is one."""
    return element if lanes == 1 else shared_attributes.vector_type(element, (lanes,))


@cache
def fast_math(flags: arith.FastMathFlagsAttr | None) -> llvm.FastMathAttr:
    """The llvm dialect's word for arith's fast-math flags."""
    if flags is None or not flags.data:
        return NO_FAST_MATH
    return llvm.FastMathAttr(tuple(flags.data))


@cache
def _word(text: str) -> StringAttr:
    return StringAttr(text)


@cache
def _alignment(alignment: int) -> IntegerAttr:
    return IntegerAttr(alignment, i64)


@cache
def _predicate(flag: str) -> IntegerAttr:
    return IntegerAttr(llvm.ICmpPredicateFlag(flag).to_int(), i64)


@cache
def _float_properties(flags: llvm.FastMathAttr) -> dict[str, Attribute]:
    return {"fastmathFlags": flags}


@cache
def _intrinsic_properties(name: str, arguments: int, flags: llvm.FastMathAttr) -> dict[str, Attribute]:
    return {
        "intrin": StringAttr(name),
        "fastmathFlags": flags,
        "op_bundle_sizes": _NO_BUNDLES,
        "operandSegmentSizes": small_integers(arguments, 0),
    }


@cache
def type_suffix(attribute: Attribute) -> str:
    """How an intrinsic's name spells a type: `v16f32`, `i64`."""
    if isinstance(attribute, VectorType):
        return f"v{attribute.get_shape()[0]}{type_suffix(attribute.element_type)}"
    return str(attribute)


@cache
def _stride_type(element: Attribute, factor: int) -> Attribute:
    """A type as large as `factor` elements: scales a pointer offset without an instruction."""
    return element if factor == 1 else llvm.LLVMArrayType(IntAttr(factor), element)


class Builder:
    """Appends ops to a current block of one function.

    `entry` receives constants and stack slots, ahead of everything else.
    """

    def __init__(self, entry: Block, region: Region):
        self.region = region
        self.entry = entry
        self.block = entry
        self._constants: dict[tuple[object, ...], SSAValue] = {}
        self._known: dict[SSAValue, int | float] = {}
        self._lanes: dict[SSAValue, Sequence[int | float]] = {}
        self._scopes: list[dict[tuple[object, ...], SSAValue]] = [{}]
        self._entry_tail: Operation | None = None

    # --- blocks and scopes

    def new_block(self, argument_types: Sequence[Attribute] = ()) -> Block:
        """Appends an empty block to the function, without moving there."""
        block = Block(arg_types=argument_types)
        self.region.add_block(block)
        return block

    def move_to(self, block: Block) -> None:
        """Continues at the end of `block`."""
        self.block = block

    @contextmanager
    def scope(self):
        """Values remembered inside are forgotten after: they do not dominate what follows."""
        self._scopes.append({})
        yield
        self._scopes.pop()

    def reuse(self, key: tuple[object, ...]) -> SSAValue | None:
        """A value remembered under `key` that dominates the current position."""
        for scope in reversed(self._scopes):
            if (value := scope.get(key)) is not None:
                return value
        return None

    def remember(self, key: tuple[object, ...], value: SSAValue) -> SSAValue:
        """Makes `value` available to `reuse` in the current scope."""
        self._scopes[-1][key] = value
        return value

    def remember_everywhere(self, key: tuple[object, ...], value: SSAValue) -> SSAValue:
        """As `remember`, for a value computed in the entry block."""
        self._scopes[0][key] = value
        return value

    # --- creation

    def emit(
        self,
        operation: type[Operation],
        operands: Sequence[SSAValue],
        result: Attribute,
        properties: Mapping[str, Attribute] = {},
    ) -> SSAValue:
        """Appends an op with one result and returns it."""
        op = operation.create(operands=operands, result_types=(result,), properties=properties, location=UNKNOWN_LOC)
        self.block.add_op(op)
        return op.results[0]

    def emit_effect(
        self,
        operation: type[Operation],
        operands: Sequence[SSAValue],
        properties: Mapping[str, Attribute] = {},
        attributes: Mapping[str, Attribute] = {},
        successors: Sequence[Block] = (),
    ) -> None:
        """Appends an op without results."""
        self.block.add_op(
            operation.create(operands=operands, properties=properties, attributes=attributes, successors=successors)
        )

    def emit_once(
        self,
        operation: type[Operation],
        operands: tuple[SSAValue, ...],
        result: Attribute,
        properties: Mapping[str, Attribute] = {},
        key: tuple[object, ...] = (),
    ) -> SSAValue:
        """As `emit`, for a pure op: an equal one in scope is reused. `key` stands for the properties."""
        full_key = (operation, operands, key)
        known = self.reuse(full_key)
        if known is not None:
            return known
        return self.remember(full_key, self.emit(operation, operands, result, properties))

    def _emit_in_entry(self, op: Operation) -> SSAValue:
        if self._entry_tail is not None:
            self.entry.insert_op_after(op, self._entry_tail)
        elif self.entry.first_op is not None:
            self.entry.insert_op_before(op, self.entry.first_op)
        else:
            self.entry.add_op(op)
        self._entry_tail = op
        return op.results[0]

    # --- constants

    def constant(self, value: int | float, element: Attribute, lanes: int = 1) -> SSAValue:
        """A constant of scalar type `element`, in every one of `lanes` lanes."""
        # The sign distinguishes -0.0 from 0.0, which compare equal; NaN is not equal to itself.
        key = (repr(value), element, lanes)
        if (known := self._constants.get(key)) is not None:
            return known
        result_type = vector_type(element, lanes)
        attribute: Attribute
        if isinstance(element, IntegerType):
            scalar = IntegerAttr(int(value), element, truncate_bits=True)
        else:
            scalar = FloatAttr(float(value), element)  # pyright: ignore[reportArgumentType, reportCallIssue]
        if lanes == 1:
            attribute = scalar
        else:
            assert isinstance(result_type, VectorType)
            attribute = DenseIntOrFPElementsAttr.from_list(result_type, [scalar.value.data])
        result = self._emit_in_entry(
            llvm.ConstantOp.create(result_types=(result_type,), properties={"value": attribute})
        )
        self._constants[key] = result
        self._known[result] = value
        return result

    def dense_constant(self, values: Sequence[int | float], element: Attribute) -> SSAValue:
        """A vector constant with a value for each lane (at least two)."""
        key = (tuple(map(repr, values)), element)
        if (known := self._constants.get(key)) is not None:
            return known
        result_type = vector_type(element, len(values))
        assert isinstance(result_type, VectorType)
        attribute = DenseIntOrFPElementsAttr.from_list(result_type, list(values))
        result = self._emit_in_entry(
            llvm.ConstantOp.create(result_types=(result_type,), properties={"value": attribute})
        )
        self._constants[key] = result
        self._lanes[result] = tuple(values)
        return result

    def lanes_on(self, mask: SSAValue) -> list[int] | None:
        """Which lanes of a mask made by `dense_constant` are on; None for any other."""
        lanes = self._lanes.get(mask)
        return None if lanes is None else [number for number, lane in enumerate(lanes) if lane]

    def poison(self, value_type: Attribute) -> SSAValue:
        """A value whose bits do not matter."""
        key = ("poison", value_type)
        if (known := self._constants.get(key)) is not None:
            return known
        result = self._emit_in_entry(llvmx.PoisonOp.create(result_types=(value_type,)))
        self._constants[key] = result
        return result

    def known_value(self, value: SSAValue) -> int | float | None:
        """The number behind a (splat) constant made by `constant`."""
        return self._known.get(value)

    def allocate(self, element: Attribute, count: int, alignment: int) -> SSAValue:
        """A stack slot that lives as long as the function."""
        size = self.constant(count, i64)
        return self._emit_in_entry(
            llvm.AllocaOp.create(
                operands=(size,),
                result_types=(POINTER,),
                properties={"elem_type": element, "alignment": _alignment(alignment)},
            )
        )

    # --- instructions

    def float_binary(
        self, operation: type[Operation], lhs: SSAValue, rhs: SSAValue, flags: llvm.FastMathAttr = NO_FAST_MATH
    ) -> SSAValue:
        """fadd, fsub, fmul, fdiv."""
        return self.emit(operation, (lhs, rhs), lhs.type, _float_properties(flags))

    def int_binary(self, operation: type[Operation], lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """add, sub, mul, and, or, xor, shl, lshr, ashr, sdiv, udiv, srem, urem; reused where in scope."""
        return self.emit_once(operation, (lhs, rhs), lhs.type)

    def icmp(self, predicate: str, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """Integer comparison; `i1`, or a vector of it."""
        lhs_type = lhs.type
        result = vector_type(i1, lhs_type.get_shape()[0]) if isinstance(lhs_type, VectorType) else i1
        return self.emit_once(llvm.ICmpOp, (lhs, rhs), result, {"predicate": _predicate(predicate)}, (predicate,))

    def fcmp(self, predicate: str, lhs: SSAValue, rhs: SSAValue, flags: llvm.FastMathAttr = NO_FAST_MATH) -> SSAValue:
        """Float comparison; `i1`, or a vector of it."""
        lhs_type = lhs.type
        result = vector_type(i1, lhs_type.get_shape()[0]) if isinstance(lhs_type, VectorType) else i1
        properties = {"predicate": _word(predicate), "fastmathFlags": flags}
        return self.emit(llvmx.FCmpOp, (lhs, rhs), result, properties)

    def select(self, condition: SSAValue, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """`condition ? lhs : rhs`, by lanes where the condition is a vector."""
        if lhs is rhs:
            return lhs
        if isinstance(condition.type, VectorType):
            return self.emit(llvmx.SelectOp, (condition, lhs, rhs), lhs.type)
        return self.emit(llvm.SelectOp, (condition, lhs, rhs), lhs.type, _float_properties(NO_FAST_MATH))

    def intrinsic(
        self,
        name: str,
        arguments: Sequence[SSAValue],
        result: Attribute,
        flags: llvm.FastMathAttr = NO_FAST_MATH,
    ) -> SSAValue:
        """Calls an intrinsic by its full mangled name."""
        properties = _intrinsic_properties(name, len(arguments), flags)
        return self.emit(llvm.CallIntrinsicOp, arguments, result, properties)

    def intrinsic_effect(self, name: str, arguments: Sequence[SSAValue]) -> None:
        """Calls an intrinsic that returns nothing."""
        self.emit_effect(llvm.CallIntrinsicOp, arguments, _intrinsic_properties(name, len(arguments), NO_FAST_MATH))

    def lanewise(self, name: str, arguments: Sequence[SSAValue], flags: llvm.FastMathAttr = NO_FAST_MATH) -> SSAValue:
        """Calls `llvm.<name>` overloaded on the type of its first argument, which it also returns."""
        value_type = arguments[0].type
        return self.intrinsic(f"llvm.{name}.{type_suffix(value_type)}", arguments, value_type, flags)

    def lanewise_once(self, name: str, arguments: tuple[SSAValue, ...]) -> SSAValue:
        """As `lanewise`; an equal call in scope is reused."""
        key = (name, arguments)
        known = self.reuse(key)
        return known if known is not None else self.remember(key, self.lanewise(name, arguments))

    def select_once(self, condition: SSAValue, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        """As `select`; an equal one in scope is reused."""
        key = ("select", condition, lhs, rhs)
        known = self.reuse(key)
        return known if known is not None else self.remember(key, self.select(condition, lhs, rhs))

    def cast(self, operation: type[Operation], value: SSAValue, element: Attribute) -> SSAValue:
        """A conversion to elements of type `element`, lane by lane."""
        value_type = value.type
        lanes = value_type.get_shape()[0] if isinstance(value_type, VectorType) else 1
        return self.emit_once(operation, (value,), vector_type(element, lanes))

    def splat(self, scalar: SSAValue, lanes: int) -> SSAValue:
        """The scalar in every lane; the scalar itself for one lane."""
        if lanes == 1:
            return scalar
        known = self._known.get(scalar)
        if known is not None:
            return self.constant(known, scalar.type, lanes)
        return self.emit_once(llvmx.SplatOp, (scalar,), vector_type(scalar.type, lanes), key=(lanes,))

    def shuffle(self, first: SSAValue, second: SSAValue, mask: Sequence[int]) -> SSAValue:
        """Lanes of the concatenation of two vectors (-1: any); a scalar where the mask has one entry."""
        first_type = first.type
        assert isinstance(first_type, VectorType)
        if len(mask) == 1:
            lanes = first_type.get_shape()[0]
            return self.extract(first, mask[0]) if mask[0] < lanes else self.extract(second, mask[0] - lanes)
        return self.emit(
            llvm.ShuffleVectorOp,
            (first, second),
            vector_type(first_type.element_type, len(mask)),
            {"mask": small_integers(*mask)},
        )

    def extract(self, vector: SSAValue, position: int) -> SSAValue:
        """One lane as a scalar."""
        vector_of = vector.type
        if not isinstance(vector_of, VectorType):
            return vector
        return self.emit_once(
            llvmx.ExtractElementOp,
            (vector,),
            vector_of.element_type,
            {"position": _alignment(position)},
            (position,),
        )

    def insert(self, scalar: SSAValue, vector: SSAValue, position: int) -> SSAValue:
        """The vector with one lane replaced."""
        return self.emit(llvmx.InsertElementOp, (scalar, vector), vector.type, {"position": _alignment(position)})

    # --- memory

    def offset_pointer(self, pointer: SSAValue, count: SSAValue, element: Attribute, factor: int = 1) -> SSAValue:
        """`pointer + count * factor` elements."""
        if factor < 0:
            count = self.int_binary(llvm.MulOp, count, self.constant(factor, i64))
            factor = 1
        properties = {
            "elem_type": _stride_type(element, factor),
            "noWrapFlags": _NO_WRAP_FLAGS,
            "rawConstantIndices": _DYNAMIC,
        }
        return self.emit_once(llvm.GEPOp, (pointer, count), POINTER, properties, (element, factor))

    def advance_pointer(self, pointer: SSAValue, nbytes: int) -> SSAValue:
        """`pointer` plus a constant number of bytes."""
        if nbytes == 0:
            return pointer
        if nbytes not in _INT32_RANGE:
            return self.offset_pointer(pointer, self.constant(nbytes, i64), i8)
        properties = {
            "elem_type": i8,
            "noWrapFlags": _NO_WRAP_FLAGS,
            "rawConstantIndices": small_integers(nbytes),
        }
        return self.emit_once(llvm.GEPOp, (pointer,), POINTER, properties, (nbytes,))

    def load(self, pointer: SSAValue, value_type: Attribute, alignment: int) -> SSAValue:
        """Reads a scalar or a vector."""
        properties = {"ordering": _ORDERING, "alignment": _alignment(alignment)}
        return self.emit(llvm.LoadOp, (pointer,), value_type, properties)

    def store(self, value: SSAValue, pointer: SSAValue, alignment: int, nontemporal: bool = False) -> None:
        """Writes a scalar or a vector."""
        properties: dict[str, Attribute] = {"ordering": _ORDERING, "alignment": _alignment(alignment)}
        if nontemporal:
            properties["nontemporal"] = UnitAttr()
        self.emit_effect(llvm.StoreOp, (value, pointer), properties)

    # --- terminators

    def branch(self, destination: Block, arguments: Sequence[SSAValue] = (), **attributes: Attribute) -> None:
        """An unconditional branch."""
        self.emit_effect(llvm.BrOp, arguments, attributes=attributes, successors=(destination,))

    def conditional_branch(
        self,
        condition: SSAValue,
        then_block: Block,
        then_arguments: Sequence[SSAValue],
        else_block: Block,
        else_arguments: Sequence[SSAValue],
        **attributes: Attribute,
    ) -> None:
        """A two-way branch."""
        sizes = small_integers(1, len(then_arguments), len(else_arguments))
        self.emit_effect(
            llvm.CondBrOp,
            (condition, *then_arguments, *else_arguments),
            {"operandSegmentSizes": sizes},
            attributes,
            (then_block, else_block),
        )
