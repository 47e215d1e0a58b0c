"""Convolves pixel by pixel before an image is enlarged, rather than after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph.types import f32
from ...dialects.storage import element_bytes
from ..typical_sizes import known_size
from .rewriting import Rewriter, defined_by, erase_unused, fields_of, graph_blocks, type_of

if TYPE_CHECKING:
    from ...machines import Target

# A number of the enlarged image is written, and read again, beside what is read to make it.
ACCESSES = 2


@dataclass(frozen=True)
class GraphConvolveBeforeResizePass(ModulePass):
    """A 1 x 1 convolution and an interpolation of the image change places where the image grows.

    before::

        %1 = graph.resize linear %x : (!graph.tensor<1 x 256 x 16 x 16 x f32>) -> !graph.tensor<1 x 256 x 64 x 64 x f32>
        %2 = graph.conv %1, %w, %bias : (...) -> !graph.tensor<1 x 19 x 64 x 64 x f32>

    after::

        %1 = graph.conv %x, %w, %bias : (...) -> !graph.tensor<1 x 19 x 16 x 16 x f32>
        %2 = graph.resize linear %1 : (...) -> !graph.tensor<1 x 19 x 64 x 64 x f32>

    A pixel between others is their weighted mean, whose weights are the same for all channels and add up to one: means
    of products are products of means. Where enlarged images are concatenated first, each is convolved with its part of
    the weights and then enlarged, and the results are added::

        before:  conv(concat(resize(x), y), w)
        after:   resize(conv(x, w[:, :C])) + conv(y, w[:, C:])

    Only in f32, and where the products that are saved take longer than channels that become more.
    """

    name = "graph-convolve-before-resize"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewriter, target = Rewriter(ctx), ctx.target  # pyright: ignore[reportAttributeAccessIssue]
        for block in graph_blocks(op):
            for operation in list(block.ops):
                if isinstance(operation, graph.ConvOp):
                    convolve_before_resize(operation, rewriter, target)


def convolve_before_resize(conv: graph.ConvOp, rewriter: Rewriter, target: Target) -> None:
    if not _is_pointwise(conv) or rewriter.array(conv.w) is None:
        return
    parts = _parts(conv.x)
    resizes = [_enlargement(part, conv, target) for part in parts]
    if not any(resizes) or not all(isinstance(type_of(part).dims[1], int) for part in parts):
        return
    weights = _weights_of(parts, conv, rewriter)
    # Interpolation leaves what all pixels have in common as it is, but rounds it: the bias goes where there is none.
    biased = next((index for index, resize in enumerate(resizes) if resize is None), 0)
    images: list[SSAValue] = []
    for index, (part, resize, w) in enumerate(zip(parts, resizes, weights, strict=True)):
        bias = [conv.bias] if conv.bias is not None and index == biased else []
        images.append(_convolved(conv, part, resize, [w, *bias], rewriter))
    total = images[biased]
    for index, image in enumerate(images):
        if index != biased:
            total = rewriter.insert(conv, graph.AddOp([total, image]))
    image = conv.x.owner
    rewriter.replace(conv, [total])
    erase_unused(image)


def _is_pointwise(conv: graph.ConvOp) -> bool:
    """Whether each pixel of the result is made of one pixel of x, of all its channels, in f32."""
    plain = all(value == 1 for value in (*conv.strides, conv.group, *type_of(conv.w).dims[2:])) and not any(conv.pads)
    return plain and type_of(conv.x).element_type == f32 and type_of(conv.w).element_type == f32


def _parts(image: SSAValue) -> Sequence[SSAValue]:
    """What the channels of an image are concatenated of, if they are, and nothing else reads them together."""
    concat = defined_by(image, graph.ConcatOp)
    if concat is None or concat.axis != 1 or not concat.result.has_one_use():
        return [image]
    return list(concat.parts)


def _enlargement(part: SSAValue, conv: graph.ConvOp, target: Target) -> graph.ResizeOp | None:
    """The interpolation that makes a part, if it is worth changing places with."""
    resize = defined_by(part, graph.ResizeOp)
    if resize is None or not part.has_one_use() or not _is_of_images(resize):
        return None
    before, after = (math.prod(map(known_size, type_of(value).dims[2:])) for value in (resize.x, part))
    channels, results = (known_size(type_of(value).dims[1]) for value in (part, conv.result))
    saved = 2.0 * channels * results * (after - before) / target.peak
    size = element_bytes(f32) * ACCESSES
    added = size * max(0, results - channels) * after / target.costs.layout_change_bandwidth
    return resize if after > before and saved > added else None


def _is_of_images(resize: graph.ResizeOp) -> bool:
    """Whether it interpolates along spatial axes alone, by weights that add up to one."""
    x, y = type_of(resize.x), type_of(resize.result)
    is_mean = resize.coordinates != "tf_crop_and_resize" and not resize.common_scale
    return is_mean and x.dims[:2] == y.dims[:2] and all(scale in (0, 1) for scale in resize.scales[:2])


def _weights_of(parts: Sequence[SSAValue], conv: graph.ConvOp, rewriter: Rewriter) -> list[SSAValue]:
    """The weights of each part's channels."""
    if len(parts) == 1:
        return [conv.w]
    array = rewriter.array(conv.w)
    assert array is not None
    ends, begin = [], 0
    for part in parts:
        begin += int(type_of(part).dims[1])
        ends.append(begin)
    begins = [0, *ends[:-1]]
    hint = rewriter.handle(conv.w)
    return [rewriter.constant(conv, array[:, begin:end], hint) for begin, end in zip(begins, ends, strict=True)]


def _convolved(
    conv: graph.ConvOp,
    part: SSAValue,
    resize: graph.ResizeOp | None,
    weights: Sequence[SSAValue],
    rewriter: Rewriter,
) -> SSAValue:
    """A part, convolved and then enlarged."""
    result = type_of(conv.result)
    if resize is None:
        return rewriter.insert(conv, graph.ConvOp([part, *weights], [result], **fields_of(conv)))
    small = result.with_dims((*result.dims[:2], *type_of(resize.x).dims[2:]))
    pixels = rewriter.insert(conv, graph.ConvOp([resize.x, *weights], [small], **fields_of(conv)))
    return rewriter.insert(conv, graph.ResizeOp([pixels], [result], **fields_of(resize)))
