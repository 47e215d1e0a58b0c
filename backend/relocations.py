"""Writes distances into machine code: the relocations that LLVM leaves in x86-64 and AArch64 objects."""

from __future__ import annotations

import struct

from .elf import Relocation


class RelocationError(Exception):
    """A relocation that an image cannot hold: unknown, out of reach, or absolute."""


def _fits(value: int, bits: int) -> int:
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise RelocationError(f"a distance of {value} bytes does not fit {bits} bits")
    return value


# --- x86-64

_R_X86_64_64, _R_X86_64_32, _R_X86_64_32S = 1, 10, 11
_R_X86_64_PC32, _R_X86_64_PLT32, _R_X86_64_PC64 = 2, 4, 24
_R_X86_64_GOTPCREL, _R_X86_64_GOTPCRELX, _R_X86_64_REX_GOTPCRELX = 9, 41, 42
_MOV, _LEA = 0x8B, 0x8D


def apply_x86_64(data: bytearray, place: int, relocation: Relocation, target: int) -> None:
    """Patches the 4 or 8 bytes at `place` with the distance to `target`."""
    distance = target + relocation.addend - place
    kind = relocation.kind
    if kind in (_R_X86_64_PC32, _R_X86_64_PLT32):
        struct.pack_into("<i", data, place, _fits(distance, 32))
    elif kind == _R_X86_64_PC64:
        struct.pack_into("<q", data, place, distance)
    elif kind in (_R_X86_64_GOTPCREL, _R_X86_64_GOTPCRELX, _R_X86_64_REX_GOTPCRELX):
        _relax_table_access(data, place)
        struct.pack_into("<i", data, place, _fits(distance, 32))
    elif kind in (_R_X86_64_64, _R_X86_64_32, _R_X86_64_32S):
        raise RelocationError("an absolute address would tie the image to one place in memory")
    else:
        raise RelocationError(f"unknown x86-64 relocation {kind}")


def _relax_table_access(data: bytearray, place: int) -> None:
    """Turns an access by way of the global offset table into a direct one, as linkers do."""
    opcode = bytes(data[place - 2 : place])
    if opcode[0] == _MOV:
        data[place - 2] = _LEA
    elif opcode == b"\xff\x15":
        data[place - 2 : place] = b"\x67\xe8"
    else:
        raise RelocationError(f"no direct form of the instruction with opcode bytes {opcode.hex()}")


# --- AArch64

_R_AARCH64_ABS64, _R_AARCH64_ABS32 = 257, 258
_R_AARCH64_PREL64, _R_AARCH64_PREL32 = 260, 261
_R_AARCH64_LD_PREL_LO19, _R_AARCH64_ADR_PREL_LO21 = 273, 274
_R_AARCH64_ADR_PREL_PG_HI21, _R_AARCH64_ADD_ABS_LO12_NC = 275, 277
_R_AARCH64_TSTBR14, _R_AARCH64_CONDBR19, _R_AARCH64_JUMP26, _R_AARCH64_CALL26 = 279, 280, 282, 283
_R_AARCH64_ADR_GOT_PAGE, _R_AARCH64_LD64_GOT_LO12_NC = 311, 312

# Loads and stores scale their offset by the size of what they access.
_LDST_SHIFTS = {278: 0, 284: 1, 285: 2, 286: 3, 299: 4}
# Branch-like instructions: width and position of a distance in units of 4 bytes.
_WORD_FIELDS = {
    _R_AARCH64_LD_PREL_LO19: (19, 5),
    _R_AARCH64_TSTBR14: (14, 5),
    _R_AARCH64_CONDBR19: (19, 5),
    _R_AARCH64_JUMP26: (26, 0),
    _R_AARCH64_CALL26: (26, 0),
}


def _patch(data: bytearray, place: int, value: int, bits: int, position: int) -> None:
    """Replaces a field of an instruction word."""
    (word,) = struct.unpack_from("<I", data, place)
    mask = ((1 << bits) - 1) << position
    struct.pack_into("<I", data, place, (word & ~mask) | ((value << position) & mask))


def _patch_adr(data: bytearray, place: int, value: int) -> None:
    """ADR and ADRP keep the two low bits of their distance apart."""
    value = _fits(value, 21)
    _patch(data, place, value & 3, 2, 29)
    _patch(data, place, value >> 2, 19, 5)


def apply_aarch64(data: bytearray, place: int, relocation: Relocation, target: int) -> None:
    """Patches the instruction or the word at `place`; pages assume that the image starts at a page boundary."""
    address = target + relocation.addend
    distance = address - place
    kind = relocation.kind
    if kind in _WORD_FIELDS:
        bits, position = _WORD_FIELDS[kind]
        if distance % 4:
            raise RelocationError(f"a distance of {distance} bytes is no whole number of instructions")
        _patch(data, place, _fits(distance >> 2, bits), bits, position)
    elif kind in (_R_AARCH64_ADR_PREL_PG_HI21, _R_AARCH64_ADR_GOT_PAGE):
        _patch_adr(data, place, (address >> 12) - (place >> 12))
    elif kind == _R_AARCH64_ADR_PREL_LO21:
        _patch_adr(data, place, distance)
    elif kind == _R_AARCH64_ADD_ABS_LO12_NC:
        _patch(data, place, address & 0xFFF, 12, 10)
    elif kind in _LDST_SHIFTS:
        shift = _LDST_SHIFTS[kind]
        if address & ((1 << shift) - 1):
            raise RelocationError(f"address {address:#x} is not aligned to {1 << shift} bytes")
        _patch(data, place, (address & 0xFFF) >> shift, 12, 10)
    elif kind == _R_AARCH64_LD64_GOT_LO12_NC:
        _load_to_add(data, place)
        _patch(data, place, address & 0xFFF, 12, 10)
    elif kind == _R_AARCH64_PREL32:
        struct.pack_into("<i", data, place, _fits(distance, 32))
    elif kind == _R_AARCH64_PREL64:
        struct.pack_into("<q", data, place, distance)
    elif kind in (_R_AARCH64_ABS64, _R_AARCH64_ABS32):
        raise RelocationError("an absolute address would tie the image to one place in memory")
    else:
        raise RelocationError(f"unknown AArch64 relocation {kind}")


def _load_to_add(data: bytearray, place: int) -> None:
    """`ldr x1, [x0, :got_lo12:s]` -> `add x1, x0, :lo12:s`: the address itself instead of a table entry."""
    (word,) = struct.unpack_from("<I", data, place)
    registers = word & 0x3FF
    struct.pack_into("<I", data, place, 0x91000000 | registers)
