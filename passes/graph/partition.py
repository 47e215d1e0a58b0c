"""Splits @main into segments that are compiled and operations that run on the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.traits import IsTerminator

from ...dialects.dimension_attribute import DimensionAttr
from ...dialects.graph import ConstantOp
from ...dialects.graph.types import GraphTensorType
from ...dialects.shape import symbols_of
from ...errors import UnsupportedOperatorError
from ...lowering.graph_to_kernel import is_compiled


@dataclass(frozen=True)
class GraphPartitionPass(ModulePass):
    """Moves everything that can be compiled into functions @segment0, @segment1 ..., which @main calls.

    before::

        func.func @main(%x: !graph.tensor<N x f32>) -> !graph.tensor<1 x found x i64> {
          %0 = graph.relu %x : !graph.tensor<N x f32>
          %1 = graph.count_nonzero %0 : (!graph.tensor<N x f32>) -> !graph.tensor<1 x i64>
          %2 = graph.bind_sizes %1 : (!graph.tensor<1 x i64>) -> !graph.tensor<found x i1>
          %3 = graph.nonzero %0 : (!graph.tensor<N x f32>) -> !graph.tensor<1 x found x i64>
          func.return %3 : !graph.tensor<1 x found x i64>
        }

    after::

        func.func @main(%x: !graph.tensor<N x f32>) -> !graph.tensor<1 x found x i64> {
          %0, %1 = func.call @segment0(%x) : (!graph.tensor<N x f32>) -> (!graph.tensor<N x f32>, ...)
          %b = graph.bind_sizes %1 : (!graph.tensor<1 x i64>) -> !graph.tensor<found x i1>
          %2 = func.call @segment1(%0) : (!graph.tensor<N x f32>) -> !graph.tensor<1 x found x i64>
          func.return %2 : !graph.tensor<1 x found x i64>
        }
        func.func @segment0 ...
        func.func @segment1 ...

    A segment takes all that is ready; then all operations of the host that are ready run; and so on, so that
    there are as few segments as the model allows. An operation is ready when its operands are there and
    the symbols in its types are bound: those of @main's arguments are from the start, one that depends on data
    is by the result that it first occurs in. Bodies of if and loop are split in the same way, in place.
    """

    name = "graph-partition"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        functions = [function for function in op.ops if isinstance(function, FuncOp)]
        if len(functions) != 1 or not functions[0].body.blocks:
            return
        block = functions[0].body.block
        segments: list[FuncOp] = []
        split_block(block, _symbols_in(block.args), segments)
        op.body.block.add_ops(segments)


def split_block(block: Block, bound: set[str], segments: list[FuncOp]) -> None:
    """Splits one block; new functions are appended to ``segments``."""
    bound = bound | _symbols_in(block.args)
    pending = [o for o in block.ops if not isinstance(o, ConstantOp) and not o.has_trait(IsTerminator)]
    terminator = block.last_op
    assert terminator is not None
    waiting_for: set[SSAValue] = {result for operation in pending for result in operation.results}
    while pending:
        native = _take_ready(pending, waiting_for, bound, compiled=True)
        if native:
            _extract(native, terminator, segments)
        hosted = _take_ready(pending, waiting_for, bound, compiled=False)
        for operation in hosted:
            operation.detach()
            block.insert_op_before(operation, terminator)
            for region in operation.regions:
                split_block(region.block, bound, segments)
        if not native and not hosted:
            names = ", ".join(sorted({operation.name for operation in pending}))
            raise UnsupportedOperatorError(
                f"sizes that depend on data are needed before they are known, by {names}; "
                "fix the inputs' shapes (--shape, --dim), or export with static shapes"
            )
    _drop_unread_constants(block)


def _take_ready(
    pending: list[Operation], waiting_for: set[SSAValue], bound: set[str], *, compiled: bool
) -> list[Operation]:
    """Operations that can run now and are compiled, or are not, in their order; they leave ``pending``.

    Compiled ones may feed each other. Of the host's only those are taken that need no other of the round,
    so that what they feed is compiled as soon as it can be.
    """
    taken: list[Operation] = []
    remaining: list[Operation] = []
    done: set[SSAValue] = set()
    new_symbols: set[str] = set()
    for operation in pending:
        blocked = any(value in waiting_for for value in _read_values(operation))
        if blocked or is_compiled(operation) != compiled or not _symbols_are_bound(operation, bound, compiled):
            remaining.append(operation)
            continue
        taken.append(operation)
        new_symbols |= _symbols_in(operation.results)
        if compiled:
            waiting_for.difference_update(operation.results)
        else:
            done.update(operation.results)
    waiting_for -= done
    bound |= new_symbols
    pending[:] = remaining
    return taken


def _read_values(operation: Operation) -> set[SSAValue]:
    """Operands, and what regions read from around them."""
    values = set(operation.operands)
    for region in operation.regions:
        for nested in region.walk():
            values.update(nested.operands)
    return values


def _symbols_in(values: Sequence[SSAValue]) -> set[str]:
    return symbols_of(*(d for value in values if isinstance(value.type, GraphTensorType) for d in value.type.dims))


def _symbols_are_bound(operation: Operation, bound: set[str], compiled: bool) -> bool:
    """Whether the dimensions in fields, and in results unless the host binds them, are known."""
    needed = _symbols_in(operation.operands)
    if compiled:
        needed |= _symbols_in(operation.results)
    for attribute in operation.properties.values():
        if isinstance(attribute, ArrayAttr):
            needed |= symbols_of(*(entry.data for entry in attribute if isinstance(entry, DimensionAttr)))
    return needed <= bound


# --- one segment --------------------------------------------------------------------------------------


def _extract(operations: list[Operation], terminator: Operation, segments: list[FuncOp]) -> None:
    """Moves operations into a new function and calls it before the terminator."""
    inside = set(operations)
    inputs = list(
        dict.fromkeys(
            operand
            for operation in operations
            for operand in operation.operands
            if operand.owner not in inside and not isinstance(operand.owner, ConstantOp)
        )
    )
    outputs = [
        result
        for operation in operations
        for result in operation.results
        if any(use.operation not in inside for use in result.uses)
    ]
    body = Block(arg_types=[value.type for value in inputs])
    constants = _copy_constants(operations, body)
    for argument, value in zip(body.args, inputs):
        argument.name_hint = value.name_hint
    replacements = dict(zip(inputs, body.args)) | constants
    call = CallOp(f"segment{len(segments)}", inputs, [value.type for value in outputs])
    block = terminator.parent
    assert block is not None
    block.insert_op_before(call, terminator)
    for operation in operations:
        operation.detach()
        body.add_op(operation)
        for index, operand in enumerate(operation.operands):
            if operand in replacements:
                operation.operands[index] = replacements[operand]
    for output, result in zip(outputs, call.results):
        result.name_hint = output.name_hint
        output.replace_uses_with_if(result, lambda use: use.operation not in inside)
    body.add_op(ReturnOp(*outputs))
    types = ([value.type for value in inputs], [value.type for value in outputs])
    segments.append(FuncOp(f"segment{len(segments)}", types, Region(body)))


def _copy_constants(operations: list[Operation], body: Block) -> dict[SSAValue, SSAValue]:
    """The segment's own copies of the constants that it reads."""
    copies: dict[SSAValue, SSAValue] = {}
    for operation in operations:
        for operand in operation.operands:
            if isinstance(operand.owner, ConstantOp) and operand not in copies:
                copy = operand.owner.clone()
                body.add_op(copy)
                copies[operand] = copy.results[0]
    return copies


def _drop_unread_constants(block: Block) -> None:
    for operation in list(block.ops):
        if isinstance(operation, ConstantOp) and operation.result.first_use is None:
            operation.detach()
            operation.erase()
