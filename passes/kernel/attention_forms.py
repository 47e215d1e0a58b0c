"""Brings what exporters write around a softmax between two products into the form in which it is one kernel.

Leading axes that are merged for a product and split for a mask stay split: only views change.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Block, Operation, SSAValue

from ...dialects.kernel import BroadcastOp, GemmOp, MapOp, SoftmaxOp
from ...dialects.layout import ReshapeOp, TensorType
from ...dialects.shape import Dim
from .fuse_epilogues import fuse_map
from .views import tensor_type


def with_split_axes(product: GemmOp, block: Block) -> GemmOp:
    """The product of weights and values, or one in its place without reshapes between it, the softmax and the scores.

    ::

        gemm(reshape(softmax(x)), v)             ->  reshape(gemm(softmax(x), reshape(v)))
        softmax(reshape(x))                      ->  reshape(softmax(x))
        map(reshape(gemm(q, k)), mask)           ->  gemm(reshape(q), reshape(k)) epilogue(mask)
    """
    weights = _before_reshape(product.ins[0]) or product.ins[0]
    softmax = weights.owner
    if not isinstance(softmax, SoftmaxOp) or len(list(weights.uses)) != 1:
        return product
    _split_scores(softmax, block)
    before = _before_reshape(softmax.ins[0])
    if before is not None and isinstance(before.owner, GemmOp) and not softmax.epilogue_ins:
        _swap(softmax, before, block)
    whole = _before_reshape(product.ins[0])
    return product if whole is None or not isinstance(whole.owner, SoftmaxOp) else _on_split(product, whole, block)


def _before_reshape(value: SSAValue) -> SSAValue | None:
    """What the value is a reshape of that keeps the last two axes, if nothing else reads either."""
    view = value.owner
    if not isinstance(view, ReshapeOp) or len(list(value.uses)) != 1 or len(list(view.source.uses)) != 1:
        return None
    source, result = tensor_type(view.source), tensor_type(value)
    is_kept = min(source.rank, result.rank) > 1 and source.dims[-2:] == result.dims[-2:]
    return view.source if is_kept and source.layout.is_row_major else None


def _split_scores(softmax: SoftmaxOp, block: Block) -> None:
    """Lets the first product compute what a map computes of a reshape of it."""
    value = _before_reshape(softmax.ins[0]) or softmax.ins[0]
    code = value.owner
    if not isinstance(code, MapOp) or len(list(value.uses)) != 1:
        return
    for operand in code.ins:
        source = _before_reshape(operand)
        if source is not None and isinstance(source.owner, GemmOp) and tensor_type(operand).dims == code.type.dims:
            split = _split_product(source.owner, code, block)
            if split is not None:
                operand.replace_all_uses_with(split.result)
                _erase(operand, source)
                fuse_map(split, code)
            return


def _split_product(product: GemmOp, code: MapOp, block: Block) -> GemmOp | None:
    """The same product with its first axis split as the map has it."""
    whole, shape = product.type.dims, code.type.dims
    inner = len(whole) - 1
    if len(product.ins) != 2 or shape[-inner:] != whole[1:] or product.type.element_type != code.type.element_type:
        return None
    if any(tensor_type(value).dims[:-2] != whole[:-2] for value in product.ins):
        return None
    split = shape[: len(shape) - inner]
    extras = [_with_first_split(value, whole, split, product, block) for value in product.epilogue_ins]
    new = GemmOp(
        [_reshaped(value, (*split, *tensor_type(value).dims[1:]), product, block) for value in product.ins],
        TensorType.of(shape, product.type.element_type),
        epilogue_ins=extras,
        epilogue=product.detach_region(product.epilogue),
        transpose_a=product.get("transpose_a"),
        transpose_b=product.get("transpose_b"),
    )
    block.insert_op_before(new, product)
    return new


def _with_first_split(
    extra: SSAValue, whole: Sequence[Dim], split: Sequence[Dim], before: Operation, block: Block
) -> SSAValue:
    """What broadcasts to a product, so that it broadcasts to one whose first axis is split."""
    sizes = tensor_type(extra).dims
    if len(sizes) < len(whole):
        return extra
    return _reshaped(extra, sizes[1:] if sizes[0] == 1 else (*split, *sizes[1:]), before, block)


def _swap(softmax: SoftmaxOp, before: SSAValue, block: Block) -> None:
    """``softmax(reshape(x))`` -> ``reshape(softmax(x))``."""
    new = SoftmaxOp([before], tensor_type(before), epilogue=softmax.detach_region(softmax.epilogue))
    view = ReshapeOp(new.result, softmax.type.dims)
    block.insert_ops_before([new, view], softmax)
    softmax.result.replace_all_uses_with(view.result)
    _erase(softmax.result, softmax.ins[0])


def _on_split(product: GemmOp, weights: SSAValue, block: Block) -> GemmOp:
    values, whole = product.ins[1], product.type
    leading = tensor_type(weights).dims[:-2]
    if len(product.ins) != 2 or product.has_epilogue or tensor_type(values).dims[:-2] != whole.dims[:-2]:
        return product
    new = GemmOp(
        [weights, _reshaped(values, (*leading, *tensor_type(values).dims[-2:]), product, block)],
        TensorType.of([*leading, *whole.dims[-2:]], whole.element_type),
        transpose_b=product.get("transpose_b"),
    )
    view = ReshapeOp(new.result, whole.dims)
    view.result.name_hint = product.result.name_hint
    block.insert_ops_before([new, view], product)
    product.result.replace_all_uses_with(view.result)
    _erase(product.result, product.ins[0])
    return new


def _erase(*values: SSAValue) -> None:
    """Erases what gives these values, which nothing reads but what was erased before."""
    for op in [value.owner for value in values]:
        assert isinstance(op, Operation)
        op.detach()
        op.erase()


def _reshaped(value: SSAValue, shape: Sequence[Dim], before: Operation, block: Block) -> SSAValue:
    if tensor_type(value).dims == tuple(shape):
        return value
    view = ReshapeOp(value, shape)
    block.insert_op_before(view, before)
    return view.result


def unrepeated(value: SSAValue, before: Operation, block: Block) -> SSAValue | None:
    """Keys or values of fewer heads, each of which the value repeats for several of queries; None where it does not.

    ::

        reshape(broadcast([B, K, 1, T, D] to [B, K, G, T, D]) to [B, K * G, T, D])  ->  [B, K, T, D]
    """
    view, type_ = value.owner, tensor_type(value)
    if not isinstance(view, ReshapeOp) or not isinstance(repeat := view.source.owner, BroadcastOp | MapOp):
        return None
    wide = tensor_type(view.source)
    if len(repeat.ins) != 1 or repeat.epilogue_ins or wide.rank != type_.rank + 1 or type_.rank < 3:
        return None
    narrow = repeat.in_type(0)
    *leading, heads, _, keys, depth = wide.dims
    one_each = (*leading, heads, 1, keys, depth)
    if narrow.dims != one_each or type_.dims[:-3] != tuple(leading) or type_.dims[-2:] != (keys, depth):
        return None
    if isinstance(repeat, BroadcastOp):
        return None if repeat.has_epilogue else _reshaped(repeat.ins[0], (*leading, heads, keys, depth), before, block)
    if len(list(repeat.result.uses)) != 1:
        return None
    once = MapOp([repeat.ins[0]], TensorType.of(one_each, wide.element_type), epilogue=repeat.epilogue.clone())
    block.insert_op_before(once, before)
    return _reshaped(once.result, (*leading, heads, keys, depth), before, block)
