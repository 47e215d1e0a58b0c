"""What import says of models that cannot be compiled: every problem at once, where it is, and what to do."""

from __future__ import annotations

from typing import Any

import lamina
import numpy as np
import onnx
import pytest
from lamina.context import CompilerContext
from lamina.errors import InvalidModelError, ModelError, Problem, UnsupportedOperatorError, problem_error
from lamina.frontend import import_model, registry
from lamina.frontend.known_operators import unknown_operator
from lamina.runtime.errors import ExecutionError
from onnx import helper, numpy_helper

FLOAT, INT64, BOOL = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.BOOL
node = helper.make_node


def info(name: str, dims: Any, kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, dims)


def model_of(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[str],
    constants: dict[str, np.ndarray] | None = None,
    opset: int = 17,
    value_info: list[onnx.ValueInfoProto] | None = None,
) -> onnx.ModelProto:
    results = [helper.make_empty_tensor_value_info(name) for name in outputs]
    initializers = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    body = helper.make_graph(nodes, "test", inputs, results, initializers, value_info=value_info or [])
    opsets = [
        helper.make_opsetid(domain, version) for domain, version in (("", opset), ("my", 1), ("com.microsoft", 1))
    ]
    return helper.make_model(body, opset_imports=opsets, ir_version=10)


def branch(name: str, *nodes: onnx.NodeProto) -> onnx.GraphProto:
    """A body without inputs whose output is ``o``."""
    return helper.make_graph(list(nodes), name, [], [helper.make_empty_tensor_value_info("o")])


def problems_of(model: onnx.ModelProto, **options: Any) -> dict[str, Problem]:
    """By place."""
    with pytest.raises(ModelError) as caught:
        import_model(model, context=CompilerContext(), **options)
    return {problem.place: problem for problem in caught.value.problems}


# --- all at once ------------------------------------------------------------------------------------


def test_every_unknown_operator_is_found_even_behind_another() -> None:
    nodes = [
        node("Frobnicate", ["x"], ["a"], name="first"),
        node("Relu", ["a"], ["b"]),
        node("Softmx", ["b"], ["c"], name="second"),
        node("Mistery", ["x"], ["d"], name="third", domain="my"),
    ]
    found = problems_of(model_of(nodes, [info("x", ["N", 3])], ["c", "d"]))
    assert list(found) == ["first", "second", "third"]
    assert found["first"].inputs == ("f32[N, 3]",)
    assert found["second"].advice.startswith("did you mean Softmax")
    assert "the domain my is unknown" in found["third"].reason


def test_import_goes_on_with_the_type_that_the_model_declares() -> None:
    nodes = [node("Custom", ["x"], ["a"], domain="my"), node("MatMul", ["a", "w"], ["y"], name="product")]
    model = model_of(nodes, [info("x", [2])], ["y"], {"w": np.ones((3, 3), np.float32)}, value_info=[info("a", [2, 5])])
    found = problems_of(model)
    assert found["product"].follows == "a"
    assert found["product"].inputs == ("f32[2, 5]", "f32[3, 3]")


@pytest.fixture
def without_max_roi_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were no converter of it."""
    monkeypatch.delitem(registry._CONVERTERS, ("", "MaxRoiPool"))


@pytest.mark.usefixtures("without_max_roi_pool")
def test_import_goes_on_with_the_type_that_onnx_infers() -> None:
    nodes = [
        node("MaxRoiPool", ["x", "r"], ["a"], name="regions", pooled_shape=[2, 2]),
        node("Bad", ["a"], ["y"], name="bad"),
    ]
    found = problems_of(model_of(nodes, [info("x", [1, 8, "L", 4]), info("r", [3, 5])], ["y"]))
    assert found["bad"].inputs[0] == "f32[3, 8, 2, 2]"
    assert "regions" in found


def test_nodes_in_bodies_are_named_with_their_path() -> None:
    body = helper.make_graph(
        [node("Identity", ["go"], ["next"]), node("Gruu", ["x"], ["s"], name="cell")],
        "body",
        [info("i", [], INT64), info("go", [], BOOL)],
        [info("next", [], BOOL), info("s", [1])],
    )
    bad = [node("Bad", ["x"], ["o"], name="conv_7"), node("Worse", ["x"], ["o"])]
    nodes = [
        node("If", ["c"], ["y"], name="if_3", then_branch=branch("t", bad[0]), else_branch=branch("e", bad[1])),
        node("Loop", ["n", "c"], ["z"], name="loop", body=body),
    ]
    inputs = [info("x", [1]), info("c", [], BOOL), info("n", [], INT64)]
    found = problems_of(model_of(nodes, inputs, ["y", "z"]))
    assert set(found) == {"if_3/then_branch/conv_7", "if_3/else_branch/o", "loop/body/cell"}


def test_nodes_of_functions_are_named_after_them() -> None:
    body = [node("Relu", ["a"], ["t"]), node("Bad", ["t"], ["b"], name="inner")]
    twice = helper.make_function("my", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    model = model_of([node("Twice", ["x"], ["y"], domain="my", name="call")], [info("x", [2])], ["y"])
    model.functions.append(twice)
    (place,) = problems_of(model)
    assert place.startswith("Twice/inner")
    assert model.functions[0].node[1].name == "inner"


def test_bodies_that_are_not_reached_are_searched_too() -> None:
    nodes = [
        node("Bad", ["x"], ["a"], name="bad"),
        node(
            "If",
            ["c"],
            ["y"],
            name="if",
            then_branch=branch("t", node("Worse", ["a"], ["o"], name="worse")),
            else_branch=branch("e", node("Neg", ["a"], ["o"])),
        ),
    ]
    found = problems_of(model_of(nodes, [info("x", [1]), info("c", [], BOOL)], ["y"]))
    assert set(found) == {"bad", "if/then_branch/worse"}


def test_one_error_shows_the_first_and_counts_the_rest() -> None:
    nodes = [node("Bad", ["x"], [f"y{index}"], name=f"n{index}") for index in range(8)]
    with pytest.raises(
        UnsupportedOperatorError, match=r"8 problems:[^$]*'n4'[^$]*and 3 more; `lamina check`"
    ) as caught:
        import_model(model_of(nodes, [info("x", [2])], ["y0"]), context=CompilerContext())
    assert "'n5'" not in str(caught.value)
    assert len(caught.value.problems) == 8


def test_the_class_of_the_error_is_that_of_the_first_problem() -> None:
    assert isinstance(problem_error([Problem("a", "", is_invalid=True), Problem("b", "")]), InvalidModelError)
    assert isinstance(problem_error([Problem("a", ""), Problem("b", "", is_invalid=True)]), UnsupportedOperatorError)


def test_inputs_of_no_use_are_named_too_and_the_rest_is_looked_at() -> None:
    sequence = helper.make_tensor_sequence_value_info("s", onnx.TensorProto.COMPLEX64, None)
    shapeless = helper.make_tensor_value_info("u", FLOAT, None)
    nodes = [node("Relu", ["u"], ["a"]), node("Bad", ["x"], ["y"], name="bad"), node("Worse", ["a"], ["z"])]
    inputs = [info("waves", [1], onnx.TensorProto.COMPLEX64), sequence, shapeless, info("x", [2])]
    found = problems_of(model_of(nodes, inputs, ["y", "z"]))
    assert list(found) == ["input 'waves'", "input 's'", "input 'u'", "bad", "z"]
    assert "--shape u=1x3" in found["input 'u'"].advice
    assert found["input 's'"].reason.startswith("is a sequence")


# --- why an operator is not known ---------------------------------------------------------------------


@pytest.mark.usefixtures("without_max_roi_pool")
@pytest.mark.parametrize(
    ("domain", "operator", "opset", "reason", "advice"),
    [
        ("", "Softmx", 17, "no such operator", "did you mean Softmax"),
        ("ai.onnx", "Zzz", 17, "no such operator", "export the model without it"),
        ("", "TensorScatter", 17, "introduced in opset 24", "for opset 24 or later"),
        ("", "Tile", 5, "as of opset 5", "for opset 6 or later"),
        ("", "MaxRoiPool", 17, "cannot be compiled yet", "export the model without it"),
        ("ai.onnx.ml", "TreeEnsembl", 5, "of ai.onnx.ml", "did you mean TreeEnsemble"),
        ("com.microsoft", "SkipLayerNormalisation", 1, "of com.microsoft", "did you mean SkipLayerNormalization"),
        ("com.microsoft", "Zzz", 1, "of com.microsoft", "before onnxruntime optimises"),
        ("my", "Relu", 1, "no operator of the domain my", "has the domain ''"),
        ("my", "Zzz", 1, "the domain my is unknown", "a function in the model"),
    ],
)
def test_why_an_operator_is_not_known(domain: str, operator: str, opset: int, reason: str, advice: str) -> None:
    found = unknown_operator(domain, operator, opset)
    assert found is not None
    assert reason in found[0]
    assert advice in found[1]


@pytest.mark.parametrize(("domain", "operator"), [("", "Relu"), ("ai.onnx", "Conv"), ("", "Bernoulli")])
def test_operators_that_are_known_or_defined_by_others(domain: str, operator: str) -> None:
    assert unknown_operator(domain, operator, 17) is None


# --- branches that are not taken ------------------------------------------------------------------------


def branching_model() -> onnx.ModelProto:
    """``x`` of 8 elements goes one way, of 6 another; the condition is an input."""
    eight = [node("Reshape", ["x", "two_by_four"], ["r"]), node("ReduceSum", ["r"], ["o"], keepdims=0)]
    six = [node("Reshape", ["x", "two_by_three"], ["r"]), node("ReduceMax", ["r"], ["o"], keepdims=0)]
    choice = node("If", ["c"], ["y"], name="choice", then_branch=branch("t", *eight), else_branch=branch("e", *six))
    constants = {"two_by_four": np.array([2, 4]), "two_by_three": np.array([2, 3])}
    return model_of([choice], [info("x", ["N"]), info("c", [], BOOL)], ["y"], constants)


def test_a_branch_for_another_shape_fails_only_if_it_is_taken() -> None:
    executable = lamina.compile(branching_model(), shapes={"x": [8]})
    x = np.arange(8, dtype=np.float32)
    assert executable.run({"x": x, "c": np.array(True)})["y"] == 28
    with pytest.raises(ExecutionError, match=r"this branch cannot run: .*'choice/else_branch/r'.*number of elements"):
        executable.run({"x": x, "c": np.array(False)})


def test_what_a_branch_assumes_of_free_sizes_is_checked_when_it_runs() -> None:
    executable = lamina.compile(branching_model())
    x = np.arange(8, dtype=np.float32)
    assert executable.run({"x": x, "c": np.array(True)})["y"] == 28
    assert executable.run({"x": x[:6], "c": np.array(False)})["y"] == 5
    for size, condition in ((6, True), (8, False)):
        with pytest.raises(ExecutionError, match="Reshape"):
            executable.run({"x": x[:size], "c": np.array(condition)})


def test_both_branches_for_other_shapes_are_a_mistake() -> None:
    assert set(problems_of(branching_model(), shapes={"x": [7]})) == {"choice/then_branch/r", "choice/else_branch/r"}


def test_what_the_body_of_a_loop_assumes_is_checked_when_it_runs() -> None:
    body = helper.make_graph(
        [node("Identity", ["go"], ["next"]), node("Add", ["before", "x"], ["after"])],
        "body",
        [info("i", [], INT64), info("go", [], BOOL), info("before", ["A"])],
        [info("next", [], BOOL), info("after", ["A"])],
    )
    inputs = [info("n", [], INT64), info("c", [], BOOL), info("start", ["A"]), info("x", ["B"])]
    executable = lamina.compile(model_of([node("Loop", ["n", "c", "start"], ["y"], body=body)], inputs, ["y"]))
    feeds = {"n": np.array(3), "c": np.array(True), "start": np.zeros(4, np.float32), "x": np.ones(4, np.float32)}
    np.testing.assert_array_equal(executable.run(feeds)["y"], [3, 3, 3, 3])
    with pytest.raises(ExecutionError, match=r"graph.add in after: \w+ = 4 but B = 5"):
        executable.run({**feeds, "x": np.ones(5, np.float32)})


# --- pools ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [("MaxPool", {}), ("AveragePool", {"count_include_pad": 0}), ("AveragePool", {"count_include_pad": 1})],
)
def test_ceil_mode_along_an_axis_of_unknown_size(operator: str, attributes: dict[str, int]) -> None:
    pool = node(operator, ["x"], ["y"], kernel_shape=[3], strides=[2], pads=[1, 1], ceil_mode=1, **attributes)
    inputs = [info("x", [1, 1, "L"])]
    free = lamina.compile(model_of([pool], inputs, ["y"], opset=19))
    for length in (3, 6, 7, 8):
        fixed = lamina.compile(model_of([pool], inputs, ["y"], opset=19), shapes={"L": length})
        x = np.random.default_rng(length).standard_normal((1, 1, length)).astype(np.float32)
        np.testing.assert_allclose(free.run({"x": x})["y"], fixed.run({"x": x})["y"], rtol=1e-6)


@pytest.mark.parametrize("is_valid", [True, False])
def test_a_fault_of_the_compiler_is_no_fault_of_the_model(is_valid: bool, monkeypatch) -> None:
    """A converter that trips over a valid node is to blame itself; over one that breaks ONNX's rules, the model is."""
    from lamina.errors import InternalError
    from lamina.frontend import registry

    def trips(_node):
        raise TypeError("unexpected")

    monkeypatch.setitem(registry._CONVERTERS, ("", "MatMul"), {1: trips})
    made = node("MatMul", ["x", "w"], ["y"], name="the_node")
    w = info("w", [4 if is_valid else 3, 2])
    x = info("x", ["N", 4])
    y = info("y", None)
    graph = helper.make_graph([made], "g", [x, w], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    kind, text = (InternalError, "a fault of the compiler's own.*TypeError: unexpected; please report")
    if not is_valid:
        kind, text = (InvalidModelError, "the node is not valid")
    with pytest.raises(kind, match=f"the_node.*{text}"):
        import_model(model, context=CompilerContext())
