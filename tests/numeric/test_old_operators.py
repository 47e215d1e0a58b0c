"""Each version of each operator that opsets from 7 on have means what it meant then: against onnxruntime.

What a version means is decided when a model is imported: what was imported runs on the interpreter of the graph level.
"""

from __future__ import annotations

import itertools

import lamina
import numpy as np
import onnxruntime
import pytest
from lamina.context import CompilerContext
from lamina.frontend import import_model
from lamina.interpreters.graph import interpret_graph
from old_operators import ROWS, Row, schema_versions

OPERATORS = sorted({row.operator for row in ROWS})

NOT_IN_ONNXRUNTIME = {("DequantizeLinear", 28), ("QuantizeLinear", 28), ("GlobalLpPool", 22), ("MaxRoiPool", 22)} | {
    ("RoiAlign", 22)
}
"""Versions that onnxruntime has no kernel of: ONNX's own cases hold them."""

NO_ROW = {
    "Bernoulli": "random", "Multinomial": "random", "RandomNormal": "random", "RandomNormalLike": "random",
    "RandomUniform": "random", "RandomUniformLike": "random",
    "Optional": "no tensor", "OptionalGetElement": "no tensor", "OptionalHasElement": "no tensor",
    "SplitToSequence": "no tensor",
    "Attention": "an expansion that ONNX gives", "DeformConv": "as before but for the types",
    "QLinearMatMul": "as before but for the types",
}  # fmt: skip
"""Operators whose earlier versions have no row, by reason; those that have one version are in ONNX's own cases."""


def check(row: Row, opset: int) -> None:
    model, feeds = row.model(opset), row.feeds()
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
    context = CompilerContext()
    module = import_model(model, context=context)
    found = interpret_graph(module, feeds, context.constants)
    for index, wanted in enumerate(expected):
        value, what = found[f"y{index}"], f"{row.operator} of opset {opset}, {row.attributes}"
        assert value.dtype == wanted.dtype, what
        np.testing.assert_allclose(value, wanted, rtol=1e-4, atol=1e-5, err_msg=what)


@pytest.mark.parametrize("operator", OPERATORS)
def test_versions_of(operator: str) -> None:
    for row in ROWS:
        if row.operator == operator:
            for opset in row.opsets():
                if (operator, opset) not in NOT_IN_ONNXRUNTIME:
                    check(row, opset)


def test_each_version_has_a_row() -> None:
    held = set(itertools.chain.from_iterable([(row.operator, opset) for opset in row.opsets()] for row in ROWS))
    earlier = [(name, version) for name, versions in schema_versions().items() for version in versions[:-1]]
    assert [each for each in earlier if each not in held and each[0] not in NO_ROW] == []
    assert [name for name in NO_ROW if name in OPERATORS] == []


@pytest.mark.parametrize("operator", ["MaxRoiPool", "Scan", "Upsample", "Dropout"])
def test_compiled_versions(operator: str) -> None:
    for row in ROWS:
        if row.operator == operator:
            opset = row.opsets()[0]
            model, feeds = row.model(opset), row.feeds()
            expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
            for wanted, value in zip(expected, lamina.compile(model).run(feeds).values(), strict=True):
                np.testing.assert_allclose(value, wanted, rtol=1e-4, atol=1e-5)
