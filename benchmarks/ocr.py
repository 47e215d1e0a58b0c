"""Reading the text of a picture with two pre-trained networks: one finds the lines, one reads each of them.

The networks come from PP-OCRv4 (Apache-2.0). An engine is any function from the name of a network and its input to
its output, so that the same code runs Lamina and onnxruntime.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from PIL import Image, ImageDraw, ImageFont

from .models import real_model

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, the latter two exclusive."""

Engine = Callable[[str, np.ndarray], np.ndarray]

DETECTOR, READER = "ppocr_v4_det", "ppocr_v4_rec"
_LINE_HEIGHT = 48
_TEXT_PROBABILITY = 0.3
_SMALLEST_AREA = 60


@dataclass(frozen=True)
class Line:
    """A line of text found: where, what it says, and how sure the network is (0 to 1)."""

    box: Box
    text: str
    confidence: float


def draw_page(lines: list[str], size: tuple[int, int] = (640, 320)) -> Image.Image:
    """White paper with lines of black text, each in a size of its own."""
    page = Image.new("RGB", size, "white")
    canvas = ImageDraw.Draw(page)
    top = 24
    for index, text in enumerate(lines):
        font = ImageFont.load_default(size=36 - 4 * (index % 3))
        canvas.text((32 + 16 * (index % 2), top), text.replace(" ", "   "), fill="black", font=font)
        top += 68
    return page


def read_page(page: Image.Image, engine: Engine) -> list[Line]:
    """The lines of text in a picture, from top to bottom."""
    pixels = np.asarray(page.convert("RGB"))
    # The detector halves its input five times.
    height, width = (max(32, round(size / 32) * 32) for size in pixels.shape[:2])
    resized = np.asarray(page.convert("RGB").resize((width, height)))
    probability = engine(DETECTOR, _to_input(resized))[0, 0]
    lines = []
    for box in find_boxes(probability):
        left, top, right, bottom = _enlarged(box, width, height)
        crop = page.convert("RGB").crop(
            (
                left * page.width // width,
                top * page.height // height,
                right * page.width // width,
                bottom * page.height // height,
            )
        )
        lines.append(Line((left, top, right, bottom), *read_line(crop, engine)))
    return lines


def read_line(crop: Image.Image, engine: Engine) -> tuple[str, float]:
    """What one line of text says, and the confidence. The picture's width is free: the network takes any."""
    width = max(_LINE_HEIGHT, round(crop.width * _LINE_HEIGHT / crop.height))
    resized = np.asarray(crop.resize((width, _LINE_HEIGHT), Image.Resampling.BILINEAR))
    return decode(engine(READER, _to_input(resized))[0], characters())


def characters() -> list[str]:
    """The reader's alphabet: position 0 stands for 'no character here'."""
    metadata = onnx.load(real_model(READER)).metadata_props
    alphabet = next(entry.value for entry in metadata if entry.key == "character")
    return ["", *alphabet.splitlines(), " "]


def decode(probabilities: np.ndarray, alphabet: list[str]) -> tuple[str, float]:
    """The text of [steps, characters] probabilities: the best of each step, repetitions and blanks left out."""
    best = probabilities.argmax(axis=1)
    kept = best != 0
    kept[1:] &= best[1:] != best[:-1]
    text = "".join(alphabet[index] for index in best[kept])
    confidence = float(probabilities.max(axis=1)[kept].mean()) if kept.any() else 0.0
    return text, confidence


def find_boxes(probability: np.ndarray) -> list[Box]:
    """The bounding boxes of connected regions that are text, from top to bottom."""
    boxes: list[Box] = []
    areas: list[int] = []
    above: list[tuple[int, int, int]] = []
    for row, mask in enumerate(probability > _TEXT_PROBABILITY):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], mask, [0]))))
        current = []
        for start, end in edges.reshape(-1, 2).tolist():
            touching = sorted({region for begin, stop, region in above if begin < end and start < stop})
            region = touching[0] if touching else len(boxes)
            if not touching:
                boxes.append((start, row, end, row + 1))
                areas.append(0)
            for other in touching[1:]:
                _merge(boxes, areas, region, other)
                above = [(b, s, region if r == other else r) for b, s, r in above]
                current = [(b, s, region if r == other else r) for b, s, r in current]
            left, top, right, _ = boxes[region]
            boxes[region] = (min(left, start), top, max(right, end), row + 1)
            areas[region] += end - start
            current.append((start, end, region))
        above = current
    found = [box for box, area in zip(boxes, areas, strict=True) if area >= _SMALLEST_AREA]
    return sorted(found, key=lambda box: box[1])


def _merge(boxes: list[Box], areas: list[int], into: int, region: int) -> None:
    left, top, right, bottom = boxes[region]
    other = boxes[into]
    boxes[into] = (min(other[0], left), min(other[1], top), max(other[2], right), max(other[3], bottom))
    areas[into] += areas[region]
    areas[region] = 0


def _enlarged(box: Box, width: int, height: int) -> Box:
    """The detector marks the core of a line: grown by half its height it holds the letters whole."""
    left, top, right, bottom = box
    margin = round((bottom - top) * 0.5)
    return max(0, left - margin), max(0, top - margin), min(width, right + margin), min(height, bottom + margin)


def _to_input(pixels: np.ndarray) -> np.ndarray:
    """[height, width, 3] bytes as [1, 3, height, width] floats from -1 to 1, blue first as the networks were taught."""
    scaled = pixels[:, :, ::-1].astype(np.float32) / 127.5 - 1.0
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])


def load_page(path: Path) -> Image.Image:
    """The picture in a file."""
    return Image.open(path).convert("RGB")
