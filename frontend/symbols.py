"""Dimension symbols during import: their names, fresh ones, and which are found to be equal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from ..dialects.dimension_attribute import is_element_type_name
from ..dialects.shape import (
    MAX_NAME_LENGTH,
    broadcast,
    broadcast_parts,
    canonical,
    is_static,
    is_symbol_name,
    maximum,
    minimum,
    multiply,
    parse_dimension,
    print_dimension,
    product,
    same_dimension,
    subtract,
    symbol,
    symbols_of,
)

if TYPE_CHECKING:
    import sympy

    from ..dialects.shape import Dim

# Two dimensions, as text, that must be equal, and why.
Check: TypeAlias = tuple[str, str, str]

# Leaves room for a prefix, and for the number that tells two symbols of one name apart.
_LONGEST_BASE = MAX_NAME_LENGTH - 20


def sanitised(name: str) -> str:
    """A name that a symbol may have: ``p2o.DynamicDimension.0`` becomes ``p2o_DynamicDimension_0``."""
    text = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:_LONGEST_BASE]
    if not text:
        return "dim"
    return f"d_{text}" if not is_symbol_name(text) or is_element_type_name(text) else text


def _is_part(size: Dim, wanted: Dim) -> bool:
    """Whether ``wanted`` is what ``size`` and others broadcast to, as is checked already."""
    return not isinstance(size, int) and set(broadcast_parts(size)) <= set(broadcast_parts(wanted))


class Symbols:
    """The symbols of one model.

    ``unify`` records that two dimensions must be equal. A bare symbol is replaced by the other
    dimension everywhere at the end of import; other equations become checks of the run.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._by_source: dict[str, Dim] = {}
        self._replacements: dict[str, Dim] = {}
        # Terms such as min(512, N), each with the dimension that a check makes it equal to.
        self._equal_terms: dict[sympy.Expr, Dim] = {}
        self.checks: list[Check] = []
        # Symbols that whoever runs the model may choose, each for itself.
        self._free: set[str] = set()
        # Names made in the innermost branch; None outside of branches.
        self._local: set[str] | None = None

    def fresh(self, hint: str) -> Dim:
        """A symbol that no other dimension has."""
        base = sanitised(hint)
        name, suffix = base, 0
        while name in self._names:
            suffix += 1
            name = f"{base}_{suffix}"
        self._names.add(name)
        if self._local is not None:
            self._local.add(name)
        return symbol(name)

    @contextmanager
    def branch(self) -> Iterator[list[Check]]:
        """While a body is imported that may not run: what it assumes becomes its own checks, which are given.

        Only symbols made inside are replaced, since others mean the same where the body does not run.
        """
        outer_checks, outer_local = self.checks, self._local
        self.checks, self._local = [], set()
        try:
            yield self.checks
        finally:
            self.checks, self._local = outer_checks, outer_local

    def made_in_branch(self) -> set[str]:
        """The names of the symbols made in the innermost branch so far."""
        return set(self._local or ())

    def named(self, source: str) -> Dim:
        """The symbol of a dimension that the model names ``source``: the same for the same name."""
        if source not in self._by_source:
            self._by_source[source] = self.fresh(source)
        return self._by_source[source]

    def declare_free(self, dims: Sequence[Dim]) -> None:
        """Whoever runs the model chooses the sizes that these dimensions of an input stand for."""
        self._free |= {str(size) for size in dims if not isinstance(size, int) and size.is_Symbol}

    def bind(self, source: str, dimension: Dim) -> None:
        """From now on the model's name stands for ``dimension``."""
        self._by_source[source] = dimension

    def source_names(self, *dimensions: Dim) -> list[str]:
        """The model's own names of the symbols that occur in dimensions."""
        used = symbols_of(*(self.resolve(dimension) for dimension in dimensions))
        return sorted(source for source, known in self._by_source.items() if symbols_of(known) & used)

    @property
    def has_replacements(self) -> bool:
        return bool(self._replacements or self._equal_terms)

    def resolve(self, dimension: Dim) -> Dim:
        """The dimension with replaced symbols and terms replaced."""
        while True:
            resolved = self._with_terms_replaced(self._with_symbols_replaced(dimension))
            if isinstance(resolved, int) or resolved == dimension:
                return resolved
            dimension = resolved

    def _with_terms_replaced(self, dimension: Dim) -> Dim:
        if isinstance(dimension, int) or not self._equal_terms or dimension.is_Symbol:
            return dimension
        return canonical(dimension.xreplace(self._equal_terms))  # pyright: ignore[reportArgumentType]

    def _with_symbols_replaced(self, dimension: Dim) -> Dim:
        if isinstance(dimension, int) or not self._replacements:
            return dimension
        names = symbols_of(dimension) & self._replacements.keys()
        while names and not isinstance(dimension, int):
            replaced = dimension.subs({symbol(name): self._replacements[name] for name in names})
            dimension = canonical(replaced)
            names = symbols_of(dimension) & self._replacements.keys()
        return dimension

    def unify(self, left: Dim, right: Dim, why: str) -> bool:
        """Takes both to be equal from now on. False where they can't be."""
        left, right = self.resolve(left), self.resolve(right)
        if isinstance(left, int) and isinstance(right, int):
            return left == right
        if same_dimension(left, right):
            return True
        for one, other in ((right, left), (left, right)):
            if not isinstance(one, int) and self._replaceable(one) and str(one) not in symbols_of(other):
                self._replacements[str(one)] = other
                return True
        difference = canonical(left - right)
        if isinstance(difference, int):
            return False
        self._check(left, right, why)
        self._make_equal(left, right)
        return True

    def broadcast(self, left: Dim, right: Dim, why: str) -> Dim | None:
        """What two dimensions that meet broadcast to; None where they can't.

        Of sizes that are free, or one of them, each run checks that they are equal or one of them 1. Others are
        taken to be equal: that H floordiv 2 is 1 where 2 * (H floordiv 4) is not is no case to spend time on.
        """
        left, right = self.resolve(left), self.resolve(right)
        if left == 1 or right == 1:
            return right if left == 1 else left
        if same_dimension(left, right):
            return left
        if self.decides(left, right):
            self._check_broadcast(left, right, why)
            return broadcast(left, right)
        if not self.unify(left, right, why):
            return None
        return right if isinstance(right, int) else left

    def repeats(self, size: Dim, wanted: Dim, why: str) -> bool:
        """Takes ``size`` to broadcast to ``wanted``. False where it can't."""
        size, wanted = self.resolve(size), self.resolve(wanted)
        if size == 1 or same_dimension(size, wanted):
            return True
        if not self.decides(size, wanted):
            return self.unify(size, wanted, why)
        if _is_part(size, wanted):
            return True
        reason = f"{why}: {print_dimension(size)} must be {print_dimension(wanted)} or 1"
        self._check(multiply(subtract(size, wanted), subtract(size, 1)), 0, reason)
        return True

    def decides(self, left: Dim, right: Dim) -> bool:
        """Whether only a run can tell if two dimensions that differ are equal or one of them is 1."""
        return not is_static((left, right)) and self._is_free(left) and self._is_free(right)

    def _is_free(self, dimension: Dim) -> bool:
        """Whether a run may give it any size: a known one too, since it may meet one that is."""
        parts = broadcast_parts(dimension)
        return all(isinstance(part, int) or (part.is_Symbol and str(part) in self._free) for part in parts)

    def _check_broadcast(self, left: Dim, right: Dim, why: str) -> None:
        if _is_part(left, right) or _is_part(right, left):
            return
        sides = [subtract(size, 1) for size in (left, right) if not isinstance(size, int)]
        text = " and ".join(print_dimension(size) for size in (left, right))
        self._check(product([subtract(left, right), *sides]), 0, f"{why}: {text} must be equal, or one of them 1")

    def _make_equal(self, left: Dim, right: Dim) -> None:
        """Where one side is a single term, it is written as the other side from now on."""
        if self._local is not None:
            return
        for one, other in ((left, right), (right, left)):
            contained = not isinstance(other, int) and not isinstance(one, int) and other.has(one)
            if not isinstance(one, int) and one.is_Function and not contained:
                self._equal_terms[one] = other
                return

    def _replaceable(self, dimension: sympy.Expr) -> bool:
        return dimension.is_Symbol and (self._local is None or str(dimension) in self._local)

    def _check(self, left: Dim, right: Dim, why: str) -> None:
        texts = print_dimension(left), print_dimension(right)
        if all({*texts} != {check[0], check[1]} for check in self.checks):
            self.checks.append((*texts, why))

    def require_at_least(self, dimension: Dim, least: Dim, why: str) -> bool:
        """Has the run check that a dimension is not below ``least``. False where it surely is."""
        dimension, least = self.resolve(dimension), self.resolve(least)
        if isinstance(dimension, int) and isinstance(least, int):
            return dimension >= least
        bounded = maximum(dimension, least)
        if not same_dimension(bounded, dimension):
            self._check(bounded, dimension, why)
        return True

    def require_at_most(self, dimension: Dim, most: int, why: str) -> None:
        """Has the run check that a dimension is not above ``most``."""
        self._check(minimum(dimension, most), dimension, why)

    def resolved(self, checks: list[Check]) -> list[Check]:
        """Checks with replaced symbols replaced, without those that always hold."""
        result: list[Check] = []
        for left_text, right_text, why in checks:
            # Not the terms: they are equal because of the checks.
            left, right = (self._with_symbols_replaced(parse_dimension(text)) for text in (left_text, right_text))
            if not same_dimension(left, right):
                result.append((print_dimension(left), print_dimension(right), why))
        return result
