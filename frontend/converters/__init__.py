"""Converters from ONNX operators to graph operations, a module a family. Importing this registers them all."""

from . import (
    activations,
    constants,
    control,
    einsum,
    elementwise,
    indexing,
    linear,
    movement,
    normalization,
    pooling,
    quantization,
    recurrent,
    reductions,
    resize,
    sequences,
    shapes,
)

__all__ = [
    "activations",
    "constants",
    "control",
    "einsum",
    "elementwise",
    "indexing",
    "linear",
    "movement",
    "normalization",
    "pooling",
    "quantization",
    "recurrent",
    "reductions",
    "resize",
    "sequences",
    "shapes",
]
