"""Functions that models bring along: what a call may leave out, and what functions say of it."""

from __future__ import annotations

from collections.abc import Sequence

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

X = np.array([-2, -1, 0.5, 3], np.float32)


def function(
    name: str, nodes: Sequence[onnx.NodeProto], inputs: str = "X", outputs: str = "Y", **fields
) -> onnx.FunctionProto:
    """Of domain l; ``absent``: attributes without a default, ``defaults``: those with one."""
    opsets = [helper.make_opsetid("", fields.get("opset", 17)), helper.make_opsetid("l", 1)]
    defaults = [helper.make_attribute(key, value) for key, value in fields.get("defaults", {}).items()]
    made = helper.make_function(
        "l",
        name,
        inputs.split(),
        outputs.split(),
        nodes,
        opsets,
        attributes=list(fields.get("absent", ())),
        attribute_protos=defaults,
    )
    made.overload = fields.get("overload", "")
    return made


def model(nodes: Sequence[onnx.NodeProto], *functions: onnx.FunctionProto) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("l", 1)]
    graph = helper.make_graph(nodes, "g", [x], [y])
    return helper.make_model(graph, functions=list(functions), opset_imports=opsets, ir_version=10)


def call(name: str, inputs: str = "x", output: str = "y", **attributes) -> onnx.NodeProto:
    return helper.make_node(name, inputs.split(","), output.split(","), domain="l", **attributes)


def referring(node: onnx.NodeProto, attribute: str, to: str, kind: int = onnx.AttributeProto.FLOAT) -> onnx.NodeProto:
    """The node with an attribute that is what the call of the function says."""
    node.attribute.append(onnx.AttributeProto(name=attribute, ref_attr_name=to, type=kind))  # pyright: ignore[reportArgumentType]
    return node


def leaky(attribute: str = "alpha", output: str = "Y") -> onnx.NodeProto:
    return referring(helper.make_node("LeakyRelu", ["X"], [output]), "alpha", attribute)


def branching(node: onnx.NodeProto, x: str = "X", result: str = "W") -> list[onnx.NodeProto]:
    """The node, which gives Y, where the sum of X is positive, else -X."""
    y, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "YZ")
    then = helper.make_graph([node], "then", [], [y])
    otherwise = helper.make_graph([helper.make_node("Neg", [x], ["Z"])], "else", [], [z])
    return [
        helper.make_node("ReduceSum", [x], ["sum"], keepdims=0),
        helper.make_node("Constant", [], ["zero"], value_float=0.0),
        helper.make_node("Greater", ["sum", "zero"], ["condition"]),
        helper.make_node("If", ["condition"], [result], then_branch=then, else_branch=otherwise),
    ]


DEFAULT = {"alpha": 0.7}
INNER = function("B", [leaky()], defaults=DEFAULT)


def nested(**fields) -> onnx.FunctionProto:
    return function("A", [referring(call("B", "X", "Y"), "alpha", "beta")], **fields)


CASES = {
    "default": model([call("A")], function("A", [leaky()], defaults=DEFAULT)),
    "default overruled": model([call("A", alpha=0.3)], function("A", [leaky()], defaults=DEFAULT)),
    "the operator's default": model([call("A")], function("A", [leaky()], absent=["alpha"])),
    "default of a nested function": model([call("A")], function("A", [call("B", "X", "Y")]), INNER),
    "nested, left out": model([call("A")], nested(absent=["beta"]), INNER),
    "nested, given": model([call("A", beta=0.2)], nested(absent=["beta"]), INNER),
    "nested, given and left out": model(
        [call("A", output="m", beta=0.2), call("A", "m", "y")], nested(absent=["beta"]), INNER
    ),
    "nested, default": model([call("A")], nested(defaults={"beta": 0.2}), INNER),
    "reference in a branch": model(
        [call("A")], function("A", branching(leaky()), outputs="W", defaults=DEFAULT)
    ),
    "call in a branch of a function": model(
        [call("A")], function("A", branching(call("B", "X", "Y")), outputs="W"), INNER
    ),
    "call in a branch": model(branching(call("B", "x", "Y"), "x", "y"), INNER),
    "inputs left out": model(
        [call("A")], function("A", [helper.make_node("Clip", ["X", "low", "high"], ["Y"])], "X low high")
    ),
    "an input in between left out": model(
        [helper.make_node("Constant", [], ["high"], value_float=1.0), call("A", "x,,high")],
        function("A", [helper.make_node("Clip", ["X", "low", "high"], ["Y"])], "X low high"),
    ),
    "an output left out": model(
        [call("A", output=",y")],
        function(
            "A",
            [helper.make_node("Neg", ["X"], ["P"]), helper.make_node("Abs", ["X"], ["Q"])],
            outputs="P Q",
        ),
    ),
    "overloads": model(
        [call("A", output="m", overload="two"), call("A", "m", overload="one")],
        function("A", [helper.make_node("Neg", ["X"], ["Y"])], overload="one"),
        function("A", [helper.make_node("Exp", ["X"], ["Y"])], overload="two"),
    ),
    "another opset": model([call("A")], function("A", [helper.make_node("Exp", ["X"], ["Y"])], opset=13)),
    "a constant's value": model(
        [call("A")],
        function(
            "A",
            [
                referring(helper.make_node("Constant", [], ["k"]), "value_float", "k"),
                helper.make_node("Mul", ["X", "k"], ["Y"]),
            ],
            defaults={"k": 2.5},
        ),
    ),
    "called twice": model(
        [call("A", output="m", alpha=0.1), call("A", "m")],
        function("A", [leaky(output="N"), helper.make_node("Neg", ["N"], ["Y"])], defaults=DEFAULT),
    ),
    "a list": model(
        [call("A")],
        function(
            "A",
            [
                helper.make_node("Constant", [], ["shape"], value_ints=[2, 2]),
                helper.make_node("Reshape", ["X", "shape"], ["M"]),
                referring(helper.make_node("Transpose", ["M"], ["Y"]), "perm", "perm", onnx.AttributeProto.INTS),
            ],
            defaults={"perm": [0, 1]},
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_as_onnxruntime(name: str) -> None:
    session = onnxruntime.InferenceSession(CASES[name].SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": X})
    np.testing.assert_allclose(lamina.compile(CASES[name]).run({"x": X})["y"], expected, rtol=1e-6)


def test_what_onnxruntime_refuses() -> None:
    """The specification allows both: an older opset in a function, and an output that is an input."""
    older = helper.make_node("ReduceSum", ["X"], ["Y"], axes=[0])
    found = lamina.compile(model([call("A")], function("A", [older], opset=11))).run({"x": X})["y"]
    np.testing.assert_allclose(found, [X.sum()])
    same = function("A", [helper.make_node("Neg", ["X"], ["N"])], outputs="X")
    np.testing.assert_array_equal(lamina.compile(model([call("A")], same)).run({"x": X})["y"], X)
