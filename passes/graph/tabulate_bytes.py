"""Makes functions of one byte tables of 256 bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, SSAValue
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph.attributes import reference_attributes
from ...dialects.graph.types import BYTES
from ...reference.operations import REFERENCE, evaluate
from .rewriting import Rewriter, erase_unused, graph_blocks, type_of

if TYPE_CHECKING:
    from ...machines import Target

_BYTES = np.arange(256, dtype=np.uint8)


@dataclass(frozen=True)
class GraphTabulateBytesPass(ModulePass):
    """What is computed of one tensor of bytes, byte by byte, and quantised to bytes becomes a look-up in a table.

    before::

        %0 = graph.dequantize %x, %s, %z : (!graph.tensor<N x 64 x ui8>, ...) -> !graph.tensor<N x 64 x f32>
        %1 = graph.sigmoid %0 : !graph.tensor<N x 64 x f32>
        %2 = graph.mul %0, %1 : !graph.tensor<N x 64 x f32>
        %3 = graph.quantize %2, %t, %z : (!graph.tensor<N x 64 x f32>, ...) -> !graph.tensor<N x 64 x ui8>

    after::

        %3 = graph.byte_table %x, %table : (!graph.tensor<N x 64 x ui8>, !graph.tensor<256 x ui8>) -> ...

    The other operands are constants of one element; what lies between may be quantised itself. On targets that look
    bytes up in registers: there a table takes no longer than one rounding. Elementary functions are NumPy's, as where
    constants are folded.
    """

    name = "graph-tabulate-bytes"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target: Target = ctx.target  # pyright: ignore[reportAttributeAccessIssue]
        if not target.byte_lookup:
            return
        rewriter = Rewriter(ctx)
        for block in graph_blocks(op):
            if any(isinstance(operation, graph.QuantizeOp) for operation in block.ops):
                _Tabulation(rewriter).tabulate(block)


@dataclass(frozen=True)
class _Column:
    """The numbers that a value has for each byte of its source; a constant of one element has none."""

    source: SSAValue | None
    numbers: np.ndarray


@dataclass(frozen=True)
class _Tabulation:
    rewriter: Rewriter
    columns: dict[SSAValue, _Column] = field(default_factory=dict)

    def tabulate(self, block: Block) -> None:
        for operation in list(block.ops):
            if operation.parent is None or not isinstance(operation, graph.ElementwiseOp):
                continue
            column = self._evaluated(operation)
            if column is None:
                continue
            if isinstance(operation, graph.QuantizeOp) and type_of(operation.result).element_type in BYTES:
                self._replace(operation, column)
            else:
                self.columns[operation.results[0]] = column

    def _replace(self, quantize: graph.QuantizeOp, column: _Column) -> None:
        source, x = column.source, quantize.x.owner
        assert source is not None
        if source.type == quantize.result.type and np.array_equal(column.numbers, _all_bytes(source)):
            self.rewriter.replace(quantize, [source])
        else:
            table = self.rewriter.constant(quantize, column.numbers, "table")
            result = self.rewriter.replace_with(quantize, graph.ByteTableOp([source, table]))
            self.columns[result] = column
        erase_unused(x)

    def _evaluated(self, operation: graph.ElementwiseOp) -> _Column | None:
        """Of an operation all of whose operands that are no constants are computed of the same bytes."""
        name, result = operation.name.removeprefix("graph."), type_of(operation.results[0])
        columns: list[_Column] = []
        for operand in operation.operands:
            column = self._column(operand)
            if column is None:
                return None
            columns.append(column)
        sources = {column.source for column in columns if column.source is not None}
        if len(sources) != 1 or name not in REFERENCE:
            return None
        (source,) = sources
        attributes = reference_attributes(name, operation.values, [result.with_dims([256])])
        if attributes is None or not result.same_shape(type_of(source)):
            return None
        (numbers,) = evaluate(name, [column.numbers for column in columns], attributes)
        return _Column(source, numbers.astype(result.dtype, copy=False))

    def _column(self, value: SSAValue) -> _Column | None:
        known = self.columns.get(value)
        if known is not None:
            return known
        array = self.rewriter.array(value)
        if array is not None:
            return _Column(None, array.reshape(())) if array.size == 1 else None
        if type_of(value).element_type not in BYTES:
            return None
        return self.columns.setdefault(value, _Column(value, _all_bytes(value)))


def _all_bytes(source: SSAValue) -> np.ndarray:
    """Those of its type, in the order of their bits."""
    return _BYTES.view(type_of(source).dtype)
