"""Adapters: files of tensors that a run takes in place of weights, in the format that onnxruntime's tools write.

The file is a FlatBuffer with the identifier ``TORT``: a table of the format's version, the adapter's, the model's, and
the parameters, each a table of name, dimensions, element type and bytes.
Source: https://flatbuffers.dev/internals (the encoding), and files that onnxruntime has written (the fields).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .element_types import BY_CODE
from .failures import MisuseError
from .values import NativeValue, OrtValue

_IDENTIFIER = b"TORT"
_FORMAT_VERSION = 1
_ALIGNMENT = 8


class NativeAdapter:
    """An adapter as the C layer has it."""

    def __init__(self) -> None:
        self.format_version = _FORMAT_VERSION
        self.adapter_version = 0
        self.model_version = 0
        self.parameters: dict[str, NativeValue] = {}

    @staticmethod
    def read_adapter(path: str | os.PathLike[str]) -> NativeAdapter:
        """Raises RuntimeError for a file that is not there or is no adapter."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise MisuseError(f"the adapter '{path}' cannot be read: {error}") from None
        if data[4:8] != _IDENTIFIER:
            raise MisuseError(f"'{path}' is no adapter: it has no {_IDENTIFIER.decode()} in bytes 4 to 8")
        adapter = NativeAdapter()
        try:
            _fill(adapter, data)
        except (struct.error, ValueError, UnicodeDecodeError, KeyError) as error:
            raise MisuseError(f"the adapter '{path}' is damaged: {error}") from None
        return adapter

    def export_adapter(self, path: str | os.PathLike[str]) -> None:
        """Raises RuntimeError where the file cannot be written."""
        try:
            Path(path).write_bytes(_encoded(self))
        except OSError as error:
            raise MisuseError(f"the adapter cannot be written to '{path}': {error}") from None


class AdapterFormat:
    """An adapter that is to be written, or that has been read."""

    def __init__(self, adapter: NativeAdapter | None = None):
        self._adapter = NativeAdapter() if adapter is None else adapter

    @staticmethod
    def read_adapter(file_path: str | os.PathLike[str]) -> AdapterFormat:
        return AdapterFormat(NativeAdapter.read_adapter(file_path))

    def export_adapter(self, file_path: str | os.PathLike[str]) -> None:
        self._adapter.export_adapter(file_path)

    def get_format_version(self) -> int:
        return self._adapter.format_version

    def set_adapter_version(self, adapter_version: int) -> None:
        self._adapter.adapter_version = adapter_version

    def get_adapter_version(self) -> int:
        return self._adapter.adapter_version

    def set_model_version(self, model_version: int) -> None:
        self._adapter.model_version = model_version

    def get_model_version(self) -> int:
        return self._adapter.model_version

    def set_parameters(self, params: Mapping[str, OrtValue]) -> None:
        self._adapter.parameters = {name: value._ortvalue for name, value in params.items()}

    def get_parameters(self) -> dict[str, OrtValue]:
        return {name: OrtValue(value) for name, value in self._adapter.parameters.items()}


class LoraAdapter:
    """An adapter that ``RunOptions.add_active_adapter`` gives to runs."""

    def __init__(self) -> None:
        self._parameters: dict[str, NativeValue] = {}

    def Load(self, path: str | os.PathLike[str]) -> None:
        """Raises RuntimeError for a file that is not there or is no adapter."""
        self._parameters = NativeAdapter.read_adapter(path).parameters

    def arrays(self) -> dict[str, np.ndarray]:
        """Its tensors by the names of the inputs that they are for."""
        return {name: value.numpy() for name, value in self._parameters.items()}


# --- reading ----------------------------------------------------------------------------------------------


def _fill(adapter: NativeAdapter, data: bytes) -> None:
    root = _Table(data, _unsigned(data, 0))
    adapter.format_version = root.integer(0)
    adapter.adapter_version, adapter.model_version = root.integer(1), root.integer(2)
    for place in root.tables(3):
        table = _Table(data, place)
        name = table.content(0, 1).decode()
        shape = np.frombuffer(table.content(1, 8), "<i8").tolist()
        element = BY_CODE[table.integer(2)]
        array = np.frombuffer(table.content(3, 1), element.dtype).reshape(shape)
        adapter.parameters[name] = NativeValue(array, element)


class _Table:
    """Fields of a table by number; one that is not there has the value 0, or no content."""

    def __init__(self, data: bytes, place: int):
        self._data, self._place = data, place
        self._fields = place - struct.unpack_from("<i", data, place)[0]
        self._length = struct.unpack_from("<H", data, self._fields)[0]

    def _field(self, number: int) -> int | None:
        entry = 4 + 2 * number
        if entry >= self._length:
            return None
        offset = struct.unpack_from("<H", self._data, self._fields + entry)[0]
        return self._place + offset if offset else None

    def integer(self, number: int) -> int:
        place = self._field(number)
        return 0 if place is None else struct.unpack_from("<i", self._data, place)[0]

    def content(self, number: int, width: int) -> bytes:
        """The bytes of a vector whose elements have so many bytes, or of a text."""
        place = self._field(number)
        if place is None:
            return b""
        begin = place + _unsigned(self._data, place)
        end = begin + 4 + _unsigned(self._data, begin) * width
        if end > len(self._data):
            raise ValueError(f"a vector ends at byte {end} of {len(self._data)}")
        return self._data[begin + 4 : end]

    def tables(self, number: int) -> list[int]:
        """Where the tables of a vector lie."""
        place = self._field(number)
        if place is None:
            return []
        begin = place + _unsigned(self._data, place)
        slots = [begin + 4 + 4 * index for index in range(_unsigned(self._data, begin))]
        return [slot + _unsigned(self._data, slot) for slot in slots]


def _unsigned(data: bytes, place: int) -> int:
    return struct.unpack_from("<I", data, place)[0]


# --- writing ----------------------------------------------------------------------------------------------


def _encoded(adapter: NativeAdapter) -> bytes:
    """Tables before what they refer to, since offsets point onwards."""
    writer = _Writer()
    writer.add(struct.pack("<I", 0) + _IDENTIFIER)
    versions = [_FORMAT_VERSION, adapter.adapter_version, adapter.model_version]
    root, (parameters,) = writer.table(versions, 1)
    writer.point(0, root)
    writer.point(parameters, writer.vector(bytes(4 * len(adapter.parameters)), len(adapter.parameters)))
    slots = writer.end_of_vector - 4 * len(adapter.parameters)
    for index, (name, value) in enumerate(adapter.parameters.items()):
        array = np.ascontiguousarray(value.numpy())
        place, (name_slot, shape_slot, data_slot) = writer.parameter(value.element_type())
        writer.point(slots + 4 * index, place)
        writer.point(name_slot, writer.vector(name.encode() + b"\0", len(name.encode())))
        writer.point(shape_slot, writer.vector(np.array(array.shape, "<i8").tobytes(), array.ndim, _ALIGNMENT))
        writer.point(data_slot, writer.vector(array.tobytes(), array.nbytes, _ALIGNMENT))
    return writer.finished()


class _Writer:
    def __init__(self) -> None:
        self._data = bytearray()
        self.end_of_vector = 0

    def add(self, content: bytes) -> int:
        place = len(self._data)
        self._data += content
        return place

    def point(self, slot: int, place: int) -> None:
        struct.pack_into("<I", self._data, slot, place - slot)

    def table(self, integers: list[int], offsets: int) -> tuple[int, list[int]]:
        """A table of integers, then offsets to be pointed; gives its place and those of the offsets."""
        fields = len(integers) + offsets
        return self._table(range(4, 4 + 4 * fields, 4), [*integers, *[0] * offsets], len(integers))

    def parameter(self, code: int) -> tuple[int, list[int]]:
        """A parameter's table: offsets of name and shape, its type, offset of its data."""
        place, slots = self._table((4, 8, 12, 16), [0, 0, code, 0], 0)
        return place, [slots[0], slots[1], slots[3]]

    def _table(self, offsets: range | tuple[int, ...], values: list[int], skipped: int) -> tuple[int, list[int]]:
        self._align(4)
        size = 4 + 4 * len(values)
        fields = self.add(struct.pack(f"<HH{len(values)}H", 4 + 2 * len(values), size, *offsets))
        self._align(4)
        place = self.add(struct.pack("<i", len(self._data) - fields) + struct.pack(f"<{len(values)}i", *values))
        return place, [place + 4 + 4 * number for number in range(skipped, len(values))]

    def vector(self, content: bytes, count: int, alignment: int = 4) -> int:
        """The number of elements, then the elements, which are aligned."""
        self._data += bytes(-(len(self._data) + 4) % alignment)
        place = self.add(struct.pack("<I", count) + content)
        self.end_of_vector = len(self._data)
        return place

    def _align(self, alignment: int) -> None:
        self._data += bytes(-len(self._data) % alignment)

    def finished(self) -> bytes:
        self._align(_ALIGNMENT)
        return bytes(self._data)
