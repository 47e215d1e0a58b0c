"""Reductions, normalisations, pools and resizing of the graph before and after lowering."""

from __future__ import annotations

import numpy as np
import pytest
from lamina.dialects import graph
from lowered_graphs import Model, check, kernels_in, random
from xdsl.ir import SSAValue


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("kind", ["sum", "mean", "max", "min", "prod"])
@pytest.mark.parametrize("axes", [(0,), (1, 2), (2, 0), ()])
def test_reduce(kind: str, axes: tuple, keepdims: bool) -> None:
    x = random(3, 4, 5)
    check(lambda m, x: m.add(graph.ReduceOp([x], kind=kind, axes=axes, keepdims=keepdims)), x, tolerance=1e-5)


def test_activation_behind_a_pooled_and_flattened_tensor_fuses() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        return m.add(graph.SigmoidOp([m.add(graph.ReduceOp([x], kind="mean", axes=(2, 3)))]))

    module = check(build, random(2, 4, 5, 5), symbolic=[2, 3])
    assert kernels_in(module) == ["kernel.reduce", "layout.reshape"]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("op", [graph.ArgMaxOp, graph.ArgMinOp])
def test_arg_reduce(op: type, last: bool) -> None:
    x = random(3, 9, dtype=np.int32)
    check(lambda m, x: m.add(op([x], axis=1, select_last=last)), x)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax(axis: int) -> None:
    check(lambda m, x: m.add(graph.SoftmaxOp([x], axis=axis)), random(3, 4, 5), symbolic=[0])


def test_softmax_of_short_columns() -> None:
    module = check(lambda m, x: m.add(graph.SoftmaxOp([x], axis=1)), random(2, 4, 3, 33), symbolic=[0])
    assert "kernel.softmax" not in kernels_in(module)


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("axis", [1, 2])
def test_layer_norm(axis: int, has_bias: bool) -> None:
    x = random(3, 4, 5)
    parameters = [random(*x.shape[axis:]) for _ in range(1 + has_bias)]

    def build(m: Model, x: SSAValue) -> SSAValue:
        return m.add(graph.LayerNormOp([x, *map(m.constant, parameters)], axis=axis, epsilon=1e-5))

    check(build, x, symbolic=[0], tolerance=1e-5)


@pytest.mark.parametrize("exclusive, reverse", [(False, False), (True, False), (False, True), (True, True)])
def test_cumsum(exclusive: bool, reverse: bool) -> None:
    x = random(3, 4, 5)
    check(lambda m, x: m.add(graph.CumsumOp([x], axis=1, exclusive=exclusive, reverse=reverse)), x)


POOLS = (
    ((2, 3, 8, 7), {"kernel": (3, 2), "strides": (2, 2), "pads": (1, 0, 1, 1)}),
    ((2, 3, 9), {"kernel": (3,), "pads": (1, 1)}),
)


@pytest.mark.parametrize("shape, fields", POOLS)
def test_max_pool(shape: tuple, fields: dict) -> None:
    check(lambda m, x: m.add(graph.MaxPoolOp([x], **fields)), random(*shape), symbolic=[2])


@pytest.mark.parametrize("shape, fields", POOLS)
@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize("overhang", [False, True])
def test_avg_pool(shape: tuple, fields: dict, count_include_pad: bool, overhang: bool) -> None:
    over = fields["pads"][len(fields["kernel"]) :] if overhang else (0,) * len(fields["kernel"])
    extra = {"count_include_pad": count_include_pad, "overhang": over}
    check(lambda m, x: m.add(graph.AvgPoolOp([x], **fields, **extra)), random(*shape), tolerance=1e-5)


@pytest.mark.parametrize(
    "mode, coordinates", [("nearest", "asymmetric"), ("linear", "half_pixel"), ("linear", "align_corners")]
)
@pytest.mark.parametrize("scales", [(), (1.0, 1.0, 2.0, 2.0)])
def test_resize(mode: str, coordinates: str, scales: tuple) -> None:
    x = random(1, 2, 5, 4)

    def build(m: Model, x: SSAValue) -> SSAValue:
        result = x.type.with_dims([1, 2, 10, 8])
        return m.add(graph.ResizeOp([x], [result], mode=mode, coordinates=coordinates, nearest="floor", scales=scales))

    check(build, x, tolerance=1e-5)
