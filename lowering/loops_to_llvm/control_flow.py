"""scf loops and conditions as basic blocks; calls and returns."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import func, llvm, scf
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, UnitAttr, i64
from xdsl.ir import Attribute, Block, Operation, SSAValue

from .index import SymbolicIndex
from .state import Handler, State, fail

UNROLL_ATTRIBUTE = "lamina.unroll"
LOOP_ATTRIBUTE = "llvmx.loop"
"""On the branch back to a loop's head: keep the loop as it is (text emission turns it into `!llvm.loop`)."""


def _yielded(state: State, block: Block) -> list[SSAValue]:
    """The machine values that the terminator of a region hands over."""
    terminator = block.last_op
    assert terminator is not None
    return state.flatten_all(terminator.operands)


# --- scf.for


def _unroll_factor(op: scf.ForOp) -> int:
    factor = op.attributes.get(UNROLL_ATTRIBUTE)
    if factor is None:
        return 1
    if not isinstance(factor, IntegerAttr) or factor.value.data < 1:
        raise fail(op, f"{UNROLL_ATTRIBUTE} must be a positive integer, got {factor}")
    return factor.value.data


def lower_for(state: State, op: Operation) -> None:
    """scf.for, as a loop that is tested at its end; unrolled by `lamina.unroll`.

    A loop with a static trip count that is unrolled completely, or has one trip, leaves no branch at all. What an
    unrolled loop leaves over is done by a second loop.
    """
    assert isinstance(op, scf.ForOp)
    factor = _unroll_factor(op)
    lower, upper, step = state.index_of(op.lb), state.index_of(op.ub), state.index_of(op.step)
    values = state.flatten_all(op.iter_args)
    span = state.index.add(upper, lower, -1)
    if not span.is_constant or not step.is_constant:
        values = _lower_dynamic_loop(state, op, lower, upper, step, factor, values)
        state.bind_all(op.res, values)
        return
    if step.constant <= 0:
        raise fail(op, f"the step must be positive, got {step.constant}")
    trips = max(0, -(-span.constant // step.constant))
    rounds, rest = divmod(trips, factor)
    if rounds > 1:
        middle = state.index.add(lower, SymbolicIndex(rounds * factor * step.constant))
        values = _emit_loop(state, op, lower, middle, step, factor, values)
    elif rounds == 1:
        rest = trips
    start = trips - rest
    for trip in range(start, trips):
        position = state.index.add(lower, SymbolicIndex(trip * step.constant))
        values = _emit_body(state, op, position, values)
    state.bind_all(op.res, values)


def _emit_body(state: State, op: scf.ForOp, position: SymbolicIndex, values: Sequence[SSAValue]) -> list[SSAValue]:
    """One trip at the current place; returns the values it yields."""
    body = op.body.block
    state.values[body.args[0]] = position
    state.bind_all(body.args[1:], values)
    state.lower_block(body)
    return _yielded(state, body)


def _emit_loop(
    state: State,
    op: scf.ForOp,
    lower: SymbolicIndex,
    upper: SymbolicIndex,
    step: SymbolicIndex,
    factor: int,
    values: Sequence[SSAValue],
) -> list[SSAValue]:
    """A loop of at least one round of `factor` trips, which divide its trips; returns the carried values after it."""
    builder = state.builder
    types = [value.type for value in values]
    head = builder.new_block([i64, *types])
    start = state.index.materialise(lower)
    limit = state.index.materialise(upper)
    stride = state.index.materialise(state.index.multiply(step, SymbolicIndex(factor)))
    builder.branch(head, [start, *values])
    builder.move_to(head)
    with builder.scope():
        counter = state.index.of(head.args[0])
        carried = list(head.args[1:])
        for trip in range(factor):
            position = state.index.add(counter, state.index.multiply(step, SymbolicIndex(trip)))
            carried = _emit_body(state, op, position, carried)
        following = builder.emit(llvm.AddOp, (head.args[0], stride), i64, {"overflowFlags": _NO_SIGNED_WRAP})
        again = builder.icmp("slt", following, limit)
        latch = builder.block
        after = builder.new_block(types)
        builder.move_to(latch)
        builder.conditional_branch(again, head, [following, *carried], after, carried, **{LOOP_ATTRIBUTE: UnitAttr()})
    builder.move_to(after)
    return list(after.args)


_NO_SIGNED_WRAP = IntegerAttr(1, 32)


def _lower_dynamic_loop(
    state: State,
    op: scf.ForOp,
    lower: SymbolicIndex,
    upper: SymbolicIndex,
    step: SymbolicIndex,
    factor: int,
    values: list[SSAValue],
) -> list[SSAValue]:
    """A loop whose trip count is known at run time only: rounds of `factor` trips, then single trips."""
    if factor == 1:
        return _emit_guarded_loop(state, op, lower, upper, step, 1, values)
    builder = state.builder
    span = state.index.materialise(state.index.add(upper, lower, -1))
    round_step = state.index.materialise(state.index.multiply(step, SymbolicIndex(factor)))
    clamped = builder.lanewise_once("smax", (span, builder.constant(0, i64)))
    rounds = builder.int_binary(llvm.UDivOp, clamped, round_step)
    covered = state.index.of(builder.int_binary(llvm.MulOp, rounds, round_step))
    middle = state.index.add(lower, covered)
    values = _emit_guarded_loop(state, op, lower, middle, step, factor, values)
    return _emit_guarded_loop(state, op, middle, upper, step, 1, values)


def _emit_guarded_loop(
    state: State,
    op: scf.ForOp,
    lower: SymbolicIndex,
    upper: SymbolicIndex,
    step: SymbolicIndex,
    factor: int,
    values: list[SSAValue],
) -> list[SSAValue]:
    """A loop that may have no trip at all."""
    builder = state.builder
    types = [value.type for value in values]
    nonempty = builder.icmp("slt", state.index.materialise(lower), state.index.materialise(upper))
    inside, after = builder.new_block(), builder.new_block(types)
    builder.conditional_branch(nonempty, inside, [], after, values)
    builder.move_to(inside)
    with builder.scope():
        results = _emit_loop(state, op, lower, upper, step, factor, values)
        builder.branch(after, results)
    builder.move_to(after)
    return list(after.args)


# --- scf.if


def lower_if(state: State, op: Operation) -> None:
    """scf.if; where the condition is known, only the branch that is taken."""
    assert isinstance(op, scf.IfOp)
    builder = state.builder
    condition = state.scalar(op.cond)
    known = builder.known_value(condition)
    if known is not None:
        region = op.true_region if known else op.false_region
        if region.blocks:
            state.lower_block(region.block)
            state.bind_all(op.output, _yielded(state, region.block))
        return
    types = [piece for result in op.output for piece in state.flat_types(result.type)]
    then_block = builder.new_block()
    has_else = bool(op.false_region.blocks)
    else_block = builder.new_block() if has_else else None
    after = builder.new_block(types)
    builder.conditional_branch(condition, then_block, [], else_block or after, [])
    _branch_region(state, op.true_region.block, then_block, after)
    if else_block is not None:
        _branch_region(state, op.false_region.block, else_block, after)
    builder.move_to(after)
    state.bind_all(op.output, list(after.args))


def _branch_region(state: State, region: Block, block: Block, after: Block) -> None:
    state.builder.move_to(block)
    with state.builder.scope():
        state.lower_block(region)
        state.builder.branch(after, _yielded(state, region))


# --- scf.while


def lower_while(state: State, op: Operation) -> None:
    """scf.while: the first region decides, the second one does."""
    assert isinstance(op, scf.WhileOp)
    builder = state.builder
    before, after_region = op.before_region.block, op.after_region.block
    values = state.flatten_all(op.arguments)
    head = builder.new_block([value.type for value in values])
    builder.branch(head, values)
    builder.move_to(head)
    with builder.scope():
        state.bind_all(before.args, list(head.args))
        state.lower_block(before)
        decision = before.last_op
        assert isinstance(decision, scf.ConditionOp)
        passed = state.flatten_all(decision.args)
        types = [value.type for value in passed]
        body, exit_block = builder.new_block(types), builder.new_block(types)
        builder.conditional_branch(state.scalar(decision.condition), body, passed, exit_block, passed)
        builder.move_to(body)
        with builder.scope():
            state.bind_all(after_region.args, list(body.args))
            state.lower_block(after_region)
            builder.branch(head, _yielded(state, after_region), **{LOOP_ATTRIBUTE: UnitAttr()})
    builder.move_to(exit_block)
    state.bind_all(op.res, list(exit_block.args))


# --- functions


def result_type(types: Sequence[Attribute]) -> Attribute:
    """What an LLVM function returns for several machine values."""
    if not types:
        return llvm.LLVMVoidType()
    return types[0] if len(types) == 1 else llvm.LLVMStructType.from_type_list(list(types))


def lower_return(state: State, op: Operation) -> None:
    """func.return; several values travel in a struct."""
    builder = state.builder
    values = state.flatten_all(op.operands)
    if len(values) < 2:
        builder.emit_effect(llvm.ReturnOp, values)
        return
    structure = result_type([value.type for value in values])
    result = builder.poison(structure)
    for position, value in enumerate(values):
        result = builder.emit(llvm.InsertValueOp, (result, value), structure, {"position": _position(position)})
    builder.emit_effect(llvm.ReturnOp, (result,))


def _position(position: int) -> Attribute:
    return DenseArrayBase.from_list(i64, [position])


def lower_call(state: State, op: Operation) -> None:
    """func.call of another function of the module."""
    assert isinstance(op, func.CallOp)
    builder = state.builder
    arguments = state.flatten_all(op.arguments)
    types = [piece for result in op.res for piece in state.flat_types(result.type)]
    call = llvm.CallOp(op.callee.root_reference.data, *arguments, return_type=result_type(types) if types else None)
    builder.block.add_op(call)
    if not types:
        return
    result = call.results[0]
    if len(types) == 1:
        state.bind_all(op.res, [result])
        return
    pieces = [
        builder.emit(llvm.ExtractValueOp, (result,), piece_type, {"position": _position(position)})
        for position, piece_type in enumerate(types)
    ]
    state.bind_all(op.res, pieces)


HANDLERS: dict[type[Operation], Handler] = {
    scf.ForOp: lower_for,
    scf.IfOp: lower_if,
    scf.WhileOp: lower_while,
    func.CallOp: lower_call,
}
