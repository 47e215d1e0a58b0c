"""Makes elementwise work part of the kernel whose result it takes: computed before the result is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from xdsl.context import Context
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import AnyFloat, ModuleOp, i1
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from ...dialects.kernel import (
    BlockGemmOp,
    ConcatOp,
    ConstantOp,
    ContractionOp,
    ConvOp,
    GatherOp,
    GemmOp,
    KernelOp,
    LayerNormOp,
    MapOp,
    PadOp,
    PoolOp,
    ReduceOp,
    ResizeOp,
    SliceOp,
    SoftmaxOp,
)
from ...dialects.layout import TensorType
from ...dialects.layout_algebra import Layout
from ...dialects.storage import element_bytes
from .region_merging import drop_repeated_constants, only_user_is, prepend_code, set_operands, yielded_value

if TYPE_CHECKING:
    from ...context import ConstantStore

# Kernels that take an epilogue.
HOSTS: tuple[type[KernelOp], ...] = (
    ConvOp, GemmOp, BlockGemmOp, PoolOp, ReduceOp, ResizeOp, LayerNormOp, SoftmaxOp, ConcatOp, PadOp, SliceOp, GatherOp,
)  # fmt: skip
# Those that put what they read elsewhere.
_MOVING = (ConcatOp, PadOp, SliceOp, GatherOp)
# Those that compute what they store in registers, and may store it narrower.
_PRODUCTS = (ContractionOp, BlockGemmOp)
COMPUTING = (*_PRODUCTS, PoolOp, ReduceOp, ResizeOp, LayerNormOp, SoftmaxOp)


@dataclass(frozen=True)
class KernelFuseEpiloguesPass(ModulePass):
    """A map that alone reads a kernel's result, and has its shape, becomes the kernel's epilogue.

    before::

        %0 = kernel.conv(%x, %w) : ...
        %1 = kernel.map(%0, %skip) : ... each(%a, %b) {%r = arith.addf %a, %b : f32}

    after::

        %1 = kernel.conv(%x, %w) : ... epilogue(%a, %b = %skip) {%r = arith.addf %a, %b : f32}

    Of several kernels that a map reads, a convolution or matrix product takes it first, then the one that
    runs last. A constant per output channel (column) that is added first of all becomes the bias of a
    convolution (matrix product) that has none. What a kernel computes may be wider than what it stores, and a matrix
    product writes its rows where the map does.
    """

    name = "kernel-fuse-epilogues"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        constants: ConstantStore = ctx.constants  # pyright: ignore[reportAttributeAccessIssue]
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                fuse_epilogues(function.body.block, constants)


def fuse_epilogues(block: Block, constants: ConstantStore) -> None:
    position = {op: index for index, op in enumerate(block.ops)}
    for op in list(block.ops):
        if not isinstance(op, MapOp):
            continue
        host = _host_of(op, position)
        if host is None:
            continue
        position[host] = position[op]
        fuse_map(host, op)
        _make_bias(host, constants)


def _host_of(op: MapOp, position: dict[Operation, int]) -> KernelOp | None:
    hosts = [operand.owner for operand in op.ins if isinstance(operand.owner, HOSTS) and _can_take(operand.owner, op)]
    return max(hosts, key=lambda host: (isinstance(host, _PRODUCTS), position[host]), default=None)


def _can_take(host: KernelOp, op: MapOp) -> bool:
    written = host.type.with_layout(op.type.layout) if _can_write_as(host, op.type.layout) else host.type
    fits = written == op.type or (isinstance(host, COMPUTING) and _stores_no_more(op.type, written))
    return (fits or _converts_what_it_moves(host, op)) and only_user_is(host.result, op)


def _converts_what_it_moves(host: KernelOp, op: MapOp) -> bool:
    """Whether floats that are put elsewhere become wider or narrower ones on the way."""
    moved, stored = host.type.element_type, op.type.element_type
    are_floats = isinstance(moved, AnyFloat) and isinstance(stored, AnyFloat)
    return isinstance(host, _MOVING) and are_floats and host.type.with_element(stored) == op.type


def _can_write_as(host: KernelOp, layout: Layout) -> bool:
    """Whether it is a matrix product, which writes its rows wherever the map does."""
    keeps_rows = not layout.has_margins and bool(layout.pieces) and layout.pieces[-1].axis == layout.rank - 1
    return isinstance(host, GemmOp) and host.type.layout.is_row_major and keeps_rows


def _stores_no_more(type_: TensorType, sums: TensorType) -> bool:
    """Whether it is the same tensor of other numbers, none of them wider: sums of 32 bits quantised to 8 for one."""
    if type_.with_element(sums.element_type) != sums or i1 in (type_.element_type, sums.element_type):
        return False
    return element_bytes(type_.element_type) <= element_bytes(sums.element_type)


def fuse_map(host: KernelOp, op: MapOp) -> None:
    """Moves the map's region to the host, and the host to where the map was: there all its operands exist."""
    block = op.epilogue.block
    element = block.insert_arg(host.type.element_type, 0)
    operands: dict[SSAValue, SSAValue] = {}
    for value, argument in list(zip(op.ins, block.args[1:], strict=True)):
        if value is host.result:
            argument.replace_all_uses_with(element)
            block.erase_arg(argument)
        else:
            operands[value] = argument
    if host.has_epilogue:
        element = _run_before(host, block, element, operands)
    drop_repeated_constants(block)
    ins = list(host.ins)
    region = op.detach_region(op.epilogue)
    _replace_region(host, region)
    if host.type != op.type:
        Rewriter.replace_value_with_new_type(host.result, op.type)
    set_operands(host, ins, list(operands))
    host.detach()
    parent = op.parent
    assert parent is not None
    parent.insert_op_before(host, op)
    op.result.replace_all_uses_with(host.result)
    host.result.name_hint = op.result.name_hint or host.result.name_hint
    op.detach()
    op.erase()


def _run_before(host: KernelOp, block: Block, element: SSAValue, operands: dict[SSAValue, SSAValue]) -> SSAValue:
    """Puts the epilogue that the host has before the code of ``block``; adds its operands."""
    old = host.epilogue.block
    accumulator = block.insert_arg(old.args[0].type, 0)
    passed: list[SSAValue] = [accumulator]
    for value, argument in zip(host.epilogue_ins, old.args[1:], strict=True):
        if value not in operands:
            operands[value] = block.insert_arg(argument.type, len(block.args))
        passed.append(operands[value])
    result = prepend_code(block, old, passed)
    element.replace_all_uses_with(result)
    block.erase_arg(element)  # pyright: ignore[reportArgumentType]
    return accumulator


def _replace_region(host: KernelOp, region: Region) -> None:
    host.detach_region(host.epilogue)
    host.add_region(region)


# --- bias -------------------------------------------------------------------------------------------------


def _make_bias(host: KernelOp, constants: ConstantStore) -> None:
    """Turns ``accumulator + constant per channel`` at the start of an epilogue into the kernel's bias."""
    if not isinstance(host, ContractionOp) or len(host.ins) != 2:
        return
    block = host.epilogue.block
    uses = list(block.args[0].uses)
    if len(uses) != 1 or not isinstance(uses[0].operation, arith.AddfOp | arith.AddiOp):
        return
    addition = uses[0].operation
    addend = addition.rhs if addition.lhs is block.args[0] else addition.lhs
    if addend not in block.args or addend is block.args[0]:
        return
    index = block.args.index(addend) - 1  # pyright: ignore[reportArgumentType]
    bias = _as_bias(host, host.epilogue_ins[index], constants)
    if bias is None:
        return
    parent = host.parent
    assert parent is not None
    parent.insert_op_before(bias, host)
    remaining = list(host.epilogue_ins)
    addition.result.replace_all_uses_with(block.args[0])
    addition.detach()
    addition.erase()
    if not list(addend.uses):
        block.erase_arg(addend)  # pyright: ignore[reportArgumentType]
        remaining.pop(index)
    if yielded_value(block) is block.args[0]:
        _replace_region(host, Region())
        remaining = []
    set_operands(host, [*host.ins, bias.result], remaining)


def _as_bias(host: KernelOp, value: SSAValue, constants: ConstantStore) -> ConstantOp | None:
    """The vector that a constant adds along the host's channels (columns); None if it is anything else."""
    if not isinstance(value.owner, ConstantOp):
        return None
    type_ = value.owner.result.type
    assert isinstance(type_, TensorType)
    axis = 1 if isinstance(host, ConvOp) else host.type.rank - 1
    length = host.type.dims[axis]
    shape = (1,) * (host.type.rank - type_.rank) + type_.dims
    if not type_.layout.is_row_major or shape != tuple(length if a == axis else 1 for a in range(host.type.rank)):
        return None
    name = value.owner.constant.data
    if type_.rank == 1:
        return ConstantOp(name, type_)
    vector = np.asarray(constants[name]).reshape(-1)
    return ConstantOp(constants.add(vector, name), TensorType.of([length], type_.element_type))
