"""Models whose nodes are in no order run; they are not changed where they lie."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from lamina import compile
from lamina.frontend.model_file import load_model
from lamina.frontend.node_order import with_nodes_in_order
from onnx import TensorProto, helper

node = helper.make_node
F32, BOOL = TensorProto.FLOAT, TensorProto.BOOL


def info(name: str, kind: int = F32) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["N"] if kind == F32 else [])


def disordered() -> onnx.ModelProto:
    """The branches of an If read outer names, one of them from a node after it, and are in no order themselves."""
    branch = [node("Neg", ["inner"], ["z"]), node("Add", ["late", "later"], ["inner"])]
    then = helper.make_graph(branch, "then", [], [info("z")])
    other = helper.make_graph([node("Identity", ["later"], ["w"])], "else", [], [info("w")])
    nodes = [
        node("Mul", ["chosen", "x"], ["y"], "last"),
        node("If", ["c"], ["chosen"], "choice", then_branch=then, else_branch=other),
        node("Abs", ["later"], ["late"]),
        node("Exp", ["x"], ["later"]),
    ]
    graph = helper.make_graph(nodes, "g", [info("x"), info("c", BOOL)], [info("y")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_nodes_come_after_what_they_read() -> None:
    model = disordered()
    before = model.SerializeToString()
    ordered = with_nodes_in_order(model)
    assert ordered is not None and model.SerializeToString() == before
    assert [n.op_type for n in ordered.graph.node] == ["Exp", "Abs", "If", "Mul"]
    assert [n.op_type for n in ordered.graph.node[2].attribute[1].g.node] == ["Add", "Neg"]
    assert with_nodes_in_order(ordered) is None
    assert [n.op_type for n in load_model(model).graph.node] == ["Exp", "Abs", "If", "Mul"]


def test_they_run_as_on_onnxruntime() -> None:
    model = disordered()
    executable = compile(model)
    # It sorts the nodes of a model, not those of inner graphs.
    branch = model.graph.node[1].attribute[1].g.node
    branch.extend([branch.pop(0)])
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = np.linspace(-1, 1, 5, dtype=np.float32)
    for condition in (np.array(True), np.array(False)):
        given = {"x": x, "c": condition}
        np.testing.assert_allclose(executable.run(given)["y"], session.run(None, given)[0], rtol=1e-5)


def test_what_has_no_order_stays() -> None:
    cycle = disordered()
    cycle.graph.node[3].input[0] = "y"
    twice = disordered()
    twice.graph.node[2].output[0] = "later"
    assert with_nodes_in_order(cycle) is None and with_nodes_in_order(twice) is None
