"""The models that README.md and docs/ show.

``linear``: y = relu(x @ w + b), for any number of rows. ``small``: a network of convolutions as they are common, with
batch normalisation and a residual connection, on one picture of 3 x 32 x 32.

usage: python docs/example_model.py [--convolutions] [FILE.onnx]
"""

from __future__ import annotations

import argparse

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper


def linear_model() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    weights = {"w": rng.standard_normal((64, 128)).astype(np.float32), "b": np.ones(128, np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["y"]),
    ]
    return _model("linear", nodes, {"x": ["N", 64]}, {"y": ["N", 128]}, weights)


def small_model() -> onnx.ModelProto:
    """Convolution, a residual block, a depthwise and a pointwise convolution, pooling, ten scores."""
    weights: dict[str, np.ndarray] = {}
    nodes = [
        *_convolution(weights, "stem", "x", 3, 32, strides=[2, 2]),
        *_convolution(weights, "left", "stem", 32, 32),
        helper.make_node("Add", ["left", "stem"], ["sum"], "sum"),
        helper.make_node("Relu", ["sum"], ["block"], "block"),
        *_convolution(weights, "depthwise", "block", 32, 32, group=32, strides=[2, 2]),
        *_convolution(weights, "pointwise", "depthwise", 32, 64, window=1),
        helper.make_node("GlobalAveragePool", ["pointwise"], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["features"], "flatten"),
        helper.make_node("Gemm", ["features", "head.weight", "head.bias"], ["logits"], "head"),
        helper.make_node("Softmax", ["logits"], ["scores"], "softmax"),
    ]
    weights["head.weight"] = _normal((64, 10), 64)
    weights["head.bias"] = np.zeros(10, np.float32)
    return _model("small", nodes, {"x": [1, 3, 32, 32]}, {"scores": [1, 10]}, weights)


def _convolution(
    weights: dict[str, np.ndarray],
    name: str,
    x: str,
    channels: int,
    filters: int,
    *,
    window: int = 3,
    group: int = 1,
    strides: list[int] | None = None,
) -> list[NodeProto]:
    """Convolution, batch normalisation and ReLU; ``left`` has no ReLU, because it is added to something first."""
    weights[f"{name}.weight"] = _normal((filters, channels // group, window, window), channels // group * window**2)
    for part, value in {"scale": 1.0, "bias": 0.1, "mean": 0.05, "variance": 0.9}.items():
        weights[f"{name}.{part}"] = np.full(filters, value, np.float32)
    last = name == "left"
    pads = [window // 2] * 4
    statistics = [f"{name}.{part}" for part in ("scale", "bias", "mean", "variance")]
    normalized = name if last else f"{name}.normalized"
    nodes = [
        helper.make_node(
            "Conv", [x, f"{name}.weight"], [f"{name}.conv"], name, pads=pads, strides=strides or [1, 1], group=group
        ),
        helper.make_node("BatchNormalization", [f"{name}.conv", *statistics], [normalized], f"{name}.norm"),
    ]
    return nodes if last else [*nodes, helper.make_node("Relu", [normalized], [name], f"{name}.relu")]


def _normal(shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """Weights that keep the magnitude of what they are multiplied with; the same ones on every call."""
    rng = np.random.default_rng(sum(shape))
    return (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)


def _model(
    name: str, nodes: list[NodeProto], inputs: dict[str, list], outputs: dict[str, list], weights: dict[str, np.ndarray]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, shape) for value, shape in inputs.items()],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, shape) for value, shape in outputs.items()],
        [numpy_helper.from_array(array, value) for value, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes an example model.")
    parser.add_argument("--convolutions", action="store_true", help="the small network of convolutions")
    parser.add_argument("path", nargs="?", default="linear.onnx")
    arguments = parser.parse_args()
    onnx.save(small_model() if arguments.convolutions else linear_model(), arguments.path)


if __name__ == "__main__":
    main()
