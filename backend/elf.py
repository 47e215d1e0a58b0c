"""Reads relocatable ELF64 objects, as far as compiled code needs: sections, symbols, relocations."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

EM_X86_64, EM_AARCH64 = 62, 183

_SHT_PROGBITS, _SHT_SYMTAB, _SHT_STRTAB, _SHT_RELA, _SHT_NOBITS = 1, 2, 3, 4, 8
_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR = 1, 2, 4
_SHN_UNDEF, _SHN_ABS = 0, 0xFFF1
_STB_LOCAL, _STT_FUNC, _STT_SECTION, _STT_FILE = 0, 2, 3, 4

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELA = struct.Struct("<QQq")

# Not needed to run code that neither throws nor is debugged.
_DROPPED_PREFIXES = (".eh_frame", ".note", ".comment", ".llvm_addrsig", ".debug")


class ObjectFormatError(Exception):
    """Bytes that are no object of ours, or an object with contents that an image cannot hold."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name for a place in a section (`section` is `None`: defined elsewhere)."""

    name: str
    section: int | None
    value: int
    is_global: bool
    is_function: bool


@dataclass(frozen=True, slots=True)
class Relocation:
    """A place in a section that depends on where a symbol ends up."""

    offset: int
    kind: int
    symbol: Symbol
    addend: int


@dataclass(slots=True)
class Section:
    """Bytes that go into the image."""

    index: int
    name: str
    data: bytes
    alignment: int
    is_code: bool
    relocations: list[Relocation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """An object's machine, its sections that go into an image, and its symbols."""

    machine: int
    sections: list[Section]
    symbols: list[Symbol]


def _text_at(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode()


def read_object(data: bytes) -> ObjectFile:
    """Parses one relocatable object. Raises `ObjectFormatError`."""
    if len(data) < _HEADER.size or data[:4] != b"\x7fELF" or data[4] != 2 or data[5] != 1:
        raise ObjectFormatError("not a little-endian ELF64 file")
    header = _HEADER.unpack_from(data)
    kind, machine, section_offset, section_count, names_index = header[1], header[2], header[6], header[12], header[13]
    if kind != 1:
        raise ObjectFormatError(f"expected a relocatable object, got ELF type {kind}")
    headers = [_SECTION.unpack_from(data, section_offset + number * _SECTION.size) for number in range(section_count)]

    def contents(number: int) -> bytes:
        return data[headers[number][4] : headers[number][4] + headers[number][5]]

    names = contents(names_index)
    sections: dict[int, Section] = {}
    for number, (name_offset, section_type, flags, _, _, size, _, _, alignment, _) in enumerate(headers):
        name = _text_at(names, name_offset)
        if not flags & _SHF_ALLOC or size == 0 or name.startswith(_DROPPED_PREFIXES):
            continue
        if section_type not in (_SHT_PROGBITS, _SHT_NOBITS) or (flags & _SHF_WRITE and name != ".data.rel.ro"):
            raise ObjectFormatError(f"section {name} is writable data: an image holds code and constants only")
        sections[number] = Section(number, name, contents(number), max(1, alignment), bool(flags & _SHF_EXECINSTR))
    symbols = _read_symbols(headers, contents)
    for number, section_header in enumerate(headers):
        if section_header[1] == _SHT_RELA and section_header[7] in sections:
            target = sections[section_header[7]]
            for offset, info, addend in _RELA.iter_unpack(contents(number)):
                target.relocations.append(Relocation(offset, info & 0xFFFFFFFF, symbols[info >> 32], addend))
    return ObjectFile(machine, list(sections.values()), symbols)


def _read_symbols(headers: list[tuple[int, ...]], contents) -> list[Symbol]:
    for number, section_header in enumerate(headers):
        if section_header[1] != _SHT_SYMTAB:
            continue
        names = contents(section_header[6])
        result: list[Symbol] = []
        for name_offset, info, _, section, value, _ in _SYMBOL.iter_unpack(contents(number)):
            where = None if section == _SHN_UNDEF else section
            result.append(
                Symbol(_text_at(names, name_offset), where, value, info >> 4 != _STB_LOCAL, info & 15 == _STT_FUNC)
            )
        return result
    return []
