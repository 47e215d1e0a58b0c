"""Makes one elementwise kernel of two where the second reads the first."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import ModuleOp, f32, i8, i32
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from ...dialects.kernel import BroadcastOp, KernelOp, MapOp, YieldOp
from .dead_code import remove_unread
from .region_merging import (
    append_code,
    drop_repeated_constants,
    merge_repeated_operands,
    only_user_is,
    prepend_code,
    set_operands,
    yielded_value,
)
from .views import tensor_type

MOST_OPERANDS = 16
MOST_OPS = 256
"""Of one map: more have no registers left to win by, and code that grows without end takes ever longer to compile."""
LONG = 32
"""From so many ops on a producer's code stays where it is, and the reader's goes there."""
# A producer that is this short may be computed again by each of its readers: a cast, or what tells the real number that
# a byte stands for.
CHEAP_OPS = 1
BYTE_OPS = 4
_NARROWING = (arith.TruncFOp, arith.TruncIOp)
_CASTS = (arith.ExtFOp, arith.ExtSIOp, arith.ExtUIOp, arith.SIToFPOp, arith.UIToFPOp, *_NARROWING)
_ARITHMETIC = (arith.AddiOp, arith.SubiOp, arith.AddfOp, arith.SubfOp, arith.MulfOp)


@dataclass(frozen=True)
class KernelFuseMapsPass(ModulePass):
    """A map whose only reader is another map of the same shape becomes part of it.

    before::

        %0 = kernel.map(%x) : ... each(%a) {%n = arith.negf %a : f32}
        %1 = kernel.map(%0, %y) : ... each(%a, %b) {%s = arith.addf %a, %b : f32}

    after::

        %1 = kernel.map(%y, %x) : ... each(%b, %a) {%n = arith.negf %a : f32, %s = arith.addf %n, %b : f32}

    A map that only casts, or dequantises bytes, is also copied into several readers, and what a ``kernel.broadcast``
    repeats is read as it is, since a map broadcasts by itself. A result that its reader broadcasts is left alone: it
    would be computed once for each copy of an element.
    """

    name = "kernel-fuse-maps"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                fuse_maps(function.body.block)


def fuse_maps(block: Block) -> None:
    """Fuses all maps of a block, first ones first, so that a producer is whole when its reader is looked at."""
    maps = [op for op in block.ops if isinstance(op, MapOp)]
    lengths = {op: len(op.epilogue.block.ops) for op in maps}
    for op in maps:
        _read_before_broadcasts(op)
    # What dequantises first: while bytes have all their readers, none of these takes the bytes' maker in.
    for may_take in (_dequantises, _any):
        for op in maps:
            while op.parent is not None and (producer := _fusible_producer(op, lengths, may_take)) is not None:
                lengths[op] += lengths[producer] - 1
                _fuse(producer, op, lengths[producer])
    for op in block.ops:
        if isinstance(op, MapOp):
            drop_repeated_constants(op.epilogue.block)
    remove_unread(block)


def _read_before_broadcasts(reader: MapOp) -> None:
    for index, operand in enumerate(reader.ins):
        owner = operand.owner
        if isinstance(owner, BroadcastOp) and not owner.has_epilogue and not owner.undecided_axes:
            reader.operands[index] = owner.ins[0]
    merge_repeated_operands(reader)


def _any(producer: MapOp) -> bool:
    return True


def _fusible_producer(reader: MapOp, lengths: Mapping[MapOp, int], may_take: Callable[[MapOp], bool]) -> MapOp | None:
    for operand in reader.ins:
        producer = operand.owner
        if not isinstance(producer, MapOp) or producer.type.dims != reader.type.dims or not may_take(producer):
            continue
        if len({*reader.ins, *producer.ins}) - 1 > MOST_OPERANDS or lengths[reader] + lengths[producer] > MOST_OPS:
            continue
        if only_user_is(operand, reader) or _is_cheap(producer):
            return producer
    return None


def _is_cheap(producer: MapOp) -> bool:
    """Whether to read the map's operand costs no more than to read its result: if it only casts, or dequantises bytes.

    One that narrows what a kernel makes for it alone costs nothing where it is: that will store it narrow.
    """
    if _dequantises(producer):
        return True
    first = _first_ops(producer, CHEAP_OPS + 1)
    if len(first) > CHEAP_OPS or not all(isinstance(op, _CASTS) for op in first):
        return False
    made_for_it = all(isinstance(x.owner, KernelOp) and only_user_is(x, producer) for x in producer.ins)
    return not (made_for_it and any(isinstance(op, _NARROWING) for op in first))


def _dequantises(producer: MapOp) -> bool:
    """Whether the map makes wider numbers of one tensor of bytes, in few steps."""
    if len(producer.ins) != 1 or producer.type.element_type not in (i32, f32):
        return False
    if tensor_type(producer.ins[0]).element_type != i8:
        return False
    first = _first_ops(producer, BYTE_OPS + 1)
    return len(first) <= BYTE_OPS and all(isinstance(op, _CASTS + _ARITHMETIC) for op in first)


def _first_ops(producer: MapOp, count: int) -> list[Operation]:
    """What the map computes with, constants left out."""
    ops = (op for op in producer.epilogue.block.ops if not isinstance(op, arith.ConstantOp | YieldOp))
    return list(itertools.islice(ops, count))


def _fuse(producer: MapOp, reader: MapOp, length: int) -> None:
    """Merges the producer, of so many ops, into the reader; a copy of it if others read it too."""
    result = producer.result
    own = only_user_is(result, reader)
    if own and length > LONG:
        _append_reader(producer, reader)
        return
    source = producer.epilogue.block if own else producer.epilogue.clone().block
    block = reader.epilogue.block
    kept = [(value, argument) for value, argument in zip(reader.ins, block.args, strict=True) if value is not result]
    replaced = [argument for value, argument in zip(reader.ins, block.args, strict=True) if value is result]
    arguments: dict[SSAValue, SSAValue] = dict(kept)
    passed = []
    for value, argument in zip(producer.ins, source.args, strict=True):
        if value not in arguments:
            arguments[value] = block.insert_arg(argument.type, len(block.args))
        passed.append(arguments[value])
    code_result = prepend_code(block, source, passed)
    for argument in replaced:
        argument.replace_all_uses_with(code_result)
        block.erase_arg(argument)
    set_operands(reader, list(arguments))
    if own:
        producer.detach()
        producer.erase()


def _append_reader(producer: MapOp, reader: MapOp) -> None:
    """As ``_fuse``, without moving the producer's code: a chain of maps takes time in proportion to its length."""
    block = producer.epilogue.block
    arguments: dict[SSAValue, SSAValue] = dict(zip(producer.ins, block.args, strict=True))
    arguments[producer.result] = yielded_value(block)
    for value, argument in zip(reader.ins, reader.epilogue.block.args, strict=True):
        if value not in arguments:
            arguments[value] = block.insert_arg(argument.type, len(block.args))
        argument.replace_all_uses_with(arguments[value])
    del arguments[producer.result]
    append_code(block, reader.epilogue.block)
    region = producer.detach_region(producer.epilogue)
    reader.detach_region(reader.epilogue)
    reader.add_region(region)
    set_operands(reader, list(arguments))
    producer.detach()
    producer.erase()
