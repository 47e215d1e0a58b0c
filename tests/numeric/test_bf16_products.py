"""Products and convolutions of bf16 models, with the dot product of bf16 and without, against sums in float64.

Each result is off by its rounding to bf16 and by what sums in f32 are off by.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import lamina
import ml_dtypes
import numpy as np
import onnx
import pytest
from lamina.context import CompilerContext
from lamina.frontend import import_model
from lamina.machines import host_target
from lamina.pipeline import compile_through, module_text
from onnx import TensorProto, helper, numpy_helper

BF16 = np.dtype(ml_dtypes.bfloat16)
WITH_DOT = "avx512_vnni_bf16"
TARGETS = [
    None,
    pytest.param(
        WITH_DOT,
        marks=pytest.mark.skipif("+avx512bf16" not in host_target().features, reason="this CPU has no avx512_bf16"),
    ),
]
ATOM = "atom vdpbf16ps"


@dataclass
class Case:
    """One node: its operands, of which the first is an input; ``constant``: whether the second is a weight.

    ``sizes`` are the input's dimensions, free ones by name. ``spoilt``: elements of the input that are no numbers.
    """

    operator: str
    shapes: list[tuple[int, ...]]
    attributes: dict[str, Any] = field(default_factory=dict)
    constant: bool = True
    sizes: tuple[int | str, ...] = ()
    spoilt: dict[tuple[int, ...], float] = field(default_factory=dict)

    def operands(self) -> list[np.ndarray]:
        rng = np.random.default_rng(len(str(self)))
        arrays = [rng.standard_normal(shape).astype(np.float32).astype(BF16) for shape in self.shapes]
        for place, value in self.spoilt.items():
            arrays[0][place] = value
        return arrays


def product(a: np.ndarray, b: np.ndarray, c: np.ndarray | float = 0.0, **attributes: Any) -> np.ndarray:
    a = a.swapaxes(-1, -2) if attributes.get("transA") else a
    b = b.swapaxes(-1, -2) if attributes.get("transB") else b
    return attributes.get("alpha", 1.0) * (a @ b) + c


def convolution(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None = None, **attributes: Any) -> np.ndarray:
    axes, groups = x.ndim - 2, attributes.get("group", 1)
    pads = attributes.get("pads", [0] * 2 * axes)
    strides, dilations = (attributes.get(name, [1] * axes) for name in ("strides", "dilations"))
    x = np.pad(x, [(0, 0), (0, 0), *zip(pads[:axes], pads[axes:], strict=True)])
    reach = [(size - 1) * dilation for size, dilation in zip(w.shape[2:], dilations, strict=True)]
    sizes = [(size - r - 1) // s + 1 for size, r, s in zip(x.shape[2:], reach, strides, strict=True)]
    x, w = (v.reshape(*lead, *v.shape[2:]) for v, lead in (
        (x, (x.shape[0], groups, -1)), (w, (groups, w.shape[0] // groups, w.shape[1]))))  # fmt: skip
    y: Any = 0.0
    for tap in itertools.product(*map(range, w.shape[3:])):
        window = [slice(t * d, t * d + (n - 1) * s + 1, s)
                  for t, d, n, s in zip(tap, dilations, sizes, strides, strict=True)]  # fmt: skip
        y = y + np.einsum("ngc...,gkc->ngk...", x[(..., *window)], w[(..., *tap)])
    y = y.reshape(len(y), -1, *sizes)
    return y if bias is None else y + bias.reshape(-1, *[1] * axes)


FORMULAE: dict[str, Callable[..., np.ndarray]] = {"MatMul": product, "Gemm": product, "Conv": convolution}
PADS = {"pads": [1, 1, 1, 1]}
PRODUCTS = {
    "weights": Case("MatMul", [(13, 64), (64, 70)]),
    "odd depth": Case("MatMul", [(9, 67), (67, 33)]),
    "one row": Case("MatMul", [(1, 129), (129, 40)]),
    "one column": Case("MatMul", [(30, 65), (65, 1)]),
    "two inputs": Case("MatMul", [(2, 3, 7, 31), (2, 3, 31, 18)], constant=False),
    "batch of rows": Case("MatMul", [(2, 5, 24), (24, 48)]),
    "free rows": Case("MatMul", [(11, 33), (33, 20)], sizes=("rows", 33)),
    "free depth": Case("MatMul", [(6, 21), (21, 20)], sizes=(6, "depth"), constant=False),
    "bias": Case("Gemm", [(8, 32), (32, 17), (17,)]),
    "transposed": Case("Gemm", [(35, 12), (25, 35), (25,)], {"transA": 1, "transB": 1}),
    "transposed inputs": Case("Gemm", [(35, 12), (25, 35)], {"transA": 1, "transB": 1}, constant=False),
    "NaN in the next row": Case("MatMul", [(6, 67), (67, 33)], spoilt={(3, 0): np.nan, (5, 66): np.inf}),
    "many rows": Case("MatMul", [(40, 67), (67, 45)], spoilt={(3, 0): np.nan, (33, 66): np.inf}),
    "many rows of inputs": Case("MatMul", [(40, 67), (67, 45)], constant=False, spoilt={(3, 0): np.nan}),
    "infinity beside inputs": Case("MatMul", [(6, 35), (35, 9)], constant=False, spoilt={(1, 0): np.inf}),
}
CONVOLUTIONS = {
    "3x3": Case("Conv", [(1, 32, 9, 10), (48, 32, 3, 3), (48,)], PADS),
    "pointwise": Case("Conv", [(2, 64, 7, 7), (32, 64, 1, 1)]),
    "strided": Case("Conv", [(1, 16, 11, 13), (16, 16, 3, 3)], {"strides": [2, 2], **PADS}),
    "dilated": Case("Conv", [(1, 16, 12, 12), (16, 16, 2, 3)], {"dilations": [2, 3]}),
    "odd channels": Case("Conv", [(1, 19, 6, 7), (20, 19, 3, 3), (20,)], {"pads": [0, 1, 2, 1]}),
    "three channels": Case("Conv", [(1, 3, 12, 15), (16, 3, 5, 5)], {"pads": [2, 2, 2, 2], "strides": [2, 2]}),
    "groups": Case("Conv", [(1, 64, 6, 6), (64, 32, 3, 3)], {"group": 2, **PADS}),
    "depthwise": Case("Conv", [(1, 32, 8, 8), (32, 1, 3, 3)], {"group": 32, **PADS}),
    "one axis": Case("Conv", [(1, 24, 30), (20, 24, 3)], {"pads": [1, 1]}),
    "three axes": Case("Conv", [(1, 17, 5, 4, 6), (8, 17, 2, 3, 3)]),
    "free sizes": Case("Conv", [(2, 32, 9, 11), (32, 32, 3, 3)], PADS, sizes=("N", 32, "H", "W")),
    "weights as input": Case("Conv", [(1, 20, 7, 9), (24, 20, 3, 3)], PADS, constant=False),
    "infinities among 17 channels": Case(
        "Conv", [(1, 17, 8, 9), (20, 17, 3, 3)], PADS, spoilt={(0, 16, 2, 3): np.inf, (0, 0, 7, 8): -np.inf}
    ),
    "NaN in a pixel": Case("Conv", [(1, 17, 8, 9), (20, 17, 1, 1)], spoilt={(0, 3, 4, 4): np.nan}),
}  # fmt: skip
FAMILIES = {"products": PRODUCTS, "convolutions": CONVOLUTIONS}


def model_of(cases: dict[str, Case]) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """All cases in one graph, and its inputs. Dimensions that are free have names of their own in each."""
    nodes, weights, inputs, outputs, feeds = [], [], [], [], {}
    for number, case in enumerate(cases.values()):
        names = [f"{letter}{number}" for letter in "xwb"[: len(case.shapes)]]
        for place, (name, array) in enumerate(zip(names, case.operands(), strict=True)):
            if place == 2 or (place == 1 and case.constant):
                weights.append(numpy_helper.from_array(array, name))
                continue
            sizes = case.sizes if case.sizes and place == 0 else array.shape
            shape = [f"{size}{number}" if isinstance(size, str) else size for size in sizes]
            if place and "depth" in case.sizes:
                shape[0] = f"depth{number}"
            inputs.append(helper.make_tensor_value_info(name, TensorProto.BFLOAT16, shape))
            feeds[name] = array
        nodes.append(helper.make_node(case.operator, names, [f"y{number}"], **case.attributes))
        outputs.append(helper.make_tensor_value_info(f"y{number}", TensorProto.BFLOAT16, None))
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10), feeds


def excess(found: np.ndarray, case: Case) -> float:
    """By how much more than allowed a result is off, at most; infinity where it is a number and should be none."""
    operands = [array.astype(np.float64) for array in case.operands()]
    formula = FORMULAE[case.operator]
    with np.errstate(invalid="ignore"):
        expected = formula(*operands, **case.attributes)
    assert found.dtype == BF16 and found.shape == expected.shape
    found, is_number = found.astype(np.float64), np.isfinite(expected)
    if not np.array_equal(found[~is_number], expected[~is_number], equal_nan=True):
        return np.inf
    magnitudes = formula(
        *(np.abs(np.nan_to_num(array, posinf=0.0, neginf=0.0)) for array in operands), **case.attributes
    )
    depth = np.prod(case.shapes[1][1:] if case.operator == "Conv" else case.shapes[0][-2:])
    # Half a unit in the last of eight bits, and one of f32 for each number that is added.
    allowed = 2.0**-8 * np.abs(expected) + 2.0**-23 * float(depth) * magnitudes
    return float(np.max((np.abs(found[is_number] - expected[is_number]) - allowed[is_number]), initial=0.0))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("family", FAMILIES)
def test_sums_are_f32(family: str, target: str | None) -> None:
    check(FAMILIES[family], target or "host")


@pytest.mark.parametrize("target", TARGETS[1:])
@pytest.mark.parametrize("algorithm", ["indirect", "im2col"])
def test_other_algorithms(monkeypatch: pytest.MonkeyPatch, algorithm: str, target: str) -> None:
    """Those that are seldom the fastest for images as small as these."""
    choice = "lamina.passes.kernel.choose_algorithms.estimate_seconds"
    monkeypatch.setattr(choice, lambda kernel, candidate, target: candidate != algorithm)
    names = ["3x3", "strided", "odd channels", "groups", "free sizes", "infinities among 17 channels", "NaN in a pixel"]
    cases = {name: CONVOLUTIONS[name] for name in names}
    lines = [line for line in schedule_of(model_of(cases)[0], target) if f"kernel.conv {algorithm}" in line]
    assert sum(ATOM in line for line in lines) == len(cases)
    check(cases, target)


def check(cases: dict[str, Case], target: str) -> None:
    model, feeds = model_of(cases)
    results = lamina.compile(model, target=target).run(feeds)
    off = {name: excess(results[f"y{number}"], case) for number, (name, case) in enumerate(cases.items())}
    assert {name: by for name, by in off.items() if not by <= 0} == {}


def schedule_of(model: onnx.ModelProto, target: str | None = None) -> list[str]:
    """The stages of the schedule, a line each, without what follows in their regions."""
    context = CompilerContext(target=target)
    text = module_text(compile_through(import_model(model, context=context), context, stop="schedule"))
    return [line for line in text.splitlines() if "schedule.stage" in line]


@pytest.mark.parametrize("family", FAMILIES)
def test_products_go_by_the_atom(family: str) -> None:
    cases = FAMILIES[family]
    stages = [
        line for line in schedule_of(model_of(cases)[0], WITH_DOT) if "kernel.gemm" in line or "kernel.conv" in line
    ]
    # Lanes along the depth of one column, few channels, weights that are not packed beforehand.
    without = {"one column", "three channels", "depthwise", "weights as input"}
    assert len(stages) == len(cases)
    assert sum(ATOM in line for line in stages) == len(cases.keys() - without)


def network(dtype: np.dtype) -> onnx.ModelProto:
    """Five convolutions, one with a skip connection, parts put together, and a product."""
    rng, kind = np.random.default_rng(0), helper.np_dtype_to_tensor_dtype(dtype)
    weights: list[onnx.TensorProto] = []

    def weight(*shape: int) -> str:
        weights.append(numpy_helper.from_array((rng.standard_normal(shape) / 8).astype(dtype), f"w{len(weights)}"))
        return f"w{len(weights) - 1}"

    def conv(x: str, y: str, out: int, into: int, size: int, **attributes: Any) -> onnx.NodeProto:
        names = [x, weight(out, into, size, size), weight(out)]
        return helper.make_node("Conv", names, [y], pads=[size // 2] * 4, **attributes)

    nodes = [
        conv("x", "c0", 32, 3, 3, strides=[2, 2]),
        helper.make_node("Relu", ["c0"], ["r0"]),
        conv("r0", "c1", 32, 32, 3),
        helper.make_node("Add", ["c1", "r0"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        conv("pooled", "c2", 32, 32, 1),
        conv("pooled", "c3", 32, 32, 3),
        helper.make_node("Concat", ["c2", "c3"], ["both"], axis=1),
        conv("both", "c4", 32, 64, 1),
        helper.make_node("Sigmoid", ["c4"], ["s"]),
        helper.make_node("Mul", ["c4", "s"], ["swish"]),
        helper.make_node("GlobalAveragePool", ["swish"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", weight(32, 10), weight(10)], ["y"]),
        helper.make_node("Softmax", ["y"], ["z"]),
    ]
    inputs = [helper.make_tensor_value_info("x", kind, [1, 3, 32, 32])]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("z", kind, None)], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def attention(dtype: np.dtype) -> onnx.ModelProto:
    """Two heads of four numbers, from one product that is split in three, and a residual around them."""
    rng, kind = np.random.default_rng(0), helper.np_dtype_to_tensor_dtype(dtype)
    arrays = {"w": rng.standard_normal((8, 24)) / 4, "scale": np.array(0.5), "gamma": np.ones(8)}
    weights = [numpy_helper.from_array(array.astype(dtype), name) for name, array in arrays.items()]
    shape = numpy_helper.from_array(np.array([1, 6, 2, 4]), "heads")
    merged = numpy_helper.from_array(np.array([1, 6, 8]), "merged")
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("LayerNormalization", ["positive", "gamma"], ["n"]),
        helper.make_node("MatMul", ["n", "w"], ["qkv"]),
        helper.make_node("Split", ["qkv"], ["q", "k", "v"], axis=2, num_outputs=3),
        *(helper.make_node("Reshape", [name, "heads"], [f"{name}r"]) for name in "qkv"),
        *(helper.make_node("Transpose", [f"{name}r"], [f"{name}t"], perm=perm)
          for name, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3]))),
        helper.make_node("MatMul", ["qt", "kt"], ["qk"]),
        helper.make_node("Mul", ["qk", "scale"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["p"]),
        helper.make_node("MatMul", ["p", "vt"], ["pv"]),
        helper.make_node("Transpose", ["pv"], ["back"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["back", "merged"], ["joined"]),
        helper.make_node("Add", ["joined", "n"], ["y"]),
    ]  # fmt: skip
    inputs = [helper.make_tensor_value_info("x", kind, [1, 6, 8])]
    outputs = [helper.make_tensor_value_info("y", kind, None)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [*weights, shape, merged])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


@pytest.mark.parametrize(("dtype", "target"), [(np.float16, None), (BF16, "avx512"), (BF16, WITH_DOT)])
@pytest.mark.parametrize("make", [network, attention])
def test_narrow_models_have_no_more_stages(make: Callable, dtype: Any, target: str | None) -> None:
    """Where they are stored narrow and where they are not: casts cost no pass over memory."""
    wide, narrow = (schedule_of(make(np.dtype(element)), target) for element in (np.float32, dtype))
    # Scores of attention are rounded between the products, as the model says: they stay in three kernels.
    assert len(narrow) == len(wide) + (2 if make is attention else 0)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float16, BF16], ids=["f16", "bf16"])
@pytest.mark.parametrize("make", [network, attention])
def test_narrow_models_compute_what_wide_ones_do(make: Callable, dtype: Any, target: str | None) -> None:
    narrow, wide = make(np.dtype(dtype)), make(np.dtype(np.float32))
    # The same weights, rounded.
    for rounded, tensor in zip(narrow.graph.initializer, wide.graph.initializer, strict=True):
        values = numpy_helper.to_array(rounded)
        if values.dtype == dtype:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))
    shape = [size.dim_value for size in wide.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    (found,) = lamina.compile(narrow, target=target or "host").run({"x": x}).values()
    (expected,) = lamina.compile(wide).run({"x": x.astype(np.float32)}).values()
    assert found.dtype == dtype
    # Each layer rounds: several units in the last place of the largest number.
    tolerance = 8 * float(ml_dtypes.finfo(dtype).eps) * np.abs(expected).max()
    np.testing.assert_allclose(found.astype(np.float32), expected, rtol=0, atol=tolerance)
