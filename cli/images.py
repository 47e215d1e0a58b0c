"""Pictures as inputs of a model.

A picture becomes what most vision models are trained on, and each step can be said otherwise or done beforehand (.npy):

- RGB where the channel dim of the input is 3, grey where it is 1; turned as its EXIF data says;
- resized to the input's height and width, bilinear and without keeping the aspect; where these are free, as it is;
- channels before or behind height and width, wherever the input has a dim of 3 or 1;
- for inputs of floats scaled to 0 .. 1, then ``(value - mean) / std`` by channel; integers stay 0 .. 255.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..runtime.errors import LaminaError

if TYPE_CHECKING:
    from PIL import Image

    from ..runtime.executable import TensorInfo

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class Normalization:
    """By channel, or one number for all; on the scale of 0 .. 1."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)


@dataclass(frozen=True)
class ImageLayout:
    """Where an input of dims ``shape`` has its channels, height and width; ``channels`` is None without that axis."""

    shape: tuple[int | str, ...]
    channels: int | None
    height: int
    width: int

    @property
    def is_grey(self) -> bool:
        return self.channels is None or self.shape[self.channels] == 1


def find_layout(name: str, shape: Sequence[int | str]) -> ImageLayout:
    """The layout of an input that takes a picture. Raises LaminaError where there is none."""
    dims = tuple(shape)
    rank = len(dims)
    if rank == 2:
        return ImageLayout(dims, None, 0, 1)
    if rank in (3, 4):
        first, last = rank - 3, rank - 1
        if dims[first] in (1, 3) or (dims[last] not in (1, 3) and isinstance(dims[first], str)):
            return ImageLayout(dims, first, first + 1, first + 2)
        if dims[last] in (1, 3):
            return ImageLayout(dims, last, first, first + 1)
    text = " x ".join(map(str, dims)) or "scalar"
    raise LaminaError(
        f"input '{name}' is {text}, which is no picture: expected N x 3 x H x W, N x H x W x 3 or the like, with 3 or "
        "1 channels; prepare it and give it as a .npy file"
    )


def read_image(path: Path, info: TensorInfo, normalization: Normalization) -> np.ndarray:
    """The picture as the input takes it, repeated along a batch. Raises LaminaError."""
    layout = find_layout(info.name, info.shape)
    pixels = np.asarray(_load(path, layout))  # H x W or H x W x 3
    pixels = np.atleast_3d(pixels)
    if info.dtype.kind in "fV":
        values = (pixels.astype(np.float32) / np.float32(255) - _by_channel(normalization.mean, pixels)) / _by_channel(
            normalization.std, pixels
        )
    elif normalization == Normalization():
        values = pixels
    else:
        raise LaminaError(f"input '{info.name}' is of {info.dtype}, and takes no --mean and --std")
    if layout.channels is None:
        values = values[:, :, 0]
    elif layout.channels < layout.height:
        values = values.transpose(2, 0, 1)
    if len(layout.shape) == 4:
        batch = layout.shape[0]
        values = np.repeat(values[None], batch if isinstance(batch, int) else 1, axis=0)
    return np.ascontiguousarray(values.astype(info.dtype))


def _load(path: Path, layout: ImageLayout) -> Image.Image:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise LaminaError("reading a picture needs Pillow: pip install pillow, or give a .npy file") from error
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened).convert("L" if layout.is_grey else "RGB")
    except (Image.DecompressionBombError, Image.UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise LaminaError(f"'{path}' is no picture that Pillow can read: {error}") from error
    height, width = layout.shape[layout.height], layout.shape[layout.width]
    size = (width if isinstance(width, int) else image.width, height if isinstance(height, int) else image.height)
    return image if size == image.size else image.resize(size, Image.Resampling.BILINEAR)


def _by_channel(values: tuple[float, ...], pixels: np.ndarray) -> np.ndarray:
    channels = pixels.shape[2]
    if len(values) not in (1, channels):
        raise LaminaError(f"--mean and --std take one number or {channels}, one a channel, not {len(values)}")
    return np.array(values, np.float32)
