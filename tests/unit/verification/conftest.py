"""A small network with a kernel of every kind of work, and passes that break it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convolution, activation, pooling, product, sum and softmax, of fixed shapes."""
    random = np.random.default_rng(0)
    weights = {
        "w": random.standard_normal((16, 3, 3, 3)) * 0.3,
        "b": random.standard_normal(16),
        "w2": random.standard_normal((16, 10)) * 0.3,
        "offsets": np.arange(10) / 10,
    }
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["convolved"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["convolved"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w2"], ["product"]),
        helper.make_node("Add", ["product", "offsets"], ["sum"]),
        helper.make_node("Softmax", ["sum"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 10, 10])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    path = tmp_path_factory.mktemp("network") / "network.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
