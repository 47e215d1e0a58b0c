"""``lamina check``: everything that stands in the way at once, and what a model that runs needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from lamina.cli.lamina import app
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

node = helper.make_node


def info(name: str, dims: Any, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, dims)


@pytest.fixture
def save(tmp_path: Path):
    """Writes a model of these nodes, and gives its path."""

    def write(nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto], outputs: list[str], **constants) -> Path:
        results = [helper.make_empty_tensor_value_info(name) for name in outputs]
        weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
        graph = helper.make_graph(nodes, "g", inputs, results, weights)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("my.domain", 3)]
        path = tmp_path / "model.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
        return path

    return write


def check(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["check", *map(str, arguments)])
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout


def checked(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    return json.loads(check(*arguments, "--json", code=code))


def test_a_model_that_is_compiled_whole(save) -> None:
    weights = np.ones((4, 8), np.float32)
    path = save(
        [node("MatMul", ["x", "w"], ["a"]), node("Relu", ["a"], ["y"])], [info("x", ["N", 4])], ["y"], w=weights
    )
    report = checked(path, "--dim", "N=64")
    assert report["runs"] and report["problems"] == [] and report["host"] == []
    assert report["compiled"] == {"graph.matmul": 1, "graph.relu": 1}
    assert (report["inputs"], report["outputs"]) == ({"x": "f32[64, 4]"}, {"y": "f32[64, 8]"})
    assert report["segments"] == 1
    assert report["precision"] == {"f32": 2}
    assert report["memory"]["weight_bytes"] >= weights.nbytes
    assert report["memory"]["error"] is None


def test_free_dims_and_what_is_checked_of_them(save) -> None:
    nodes = [node("Reshape", ["x", "rows"], ["y"])]
    report = checked(save(nodes, [info("x", ["N", "M"])], ["y"], rows=np.array([-1, 6])))
    assert [(free["name"], free["bound_by"]) for free in report["symbols"]] == [
        ("N", "axis 0 of input 'x'"),
        ("M", "axis 1 of input 'x'"),
    ]
    assert len(report["conditions"]) == 1
    assert "the sizes must divide" in report["conditions"][0]


def test_the_arena_grows_with_the_sizes_given(save) -> None:
    nodes = [node("Softmax", ["x"], ["a"]), node("MatMul", ["a", "w"], ["b"]), node("Softmax", ["b"], ["y"])]
    path = save(nodes, [info("x", ["N", 16])], ["y"], w=np.ones((16, 16), np.float32))
    small, large = (checked(path, *sizes)["memory"]["arena_bytes"] for sizes in ((), ("--shape", "x=4096x16")))
    assert large >= 4096 * 16 * 4 > small


def test_what_runs_on_the_host_is_named_with_reason_and_advice(save) -> None:
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("NonZero", ["a"], ["places"], name="find"),
        node("MatMul", ["d", "d"], ["e"], name="double"),
        node("Cast", ["places"], ["y"], to=TensorProto.FLOAT),
    ]
    inputs = [info("x", ["N"]), info("d", [2, 2], TensorProto.DOUBLE)]
    path = save(nodes, inputs, ["y", "e"])
    report = checked(path)
    steps = {step["node"]: step for step in report["host"]}
    assert "find" not in steps  # Its result is as large as is counted, by machine code.
    assert "float64 arithmetic" in steps["double"]["reason"]
    assert steps["double"]["advice"] == "cast the model to float32"
    assert steps["double"]["inputs"] == ["f64[2, 2]", "f64[2, 2]"]
    assert report["segments"] == 2
    assert "what is counted, node 'find'" in report["symbols"][-1]["bound_by"]
    check(path, "--strict", code=1)
    text = check(path)
    assert "2 segments of machine code, split by 1 step on the host" in text
    assert "cast the model to float32" in text


def test_short_floats_are_said_to_be_computed_in_f32(save) -> None:
    path = save([node("Add", ["x", "x"], ["y"])], [info("x", [4], TensorProto.FLOAT16)], ["y"])
    assert checked(path)["precision"] == {"f16, computed in f32": 1}


def test_everything_that_cannot_be_compiled_is_listed(save) -> None:
    nodes = [
        node("NoSuchOp", ["x"], ["a"], name="first"),
        node("Relu", ["a"], ["b"]),
        node("Strange", ["b"], ["y"], domain="my.domain", name="second"),
        # The window is as long as the free size says.
        node("Conv", ["x", "w"], ["c"], name="third"),
    ]
    path = save(nodes, [info("x", [1, 3, "L"]), info("w", [4, 3, "L"])], ["y", "c"])
    report = checked(path, code=1)
    problems = [(p["place"], p["domain"], p["operator"], p["opset"]) for p in report["problems"]]
    assert problems == [
        ("first", "ai.onnx", "NoSuchOp", 17),
        ("second", "my.domain", "Strange", 3),
        ("third", "ai.onnx", "Conv", 17),
    ]
    assert not report["runs"]
    text = check(path, code=1)
    assert "cannot run: 3 problems" in text
    assert "inputs  f32[1, 3, L]" in text
    assert "do      fix the size of L: --dim L=..." in text
    assert "Traceback" not in text


def test_names_with_brackets_are_printed_as_they_are(save) -> None:
    path = save([node("NoSuchOp", ["x"], ["y"], name="[bold]n[/]")], [info("x", [1])], ["y"])
    assert "[bold]n[/]" in check(path, code=1)


def test_a_compiled_model_is_wrong_usage(tmp_path: Path, save) -> None:
    import lamina

    compiled = tmp_path / "model.lamina"
    lamina.compile(save([node("Relu", ["x"], ["y"])], [info("x", [2])], ["y"])).save(compiled)
    check(compiled, code=2)


def test_says_what_products_multiply(save) -> None:
    weights = np.random.default_rng(0).standard_normal((1024, 2048)).astype(np.float32)
    path = save([node("MatMul", ["x", "w"], ["y"])], [info("x", [1, 1024])], ["y"], w=weights)
    for precision, factors in (("f32", "f32 x f32"), ("f16", "f32 x f16")):
        report = checked(path, "--precision", precision)
        assert report["allowed"] == precision
        (way,) = report["products"]
        assert (way["kernel"], way["multiplied"], way["sums"], len(way["stages"])) == ("gemm", factors, "f32", 1)
        assert factors in check(path, "--precision", precision)
