"""Moves constant factors from the operands of a matrix product to its epilogue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import FloatAttr, ModuleOp, f32
from xdsl.ir import Block, Region, SSAValue
from xdsl.passes import ModulePass

from ...dialects.kernel import GemmOp, MapOp, YieldOp
from ...dialects.layout import TensorType
from .region_merging import only_user_is, yielded_value


@dataclass(frozen=True)
class KernelFoldScalesPass(ModulePass):
    """``(s a) (t b)`` -> ``(s t) (a b)``, so that scaling costs no pass over an operand.

    before::

        %0 = kernel.map(%a) : ... each(%e) {%c = arith.constant 0.125 : f32, %p = arith.mulf %e, %c : f32}
        %1 = kernel.gemm(%0, %b) : ...

    after::

        %1 = kernel.gemm(%a, %b) : ... epilogue(%acc) {%c = arith.constant 0.125 : f32, %p = arith.mulf %acc, %c : f32}

    Only where nothing is added to the product already, and the unscaled operand lies in rows too.
    """

    name = "kernel-fold-scales"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                fold_scales(function.body.block)


def fold_scales(block: Block) -> None:
    for op in list(block.ops):
        if not isinstance(op, GemmOp) or len(op.ins) != 2 or op.has_epilogue or op.type.element_type != f32:
            continue
        factor = _take_factor(op, 0) * _take_factor(op, 1)
        if factor != 1.0:
            op.detach_region(op.epilogue)
            op.add_region(_scaling(factor))


def _take_factor(op: GemmOp, index: int) -> float:
    """Removes the scaling from an operand and gives its factor; 1 where there is none."""
    scaling = op.operands[index].owner
    if not isinstance(scaling, MapOp) or not only_user_is(scaling.result, op) or op.operands[0] is op.operands[1]:
        return 1.0
    factor = _factor_of(scaling)
    if factor is None:
        return 1.0
    op.operands[index] = scaling.ins[0]
    scaling.detach()
    scaling.erase()
    return factor


def _factor_of(scaling: MapOp) -> float | None:
    """The constant by which a map multiplies or divides its one operand; None if it does anything else."""
    if len(scaling.ins) != 1:
        return None
    source = scaling.ins[0].type
    assert isinstance(source, TensorType)
    layout = source.layout
    if source.dims != scaling.type.dims or layout.pieces[-1].axis != layout.rank - 1:
        return None
    block = scaling.epilogue.block
    result = yielded_value(block).owner
    if not isinstance(result, arith.MulfOp | arith.DivfOp) or len(block.ops) != 3:
        return None
    left, right = result.operands
    if left is block.args[0]:
        number = _number(right)
    elif isinstance(result, arith.MulfOp) and right is block.args[0]:
        number = _number(left)
    else:
        return None
    if number is None or not isinstance(result, arith.DivfOp):
        return number
    return float(np.float32(1) / np.float32(number)) if number else None


def _number(value: SSAValue) -> float | None:
    constant = value.owner
    if isinstance(constant, arith.ConstantOp) and isinstance(constant.value, FloatAttr):
        return constant.value.value.data
    return None


def _scaling(factor: float) -> Region:
    block = Block(arg_types=[f32])
    constant = arith.ConstantOp(FloatAttr(float(np.float32(factor)), f32))
    product = arith.MulfOp(block.args[0], constant.result)
    block.add_ops([constant, product, YieldOp(product.result)])
    return Region(block)
