"""What a model says of itself, and which other files it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import Message

LATEST_VERSION = 2**63 - 1
"""What onnxruntime says of a model that does not tell its version."""
FIRST_WITH_WEIGHTS_ALONE = 4


def model_metadata(model: onnx.ModelProto) -> dict[str, Any]:
    """``Program.metadata`` of a model."""
    return {
        "producer_name": model.producer_name,
        "graph_name": model.graph.name,
        "domain": model.domain,
        "description": model.doc_string,
        "graph_description": model.graph.doc_string,
        "version": model.model_version if model.HasField("model_version") else LATEST_VERSION,
        "custom": {entry.key: entry.value for entry in model.metadata_props},
        "overridable": _overridable(model),
    }


def _overridable(model: onnx.ModelProto) -> list[list[Any]]:
    """Name, dtype and shape of the weights that are inputs, too, so that a run may be given others.

    Before version 4 of the format all weights were inputs, and none of them was meant to be given.
    """
    if model.ir_version < FIRST_WITH_WEIGHTS_ALONE:
        return []
    inputs = {value.name for value in model.graph.input}
    return [
        [tensor.name, onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).name, list(tensor.dims)]
        for tensor in model.graph.initializer
        if tensor.name in inputs
    ]


def external_file_names(path: Path) -> list[str]:
    """The files beside a valid model in which its tensors lie, as the model names them."""
    content = path.read_bytes()
    # The key under which every such tensor names its file. Most models have none and need not be parsed once more.
    if b"location" not in content:
        return []
    model = onnx.ModelProto.FromString(content)
    return sorted(
        {entry.value for tensor in _tensors(model) for entry in tensor.external_data if entry.key == "location"}
    )


def _tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """All tensors in a message, wherever they are."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in [value] if isinstance(value, Message) else value:
            yield from _tensors(part)
