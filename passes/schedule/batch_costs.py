"""What it costs to take a batch through stages a few images at a time: bytes that come from beyond the L2 cache.

What a stage reads was written last, and is in L2 if it fits there; if not, a direct convolution reads it once for each
block of output channels, but for what its epilogue reads and for pixels that strides step over. Weights are read once
for each step of the batch. Costs are for one image, on average.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...dialects import shape as dims
from ...dialects.kernel import ConvOp, GatherOp
from ...dialects.layout import TensorType
from ...dialects.schedule import StageOp
from ...dialects.shape import Dim
from ...dialects.storage import buffer_bytes

if TYPE_CHECKING:
    from ...machines import Target

TYPICAL_BATCHES = (4, 16, 64)
"""Numbers of images that a batch is taken to have where it is not known."""
TYPICAL_SIZES = (32, 320)
"""What stands for other sizes that are not known: a short text, and a long one or the side of a small picture."""
STEPS_OF_ANY_BATCH = (1, 16)
"""How many images a step may take of a batch whose size is not known: one, for which kernels are made, or several."""
STEPS = (*range(1, 65), *(1 << power for power in range(7, 17)))
"""How many images a step may take of a batch whose size is known: a batch may be of billions."""
BYTES_OF_A_CALL = 4096
"""What could be read in the time that calling a kernel takes."""
BYTES_OF_A_CHANGE = 128 << 10
"""The same for what two ways of taking the batch cost where they meet, beside what passes through."""
CHANNELS_OF_A_PASS = 32
"""Output channels that a direct convolution computes each time it reads its input."""


@dataclass(frozen=True)
class StageBytes:
    """What a stage reads and writes: of each image, and of weights."""

    read: float
    written: float
    weights: float
    passes: int
    """How often what is read is read."""
    beside: float = 0.0
    """What an epilogue reads, once."""

    @staticmethod
    def of(stage: StageOp, apart: Sequence[bool], images: Dim) -> list[StageBytes]:
        """For each of the sizes that others may have; one where all are known."""
        own = [value.type for value, flag in zip(stage.ins, apart, strict=True) if flag]
        whole = [value.type for value, flag in zip(stage.ins, apart, strict=True) if not flag]
        # Of a table that it picks from, a stage reads little.
        weights = sum(bytes_of_an_image(type_, 1)[0] for type_ in whole if not isinstance(stage.kernel, GatherOp))
        read = [bytes_of_an_image(type_, images) for type_ in own]
        written = [bytes_of_an_image(value.type, images) for value in stage.outs]
        # What an epilogue of a convolution reads comes after its image and weights, and is read once.
        split = 1 if isinstance(stage.kernel, ConvOp) else len(read)
        main, beside = read[:split], read[split:] or [(0.0,) * len(TYPICAL_SIZES)]
        sums = [map(sum, zip(*one, strict=True)) for one in (main, written, beside)]
        sizes = dict.fromkeys(zip(*sums, strict=True))
        part, passes = _part_read(stage), _passes(stage)
        return [StageBytes(part * reads, writes, weights, passes, extra) for reads, writes, extra in sizes]

    def cost(self, step: int, target: Target) -> float:
        """Of an image, where so many are taken at once."""
        again = self.passes if step * self.read > target.l2_bytes / 2 else 1
        moved = _moved(step, again * self.read, target) + _moved(step, self.written + self.beside, target)
        return moved + (self.weights + BYTES_OF_A_CALL) / step


def _moved(step: int, of_an_image: float, target: Target) -> float:
    """Bytes from beyond L2, those from beyond what is a core's of L3 twice: memory is so much slower."""
    if step * of_an_image <= target.l2_bytes / 2:
        return 0.0
    return of_an_image if step * of_an_image <= target.l3_bytes / 4 else 2 * of_an_image


def _passes(stage: StageOp) -> int:
    kernel = stage.kernel
    if not isinstance(kernel, ConvOp) or kernel.get("algorithm") != "direct":
        return 1
    channels = kernel.type.dims[1]
    return max(1, channels // CHANNELS_OF_A_PASS) if isinstance(channels, int) else 1


def _part_read(stage: StageOp) -> float:
    """The part of an image's pixels that windows of a convolution have in them: strides may step over others."""
    kernel = stage.kernel
    if not isinstance(kernel, ConvOp) or kernel.in_type(1).rank != 2 + len(kernel.get("strides")):
        return 1.0
    windows = zip(kernel.in_type(1).dims[2:], kernel.get("strides"), strict=True)
    return math.prod(min(1.0, size / stride) for size, stride in windows if isinstance(size, int))


@functools.lru_cache(maxsize=1024)
def bytes_of_an_image(type_: object, images: Dim) -> tuple[float, ...]:
    """Of a tensor in memory, for each of so many images; for each of the sizes that others may have."""
    assert isinstance(type_, TensorType)
    each = dims.floordiv(buffer_bytes(type_), images)
    symbols = dims.symbols_of(each)
    return tuple(float(dims.substitute(each, dict.fromkeys(symbols, size))) for size in TYPICAL_SIZES)


def possible_steps(images: Dim) -> list[int]:
    """How many images a step may take, if not all: those of :data:`STEPS` that divide them."""
    if not isinstance(images, int):
        return list(STEPS_OF_ANY_BATCH)
    return [step for step in STEPS if step <= images // 2 and images % step == 0]


def batches_to_judge(images: Dim) -> Sequence[int]:
    return [images] if isinstance(images, int) else TYPICAL_BATCHES
