"""Matches the shapes of arrays with declared types, and binds symbols on the way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from .errors import InputError
from .expressions import Dimension, compile_dimensions, evaluate, is_symbol, symbols_of
from .program import ArrayType, Check


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


class ShapeMatcher:
    """What ``Binder`` finds, in one compiled function, for shapes that fit."""

    def __init__(self, tensors: Sequence[ArrayType], checks: Sequence[Check]):
        places: dict[str, tuple[int, int]] = {}
        for number, tensor in enumerate(tensors):
            for axis, dimension in enumerate(tensor.shape):
                if isinstance(dimension, str) and is_symbol(dimension):
                    places.setdefault(dimension, (number, axis))
        self._ranks = [len(tensor.shape) for tensor in tensors]
        self._places = places
        sides = [side for check in checks for side in (check.left, check.right)]
        self._count = sum(self._ranks)
        dimensions = [*(dimension for tensor in tensors for dimension in tensor.shape), *sides]
        is_bound = symbols_of(*dimensions) <= places.keys()
        self._function = compile_dimensions(dimensions, list(places)) if is_bound else None

    def symbols(self, shapes: Sequence[tuple[int, ...]]) -> dict[str, int] | None:
        """Of the symbols; None where the shapes do not fit, or are not enough to tell."""
        if self._function is None or list(map(len, shapes)) != self._ranks:
            return None
        symbols = {name: shapes[number][axis] for name, (number, axis) in self._places.items()}
        values = self._function(*symbols.values())
        sides = values[self._count :]
        if values[: self._count] != tuple(chain.from_iterable(shapes)) or sides[::2] != sides[1::2]:
            return None
        return symbols


def _mismatch(what: str, declared: Sequence[Dimension], shape: Sequence[int], axis: int, rule: str) -> str:
    return (
        f"{what}: expected shape {describe_shape(declared)}, got {describe_shape(shape)}: "
        f"dimension {axis} is {shape[axis]} but {rule}"
    )


def without_vanishing(array: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """The array without those of the axes that have length 1."""
    return array.reshape([size for axis, size in enumerate(array.shape) if size != 1 or axis not in axes])
