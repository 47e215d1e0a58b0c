"""Lets an output that begins as an input does lie where that lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType, ModuleOp, UnitAttr, UnrealizedConversionCastOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from ...dialects import shape as dims
from ...dialects.growth import GrowingOutput, state_growths
from ...dialects.kernel import AttentionOp, BroadcastOp, ConcatOp, GemmOp
from ...dialects.layout import ConvertOp, ReshapeOp, TensorType, TransposeOp, reshaped_type, transposed_type
from ...dialects.shape import Dim

_READERS = (AttentionOp, GemmOp, BroadcastOp, ConvertOp)
"""What reads rows at any distance from each other."""


@dataclass(frozen=True)
class KernelGrowOutputsPass(ModulePass):
    """Leaves room behind outputs that are an input and more after it, and behind those inputs, of a size that a run
    tells; a concatenation in such memory does not copy what is in place.

    before::

        func.func @segment0(%past: !layout.tensor<B x 3 x P x 64 x f32>, %new: !layout.tensor<B x 3 x S x 64 x f32>) {
          %present = kernel.concat(%past, %new) axis 2 : !layout.tensor<B x 3 x (P + S) x 64 x f32>
          func.return %present

    after::

        func.func @segment0(%past: !layout.tensor<B x 3 x P x 64 x f32, abcd window [0, 0, 0, 0, 0, 0, room, 0]>, ...)
            attributes {lamina.grows = [{input = 0, output = 0, axis = 2, room_before = "room", room = "room1"}]} {
          %present = kernel.concat(%past, %new) axis 2 grows
              : !layout.tensor<B x 3 x (P + S) x 64 x f32, abcd window [0, 0, 0, 0, 0, 0, room1, 0]>
          func.return %present

    Only where the model is one segment, whose ends are the model's own. A kernel that cannot read such memory gets a
    copy.
    """

    name = "kernel-grow-outputs"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        functions = {f.sym_name.data: f for f in op.ops if isinstance(f, func.FuncOp) and f.body.blocks}
        call = _only_call(functions.get("main"))
        if call is not None:
            _Grower(functions[call.callee.string_value()], call).run()


def _only_call(main: func.FuncOp | None) -> func.CallOp | None:
    """The call of a @main that does nothing else."""
    if main is None:
        return None
    ops = [op for op in main.body.block.ops if not isinstance(op, UnrealizedConversionCastOp | func.ReturnOp)]
    return ops[0] if len(ops) == 1 and isinstance(ops[0], func.CallOp) else None


class _Grower:
    def __init__(self, function: func.FuncOp, call: func.CallOp):
        self.function, self.call, self.block = function, call, function.body.block
        terminator = self.block.last_op
        assert isinstance(terminator, func.ReturnOp)
        self.terminator = terminator
        self.rooms: dict[tuple[Dim, Dim], tuple[str, str]] = {}
        self.symbols = {name for type_ in _types(function) for name in dims.symbols_of(*type_.dims)}

    def run(self) -> None:
        growths = []
        for number, value in enumerate(list(self.terminator.operands)):
            if isinstance(value.owner, ConcatOp) and self.can_grow(value.owner, number):
                growths.append(self.grow(value.owner, number))
        if growths:
            types = [argument.type for argument in self.block.args]
            results = [value.type for value in self.terminator.operands]
            self.function.function_type = FunctionType.from_lists(types, results)
            state_growths(self.function, growths)

    def can_grow(self, op: ConcatOp, number: int) -> bool:
        past, axis = op.ins[0], op.get("axis")
        if not isinstance(past.owner, Block) or len(list(past.uses)) != 1 or op.has_epilogue or op.get("grows"):
            return False
        if [use.operation for use in op.result.uses].count(self.terminator) != 1:
            return False
        types = (op.in_type(0), op.type)
        if not all(type_.layout.is_row_major for type_ in types) or axis == op.type.rank - 1:
            return False
        cast = self.call.arguments[past.index].owner  # pyright: ignore[reportAttributeAccessIssue]
        uses = list(self.call.results[number].uses)
        return (
            isinstance(cast, UnrealizedConversionCastOp)
            and isinstance(cast.inputs[0].owner, Block)
            and len(list(cast.results[0].uses)) == 1
            and len(uses) == 1
            and isinstance(uses[0].operation, UnrealizedConversionCastOp)
        )

    def grow(self, op: ConcatOp, number: int) -> GrowingOutput:
        past, axis = op.ins[0], op.get("axis")
        position = past.index  # pyright: ignore[reportAttributeAccessIssue]
        before, after = op.in_type(0), op.type
        sizes = (before.dims[axis], after.dims[axis])
        if sizes not in self.rooms:
            self.rooms[sizes] = (self.new_symbol(), self.new_symbol())
        room_before, room = self.rooms[sizes]
        op.properties["grows"] = UnitAttr()
        for value in (past, self.call.arguments[position]):
            Rewriter.replace_value_with_new_type(value, _with_room(before, axis, dims.symbol(room_before)))
        for index, value in enumerate(op.ins[1:], start=1):
            self.read_in_place(op, index, value)
        self.retype(op.result, _with_room(after, axis, dims.symbol(room)))
        Rewriter.replace_value_with_new_type(self.call.results[number], _with_room(after, axis, dims.symbol(room)))
        return GrowingOutput(position, number, axis, room_before, room)

    def read_in_place(self, op: ConcatOp, index: int, value: SSAValue) -> None:
        """What follows is read as it lies, where that is in rows, and not copied into other rows before."""
        convert = value.owner
        if isinstance(convert, ConvertOp) and isinstance(convert.source.type, TensorType):
            layout, sizes = convert.source.type.layout, convert.source.type.dims
            strides = layout.axis_strides(sizes)
            if strides is not None and strides[-1] == 1 and not layout.halo:
                op.operands[index] = convert.source
                if not convert.result.uses:
                    Rewriter.erase_op(convert)

    def new_symbol(self) -> str:
        names = ("room", *(f"room{number}" for number in range(1, len(self.symbols) + 2)))
        name = next(name for name in names if name not in self.symbols)
        self.symbols.add(name)
        return name

    def retype(self, value: SSAValue, type_: TensorType) -> None:
        """Gives a value memory with room; who cannot read that reads a copy without."""
        plain = value.type
        assert isinstance(plain, TensorType)
        value = Rewriter.replace_value_with_new_type(value, type_)
        copy: SSAValue | None = None
        for use in list(value.uses):
            user = use.operation
            if isinstance(user, func.ReturnOp) or (isinstance(user, _READERS) and _reads(user, use.index)):
                continue
            seen = _seen(user, type_)
            if seen is not None:
                self.retype(user.results[0], seen)
                continue
            if copy is None:
                convert = ConvertOp(value, plain.layout)
                assert isinstance(value.owner, Operation)
                self.block.insert_op_after(convert, value.owner)
                copy = convert.result
            user.operands[use.index] = copy


def _seen(view: Operation, type_: TensorType) -> TensorType | None:
    """What a view shows of memory with room; None where that is no layout, or for no view."""
    if isinstance(view, TransposeOp):
        return transposed_type(type_, [int(axis) for axis in view.permutation.get_values()])
    if isinstance(view, ReshapeOp) and isinstance(view.result.type, TensorType):
        return reshaped_type(type_, view.result.type.dims)
    return None


def _reads(user: Operation, index: int) -> bool:
    """Whether that operand is one of those that a kernel reads where they lie."""
    if isinstance(user, AttentionOp):
        return index < len(user.ins)
    return not isinstance(user, GemmOp) or index < 2


def _with_room(type_: TensorType, axis: int, room: Dim) -> TensorType:
    margins = [room if other == axis else 0 for other in range(type_.rank)]
    return type_.with_layout(type_.layout.with_margins([0] * type_.rank, margins))


def _types(function: func.FuncOp) -> Iterator[TensorType]:
    block = function.body.block
    for value in (*block.args, *(result for op in block.ops for result in op.results)):
        if isinstance(value.type, TensorType):
            yield value.type
