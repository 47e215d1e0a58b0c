"""Numbers as text, and text as numbers: how Cast writes and reads them."""

from __future__ import annotations

import numpy as np

_SPECIAL = {"inf": "INF", "-inf": "-INF", "nan": "NaN"}


def spelled(x: np.ndarray) -> np.ndarray:
    """Each number as text, with as few digits as tell it from others of its type; INF, -INF and NaN."""
    exact = x if x.dtype.kind in "biuf" else x.astype(np.float32)
    text = np.empty(x.shape, object)
    text.reshape(-1)[:] = [_SPECIAL.get(word, word) for word in exact.reshape(-1).astype(str).tolist()]
    return text


def read(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The number that each text stands for. Raises ValueError where it stands for none."""
    parse = int if dtype.kind in "iu" else float
    wide = {"i": np.int64, "u": np.uint64}.get(dtype.kind, np.float64)
    numbers = np.array([parse(text) for text in x.reshape(-1).tolist()], wide)
    return (numbers != 0 if dtype == np.bool_ else numbers.astype(dtype)).reshape(x.shape)
