"""Other sizes of the free dims: which are tried, what is found at one alone, and what time leaves out."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import lamina
import numpy as np
import onnx
import pytest
from lamina.errors import LaminaError
from lamina.interpreters.schedule import MemoryHazard
from lamina.pipeline import PipelineOptions
from lamina.verification import PhaseCheck, SizesToTry, Tolerance, VerifyOptions, verify_model
from lamina.verification.reference import Arrays, Reference
from lamina.verification.sizes import SizesCheck
from onnx import TensorProto, helper


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """y = softmax(x), of two free dims."""
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", "M"]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Softmax", ["x"], ["y"])], "softmax", info[:1], info[1:])
    path = tmp_path_factory.mktemp("sizes") / "softmax.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def feeds_at(executable: object, sizes: dict[str, int]) -> Arrays:
    shape = (sizes.get("N", 3), sizes.get("M", 5))
    return {"x": np.random.default_rng(0).standard_normal(shape).astype(np.float32)}


def softmax(feeds: Arrays) -> Arrays:
    powers = np.exp(feeds["x"])
    return {"y": powers / powers.sum(-1, keepdims=True)}


def checks(model: Path, interpret: Callable[[Arrays], Arrays], seconds: float = 60.0) -> list[PhaseCheck]:
    checked = lamina.compile(model, options=PipelineOptions(checked=True))
    compared = SizesCheck(checked, interpret, Reference.of(model), Tolerance().at_least(1e-6))
    return list(compared.run(SizesToTry(feeds_at, seconds)))


def test_each_free_dim_and_all_together_are_tried(model: Path) -> None:
    options = VerifyOptions(sizes=SizesToTry(feeds_at, 60.0))
    report = verify_model(model, lambda executable: feeds_at(executable, {}), options)
    assert report.ok, report.first_wrong
    tried = {check.subject.removeprefix("a checked build at ") for check in report.checks if "checked" in check.subject}
    assert tried == {text.format(n) for text in ("N = {0}", "M = {0}", "N = {0}, M = {0}") for n in (0, 1, 7, 67)}


def wrong_numbers(feeds: Arrays) -> Arrays:
    return {"y": softmax(feeds)["y"] * 2}


def hazard(feeds: Arrays) -> Arrays:
    raise MemoryHazard("stage @reader reads %b before any stage has surely written it", "reader")


def crash(feeds: Arrays) -> Arrays:
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def refusal(feeds: Arrays) -> Arrays:
    raise LaminaError("no such size")


@pytest.mark.parametrize(
    ("fault", "status", "note"),
    [
        (wrong_numbers, "wrong", "the checked build differs from the schedule"),
        (hazard, "wrong", "reads %b before"),
        (crash, "wrong", "the schedule ended with SIGSEGV"),
        (refusal, "skipped", "no such size"),
    ],
)
def test_what_is_wrong_at_one_size_alone_is_found(model: Path, fault: Callable, status: str, note: str) -> None:
    found = checks(model, lambda feeds: fault(feeds) if feeds["x"].shape == (7, 5) else softmax(feeds))
    (other,) = [check for check in found if check.status != "ok"]
    assert (other.subject, other.status) == ("a checked build at N = 7", status)
    assert note in other.note


def test_what_takes_too_long_is_left_out_and_said(model: Path) -> None:
    found = checks(model, lambda feeds: time.sleep(60) or {} if feeds["x"].size > 100 else softmax(feeds), 2.0)
    assert found[-1].status == "skipped"
    assert found[-1].subject.startswith("a checked build at M = 67; ")
    assert "longer than the 2 s given" in found[-1].note
    assert all(check.status == "ok" for check in found[:-1])
