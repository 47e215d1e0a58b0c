"""What the handlers of all ops share while one function is lowered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from xdsl.dialects.builtin import IndexType, IntegerType, MemRefType, Signedness, StringAttr, VectorType, i1, i8, i64
from xdsl.ir import Attribute, Block, Operation, SSAValue

from ...dialects.llvm_extension import MATRIX
from ...dialects.matrix_tiles import TileType
from ...machines import Target
from .builder import POINTER, Builder, vector_type
from .cut_vectors import CutVector, cut_of
from .index import ZERO, IndexMath, SymbolicIndex


class LoopsToLLVMError(Exception):
    """The loops level holds something that has no meaning in machine code; the message names the op and why."""


def fail(op: Operation, reason: str) -> LoopsToLLVMError:
    """The error for an op that cannot be lowered."""
    parent: Operation | None = op
    while parent is not None and parent.name != "func.func":
        parent = parent.parent_op()
    where = f" in @{_function_name(parent)}" if parent is not None else ""
    return LoopsToLLVMError(f"{op.name}{where}: {reason}")


def _function_name(function: Operation) -> str:
    name = function.properties["sym_name"]
    return name.data if isinstance(name, StringAttr) else str(name)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A strided window on memory: element `[i, j]` lies at `pointer + offset + i * strides[0] + j * strides[1]`."""

    pointer: SSAValue
    element: Attribute
    offset: SymbolicIndex
    strides: tuple[SymbolicIndex, ...]


LoweredValue: TypeAlias = SSAValue | SymbolicIndex | CutVector | View


def llvm_element(element: Attribute) -> Attribute:
    """The type of a scalar in a register: what an integer's sign means is up to the ops."""
    if isinstance(element, IndexType):
        return i64
    if isinstance(element, IntegerType) and element.signedness.data != Signedness.SIGNLESS:
        return IntegerType(element.width.data)
    return element


def memory_element(element: Attribute) -> Attribute:
    """The type of a scalar in memory: booleans take a byte."""
    return i8 if element == i1 else llvm_element(element)


def element_bytes(element: Attribute) -> int:
    """The size of a scalar in memory."""
    stored = memory_element(element)
    if isinstance(stored, IntegerType):
        return stored.width.data // 8
    return stored.size  # pyright: ignore[reportAttributeAccessIssue]


@dataclass
class State:
    """The lowering of one function: where each loops-level value went."""

    target: Target
    builder: Builder
    index: IndexMath
    values: dict[SSAValue, LoweredValue] = field(default_factory=dict)
    handlers: dict[type[Operation], Handler] = field(default_factory=dict)

    def lower_block(self, block: Block) -> None:
        """Lowers every op of a block but its terminator, at the builder's position."""
        op = block.first_op
        last = block.last_op
        while op is not None and op is not last:
            self.lower(op)
            op = op.next_op

    def lower(self, op: Operation) -> None:
        """Lowers one op. Raises `LoopsToLLVMError` where there is no lowering for it."""
        handler = self.handlers.get(type(op))
        if handler is None:
            raise fail(op, "the loops level has no such operation")
        handler(self, op)

    # --- values

    def scalar(self, value: SSAValue) -> SSAValue:
        """The machine value of a scalar, an index materialised."""
        known = self.values[value]
        if isinstance(known, SymbolicIndex):
            return self.index.materialise(known)
        assert isinstance(known, SSAValue)
        return known

    def index_of(self, value: SSAValue) -> SymbolicIndex:
        """The symbolic form of a value of type index."""
        known = self.values[value]
        if isinstance(known, SymbolicIndex):
            return known
        assert isinstance(known, SSAValue)
        return self.index.of(known)

    def indices(self, values: Sequence[SSAValue]) -> list[SymbolicIndex]:
        """The symbolic forms of several values of type index."""
        return [self.index_of(value) for value in values]

    def tile(self, value: SSAValue) -> CutVector:
        """The pieces of an n-D vector."""
        known = self.values[value]
        assert isinstance(known, CutVector)
        return known

    def view(self, value: SSAValue) -> View:
        """The window that a memref stands for."""
        known = self.values[value]
        assert isinstance(known, View)
        return known

    def new_tile(self, vector: Attribute, pieces: Sequence[SSAValue]) -> CutVector:
        """A tile for a value of n-D vector type `vector`."""
        assert isinstance(vector, VectorType)
        cut = cut_of(vector.get_shape(), self.target.lanes)
        return CutVector(cut, llvm_element(vector.element_type), list(pieces))

    # --- values that cross blocks: flattened to machine values and back

    def flat_types(self, value_type: Attribute) -> list[Attribute]:
        """The machine types that a value of this type is made of."""
        if isinstance(value_type, VectorType):
            cut = cut_of(value_type.get_shape(), self.target.lanes)
            element = llvm_element(value_type.element_type)
            return [vector_type(element, width) for width in cut.widths] * cut.rows
        if isinstance(value_type, MemRefType):
            return [POINTER]
        if isinstance(value_type, TileType):
            return [MATRIX]
        return [llvm_element(value_type)]

    def flatten(self, value: SSAValue) -> list[SSAValue]:
        """The machine values that hold this value."""
        known = self.values[value]
        if isinstance(known, CutVector):
            return known.pieces
        if isinstance(known, SymbolicIndex):
            return [self.index.materialise(known)]
        if isinstance(known, View):
            return [self.pointer_of(known)]
        return [known]

    def flatten_all(self, values: Sequence[SSAValue]) -> list[SSAValue]:
        """`flatten` of several values, one after another."""
        return [piece for value in values for piece in self.flatten(value)]

    def bind(self, value: SSAValue, pieces: Sequence[SSAValue]) -> None:
        """Lets machine values stand for a loops-level value; the inverse of `flatten`."""
        value_type = value.type
        if isinstance(value_type, VectorType):
            self.values[value] = self.new_tile(value_type, pieces)
        elif isinstance(value_type, MemRefType):
            self.values[value] = View(pieces[0], value_type.element_type, ZERO, identity_strides(value_type))
        elif isinstance(value_type, IndexType):
            self.values[value] = self.index.of(pieces[0])
        else:
            self.values[value] = pieces[0]

    def bind_all(self, values: Sequence[SSAValue], pieces: Sequence[SSAValue]) -> None:
        """`bind` of several values whose machine values lie one after another."""
        start = 0
        for value in values:
            count = len(self.flat_types(value.type))
            self.bind(value, pieces[start : start + count])
            start += count

    def pointer_of(self, view: View) -> SSAValue:
        """The pointer to the first element of a window."""
        return self.element_pointer(view, ())

    def element_pointer(self, view: View, indices: Sequence[SymbolicIndex], advance: SymbolicIndex = ZERO) -> SSAValue:
        """The pointer to an element, and `advance` elements further.

        Terms are added outermost first, one pointer each: rows and unrolled steps share their common beginning, and
        what does not change in a loop can leave it.
        """
        total = self.index.add(view.offset, advance)
        for index, stride in zip(indices, view.strides):
            total = self.index.add(total, self.index.multiply(index, stride))
        element = memory_element(view.element)
        pointer = view.pointer
        for value, factor in total.terms:
            pointer = self.builder.offset_pointer(pointer, value, element, factor)
        return self.builder.advance_pointer(pointer, total.constant * element_bytes(view.element))


Handler: TypeAlias = Callable[[State, Operation], None]


def identity_strides(memref: MemRefType) -> tuple[SymbolicIndex, ...]:
    """Row-major strides; sizes after the first must be static. Raises `LoopsToLLVMError` otherwise."""
    strides: list[SymbolicIndex] = []
    step = 1
    for size in reversed(memref.get_shape()):
        strides.append(SymbolicIndex(step))
        if size < 0 and len(strides) < memref.get_num_dims():
            raise LoopsToLLVMError(f"{memref} has unknown strides: make the view with memref.reinterpret_cast")
        step *= size
    return tuple(reversed(strides))
