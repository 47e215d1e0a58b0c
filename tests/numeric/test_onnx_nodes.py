"""ONNX's own cases, one node each: import, the passes of the graph level, then the interpreter in NumPy.

Inputs that ONNX allows to be computed but that shape the result (axes, sizes, repeats ...) become
initializers where import asks for them; a case that import refuses still must name its operator.
"""

from __future__ import annotations

import collections
import functools
import warnings
from typing import Any

import numpy as np
import onnx
import pytest
from lamina.context import CompilerContext
from lamina.errors import UnsupportedOperatorError
from lamina.frontend import import_model
from lamina.interpreters.graph import interpret_graph
from lamina.pipeline import PipelineOptions, phase_named, run_phase
from onnx import numpy_helper
from xdsl.dialects.builtin import ModuleOp

# Training and text are out of scope; their operators are refused with an error that names them.
# What the official suite (test_official_suite.py) compares: text, sequences, random numbers, training.
COMPARED_THERE = {
    "Adagrad", "Adam", "ImageDecoder", "Momentum", "Gradient", "RegexFullMatch", "StringConcat",
    "StringNormalizer", "StringSplit", "TfIdfVectorizer", "OptionalHasElement", "OptionalGetElement", "SequenceMap",
    "Bernoulli", "RandomUniformLike", "MelWeightMatrix", "SequenceInsert", "SequenceLength", "SplitToSequence",
}  # fmt: skip

# Where onnxruntime, which is what people compare with, differs from ONNX's reference too.
AS_ONNXRUNTIME = {"test_maxunpool_export_with_output_shape"}

# A sequence or an optional value flows through control flow.
NOT_TENSORS = {"test_if_opt", "test_if_seq", "test_loop13_seq", "test_loop16_seq_none", "test_scan_sum"}


@functools.cache
def cases_by_operator() -> dict[str, list[Any]]:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)  # pyright: ignore[reportArgumentType]
    grouped: dict[str, list[Any]] = collections.defaultdict(list)
    for case in cases:
        grouped[case.model.graph.node[-1].op_type].append(case)
    return grouped


def arrays(values: Any) -> list[Any]:
    return [numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else v for v in values]


def is_tensors(case: Any) -> bool:
    inputs, outputs = case.data_sets[0]
    return all(
        isinstance(v, np.ndarray | np.generic) and v.dtype.kind not in "OUS" for v in arrays([*inputs, *outputs])
    )


def known_element_types(case: Any) -> bool:
    """Floats of 8 bits and fewer, integers of 4 bits and complex numbers are no element types of the graph level."""
    codes = {info.type.tensor_type.elem_type for info in [*case.model.graph.input, *case.model.graph.output]}
    return codes <= {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16}


def imported(case: Any, inputs: list[Any]) -> tuple[ModuleOp, CompilerContext]:
    context = CompilerContext()
    try:
        return import_model(case.model, context=context), context
    except UnsupportedOperatorError:
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        known = list(zip(model.graph.input, inputs))
        for info, value in known[1:] or known:
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), info.name))
        context = CompilerContext()
        return import_model(model, context=context), context


def check(case: Any) -> None:
    inputs, outputs = (arrays(values) for values in case.data_sets[0])
    module, context = imported(case, inputs)
    module.verify()
    run_phase(module, context, phase_named("graph"), PipelineOptions(verify_each=True))
    feeds = {info.name: np.asarray(value) for info, value in zip(case.model.graph.input, inputs)}
    results = interpret_graph(module, feeds, context.constants)
    for info, expected in zip(case.model.graph.output, outputs):
        assert_same(results[info.name], np.asarray(expected), f"{case.name}: {info.name}")


def assert_same(actual: np.ndarray, expected: np.ndarray, what: str) -> None:
    assert actual.dtype == expected.dtype, what
    assert actual.shape == expected.shape, what
    if expected.dtype.kind in "iub":
        np.testing.assert_array_equal(actual, expected, err_msg=what)
        return
    narrow = expected.dtype.itemsize < 4
    rtol, atol = (2e-2, 2e-3) if narrow else (1e-3, 1e-6)
    np.testing.assert_allclose(
        actual.astype(np.float64), expected.astype(np.float64), rtol=rtol, atol=atol, err_msg=what
    )


def runnable(case: Any) -> bool:
    training = "training" in case.name or "train" in case.name
    domains = {node.domain for node in case.model.graph.node}
    return (
        case.name not in AS_ONNXRUNTIME | NOT_TENSORS
        and not training
        and domains <= {"", "ai.onnx"}
        and not {node.op_type for node in case.model.graph.node} & COMPARED_THERE
        and is_tensors(case)
        and known_element_types(case)
    )


@functools.cache
def runnable_cases() -> dict[str, list[Any]]:
    chosen = {operator: list(filter(runnable, cases)) for operator, cases in cases_by_operator().items()}
    return {operator: cases for operator, cases in chosen.items() if cases}


def test_most_cases_run() -> None:
    assert sum(map(len, runnable_cases().values())) > 1400


@pytest.mark.parametrize("operator", sorted(runnable_cases()))
def test_cases_of(operator: str) -> None:
    for case in runnable_cases()[operator]:
        check(case)
