"""Dimension symbols during import: their names, fresh ones, and which are found to be equal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..dialects.dimension_attribute import is_element_type_name
from ..dialects.shape import canonical, print_dimension, same_dimension, symbol, symbols_of

if TYPE_CHECKING:
    from ..dialects.shape import Dim

_RESERVED = frozenset({"x", "floordiv", "mod", "max", "min", "and", "or", "not", "if", "else", "in", "is", "for"})


def sanitised(name: str) -> str:
    """A name that a symbol may have: ``p2o.DynamicDimension.0`` becomes ``p2o_DynamicDimension_0``."""
    text = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
    if not text:
        return "dim"
    if text[0].isdigit() or text in _RESERVED or is_element_type_name(text):
        text = f"d_{text}"
    return text


class Symbols:
    """The symbols of one model.

    ``unify`` records that two dimensions must be equal. A bare symbol is replaced by the other
    dimension everywhere at the end of import; other equations become checks of the run.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._by_source: dict[str, Dim] = {}
        self._replacements: dict[str, Dim] = {}
        self.checks: list[tuple[str, str, str]] = []

    def fresh(self, hint: str) -> Dim:
        """A symbol that no other dimension has."""
        base = sanitised(hint)
        name, suffix = base, 0
        while name in self._names:
            suffix += 1
            name = f"{base}_{suffix}"
        self._names.add(name)
        return symbol(name)

    def named(self, source: str) -> Dim:
        """The symbol of a dimension that the model names ``source``: the same for the same name."""
        if source not in self._by_source:
            self._by_source[source] = self.fresh(source)
        return self._by_source[source]

    def bind(self, source: str, dimension: Dim) -> None:
        """From now on the model's name stands for ``dimension``."""
        self._by_source[source] = dimension

    @property
    def has_replacements(self) -> bool:
        return bool(self._replacements)

    def resolve(self, dimension: Dim) -> Dim:
        """The dimension with replaced symbols replaced."""
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
            if not isinstance(one, int) and one.is_Symbol and one.name not in symbols_of(other):
                self._replacements[one.name] = other
                return True
        difference = canonical(left - right)
        if isinstance(difference, int):
            return False
        check = (print_dimension(left), print_dimension(right), why)
        if check not in self.checks:
            self.checks.append(check)
        return True

    def resolved_checks(self) -> list[tuple[str, str, str]]:
        """The checks with replaced symbols replaced, without those that always hold."""
        from ..dialects.shape import parse_dimension

        result: list[tuple[str, str, str]] = []
        for left_text, right_text, why in self.checks:
            left, right = (self.resolve(parse_dimension(text)) for text in (left_text, right_text))
            if not same_dimension(left, right):
                result.append((print_dimension(left), print_dimension(right), why))
        return result
