"""What it costs to take a batch through stages a few images at a time: bytes that come from beyond the L2 cache.

Of a stage that touches more than L2 holds, all operands come from there; a direct convolution reads its input once for
each block of output channels, from there too if it is that large. Weights are read once for each step of the batch.
Costs are for one image, on average.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...dialects import shape as dims
from ...dialects.kernel import ConvOp, GatherOp
from ...dialects.layout import TensorType
from ...dialects.schedule import StageOp
from ...dialects.shape import Dim
from ...dialects.storage import buffer_bytes
from ..kernel.conv_costs import TYPICAL_SIZE

if TYPE_CHECKING:
    from ...machines import Target

TYPICAL_BATCHES = (4, 16, 64)
"""Numbers of images that a batch is taken to have where it is not known."""
STEPS_OF_ANY_BATCH = (1, 16)
"""How many images a step may take of a batch whose size is not known: one, for which kernels are made, or several."""
BYTES_OF_A_CALL = 4096
"""What could be read in the time that calling a kernel takes."""
BYTES_OF_A_CHANGE = 64 << 10
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

    @staticmethod
    def of(stage: StageOp, apart: Sequence[bool], images: Dim) -> StageBytes:
        read = sum(bytes_of_an_image(v.type, images) for v, own in zip(stage.ins, apart, strict=True) if own)
        written = sum(bytes_of_an_image(value.type, images) for value in stage.outs)
        whole = [value.type for value, own in zip(stage.ins, apart, strict=True) if not own]
        picks = isinstance(stage.kernel, GatherOp)
        weights = 0.0 if picks else sum(_known(buffer_bytes(type_)) for type_ in whole)  # pyright: ignore[reportArgumentType]
        return StageBytes(read, written, weights, _passes(stage))

    def cost(self, step: int, target: Target) -> float:
        """Of an image, where so many are taken at once."""
        touched = step * (self.read + self.written)
        moved = 0.0
        if touched > target.l2_bytes / 2:
            again = self.passes if step * self.read > target.l2_bytes / 2 else 1
            moved = again * self.read + self.written
        return moved + (self.weights + BYTES_OF_A_CALL) / step


def _passes(stage: StageOp) -> int:
    kernel = stage.kernel
    if not isinstance(kernel, ConvOp) or kernel.get("algorithm") != "direct":
        return 1
    return max(1, int(_known(kernel.type.dims[1])) // CHANNELS_OF_A_PASS)


def bytes_of_an_image(type_: object, images: Dim) -> float:
    """Of a tensor in memory, for each of so many images."""
    assert isinstance(type_, TensorType)
    return _known(dims.floordiv(buffer_bytes(type_), images))


def _known(size: Dim) -> float:
    if isinstance(size, int):
        return size
    return float(dims.substitute(size, dict.fromkeys(dims.symbols_of(size), TYPICAL_SIZE)))


def possible_steps(images: Dim) -> list[int]:
    """How many images a step may take, if not all."""
    if not isinstance(images, int):
        return list(STEPS_OF_ANY_BATCH)
    return [step for step in range(1, images // 2 + 1) if images % step == 0]


def batches_to_judge(images: Dim) -> Sequence[int]:
    return [images] if isinstance(images, int) else TYPICAL_BATCHES
