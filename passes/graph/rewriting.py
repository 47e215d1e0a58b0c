"""What the passes of this level share: walking blocks, reading constants, replacing operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, OpResult, SSAValue

from ...dialects.graph import ConstantOp, GraphOperation
from ...dialects.graph.types import GraphTensorType

if TYPE_CHECKING:
    from ...context import ConstantStore

_OpT = TypeVar("_OpT", bound=Operation)


def graph_blocks(module: ModuleOp) -> Iterator[Block]:
    """The blocks of all functions, each before those nested in it."""
    for function in module.ops:
        if isinstance(function, FuncOp):
            for block in function.body.blocks:
                yield from nested_blocks(block)


def nested_blocks(block: Block) -> Iterator[Block]:
    yield block
    for operation in list(block.ops):
        for region in operation.regions:
            for inner in region.blocks:
                yield from nested_blocks(inner)


def type_of(value: SSAValue) -> GraphTensorType:
    """The graph type of a value."""
    assert isinstance(value.type, GraphTensorType)
    return value.type


def defined_by(value: SSAValue, operation: type[_OpT]) -> _OpT | None:
    """The operation that gives a value, if it is of that class."""
    owner = value.owner
    return owner if isinstance(owner, operation) else None


class Rewriter:
    """Replaces operations by others built in their place."""

    def __init__(self, context: Context):
        self.constants: ConstantStore = context.constants  # pyright: ignore[reportAttributeAccessIssue]

    def array(self, value: SSAValue) -> np.ndarray | None:
        """The elements of a constant; None for any other value."""
        constant = defined_by(value, ConstantOp)
        return None if constant is None else np.asarray(self.constants[constant.handle])

    def number(self, value: SSAValue) -> float | None:
        """The element of a constant of one element; None for any other value."""
        array = self.array(value)
        return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None

    def handle(self, value: SSAValue) -> str:
        """The name of a constant, as a hint for what is computed from it."""
        constant = defined_by(value, ConstantOp)
        return "constant" if constant is None else constant.handle

    def insert(self, before: Operation, operation: GraphOperation) -> OpResult:
        """Puts an operation before another; gives its first result."""
        block = before.parent
        assert block is not None
        block.insert_op_before(operation, before)
        return operation.results[0]

    def constant(self, before: Operation, array: np.ndarray, hint: str = "constant") -> SSAValue:
        """A new constant before an operation."""
        handle = self.constants.add(np.asarray(array, order="C"), hint)
        return self.insert(before, ConstantOp([], [GraphTensorType.of_array(array)], handle=handle))

    def replace(self, operation: Operation, values: Sequence[SSAValue]) -> None:
        """Uses of the operation's results become uses of ``values``; the operation goes."""
        for result, value in zip(operation.results, values, strict=True):
            if value.name_hint is None and not isinstance(value.owner, ConstantOp):
                value.name_hint = result.name_hint
            result.replace_all_uses_with(value)
        operation.detach()
        operation.erase()

    def replace_with(self, operation: Operation, new: GraphOperation) -> SSAValue:
        """Puts ``new`` in the place of an operation of one result."""
        result = self.insert(operation, new)
        self.replace(operation, [result])
        return result


def fields_of(operation: GraphOperation) -> dict[str, Any]:
    """The fields that are stored, to build a similar operation with."""
    return {name: getattr(operation, name) for name in operation.properties}


def is_single(value: SSAValue) -> bool:
    """Whether a tensor has one element."""
    return all(size == 1 for size in type_of(value).dims)


def erase_unused(operation: object) -> None:
    """Removes an operation that nothing reads, and then what it alone read; constants stay."""
    if not isinstance(operation, GraphOperation) or isinstance(operation, ConstantOp):
        return
    if any(any(True for _ in result.uses) for result in operation.results):
        return
    owners = [operand.owner for operand in operation.operands]
    operation.detach()
    operation.erase()
    for owner in owners:
        erase_unused(owner)
