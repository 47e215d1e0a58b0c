"""Networks that were exported for one image, for a batch of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from .networks import Network, Shape


def shape_of_batch(network: Network, images: int) -> Shape:
    """The shape that is timed, of so many images."""
    return (images, *network.shapes[0][1:])


def model_of_batch(path: Path, images: int) -> bytes:
    """The model with ``images`` for the first size of its inputs and outputs, and of the constants that repeat the one.

    Where the file leaves that size free, it is fixed. Shapes in constants that begin with the batch of one begin with
    whatever is left; constants that are joined to each image are repeated.
    """
    model = onnx.load(path)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants |= {n.output[0]: n.attribute[0].t for n in model.graph.node if n.op_type == "Constant"}
    for value in (*model.graph.input, *model.graph.output):
        sizes = value.type.tensor_type.shape.dim
        if len(sizes):
            sizes[0].Clear()
            sizes[0].dim_value = images
    for node in model.graph.node:
        if node.op_type == "Reshape" and node.input[1] in constants:
            _free_first_size(constants[node.input[1]])
        elif node.op_type == "Concat" and node.attribute[0].i != 0:
            for name in node.input:
                if name in constants:
                    _repeat(constants[name], images)
    del model.graph.value_info[:]
    return model.SerializeToString()


def _free_first_size(tensor: onnx.TensorProto) -> None:
    sizes = numpy_helper.to_array(tensor).copy()
    if sizes.size > 1 and sizes[0] == 1 and -1 not in sizes:
        sizes[0] = -1
        tensor.CopyFrom(numpy_helper.from_array(sizes, tensor.name))


def _repeat(tensor: onnx.TensorProto, images: int) -> None:
    array = numpy_helper.to_array(tensor)
    if array.ndim > 1 and array.shape[0] == 1:
        tensor.CopyFrom(numpy_helper.from_array(np.repeat(array, images, axis=0), tensor.name))
