"""What translated loops call: loads and stores that stay inside their memory, and vectors in NumPy.

Values are arrays that nobody changes, so that what is stored or loaded is copied. Each raises IndexError where an
element lies outside of the memory.
"""

from __future__ import annotations

from functools import lru_cache
from time import monotonic
from typing import Any

import numpy as np


class OutOfTimeError(Exception):
    """The deadline passed."""


def _check_time(deadline: float) -> None:
    if monotonic() > deadline:
        raise OutOfTimeError


@lru_cache(maxsize=4096)
def tile_places(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """Distances of a tile's elements from its first, and the smallest of them."""
    places = np.zeros(shape, np.intp)
    for axis, (size, stride) in enumerate(zip(shape, strides, strict=True)):
        places += (np.arange(size) * stride).reshape([-1 if axis == other else 1 for other in range(len(shape))])
    return places, int(places.min(initial=0))


def _checked(start: int, tile: tuple[np.ndarray, int]) -> np.ndarray:
    places, lowest = tile
    if start + lowest < 0:
        raise IndexError(f"element {start + lowest} lies before the memory")
    return start + places


def _load(memory: np.ndarray, start: int, tile: tuple[np.ndarray, int]) -> np.ndarray:
    return memory[_checked(start, tile)]


def _load_row(memory: np.ndarray, start: int, count: int) -> np.ndarray:
    if start < 0 or start + count > memory.size:
        raise IndexError(f"elements {start} to {start + count} of memory that has {memory.size}")
    return memory[start : start + count].copy()


def _load_masked(
    memory: np.ndarray, start: int, tile: tuple[np.ndarray, int], mask: np.ndarray, otherwise: np.ndarray
) -> np.ndarray:
    result = np.array(np.broadcast_to(otherwise, mask.shape))
    places = start + tile[0][mask]
    if places.size and places.min() < 0:
        raise IndexError(f"element {places.min()} lies before the memory")
    result[mask] = memory[places]
    return result


def _store(memory: np.ndarray, start: int, tile: tuple[np.ndarray, int], value: np.ndarray) -> None:
    memory[_checked(start, tile)] = value


def _store_masked(
    memory: np.ndarray, start: int, tile: tuple[np.ndarray, int], mask: np.ndarray, value: np.ndarray
) -> None:
    places = start + tile[0][mask]
    if places.size and places.min() < 0:
        raise IndexError(f"element {places.min()} lies before the memory")
    memory[places] = value[mask]


def _store_row(memory: np.ndarray, start: int, count: int, value: np.ndarray) -> None:
    if start < 0 or start + count > memory.size:
        raise IndexError(f"elements {start} to {start + count} of memory that has {memory.size}")
    memory[start : start + count] = value


def _element(memory: np.ndarray, place: int) -> Any:
    if place < 0:
        raise IndexError(f"element {place} lies before the memory")
    return memory[place]


def _gathered(memory: np.ndarray, start: int, places: np.ndarray) -> np.ndarray:
    if places.size and start + int(places.min()) < 0:
        raise IndexError(f"element {start + int(places.min())} lies before the memory")
    return memory[start + places.astype(np.int64)]


def _typed_memory(memory: np.ndarray, shift: int, dtype: np.dtype) -> np.ndarray:
    """The buffer of another type that begins at a byte of ``memory``."""
    if shift < 0:
        raise IndexError(f"byte {shift} lies before the memory")
    rest = memory[shift:]
    return rest[: rest.size // dtype.itemsize * dtype.itemsize].view(dtype)


@lru_cache(maxsize=4096)
def _mask(shape: tuple[int, ...], sizes: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, np.bool_)
    mask[tuple(slice(max(size, 0)) for size in sizes)] = True
    return mask


def _turned(mask: np.ndarray, order: tuple[int, ...], repeated: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(np.expand_dims(mask.transpose(order), repeated), shape)


def _broadcast(value: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    result = np.empty(shape, dtype)
    result[...] = value
    return result


def _inserted(value: Any, whole: np.ndarray, position: tuple[int, ...]) -> np.ndarray:
    result = whole.copy()
    result[position] = value
    return result


def _fused(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """A product and a sum, rounded once (but for float64)."""
    wide = np.float64 if a.dtype == np.float32 else np.promote_types(a.dtype, np.float32)
    return np.add(np.multiply(a, b, dtype=wide), c).astype(a.dtype, copy=False)


def _contracted(left: np.ndarray, right: np.ndarray, sums: np.ndarray, atom_depth: int) -> np.ndarray:
    """The products over the depth, one after another, each added in one rounding to sums of their own type."""
    if atom_depth == 1:
        left, right = left[..., np.newaxis], right[..., np.newaxis]
    shape = (len(left), *[1] * (sums.ndim - 1))
    for step in range(left.shape[1]):
        for place in range(atom_depth):
            column = left[:, step, place].astype(sums.dtype).reshape(shape)
            row = right[step, ..., place].astype(sums.dtype)
            sums = sums + column * row if sums.dtype.kind in "iu" else _fused(column, row, sums)
    return sums


_FACTORS = {"i8": "int8", "ui8": "uint8", "i16": "int16", "bf16": "bfloat16"}


def _words_multiplied(left: np.ndarray, right: np.ndarray, sums: np.ndarray, factors: tuple[str, str]) -> np.ndarray:
    """Lane by lane the products of what the words hold, one after another, added to sums of their own type."""
    parts = [words[..., np.newaxis].view(_FACTORS[element]) for words, element in zip((left, right), factors)]
    for place in range(parts[0].shape[-1]):
        a, b = (part[..., place].astype(sums.dtype) for part in parts)
        sums = sums + a * b if sums.dtype.kind in "iu" else _fused(a, b, sums)
    return sums


HELPERS = {
    function.__name__: function
    for function in (
        _check_time, tile_places, _load, _load_row, _load_masked, _store, _store_masked, _store_row, _element,
        _gathered, _typed_memory, _mask, _turned, _broadcast, _inserted, _fused, _contracted, _words_multiplied,
    )
} | {"np": np}  # fmt: skip
