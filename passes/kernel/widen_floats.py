"""Stores as f32 what is computed in f32, rounded to a narrow float, and read as f32 again."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import BFloat16Type, Float16Type, ModuleOp, f32
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from ...dialects.kernel import BroadcastOp, ConcatOp, ConstantOp, KernelOp, MapOp, SliceOp, YieldOp
from ...dialects.layout import TensorType
from .region_merging import merge_repeated_operands, set_operands
from .views import set_type, tensor_type
from .widening import VIEWS_AND_COPIES, View, as_widened, readers_of, through_views, viewed_again, widened_by

_MOVING = (BroadcastOp, ConcatOp, SliceOp)


@dataclass(frozen=True)
class KernelWidenFloatsPass(ModulePass):
    """A narrow float tensor that all readers can read as f32 is widened once, where it is made.

    before::

        %0 = kernel.map(%x) : !layout.tensor<4 x 8 x f16> each(%a) {%t = arith.truncf %a : f32 to f16}
        %1 = kernel.map(%0) : !layout.tensor<4 x 8 x f32> each(%a) {%w = arith.extf %a : f16 to f32}
        %2 = kernel.gemm(%1, %b) : ...
        %3 = kernel.map(%0, %z) : ... each(%a, %b) {%w = arith.extf %a : f16 to f32, ...}

    after::

        %0 = kernel.map(%x) : !layout.tensor<4 x 8 x f16> each(%a) {%t = arith.truncf %a : f32 to f16}
        %1 = kernel.map(%0) : !layout.tensor<4 x 8 x f32> each(%a) {%w = arith.extf %a : f16 to f32}
        %2 = kernel.gemm(%1, %b) : ...
        %3 = kernel.map(%1, %z) : ... each(%w, %b) {...}

    Alone with its producer, the cast becomes part of it (``kernel-fuse-maps``, ``kernel-fuse-epilogues``): rounded as
    before, the tensor lies in memory as one of f32 does, and takes no pass over memory of its own. Windows, reshapes
    and transposes of the tensor become those of the wide one, and kernels that only put numbers elsewhere do so with
    wide ones.
    """

    name = "kernel-widen-floats"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                widen_floats(function.body.block)


def widen_floats(block: Block) -> None:
    # The last first: what moves numbers passes the cast on to what makes them.
    for op in reversed(list(block.ops)):
        if isinstance(op, KernelOp) and len(op.results) == 1 and _is_narrow(op.result) and _is_read_wide(op):
            _widen(op, block)


def _is_narrow(value: SSAValue) -> bool:
    return isinstance(value.type, TensorType) and isinstance(value.type.element_type, Float16Type | BFloat16Type)


def _is_read_wide(maker: KernelOp) -> bool:
    """Whether maps alone read what a kernel makes, some of them only to widen it for what is no map.

    One map that widens all of it, and alone reads it, needs nothing where it becomes part of the kernel.
    """
    value = maker.result
    readers = list(readers_of(value, VIEWS_AND_COPIES))
    if not all(isinstance(reader, MapOp) for reader in readers):
        return False
    casts = [reader for reader in readers if widened_by(reader) is not None]
    is_fused = not isinstance(maker, BroadcastOp)
    if len(readers) == 1 and readers[0] in casts and widened_by(readers[0]) is value and is_fused:
        return False
    return any(not isinstance(use.operation, MapOp) for cast in casts for use in cast.results[0].uses)


def _widen(op: KernelOp, block: Block) -> None:
    if not _moves(op):
        wide = _cast(op.result)
        _read_wide(op.result, wide.result)
        block.insert_op_after(wide, op)
        return
    casts = [_cast(part) for part in op.ins]
    wide = op.clone()
    set_operands(wide, [cast.result for cast in casts])
    set_type(wide.result, op.type.with_element(f32))
    block.insert_ops_before([*casts, wide], op)
    _read_wide(op.result, wide.result)
    op.detach()
    op.erase()


def _moves(op: KernelOp) -> bool:
    """Whether the kernel only puts numbers elsewhere, none of them a constant: it can do that with wide ones."""
    return (
        isinstance(op, _MOVING)
        and not op.has_epilogue
        and not any(isinstance(through_views(part)[0].owner, ConstantOp) for part in op.ins)
    )


def _cast(value: SSAValue) -> MapOp:
    type_ = tensor_type(value)
    code = Block(arg_types=[type_.element_type])
    cast = arith.ExtFOp(code.args[0], f32)
    code.add_ops([cast, YieldOp(cast.result)])
    return MapOp([value], type_.with_element(f32), epilogue=Region(code))


def _read_wide(narrow: SSAValue, wide: SSAValue) -> None:
    """Lets all readers of a tensor, or of views of it, read the wide one."""
    for reader in dict.fromkeys(use.operation for use in narrow.uses):
        if reader is wide.owner:
            continue
        if isinstance(reader, View):
            view = viewed_again(reader, wide, reader)
            view.name_hint = reader.results[0].name_hint
            _read_wide(reader.results[0], view)
        elif widened_by(reader) is not None:
            assert isinstance(reader, MapOp)
            only_kernels = all(isinstance(use.operation, KernelOp) for use in reader.result.uses)
            reader.result.replace_all_uses_with(as_widened(wide, reader, only_kernels))
        else:
            _widen_operands(reader, narrow, wide)
            continue
        reader.detach()
        reader.erase()


def _widen_operands(reader: Operation, narrow: SSAValue, wide: SSAValue) -> None:
    assert isinstance(reader, MapOp)
    for index, operand in enumerate(reader.ins):
        if operand is narrow:
            _widen_argument(reader.epilogue.block, index)
            reader.operands[index] = wide
    merge_repeated_operands(reader)


def _widen_argument(block: Block, index: int) -> None:
    """The region's code takes f32 instead; what it does with the narrow number itself, it does with that again."""
    wide = block.insert_arg(f32, index)
    argument = block.args[index + 1]
    for use in list(argument.uses):
        if isinstance(use.operation, arith.ExtFOp) and use.operation.result.type == f32:
            use.operation.result.replace_all_uses_with(wide)
            use.operation.detach()
            use.operation.erase()
    if argument.uses:
        again = arith.TruncFOp(wide, argument.type)
        first = block.first_op
        assert first is not None
        block.insert_op_before(again, first)
        argument.replace_all_uses_with(again.result)
    block.erase_arg(argument)
