"""Arithmetic on indices at the loops level: Python integers for as long as they are known, else ``arith`` ops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, i1
from xdsl.ir import Operation, SSAValue

from .shared_attributes import integer

Index: TypeAlias = int | SSAValue
INDEX = IndexType()

_NO_OVERFLOW = {
    op: {"overflowFlags": arith.IntegerOverflowAttr("none")} for op in (arith.AddiOp, arith.SubiOp, arith.MuliOp)
}


class IndexArithmetic(ABC):
    """Computes indices where ``insert`` puts ops; what is known is folded and makes none."""

    @abstractmethod
    def insert(self, op: Operation) -> SSAValue:
        """Adds an op; gives its first result."""

    @abstractmethod
    def index_constant(self, value: int) -> SSAValue:
        """A constant of type index."""

    def value(self, index: Index) -> SSAValue:
        return self.index_constant(index) if isinstance(index, int) else index

    def values(self, indices: Sequence[Index]) -> list[SSAValue]:
        return [self.value(index) for index in indices]

    def _binary(self, op: type[Operation], left: Index, right: Index) -> SSAValue:
        return self.insert(
            op.create(
                operands=[self.value(left), self.value(right)],
                result_types=[INDEX],  # pyright: ignore[reportArgumentType, reportCallIssue]
                properties=_NO_OVERFLOW.get(op, {}),  # pyright: ignore[reportCallIssue, reportArgumentType]
            )
        )

    def add(self, left: Index, right: Index) -> Index:
        if isinstance(left, int) and isinstance(right, int):
            return left + right
        if left == 0 or right == 0:
            return right if isinstance(left, int) else left
        return self._binary(arith.AddiOp, left, right)

    def sub(self, left: Index, right: Index) -> Index:
        if isinstance(left, int) and isinstance(right, int):
            return left - right
        return left if isinstance(right, int) and right == 0 else self._binary(arith.SubiOp, left, right)

    def mul(self, left: Index, right: Index) -> Index:
        if isinstance(left, int) and isinstance(right, int):
            return left * right
        for one, other in ((left, right), (right, left)):
            if isinstance(one, int) and one in (0, 1):
                return other if one else 0
        return self._binary(arith.MuliOp, left, right)

    def floordiv(self, left: Index, right: Index) -> Index:
        """Of non-negative numbers by positive ones."""
        if isinstance(left, int) and isinstance(right, int):
            return left // right
        return left if isinstance(right, int) and right == 1 else self._binary(arith.DivUIOp, left, right)

    def mod(self, left: Index, right: Index) -> Index:
        """Of non-negative numbers by positive ones."""
        if isinstance(left, int) and isinstance(right, int):
            return left % right
        return 0 if isinstance(right, int) and right == 1 else self._binary(arith.RemUIOp, left, right)

    def signed_remainder(self, left: Index, right: Index) -> Index:
        """With the sign of ``left``, as machines have it; ``right`` is positive."""
        if isinstance(left, int) and isinstance(right, int):
            return left - right * int(left / right)
        return self._binary(arith.RemSIOp, left, right)

    def ceildiv(self, left: Index, right: Index) -> Index:
        return self.floordiv(self.add(left, self.sub(right, 1)), right)

    def minimum(self, left: Index, right: Index) -> Index:
        if isinstance(left, int) and isinstance(right, int):
            return min(left, right)
        return self._binary(arith.MinSIOp, left, right)

    def maximum(self, left: Index, right: Index) -> Index:
        if isinstance(left, int) and isinstance(right, int):
            return max(left, right)
        return self._binary(arith.MaxSIOp, left, right)

    def compare(self, predicate: str, left: Index, right: Index) -> SSAValue:
        """An i1 from ``slt``, ``sle``, ``sgt``, ``sge`` (signed), ``ult``, ``uge`` (unsigned), ``eq`` or ``ne``."""
        number = arith.CMPI_COMPARISON_OPERATIONS.index(predicate)
        return self.insert(
            arith.CmpiOp.create(
                operands=[self.value(left), self.value(right)],
                result_types=[i1],
                properties={"predicate": integer(number)},
            )
        )

    def split_index(self, flat: Index, bounds: Sequence[Index]) -> list[Index]:
        """The indices of a loop nest from its flattened index, the last bound innermost."""
        indices: list[Index] = []
        for bound in reversed(bounds[1:]):
            indices.append(self.mod(flat, bound))
            flat = self.floordiv(flat, bound)
        return [flat, *reversed(indices)] if bounds else []
