"""Reading a model: from a file, bytes or a ModelProto, checked and with local functions inlined."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import onnx

from ..errors import InvalidModelError, UnreadableModelError
from .checks.limits import MAX_FILE_BYTES
from .checks.validate_model import validate_model
from .external_data import load_external_data
from .functions import inline_functions
from .node_order import with_nodes_in_order
from .operator_sets import STANDARD_DOMAINS

if TYPE_CHECKING:
    from collections.abc import Iterator

ModelSource: TypeAlias = "bytes | str | PathLike[str] | onnx.ModelProto"


def load_model(source: ModelSource) -> onnx.ModelProto:
    """The model, checked, with its external data loaded and functions inlined.

    Raises InvalidModelError that says what is wrong and where, FileNotFoundError.
    """
    model, path = _read(source)
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise UnreadableModelError(f"{_described(source)} no ONNX model: it holds no graph")
    model = _validated(model)
    if model.functions:
        model = inline_functions(model)
        # Attributes that calls hand to the nodes of functions have their values only now.
        validate_model(model)
    return load_external_data(model, path)


def _validated(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model, or a copy of it with its nodes in order. Raises InvalidModelError for what is wrong beside that."""
    try:
        validate_model(model)
    except InvalidModelError:
        ordered = with_nodes_in_order(model)
        if ordered is None:
            raise
        validate_model(ordered)
        return ordered
    return model


_OTHER_FILES = {
    ".mlir": "text of a level: `lamina compile` makes a compiled file of it, `lamina-opt` runs passes on it",
    ".lamina": "a compiled file, it seems: `lamina.load` opens it",
}


def _read(source: ModelSource) -> tuple[onnx.ModelProto, Path | None]:
    """The model as it stands, and the file that it comes from."""
    if isinstance(source, onnx.ModelProto):
        return source, None
    if isinstance(source, bytes | bytearray | memoryview):
        return _parsed(bytes(source), source), None
    path = Path(source)
    if path.is_dir():
        raise InvalidModelError(f"'{path}' is a folder: give the .onnx file in it")
    if not path.is_file():
        raise FileNotFoundError(f"no model at '{path}'")
    if path.suffix in _OTHER_FILES:
        raise UnreadableModelError(f"'{path}' is no ONNX model, but {_OTHER_FILES[path.suffix]}")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise InvalidModelError(
            f"'{path}' has {size} bytes, more than the {MAX_FILE_BYTES} that protobuf can read: "
            "save the model with its weights as external data"
        )
    return _parsed(path.read_bytes(), source), path


def _parsed(content: bytes, source: ModelSource) -> onnx.ModelProto:
    if not content:
        raise UnreadableModelError(f"{_described(source)} no ONNX model: there are no bytes in it")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf's implementations differ in what they raise.
        raise UnreadableModelError(f"{_described(source)} no ONNX model, or damaged: {error}") from error
    return model


def _described(source: ModelSource) -> str:
    if isinstance(source, onnx.ModelProto):
        return "this is"
    return "the bytes are" if isinstance(source, bytes | bytearray | memoryview) else f"'{source}' is"


def opset_versions(model: onnx.ModelProto) -> dict[str, int]:
    """The opset of each domain. Raises InvalidModelError where none is given for the standard operators."""
    versions = {"" if o.domain in STANDARD_DOMAINS else o.domain: o.version for o in model.opset_import}
    if "" not in versions and any(node.domain in STANDARD_DOMAINS for node in _nodes(model.graph)):
        raise InvalidModelError("the model does not say which ONNX opset it is written for")
    return versions


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _nodes(inner)
