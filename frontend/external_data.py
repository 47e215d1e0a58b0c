"""Weights in files beside the model: found only where they may lie, and read only as far as they reach.

A location is a path relative to the model's folder. It may not be absolute or hold ``..``, and what it leads to, with
symbolic links followed, must lie in the model's folder or in the folder of the file that the model's own path
leads to (model hubs keep a folder of links to one folder of files). A hard link cannot be told from a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx

from ..errors import InvalidModelError
from ..external_files import NoFileError, OutsideError, find_beside, open_beside
from .checks.tensor_checks import nbytes
from .checks.wording import shown


@dataclass(frozen=True)
class Extent:
    """Where the data of a tensor lies: bytes of a file. A length of None is the rest of the file."""

    location: str
    offset: int
    length: int | None


def load_external_data(model: onnx.ModelProto, path: Path | None) -> onnx.ModelProto:
    """Reads the data of all tensors that lie outside of the model, in place.

    ``path`` is the model's file; None: there is none. Raises InvalidModelError that names the tensor and the file.
    """
    tensors = [tensor for tensor in _tensors(model.graph) if tensor.data_location == onnx.TensorProto.EXTERNAL]
    if not tensors:
        return model
    if path is None:
        raise InvalidModelError(
            f"the tensor {shown(tensors[0].name)} cannot be read: give the path of the model's file, "
            "so that the data beside it is found"
        )
    budget = _memory_of_machine()
    for tensor in tensors:
        expected = nbytes(tensor.data_type, tensor.dims) or 0
        budget -= expected
        if budget < 0:
            raise InvalidModelError(f"the tensor {shown(tensor.name)}: the weights together are larger than the memory")
        content = _read(tensor, path, expected)
        tensor.raw_data = content
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
    return model


def _read(tensor: onnx.TensorProto, path: Path, expected: int) -> bytes:
    extent = _extent(tensor)
    file = _resolve(tensor, extent.location, path)
    what = f"the tensor {shown(tensor.name)}: its data"
    try:
        stream = open_beside(path, file)
    except OutsideError:
        raise _outside(tensor, extent.location, path) from None
    except NoFileError:
        raise InvalidModelError(f"{what} is in {shown(str(file))}, which is no file") from None
    except OSError as error:
        raise InvalidModelError(f"{what} cannot be read from '{file}': {error.strerror}") from error
    with stream:
        status = os.fstat(stream.fileno())
        length = status.st_size - extent.offset if extent.length is None else extent.length
        if extent.offset + max(length, expected) > status.st_size:
            raise InvalidModelError(
                f"{what} is bytes {extent.offset} to {extent.offset + max(length, expected)} of '{file}', "
                f"which has only {status.st_size}"
            )
        if length != expected and extent.length is not None:
            raise InvalidModelError(
                f"{what} has {length} bytes in '{file}', its shape {list(tensor.dims)} asks for {expected}"
            )
        stream.seek(extent.offset)
        content = stream.read(expected)
    if len(content) != expected:
        raise InvalidModelError(f"{what} in '{file}' became shorter while it was read")
    return content


def _extent(tensor: onnx.TensorProto) -> Extent:
    fields = {entry.key: entry.value for entry in tensor.external_data}
    location = fields.get("location", "")
    if not location:
        raise InvalidModelError(
            f"the tensor {shown(tensor.name)}: its data lies in another file, but the name is missing"
        )
    offset, length = (_number(tensor, fields, key) for key in ("offset", "length"))
    return Extent(location, offset or 0, length)


def _number(tensor: onnx.TensorProto, fields: dict[str, str], key: str) -> int | None:
    text = fields.get(key)
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise InvalidModelError(
            f"the tensor {shown(tensor.name)}: the {key} of its data is {shown(text)}, expected a number of bytes"
        )
    return int(text)


def _resolve(tensor: onnx.TensorProto, location: str, path: Path) -> Path:
    """The file of a location. Raises InvalidModelError where it lies outside of the model's folder."""
    try:
        return find_beside(path, location)
    except OutsideError:
        raise _outside(tensor, location, path) from None
    except FileNotFoundError:
        raise InvalidModelError(
            f"the tensor {shown(tensor.name)}: its data should be in the file {shown(str(path.parent / location))}, "
            "which does not exist"
        ) from None
    except (OSError, RuntimeError) as error:  # A loop of links, a name that is too long.
        raise InvalidModelError(
            f"the tensor {shown(tensor.name)}: its data cannot be read from {shown(location)}: "
            f"{getattr(error, 'strerror', None) or 'its links form a loop'}"
        ) from error


def _outside(tensor: onnx.TensorProto, location: str, path: Path) -> InvalidModelError:
    return InvalidModelError(
        f"the tensor {shown(tensor.name)}: its data is said to lie in {shown(location)}, outside of the model's folder "
        f"'{path.parent}'; only files in that folder are read"
    )


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """All tensors of a graph and of those in its attributes."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from _attribute_tensors(attribute)


def _attribute_tensors(attribute: onnx.AttributeProto) -> Iterator[onnx.TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    sparse_tensors = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
    for sparse in [*sparse_tensors, *attribute.sparse_tensors]:
        yield from (sparse.values, sparse.indices)
    if attribute.HasField("g"):
        yield from _tensors(attribute.g)
    for graph in attribute.graphs:
        yield from _tensors(graph)


def _memory_of_machine() -> int:
    """Bytes of physical memory."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Where the system does not tell.
        return 1 << 40
