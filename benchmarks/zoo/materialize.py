#!/usr/bin/env python3
"""Turn the weightless network graphs beside this file into runnable ONNX models.

usage: materialize.py OUTPUT_FOLDER [NAME ...]

The graphs are standard architectures with their weights taken out: a large float tensor keeps
its name, type and shape, and its doc_string says how to fill it ('normal MEAN STD',
'positive MEAN STD' or 'constant VALUE 0'). Filling is seeded by the tensor's name, so every
machine gets the same model. Activations keep a sane range because the statistics are those
of a calibrated network.
"""

import sys
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper


def fill(tensor: onnx.TensorProto) -> None:
    """Give a weightless tensor its seeded data back, in place."""
    kind, *numbers = tensor.doc_string.split() or [""]
    if kind not in ("normal", "positive", "constant"):
        return
    mean, std = map(float, numbers)
    shape = tuple(tensor.dims)
    rng = np.random.default_rng(zlib.crc32(tensor.name.encode()) if tensor.name else np.prod(shape, dtype=int))
    data = rng.standard_normal(shape, dtype=np.float32) * np.float32(std) + np.float32(mean)
    if kind == "positive":
        data = np.maximum(np.abs(data), np.float32(0.05 * mean))
    elif kind == "constant":
        data = np.full(shape, mean, np.float32)
    filled = numpy_helper.from_array(data, tensor.name)
    tensor.CopyFrom(filled)


def materialize(source: Path, target: Path) -> None:
    model = onnx.load(source)
    for tensor in model.graph.initializer:
        fill(tensor)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                fill(attribute.t)
    onnx.save(model, target)


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    here = Path(__file__).parent
    names = sys.argv[2:] or sorted(p.stem for p in here.glob("*.onnx"))
    for name in names:
        materialize(here / f"{name}.onnx", out / f"{name}.onnx")
        print(out / f"{name}.onnx")


if __name__ == "__main__":
    main()
