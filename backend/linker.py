"""Links object code into one flat, position-independent image.

An image is bytes that run wherever they are mapped at a page boundary: code first, then the constants it refers to by
distance. It has no external symbols and no places that depend on its address, so loading it is copying it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..runtime.image import Image
from .elf import EM_AARCH64, EM_X86_64, ObjectFile, Relocation, Section, Symbol, read_object
from .relocations import RelocationError, apply_aarch64, apply_x86_64

_PADDING = {EM_X86_64: b"\xcc", EM_AARCH64: b"\0"}
_CODE_ALIGNMENT = 64


class LinkError(Exception):
    """Objects that do not make an image; a defect of the compiler, not of the model. Says which symbol and why."""


@dataclass(frozen=True)
class Input:
    """An object to link, and the names under which its functions are visible where they differ from its own."""

    data: bytes
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Placed:
    object: ObjectFile
    section: Section
    address: int


def link(inputs: Iterable[Input]) -> Image:
    """One image from relocatable objects.

    Raises `LinkError` for undefined or duplicate symbols, and for absolute addresses.
    """
    inputs = list(inputs)
    files = [read_object(given.data) for given in inputs]
    if not files:
        raise LinkError("an image needs at least one object")
    machine = files[0].machine
    if machine not in _PADDING or any(file.machine != machine for file in files):
        raise LinkError(f"expected objects of one known machine, got {sorted({file.machine for file in files})}")
    placed, data = _lay_out(files, _PADDING[machine])
    addresses = {(id(item.object), item.section.index): item.address for item in placed}
    exported, functions = _exported_symbols(inputs, files, addresses)

    def address_of(file: ObjectFile, symbol: Symbol) -> int:
        if symbol.section is not None:
            base = addresses.get((id(file), symbol.section))
            if base is None:
                raise LinkError(f"symbol '{symbol.name}' lies in a section that the image does not hold")
            return base + symbol.value
        if symbol.name not in exported:
            raise LinkError(f"undefined symbol '{symbol.name}': generated code may call nothing outside of its image")
        return exported[symbol.name]

    apply = apply_x86_64 if machine == EM_X86_64 else apply_aarch64
    for item in placed:
        _relocate(item, data, address_of, apply)
    return Image(bytes(data), {name: exported[name] for name in sorted(functions)})


def _lay_out(files: list[ObjectFile], padding: bytes) -> tuple[list[_Placed], bytearray]:
    """Code of all files first, then their constants, each at its alignment."""
    data = bytearray()
    placed: list[_Placed] = []
    for wants_code in (True, False):
        for file in files:
            for section in file.sections:
                if section.is_code != wants_code:
                    continue
                alignment = max(section.alignment, _CODE_ALIGNMENT if wants_code else 1)
                data.extend(padding * (-len(data) % alignment))
                placed.append(_Placed(file, section, len(data)))
                data.extend(section.data)
    return placed, data


def _exported_symbols(
    inputs: Sequence[Input], files: Sequence[ObjectFile], addresses: dict[tuple[int, int], int]
) -> tuple[dict[str, int], set[str]]:
    """Where all visible symbols lie, and which of them are functions."""
    exported: dict[str, int] = {}
    functions: set[str] = set()
    for given, file in zip(inputs, files, strict=True):
        for symbol in file.symbols:
            if not symbol.is_global or symbol.section is None:
                continue
            for name in given.names.get(symbol.name, (symbol.name,)):
                if name in exported:
                    raise LinkError(f"symbol '{name}' is defined twice")
                exported[name] = addresses[(id(file), symbol.section)] + symbol.value
                if symbol.is_function:
                    functions.add(name)
    return exported, functions


def _relocate(
    item: _Placed,
    data: bytearray,
    address_of: Callable[[ObjectFile, Symbol], int],
    apply: Callable[[bytearray, int, Relocation, int], None],
) -> None:
    for relocation in item.section.relocations:
        target = address_of(item.object, relocation.symbol)
        try:
            apply(data, item.address + relocation.offset, relocation, target)
        except RelocationError as error:
            name = relocation.symbol.name or "a section"
            raise LinkError(f"{item.section.name}+{relocation.offset:#x}, which refers to {name}: {error}") from error
