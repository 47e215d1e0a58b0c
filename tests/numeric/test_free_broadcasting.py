"""Free sizes that meet are equal, or one of them is 1, as each run finds."""

from __future__ import annotations

import itertools

import lamina
import numpy as np
import pytest
from lamina.dialects import shape as dims
from lamina.dialects.shape import Dim, symbol
from lamina.pipeline import PipelineOptions
from lamina.runtime import expressions
from onnx import TensorProto, helper
from onnx.onnx_pb import ModelProto, NodeProto
from other_engines import assert_same, reference

N, M, K = symbol("N"), symbol("M"), symbol("K")
node = helper.make_node
SIZES = (0, 1, 4, 5)


def model_of(nodes: list[NodeProto], inputs: dict[str, list[int | str]]) -> ModelProto:
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    graph = helper.make_graph(nodes, "g", infos, [helper.make_empty_tensor_value_info("y")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


MODELS = {
    "first axis": model_of([node("Add", ["a", "b"], ["y"])], {"a": ["N", 3], "b": ["M", 3]}),
    "last axis": model_of([node("Sub", ["a", "b"], ["y"])], {"a": [3, "N"], "b": [3, "M"]}),
    "every axis": model_of([node("Mul", ["a", "b"], ["y"])], {"a": ["N", "M"], "b": ["M", "N"]}),
    "other ranks": model_of([node("Max", ["a", "b"], ["y"])], {"a": ["N", 2, "M"], "b": ["K"]}),
    "three operands": model_of([node("Sum", ["a", "b", "c"], ["y"])], {"a": ["N", 3], "b": ["M", 1], "c": ["K", 3]}),
    "a known size": model_of([node("Add", ["a", "b"], ["y"])], {"a": ["N", 3], "b": [5, 3]}),
    "a condition": model_of(
        [node("Greater", ["a", "b"], ["g"]), node("Where", ["g", "a", "b"], ["y"])], {"a": ["N", 3], "b": ["M", 3]}
    ),
    "results that meet again": model_of(
        [
            node("Add", ["a", "b"], ["s"]),
            node("Mul", ["s", "a"], ["m"]),
            node("Relu", ["m"], ["r"]),
            node("Sub", ["b", "r"], ["d"]),
            node("Concat", ["d", "s"], ["y"], axis=1),
        ],
        {"a": ["N", 3], "b": ["M", 3]},
    ),
    "batches of products": model_of([node("MatMul", ["a", "b"], ["y"])], {"a": ["N", 3, 4], "b": ["M", 4, 5]}),
    "a letter that is kept": model_of(
        [node("Einsum", ["a", "b"], ["y"], equation="bij,bjk->bik")], {"a": ["N", 3, 4], "b": ["M", 4, 5]}
    ),
    "a letter that is summed": model_of(
        [node("Einsum", ["a", "b"], ["y"], equation="ij,jk->ik")], {"a": [3, "N"], "b": ["M", 5]}
    ),
    "an ellipsis": model_of(
        [node("Einsum", ["a", "b"], ["y"], equation="...i,...i->...")], {"a": ["N", 3], "b": ["M", 3]}
    ),
    "a shape": model_of(
        [node("Shape", ["b"], ["s"]), node("Expand", ["a", "s"], ["y"])], {"a": ["N", 3], "b": ["M", 3]}
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_sizes_that_meet(name: str) -> None:
    model = MODELS[name]
    executable = lamina.compile(model, threads=2, options=PipelineOptions(checked=True))
    shapes = {i.name: [d.dim_param or d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input}
    free = sorted({size for shape in shapes.values() for size in shape if isinstance(size, str)})
    rng = np.random.default_rng(0)
    for chosen in itertools.product(SIZES, repeat=len(free)):
        sizes = dict(zip(free, chosen, strict=True))
        feeds = {
            name: rng.standard_normal([sizes.get(d, d) if isinstance(d, str) else d for d in shape]).astype(np.float32)
            for name, shape in shapes.items()
        }
        expected = reference(model, feeds)
        if expected is not None:
            assert_same(executable.run(feeds), expected)
            continue
        with pytest.raises(lamina.InputError, match=r"must be equal, or one of them 1, not .*= \d"):
            executable.run(feeds)


def test_sizes_that_must_be_equal_elsewhere_are_one() -> None:
    """What another node asks for is taken to hold from the start: nothing is repeated."""
    nodes = [node("Add", ["a", "b"], ["s"]), node("Concat", ["a", "b", "s"], ["y"], axis=1)]
    executable = lamina.compile(model_of(nodes, {"a": ["N", 3], "b": ["M", 3]}))
    functions = [stage.function for segment in executable.program.segments.values() for stage in segment.stages]
    assert not any("broadcast" in function for function in functions)
    a, b = np.ones((4, 3), np.float32), np.full((4, 3), 2, np.float32)
    np.testing.assert_array_equal(executable.run({"a": a, "b": b})["y"], np.concatenate([a, b, a + b], 1))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (dims.broadcast(N, N), N),
        (dims.broadcast(1, N), N),
        (dims.broadcast(N, 5), 5),
        (dims.broadcast(dims.broadcast(N, M), N), dims.broadcast(M, N)),
        (dims.broadcast(N, dims.broadcast(M, K)), dims.broadcast(dims.broadcast(K, M), N)),
        (dims.substitute(dims.broadcast(N, M), {"N": 1}), M),
        (dims.substitute(dims.broadcast(N, M), {"N": 0, "M": 1}), 0),
    ],
)
def test_the_size_has_one_form(found: Dim, expected: Dim) -> None:
    assert found == expected
    assert dims.parse_dimension(dims.print_dimension(found)) == found


def test_its_text_is_what_runs_compute() -> None:
    text = dims.to_python_expression(dims.multiply(dims.broadcast(dims.broadcast(N, M), K), 2))
    assert text == "2 * broadcast(broadcast(K, M), N)"
    for sizes in ((1, 1, 7), (1, 7, 1), (7, 1, 7), (0, 1, 0), (1, 1, 1)):
        assert expressions.evaluate(text, dict(zip("NMK", sizes))) == 2 * (0 if 0 in sizes else max(sizes))
