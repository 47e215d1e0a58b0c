"""What other engines give for a model, and whether that is the same."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from random_model import evaluate

SIZES = (0, 1, 2, 3, 5, 6, 11)

Arrays = dict[str, np.ndarray]


def reference(model: onnx.ModelProto, feeds: Arrays) -> Arrays | None:
    """What onnxruntime gives; None where it refuses, for whatever reason it has."""
    try:
        return evaluate(model, feeds)
    except Exception:
        return None


def assert_same(found: Arrays, expected: Arrays) -> None:
    assert list(found) == list(expected)
    for name, wanted in expected.items():
        value = found[name]
        assert (value.dtype, value.shape) == (wanted.dtype, wanted.shape), name
        if wanted.dtype.kind in "iub":
            np.testing.assert_array_equal(value, wanted, err_msg=name)
            continue
        tolerance = 2e-2 if wanted.dtype.itemsize < 4 else 1e-3
        finite = np.abs(wanted[np.isfinite(wanted)].astype(np.float64))
        atol = tolerance / 10 * max(finite.max(initial=0), 1)
        actual, desired = value.astype(np.float64), wanted.astype(np.float64)
        np.testing.assert_allclose(actual, desired, rtol=tolerance, atol=atol, err_msg=name)


def resized(model: onnx.ModelProto, feeds: Arrays, rng: random.Random) -> Arrays | None:
    """Other feeds, of other sizes where they are free; None where none is."""
    sizes = {
        dimension.dim_param: size
        for info in model.graph.input
        for dimension, size in zip(info.type.tensor_type.shape.dim, feeds[info.name].shape, strict=True)
        if dimension.dim_param
    }
    if not sizes:
        return None
    sizes = {symbol: rng.choice(SIZES) if rng.random() < 0.6 else size for symbol, size in sizes.items()}
    changed = {}
    for info in model.graph.input:
        array = feeds[info.name]
        dimensions = info.type.tensor_type.shape.dim
        shape = [sizes.get(d.dim_param, size) for d, size in zip(dimensions, array.shape, strict=True)]
        changed[info.name] = np.resize(array, shape) if array.size else np.zeros(shape, array.dtype)
    return changed


def feeds_to_try(model: onnx.ModelProto, feeds: Arrays, rng: random.Random) -> Iterator[Arrays]:
    """The feeds, and up to three of other sizes."""
    yield feeds
    for _ in range(3):
        other = resized(model, feeds, rng)
        if other is None:
            return
        yield other


def evaluated(model: onnx.ModelProto, feeds: Arrays) -> Arrays | None:
    """What ONNX's evaluator gives; None where it cannot."""
    try:
        evaluator = ReferenceEvaluator(model)
        results = evaluator.run(list(evaluator.output_names), feeds)
        return dict(zip(evaluator.output_names, map(np.asarray, results), strict=True))
    except Exception:
        return None


def evaluated_by_node(model: onnx.ModelProto, feeds: Arrays) -> Arrays | None:
    """What the nodes give one after another, each by ONNX's evaluator, or onnxruntime where that cannot."""
    values = feeds | {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        results = _without_steps(node, values) or _node_results(model, node, values)
        if results is None:
            return None
        values |= results
    return {output.name: values[output.name] for output in model.graph.output}


def _node_results(model: onnx.ModelProto, node: onnx.NodeProto, values: Arrays) -> Arrays | None:
    operands = {name: values[name] for name in node.input if name}
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in operands.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = helper.make_graph([node], "node", infos, outputs)
    single = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return evaluated(single, operands) or reference(single, operands)


def _without_steps(node: onnx.NodeProto, values: Arrays) -> Arrays | None:
    """A recurrence over no steps ends as it began; None for other nodes. onnxruntime leaves those states unset."""
    if node.op_type not in ("RNN", "GRU", "LSTM") or values[node.input[0]].shape[0]:
        return None
    x, recurrent = values[node.input[0]], values[node.input[2]]
    directions, size = recurrent.shape[0], recurrent.shape[-1]
    states = []
    for place in (5, 6):
        name = node.input[place] if place < len(node.input) else ""
        states.append(values[name] if name else np.zeros((directions, x.shape[1], size), x.dtype))
    every = [np.zeros((0, directions, x.shape[1], size), x.dtype), *states]
    return {name: array for name, array in zip(node.output, every) if name}
