"""Which stages compute each image of a batch from the same image of their operands, and from nothing of the others."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.ir import Operation, SSAValue

from ...dialects import shape as dims
from ...dialects.kernel import KernelOp
from ...dialects.layout import ConvertOp, TensorType
from ...dialects.schedule import StageOp

Rule = Callable[[KernelOp], "list[bool] | None"]
"""For each of the kernel's operands whether it is taken apart along its first axis as the result is; the others are
read whole. None where the result cannot be taken apart."""


def image_operands(stage: StageOp) -> list[bool] | None:
    """For each input of a stage whether an image of the result needs that image of it only; else it is read whole.

    None where the images cannot be told apart. An image is one or more entries of the first axis.
    """
    kernel = stage.kernel
    if isinstance(kernel, ConvertOp):
        return [True] if kernel.result.type.rank else None
    if not isinstance(kernel, KernelOp) or len(kernel.outs) != 1 or kernel.type.rank == 0:
        return None
    rule = _RULES.get(kernel.name.removeprefix("kernel."))
    own = None if rule is None else rule(kernel)
    if own is None:
        return None
    extras = [_follows(value, kernel.type) for value in kernel.epilogue_ins]
    apart: dict[SSAValue, bool] = {}
    for value, is_apart in zip(kernel.operands, [*own, *extras], strict=True):
        if is_apart is None or apart.setdefault(value, is_apart) != is_apart:
            return None
    return [apart[argument] for argument in stage.body.block.args]


def _follows(value: SSAValue, result: TensorType) -> bool | None:
    """Whether an operand that is broadcast to the result has its first axis; None where that is not known."""
    type_ = value.type
    assert isinstance(type_, TensorType)
    if type_.rank < result.rank or type_.dims[0] == 1:
        return False
    return True if dims.same_dimension(type_.dims[0], result.dims[0]) else None


def _all_broadcast(kernel: KernelOp) -> list[bool] | None:
    follows = [_follows(value, kernel.type) for value in kernel.ins]
    known = [entry for entry in follows if entry is not None]
    return known if len(known) == len(follows) else None


def _first_alone(kernel: KernelOp) -> list[bool]:
    return [index == 0 for index in range(len(kernel.ins))]


def _gemm(kernel: KernelOp) -> list[bool] | None:
    """Rows of a matrix product are independent of each other, and so are products of a batch."""
    a, b, rank = kernel.in_type(0), kernel.in_type(1), kernel.type.rank
    bias = [False] * (len(kernel.ins) - 2)
    if rank == 2:
        return None if kernel.get("transpose_a") else [True, False, *bias]
    follows = [type_.rank == rank and type_.dims[0] != 1 for type_ in (a, b)]
    return [*follows, *bias]


def _attention(kernel: KernelOp) -> list[bool] | None:
    types = [kernel.in_type(index) for index in range(len(kernel.ins))]
    rank = kernel.type.rank
    # The axis before the last two may be heads, of which several share keys.
    return [type_.rank == rank and type_.dims[0] != 1 for type_ in types] if rank > 3 else None


def _axis_is_inner(kernel: KernelOp) -> list[bool] | None:
    return [True] * len(kernel.ins) if kernel.get("axis") > 0 else None


def _layer_norm(kernel: KernelOp) -> list[bool] | None:
    return [True, False, False] if kernel.get("axis") > 0 else None


def _reduce(kernel: KernelOp) -> list[bool] | None:
    return None if 0 in kernel.get("axes") else [True]


def _softmax(kernel: KernelOp) -> list[bool] | None:
    return [True] if kernel.type.rank > 1 else None


def _pad(kernel: KernelOp) -> list[bool] | None:
    return [True] if kernel.get("lower")[0] == 0 == kernel.get("upper")[0] else None


def _slice(kernel: KernelOp) -> list[bool] | None:
    whole = dims.same_dimension(kernel.in_type(0).dims[0], kernel.type.dims[0])
    return [True] if whole and kernel.get("starts")[0] == 0 and kernel.get("steps")[0] == 1 else None


def _resize(kernel: KernelOp) -> list[bool] | None:
    scales = kernel.get("scales")
    whole = dims.same_dimension(kernel.in_type(0).dims[0], kernel.type.dims[0])
    return [True] if whole and (not scales or scales[0] == 1) else None


def _gather(kernel: KernelOp) -> list[bool] | None:
    """Along the first axis each index picks from the whole; along another each image from its own."""
    if kernel.get("axis") == 0:
        return [False, True] if kernel.in_type(1).rank else None
    return [True, False]


_RULES: dict[str, Rule] = {
    "arg_reduce": _axis_is_inner,
    "attention": _attention,
    "broadcast": _all_broadcast,
    "concat": _axis_is_inner,
    "conv": _first_alone,
    "cumulative_sum": _axis_is_inner,
    "gather": _gather,
    "gather_elements": _axis_is_inner,
    "gemm": _gemm,
    "layer_norm": _layer_norm,
    "map": _all_broadcast,
    "pad": _pad,
    "pool": _first_alone,
    "reduce": _reduce,
    "resize": _resize,
    "slice": _slice,
    "softmax": _softmax,
}


def is_told_by_sizes(kernel: Operation, symbols: set[str]) -> bool:
    """Whether the kernel's own properties depend on any of these symbols."""
    if not isinstance(kernel, KernelOp):
        return False
    lists = [kernel.get(name) for name, kind in kernel.SYNTAX.items() if kind == "dims"]
    return bool(symbols & dims.symbols_of(*(entry for entries in lists for entry in entries or ())))
