#!/usr/bin/env python3
"""Turn the weightless network graphs beside this file into runnable ONNX models.

usage: materialize.py OUTPUT_FOLDER [NAME ...]     every network beside this file, or the named ones
       materialize.py OUTPUT_FOLDER modern/NAME    one of those in modern/ (all of them: modern/*)

The graphs are standard architectures with their weights taken out: a large tensor keeps its
name, type and shape, and its doc_string says how to fill it:

  normal MEAN STD, positive MEAN STD, constant VALUE 0   floats of any width, int32 (rounded)
  integers LOW HIGH              uniform integers, both ends included
  integers LOW HIGH MEAN STD     normal, rounded, clipped to LOW..HIGH
  nibbles LOW HIGH MEAN STD      the same for two 4-bit numbers a byte
  zlib BASE64                    the exact bytes

Filling is seeded by the tensor's name, so every machine gets the same model. Activations keep
a sane range because the statistics are those of a calibrated network.
"""

import base64
import sys
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

KINDS = ("normal", "positive", "constant", "integers", "nibbles", "zlib")
LIMIT = 1 << 31


def whole(rng: np.random.Generator, shape: tuple, numbers: list) -> np.ndarray:
    """Seeded integers between two ends, as float32 or int64."""
    low, high, *normal = numbers
    if not normal:
        return rng.integers(int(low), int(high) + 1, shape)
    mean, std = normal
    data = rng.standard_normal(shape, dtype=np.float32)
    data *= np.float32(std)
    data += np.float32(mean)
    return np.clip(np.rint(data), low, high)


def fill(tensor: onnx.TensorProto) -> None:
    """Give a weightless tensor its seeded data back, in place."""
    kind, *rest = tensor.doc_string.split() or [""]
    if kind not in KINDS:
        return
    shape = tuple(tensor.dims)
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    rng = np.random.default_rng(zlib.crc32(tensor.name.encode()) if tensor.name else np.prod(shape, dtype=int))
    if kind == "zlib":
        data = np.frombuffer(zlib.decompress(base64.b64decode(rest[0])), dtype).reshape(shape)
    elif kind == "integers":
        data = (
            whole(rng, shape, list(map(float, rest))).astype(np.int8 if float(rest[0]) < 0 else np.uint8).astype(dtype)
        )
    elif kind == "nibbles":
        q = whole(rng, (2, *shape), list(map(float, rest))).astype(np.uint8)
        data = q[0] | (q[1] << 4)
    else:
        mean, std = map(float, rest)
        data = rng.standard_normal(shape, dtype=np.float32) * np.float32(std) + np.float32(mean)
        if kind == "positive":
            data = np.maximum(np.abs(data), np.float32(0.05 * mean))
        elif kind == "constant":
            data = np.full(shape, mean, np.float32)
        data = (np.rint(data) if np.issubdtype(dtype, np.integer) else data).astype(dtype)
    tensor.CopyFrom(numpy_helper.from_array(data, tensor.name))


def fill_graph(graph: onnx.GraphProto) -> None:
    """Fill the tensors of a graph and of the graphs inside it."""
    for tensor in graph.initializer:
        fill(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                fill(attribute.t)
            elif attribute.type == onnx.AttributeProto.GRAPH:
                fill_graph(attribute.g)
            for inner in attribute.graphs:
                fill_graph(inner)


def materialize(source: Path, target: Path) -> None:
    model = onnx.load(source)
    fill_graph(model.graph)
    size = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    onnx.save(model, target, save_as_external_data=size > LIMIT - (64 << 20), location=Path(target).name + ".data")


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    here = Path(__file__).parent
    for name in sys.argv[2:] or ["*"]:
        for source in sorted(here.glob(f"{name}.onnx")):
            target = out / source.relative_to(here)
            target.parent.mkdir(parents=True, exist_ok=True)
            materialize(source, target)
            print(target)


if __name__ == "__main__":
    main()
