"""Movement and indexing of the graph before and after lowering."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lamina.dialects import graph
from lowered_graphs import Model, check, kernels_in, random
from xdsl.dialects.builtin import f32, i64
from xdsl.ir import SSAValue


def test_transpose_and_reshape() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        swapped = m.add(graph.TransposeOp([x], permutation=(2, 0, 1)))
        flat = m.add(graph.ReshapeOp([swapped], [x.type.with_dims([5, 12])]))
        return m.add(graph.NegOp([flat]))

    check(build, random(3, 4, 5))


def test_residual_behind_a_transpose_joins_the_product() -> None:
    """A block of ConvNeXt: the product is in rows of channels, the residual in planes."""

    def build(m: Model, x: SSAValue) -> SSAValue:
        rows = m.add(graph.TransposeOp([x], permutation=(0, 2, 3, 1)))
        mixed = m.add(graph.MatmulOp([rows, m.constant(random(3, 3))]))
        planes = m.add(graph.TransposeOp([mixed], permutation=(0, 3, 1, 2)))
        scaled = m.add(graph.MulOp([planes, m.constant(random(3, 1, 1))]))
        return m.add(graph.AddOp([scaled, x]))

    module = check(build, random(2, 3, 4, 5), symbolic=[0, 2], tolerance=1e-5)
    assert kernels_in(module) == [
        "layout.transpose",
        "layout.transpose",
        "kernel.gemm",
        "layout.transpose",
        "layout.convert",
    ]


def test_transpose_of_unit_axes_is_a_reshape() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        swapped = m.add(graph.TransposeOp([x], permutation=(0, 2, 1, 3)))
        return m.add(graph.ReshapeOp([swapped], [x.type.with_dims([3, 5])]))

    assert kernels_in(check(build, random(3, 1, 5, 1))) == ["layout.reshape"]


def test_transposed_twice_is_not_transposed() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        there = m.add(graph.TransposeOp([x], permutation=(0, 2, 1)))
        back = m.add(graph.TransposeOp([there], permutation=(0, 2, 1)))
        return m.add(graph.ReluOp([back]))

    assert kernels_in(check(build, random(2, 3, 4))) == ["kernel.map"]


def test_slices() -> None:
    x = random(4, 6, 5)

    def part(m: Model, x: SSAValue) -> SSAValue:
        return m.add(graph.SliceOp([x], axes=(1, 2), starts=(2, 1), ends=(5, 4)))

    module = check(lambda m, x: m.add(graph.ExpOp([part(m, x)])), x, symbolic=[0], tolerance=1e-5)
    assert kernels_in(module) == ["layout.window", "kernel.map"]
    check(lambda m, x: part(m, x), x)
    check(lambda m, x: m.add(graph.SliceOp([part(m, x)], axes=(1,), starts=(1,), ends=(3,))), x)
    check(lambda m, x: m.add(graph.SliceOp([x], axes=(1,), starts=(5,), ends=(-1,), steps=(-2,))), x)


def test_concat_and_broadcast() -> None:
    def build(m: Model, x: SSAValue, y: SSAValue) -> SSAValue:
        wide = m.add(graph.BroadcastToOp([y], [y.type.with_dims([3, 2, 4])]))
        return m.add(graph.ConcatOp([x, wide, x], axis=1))

    check(build, random(3, 5, 4), random(1, 2, 1))


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
def test_pad(mode: str) -> None:
    x = random(4, 5)
    pads = (1, 0, 2, -1) if mode == "constant" else (1, 0, 2, 1)
    value = np.float32(7)
    check(lambda m, x: m.add(graph.PadOp([x, m.constant(value)], mode=mode, pads=pads)), x)


@pytest.mark.parametrize("upper", [False, True])
def test_trilu(upper: bool) -> None:
    check(lambda m, x: m.add(graph.TriluOp([x], upper=upper, diagonal=1)), random(2, 5, 4), symbolic=[1, 2])


def test_dim_values_and_iota() -> None:
    def build(m: Model, x: SSAValue) -> list[SSAValue]:
        length = x.type.dims[0]
        return [
            m.add(graph.DimValuesOp([], [graph.GraphTensorType.of([2], i64)], dimensions=(length, 2 * length))),
            m.add(graph.IotaOp([], [graph.GraphTensorType.of([length], f32)])),
        ]

    check(build, random(6, 2), symbolic=[0])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("indices", [[[0, 2], [-1, 1]], [1, 2, 3], -1, [-3, -2]])
def test_gather(axis: int, constant: bool, indices: Any) -> None:
    x, where = random(5, 4, 3), np.array(indices, np.int64)
    if constant:
        check(lambda m, x: m.add(graph.GatherOp([x, m.constant(where)], axis=axis)), x, symbolic=[0])
    else:
        check(lambda m, x, i: m.add(graph.GatherOp([x, i], axis=axis)), x, where)


def test_gather_elements_and_positions() -> None:
    x, indices = random(5, 4), np.array([[0, -1, 2], [4, 0, 1]], np.int64)
    check(lambda m, x, i: m.add(graph.GatherElementsOp([x, i], axis=0)), x, indices)
    check(lambda m, x, i: m.add(graph.GatherNdOp([x, i])), x, indices[..., None])


@pytest.mark.parametrize("axis", [0, 2])
def test_one_hot(axis: int) -> None:
    indices = np.array([[0, -1, 2], [4, 9, 1]], np.int32)

    def build(m: Model, i: SSAValue) -> SSAValue:
        shape = list(indices.shape)
        shape.insert(axis, 5)
        operands = [i, m.constant(np.array([-1.0, 2.0], np.float32))]
        return m.add(graph.OneHotOp(operands, [graph.GraphTensorType.of(shape, f32)], axis=axis))

    check(build, indices)
