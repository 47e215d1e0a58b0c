"""What import makes of names, shapes, control flow and mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from lamina.context import CompilerContext
from lamina.dialects import graph
from lamina.dialects.shape import parse_dimension
from lamina.errors import InvalidModelError, LaminaError, UnknownDimensionError, UnsupportedOperatorError
from lamina.frontend import import_model
from lamina.frontend.symbols import Symbols, sanitised
from lamina.interpreters.graph import argument_names, interpret_graph, main_function, result_names
from onnx import helper, numpy_helper
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

FLOAT, INT64, BOOL = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.BOOL


def info(name: str, dims: Any, kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, dims)


def model_of(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[str],
    constants: dict[str, np.ndarray] | None = None,
    opset: int = 17,
) -> onnx.ModelProto:
    results = [helper.make_empty_tensor_value_info(name) for name in outputs]
    initializers = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    body = helper.make_graph(nodes, "test", inputs, results, initializers)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def imported(model: Any, **options: Any) -> tuple[ModuleOp, CompilerContext]:
    context = CompilerContext()
    module = import_model(model, context=context, **options)
    module.verify()
    return module, context


def operations(module: ModuleOp, kind: type[Operation] = graph.GraphOperation) -> list[Any]:
    return [op for op in module.walk() if isinstance(op, kind) and not isinstance(op, graph.ConstantOp)]


def dims_of(module: ModuleOp, index: int = 0) -> list[str]:
    """The dimensions of a result of @main, as text."""
    return [str(d) for d in main_function(module).function_type.outputs.data[index].dims]  # pyright: ignore


def checks(module: ModuleOp) -> list[list[str]]:
    found: Any = module.attributes.get("lamina.checks", [])
    return [[text.data for text in check] for check in found]


node = helper.make_node


# --- names and dimensions -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("batch", "batch"),
        ("p2o.DynamicDimension.0", "p2o_DynamicDimension_0"),
        ("x", "d_x"),
        ("f32", "d_f32"),
        ("2n", "d_2n"),
        ("max", "d_max"),
        ("??", "dim"),
    ],
)
def test_names_of_symbols(name: str, expected: str) -> None:
    assert sanitised(name) == expected


def test_arguments_and_results_keep_their_names() -> None:
    module, _ = imported(model_of([node("Relu", ["in/x:0"], ["out y"])], [info("in/x:0", [2])], ["out y"]))
    function = main_function(module)
    assert argument_names(function) == ["in/x:0"]
    assert result_names(function) == ["out y"]


def test_the_same_name_is_the_same_symbol_and_no_name_is_a_new_one() -> None:
    inputs = [info("a", ["N", None]), info("b", ["N", "?"]), info("c", [-1, "?"])]
    module, _ = imported(model_of([node("Relu", ["a"], ["y"])], inputs, ["y"]))
    (a, b, c) = (t.dims for t in main_function(module).function_type.inputs.data)  # pyright: ignore
    assert a[0] == b[0] == parse_dimension("N")
    assert len({a[1], b[1], c[0], c[1]}) == 4


def test_shapes_fix_inputs_and_symbols() -> None:
    model = model_of([node("Add", ["a", "b"], ["y"])], [info("a", ["N", "M"]), info("b", ["N", "M"])], ["y"])
    by_input, _ = imported(model, shapes={"a": [2, None]})
    assert dims_of(by_input) == ["2", "M"]
    by_symbol, _ = imported(model, shapes={"M": 5})
    assert dims_of(by_symbol) == ["N", "5"]


def test_shapes_that_contradict_the_model_are_refused() -> None:
    model = model_of([node("Relu", ["a"], ["y"])], [info("a", ["N", 3])], ["y"])
    with pytest.raises(InvalidModelError, match="dimension 1 of 'a' is 3 in the model, 4 was given"):
        imported(model, shapes={"a": [1, 4]})
    with pytest.raises(InvalidModelError, match="has 1 dimensions, the model says 2"):
        imported(model, shapes={"a": [1]})
    with pytest.raises(UnknownDimensionError, match="no input or dimension is called 'z': expected one of N, a"):
        imported(model, shapes={"z": [1]})


# --- symbolic execution -----------------------------------------------------------------------------


def test_shape_arithmetic_becomes_a_static_target() -> None:
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["n"]),
        node("Gather", ["shape", "two"], ["h"]),
        node("Mul", ["h", "eight"], ["flat"]),
        node("Unsqueeze", ["n", "axis"], ["n1"]),
        node("Unsqueeze", ["flat", "axis"], ["flat1"]),
        node("Concat", ["n1", "flat1"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["y"]),
    ]
    constants = {
        "zero": np.array(0),
        "two": np.array(2),
        "eight": np.array(8),
        "axis": np.array([0]),
    }
    module, _ = imported(model_of(nodes, [info("x", ["N", 8, "H"])], ["y"], constants))
    assert [op.name for op in operations(module)] == ["graph.reshape"]
    assert dims_of(module) == ["N", "8*H"]
    assert not checks(module)


def test_a_shape_from_a_float_scale() -> None:
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Cast", ["shape"], ["f"], to=FLOAT),
        node("Mul", ["f", "half"], ["scaled"]),
        node("Floor", ["scaled"], ["floored"]),
        node("Cast", ["floored"], ["sizes"], to=INT64),
        node("Resize", ["x", "", "", "sizes"], ["y"], mode="nearest"),
    ]
    module, _ = imported(model_of(nodes, [info("x", [1, "H"])], ["y"], {"half": np.array([1.0, 0.5], np.float32)}))
    assert dims_of(module) == ["1", "floor(H/2)"]


def test_constants_fold_but_not_into_megabytes() -> None:
    nodes = [
        node("Add", ["a", "a"], ["b"]),
        node("ConstantOfShape", ["shape"], ["zeros"]),
        node("Add", ["zeros", "b"], ["c"]),
        node("Add", ["x", "c"], ["y"]),
    ]
    constants = {"a": np.array(1.5, np.float32), "shape": np.array([512, 512])}
    module, context = imported(model_of(nodes, [info("x", [512, 512])], ["y"], constants))
    assert context.constants.nbytes < 1000
    results = interpret_graph(module, {"x": np.ones((512, 512), np.float32)}, context.constants)
    np.testing.assert_array_equal(results["y"], np.full((512, 512), 4, np.float32))


def test_dimensions_that_must_be_equal_become_one() -> None:
    nodes = [node("Concat", ["a", "b"], ["c"], axis=1), node("Relu", ["b"], ["d"])]
    module, _ = imported(model_of(nodes, [info("a", ["N", 1]), info("b", ["M", 1])], ["c", "d"]))
    assert len({str(t) for t in main_function(module).function_type.inputs.data}) == 1
    assert dims_of(module, 0) == ["N", "2"]
    assert not checks(module)


def test_dimensions_that_meet_are_compared_at_run_time() -> None:
    module, _ = imported(model_of([node("Add", ["a", "b"], ["c"])], [info("a", ["N"]), info("b", ["M"])], ["c"]))
    assert str(module).count("graph.broadcast_to") == 2
    assert [check[1] for check in checks(module)] == ["0"]
    assert "N and M must be equal, or one of them 1" in checks(module)[0][2]


def test_an_equation_between_expressions_is_checked_at_run_time() -> None:
    nodes = [
        node("MaxPool", ["x"], ["half"], kernel_shape=[2], strides=[2]),
        node("Resize", ["half", "", "scales"], ["back"], mode="nearest"),
        node("Add", ["x", "back"], ["y"]),
    ]
    constants = {"scales": np.array([1, 1, 2], np.float32)}
    module, context = imported(model_of(nodes, [info("x", [1, 1, "H"])], ["y"], constants))
    assert ["H", "2 * (H floordiv 2)"] in [check[:2] for check in checks(module)]
    assert interpret_graph(module, {"x": np.ones((1, 1, 6), np.float32)}, context.constants)["y"].shape == (1, 1, 6)


def test_symbols_unify_through_chains() -> None:
    symbols = Symbols()
    a, b, c = (symbols.named(name) for name in "abc")
    assert symbols.unify(a, b, "first")
    assert symbols.unify(b, c, "second")
    assert symbols.resolve(a) == symbols.resolve(b) == symbols.resolve(c)
    assert symbols.unify(a, 4, "third")
    assert symbols.resolve(c) == 4
    assert not symbols.unify(b, 5, "fourth")


# --- control flow ---------------------------------------------------------------------------------


def branch(name: str, operator: str) -> onnx.GraphProto:
    output = helper.make_empty_tensor_value_info(f"{name}_y")
    return helper.make_graph([node(operator, ["x"], [f"{name}_y"])], name, [], [output])


def if_model(condition: list[onnx.NodeProto], **options: Any) -> onnx.ModelProto:
    choice = node("If", ["c"], ["y"], then_branch=branch("a", "Relu"), else_branch=branch("b", "Neg"))
    return model_of([*condition, choice], outputs=["y"], **options)


def test_a_branch_whose_condition_is_known_is_inlined() -> None:
    condition = [node("Shape", ["x"], ["s"]), node("Equal", ["s", "three"], ["c"])]
    model = if_model(condition, inputs=[info("x", [4])], constants={"three": np.array([3])})
    module, _ = imported(model)
    assert [op.name for op in operations(module)] == ["graph.neg"]


def test_a_branch_whose_condition_is_not_known_stays() -> None:
    model = if_model([], inputs=[info("x", ["N"]), info("c", [], BOOL)])
    module, context = imported(model)
    assert len(operations(module, graph.IfOp)) == 1
    x = np.array([-1.0, 2.0], np.float32)
    for condition, expected in ((True, [0.0, 2.0]), (False, [1.0, -2.0])):
        results = interpret_graph(module, {"x": x, "c": np.array(condition)}, context.constants)
        np.testing.assert_array_equal(results["y"], np.array(expected, np.float32))


def test_what_a_branch_assumes_holds_in_it_alone() -> None:
    def sliced(name: str, length: int) -> onnx.GraphProto:
        nodes = [node("Add", ["x", f"row{length}"], [f"{name}_y"])]
        return helper.make_graph(nodes, name, [], [helper.make_empty_tensor_value_info(f"{name}_y")])

    constants = {f"row{n}": np.ones(n, np.float32) for n in (3, 4)}
    choice = node("If", ["c"], ["y"], then_branch=sliced("a", 3), else_branch=sliced("b", 4))
    module, context = imported(model_of([choice], [info("x", ["N"]), info("c", [], BOOL)], ["y"], constants))
    assert not checks(module)
    (operation,) = operations(module, graph.IfOp)
    assert {"then_checks", "else_checks"} <= operation.attributes.keys()
    for length, condition in ((3, True), (4, False)):
        feeds = {"x": np.ones(length, np.float32), "c": np.array(condition)}
        assert interpret_graph(module, feeds, context.constants)["y"].shape == (length,)


def loop_model(trips: np.ndarray | None, nodes: list[onnx.NodeProto], **options: Any) -> onnx.ModelProto:
    body = helper.make_graph(
        nodes,
        "body",
        [info("i", [], INT64), info("go", [], BOOL), info("v", None)],
        [helper.make_empty_tensor_value_info(name) for name in ("go_out", "v_out", "seen")],
    )
    loop = node("Loop", ["trips", "", "x"], ["y", "all"], body=body)
    constants = {} if trips is None else {"trips": trips}
    inputs = [info("x", ["N"])] + ([info("trips", [], INT64)] if trips is None else [])
    return model_of([loop], inputs, ["y", "all"], constants, **options)


DOUBLING = [node("Identity", ["go"], ["go_out"]), node("Add", ["v", "v"], ["v_out"]), node("Identity", ["v"], ["seen"])]


def test_a_short_loop_is_written_out() -> None:
    module, context = imported(loop_model(np.array(3), DOUBLING))
    assert not operations(module, graph.LoopOp)
    results = interpret_graph(module, {"x": np.ones(2, np.float32)}, context.constants)
    np.testing.assert_array_equal(results["y"], [8, 8])
    np.testing.assert_array_equal(results["all"], [[1, 1], [2, 2], [4, 4]])


@pytest.mark.parametrize("trips", [0, 1, 5])
def test_a_loop_whose_rounds_are_not_known_stays(trips: int) -> None:
    module, context = imported(loop_model(None, DOUBLING))
    assert len(operations(module, graph.LoopOp)) == 1
    feeds = {"x": np.ones(2, np.float32), "trips": np.array(trips)}
    results = interpret_graph(module, feeds, context.constants)
    np.testing.assert_array_equal(results["y"], np.full(2, 2.0**trips))
    assert results["all"].shape[0] == trips


def test_a_carried_shape_that_grows_gets_a_symbol() -> None:
    growing = [
        node("Identity", ["go"], ["go_out"]),
        node("Concat", ["v", "v"], ["v_out"], axis=0),
        node("ReduceSum", ["v"], ["seen"], keepdims=0),
    ]
    module, context = imported(loop_model(None, growing))
    feeds = {"x": np.ones(2, np.float32), "trips": np.array(3)}
    results = interpret_graph(module, feeds, context.constants)
    assert results["y"].shape == (16,)
    np.testing.assert_array_equal(results["all"], [2, 4, 8])


# --- mistakes -----------------------------------------------------------------------------------------


def test_an_unknown_operator_is_named_with_all_that_helps() -> None:
    model = model_of([node("Frobnicate", ["x"], ["y"], name="n7")], [info("x", ["N", 3])], ["y"])
    with pytest.raises(UnsupportedOperatorError) as caught:
        imported(model)
    message = str(caught.value)
    for part in ("Frobnicate", "ai.onnx", "opset 17", "'n7'", "f32[N, 3]", "no such operator"):
        assert part in message


def test_operands_that_do_not_fit_are_named() -> None:
    model = model_of([node("MatMul", ["x", "x"], ["y"], name="mm")], [info("x", [2, 3])], ["y"])
    with pytest.raises(InvalidModelError, match=r"MatMul .*'mm'.*C3: the inner dimensions 3 of a and 2 of b differ"):
        imported(model)


def test_nodes_that_read_each_other_are_refused() -> None:
    nodes = [node("Add", ["a", "x"], ["y"], name="late"), node("Neg", ["y"], ["a"])]
    with pytest.raises(InvalidModelError, match=r"'late' .Add.: it reads 'a', which node #1 .* a cycle"):
        imported(model_of(nodes, [info("x", [2])], ["y"]))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LaminaError):
        imported(b"this is no model")
    with pytest.raises(InvalidModelError):
        imported(b"")
    with pytest.raises(FileNotFoundError, match="no model at"):
        imported(tmp_path / "absent.onnx")
    for name, advice in (("3-schedule.mlir", "lamina compile"), ("model.lamina", "lamina.load")):
        (tmp_path / name).write_text("builtin.module {}")
        with pytest.raises(InvalidModelError, match=f"'.*{name}' is no ONNX model, but .*`{advice}`"):
            imported(tmp_path / name)


def test_complex_numbers_are_refused() -> None:
    model = model_of([node("Identity", ["x"], ["y"])], [info("x", [2], onnx.TensorProto.COMPLEX64)], ["y"])
    with pytest.raises(UnsupportedOperatorError, match="input 'x': has elements of COMPLEX64"):
        imported(model)


# --- where models come from -----------------------------------------------------------------------


def test_bytes_paths_and_external_data(tmp_path: Path) -> None:
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    model = model_of([node("Add", ["x", "w"], ["y"])], [info("x", [2, 3])], ["y"], {"w": weights})
    path = tmp_path / "model.onnx"
    separate = onnx.ModelProto()
    separate.CopyFrom(model)
    onnx.save(separate, path, save_as_external_data=True, size_threshold=0, location="weights.bin")
    with pytest.raises(InvalidModelError, match="the tensor 'w' cannot be read: give the path of the model's file"):
        imported(path.read_bytes())
    for source in (model, model.SerializeToString(), path, str(path)):
        module, context = imported(source)
        results = interpret_graph(module, {"x": np.ones((2, 3), np.float32)}, context.constants)
        np.testing.assert_array_equal(results["y"], weights + 1)


def test_local_functions_are_inlined() -> None:
    function = helper.make_function(
        "custom", "Twice", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    body = helper.make_graph(
        [node("Twice", ["x"], ["y"], domain="custom")], "g", [info("x", ["N"])], [info("y", ["N"])]
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("custom", 1)]
    module, _ = imported(helper.make_model(body, functions=[function], opset_imports=opsets))
    assert [op.name for op in operations(module)] == ["graph.add"]


def test_the_model_handed_in_is_not_changed() -> None:
    model = model_of([node("Add", ["x", "w"], ["y"])], [info("x", [2])], ["y"], {"w": np.ones(2, np.float32)})
    before = model.SerializeToString()
    imported(model)
    assert model.SerializeToString() == before


def test_damaged_models_are_refused_and_never_trip_import_itself() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["a"], pads=[1, 1]),
        node("Shape", ["a"], ["s"]),
        node("Slice", ["s", "zero", "one"], ["n"]),
        node("Concat", ["n", "rest"], ["target"], axis=0),
        node("Reshape", ["a", "target"], ["y"]),
    ]
    constants = {
        "w": np.ones((2, 2, 3), np.float32),
        "zero": np.array([0]),
        "one": np.array([1]),
        "rest": np.array([-1]),
    }
    healthy = model_of(nodes, [info("x", ["N", 2, "H"])], ["y"], constants).SerializeToString()
    random = np.random.default_rng(3)
    for _ in range(200):
        damaged = bytearray(healthy)
        for place in random.integers(0, len(damaged), random.integers(1, 4)):
            damaged[place] = random.integers(0, 256)
        try:
            imported(bytes(damaged))
        except LaminaError as error:
            assert str(error)
