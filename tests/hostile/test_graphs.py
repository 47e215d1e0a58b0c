"""Graphs that contradict themselves: each fault is said with its place."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from lamina.errors import InvalidModelError
from lamina.frontend.model_file import load_model
from onnx import TensorProto, helper

node = helper.make_node


def model_of(*nodes: onnx.NodeProto, output: str = "y") -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    graph = helper.make_graph(list(nodes), "g", [x], [helper.make_empty_tensor_value_info(output)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def versions(ir_version: int, *opsets: tuple[str, int]) -> onnx.ModelProto:
    model = model_of(node("Neg", ["x"], ["y"]))
    model.ir_version = ir_version
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*opset) for opset in opsets)
    return model


FAULTS: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "nothing computes it": (lambda: model_of(node("Neg", ["q"], ["y"], "n")), "'n' .*'q', which nothing computes"),
    "order, and twice": (
        lambda: model_of(node("Neg", ["a"], ["y"], "n"), node("Abs", ["x"], ["a"], "late"), node("Exp", ["x"], ["a"])),
        "'n' .*only node 'late' .*in order",
    ),
    "cycle": (lambda: model_of(node("Neg", ["a"], ["y"]), node("Abs", ["y"], ["a"])), "a cycle"),
    "itself": (lambda: model_of(node("Add", ["x", "y"], ["y"])), "its own output 'y'"),
    "twice": (lambda: model_of(node("Neg", ["x"], ["y"]), node("Abs", ["x"], ["y"])), "'y', which is defined before"),
    "output": (lambda: model_of(node("Neg", ["x"], ["z"])), "output 'y'.*not computed by any node"),
    "inputs": (lambda: model_of(node("Neg", ["x", "x"], ["y"])), "2 inputs, the operator takes 1"),
    "left out": (lambda: model_of(node("Add", ["x", ""], ["y"])), "input #1 .*is left out"),
    "no operator": (lambda: model_of(node("", ["x"], ["y"])), "the operator is missing"),
    "IR version": (lambda: versions(2**40, ("", 18)), "IR version is 1099511627776"),
    "negative opset": (lambda: versions(9, ("", -1)), "opset -1"),
    "opset of the future": (lambda: versions(9, ("", 2**40)), "opset 1099511627776"),
    "no opset": (lambda: versions(9), "which ONNX opset"),
    "two opsets": (lambda: versions(9, ("", 17), ("ai.onnx", 18)), "opset 17 and opset 18"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_said_with_its_place(name: str) -> None:
    from lamina.context import CompilerContext
    from lamina.frontend import import_model

    build, message = FAULTS[name]
    with pytest.raises(InvalidModelError, match=message):
        import_model(build(), context=CompilerContext())


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidModelError) as caught:
        load_model(model_of(node("Neg", ["q"], ["a"]), node("Add", ["x"], ["b"]), node("Abs", ["x"], ["x"])))
    assert len(caught.value.problems) == 4
