"""One tensor as several operands of a kernel: a residual around one layer, a matrix times itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from lamina.compiler import compile_module
from lamina.context import CompilerContext, ConstantStore
from lamina.dialects import graph
from lamina.interpreters.graph import interpret_graph
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region, SSAValue


def residual_of_matmul(block: Block, x: SSAValue, w: SSAValue) -> SSAValue:
    return _append(block, graph.AddOp([x, _append(block, graph.MatmulOp([x, w]))]))


def residual_of_conv(block: Block, x: SSAValue, w: SSAValue) -> SSAValue:
    return _append(block, graph.AddOp([x, _append(block, graph.ConvOp([x, w], pads=(1, 1, 1, 1)))]))


def product_with_itself(block: Block, x: SSAValue, w: SSAValue) -> SSAValue:
    return _append(block, graph.MatmulOp([x, x], transpose_b=True))


def _append(block: Block, op: graph.GraphOperation) -> SSAValue:
    block.add_op(op)
    return op.results[0]


CASES = (
    (residual_of_matmul, (5, 8), (8, 8)),
    (residual_of_conv, (1, 16, 9, 7), (16, 16, 3, 3)),
    (residual_of_conv, (2, 6, 5, 5), (6, 6, 3, 3)),
    (product_with_itself, (7, 9), (1, 1)),
)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("build", "x_shape", "w_shape"), CASES)
def test_shared_operands(
    build: Callable[[Block, SSAValue, SSAValue], SSAValue], x_shape: Sequence[int], w_shape: Sequence[int], threads: int
) -> None:
    numbers = np.random.default_rng(0)
    x, w = (numbers.standard_normal(shape).astype(np.float32) for shape in (x_shape, w_shape))
    block = Block(arg_types=[graph.GraphTensorType.of_array(x)])
    weights = _append(block, graph.ConstantOp([], [graph.GraphTensorType.of_array(w)], handle="w"))
    result = build(block, block.args[0], weights)
    block.add_op(func.ReturnOp(result))
    types = ([block.args[0].type], [result.type])
    module = ModuleOp([func.FuncOp("main", types, Region(block))])
    context = CompilerContext(constants=ConstantStore({"w": w}))
    (expected,) = interpret_graph(module, {"0": x}, context.constants).values()
    executable = compile_module(module, context, threads=threads)
    (actual,) = executable.run({executable.inputs[0].name: x}).values()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)
