"""Recognises layer normalisation written out in smaller operations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass

from ...dialects import graph
from .rewriting import Rewriter, defined_by, graph_blocks, type_of


@dataclass(frozen=True)
class GraphFuseLayerNormPass(ModulePass):
    """One operation for (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) * scale + bias.

    before::

        %m = graph.reduce mean %x axes [2] keepdims : (...) -> ...
        %c = graph.sub %x, %m : (...) -> ...
        %p = graph.mul %c, %c : ...
        %v = graph.reduce mean %p axes [2] keepdims : (...) -> ...
        %e = graph.add %v, %epsilon : (...) -> ...
        %d = graph.sqrt %e : ...
        %n = graph.div %c, %d : (...) -> ...
        %s = graph.mul %n, %scale : (...) -> ...
        %r = graph.add %s, %bias : (...) -> ...

    after::

        %r = graph.layer_norm %x, %scale, %bias axis 2 epsilon 1e-05 : (...) -> ...

    Without a scale the normalised axes get one of ones. Division may be by the square root, or a
    multiplication by its reciprocal; the mean may be a sum times 1 / n.
    """

    name = "graph-fuse-layer-norm"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewriter = Rewriter(ctx)
        for block in graph_blocks(op):
            for operation in list(block.ops):
                if isinstance(operation, graph.DivOp | graph.MulOp) and operation.parent is not None:
                    _fuse(operation, rewriter)


@dataclass(frozen=True)
class _Normalised:
    """x, the first of the axes it is normalised over, epsilon."""

    x: SSAValue
    axis: int
    epsilon: float


def _fuse(operation: graph.BinaryOp, rewriter: Rewriter) -> None:
    found = _match(operation, rewriter)
    if found is None:
        return
    dims = type_of(found.x).dims[found.axis :]
    if not all(isinstance(d, int) for d in dims):
        return
    shape: tuple[int, ...] = tuple(int(d) for d in dims)  # pyright: ignore[reportArgumentType]
    last: Operation = operation
    scale, last = _following(last, graph.MulOp, shape, rewriter)
    bias, last = _following(last, graph.AddOp, shape, rewriter)
    dtype = type_of(found.x).dtype
    operands = [found.x, rewriter.constant(last, np.ones(shape, dtype) if scale is None else scale, "scale")]
    if bias is not None:
        operands.append(rewriter.constant(last, bias, "bias"))
    new = graph.LayerNormOp(operands, axis=found.axis, epsilon=found.epsilon)
    rewriter.replace_with(last, new)


def _following(
    operation: Operation, kind: type[graph.BinaryOp], shape: tuple[int, ...], rewriter: Rewriter
) -> tuple[np.ndarray | None, Operation]:
    """The constant that the result is multiplied by, or that is added to it, and the operation that does it."""
    result = operation.results[0]
    if not result.has_one_use():
        return None, operation
    (use,) = result.uses
    user = use.operation
    if not isinstance(user, kind) or not type_of(user.result).same_shape(type_of(result)):
        return None, operation
    array = rewriter.array(user.operands[1 - use.index])
    if array is None:
        return None, operation
    squeezed = array.reshape(array.shape[max(array.ndim - len(shape), 0) :]) if _leading_ones(array, shape) else None
    if squeezed is None:
        return None, operation
    return np.ascontiguousarray(np.broadcast_to(squeezed, shape)), user


def _leading_ones(array: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether a constant varies along the normalised axes only."""
    extra = max(array.ndim - len(shape), 0)
    if any(size != 1 for size in array.shape[:extra]):
        return False
    try:
        return np.broadcast_shapes(array.shape[extra:], shape) == shape
    except ValueError:
        return False


def _match(operation: graph.BinaryOp, rewriter: Rewriter) -> _Normalised | None:
    """c / sqrt(mean(c * c) + epsilon) with c = x - mean(x)."""
    pairs = [(operation.a, operation.b)]
    if isinstance(operation, graph.MulOp):
        pairs.append((operation.b, operation.a))
    for centred, other in pairs:
        root = other
        if isinstance(operation, graph.MulOp):
            reciprocal = defined_by(other, graph.ReciprocalOp)
            if reciprocal is None:
                continue
            root = reciprocal.x
        stabilised = _under_root(root, rewriter)
        if stabilised is None:
            continue
        found = _match_variance(centred, stabilised, rewriter)
        if found is not None:
            return found
    return None


def _under_root(value: SSAValue, rewriter: Rewriter) -> SSAValue | None:
    """What a value is the square root of, as such or as a power."""
    root, power = defined_by(value, graph.SqrtOp), defined_by(value, graph.PowOp)
    if power is not None and rewriter.number(power.b) == 0.5:
        return power.a
    return None if root is None else root.x


def _match_variance(centred: SSAValue, stabilised: SSAValue, rewriter: Rewriter) -> _Normalised | None:
    total = defined_by(stabilised, graph.AddOp)
    difference = defined_by(centred, graph.SubOp)
    if total is None or difference is None:
        return None
    for variance, other in ((total.a, total.b), (total.b, total.a)):
        epsilon = rewriter.number(other)
        square, axes = _mean(variance, rewriter)
        mean_of, mean_axes = _mean(difference.b, rewriter)
        if epsilon is None or square is None or mean_of is not difference.a or axes != mean_axes:
            continue
        product = defined_by(square, graph.MulOp)
        if product is None or product.a is not centred or product.b is not centred:
            continue
        rank = type_of(difference.a).rank
        if axes and list(axes) == list(range(axes[0], rank)):
            return _Normalised(difference.a, axes[0], epsilon)
    return None


def _mean(value: SSAValue, rewriter: Rewriter) -> tuple[SSAValue | None, tuple[int, ...]]:
    """What a value is the mean of, and along which axes; dimensions kept."""
    reduce = defined_by(value, graph.ReduceOp)
    if reduce is not None:
        return (reduce.x, reduce.axes) if reduce.kind == "mean" and reduce.keepdims else (None, ())
    scaled = defined_by(value, graph.MulOp)
    if scaled is None:
        return None, ()
    for total, other in ((scaled.a, scaled.b), (scaled.b, scaled.a)):
        factor, summed = rewriter.number(other), defined_by(total, graph.ReduceOp)
        if factor is None or summed is None or summed.kind != "sum" or not summed.keepdims:
            continue
        count = 1
        for axis in summed.axes:
            size = type_of(summed.x).dims[axis]
            count = count * size if isinstance(size, int) else 0
        if count and np.isclose(factor * count, 1.0, rtol=1e-6):
            return summed.x, summed.axes
    return None, ()
