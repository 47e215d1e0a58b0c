"""Convolutions, matrix products and recurrent layers of the graph before and after lowering."""

from __future__ import annotations

import numpy as np
import pytest
from lamina.dialects import graph
from lamina.dialects import kernel as kernels
from lowered_graphs import Model, check, kernels_in, random
from xdsl.ir import SSAValue

CONVOLUTIONS = (
    ((2, 6, 9, 7), (8, 6, 3, 3), {"pads": (1, 1, 1, 1)}),
    ((1, 6, 9, 7), (8, 3, 3, 2), {"group": 2, "strides": (2, 1)}),
    ((1, 4, 9, 7), (4, 1, 3, 3), {"group": 4, "dilations": (2, 2), "pads": (2, 0, 1, 3)}),
    ((2, 6, 20), (8, 6, 5), {"pads": (2, 1), "strides": (3,)}),
)


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("x_shape, w_shape, fields", CONVOLUTIONS)
def test_conv(x_shape: tuple, w_shape: tuple, fields: dict, has_bias: bool) -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        operands = [x, m.constant(random(*w_shape))]
        if has_bias:
            operands.append(m.constant(random(w_shape[0])))
        return m.add(graph.ConvOp(operands, **fields))

    check(build, random(*x_shape), symbolic=[0, 2], tolerance=1e-4)


def test_conv_takes_bias_swish_and_residual() -> None:
    def build(m: Model, x: SSAValue, skip: SSAValue) -> SSAValue:
        y = m.add(graph.ConvOp([x, m.constant(random(4, 3, 1, 1))]))
        y = m.add(graph.AddOp([y, m.constant(random(1, 4, 1, 1))]))
        y = m.add(graph.MulOp([y, m.add(graph.SigmoidOp([y]))]))
        return m.add(graph.AddOp([y, skip]))

    module = check(build, random(2, 3, 5, 5), random(2, 4, 5, 5), tolerance=1e-5)
    (conv,) = [op for op in module.walk() if isinstance(op, kernels.ConvOp)]
    assert kernels_in(module) == ["kernel.conv"] and len(conv.ins) == 3 and len(conv.epilogue_ins) == 1


def test_one_dimensional_convolutions_meet_without_reshapes() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        y = m.add(graph.ConvOp([x, m.constant(random(4, 3, 3))]))
        y = m.add(graph.ReluOp([m.add(graph.AddOp([y, m.constant(random(4, 1))]))]))
        return m.add(graph.ConvOp([y, m.constant(random(2, 4, 1))]))

    module = check(build, random(2, 3, 9), symbolic=[2], tolerance=1e-5)
    assert kernels_in(module) == ["layout.reshape", "kernel.conv", "kernel.conv", "layout.reshape"]


def test_residual_of_two_convolutions_goes_to_the_later_one() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        one = m.add(graph.ConvOp([x, m.constant(random(4, 3, 1, 1))]))
        two = m.add(graph.ConvOp([x, m.constant(random(4, 3, 3, 3))], pads=(1, 1, 1, 1)))
        return m.add(graph.ReluOp([m.add(graph.AddOp([one, two]))]))

    module = check(build, random(1, 3, 6, 6), tolerance=1e-5)
    first, second = [op for op in module.walk() if isinstance(op, kernels.ConvOp)]
    assert not first.has_epilogue and list(second.epilogue_ins) == [first.result]


MATRICES = (
    ((4, 6), (6, 5), {}),
    ((6, 4), (5, 6), {"transpose_a": True, "transpose_b": True}),
    ((2, 3, 4, 6), (3, 6, 5), {}),
    ((7, 4, 6), (6, 5), {}),
)


@pytest.mark.parametrize("a_shape, b_shape, fields", MATRICES)
def test_matmul(a_shape: tuple, b_shape: tuple, fields: dict) -> None:
    arrays = random(*a_shape), random(*b_shape)
    check(lambda m, a, b: m.add(graph.MatmulOp([a, b], **fields)), *arrays, tolerance=1e-5)


def test_matmul_with_bias_and_activation() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        y = m.add(graph.MatmulOp([x, m.constant(random(6, 5))]))
        return m.add(graph.ReluOp([m.add(graph.AddOp([m.constant(random(5)), y]))]))

    module = check(build, random(2, 4, 6), symbolic=[0, 1], tolerance=1e-5)
    (gemm,) = [op for op in module.walk() if isinstance(op, kernels.GemmOp)]
    assert kernels_in(module) == ["kernel.gemm"] and len(gemm.ins) == 3 and not gemm.epilogue_ins


def test_scaled_operands_scale_the_product() -> None:
    def build(m: Model, a: SSAValue, b: SSAValue) -> SSAValue:
        scaled = m.add(graph.MulOp([a, m.constant(np.float32(0.3))]))
        divided = m.add(graph.DivOp([b, m.constant(np.float32(7))]))
        return m.add(graph.ExpOp([m.add(graph.MatmulOp([scaled, divided]))]))

    module = check(build, random(4, 6), random(6, 5), tolerance=1e-5)
    assert kernels_in(module) == ["kernel.gemm"]


def test_attention_needs_no_copies() -> None:
    """Heads are split by transposes, which the products read where they are."""

    def build(m: Model, x: SSAValue) -> SSAValue:
        batch, length, _ = x.type.dims

        def heads(y: SSAValue, permutation: tuple[int, ...]) -> SSAValue:
            split = m.add(graph.ReshapeOp([y], [y.type.with_dims([batch, length, 2, 4])]))
            return m.add(graph.TransposeOp([split], permutation=permutation))

        query, key, value = (m.add(graph.MatmulOp([x, m.constant(random(8, 8))])) for _ in range(3))
        scores = m.add(graph.MatmulOp([heads(query, (0, 2, 1, 3)), heads(key, (0, 2, 3, 1))]))
        scaled = m.add(graph.DivOp([scores, m.constant(np.float32(2))]))
        weights = m.add(graph.SoftmaxOp([scaled], axis=3))
        mixed = m.add(graph.MatmulOp([weights, heads(value, (0, 2, 1, 3))]))
        merged = m.add(graph.TransposeOp([mixed], permutation=(0, 2, 1, 3)))
        return m.add(graph.ReshapeOp([merged], [x.type]))

    module = check(build, random(2, 5, 8), symbolic=[0, 1], tolerance=1e-5)
    assert "layout.convert" not in kernels_in(module)


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_lstm(direction: str, constant: bool) -> None:
    steps, batch, inputs, hidden = 4, 2, 3, 5
    count = 2 if direction == "bidirectional" else 1
    weights = [random(count, 4 * hidden, inputs), random(count, 4 * hidden, hidden), random(count, 8 * hidden)]
    state = [random(count, batch, hidden), random(count, batch, hidden)]

    def build(m: Model, x: SSAValue, h: SSAValue, c: SSAValue, *given: SSAValue) -> list[SSAValue]:
        parameters = given or [m.constant(array) for array in weights]
        op = graph.LstmOp([x, *parameters, h, c], direction=direction)
        m.add(op)
        return list(op.results)

    extra = [] if constant else weights
    check(build, random(steps, batch, inputs), *state, *extra, tolerance=1e-5)
