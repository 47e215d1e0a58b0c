"""What decisions of kernels that multiply share: an atom, and whether the kernel's products are its own."""

from __future__ import annotations

from ..machines.atoms import ATOMS, GENERAL_ATOM
from .decision_fields import DecisionValue, Nest
from .kernel import ConvOp, GemmOp
from .operand_layouts import panel_depth, panel_width


class Multiplying(Nest):
    """Decisions of which one is the atom."""

    @property
    def has_tiles(self) -> bool:
        """Whether the atom's registers are whole matrices."""
        return is_tile(self.atom)  # pyright: ignore[reportAttributeAccessIssue]


def atom_depth(atom: DecisionValue | None) -> int:
    """How many products the atom of that name takes at once; 1 for the general one."""
    return ATOMS[atom].depth if isinstance(atom, str) and atom in ATOMS else 1


def is_tile(atom: str) -> bool:
    """Whether the registers of the atom of that name are whole matrices."""
    return atom in ATOMS and ATOMS[atom].is_tile


def atom_conflict(atom: str, kernel: GemmOp | ConvOp) -> str | None:
    """Why the kernel's products are not the atom's, or its weights are packed for another one."""
    is_packed = panel_width(kernel) or panel_depth(kernel) > 1
    if is_packed and panel_depth(kernel) != atom_depth(atom):
        return f"atom {atom} takes {atom_depth(atom)} at once, and the weights are packed by {panel_depth(kernel)}"
    if atom == GENERAL_ATOM:
        return None
    return None if ATOMS[atom].multiplies(*product_types(kernel)) else other_types(atom, kernel)


def product_types(kernel: GemmOp | ConvOp) -> tuple[str, str, str]:
    """The elements of the left and the right factor and of the sums, by name: im2col has the weights on the left."""
    left, right = (str(kernel.in_type(operand).element_type) for operand in (0, 1))
    if isinstance(kernel, ConvOp) and kernel.get("algorithm") == "im2col":
        left, right = right, left
    return left, right, str(kernel.sums_type)


def other_types(atom: str, kernel: GemmOp | ConvOp) -> str:
    row, (left, right, sums) = ATOMS[atom], product_types(kernel)
    return f"atom {atom} adds {row.lhs} times {row.rhs} to {row.sums}, and this is {left} times {right} to {sums}"
