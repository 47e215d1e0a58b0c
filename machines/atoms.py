"""Instructions that multiply and add, as data: a row each.

An atom computes, for each 32-bit lane of a vector, ``sums + a0 * b0 + a1 * b1 ...`` over ``depth`` products of elements
that lie side by side: those of the right operand packed as ``[K / depth][N][depth]``, those of the left repeated to all
lanes. One of ``rows`` x ``columns`` adds whole small matrices: of neighbouring rows of the left, and of columns of the
right. Whatever has no atom is widened to the type of the sums, multiplied and added element by element
(``GENERAL_ATOM``): by fused multiply-adds of f32 and f64, and exactly of integers.

Sources: Intel's Architecture Instruction Set Extensions Reference, Arm's Architecture Reference Manual.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TILE_ROWS = 16
"""Rows of a register that holds a matrix, and words in each."""
TILE_ROW_BYTES = 64
TILE_BAND = 2 * TILE_ROWS
"""Rows, and columns, of sums that two by two registers hold."""

GENERAL_ATOM = "multiply_add"
"""Multiplies and adds one element at a time, widened to the type of the sums: every machine can, for every type."""


@dataclass(frozen=True)
class Atom:
    """One instruction.

    ``lhs``, ``rhs`` and ``sums`` are types of elements; ``instructions`` LLVM's names by lanes; ``features`` those of
    LLVM that a machine must have: all of one of the alternatives. ``adds`` is false where the instruction gives
    products that are still to be added to the sums. ``flushes_denormals``: it takes them as zero, whatever mode the
    machine is in. Of ``steps`` words of the depth at once (``TILE_ROWS``) an instruction takes registers of whole
    matrices; ``rest`` is the atom for the rows and words that fill none. ``tuning``: LLVM's feature without which it
    may take the instruction apart again.
    """

    name: str
    lhs: str
    rhs: str
    sums: str
    depth: int
    instructions: Mapping[int, str]
    features: tuple[tuple[str, ...], ...]
    rows: int = 1
    columns: int = 1
    adds: bool = True
    flushes_denormals: bool = False
    steps: int = 1
    rest: str = GENERAL_ATOM
    tuning: str = ""

    @property
    def is_matrix(self) -> bool:
        """Whether vectors hold small matrices."""
        return self.rows > 1 and not self.is_tile

    @property
    def is_tile(self) -> bool:
        """Whether its registers are matrices of ``TILE_ROWS`` rows."""
        return self.steps > 1

    def multiplies(self, lhs: str, rhs: str, sums: str) -> bool:
        """Whether it takes elements of these types, as they stand or with left and right exchanged."""
        return self.sums == sums and ((lhs, rhs) == (self.lhs, self.rhs) or self.is_exchanged(lhs, rhs))

    def multiplies_widened(self, lhs: str, rhs: str, sums: str) -> bool:
        """Whether it takes elements of these types lane by lane, as they stand or widened first."""
        factors = zip((lhs, rhs), (self.lhs, self.rhs))
        fits = all(given == taken or given in _NARROWER.get(taken, ()) for given, taken in factors)
        return fits and self.sums == sums and self.rows == 1

    def is_exchanged(self, lhs: str, rhs: str) -> bool:
        """Whether the instruction has to take the right first: a product of two numbers is the same both ways.

        One of small matrices would give the sums transposed.
        """
        return self.rows == 1 and self.lhs != self.rhs and (rhs, lhs) == (self.lhs, self.rhs)


_NARROWER = {"i16": ("i8", "ui8")}
"""What each type holds all numbers of."""


def _by_bits(pattern: str, *bits: int) -> dict[int, str]:
    return {size // 32: pattern.format(size) for size in bits}


_NEON_BYTES = "llvm.aarch64.neon.{}.v4i32.v16i8"


def _neon(name: str, lhs: str, rhs: str, feature: str, *, is_matrix: bool = False) -> Atom:
    """Of bytes: dot products of four, or products of matrices of 2 x 8 and 8 x 2."""
    depth, size = (8, 2) if is_matrix else (4, 1)
    return Atom(name, lhs, rhs, "i32", depth, {4: _NEON_BYTES.format(name)}, ((feature,),), size, size)


def _amx(name: str, lhs: str, rhs: str, sums: str, depth: int, feature: str, rest: str = GENERAL_ATOM) -> Atom:
    return Atom(
        name, lhs, rhs, sums, depth, {TILE_ROWS: f"llvm.x86.{name}.internal"}, (("amx-tile", feature),),
        TILE_ROWS, TILE_ROWS, flushes_denormals=sums == "f32", steps=TILE_ROWS, rest=rest,
    )  # fmt: skip


_ROWS = (
    _amx("tdpbusd", "ui8", "i8", "i32", 4, "amx-int8", "vpdpbusd"),
    _amx("tdpbssd", "i8", "i8", "i32", 4, "amx-int8"),
    _amx("tdpbsud", "i8", "ui8", "i32", 4, "amx-int8"),
    _amx("tdpbuud", "ui8", "ui8", "i32", 4, "amx-int8"),
    _amx("tdpbf16ps", "bf16", "bf16", "f32", 2, "amx-bf16"),
    Atom(
        "vpdpbusd", "ui8", "i8", "i32", 4,
        _by_bits("llvm.x86.avx512.vpdpbusd.{}", 128, 256, 512),
        (("avx512vnni", "avx512vl"), ("avxvnni",)),
    ),
    Atom(
        "vpdpwssd", "i16", "i16", "i32", 2,
        _by_bits("llvm.x86.avx512.vpdpwssd.{}", 128, 256, 512),
        (("avx512vnni", "avx512vl"), ("avxvnni",)), tuning="+fast-dpwssd",
    ),
    Atom(
        "vpmaddwd", "i16", "i16", "i32", 2,
        {4: "llvm.x86.sse2.pmadd.wd", 8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"},
        (("sse2",),), adds=False,
    ),
    Atom(
        "vdpbf16ps", "bf16", "bf16", "f32", 2,
        _by_bits("llvm.x86.avx512bf16.dpbf16ps.{}", 128, 256, 512),
        (("avx512bf16", "avx512vl"),), flushes_denormals=True,
    ),
    _neon("sdot", "i8", "i8", "dotprod"),
    _neon("udot", "ui8", "ui8", "dotprod"),
    _neon("usdot", "ui8", "i8", "i8mm"),
    _neon("smmla", "i8", "i8", "i8mm", is_matrix=True),
    _neon("ummla", "ui8", "ui8", "i8mm", is_matrix=True),
    _neon("usmmla", "ui8", "i8", "i8mm", is_matrix=True),
    Atom(
        "bfdot", "bf16", "bf16", "f32", 2,
        {4: "llvm.aarch64.neon.bfdot.v4f32.v8bf16"}, (("bf16",),), flushes_denormals=True,
    ),
    Atom(
        "bfmmla", "bf16", "bf16", "f32", 4,
        {4: "llvm.aarch64.neon.bfmmla"}, (("bf16",),), 2, 2, flushes_denormals=True,
    ),
)  # fmt: skip

ATOMS: dict[str, Atom] = {atom.name: atom for atom in _ROWS}


def atoms_of(features: Mapping[str, bool]) -> tuple[str, ...]:
    """The names of a machine's atoms, by the features of LLVM that it has."""
    return tuple(
        atom.name
        for atom in _ROWS
        if any(all(features.get(name) for name in alternative) for alternative in atom.features)
    )
