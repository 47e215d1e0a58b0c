"""Operations on text, which arrays hold as objects."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .elementwise import Arrays, Attributes, Operation


def _objects(elements: Sequence[Any], shape: Sequence[int]) -> np.ndarray:
    array = np.empty(len(elements), object)
    array[:] = elements
    return array.reshape(tuple(shape))


def _string_concat(inputs: Arrays, attributes: Attributes) -> Arrays:
    a, b = np.broadcast_arrays(*inputs)
    return [_objects([left + right for left, right in zip(a.flat, b.flat)], a.shape)]


def _string_split(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, delimiter = inputs
    separator = delimiter.reshape(-1)[0] or None
    pieces = [text.split(separator, attributes.get("splits", -1)) for text in x.flat]
    widest = max(map(len, pieces), default=0)
    padded = [piece for row in pieces for piece in (*row, *[""] * (widest - len(row)))]
    counts = np.array([len(row) for row in pieces], np.int64).reshape(x.shape)
    return [_objects(padded, (*x.shape, widest)), counts]


_CASES: dict[str, Callable[[str], str]] = {"none": str, "lower": str.lower, "upper": str.upper}


def _string_normalize(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, stop_words = inputs
    compared = str.lower if attributes.get("ignores_case") else str
    stops = {compared(word) for word in stop_words.flat}
    change = _CASES[attributes.get("case", "none")]
    kept = [change(text) for text in x.flat if compared(text) not in stops] or [""]
    return [_objects(kept, (*[1] * (x.ndim - 1), len(kept)))]


def _regex_full_match(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, pattern = inputs
    compiled = re.compile(pattern.reshape(-1)[0])
    return [np.array([compiled.fullmatch(text) is not None for text in x.flat], np.bool_).reshape(x.shape)]


def _tf_idf(inputs: Arrays, attributes: Attributes) -> Arrays:
    """Source: ONNX's definition of TfIdfVectorizer."""
    x, pool, starts, columns, *rest = inputs
    weights = rest[0] if rest else np.ones(len(columns), np.float32)
    shortest, longest, skips = attributes["shortest"], attributes["longest"], attributes.get("skips", 0)
    known = dict(_pooled(pool.tolist(), starts.tolist(), shortest, longest))
    result = np.zeros((*x.shape[:-1], int(columns.max(initial=-1)) + 1), np.float32)
    for row, counted in zip(x.reshape(-1, x.shape[-1]).tolist(), result.reshape(-1, result.shape[-1])):
        found = Counter(known[gram] for gram in _grams(row, shortest, longest, skips) if gram in known)
        for place, count in found.items():
            factor = {"tf": count, "idf": weights[place], "tfidf": count * weights[place]}[attributes.get("mode", "tf")]
            counted[columns[place]] = factor
    return [result]


def _pooled(pool: list[Any], starts: list[int], shortest: int, longest: int) -> Iterator[tuple[tuple[Any, ...], int]]:
    """The n-grams of the lengths that are asked for, each with its number among all."""
    number = 0
    for length, (start, end) in enumerate(zip(starts, [*starts[1:], len(pool)]), 1):
        for place in range(start, end - length + 1, length):
            if shortest <= length <= longest:
                yield tuple(pool[place : place + length]), number
            number += 1


def _grams(row: list[Any], shortest: int, longest: int, skips: int) -> Iterator[tuple[Any, ...]]:
    for length in range(shortest, longest + 1):
        for step in range(1, 1 + (skips + 1 if length > 1 else 1)):
            reach = step * (length - 1) + 1
            for start in range(len(row) - reach + 1):
                yield tuple(row[start : start + reach : step])


TEXT: dict[str, Operation] = {
    "string_concat": _string_concat,
    "string_split": _string_split,
    "string_normalize": _string_normalize,
    "regex_full_match": _regex_full_match,
    "tf_idf": _tf_idf,
}
