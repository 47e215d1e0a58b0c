"""Compiled models as files: one file with manifest, code and constants.

    offset  bytes  content
    0       8      magic: ``LAMINA`` and a line end, which a text-mode copy would change
    8       4      version of this layout, little-endian like all numbers
    12      4      zero
    16      8      size of the header, which begins at offset 96
    24      16     offset and size of the code
    40      16     offset and size of the constants
    56      8      size of the file
    64      32     SHA-256 of bytes 0 to 63, the header and the code
    96      ...    header: JSON with ``program`` (see program.py), ``symbols`` (offsets in the code),
                   ``driver_version`` (see image.py) and ``constants_checksum`` (see the function)

Code and constants begin at page boundaries, and what lies between the sections is zero. The constants are mapped
read-only, so that processes share them.

The two checksums find damage. They are no protection from malice: whoever can write the file can write code into it.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import stat
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from .errors import FileFormatError
from .image import SUPPORT_VERSION, Image, MappedImage
from .machine import check_target
from .memory import align_up, aligned_bytes
from .program import Program

MAGIC = b"LAMINA\r\n"
FILE_VERSION = 3
PAGE_BYTES = 4096

_PREAMBLE = struct.Struct("<8sII6Q")
_DIGEST_BYTES = 32
_HEADER_OFFSET = _PREAMBLE.size + _DIGEST_BYTES
_HEADER_FIELDS = {"program": dict, "symbols": dict, "driver_version": int, "constants_checksum": int}
_BLOCK_BYTES = 4096
_MARKED_BYTES = 64
_WEIGHT_FACTOR = (
    0x9E3779B97F4A7C15  # Odd, and its bits are spread over the word, so that weights differ in all of them.
)


class SavedModel(Protocol):
    """What a file is written of."""

    @property
    def program(self) -> Program: ...
    @property
    def image(self) -> MappedImage: ...
    @property
    def constants(self) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file holds. Nothing of the code runs while it is read."""

    program: Program
    image: Image
    constants: np.ndarray


def save(model: SavedModel, path: str | Path) -> None:
    """Writes the file, which takes its place when it is complete. OSErrors name it."""
    from .files import replaced_file

    with replaced_file(Path(path)) as partial, open(partial, "wb") as stream:
        write(model, stream)


def write(model: SavedModel, stream: BinaryIO) -> None:
    """Writes the content of a file: the same bytes for the same model every time."""
    code = bytes(model.image.data)
    constants = model.constants
    header = {
        "program": model.program.to_dict(),
        "symbols": {name: [offset, _mark(name, code, offset)] for name, offset in model.image.symbols.items()},
        "driver_version": SUPPORT_VERSION,
        "constants_checksum": constants_checksum(constants),
    }
    header_bytes = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    code_offset = align_up(_HEADER_OFFSET + len(header_bytes), PAGE_BYTES)
    constants_offset = align_up(code_offset + len(code), PAGE_BYTES)
    total = constants_offset + constants.size
    preamble = _PREAMBLE.pack(
        MAGIC, FILE_VERSION, 0, len(header_bytes), code_offset, len(code), constants_offset, constants.size, total
    )
    stream.write(preamble + _digest(preamble, header_bytes, code) + header_bytes)
    stream.write(bytes(code_offset - _HEADER_OFFSET - len(header_bytes)))
    stream.write(code)
    stream.write(bytes(constants_offset - code_offset - len(code)))
    stream.write(constants.data)


def _mark(name: str, code: bytes, offset: int) -> int:
    """32 bits of a function's name and of what its code begins with: so that no name can stand for other code."""
    return zlib.crc32(name.encode() + code[offset : offset + _MARKED_BYTES])


def _digest(preamble: bytes, header: bytes, code: bytes) -> bytes:
    digest = hashlib.sha256(preamble)
    digest.update(header)
    digest.update(code)
    return digest.digest()


def constants_checksum(constants: np.ndarray) -> int:
    """64 bits that depend on every byte of a uint8 array, at the speed of memory: 100 MB take some 10 ms.

    The sum, modulo 2**64, of the sums of all blocks, each times an odd weight of its own. A change of one word always
    changes it, since odd weights are invertible; missing, cleared or exchanged blocks do but for one case in 2**64.
    """
    blocks = constants.size // _BLOCK_BYTES
    whole = constants[: blocks * _BLOCK_BYTES].view("<u8").reshape(blocks, _BLOCK_BYTES // 8)
    rest = np.zeros(_BLOCK_BYTES, np.uint8)
    rest[: constants.size - blocks * _BLOCK_BYTES] = constants[blocks * _BLOCK_BYTES :]
    sums = np.append(whole.sum(axis=1, dtype=np.uint64), rest.view("<u8").sum(dtype=np.uint64))
    weights = np.arange(1, 2 * blocks + 2, 2, dtype=np.uint64) * np.uint64(_WEIGHT_FACTOR)
    return int((sums * weights).sum(dtype=np.uint64))


def to_bytes(model: SavedModel) -> bytes:
    """The content of the file that ``save`` would write."""
    import io

    stream = io.BytesIO()
    write(model, stream)
    return stream.getvalue()


def is_compiled_model(start: bytes) -> bool:
    """Whether a file that begins with these bytes is a compiled model."""
    return start[: len(MAGIC)] == MAGIC


def read(path: str | Path, *, verify: bool = True, share: bool = True) -> FileContent:
    """What the file ``path`` holds; see ``executable.load``."""
    name = str(path)
    with open(path, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise FileFormatError(f"{name}: this is no file")
        if status.st_size == 0:
            raise FileFormatError(f"{name}: the file is empty")
        mapping = mmap.mmap(stream.fileno(), status.st_size, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED)
    if share:
        mapping.madvise(mmap.MADV_WILLNEED)
    return _read(np.frombuffer(mapping, np.uint8), name, verify, share)


def read_bytes(data: bytes) -> FileContent:
    """What the content of a file holds."""
    return _read(np.frombuffer(data, np.uint8), "compiled model", verify=True, share=False)


def _read(content: np.ndarray, name: str, verify: bool, share: bool) -> FileContent:
    preamble = _read_preamble(content, name)
    (header_size, code_offset, code_size, constants_offset, constants_size) = preamble
    header_bytes = content[_HEADER_OFFSET : _HEADER_OFFSET + header_size].tobytes()
    code = content[code_offset : code_offset + code_size].tobytes()
    stored = content[_PREAMBLE.size : _HEADER_OFFSET].tobytes()
    if _digest(content[: _PREAMBLE.size].tobytes(), header_bytes, code) != stored:
        raise FileFormatError(f"{name}: the file is corrupted: the checksum of header and code differs")
    gaps = (content[_HEADER_OFFSET + header_size : code_offset], content[code_offset + code_size : constants_offset])
    if any(gap.any() for gap in gaps):
        raise FileFormatError(f"{name}: the file is corrupted: there is something between its sections")
    header = _read_header(header_bytes, name)
    program = Program.from_dict(header["program"])
    check_target(program.target)
    constants = content[constants_offset : constants_offset + constants_size]
    if not share:
        copied = aligned_bytes(constants_size)
        copied[:] = constants
        constants = copied
    if verify and constants_checksum(constants) != header["constants_checksum"]:
        raise FileFormatError(f"{name}: the file is corrupted: the checksum of the constants differs")
    symbols = _read_symbols(header["symbols"], code, name)
    return FileContent(program, Image(code, symbols, header["driver_version"]), constants)


def _read_preamble(content: np.ndarray, name: str) -> tuple[int, int, int, int, int]:
    """Header size, offset and size of the code, offset and size of the constants, all within the file."""
    start = content[: _PREAMBLE.size].tobytes()
    if not is_compiled_model(start):
        raise FileFormatError(f"{name}: no compiled model: it begins with {start[:8]!r}, expected {MAGIC!r}")
    if content.size < _HEADER_OFFSET:
        raise FileFormatError(f"{name}: the file is truncated: {content.size} bytes")
    _, version, _, header_size, code_offset, code_size, constants_offset, constants_size, total = _PREAMBLE.unpack(
        start
    )
    if version != FILE_VERSION:
        raise FileFormatError(
            f"{name}: file version {version}: this runtime reads version {FILE_VERSION}; compile the model again"
        )
    if content.size != total:
        state = "truncated" if content.size < total else "corrupted"
        raise FileFormatError(f"{name}: the file is {state}: {content.size} bytes, expected {total}")
    in_order = _HEADER_OFFSET + header_size <= code_offset and code_offset + code_size <= constants_offset
    if not in_order or constants_offset + constants_size != total or constants_offset % PAGE_BYTES:
        raise FileFormatError(f"{name}: the file is corrupted: its sections overlap")
    return header_size, code_offset, code_size, constants_offset, constants_size


def _read_header(text: bytes, name: str) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{name}: the header is no JSON: {error}") from None
    if not isinstance(header, dict):
        raise FileFormatError(f"{name}: the header is no JSON object")
    for key, kind in _HEADER_FIELDS.items():
        if type(header.get(key)) is not kind:
            raise FileFormatError(f"{name}: the header holds no '{key}', or none that is a {kind.__name__}")
    return header


def _read_symbols(entries: dict[str, Any], code: bytes, name: str) -> dict[str, int]:
    """Where each function begins. Raises FileFormatError for one that does not begin there."""
    symbols = {}
    for symbol, entry in entries.items():
        if not isinstance(entry, list) or len(entry) != 2 or any(type(number) is not int for number in entry):
            raise FileFormatError(f"{name}: the symbols of the header are no offsets and marks")
        offset, mark = entry
        if not 0 <= offset < len(code) or _mark(symbol, code, offset) != mark:
            raise FileFormatError(f"{name}: the function '{symbol}' does not begin at byte {offset} of the code")
        symbols[symbol] = offset
    return symbols
