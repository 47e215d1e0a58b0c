"""The pass `llvm-check-bounds`."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import llvm
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntegerType, ModuleOp, UnitAttr, VectorType, i1, i8, i64
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...dialects import llvm_extension as llvmx
from ...dialects.calling_convention import CHECKED_ATTRIBUTE, SHARE_PARAMETERS, SLOT_BYTES
from ...lowering.loops_to_llvm.builder import POINTER, Builder
from ...lowering.loops_to_llvm.functions import BODY_SUFFIX
from ...machines.atoms import TILE_ROW_BYTES, TILE_ROWS
from ...runtime.violations import OFFSET_BITS, STACK

_SPARE_BYTES = 256
"""No load or store is larger."""
_MASKED = ("llvm.masked.load.", "llvm.masked.store.")
_GATHER = "llvm.masked.gather."
_TILES = {"llvm.x86.tileloadd64.internal": 3, "llvm.x86.tilestored64.internal": 3}
"""Which operand says the bytes from row to row."""
_PROLOGUE = (llvm.ConstantOp, llvm.AllocaOp, llvmx.PoisonOp)


@dataclass(frozen=True)
class Origin:
    """The memory that a pointer points into: address of its first byte, size in bytes, its number as it is reported."""

    base: SSAValue
    size: SSAValue
    tag: SSAValue


@dataclass(frozen=True)
class LLVMCheckBoundsPass(ModulePass):
    """Lets every load and store of a kernel happen inside the buffer that its pointer comes from.

    A kernel takes, after its own arguments, the size in bytes of each buffer among them and a pointer to a word
    (``dialects/calling_convention.py``). An access elsewhere goes to spare memory on the stack instead, and the word
    tells of it (``runtime/violations.py``).

    ```mlir
    %v = llvm.load %p : !llvm.ptr -> f32
    ```
    becomes, where ``%p`` comes from the argument ``%x`` of ``%size`` bytes,
    ```mlir
    %at = llvm.sub %address, %start                   // llvm.ptrtoint of %p and of %x
    %inside = %at < %size and %size - %at >= 4        // unsigned
    %word = llvm.select %inside, %spare, %status
    llvm.store %tag_of_x or %at, %word
    %q = llvm.select %inside, %p, %spare
    %v = llvm.load %q : !llvm.ptr -> f32
    ```
    A masked access is inside where its first and last lanes that are on are, a tile where its first and last rows are.
    Buffers that are not ``llvm.noalias`` are reached through each other: an access may be inside of any of them. A
    module that is checked already stays as it is.
    """

    name = "llvm-check-bounds"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if CHECKED_ATTRIBUTE in op.attributes:
            return
        op.attributes[CHECKED_ATTRIBUTE] = UnitAttr()
        functions = {f.sym_name.data: f for f in op.body.block.ops if isinstance(f, llvm.FuncOp)}
        for name, function in functions.items():
            if function.linkage.linkage.data == "internal" and not name.endswith(BODY_SUFFIX):
                _FunctionChecks(function).refuse_pointers()
        for name, entry in functions.items():
            body = functions.get(name + BODY_SUFFIX)
            if body is not None:
                _FunctionChecks(body).apply()
                _pass_sizes(entry, body)


class _FunctionChecks:
    """Rewrites the accesses of one function."""

    def __init__(self, function: llvm.FuncOp):
        entry = function.body.blocks.first
        assert entry is not None
        self.function, self.entry = function, entry
        self.prologue = Block()
        self.builder = Builder(self.prologue, function.body)
        self.origins: dict[SSAValue, Origin] = {}

    def apply(self) -> None:
        accesses = [op for block in self.function.body.blocks for op in block.ops if _pointer_operand(op) is not None]
        buffers = [argument for argument in self.entry.args if argument.type == POINTER]
        self.sizes = [self._new_argument(i64) for _ in buffers]
        self.status = self._new_argument(POINTER)
        self.spare = self.builder.allocate(i8, _SPARE_BYTES, 64)
        for number, (buffer, size) in enumerate(zip(buffers, self.sizes, strict=True)):
            self._add_origin(buffer, size, number)
        self.shared = [self.origins[buffer] for buffer in buffers if not self._is_alone(buffer)]
        for op in self.entry.ops:
            if isinstance(op, llvm.AllocaOp):
                self._add_origin(op.res, self._constant(_allocated_bytes(op)), STACK)
        for op in accesses:
            self._check(op)
        self._place_prologue()
        types = [argument.type for argument in self.entry.args]
        self.function.properties["function_type"] = llvm.LLVMFunctionType(types, self.function.function_type.output)

    def refuse_pointers(self) -> None:
        """Raises PassFailedException where a helper takes memory, whose size nobody tells it."""
        if any(argument.type == POINTER for argument in self.entry.args):
            raise PassFailedException(f"@{self.function.sym_name.data} takes a pointer: its accesses cannot be checked")

    def _new_argument(self, type_: Attribute) -> BlockArgument:
        given = list(self.function.arg_attrs) if self.function.arg_attrs is not None else []
        self.function.properties["arg_attrs"] = ArrayAttr([*given, DictionaryAttr({})])
        return self.entry.insert_arg(type_, len(self.entry.args))

    def _is_alone(self, buffer: BlockArgument) -> bool:
        """Whether no other buffer is reached through this one."""
        attributes = self.function.arg_attrs
        return attributes is not None and "llvm.noalias" in attributes.data[buffer.index].data

    def _constant(self, value: int) -> SSAValue:
        return self.builder.constant(value, i64)

    def _add_origin(self, pointer: SSAValue, size: SSAValue, number: int) -> None:
        base = self.builder.emit(llvm.PtrToIntOp, (pointer,), i64)
        self.origins[pointer] = Origin(base, size, self._constant((number + 1) << OFFSET_BITS))

    def _place_prologue(self) -> None:
        """After the constants and stack slots that the entry block begins with."""
        first = next(op for op in self.entry.ops if not isinstance(op, _PROLOGUE))
        _insert_before(self.prologue, first)

    # --- one access

    def _check(self, op: Operation) -> None:
        pointer = _pointer_operand(op)
        assert pointer is not None
        if _intrinsic(op).startswith(_GATHER):
            self._check_gather(op, pointer)
            return
        block = Block()
        self.builder.move_to(block)
        with self.builder.scope():
            checked, inside = self._checked_pointer(op, pointer)
            stride = _row_stride(op)
            # Elsewhere all rows go to the same spare bytes.
            rows = None if stride is None else self.builder.select(inside, stride, self._constant(0))
        _insert_before(block, op)
        op.operands[list(op.operands).index(pointer)] = checked
        if rows is not None:
            op.operands[_TILES[_intrinsic(op)]] = rows

    def _check_gather(self, op: Operation, pointers: SSAValue) -> None:
        """Switches lanes off that lie elsewhere."""
        made = pointers.owner
        assert isinstance(made, llvmx.ElementPointersOp) and isinstance(pointers.type, VectorType)
        builder, lanes = self.builder, pointers.type.get_shape()[0]
        origin, block = self._origin(made.base), Block()
        builder.move_to(block)
        with builder.scope():
            address = builder.emit(llvm.PtrToIntOp, (made.base,), i64)
            start = builder.splat(builder.int_binary(llvm.SubOp, address, origin.base), lanes)
            element, size = builder.constant(_bytes(made.elem_type), i64, lanes), builder.splat(origin.size, lanes)
            is_wide = made.places.type.element_type == i64  # pyright: ignore[reportAttributeAccessIssue]
            places = made.places if is_wide else builder.cast(llvm.SExtOp, made.places, i64)
            at = builder.int_binary(llvm.AddOp, start, builder.int_binary(llvm.MulOp, places, element))
            begins = builder.icmp("ult", at, size)
            ends = builder.icmp("uge", builder.int_binary(llvm.SubOp, size, at), element)
            inside = builder.int_binary(llvm.AndOp, begins, ends)
            none = builder.constant(0, i64, lanes)
            most = builder.select(inside, none, builder.int_binary(llvm.OrOp, at, builder.constant(1, i64, lanes)))
            worst = builder.intrinsic(f"llvm.vector.reduce.umax.v{lanes}i64", (most,), i64)
            place = builder.int_binary(llvm.AndOp, worst, self._constant((1 << OFFSET_BITS) - 1))
            report = builder.int_binary(llvm.OrOp, place, origin.tag)
            is_fine = builder.icmp("eq", worst, self._constant(0))
            builder.store(report, builder.select(is_fine, self.spare, self.status), SLOT_BYTES)
        _insert_before(block, op)
        op.operands[2] = inside

    def _checked_pointer(self, op: Operation, pointer: SSAValue) -> tuple[SSAValue, SSAValue]:
        """Where the access goes, and whether that is where it was to go."""
        builder = self.builder
        origin = self._origin(pointer)
        at, inside = self._inside(op, pointer, origin)
        for other in self.shared if origin in self.shared else ():
            if other is not origin:
                inside = builder.int_binary(llvm.OrOp, inside, self._inside(op, pointer, other)[1])
        place = builder.int_binary(llvm.AndOp, at, self._constant((1 << OFFSET_BITS) - 1))
        report = builder.int_binary(llvm.OrOp, place, origin.tag)
        builder.store(report, builder.select(inside, self.spare, self.status), SLOT_BYTES)
        return builder.select(inside, pointer, self.spare), inside

    def _inside(self, op: Operation, pointer: SSAValue, origin: Origin) -> tuple[SSAValue, SSAValue]:
        """How far from the origin an access begins, and whether all of it is inside."""
        address = self.builder.emit(llvm.PtrToIntOp, (pointer,), i64)
        at = self.builder.int_binary(llvm.SubOp, address, origin.base)
        stride = _row_stride(op)
        if stride is not None:
            above = self.builder.int_binary(llvm.MulOp, stride, self._constant(TILE_ROWS - 1))
            size = self.builder.int_binary(llvm.AddOp, above, self._constant(TILE_ROW_BYTES))
            return at, self._within(at, size, origin)
        value_type, mask = _accessed(op)
        if mask is None:
            return at, self._within(at, self._constant(_bytes(value_type)), origin)
        return self._masked(at, value_type, mask, origin)

    def _within(self, at: SSAValue, size: SSAValue, origin: Origin) -> SSAValue:
        builder = self.builder
        begins = builder.icmp("ult", at, origin.size)
        ends = builder.icmp("uge", builder.int_binary(llvm.SubOp, origin.size, at), size)
        return builder.int_binary(llvm.AndOp, begins, ends)

    def _masked(self, at: SSAValue, value_type: Attribute, mask: SSAValue, origin: Origin) -> tuple[SSAValue, SSAValue]:
        """Where the first lane that is on lies, and whether all of them lie inside."""
        builder = self.builder
        assert isinstance(value_type, VectorType)
        lanes = value_type.get_shape()[0]
        bits = builder.emit(llvm.BitcastOp, (mask,), IntegerType(lanes))
        if lanes < 64:
            bits = builder.emit(llvm.ZExtOp, (bits,), i64)
        size = self._constant(_bytes(value_type) // lanes)
        zero_too = builder.constant(0, i1)
        first = builder.intrinsic("llvm.cttz.i64", (bits, zero_too), i64)
        above = builder.intrinsic("llvm.ctlz.i64", (bits, zero_too), i64)
        end = builder.int_binary(llvm.SubOp, self._constant(64), above)
        at = builder.int_binary(llvm.AddOp, at, builder.int_binary(llvm.MulOp, first, size))
        span = builder.int_binary(llvm.MulOp, builder.int_binary(llvm.SubOp, end, first), size)
        none = builder.icmp("eq", bits, self._constant(0))
        return at, builder.int_binary(llvm.OrOp, none, self._within(at, span, origin))

    def _origin(self, pointer: SSAValue) -> Origin:
        """Raises PassFailedException for a pointer whose memory is not known."""
        known = self.origins.get(pointer)
        if known is not None:
            return known
        source = pointer.owner
        if isinstance(source, llvm.GEPOp):
            return self._origin(source.ptr)
        if isinstance(source, llvm.SelectOp):
            condition, *choices = source.operands
            one, other = map(self._origin, choices)
            select = self.builder.select
            return Origin(
                select(condition, one.base, other.base),
                select(condition, one.size, other.size),
                select(condition, one.tag, other.tag),
            )
        raise PassFailedException(f"@{self.function.sym_name.data}: an access to memory of unknown size")


def _pointer_operand(op: Operation) -> SSAValue | None:
    """The pointer of what reads or writes memory."""
    if isinstance(op, llvm.LoadOp | llvm.StoreOp):
        return op.ptr
    if _intrinsic(op).startswith(_GATHER):
        return op.operands[0]
    if _intrinsic(op).startswith(_MASKED) or _row_stride(op) is not None:
        return next(operand for operand in op.operands if operand.type == POINTER)
    return None


def _intrinsic(op: Operation) -> str:
    return op.intrin.data if isinstance(op, llvm.CallIntrinsicOp) else ""


def _row_stride(op: Operation) -> SSAValue | None:
    """Bytes from row to row of a tile that is read or written; None for any other access."""
    place = _TILES.get(_intrinsic(op))
    return None if place is None else op.operands[place]


def _accessed(op: Operation) -> tuple[Attribute, SSAValue | None]:
    """The type of what is read or written, and the mask where there is one."""
    if isinstance(op, llvm.LoadOp):
        return op.dereferenced_value.type, None
    if isinstance(op, llvm.StoreOp):
        return op.value.type, None
    assert isinstance(op, llvm.CallIntrinsicOp)
    if op.results:
        return op.results[0].type, op.operands[2]
    return op.operands[0].type, op.operands[3]


def _bytes(type_: Attribute) -> int:
    if isinstance(type_, VectorType):
        return type_.get_shape()[0] * _bytes(type_.element_type)
    if isinstance(type_, IntegerType):
        return -(-type_.width.data // 8)
    if type_ == POINTER:
        return SLOT_BYTES
    return type_.size  # pyright: ignore[reportAttributeAccessIssue]


def _allocated_bytes(op: llvm.AllocaOp) -> int:
    count = op.size.owner
    assert isinstance(count, llvm.ConstantOp)
    return int(count.value.value.data) * _bytes(op.elem_type)  # pyright: ignore[reportAttributeAccessIssue]


def _insert_before(block: Block, place: Operation) -> None:
    target = place.parent_block()
    assert target is not None
    for op in list(block.ops):
        op.detach()
        target.insert_op_before(op, place)


def _pass_sizes(entry: llvm.FuncOp, body: llvm.FuncOp) -> None:
    """Reads the sizes and the place of the report from the slots after the kernel's own, and hands them on."""
    block = entry.body.blocks.first
    assert block is not None
    call = next(op for op in block.ops if isinstance(op, llvm.CallOp))
    table, _, threads = block.args
    added = Block()
    builder = Builder(added, entry.body)
    own = len(call.operands)
    parameters = body.function_type.inputs.data[own:]
    extra = []
    for slot, type_ in enumerate(parameters, own - SHARE_PARAMETERS):
        value = builder.load(builder.advance_pointer(table, slot * SLOT_BYTES), type_, SLOT_BYTES)
        extra.append(_total_size(builder, value, threads) if type_ == i64 else value)
    builder.block.add_op(llvm.CallOp(body.sym_name.data, *call.operands, *extra))
    _insert_before(added, call)
    call.detach()
    call.erase()


def _total_size(builder: Builder, size: SSAValue, threads: SSAValue) -> SSAValue:
    zero = builder.constant(0, i64)
    negated = builder.int_binary(llvm.SubOp, zero, size)
    per_thread = builder.int_binary(llvm.MulOp, negated, threads)
    return builder.select(builder.icmp("slt", size, zero), per_thread, size)
