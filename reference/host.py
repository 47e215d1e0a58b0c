"""Pictures in files, and what is computed once."""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np

from .elementwise import Arrays, Attributes, Operation, widened


def _decode_image(inputs: Arrays, attributes: Attributes) -> Arrays:
    try:  # Nothing else needs it: what runs a model asks for NumPy alone.
        pillow: Any = importlib.import_module("PIL.Image")
    except ImportError:
        raise RuntimeError("pictures are decoded by Pillow, which is not installed: pip install pillow") from None
    picture = pillow.open(io.BytesIO(inputs[0].tobytes()))
    if attributes.get("pixels") == "grayscale":
        return [np.asarray(picture.convert("L"))[:, :, None]]
    pixels = np.asarray(picture.convert("RGB"))
    return [pixels[:, :, ::-1] if attributes.get("pixels") == "bgr" else pixels]


def _mel_weights(inputs: Arrays, attributes: Attributes) -> Arrays:
    """Source: ONNX's definition of MelWeightMatrix."""
    bins, length, rate, low, high = (value.item() for value in inputs)
    mel = 2595 / np.log(10) * np.log1p(np.array([low, high], np.float64) / 700)
    edges = mel[0] + np.arange(bins + 2) * (mel[1] - mel[0]) / (bins + 2)
    hertz = 700 * np.expm1(edges / 2595 * np.log(10))
    places = ((length + 1) * hertz // rate).astype(np.int64)
    weights = np.zeros((length // 2 + 1, bins))
    for column, (left, centre, right) in enumerate(zip(places, places[1:], places[2:])):
        rising, falling = np.arange(left, centre + 1), np.arange(centre, right)
        weights[rising, column] = (rising - left) / (centre - left) if centre > left else 1
        weights[falling, column] = (right - falling) / (right - centre) if right > centre else 0
    return [weights.astype(np.dtype(attributes["dtype"]))]


def _determinant(inputs: Arrays, attributes: Attributes) -> Arrays:
    (x,) = inputs
    return [np.asarray(np.linalg.det(widened(x).astype(np.float64))).astype(x.dtype)]


HOST: dict[str, Operation] = {
    "decode_image": _decode_image,
    "mel_weights": _mel_weights,
    "determinant": _determinant,
}
