"""Removes what nothing reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from ...dialects.dimension_attribute import DimensionAttr
from ...dialects.graph import BindSizesOp, ConstantOp, GraphOperation, GraphTensorType, IfOp, LoopOp
from ...dialects.shape import symbols_of

if TYPE_CHECKING:
    from ...context import ConstantStore
    from ...dialects.shape import Dim


@dataclass(frozen=True)
class GraphDeadCodePass(ModulePass):
    """Drops operations whose results nobody reads, and the contents of constants that no operation names.

    One stays whose results alone tell a size that others name.

    before::

        %0 = graph.constant @unread : !graph.tensor<8 x f32>
        %1 = graph.exp %x : !graph.tensor<8 x f32>
        func.return %x : !graph.tensor<8 x f32>

    after::

        func.return %x : !graph.tensor<8 x f32>
    """

    name = "graph-dead-code"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, FuncOp) and function.body.blocks:
                remove_unread(function.body.block, op)
        forget_unnamed(op, ctx.constants)  # pyright: ignore[reportAttributeAccessIssue]


def remove_unread(block: Block, module: ModuleOp) -> None:
    """Last operations first, so that what only a dead one reads is dead too."""
    for operation in reversed(list(block.ops)):
        if not isinstance(operation, GraphOperation | IfOp | LoopOp) or isinstance(operation, BindSizesOp):
            continue
        if any(result.first_use is not None for result in operation.results):
            for region in operation.regions:
                for inner in region.blocks:
                    remove_unread(inner, module)
        elif not _tells_sizes(operation, module):
            operation.detach()
            operation.erase()


def _tells_sizes(operation: Operation, module: ModuleOp) -> bool:
    """Whether its results are the first to have sizes that others name, as Shape's result does."""
    own = symbols_of(*_dims(operation.results)) - symbols_of(*_dims(operation.operands))
    functions = [function for function in module.ops if isinstance(function, FuncOp)] if own else []
    for function in functions:
        own -= symbols_of(*_dims(function.body.block.args))
    if not own:
        return False
    for before in module.walk():
        if before is operation:
            break
        own -= symbols_of(*_dims(before.results))
    others = (other for other in module.walk() if other is not operation)
    return any(not own.isdisjoint(_symbols_named(other)) for other in others)


def _dims(values: Sequence[SSAValue]) -> Iterator[Dim]:
    for value in values:
        if isinstance(value.type, GraphTensorType):
            yield from value.type.dims


def _symbols_named(operation: Operation) -> set[str]:
    arrays = [attribute for attribute in operation.properties.values() if isinstance(attribute, ArrayAttr)]
    fields = [entry.data for array in arrays for entry in array if isinstance(entry, DimensionAttr)]
    return symbols_of(*_dims([*operation.operands, *operation.results]), *fields)


def forget_unnamed(module: ModuleOp, constants: ConstantStore) -> None:
    """Only where the whole module is at the graph level: kernels name constants in their own ways."""
    named: set[str] = set()
    for operation in module.walk():
        if isinstance(operation, ConstantOp):
            named.add(operation.handle)
        elif operation.name.partition(".")[0] not in ("graph", "func", "builtin"):
            return
    for name in [name for name in constants if name not in named]:
        del constants[name]
