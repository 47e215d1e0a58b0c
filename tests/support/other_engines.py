"""What other engines give for a model, and whether that is the same."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import onnx
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
