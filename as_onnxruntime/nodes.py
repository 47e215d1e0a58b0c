"""What a session says of its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..runtime.executable import TensorInfo
from ..runtime.expressions import Dimension, is_symbol
from .element_types import tensor_type


class NodeArg:
    """An input or output: its name, shape (ints, names of free dimensions, or None) and type, ``tensor(float)``."""

    def __init__(self, info: TensorInfo):
        self.name = info.name
        self.shape = [_node_dimension(dimension) for dimension in info.shape]
        self.type = info.kind or tensor_type(info.dtype)

    def __repr__(self) -> str:
        return f"NodeArg(name='{self.name}', type='{self.type}', shape={self.shape})"


def _node_dimension(dimension: Dimension) -> int | str | None:
    """onnxruntime names a free dimension and knows no expressions."""
    if isinstance(dimension, int):
        return dimension
    return dimension if is_symbol(dimension) else None


class ModelMetadata:
    """What the model file says of itself."""

    def __init__(self, metadata: Mapping[str, Any]):
        self.producer_name = str(metadata.get("producer_name", ""))
        self.graph_name = str(metadata.get("graph_name", ""))
        self.domain = str(metadata.get("domain", ""))
        self.description = str(metadata.get("description", ""))
        self.graph_description = str(metadata.get("graph_description", ""))
        self.version = int(metadata.get("version", 0))
        custom = metadata.get("custom", {})
        self.custom_metadata_map = {str(key): str(value) for key, value in custom.items()}


class OrtEpAssignedNode:
    """A node of the model."""

    def __init__(self, name: str, domain: str, op_type: str):
        self.name, self.domain, self.op_type = name, domain, op_type


class OrtEpAssignedSubgraph:
    """Nodes of the model that one provider runs."""

    def __init__(self, ep_name: str, nodes: list[OrtEpAssignedNode]):
        self.ep_name = ep_name
        self._nodes = nodes

    def get_nodes(self) -> list[OrtEpAssignedNode]:
        return self._nodes
