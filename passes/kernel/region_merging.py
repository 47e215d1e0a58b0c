"""Moves scalar code from the region of one kernel into that of another."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import DenseArrayBase, i32
from xdsl.ir import Attribute, Block, SSAValue

from ...dialects.kernel import KernelOp, MapOp, YieldOp


def set_operands(kernel: KernelOp, ins: Sequence[SSAValue], epilogue_ins: Sequence[SSAValue] = ()) -> None:
    """Replaces all operands of a kernel."""
    kernel.operands = [*ins, *epilogue_ins]
    kernel.properties["operandSegmentSizes"] = DenseArrayBase.from_list(i32, [len(ins), len(epilogue_ins)])


def yielded_value(block: Block) -> SSAValue:
    """What the region of this block gives."""
    terminator = block.last_op
    assert isinstance(terminator, YieldOp)
    return terminator.value


def prepend_code(block: Block, source: Block, arguments: Sequence[SSAValue]) -> SSAValue:
    """Moves the ops of ``source`` to the start of ``block``; ``arguments`` stand for its block arguments.

    Gives what ``source`` yielded. ``source`` is left empty of uses.
    """
    for argument, value in zip(source.args, arguments, strict=True):
        argument.replace_all_uses_with(value)
    result = yielded_value(source)
    first = block.first_op
    assert first is not None
    for op in list(source.ops):
        op.detach()
        if isinstance(op, YieldOp):
            op.erase()
        else:
            block.insert_op_before(op, first)
    return result


def append_code(block: Block, source: Block) -> None:
    """Moves the ops of ``source`` to the end of ``block``, whose terminator they replace."""
    terminator = block.last_op
    assert isinstance(terminator, YieldOp)
    terminator.detach()
    terminator.erase()
    for op in list(source.ops):
        op.detach()
        block.add_op(op)


def drop_repeated_constants(block: Block) -> None:
    """Keeps one of several equal ``arith.constant``."""
    seen: dict[Attribute, SSAValue] = {}
    for op in list(block.ops):
        if not isinstance(op, arith.ConstantOp):
            continue
        if op.value in seen:
            op.result.replace_all_uses_with(seen[op.value])
            op.detach()
            op.erase()
        else:
            seen[op.value] = op.result


def only_user_is(value: SSAValue, user: KernelOp) -> bool:
    """Whether nothing but ``user`` reads the value, as however many of its operands."""
    return all(use.operation is user for use in value.uses)


def merge_repeated_operands(op: MapOp) -> None:
    """Lets a map read once what it has as several operands."""
    arguments: dict[SSAValue, SSAValue] = {}
    block = op.epilogue.block
    for operand, argument in list(zip(op.ins, block.args, strict=True)):
        if operand in arguments:
            argument.replace_all_uses_with(arguments[operand])
            block.erase_arg(argument)
        else:
            arguments[operand] = argument
    set_operands(op, list(arguments))
