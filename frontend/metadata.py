"""What a model says of itself, and which other files it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import Message


def model_metadata(model: onnx.ModelProto) -> dict[str, Any]:
    """``Program.metadata`` of a model."""
    return {
        "producer_name": model.producer_name,
        "graph_name": model.graph.name,
        "domain": model.domain,
        "description": model.doc_string,
        "graph_description": model.graph.doc_string,
        "version": model.model_version,
        "custom": {entry.key: entry.value for entry in model.metadata_props},
    }


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
