"""Matches the shapes of arrays with declared types, and binds symbols on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .errors import InputError
from .expressions import Dimension, evaluate, is_symbol
from .program import ArrayType


def describe_shape(shape: Sequence[Dimension]) -> str:
    return "[" + ", ".join(str(dimension) for dimension in shape) + "]"


class Binder:
    """The values of symbols, found in one array after the other; ``finish`` checks what had to wait for them."""

    def __init__(self, symbols: dict[str, int] | None = None):
        self.symbols: dict[str, int] = {} if symbols is None else symbols
        self._sources: dict[str, str] = {}
        self._waiting: list[tuple[str, int, str, int, Sequence[Dimension]]] = []

    def match(self, what: str, shape: Sequence[int], tensor: ArrayType) -> None:
        """Raises InputError where rank or a dimension differs; ``what`` names the array in the message."""
        declared = tensor.shape
        if len(shape) != len(declared):
            raise InputError(
                f"{what}: expected {len(declared)} dimensions, {describe_shape(declared)}, "
                f"got {len(shape)}, {describe_shape(shape)}"
            )
        for axis, (size, dimension) in enumerate(zip(shape, declared, strict=True)):
            if isinstance(dimension, int):
                if size != dimension:
                    raise InputError(_mismatch(what, declared, shape, axis, f"must be {dimension}"))
            elif is_symbol(dimension):
                self._match_symbol(what, dimension, size, axis, declared, shape)
            else:
                self._waiting.append((what, axis, dimension, size, declared))

    def _match_symbol(
        self, what: str, name: str, size: int, axis: int, declared: Sequence[Dimension], shape: Sequence[int]
    ) -> None:
        bound = self.symbols.setdefault(name, size)
        if bound != size:
            source = self._sources.get(name)
            origin = f", from {source}" if source else ""
            raise InputError(_mismatch(what, declared, shape, axis, f"must be {bound} ({name} = {bound}{origin})"))
        self._sources.setdefault(name, f"dimension {axis} of {what}")

    def finish(self) -> dict[str, int]:
        """All symbols. Raises InputError where an expression does not have the value that its array has."""
        for what, axis, dimension, size, declared in self._waiting:
            expected = evaluate(dimension, self.symbols)
            if expected != size:
                raise InputError(
                    f"{what}: expected shape {describe_shape(declared)}: dimension {axis} is {size} "
                    f"but {dimension} = {expected}"
                )
        self._waiting.clear()
        return self.symbols


def _mismatch(what: str, declared: Sequence[Dimension], shape: Sequence[int], axis: int, rule: str) -> str:
    return (
        f"{what}: expected shape {describe_shape(declared)}, got {describe_shape(shape)}: "
        f"dimension {axis} is {shape[axis]} but {rule}"
    )


def without_vanishing(array: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """The array without those of the axes that have length 1."""
    return array.reshape([size for axis, size in enumerate(array.shape) if size != 1 or axis not in axes])
