"""Cheaper arithmetic with the same meaning: divisions become multiplications, constants meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph.types import is_float
from .rewriting import Rewriter, defined_by, graph_blocks, type_of


@dataclass(frozen=True)
class GraphSimplifyArithmeticPass(ModulePass):
    """Divides by no constant, subtracts none, and scales or shifts only once in a row.

    before::

        %1 = graph.mul %x, %two : (...) -> !graph.tensor<8 x f32>
        %2 = graph.div %1, %four : (...) -> !graph.tensor<8 x f32>

    after::

        %half = graph.constant @folded : !graph.tensor<f32>
        %2 = graph.mul %x, %half : (...) -> !graph.tensor<8 x f32>

    x / sqrt(y) stays; x * reciprocal(y) becomes x / y. A product with a constant changes its rounding by at most
    one unit in the last place where a division became a multiplication.
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
    """x / c -> x * (1 / c)."""
    divisor = rewriter.array(operation.b)
    if divisor is None or not is_float(operation.result_types[0].element_type) or not np.all(divisor):
        return
    with np.errstate(all="ignore"):
        inverse = (1.0 / divisor.astype(np.float64)).astype(divisor.dtype)
    if not np.all(np.isfinite(inverse)):
        return
    factor = rewriter.constant(operation, inverse, "folded")
    product = graph.MulOp([operation.a, factor], operation.result_types)
    rewriter.replace_with(operation, product)
    _multiply(product, rewriter)


def _subtract(operation: graph.SubOp, rewriter: Rewriter) -> None:
    """x - c -> x + -c."""
    amount = rewriter.array(operation.b)
    if amount is None or not is_float(operation.result_types[0].element_type):
        return
    summand = rewriter.constant(operation, -amount, "folded")
    total = graph.AddOp([operation.a, summand], operation.result_types)
    rewriter.replace_with(operation, total)
    _add(total, rewriter)


def _multiply(operation: graph.MulOp, rewriter: Rewriter) -> None:
    """(x * c) * d -> x * (c * d); x * reciprocal(y) -> x / y."""
    if _merge(operation, np.multiply, rewriter):
        return
    for x, other in ((operation.a, operation.b), (operation.b, operation.a)):
        reciprocal = defined_by(other, graph.ReciprocalOp)
        if reciprocal is not None and other.has_one_use() and _same_cost(reciprocal, operation):
            rewriter.replace_with(operation, graph.DivOp([x, reciprocal.x], operation.result_types))
            reciprocal.detach()
            reciprocal.erase()
            return


def _same_cost(reciprocal: graph.ReciprocalOp, operation: graph.MulOp) -> bool:
    """A reciprocal of few elements that many are multiplied by is cheaper than as many divisions."""
    return type_of(reciprocal.result).same_shape(operation.result_types[0])


def _add(operation: graph.AddOp, rewriter: Rewriter) -> None:
    """(x + c) + d -> x + (c + d)."""
    _merge(operation, np.add, rewriter)


def _merge(operation: graph.BinaryOp, combine: Callable[..., Any], rewriter: Rewriter) -> bool:
    outer = _with_constant(operation, rewriter)
    if outer is None or not is_float(operation.result_types[0].element_type):
        return False
    inner = defined_by(outer[0], type(operation))
    if inner is None or not inner.result.has_one_use():
        return False
    parts = _with_constant(inner, rewriter)
    if parts is None:
        return False
    x, first = parts
    with np.errstate(all="ignore"):
        merged = combine(first.astype(np.float64), outer[1].astype(np.float64)).astype(first.dtype)
    if not np.all(np.isfinite(merged)) or merged.size > max(first.size, outer[1].size):
        return False
    constant = rewriter.constant(operation, merged, "folded")
    rewriter.replace_with(operation, type(operation)([x, constant], operation.result_types))
    inner.detach()
    inner.erase()
    return True


def _with_constant(operation: graph.BinaryOp, rewriter: Rewriter) -> tuple[SSAValue, np.ndarray] | None:
    """The other operand and the constant one of a product or sum."""
    for x, other in ((operation.a, operation.b), (operation.b, operation.a)):
        array = rewriter.array(other)
        if array is not None:
            return x, array
    return None


_RULES: dict[type, Callable[[Any, Rewriter], object]] = {
    graph.DivOp: _divide,
    graph.SubOp: _subtract,
    graph.MulOp: _multiply,
    graph.AddOp: _add,
}
