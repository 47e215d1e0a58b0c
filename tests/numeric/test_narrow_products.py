"""Products of 8-bit integers with zero points, in machine code, against the specification's formula and onnxruntime."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import lamina
import numpy as np
import onnx
import pytest
from lamina.compiler import import_for
from lamina.dialects import graph
from lamina.dialects.graph.types import NARROW_INTEGERS
from lamina.interpreters.graph import interpret_graph
from lamina.pipeline import PipelineOptions, compile_through
from onnx import helper, numpy_helper
from other_engines import assert_same, reference

RNG = np.random.default_rng(0)
SIGNS = list(itertools.product([np.uint8, np.int8], repeat=2))


def drawn(dtype: type, *shape: int) -> np.ndarray:
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max, shape, dtype, endpoint=True)


@dataclass
class Model:
    """Nodes that each give an output, and what is expected of it."""

    feeds: dict[str, np.ndarray] = field(default_factory=dict)
    free: dict[str, tuple[int, ...]] = field(default_factory=dict)
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    expected: dict[str, np.ndarray] = field(default_factory=dict)

    def given(self, array: np.ndarray, free: tuple[int, ...] = ()) -> str:
        name = f"x{len(self.feeds)}"
        self.feeds[name], self.free[name] = np.asarray(array), free
        return name

    def constant(self, array: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights[name] = np.asarray(array)
        return name

    def node(self, operator: str, inputs: list[str], expected: np.ndarray | None = None, **attributes: object) -> None:
        name = f"y{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        if expected is not None:
            self.expected[name] = expected

    def proto(self) -> onnx.ModelProto:
        infos = [
            helper.make_tensor_value_info(
                name,
                helper.np_dtype_to_tensor_dtype(array.dtype),
                [f"{name}{axis}" if axis in self.free[name] else size for axis, size in enumerate(array.shape)],
            )
            for name, array in self.feeds.items()
        ]
        tensors = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        outputs = [helper.make_empty_tensor_value_info(node.output[0]) for node in self.nodes]
        body = helper.make_graph(self.nodes, "g", infos, outputs, tensors)
        return helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)

    def check(self) -> None:
        """After the passes of the graph for machines of all kinds. All products are narrow, and have an instruction.

        Those that sum windows, over one channel, don't count.
        """
        for target in ("avx512", "avx2_vnni", "aarch64_dotprod", "aarch64_i8mm"):
            module, context = import_for(self.proto(), target=target)
            compile_through(module, context, stop="graph")
            for op in module.walk():
                if not isinstance(op, graph.MatmulOp | graph.ConvOp) or op.operand_types[0].dims[1] == 1:
                    continue
                left, right = (type_.element_type for type_ in op.operand_types[:2])
                assert left in NARROW_INTEGERS and right in NARROW_INTEGERS
                is_summed = isinstance(op, graph.MatmulOp) or op.group == 1
                if is_summed and context.target.atoms:
                    assert context.target.atom_for(str(left), str(right), "i32"), f"{target}: {op}"
            self.expect(interpret_graph(module, self.feeds, context.constants))

    def check_machine_code(self) -> None:
        """In a checked build, on two threads, without a step on the host."""
        proto = self.proto()
        executable = lamina.compile(proto, threads=2, options=PipelineOptions(checked=True))
        assert not [step for step in executable.program.body.steps if type(step).__name__ == "Host"]
        self.expect(results := executable.run(self.feeds))
        if (theirs := reference(proto, self.feeds)) is not None:
            assert_same(results, theirs)
        assert theirs is not None or len(self.expected) == len(self.nodes)

    def expect(self, results: dict[str, np.ndarray]) -> None:
        for name, expected in self.expected.items():
            np.testing.assert_array_equal(results[name], expected, name)


def product(a: np.ndarray, b: np.ndarray, zero_a: np.ndarray | int = 0, zero_b: np.ndarray | int = 0) -> np.ndarray:
    """MatMulInteger as it is specified; a vector of zero points of a has one for each row."""
    zero_a = np.asarray(zero_a, np.int64)
    zero_a = zero_a[:, np.newaxis] if zero_a.ndim == 1 else zero_a
    return ((a.astype(np.int64) - zero_a) @ (b.astype(np.int64) - zero_b)).astype(np.int32)


@pytest.mark.parametrize(("left", "right"), SIGNS)
def test_matrix_of_weights(left: type, right: type) -> None:
    """Depths that fill no group of four, zero points of all kinds, and the largest numbers there are."""
    model = Model()
    for depth in (1, 3, 4, 5, 64, 67):
        a, b, zero = drawn(left, 5, depth), drawn(right, depth, 19), drawn(left)
        model.node(
            "MatMulInteger", [model.given(a, (0,)), model.constant(b), model.constant(zero)], product(a, b, zero)
        )
    a, b = drawn(left, 2, 3, 67), drawn(right, 67, 33)
    zero_a, zero_b = drawn(left), drawn(right, 33)
    x, w = model.given(a), model.constant(b)
    model.node("MatMulInteger", [x, w], product(a, b))
    model.node("MatMulInteger", [x, w, "", model.constant(zero_b)], product(a, b, 0, zero_b))
    model.node("MatMulInteger", [x, w, model.given(zero_a), model.constant(zero_b)], product(a, b, zero_a, zero_b))
    for extreme_a, extreme_b in itertools.product(*[(np.iinfo(t).min, np.iinfo(t).max) for t in (left, right)]):
        a, b = np.full((4, 67), extreme_a, left), np.full((67, 18), extreme_b, right)
        model.node("MatMulInteger", [model.given(a), model.constant(b)], product(a, b))
    model.check()


@pytest.mark.parametrize(("left", "right"), SIGNS)
def test_matrices_of_a_run(left: type, right: type) -> None:
    """Both factors, and all zero points, are known to a run alone; so is how deep and how wide they are."""
    model = Model()
    a, b = drawn(left, 7, 67), drawn(right, 67, 21)
    x, w = model.given(a, (0, 1)), model.given(b, (0, 1))
    zero_a, zero_b, zeros_a, zeros_b = drawn(left), drawn(right), drawn(left, 7), drawn(right, 21)
    one, other = model.given(zero_a), model.given(zero_b)
    rows, columns = model.given(zeros_a, (0,)), model.given(zeros_b, (0,))
    model.node("MatMulInteger", [x, w, one, other], product(a, b, zero_a, zero_b))
    model.node("MatMulInteger", [x, w, rows, columns], product(a, b, zeros_a, zeros_b))
    model.node("MatMulInteger", [x, w, "", columns], product(a, b, 0, zeros_b))
    c, d = drawn(left, 3, 1, 4, 5), drawn(right, 2, 5, 6)
    model.node("MatMulInteger", [model.given(c), model.given(d), one, other], product(c, d, zero_a, zero_b))
    model.node("MatMulInteger", [model.constant(c), model.given(d), one, other], product(c, d, zero_a, zero_b))
    model.check()


def windows(x: np.ndarray, w: np.ndarray, pads: int, stride: int, group: int) -> np.ndarray:
    """A convolution, as it is defined, of two spatial axes."""
    x = np.pad(x.astype(np.int64), [(0, 0), (0, 0), (pads, pads), (pads, pads)])
    places = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    places = places.reshape(x.shape[0], group, -1, *places.shape[2:])
    weights = w.astype(np.int64).reshape(group, -1, *w.shape[1:])
    sums = np.einsum("ngchwij,gocij->ngohw", places, weights)
    return sums.reshape(x.shape[0], -1, *sums.shape[3:]).astype(np.int32)


# channels, outputs, window, groups, stride, padding
CONVOLUTIONS = {
    "first": (3, 16, 3, 1, 2, 1),
    "square": (32, 32, 3, 1, 1, 1),
    "pointwise": (64, 48, 1, 1, 1, 0),
    "depthwise": (16, 16, 3, 16, 1, 1),
    "groups": (16, 32, 3, 2, 1, 1),
    "odd": (10, 6, 5, 1, 1, 2),
}


def convolution(model: Model, shape: tuple[int, ...], x_type: type, w_type: type, zeros: str, free: tuple = ()) -> None:
    """One of CONVOLUTIONS; ``zeros`` says which zero points there are."""
    channels, outputs, window, groups, stride, pads = shape
    x, w = drawn(x_type, 2, channels, 9, 8), drawn(w_type, outputs, channels // groups, window, window)
    zero_x, zero_w = np.zeros((), x_type), np.zeros((), w_type)
    inputs = [model.given(x, free), model.constant(w)]
    if "x" in zeros:
        zero_x = drawn(x_type) if "middle" not in zeros else np.asarray(128 if x_type == np.uint8 else -128, x_type)
        inputs.append(model.given(zero_x) if "run" in zeros else model.constant(zero_x))
    if "w" in zeros:
        zero_w = drawn(w_type, outputs)
        inputs += [""] * (3 - len(inputs)) + [model.constant(zero_w)]
    difference = w.astype(np.int64) - zero_w.reshape(-1, 1, 1, 1)
    expected = windows(x.astype(np.int64) - zero_x, difference, pads, stride, groups)
    model.node("ConvInteger", inputs, expected, group=groups, strides=[stride] * 2, pads=[pads] * 4)


@pytest.mark.parametrize(("x_type", "w_type"), SIGNS)
def test_convolutions(x_type: type, w_type: type) -> None:
    """A zero point of x stands around it where there is padding; one of w asks for the sums of windows.

    One in the middle is zero once x is shifted by 128.
    """
    model = Model()
    for shape, zeros in itertools.product(CONVOLUTIONS.values(), ("", "x", "w", "x w")):
        convolution(model, shape, x_type, w_type, zeros)
    convolution(model, CONVOLUTIONS["pointwise"], x_type, w_type, "x w run")
    convolution(model, CONVOLUTIONS["odd"], x_type, w_type, "x w run")
    convolution(model, CONVOLUTIONS["odd"], x_type, w_type, "x middle")
    convolution(model, CONVOLUTIONS["depthwise"], x_type, w_type, "x w middle")
    convolution(model, CONVOLUTIONS["square"], x_type, w_type, "x w", (0, 2, 3))
    model.check()


@pytest.mark.parametrize(("x_type", "w_type"), [(np.uint8, np.uint8), (np.int8, np.int8)])
def test_machine_code(x_type: type, w_type: type) -> None:
    model = Model()
    convolution(model, CONVOLUTIONS["square"], x_type, w_type, "x w")
    convolution(model, CONVOLUTIONS["depthwise"], x_type, w_type, "x w")
    convolution(model, CONVOLUTIONS["odd"], x_type, w_type, "x w run", (2, 3))
    a, b = drawn(x_type, 7, 67), drawn(w_type, 67, 21)
    zeros_a, zeros_b = drawn(x_type, 7), drawn(w_type, 21)
    x, rows, columns = model.given(a, (0,)), model.given(zeros_a, (0,)), model.constant(zeros_b)
    model.node("MatMulInteger", [x, model.constant(b), rows, columns], product(a, b, zeros_a, zeros_b))
    model.node("MatMulInteger", [x, model.given(b), rows, columns], product(a, b, zeros_a, zeros_b))
    model.check_machine_code()


def test_requantised() -> None:
    """The sums are made bytes again before they are stored."""

    def number(value: float, dtype: type = np.float32) -> str:
        return model.constant(np.asarray(value, dtype))

    model = Model()
    a, b = model.given(drawn(np.uint8, 5, 67), (0,)), model.constant(drawn(np.int8, 67, 40))
    scales = model.constant(np.linspace(0.001, 0.01, 40, dtype=np.float32))
    zero, result = number(3, np.uint8), (number(0.5), number(7, np.uint8))
    model.node("QLinearMatMul", [a, number(0.02), zero, b, number(0.01), number(0, np.int8), *result])
    model.node("QLinearMatMul", [a, number(0.02), zero, b, scales, model.constant(np.zeros(40, np.int8)), *result])
    for channels, outputs, window, groups, stride, pads in CONVOLUTIONS.values():
        x, w = drawn(np.uint8, 1, channels, 9, 8), drawn(np.int8, outputs, channels // groups, window, window)
        scale = model.constant(np.linspace(0.001, 0.01, outputs, dtype=np.float32))
        factors = [model.given(x), number(0.02), zero, model.constant(w), scale, number(0, np.int8)]
        bias = model.constant(RNG.integers(-9999, 9999, outputs, np.int32))
        fields = {"pads": [pads] * 4, "strides": [stride] * 2, "group": groups}
        model.node("QLinearConv", [*factors, *result, bias], **fields)
    model.check_machine_code()
