"""Models that are more than one segment of float32: host steps, branches, loops, short floats, integers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from lamina.errors import LaminaError
from lamina.verification import VerificationReport, VerifyOptions, verify_model
from lamina.verification.isolation import Crash, run_isolated
from onnx import TensorProto, helper, numpy_helper

FLOAT, HALF, INT64, BOOL = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.BOOL
Info = tuple[str, int, list]


def verified(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[Info],
    outputs: Sequence[Info],
    feeds: dict[str, np.ndarray],
    constants: Sequence[onnx.TensorProto] = (),
) -> VerificationReport:
    infos = [[helper.make_tensor_value_info(*info) for info in group] for group in (inputs, outputs)]
    graph = helper.make_graph(list(nodes), "model", *infos, list(constants))
    path = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return verify_model(path, lambda executable: feeds, VerifyOptions(loops_seconds=60.0), target="avx2")


def assert_right(report: VerificationReport) -> None:
    assert report.ok, report.first_wrong
    assert [check for check in report.checks if check.status == "skipped"] == []


X = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)


def test_a_size_that_depends_on_data_and_a_step_on_the_host(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["active"]),
        helper.make_node("NonZero", ["active"], ["places"]),
        helper.make_node("Cast", ["places"], ["numbers"], to=FLOAT),
        helper.make_node("Exp", ["numbers"], ["y"]),
    ]
    report = verified(tmp_path, nodes, [("x", FLOAT, [4, 8])], [("y", FLOAT, [2, "K"])], {"x": X / 10})
    assert_right(report)


@pytest.mark.parametrize("condition", [True, False])
def test_both_branches(tmp_path: Path, condition: bool) -> None:
    branches = {}
    for branch, operator in (("then_branch", "Exp"), ("else_branch", "Tanh")):
        out = helper.make_tensor_value_info(operator, FLOAT, ["N", 8])
        branches[branch] = helper.make_graph([helper.make_node(operator, ["x"], [operator])], branch, [], [out])
    nodes = [helper.make_node("If", ["c"], ["z"], **branches), helper.make_node("Neg", ["z"], ["y"])]
    feeds = {"x": X, "c": np.array(condition)}
    inputs = [("x", FLOAT, ["N", 8]), ("c", BOOL, [])]
    assert_right(verified(tmp_path, nodes, inputs, [("y", FLOAT, ["N", 8])], feeds))


def test_a_loop(tmp_path: Path) -> None:
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes_on"]),
            helper.make_node("Mul", ["state", "x"], ["product"]),
            helper.make_node("Tanh", ["product"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", INT64, []),
            helper.make_tensor_value_info("going", BOOL, []),
            helper.make_tensor_value_info("state", FLOAT, [4, 8]),
        ],
        [
            helper.make_tensor_value_info("goes_on", BOOL, []),
            helper.make_tensor_value_info("next", FLOAT, [4, 8]),
        ],
    )
    nodes = [helper.make_node("Loop", ["trips", "", "x"], ["y"], body=body)]
    feeds = {"x": X, "trips": np.array(3)}
    inputs = [("x", FLOAT, [4, 8]), ("trips", INT64, [])]
    assert_right(verified(tmp_path, nodes, inputs, [("y", FLOAT, [4, 8])], feeds))


def test_short_floats_and_integers(tmp_path: Path) -> None:
    weights = numpy_helper.from_array((np.random.default_rng(1).standard_normal((8, 8)) / 4).astype(np.float16), "w")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Sigmoid", ["product"], ["y"]),
        helper.make_node("Cast", ["x"], ["whole"], to=INT64),
        helper.make_node("Mul", ["whole", "whole"], ["z"]),
    ]
    outputs = [("y", HALF, [4, 8]), ("z", INT64, [4, 8])]
    feeds = {"x": (X * 3).astype(np.float16)}
    assert_right(verified(tmp_path, nodes, [("x", HALF, [4, 8])], outputs, feeds, [weights]))


def test_without_onnxruntime_the_reference_is_onnx_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    nodes = [helper.make_node("Exp", ["x"], ["y"])]
    report = verified(tmp_path, nodes, [("x", FLOAT, [4, 8])], [("y", FLOAT, [4, 8])], {"x": X})
    assert_right(report)
    assert report.reference.startswith("ONNX's reference evaluator")


def test_inputs_that_do_not_fit_are_the_users(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "x"], ["y"])]
    inputs, outputs = [("x", FLOAT, ["N", "N"])], [("y", FLOAT, ["N", "N"])]
    with pytest.raises(LaminaError, match="cannot be evaluated for these inputs"):
        verified(tmp_path, nodes, inputs, outputs, {"x": X})


def test_a_crash_is_told_by_its_signal_and_what_ran() -> None:
    def work(announce) -> None:
        announce("stage 7")
        os.kill(os.getpid(), signal.SIGSEGV)

    assert run_isolated(work) == Crash("SIGSEGV", "stage 7")
    assert run_isolated(lambda announce: {"y": 1}) == {"y": 1}
    with pytest.raises(LaminaError, match="no"):
        run_isolated(lambda announce: (_ for _ in ()).throw(LaminaError("no")))


def test_convolutions_of_bytes(tmp_path: Path) -> None:
    """One with words of channels, one with words of taps."""
    rng = np.random.default_rng(1)
    shapes = {"w": (9, 9, 3, 3), "v": (9, 1, 3, 3)}
    weights = [numpy_helper.from_array(rng.integers(-128, 127, shape, np.int8), name) for name, shape in shapes.items()]
    nodes = [
        helper.make_node("ConvInteger", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
        helper.make_node("ConvInteger", ["x", "v"], ["z"], group=9),
    ]
    outputs = [("y", TensorProto.INT32, [1, 9, 8, 10]), ("z", TensorProto.INT32, [1, 9, 6, 8])]
    x = rng.integers(0, 255, (1, 9, 8, 10), np.uint8)
    assert_right(verified(tmp_path, nodes, [("x", TensorProto.UINT8, [1, 9, 8, 10])], outputs, {"x": x}, weights))
