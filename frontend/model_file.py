"""Reading a model: from a file, bytes or a ModelProto, checked and with local functions inlined."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TypeAlias

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError

from ..errors import InvalidModelError

ModelSource: TypeAlias = "bytes | str | PathLike[str] | onnx.ModelProto"

# Domains whose operators are ONNX's own.
STANDARD_DOMAINS = ("", "ai.onnx")


def load_model(source: ModelSource) -> onnx.ModelProto:
    """The model with its external data loaded and functions inlined. Raises InvalidModelError, FileNotFoundError."""
    model = _read(source)
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise InvalidModelError("this is no ONNX model: it holds no graph")
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    return model


def _read(source: ModelSource) -> onnx.ModelProto:
    if isinstance(source, onnx.ModelProto):
        return source
    try:
        if isinstance(source, bytes | bytearray | memoryview):
            return onnx.load_model_from_string(bytes(source))
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"no model at '{path}'")
        return onnx.load(path, load_external_data=True)
    except DecodeError as error:
        what = "the bytes are" if isinstance(source, bytes) else f"'{source}' is"
        raise InvalidModelError(f"{what} no ONNX model: {error}") from error
    except (onnx.checker.ValidationError, ValueError) as error:
        raise InvalidModelError(f"the model's external data cannot be read: {error}") from error


def opset_versions(model: onnx.ModelProto) -> dict[str, int]:
    """The opset of each domain. Raises InvalidModelError where none is given for the standard operators."""
    versions = {"" if o.domain in STANDARD_DOMAINS else o.domain: o.version for o in model.opset_import}
    if "" not in versions and any(node.domain in STANDARD_DOMAINS for node in model.graph.node):
        raise InvalidModelError("the model does not say which ONNX opset it is written for")
    return versions
