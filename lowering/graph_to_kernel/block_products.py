"""Products with numbers of few bits: the weights become words in the order in which their kernel reads them."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import f64
from xdsl.ir import SSAValue

from ...dialects import graph, kernel, layout
from ...dialects import shape as dims
from ...reference.block_products import panel_rows
from .function import FunctionLowering, result_type, type_of
from .rules import Obstacle, Rule, unfit_element


def lower_block_matmul(lowering: FunctionLowering, op: graph.BlockMatmulOp) -> Sequence[SSAValue]:
    """The depth is filled up to whole blocks: the numbers of the weights are there already."""
    b, scales = lowering.array(op.b), lowering.array(op.scales)
    zeros = None if op.zeros is None else lowering.array(op.zeros)
    assert b is not None and scales is not None, "weights in blocks are constants"
    rows = lowering.constant(panel_rows(b, scales, zeros, op.bits), f"{op.b.owner.handle}_rows")  # pyright: ignore[reportAttributeAccessIssue]
    a, type_ = _in_whole_blocks(lowering, lowering.plain(lowering.value(op.a)), op.block), result_type(op)
    shape = type_of(a).dims
    if len(shape) == 1:
        a = lowering.reshape(a, (1, *shape))
        type_ = layout.TensorType.of([1, *type_.dims], type_.element_type)
    product = kernel.BlockGemmOp([a, rows], type_, bits=op.bits, block=op.block, zeros=zeros is not None, int8=op.int8)
    return [lowering.reshape(lowering.add(product), result_type(op).dims)]


def _in_whole_blocks(lowering: FunctionLowering, a: SSAValue, block: int) -> SSAValue:
    type_ = type_of(a)
    missing = dims.subtract(dims.multiply(dims.ceildiv(type_.dims[-1], block), block), type_.dims[-1])
    if missing == 0:
        return a
    rank = type_.rank
    wide = layout.TensorType.of([*type_.dims[:-1], dims.add(type_.dims[-1], missing)], type_.element_type)
    return lowering.add(kernel.PadOp([a], wide, lower=[0] * rank, upper=[*[0] * (rank - 1), missing]))


def block_matmul_obstacle(op: graph.BlockMatmulOp) -> Obstacle | None:
    if not all(isinstance(operand.owner, graph.ConstantOp) for operand in op.operands[1:]):
        return Obstacle("its weights are no constants", "export them as initializers")
    element = op.operand_types[0].element_type
    return unfit_element("its kernel takes floats up to f32", element, wanted="float32") if element == f64 else None


RULES = {"graph.block_matmul": Rule(lower_block_matmul, block_matmul_obstacle, in_f32=True)}
