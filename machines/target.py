"""What the compiler knows about a machine: numbers and capabilities, never names."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .atoms import ATOMS, Atom
from .costs import Costs
from .cpu.costs import CPU_COSTS


@dataclass(frozen=True)
class Target:
    """A machine to compile for.

    Passes ask for a number (`lanes`, `gemm_tile`, `l2_bytes`) or a capability (`fma`, `has_masks`); none asks for its
    name.
    Sizes are in bytes, per core except `l3_bytes`, which is shared.
    """

    name: str
    triple: str
    cpu: str
    features: tuple[str, ...]
    """LLVM target features, each with its sign (`+avx512vnni`)."""

    vector_bytes: int
    vector_registers: int
    gemm_tile: tuple[int, int]
    """The preferred fp32 register tile, MR rows by NR columns, accumulated without spills."""

    machine_class: str = "cpu"
    """What kind of machine it is, which decides the phases that a model goes through: a key of `pipeline.PHASES`."""
    tune: str = ""
    """The CPU whose scheduling model LLVM uses, if not the one of `cpu`.

    Out-of-order machines hide load latency themselves; a model that hoists loads for it spills register tiles.
    """
    fma: bool = True
    """Fused multiply-add; without it `vector.fma` becomes a multiply and an add."""
    has_masks: bool = False
    """Mask registers: any lane-wise operation, load or store takes a predicate."""
    masked_memory: bool = False
    """Masked loads and stores of 32 and 64-bit elements are single instructions."""
    native_rounding: bool = True
    """floor, ceil, trunc and roundeven are single instructions."""
    native_maximum: bool = False
    """One instruction computes the IEEE-754 maximum that propagates NaN."""
    f16_conversion: bool = True
    """f16 <-> f32 conversions are single instructions."""
    bf16_conversion: bool = False
    """f32 -> bf16 is a single instruction."""
    byte_lookup: str = ""
    """The instruction that looks bytes up in registers: ``vpermi2b`` among 128, ``tbl`` among 64; none where empty."""
    atoms: tuple[str, ...] = ()
    """Instructions that multiply and add narrow numbers: names of rows of `atoms.py`, the best of equal ones first."""

    l1_bytes: int = 32 << 10
    l2_bytes: int = 512 << 10
    l3_bytes: int = 8 << 20
    cache_line: int = 64
    stream_ahead: int = 0
    """Bytes from what a loop reads once, in order, to what it had better ask for meanwhile; 0: the machine does so."""
    fma_per_cycle: int = 2
    """Full-width fp32 multiply-adds that can start every cycle."""
    costs: Costs = CPU_COSTS
    """What work costs, as far as it is not told by the numbers above."""

    def atom_for(self, lhs: str, rhs: str, sums: str, *, tiles: bool = False) -> Atom | None:
        """The instruction for products of elements of these types; None where there is none but the general one.

        ``tiles`` asks for one whose registers are whole matrices.
        """
        atoms = (ATOMS[name] for name in self.atoms)
        return next((atom for atom in atoms if atom.is_tile == tiles and atom.multiplies(lhs, rhs, sums)), None)

    def without_flushing_atoms(self) -> tuple[str, ...]:
        """The atoms that compute with denormals as the machine's mode says."""
        return tuple(name for name in self.atoms if not ATOMS[name].flushes_denormals)

    @property
    def lanes(self) -> int:
        """How many 32-bit elements a vector register holds."""
        return self.vector_bytes // 4

    @property
    def peak(self) -> float:
        """Multiplications and additions of f32 in a second, on one core."""
        return 2.0 * self.lanes * self.fma_per_cycle * self.costs.gigahertz * 1e9

    @property
    def architecture(self) -> str:
        """`x86_64` or `aarch64`."""
        return self.triple.split("-", 1)[0]

    @property
    def feature_string(self) -> str:
        """The features in the form LLVM takes them, with those that keep the atoms whole."""
        return ",".join([*self.features, *(tuning for name in self.atoms if (tuning := ATOMS[name].tuning))])

    def to_dict(self) -> dict[str, Any]:
        """A JSON-serialisable description, enough to rebuild the target."""
        return asdict(self)

    @classmethod
    def from_dict(cls, description: dict[str, Any]) -> Target:
        """The inverse of `to_dict`."""
        fields = dict(description)
        fields["features"] = tuple(fields["features"])
        fields["gemm_tile"] = tuple(fields["gemm_tile"])
        fields["atoms"] = tuple(fields["atoms"])
        fields["costs"] = Costs(**fields["costs"])
        return cls(**fields)
