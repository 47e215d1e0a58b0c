"""Makes one kernel of two products with a softmax in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from xdsl.context import Context
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import ModuleOp, f32, i1
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from ...dialects.kernel import AttentionOp, GemmOp, KernelOp, SoftmaxOp
from ...dialects.layout import TransposeOp
from .attention_forms import unrepeated, with_split_axes
from .region_merging import yielded_value
from .views import tensor_type

_Kernel = TypeVar("_Kernel", bound=KernelOp)


@dataclass(frozen=True)
class KernelFuseAttentionPass(ModulePass):
    """softmax(q k^T) v becomes one kernel, which keeps its scores in the cache.

    before::

        %0 = kernel.gemm(%q, %k) transpose_b : ... epilogue(%acc, %m = %mask) {scale, %r = arith.addf %a, %m : f32}
        %1 = kernel.softmax(%0) : ...
        %2 = kernel.gemm(%1, %v) : ...

    after::

        %2 = kernel.attention(%q, %k, %v) : ... scores(%acc, %m = %mask) {scale, %r = arith.addf %a, %m : f32}

    An epilogue of the softmax that makes NaN 0 says ``zero_empty``; truth values by which it makes rows 0 become an
    operand. In two products stay those whose scores or weights
    others read, whose softmax has another epilogue, or of other types than f32.
    """

    name = "kernel-fuse-attention"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                for product in list(function.body.block.ops):
                    if isinstance(product, GemmOp):
                        fuse_attention(product, function.body.block)


def fuse_attention(product: GemmOp, block: Block) -> None:
    """Replaces the product of weights and values, if it is one."""
    product = with_split_axes(product, block)
    softmax = _sole(product.ins[0], SoftmaxOp, product)
    scores = None if softmax is None else _sole(softmax.ins[0], GemmOp, softmax)
    if softmax is None or scores is None or not _is_plain(product) or len(scores.ins) != 2:
        return
    zero_empty = softmax.has_epilogue and makes_nan_zero(softmax.epilogue.block)
    empty = list(softmax.epilogue_ins)
    if softmax.has_epilogue and not zero_empty and not makes_rows_zero(softmax):
        return
    q, k, v = scores.ins[0], scores.ins[1], product.ins[1]
    if any(tensor_type(value).element_type != f32 for value in (q, k, v, scores.result, softmax.result)):
        return
    if scores.sums_type != f32 or tensor_type(scores.result).dims[:-2] != product.type.dims[:-2]:
        return
    q = _transposed(q, product, block) if scores.get("transpose_a") else q
    k = k if scores.get("transpose_b") else _transposed(k, product, block)
    v = _transposed(v, product, block) if product.get("transpose_b") else v
    keys, values = (unrepeated(value, product, block) for value in (k, v))
    k, v = (k, v) if keys is None or values is None else (keys, values)
    attention = AttentionOp(
        [q, k, v, *empty],
        product.type,
        epilogue_ins=list(scores.epilogue_ins),
        epilogue=scores.detach_region(scores.epilogue),
        zero_empty=zero_empty,
    )
    attention.result.name_hint = product.result.name_hint
    block.insert_op_before(attention, product)
    product.result.replace_all_uses_with(attention.result)
    for op in (product, softmax, scores):
        op.detach()
        op.erase(safe_erase=False)


def _sole(value: SSAValue, kind: type[_Kernel], reader: Operation) -> _Kernel | None:
    """The kernel of that kind whose result the value is, if it lies in rows and nothing else reads it."""
    owner = value.owner
    if not isinstance(owner, kind) or not tensor_type(value).layout.is_row_major:
        return None
    return owner if all(use.operation is reader for use in value.uses) else None


def _is_plain(product: GemmOp) -> bool:
    """Whether it multiplies what it reads first as it lies, and does no more."""
    return len(product.ins) == 2 and not product.has_epilogue and not product.get("transpose_a")


def makes_nan_zero(block: Block) -> bool:
    """Whether the code gives 0 for NaN, and any other number as it is."""
    element = block.args[0]
    select = yielded_value(block).owner
    if len(block.args) != 1 or not isinstance(select, arith.SelectOp) or select.rhs is not element:
        return False
    test = select.cond.owner
    if not isinstance(test, arith.CmpfOp) or test.predicate.value.data != _UNORDERED:
        return False
    return test.lhs is test.rhs is element and _is_zero(select.lhs)


def makes_rows_zero(softmax: SoftmaxOp) -> bool:
    """Whether the epilogue gives 0 for whole rows, which its operand names, and any other number as it is."""
    block = softmax.epilogue.block
    select = yielded_value(block).owner
    if len(block.args) != 2 or not isinstance(select, arith.SelectOp) or select.rhs is not block.args[0]:
        return False
    named = tensor_type(softmax.epilogue_ins[0])
    if select.cond is not block.args[1] or named.element_type != i1 or not named.rank or named.dims[-1] != 1:
        return False
    return _is_zero(select.lhs)


def _is_zero(value: SSAValue) -> bool:
    constant = value.owner
    return isinstance(constant, arith.ConstantOp) and constant.value.value.data == 0.0  # pyright: ignore[reportAttributeAccessIssue]


_UNORDERED = arith.CMPF_COMPARISON_OPERATIONS.index("uno")


def _transposed(value: SSAValue, before: Operation, block: Block) -> SSAValue:
    rank = tensor_type(value).rank
    view = TransposeOp(value, [*range(rank - 2), rank - 1, rank - 2])
    block.insert_op_before(view, before)
    return view.result
