"""Which scores of attention weigh nothing, told before they are computed: by the code that masks them.

::

    scores(%acc, %s = %mask) {%0 = arith.addf %acc, %s}                       left out where %s is at most -1e30
    scores(%acc, %s = %reads) {%0 = arith.select %s, %acc, %lowest}           left out where %s is false

A number below -1e30 swallows any score that is added to it, and what is then taken from it before the exponential: the
weight is 0, unless all of a row are left out. Where -inf is chosen it is 0 in any case.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import FloatAttr, i1
from xdsl.ir import Block, Operation, Region, SSAValue

from .kernel import AttentionOp, YieldOp
from .layout import TensorType

SWALLOWS = -1e30
"""Added to a score of f32 it leaves nothing of it."""


@dataclass(frozen=True)
class MaskedScores:
    """``reads``: code that tells of a score's operands whether it counts. ``empties``: a row of none has weights."""

    reads: Region
    empties: bool


@dataclass(frozen=True)
class _Mask:
    """A truth value by which a score is replaced, or a number that is added to it."""

    value: SSAValue
    keeps: bool = True
    """What the truth value is where the score stays."""
    is_infinite: bool = False


def is_masked(kernel: AttentionOp) -> bool:
    """Whether its code leaves out scores by what it reads beside them, another part of the keys for each query."""
    if not kernel.has_epilogue:
        return False
    masks = _masks(kernel.epilogue.block)
    return any(_differs(kernel, argument) for mask in masks for argument in _arguments_of(mask.value))


def _differs(kernel: AttentionOp, argument: SSAValue) -> bool:
    """Whether an operand of the code has a number of its own for each query and key."""
    type_ = kernel.epilogue_ins[argument.index - 1].type  # pyright: ignore[reportAttributeAccessIssue]
    assert isinstance(type_, TensorType)
    return type_.rank > 1 and 1 not in type_.dims[-2:]


def masked_scores(kernel: AttentionOp) -> MaskedScores:
    """The code that tells which scores count, whose arguments are those of the kernel's code but for the score."""
    block = kernel.epilogue.block
    masks = _masks(block)
    result = Block(arg_types=[argument.type for argument in block.args[1:]])
    known: dict[SSAValue, SSAValue] = dict(zip(block.args[1:], result.args, strict=True))
    values = [_copied(result, mask.value, known) for mask in masks]
    read, *others = [_lets_be(result, mask, value) for mask, value in zip(masks, values, strict=True)]
    for other in others:
        read = _inserted(result, arith.AndIOp(read, other))
    for value in values if others else ():
        if value.type != i1:
            # What is added may bring back what another mask has left out.
            read = _inserted(result, arith.OrIOp(read, _compared(result, value, "uge", -SWALLOWS)))
    result.add_op(YieldOp(read))
    return MaskedScores(Region(result), not all(mask.is_infinite for mask in masks))


def _masks(block: Block) -> list[_Mask]:
    """From the last of the code to the first, as far as one is all that follows the other."""
    last = block.last_op
    assert isinstance(last, YieldOp)
    score, value, masks = block.args[0], last.operands[0], []
    while True:
        op = value.owner
        if isinstance(op, arith.AddfOp):
            sides = [side for side in (op.lhs, op.rhs) if score not in _arguments_of(side)]
            if len(sides) != 1:
                return masks
            masks.append(_Mask(sides[0]))
            value = op.rhs if sides[0] is op.lhs else op.lhs
        elif isinstance(op, arith.SelectOp) and score not in _arguments_of(op.cond):
            lowest = [_constant(op.lhs), _constant(op.rhs)]
            chosen = next((place for place, number in enumerate(lowest) if number <= SWALLOWS), None)
            if chosen is None:
                return masks
            masks.append(_Mask(op.cond, chosen == 1, lowest[chosen] == float("-inf")))
            value = op.lhs if chosen == 1 else op.rhs
        else:
            return masks


def _constant(value: SSAValue) -> float:
    """A number that is known; otherwise 0."""
    op = value.owner
    known = isinstance(op, arith.ConstantOp) and isinstance(op.value, FloatAttr)
    return op.value.value.data if known else 0.0  # pyright: ignore[reportAttributeAccessIssue]


def _arguments_of(value: SSAValue) -> set[SSAValue]:
    """The arguments of the code that a value depends on."""
    owner = value.owner
    if not isinstance(owner, Operation):
        return {value}
    return set().union(*(_arguments_of(operand) for operand in owner.operands))


def _copied(block: Block, value: SSAValue, known: dict[SSAValue, SSAValue]) -> SSAValue:
    """The value, computed in a block where its arguments are known."""
    if value not in known:
        owner = value.owner
        assert isinstance(owner, Operation)
        copy = owner.clone({operand: _copied(block, operand, known) for operand in owner.operands})
        block.add_op(copy)
        known.update(zip(owner.results, copy.results, strict=True))
    return known[value]


def _lets_be(block: Block, mask: _Mask, value: SSAValue) -> SSAValue:
    """Whether a mask leaves the score in."""
    if value.type != i1:
        return _compared(block, value, "ugt", SWALLOWS)
    if mask.keeps:
        return value
    return _inserted(block, arith.XOrIOp(value, _inserted(block, arith.ConstantOp.from_int_and_width(1, 1))))


def _compared(block: Block, value: SSAValue, predicate: str, number: float) -> SSAValue:
    constant = arith.ConstantOp(FloatAttr(number, value.type))  # pyright: ignore[reportArgumentType, reportCallIssue]
    return _inserted(block, arith.CmpfOp(value, _inserted(block, constant), predicate))


def _inserted(block: Block, op: Operation) -> SSAValue:
    block.add_op(op)
    return op.results[0]
