"""``lamina bench`` and the timing behind it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from lamina.cli.timing import Measurement, measure_in_turn, warm_up
from onnx import TensorProto, helper, numpy_helper


def test_reports_both_engines(lamina, model: Path) -> None:
    arguments = ("--seconds", "0.05", "--warm-up", "0", "--threads", "1", "--vs", "onnxruntime", "--json")
    code, output, _ = lamina("bench", model, *arguments)
    assert code == 0
    report = json.loads(output)
    assert set(report["engines"]) == {"lamina", "onnxruntime"}
    assert all(
        0 < row["min_ms"] <= row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"] for row in report["engines"].values()
    )
    assert all(row["runs_per_second"] > 0 and row["cpu_ms_per_run"] > 0 for row in report["engines"].values())
    assert report["warm_up"]["lamina"]["runs"] == 1
    assert report["outputs"]["agree"] and report["ratio"]["median"] > 0


def test_shows_a_table_and_advice(lamina, model: Path) -> None:
    code, output, _ = lamina("bench", model, "--seconds", "0.05", "--threads", "1")
    assert code == 0
    for part in ("p50 ms", "p99 ms", "runs/s", "CPU ms/run", "warm-up of", "advice: free dims were taken as N = 1"):
        assert part in output
    assert "free dims" not in lamina("bench", model, "--seconds", "0.01", "--dim", "N=2")[1]


def test_other_engines_are_named(lamina, model: Path) -> None:
    code, _, errors = lamina("bench", model, "--vs", "abacus")
    assert code == 2
    assert "'abacus': expected onnxruntime or the file of a model" in errors


# --- two models -----------------------------------------------------------------------------------------


def biased(
    folder: Path, name: str, bias: float, input_name: str = "x", shape: Sequence = (2, 4), output: str = "y"
) -> Path:
    """y = x + bias."""
    graph = helper.make_graph(
        [helper.make_node("Add", [input_name, "bias"], [output])],
        "add",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [helper.make_tensor("bias", TensorProto.FLOAT, [1], [bias])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / name)
    return folder / name


SHORT = ("--seconds", "0.01", "--warm-up", "0", "--threads", "1")


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return biased(tmp_path, "one.onnx", 1.0)


def test_two_models_take_turns_on_the_same_inputs(lamina, one: Path, tmp_path: Path) -> None:
    compiled = tmp_path / "one.lamina"
    assert lamina("compile", one, "-o", compiled)[0] == 0
    code, output, _ = lamina("bench", compiled, "--vs", one, *SHORT, "--json")
    assert code == 0
    report = json.loads(output)
    assert list(report["engines"]) == ["one.lamina", "one.onnx"]
    ratio = report["ratio"]
    assert 0 < ratio["lower_quartile"] <= ratio["median"] <= ratio["upper_quartile"] and ratio["rounds"] >= 1
    assert report["outputs"] == {"agree": True, "greatest_difference": 0.0, "output": "y", "detail": ""}
    code, output, _ = lamina("bench", compiled, "--vs", compiled, *SHORT)
    assert code == 0
    for part in ("one.lamina, again", "the speed of", "rounds lie between", "outputs are the same to the last digit"):
        assert part in output


def test_a_text_is_a_model_too(lamina, one: Path, tmp_path: Path) -> None:
    assert lamina("compile", one, "-o", tmp_path / "one.lamina", "--dump-phases", tmp_path)[0] == 0
    text = tmp_path / "3-schedule.mlir"
    edited = tmp_path / "3-schedule.edited.mlir"
    edited.write_text(re.sub(r"lanes \d+", "lanes 4", text.read_text()))
    report = json.loads(lamina("bench", edited, "--vs", tmp_path / "one.lamina", *SHORT, "--json")[1])
    assert list(report["engines"]) == ["3-schedule.edited.mlir", "one.lamina"]
    assert report["outputs"]["greatest_difference"] == 0.0
    assert lamina("run", edited)[0] == 0
    code, _, errors = lamina("bench", edited, "--vs", "onnxruntime", *SHORT)
    assert code == 2 and "onnxruntime needs the .onnx model" in errors
    edited.write_text(text.read_text().replace("plan {lanes", "plan {lans"))
    code, _, errors = lamina("bench", edited, *SHORT)
    assert code == 1 and re.search(r"3-schedule.edited.mlir:\d+:\d+: .*did you mean 'lanes'\?", errors), errors


@pytest.mark.parametrize(
    ("bias", "output", "said"),
    [
        (1.0 + 2e-6, "y", "outputs agree: the greatest difference is "),
        (1.5, "y", "outputs differ: 'y' in 8 of 8 elements, most at ["),
        (1.0, "z", "outputs differ: 'y' is an output of one of them only"),
    ],
)
def test_outputs_that_differ_are_told_apart(lamina, one: Path, tmp_path: Path, bias: float, output: str, said) -> None:
    other = biased(tmp_path, "other.onnx", bias, output=output)
    assert said in lamina("bench", one, "--vs", other, *SHORT)[1]


@pytest.mark.parametrize(
    "other", [{"input_name": "z"}, {"shape": [3, 4]}, {"shape": [4]}], ids=["name", "size", "rank"]
)
def test_inputs_that_do_not_suit_both_are_refused(lamina, one: Path, tmp_path: Path, other: dict) -> None:
    code, _, errors = lamina("bench", one, "--vs", biased(tmp_path, "other.onnx", 1.0, **other), *SHORT)
    assert code == 1
    assert "no inputs suit both models: one.onnx takes 'x', float32 of 2 x 4, and other.onnx takes " in errors


def test_a_dim_that_is_free_in_one_is_as_in_the_other(lamina, one: Path, tmp_path: Path) -> None:
    free = biased(tmp_path, "free.onnx", 1.0, shape=["N", 4])
    for pair in ((one, free), (free, one)):
        report = json.loads(lamina("bench", pair[0], "--vs", pair[1], *SHORT, "--json")[1])
        assert report["inputs"]["x"]["shape"] == [2, 4]


# --- the timing -----------------------------------------------------------------------------------------


def test_engines_take_turns() -> None:
    order: list[str] = []
    result = measure_in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, seconds=0.0)
    assert "".join(order) == "ab" + "aaaabbbb"
    assert result.statistics["a"]["runs"] == 3


def test_every_other_round_goes_backwards() -> None:
    order: list[str] = []
    runners = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    measured = measure_in_turn(runners, 0.02, lambda _: time.sleep(0.005), pause=0.0)
    assert "".join(order).startswith("ab" + "aaaabbbb" + "bbbbaaaa")
    assert measured.ratio("a", "b").rounds == len(order) // 8


def test_a_ratio_is_of_rounds() -> None:
    ratio = Measurement({}, {"a": [1.0, 20.0, 3.0, 4.0, 6.0], "b": [1.0, 10.0, 1.0, 1.0, 1.0]}).ratio("a", "b")
    assert (ratio.lower_quartile, ratio.median, ratio.upper_quartile, ratio.rounds) == (2.0, 3.0, 4.0, 5)


def test_one_engine_runs_on_without_pauses() -> None:
    order: list[str] = []
    seen: list[float] = []
    assert measure_in_turn({"a": lambda: order.append("a")}, 0.0, seen.append).statistics["a"]["runs"] == 3
    assert len(order) == 1 + 3 and len(seen) == 1


def test_warm_up_runs_once_at_least() -> None:
    assert warm_up({"a": lambda: None, "b": lambda: None}, 0.0)["b"]["runs"] == 1
    assert warm_up({"a": lambda: None}, 0.01)["a"]["runs"] > 1


def test_rounded_products_agree_as_far_as_they_can(lamina, tmp_path: Path) -> None:
    weights = np.random.default_rng(0).standard_normal((512, 1024)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 512])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "w")],
    )
    path = tmp_path / "product.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    arguments = ("--seconds", "0.02", "--warm-up", "0", "--vs", "onnxruntime", "--precision", "bf16", "--json")
    code, output, _ = lamina("bench", path, *arguments)
    report = json.loads(output)
    assert code == 0 and report["precision"] == "bf16"
    assert report["outputs"]["agree"] and report["outputs"]["greatest_difference"] > 1e-2
