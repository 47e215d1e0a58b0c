"""Cheaper arithmetic that gives the same bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph.types import is_float
from .rewriting import Rewriter, graph_blocks


@dataclass(frozen=True)
class GraphSimplifyArithmeticPass(ModulePass):
    """Multiplies where a division is by powers of two, adds where a constant is subtracted.

    before::

        %0 = graph.div %x, %four : (...) -> !graph.tensor<8 x f32>
        %1 = graph.sub %0, %three : (...) -> !graph.tensor<8 x f32>

    after::

        %0 = graph.mul %x, %quarter : (...) -> !graph.tensor<8 x f32>
        %1 = graph.add %0, %minus_three : (...) -> !graph.tensor<8 x f32>

    Both are exact, signs of zero included. What is not exact stays as the model has it: a division by another number
    (41 times the nearest float to 1 / 41 is less than 1, so that its floor is 0), constants of two products or sums in
    a row (what is between may overflow, and is rounded), and a product with a reciprocal (rounded on its own).
    """

    name = "graph-simplify-arithmetic"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewriter = Rewriter(ctx)
        for block in graph_blocks(op):
            for operation in list(block.ops):
                rule = _RULES.get(type(operation))
                if rule is not None:
                    rule(operation, rewriter)


def _divide(operation: graph.DivOp, rewriter: Rewriter) -> None:
    """x / c -> x * (1 / c), where every c is a power of two whose reciprocal is a normal number."""
    divisor = rewriter.array(operation.b)
    if divisor is None or not is_float(operation.result_types[0].element_type):
        return
    wide = divisor.astype(np.float64)
    mantissas, exponents = np.frexp(wide)
    lowest = _LOWEST_EXPONENTS[operation.result_types[0].dtype.name]
    # A power 2^e has the mantissa 0.5 and the exponent e + 1.
    if not (np.all(np.abs(mantissas) == 0.5) and np.all(np.abs(exponents - 1) <= -lowest)):
        return
    factor = rewriter.constant(operation, (1.0 / wide).astype(divisor.dtype), "folded")
    rewriter.replace_with(operation, graph.MulOp([operation.a, factor], operation.result_types))


# Exponents of the least normal number.
_LOWEST_EXPONENTS = {"float16": -14, "bfloat16": -126, "float32": -126, "float64": -1022}


def _subtract(operation: graph.SubOp, rewriter: Rewriter) -> None:
    """x - c -> x + -c."""
    amount = rewriter.array(operation.b)
    if amount is None or not is_float(operation.result_types[0].element_type):
        return
    summand = rewriter.constant(operation, -amount, "folded")
    rewriter.replace_with(operation, graph.AddOp([operation.a, summand], operation.result_types))


_RULES: dict[type, Callable[[Any, Rewriter], object]] = {
    graph.DivOp: _divide,
    graph.SubOp: _subtract,
}
