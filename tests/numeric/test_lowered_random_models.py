"""Random models before and after lowering, and what is not compiled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lamina.context import CompilerContext
from lamina.dialects import graph
from lamina.dialects import kernel as kernels
from lamina.errors import UnsupportedOperatorError
from lamina.lowering.graph_to_kernel import LowerGraphToKernelPass, is_compiled, obstacle_of
from lowered_graphs import Model, check, random
from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue


def test_an_operation_without_kernel_is_named() -> None:
    model = Model()
    x = model.argument(random(1, 1, 3, 4).astype(np.float64))
    grid = model.argument(random(1, 2, 2, 2).astype(np.float64))
    op = graph.GridSampleOp([x, grid])
    module = model.finish([model.add(op)])
    assert not is_compiled(op)
    with pytest.raises(UnsupportedOperatorError, match=r"graph\.grid_sample cannot be compiled"):
        LowerGraphToKernelPass().apply(CompilerContext(constants=model.store), module)


def test_short_floats_are_computed_with_in_f32() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        weights = m.constant(random(3, 2, 1, 1, dtype=np.float16))
        pooled = m.add(graph.ReduceOp([m.add(graph.ConvOp([x, weights]))], kind="mean", axes=(2, 3)))
        return m.add(graph.SoftmaxOp([pooled], axis=1))

    module = check(build, random(1, 2, 4, 4, dtype=np.float16), symbolic=[2], tolerance=2e-3)
    assert all(op.type.element_type == f32 for op in module.walk() if isinstance(op, kernels.ConvOp))


def test_obstacles_depend_on_types_and_fields() -> None:
    model = Model()
    double = model.argument(random(4, dtype=np.float64))
    image = model.argument(random(1, 2, 3, 3, dtype=np.float64))
    weights = model.constant(random(2, 2, 1, 1, dtype=np.float64))
    assert not is_compiled(graph.ConvOp([image, weights]))
    assert not is_compiled(graph.ErfOp([double]))
    assert is_compiled(graph.ExpOp([double]))
    assert is_compiled(graph.AddOp([double, double]))
    assert is_compiled(graph.PadOp([double, model.argument(np.float64(0))], pads=(1, 1)))


def test_an_obstacle_says_why_and_what_to_do() -> None:
    model = Model()
    image = model.argument(random(1, 2, 3, 3, dtype=np.float64))
    obstacle = obstacle_of(graph.ConvOp([image, model.constant(random(2, 2, 1, 1, dtype=np.float64))]))
    assert obstacle is not None
    assert "float64 arithmetic" in obstacle.reason
    assert obstacle.advice == "cast the model to float32"


class RandomModel:
    """Draws operations one after another; each reads values that are there already."""

    def __init__(self, data: st.DataObject, model: Model, arguments: Sequence[SSAValue]):
        self.draw, self.model, self.values = data.draw, model, list(arguments)
        self.numbers = np.random.default_rng(0)

    def step(self) -> None:
        x = self.draw(st.sampled_from(self.values))
        steps = [self.unary, self.binary, self.transpose, self.reshape, self.slice, self.reduce, self.matmul, self.pick]
        self.values.append(self.draw(st.sampled_from(steps))(x))

    def constant(self, shape: Sequence[int]) -> SSAValue:
        return self.model.constant(self.numbers.uniform(-1, 1, shape).astype(np.float32))

    def unary(self, x: SSAValue) -> SSAValue:
        op = self.draw(st.sampled_from([graph.NegOp, graph.TanhOp, graph.SigmoidOp, graph.ReluOp]))
        return self.model.add(op([x]))

    def binary(self, x: SSAValue) -> SSAValue:
        """With another value of the same shape, or with a constant that broadcasts."""
        same = [value for value in self.values if value.type == x.type]
        other = self.draw(st.sampled_from(same))
        if self.draw(st.booleans()):
            shape = [self.draw(st.sampled_from([1, size])) for size in x.type.dims]
            other = self.constant(shape[self.draw(st.integers(0, len(shape))) :])
        return self.model.add(self.draw(st.sampled_from([graph.AddOp, graph.MulOp]))([x, other]))

    def transpose(self, x: SSAValue) -> SSAValue:
        return self.model.add(graph.TransposeOp([x], permutation=self.draw(st.permutations(range(x.type.rank)))))

    def reshape(self, x: SSAValue) -> SSAValue:
        count, shape = int(np.prod(x.type.dims)), []
        while count > 1 and len(shape) < 4:
            shape.append(self.draw(st.sampled_from([size for size in range(1, count + 1) if count % size == 0])))
            count //= shape[-1]
        return self.model.add(graph.ReshapeOp([x], [x.type.with_dims([*shape, count])]))

    def slice(self, x: SSAValue) -> SSAValue:
        axis = self.draw(st.integers(0, x.type.rank - 1))
        size = x.type.dims[axis]
        start = self.draw(st.integers(0, size - 1))
        end = self.draw(st.integers(start + 1, size))
        return self.model.add(graph.SliceOp([x], axes=(axis,), starts=(start,), ends=(end,)))

    def reduce(self, x: SSAValue) -> SSAValue:
        """Or a softmax, or a concatenation with itself."""
        axis = self.draw(st.integers(0, x.type.rank - 1))
        kind = self.draw(st.sampled_from(["reduce", "softmax", "concat"]))
        if kind == "softmax":
            return self.model.add(graph.SoftmaxOp([x], axis=axis))
        if kind == "concat" and int(np.prod(x.type.dims)) < 500:
            return self.model.add(graph.ConcatOp([x, x], axis=axis))
        return self.model.add(graph.ReduceOp([x], kind="max", axes=(axis,), keepdims=x.type.rank == 1))

    def matmul(self, x: SSAValue) -> SSAValue:
        if x.type.rank < 2:
            return self.unary(x)
        weights = self.constant([x.type.dims[-1], self.draw(st.integers(1, 4))])
        return self.model.add(graph.MatmulOp([x, weights]))

    def pick(self, x: SSAValue) -> SSAValue:
        if x.type.rank < 2:
            return self.unary(x)
        axis = self.draw(st.integers(0, x.type.rank - 1))
        index = self.model.constant(np.int64(self.draw(st.integers(0, x.type.dims[axis] - 1))))
        return self.model.add(graph.GatherOp([x, index], axis=axis))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_random_models_mean_the_same_after_each_pass(data: st.DataObject) -> None:
    arrays = [random(2, 3, 4), random(1, 4, 6)]

    def build(m: Model, *arguments: SSAValue) -> list[SSAValue]:
        drawn = RandomModel(data, m, arguments)
        for _ in range(data.draw(st.integers(3, 12))):
            drawn.step()
        return drawn.values[-2:]

    check(build, *arrays, tolerance=1e-4)
