"""Models of a single node."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def model_of(
    operator: str,
    inputs: dict[str, list[int | str]],
    weights: dict[str, np.ndarray] | None = None,
    order: str = "",
    outputs: int = 1,
    opset: int = 18,
    **attributes: object,
) -> onnx.ModelProto:
    """One node; its operands are the inputs and then the weights, or in ``order``."""
    weights = weights or {}
    names = order.split(",") if order else [*inputs, *weights]
    results = [f"y{index}" for index in range(outputs)]
    nodes = [helper.make_node(operator, names, results, **attributes)]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in inputs.items()]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", infos, [helper.make_empty_tensor_value_info(y) for y in results], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
