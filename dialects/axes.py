"""The axes of the kernels that multiply and sum: which are parallel, which are summed, and how operands are reached.

A plan says of these axes how they are walked (``decisions.py``). Kernels that are not listed here are walked element by
element of their result.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Operation

from . import shape as dims
from .decisions import kernel_kind
from .kernel import AttentionOp, BlockGemmOp, ConvOp, GemmOp
from .shape import Dim
from .winograd import tile_of


@dataclass(frozen=True)
class Axis:
    """An axis of a nest: its name in a plan, and whether products are summed along it."""

    name: str
    is_summed: bool
    meaning: str

    @property
    def kind(self) -> str:
        return "reduction" if self.is_summed else "parallel"


@dataclass(frozen=True)
class NestForm:
    """The nest of a kind of kernel: its axes, and where each operand is reached at their indices."""

    axes: tuple[Axis, ...]
    reach: tuple[str, ...]


def _form(parallel: dict[str, str], summed: dict[str, str], *reach: str) -> NestForm:
    outer = [Axis(name, False, meaning) for name, meaning in parallel.items()]
    return NestForm((*outer, *(Axis(name, True, meaning) for name, meaning in summed.items())), reach)


_IMAGES, _CHANNELS = {"n": "images"}, {"oc": "output channels, of a group"}
_IMAGE = {"oh": "rows of the image", "ow": "columns of the image"}
_PIXELS = {"r": "rows of pixels that do not follow each other in memory", "p": "pixels of such a row, or of the image"}
_WINDOW = {"kh": "rows of the window", "kw": "columns of the window"}
_SUMS = {"ic": "input channels, of a group"} | _WINDOW
_PLACE = "oh * stride + kh * dilation - pad, ow * stride + kw * dilation - pad"
_READ = (f"x[n, g * IC + ic, {_PLACE}]", "w[g * OC + oc, ic, kh, kw]")
_MATRICES = {"b": "matrices of the batch", "m": "rows", "n": "columns"}
_GEMM = _form(_MATRICES, {"k": "depth"}, "a[b, m, k]", "b[b, k, n]", "y[b, m, n]")
_BLOCK_GEMM = _form(_MATRICES, {"k": "depth"}, "a[b, m, k]", "b[k, n], unpacked", "y[b, m, n]")
_ATTENTION = _form(
    {"b": "heads of the batch", "m": "rows of queries", "n": "columns of values"},
    {"t": "keys", "k": "depth of queries and keys"},
    "q[b, m, k]",
    "k[b, t, k]",
    "v[b, t, n]",
    "y[b, m, n]",
)
_DIRECT = _form(_IMAGES | _CHANNELS | _IMAGE, _SUMS, *_READ, "y[n, g * OC + oc, oh, ow]")
_DEPTHWISE = _form(
    _IMAGES | {"c": "channels"} | _IMAGE, _WINDOW, f"x[n, c, {_PLACE}]", "w[c, 0, kh, kw]", "y[n, c, oh, ow]"
)
_BY_PIXELS = _form(_IMAGES | {"g": "groups"} | _PIXELS | _CHANNELS, _SUMS, *_READ, "y[n, g * OC + oc, p]")
_WINOGRAD = _form(
    {"t": "tiles of all images"} | _CHANNELS,
    {"ic": "input channels"},
    "V[point, t, ic], from tiles of x",
    "w[point, ic, oc]",
    "y from M[point, t, oc]",
)

FORMS: dict[str, NestForm] = {
    "kernel.gemm": _GEMM,
    "kernel.block_gemm": _BLOCK_GEMM,
    "kernel.attention": _ATTENTION,
    "kernel.conv direct": _DIRECT,
    "kernel.conv depthwise": _DEPTHWISE,
    "kernel.conv im2col": _BY_PIXELS,
    "kernel.conv indirect": _BY_PIXELS,
    "kernel.conv winograd2": _WINOGRAD,
    "kernel.conv winograd4": _WINOGRAD,
}
"""By kernel, convolutions by algorithm. Of a transposed operand of gemm the last two indices are exchanged."""


def form_of(kernel: Operation) -> NestForm | None:
    """The form of a kernel's nest; None where it has no axes to plan."""
    return FORMS.get(kernel_kind(kernel))


def axis_sizes(kernel: Operation) -> dict[str, Dim]:
    """The sizes of the axes of a kernel that has some, by name; ``r`` and ``p`` together are the pixels of ``p``."""
    if isinstance(kernel, AttentionOp):
        return _attention_sizes(kernel)
    return _conv_sizes(kernel) if isinstance(kernel, ConvOp) else _gemm_sizes(kernel)


def _attention_sizes(kernel: AttentionOp) -> dict[str, Dim]:
    *batch, rows, columns = kernel.type.dims
    keys, depth = kernel.in_type(1).dims[-2:]
    return {"b": dims.product(batch), "m": rows, "n": columns, "t": keys, "k": depth}


def _gemm_sizes(kernel: Operation) -> dict[str, Dim]:
    assert isinstance(kernel, GemmOp | BlockGemmOp)
    *batch, rows, columns = kernel.type.dims
    is_transposed = isinstance(kernel, GemmOp) and kernel.get("transpose_a")
    depth = kernel.in_type(0).dims[-2 if is_transposed else -1]
    return {"b": dims.product(batch), "m": rows, "n": columns, "k": depth}


def _conv_sizes(kernel: ConvOp) -> dict[str, Dim]:
    images, channels, *image = kernel.type.dims
    algorithm, groups = kernel.get("algorithm"), kernel.get("groups")
    if algorithm.startswith("winograd"):
        tile = tile_of(algorithm)
        tiles = dims.product([images, *(dims.ceildiv(size, tile) for size in image)])
        return {"t": tiles, "oc": channels, "ic": kernel.in_type(0).dims[1]}
    inner, *window = kernel.in_type(1).dims[1:]
    sizes: dict[str, Dim] = {
        "n": images,
        "c": channels,
        "g": groups,
        "oc": dims.floordiv(channels, groups),
        "ic": inner,
    }
    sizes |= {"p": dims.product(image)} | dict(zip(("oh", "ow"), image)) | dict(zip(("kh", "kw"), window))
    return sizes if len(window) == 2 else sizes | {"kh": dims.product(window), "kw": 1}
