"""In which layouts the kernels that are written for certain ones read and write their operands.

Other kernels take any layout. Weights are packed in panels, whose width is a decision (``decisions.py``); what else is
said here holds whatever the decisions are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from xdsl.ir import Operation

from .kernel import AttentionOp, BlockGemmOp, ConvOp, GemmOp
from .layout import TensorType
from .layout_algebra import Layout, print_order
from .recurrence import RecurrenceOp, resets_state
from .shape import Dim
from .winograd import tile_of

WITH_WEIGHTS = (GemmOp, BlockGemmOp, ConvOp, RecurrenceOp)
"""Kernels whose second operand can be packed."""


def layout_mistake(kernel: Operation) -> str | None:
    """Why a verified kernel cannot run on operands that lie as they do, if it cannot."""
    if isinstance(kernel, GemmOp):
        return _gemm(kernel)
    if isinstance(kernel, BlockGemmOp):
        return _block_gemm(kernel)
    if isinstance(kernel, AttentionOp):
        return _attention(kernel)
    if isinstance(kernel, ConvOp):
        return _CONVOLUTIONS[kernel.get("algorithm")](kernel)
    if isinstance(kernel, RecurrenceOp):
        return _recurrence(kernel)
    return None


def panel_layout(kernel: Operation, width: int, depth: int = 1) -> Layout | None:
    """How the weights, the second operand, lie in panels of so many columns or output channels.

    ``depth`` elements of the axis that is summed lie side by side, as many as the atom takes at once. None where the
    kernel takes them in no panels, or only in one width or depth.
    """
    if isinstance(kernel, BlockGemmOp):
        return Layout(f"Ba{width}b")
    if isinstance(kernel, RecurrenceOp):
        return Layout(f"aDcb{width}d" if resets_state(kernel) else f"aDbc{width}d")
    if not isinstance(kernel, GemmOp | ConvOp) or len(kernel.ins) < 2:
        return None
    x, w = kernel.in_type(0), kernel.in_type(1)
    if isinstance(kernel, GemmOp):
        if w.rank != 2:
            return None
        summed, other = ("b", "a") if kernel.get("transpose_b") else ("a", "b")
        if depth > 1:
            return Layout(f"{other.upper()}{summed.upper()}{width}{other}{depth}{summed}")
        return Layout(f"{other.upper()}{summed}{width}{other}")
    match kernel.get("algorithm"):
        case "im2col":
            return _window_panels(w.rank, width, depth)
        case "direct" | "indirect" if x.rank == w.rank == 4 and depth > 1:
            return Layout(f"AcdB{width}a{depth}b")
        case _ if depth > 1:
            return None
        case "direct" if x.rank == w.rank == 4:
            block = x.layout.block_of(1)
            return Layout(f"ABcd{block}b{width}a" if block else f"Acdb{width}a")
        case "indirect" if w.rank == 4:
            return Layout(f"Acdb{width}a")
        case "winograd2" | "winograd4" if w.rank == 3:
            return Layout(f"Cab{width}c")
    return None


def _window_panels(rank: int, width: int, depth: int) -> Layout:
    """Weights of a window, tap by tap where several channels of x are taken at once; a ``width`` of 0 is no panels."""
    rows, taps = ("A", f"{width}a") if width else ("a", ""), Layout.row_major(rank).order[2:]
    channels = (taps + "B", f"{depth}b") if depth > 1 else ("b" + taps, "")
    return Layout(rows[0] + channels[0] + rows[1] + channels[1])


def panel_width(kernel: Operation) -> int:
    """How wide the panels are in which the weights lie; 0 where they lie in none."""
    if not isinstance(kernel, WITH_WEIGHTS) or len(kernel.ins) < 2 or not kernel.in_type(1).rank:
        return 0
    layout = kernel.in_type(1).layout
    if isinstance(kernel, BlockGemmOp | RecurrenceOp):
        return layout.block_of(layout.rank - 1)
    if isinstance(kernel, GemmOp):
        return layout.block_of(layout.rank - (2 if kernel.get("transpose_b") else 1))
    return layout.block_of(2 if tile_of(kernel.get("algorithm")) and layout.rank == 3 else 0)


def panel_depth(kernel: GemmOp | ConvOp) -> int:
    """How many elements of the axis that is summed lie side by side in the weights, for an atom to take at once."""
    layout = kernel.in_type(1).layout
    summed = 1 if isinstance(kernel, ConvOp) or kernel.get("transpose_b") else 0
    last = layout.pieces[-1]
    return last.block if last.block and last.axis == summed else 1


def packed_layout(kernel: Operation) -> Layout | None:
    """How weights packed in panels as these are must lie; None where the kernel takes them in none."""
    if isinstance(kernel, BlockGemmOp | RecurrenceOp):
        return panel_layout(kernel, panel_width(kernel))
    if not isinstance(kernel, GemmOp | ConvOp):
        return None
    return panel_layout(kernel, panel_width(kernel), panel_depth(kernel))


def depth_axes(kernel: GemmOp) -> tuple[int, int]:
    """The axes of A and of B along which products are summed, from the last."""
    return (-2 if kernel.get("transpose_a") else -1), (-1 if kernel.get("transpose_b") else -2)


def lies_along(type_: TensorType, axis: int) -> bool:
    """Whether neighbours along the axis are neighbours in memory."""
    strides = type_.layout.axis_strides(type_.dims)
    return strides is not None and (strides[axis] == 1 or type_.dims[axis] == 1)


def _lies(what: str, type_: TensorType, expected: str) -> str | None:
    order = type_.layout.order
    return None if order == expected else f"{what} lies in {print_order(order)}, expected {print_order(expected)}"


def _lies_in_panels(kernel: ConvOp, width: int) -> str | None:
    expected = panel_layout(kernel, width, panel_depth(kernel) if width else 1)
    return None if expected is None else _lies("w", kernel.in_type(1), expected.order)


def _is_whole(type_: TensorType) -> bool:
    return not any(piece.block for piece in type_.layout.pieces)


def _first(*mistakes: str | None) -> str | None:
    return next((mistake for mistake in mistakes if mistake is not None), None)


# --- matrix products ------------------------------------------------------------------------------------


def _gemm(kernel: GemmOp) -> str | None:
    for what, type_ in (("a", kernel.in_type(0)), ("y", kernel.type)):
        if not _is_whole(type_):
            return f"{what} lies in {print_order(type_.layout.order)}, expected no blocks"
    b = kernel.in_type(1)
    if _is_whole(b):
        return None
    expected = packed_layout(kernel) if panel_width(kernel) else panel_layout(kernel, b.layout.pieces[-1].block or 16)
    if expected is None:
        return f"B lies in {print_order(b.layout.order)}, expected no blocks"
    if b.layout.order != expected.order:
        lies = f"B lies in {print_order(b.layout.order)}"
        return f"{lies}, expected panels of columns such as {expected.order} or no blocks"
    return None


def _block_gemm(kernel: BlockGemmOp) -> str | None:
    for what, type_ in (("a", kernel.in_type(0)), ("y", kernel.type)):
        if not lies_along(type_, -1):
            return f"{what} lies in {print_order(type_.layout.order)}, expected rows side by side"
    width = panel_width(kernel)
    return _lies("b", kernel.in_type(1), f"Ba{width or 16}b")


def _attention(kernel: AttentionOp) -> str | None:
    operands = [*(value.type for value in kernel.operands), kernel.type]
    for type_ in operands:
        assert isinstance(type_, TensorType)
        if not _is_whole(type_):
            return f"an operand lies in {print_order(type_.layout.order)}, expected no blocks"
    for what, type_ in (("v", kernel.in_type(2)), ("y", kernel.type)):
        if not lies_along(type_, -1):
            return f"{what} lies in {print_order(type_.layout.order)}, expected rows side by side"
    return None


def _recurrence(kernel: RecurrenceOp) -> str | None:
    operands = [("x", 0), *(("an operand", index) for index in range(2, len(kernel.ins)))]
    plain = (_lies(what, kernel.in_type(at), Layout.row_major(kernel.in_type(at).rank).order) for what, at in operands)
    expected = panel_layout(kernel, panel_width(kernel) or 16)
    assert expected is not None, "recurrence weights lie in panels"
    return _first(_lies("recurrence", kernel.in_type(1), expected.order), *plain)


# --- convolutions ---------------------------------------------------------------------------------------


def _unset(kernel: ConvOp) -> str | None:
    return "the algorithm is unset"


def _two_dimensional(kernel: ConvOp) -> str | None:
    w = kernel.in_type(1)
    if kernel.type.rank != 4:
        return f"{kernel.get('algorithm')} takes images of two axes, this one has {kernel.type.rank - 2}"
    if not all(isinstance(size, int) for size in (kernel.in_type(0).dims[1], kernel.type.dims[1], *w.dims)):
        return f"{kernel.get('algorithm')} needs channels and a window of known size"
    return None


def _blocked_result(kernel: ConvOp) -> str | None:
    """y is in blocks of channels, and the bias has a number for each lane of them."""
    y = kernel.type
    lanes = y.layout.block_of(1)
    if not lanes:
        return f"y lies in {print_order(y.layout.order)}, expected blocks of channels such as NCHW16c"
    if mistake := _lies("y", y, Layout.channel_blocked(4, lanes).order):
        return mistake
    if len(kernel.ins) < 3:
        return None
    bias, channels = kernel.in_type(2), -(-int(y.dims[1]) // lanes) * lanes
    held = bias.layout.element_count(bias.dims)
    if isinstance(held, int) and held < channels:
        return f"the bias has {held} numbers with its padding, and y's blocks {channels}: A{lanes}a"
    return None


def _parts(kernel: ConvOp, packed: int, lanes: int) -> str | None:
    """That blocks of ``packed`` output channels are together those of y, in each group."""
    channels, groups = int(kernel.type.dims[1]), kernel.get("groups")
    if packed == 0 or packed % lanes:
        return f"w is packed in blocks of {packed} output channels, and those of y have {lanes}"
    if groups > 1 and channels // groups % packed:
        return f"w is packed in blocks of {packed} output channels, and a group has {channels // groups}"
    if -(-channels // lanes) * lanes % packed:
        return f"w is packed in blocks of {packed} output channels, which do not divide the {channels} of y in {lanes}s"
    return None


def _direct(kernel: ConvOp) -> str | None:
    if mistake := _two_dimensional(kernel) or _blocked_result(kernel):
        return mistake
    x, w, lanes = kernel.in_type(0), kernel.in_type(1), kernel.type.layout.block_of(1)
    block, pieces = x.layout.block_of(1), w.layout.pieces
    if any(piece.block and piece.axis != 1 for piece in x.layout.pieces):
        return f"x lies in {print_order(x.layout.order)}, expected blocks of channels or none"
    if mistake := _parts(kernel, panel_width(kernel), lanes):
        return mistake
    if (depth := panel_depth(kernel)) > 1:
        if not block or block % depth:
            return f"w lies in words of {depth} channels, which x in {print_order(x.layout.order)} does not"
        return _lies_in_panels(kernel, panel_width(kernel))
    if pieces[-1].axis != 0 or w.layout.block_of(1) != block or any(piece.block for piece in pieces if piece.axis > 1):
        return _lies_in_panels(kernel, panel_width(kernel))
    if block and kernel.get("groups") > 1 and int(w.dims[1]) % block:
        return f"x lies in blocks of {block} channels, and a group has {w.dims[1]}"
    return None


def _depthwise(kernel: ConvOp) -> str | None:
    if mistake := _two_dimensional(kernel) or _blocked_result(kernel):
        return mistake
    x, w, lanes = kernel.in_type(0), kernel.in_type(1), kernel.type.layout.block_of(1)
    if not (kernel.get("groups") == x.dims[1] == w.dims[0]):
        return f"depthwise takes one channel to one in each group, not {x.dims[1]} to {w.dims[0]}"
    return _lies("x", x, Layout.channel_blocked(4, lanes).order) or _lies("w", w, f"Abcd{lanes}a")


def _winograd(kernel: ConvOp) -> str | None:
    if mistake := _two_dimensional(kernel) or _blocked_result(kernel):
        return mistake
    x, u, lanes = kernel.in_type(0), kernel.in_type(1), kernel.type.layout.block_of(1)
    if any(value != 1 for value in (*kernel.get("strides"), *kernel.get("dilations"), kernel.get("groups"))):
        return "Winograd's transforms are for strides, dilations and groups of 1"
    if u.rank != 3:
        return f"winograd{tile_of(kernel.get('algorithm'))} takes transformed weights, w has shape {list(u.dims)}"
    packed = panel_width(kernel)
    return _first(
        _lies("x", x, Layout.channel_blocked(4, lanes).order),
        _parts(kernel, packed, lanes),
        _lies_in_panels(kernel, packed),
    )


def _whole_panels(kernel: ConvOp, packed: int) -> str | None:
    groups, channels = kernel.get("groups"), kernel.type.dims[1]
    if packed and groups > 1 and isinstance(channels, int) and channels // groups % packed:
        return f"w is packed in panels of {packed} output channels, and a group has {channels // groups}"
    return None


def _im2col(kernel: ConvOp) -> str | None:
    x, w, y = kernel.in_type(0), kernel.in_type(1), kernel.type
    packed = panel_width(kernel)
    if not _is_whole(x):
        return f"x lies in {print_order(x.layout.order)}, expected no blocks"
    return _first(
        _lies("y", y, Layout.row_major(w.rank).order),
        _lies("w", w, _window_panels(w.rank, packed, panel_depth(kernel)).order),
        _whole_panels(kernel, packed),
    )


def _indirect(kernel: ConvOp) -> str | None:
    x, y, packed = kernel.in_type(0), kernel.type, panel_width(kernel)
    return _first(
        _two_dimensional(kernel),
        _lies("x", x, "acdb"),
        _lies("y", y, "acdb"),
        _lies_in_panels(kernel, packed or 16),
        _whole_panels(kernel, packed),
    )


_CONVOLUTIONS: dict[str, Callable[[ConvOp], str | None]] = {
    "depthwise": _depthwise,
    "direct": _direct,
    "im2col": _im2col,
    "indirect": _indirect,
    "unset": _unset,
    "winograd2": _winograd,
    "winograd4": _winograd,
}


def is_long_row(kernel: ConvOp) -> bool:
    """Whether each image is one row of pixels that become those of the result one to one."""
    beside = (operand.type for operand in kernel.operands[len(kernel.ins) :])
    return is_pointwise(kernel, [kernel.in_type(0), kernel.type, *(t for t in beside if isinstance(t, TensorType))])


def is_pointwise(kernel: ConvOp, types: Iterable[TensorType]) -> bool:
    """Whether output pixels are input pixels one to one, and the images of every tensor lie contiguous."""
    window = kernel.in_type(1).dims[2:]
    if any(size != 1 for size in (*window, *kernel.get("strides"))) or any(kernel.get("pads")):
        return False
    return all(images_are_contiguous(type_, kernel.type.dims) for type_ in types)


def images_are_contiguous(type_: TensorType, shape: Sequence[Dim]) -> bool:
    """Whether a tensor, broadcast to ``shape``, has an image's rows one after another, or one number for the image."""
    spatial = len(shape) - 2
    axes = range(max(0, type_.rank - spatial), type_.rank)
    if all(type_.dims[axis] == 1 for axis in axes):
        return True
    if tuple(type_.dims[axis] for axis in axes) != tuple(shape[2:]):
        return False
    return all(type_.layout.margin(axis) == (0, 0) for axis in axes)
