"""Index arithmetic kept symbolic: a constant plus SSA values with constant factors.

Unrolled loops and register tiles differ in the constant alone, and constants end up in the addressing modes of the
machine instead of in registers.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects import llvm
from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from .builder import Builder

# Products of longer sums are multiplied as a whole: distributing would cost more than it lets us share.
_LONGEST_DISTRIBUTED_SUM = 3


@dataclass(frozen=True, slots=True, eq=False)
class SymbolicIndex:
    """`constant + sum(factor * value)`, the terms from the outermost definition to the innermost."""

    constant: int
    terms: tuple[tuple[SSAValue, int], ...] = ()

    @property
    def is_constant(self) -> bool:
        return not self.terms


ZERO = SymbolicIndex(0)


class IndexMath:
    """Adds, multiplies and materialises indices for one function."""

    def __init__(self, builder: Builder):
        self._builder = builder
        self._order: dict[SSAValue, int] = {}

    def of(self, value: SSAValue) -> SymbolicIndex:
        """The index that is an `i64` value."""
        known = self._builder.known_value(value)
        if known is not None:
            return SymbolicIndex(int(known))
        self._order.setdefault(value, len(self._order))
        return SymbolicIndex(0, ((value, 1),))

    def add(self, first: SymbolicIndex, second: SymbolicIndex, factor: int = 1) -> SymbolicIndex:
        """`first + factor * second`."""
        constant = first.constant + factor * second.constant
        if not second.terms or factor == 0:
            return SymbolicIndex(constant, first.terms)
        if not first.terms and factor == 1:
            return SymbolicIndex(constant, second.terms)
        factors = dict(first.terms)
        for value, count in second.terms:
            factors[value] = factors.get(value, 0) + factor * count
        terms = sorted((item for item in factors.items() if item[1]), key=lambda item: self._order[item[0]])
        return SymbolicIndex(constant, tuple(terms))

    def multiply(self, first: SymbolicIndex, second: SymbolicIndex) -> SymbolicIndex:
        """`first * second`; products of two unknowns become instructions."""
        if first.is_constant:
            first, second = second, first
        if second.is_constant:
            return self.add(ZERO, first, second.constant)
        if len(first.terms) > _LONGEST_DISTRIBUTED_SUM:
            first = self.of(self.materialise(first))
        if len(second.terms) > _LONGEST_DISTRIBUTED_SUM:
            second = self.of(self.materialise(second))
        result = self.add(self.add(ZERO, first, second.constant), SymbolicIndex(0, second.terms), first.constant)
        for value, count in first.terms:
            for other, other_count in second.terms:
                pair = (value, other) if self._order[value] <= self._order[other] else (other, value)
                product = self._builder.int_binary(llvm.MulOp, *pair)
                result = self.add(result, self.of(product), count * other_count)
        return result

    def materialise(self, index: SymbolicIndex) -> SSAValue:
        """The index as an `i64` value."""
        if not index.terms:
            return self._builder.constant(index.constant, i64)
        total = self.materialise_terms(index.terms)
        if index.constant == 0:
            return total
        return self._builder.int_binary(llvm.AddOp, total, self._builder.constant(index.constant, i64))

    def materialise_terms(self, terms: tuple[tuple[SSAValue, int], ...]) -> SSAValue:
        """The sum of the terms, outermost first, so that partial sums leave inner loops."""
        builder = self._builder
        total: SSAValue | None = None
        for value, factor in terms:
            if factor == -1 and total is not None:
                total = builder.int_binary(llvm.SubOp, total, value)
                continue
            scaled = value if factor == 1 else builder.int_binary(llvm.MulOp, value, builder.constant(factor, i64))
            total = scaled if total is None else builder.int_binary(llvm.AddOp, total, scaled)
        assert total is not None
        return total
