"""Chooses the layout of every tensor of a function, and converts where neighbours disagree.

Convolutions decide: their result lies in channel blocks (NCHW16c), and so does their input unless it has
too few channels to fill one. Elementwise kernels, pools and the like follow their inputs; what needs plain
rows (matrix products, softmax, reshapes) asks for row-major. A convolution's padding becomes a halo of zeros
around its input, which the input's producer writes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from ...dialects import shape as dims
from ...dialects.kernel import (
    AttentionOp,
    BlockGemmOp,
    ConcatOp,
    ConstantOp,
    ConvOp,
    GemmOp,
    KernelOp,
    MapOp,
    PadOp,
    PoolOp,
    RecurrenceOp,
    ReduceOp,
    ResizeOp,
    SliceOp,
)
from ...dialects.layout import (
    ConvertOp,
    ReshapeOp,
    TensorType,
    TransposeOp,
    WindowOp,
    reshaped_type,
    transposed_type,
    window_type,
)
from ...dialects.layout_algebra import Layout
from ...dialects.operand_layouts import depth_axes, lies_along, panel_layout
from ...dialects.shape import Dim
from ...dialects.winograd import tile_of
from ...machines.atoms import TILE_BAND
from ..gemm_walks import depth_tile
from ..recurrence_tiles import recurrence_tile
from ..tiling import (
    block_columns,
    gemm_atom,
    gemm_columns,
    im2col_atom,
    im2col_tile,
    indirect_columns,
    product_atom,
    row_length,
    row_tile,
    rows_atom,
    rows_cycles,
    rows_in_registers,
    tiles_along_height,
)
from .conv_costs import channel_block

if TYPE_CHECKING:
    from ...machines import Target
    from ...machines.atoms import Atom


@dataclass(frozen=True)
class KernelChooseLayoutsPass(ModulePass):
    """Every kernel's operands and results get a layout; weights one that their kernel reads in order.

    before::

        %y = kernel.conv direct(%x, %w) pads [1, 1, 1, 1] : !layout.tensor<1 x 64 x 56 x 56 x f32>

    after::

        %0 = layout.convert %x : !layout.tensor<1 x 64 x 56 x 56 x f32, NCHW16c halo [...]>
        %1 = layout.convert %w : !layout.tensor<64 x 64 x 3 x 3 x f32, ABcd16b32a>
        %y = kernel.conv direct(%0, %1) pads [1, 1, 1, 1] : !layout.tensor<1 x 64 x 56 x 56 x f32, NCHW16c>
    """

    name = "kernel-choose-layouts"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target: Target = ctx.target  # pyright: ignore[reportAttributeAccessIssue]
        for function in op.ops:
            if isinstance(function, func.FuncOp) and any(isinstance(inner, KernelOp) for inner in function.walk()):
                _FunctionLayouts(function, target).run()


def tensor_type(value: SSAValue) -> TensorType:
    assert isinstance(value.type, TensorType)
    return value.type


def is_channel_blocked(type_: TensorType) -> bool:
    return type_.rank == 4 and type_.layout.order == Layout.channel_blocked(4, type_.layout.block_of(1) or 1).order


class _FunctionLayouts:
    def __init__(self, function: func.FuncOp, target: Target):
        self.block = function.body.block
        self.target = target
        self.block_size = channel_block(target)
        self.converted: dict[tuple[SSAValue, Layout], SSAValue] = {}
        self.rules: dict[type[Operation], Callable] = {
            ConvOp: self.conv,
            GemmOp: self.gemm,
            BlockGemmOp: self.block_gemm,
            AttentionOp: self.attention,
            RecurrenceOp: self.recurrence,
            MapOp: self.map,
            PoolOp: self.pool,
            ResizeOp: self.resize,
            ReduceOp: self.reduce,
            PadOp: self.pad,
            ConcatOp: self.concat,
            TransposeOp: self.transpose,
            ReshapeOp: self.reshape,
            WindowOp: self.window,
            ConvertOp: self.convert,
            ConstantOp: lambda op: None,
        }

    def run(self) -> None:
        for op in list(self.block.ops):
            self.rules.get(type(op), self.row_major)(op)

    # --- tools ------------------------------------------------------------------------------------------

    def want(self, value: SSAValue, layout: Layout, before: Operation) -> SSAValue:
        """The value in exactly that layout, converted before ``before`` unless it was already."""
        if tensor_type(value).layout == layout:
            return value
        key = (value, layout)
        if key not in self.converted:
            source = value
            if isinstance(value.owner, ConvertOp) and not value.owner.result.type.layout.halo:  # pyright: ignore[reportAttributeAccessIssue]
                source = value.owner.source
            if tensor_type(source).layout == layout:
                return source
            op = ConvertOp(source, layout)
            self.block.insert_op_before(op, before)
            self.converted[key] = op.result
        return self.converted[key]

    def want_order(self, value: SSAValue, order: str, before: Operation) -> SSAValue:
        """The value with its axes in that order; margins do not matter to who only reads."""
        if tensor_type(value).layout.order == order:
            return value
        return self.want(value, Layout(order), before)

    def plain(self, value: SSAValue, before: Operation) -> SSAValue:
        return self.want(value, Layout.row_major(tensor_type(value).rank), before)

    def set_layout(self, value: SSAValue, layout: Layout) -> SSAValue:
        """Gives the value another layout; it is a new value that replaces the old one everywhere."""
        if tensor_type(value).layout == layout:
            return value
        return Rewriter.replace_value_with_new_type(value, tensor_type(value).with_layout(layout))

    def blocked(self, rank: int = 4) -> Layout:
        return Layout.channel_blocked(rank, self.block_size)

    def row_major(self, op: Operation) -> None:
        """Kernels without a rule of their own, and what leaves the function: rows, no margins."""
        for index, operand in enumerate(op.operands):
            if isinstance(operand.type, TensorType):
                op.operands[index] = self.plain(operand, op)

    def epilogue(self, op: KernelOp, first: int, result: TensorType) -> None:
        """Operands that are combined with the result: full-size ones in its order, per-channel ones in its blocks."""
        for index in range(first, len(op.operands)):
            op.operands[index] = self.follow(op.operands[index], result, op)

    def follow(self, value: SSAValue, result: TensorType, before: Operation) -> SSAValue:
        type_ = tensor_type(value)
        if not is_channel_blocked(result):
            return value if not _is_split(type_) and not result.layout.has_margins else self.plain(value, before)
        missing = result.rank - type_.rank
        channel = 1 - missing
        if channel < 0 or (type_.dims[channel] == 1 and result.dims[1] != 1):
            return self.plain(value, before)
        if missing:
            value = self._with_leading_axes(self.plain(value, before), missing, before)
        return self.want_order(value, result.layout.order, before)

    def _with_leading_axes(self, value: SSAValue, count: int, before: Operation) -> SSAValue:
        op = ReshapeOp(value, [*[1] * count, *tensor_type(value).dims])
        self.block.insert_op_before(op, before)
        return op.result

    # --- convolutions -------------------------------------------------------------------------------------

    def conv(self, op: ConvOp) -> None:
        if op.get("algorithm") == "im2col":
            self.row_major(op)
            op.operands[1] = self.want(op.operands[1], self.im2col_weights(op), op)
            return
        if op.get("algorithm") == "indirect":
            self.conv_indirect(op)
            return
        channels = op.in_type(0).dims[1]
        is_narrow = isinstance(channels, int) and channels < self.block_size and op.get("algorithm") == "direct"
        x_order = Layout.row_major(4).order if is_narrow else self.blocked().order
        op.operands[0] = self.with_halo(op.operands[0], x_order, op.halo(), op)
        op.operands[1] = self.want(op.operands[1], self.weight_layout(op, is_narrow), op)
        if len(op.ins) > 2:
            op.operands[2] = self.want(op.operands[2], Layout(f"A{self.block_size}a"), op)
        self.set_layout(op.result, self.blocked())
        self.epilogue(op, len(op.ins), op.type)

    def conv_indirect(self, op: ConvOp) -> None:
        """NHWC throughout; sizes that are known get a halo, others find their zeros through the kernel's table."""
        order = "acdb"
        if dims.is_static(op.in_type(0).dims[2:]):
            op.operands[0] = self.with_halo(op.operands[0], order, op.halo(), op)
        else:
            op.operands[0] = self.want_order(op.operands[0], order, op)
        weights = panel_layout(op, indirect_columns(op, self.target), self.atom_depth(op))
        assert weights is not None, "an indirect convolution takes weights in panels"
        op.operands[1] = self.want(op.operands[1], weights, op)
        if len(op.ins) > 2:
            op.operands[2] = self.plain(op.operands[2], op)
        self.set_layout(op.result, Layout(order))
        for index in range(len(op.ins), len(op.operands)):
            value = op.operands[index]
            missing = 4 - tensor_type(value).rank
            if missing > 2 or tensor_type(value).dims[1 - missing] == 1:
                op.operands[index] = self.plain(value, op)
                continue
            if missing:
                value = self._with_leading_axes(self.plain(value, op), missing, op)
            op.operands[index] = self.want_order(value, order, op)

    def im2col_weights(self, op: ConvOp) -> Layout:
        """Tiles of as many output channels as a register tile has rows, where they divide a group's."""
        channels, groups, atom = op.type.dims[1], op.get("groups"), self.conv_atom(op)
        depth = atom.depth if atom else 1
        rows = 0 if atom and atom.is_tile else im2col_tile(op, self.target, depth).rows
        if not isinstance(channels, int) or rows == 1 or (groups > 1 and rows and channels // groups % rows):
            rows = 0
        layout = panel_layout(op, rows, depth)
        assert layout is not None, "im2col takes weights in any panels"
        return layout

    def with_halo(
        self, value: SSAValue, order: str, halo: tuple[tuple[Dim, ...], tuple[Dim, ...]], before: Operation
    ) -> SSAValue:
        """The value in that order within at least that halo; its producer widens it where it can."""
        lower, upper = halo
        if not any(margin != 0 for margin in (*lower, *upper)):
            return self.want_order(value, order, before)
        layout = tensor_type(value).layout
        has = [layout.margin(axis) if layout.halo else (0, 0) for axis in range(layout.rank)]
        wide_lower = [dims.maximum(low, need) for (low, _), need in zip(has, lower, strict=True)]
        wide_upper = [dims.maximum(high, need) for (_, high), need in zip(has, upper, strict=True)]
        if (
            layout.order == order
            and layout.halo
            and (layout.lower, layout.upper) == (tuple(wide_lower), tuple(wide_upper))
        ):
            return value
        if layout.order == order and self.can_widen(value):
            return self.set_layout(value, Layout(order, tuple(wide_lower), tuple(wide_upper), halo=True))
        return self.want(value, Layout(order, lower, upper, halo=True), before)

    def can_widen(self, value: SSAValue) -> bool:
        """Whether a kernel writes the value and nobody sees its memory under another type."""
        if not isinstance(value.owner, KernelOp | ConvertOp) or isinstance(value.owner, GemmOp | AttentionOp):
            return False
        layout = tensor_type(value).layout
        users = [use.operation for use in value.uses]
        return (layout.halo or not layout.has_margins) and not any(
            isinstance(user, ReshapeOp | TransposeOp | WindowOp | func.ReturnOp) for user in users
        )

    def weight_layout(self, op: ConvOp, is_narrow: bool) -> Layout:
        if op.get("algorithm") == "depthwise":
            return Layout(f"Abcd{self.block_size}a")
        if tile_of(op.get("algorithm")):
            return Layout(f"Cab{self.winograd_columns(op)}c")
        columns = self.block_size * self.output_blocks(op, is_narrow)
        layout = panel_layout(op, columns, 1 if is_narrow else self.atom_depth(op))
        assert layout is not None, "a direct convolution takes weights in panels"
        return layout

    def atom_depth(self, op: ConvOp) -> int:
        """Channels that an atom takes at once, for which constant weights are packed."""
        atom = self.conv_atom(op)
        return atom.depth if atom else 1

    def conv_atom(self, op: ConvOp) -> Atom | None:
        if not isinstance(op.operands[1].owner, ConstantOp):
            return None
        choose = {"direct": rows_atom, "indirect": rows_atom, "im2col": im2col_atom}.get(
            op.get("algorithm"), product_atom
        )
        return choose(op, self.target)

    def winograd_columns(self, op: ConvOp) -> int:
        """Output channels of a chunk: whole blocks, at most the target's tile, dividing the channels evenly."""
        blocks = -(-int(op.type.dims[1]) // self.block_size)
        most = max(1, self.target.gemm_tile[1] // self.block_size)
        return self.block_size * max(count for count in range(1, most + 1) if blocks % count == 0)

    def output_blocks(self, op: ConvOp, is_narrow: bool) -> int:
        """Channel blocks of a register tile: those that divide the group's and keep most sums in registers."""
        per_group = -(-int(op.type.dims[1]) // self.block_size) // op.get("groups")
        atom = None if is_narrow else self.conv_atom(op)
        if atom is not None and atom.is_tile:
            return math.gcd(per_group, TILE_BAND // self.block_size)
        vectors = max(1, self.block_size // self.target.lanes)
        depth_bytes = int(dims.product(op.in_type(1).dims[1:])) * 4 * self.block_size
        best, fewest_cycles = 1, math.inf
        for blocks in (2, 3, 4, 1):
            if per_group % blocks:
                continue
            largest, panel = rows_in_registers(self.target, blocks * vectors), blocks * depth_bytes
            height, width = op.type.dims[2:]
            extent = height if tiles_along_height(height, width, largest) else row_length(op)
            if blocks == 1 and best > 1 and not isinstance(extent, int):
                break  # Rows of unknown length take short tiles better.
            length = extent if isinstance(extent, int) else largest
            rows = row_tile(length, largest, blocks * vectors, panel, self.target)
            cycles = rows_cycles(length, rows, blocks * vectors, panel, self.target) / (length * blocks)
            if cycles < 0.98 * fewest_cycles:
                best, fewest_cycles = blocks, cycles
        return best

    # --- matrix products ------------------------------------------------------------------------------------

    def gemm(self, op: GemmOp) -> None:
        for index in (0, 1):
            if _is_split(tensor_type(op.operands[index])):
                op.operands[index] = self.plain(op.operands[index], op)
        b = op.in_type(1)
        if isinstance(op.operands[1].owner, ConstantOp) and b.rank == 2:
            op.operands[1] = self.want(op.operands[1], self.matrix_layout(op), op)
        for index in range(2, len(op.operands)):
            op.operands[index] = self.plain(op.operands[index], op)

    def block_gemm(self, op: BlockGemmOp) -> None:
        self.row_major(op)
        layout = panel_layout(op, block_columns(op, self.target))
        assert layout is not None, "numbers of few bits lie in panels"
        op.operands[1] = self.want(op.operands[1], layout, op)

    def attention(self, op: AttentionOp) -> None:
        """Heads are reached wherever they lie, as long as rows of values do so side by side."""
        for index, operand in enumerate(op.operands):
            is_extra, type_ = index >= len(op.ins), tensor_type(operand)
            if is_extra or _is_split(type_) or (index == 2 and not lies_along(type_, -1)):
                op.operands[index] = self.plain(operand, op)

    def recurrence(self, op: RecurrenceOp) -> None:
        """The recurrence weights lie in panels of units, each unit of the state before with all gates."""
        weights = op.operands[1]
        self.row_major(op)
        layout = panel_layout(op, recurrence_tile(op, self.target).units)
        assert layout is not None, "recurrence weights lie in panels"
        op.operands[1] = self.want(weights, layout, op)

    def matrix_layout(self, op: GemmOp) -> Layout:
        """How a constant B lies: by depth where lanes run along it, else in panels of columns."""
        if depth_tile(op, self.target, packs=True):
            b = op.in_type(1)
            return b.layout if lies_along(b, depth_axes(op)[1]) else Layout("ab" if op.get("transpose_b") else "ba")
        atom = gemm_atom(op, self.target)
        layout = panel_layout(op, gemm_columns(op, self.target), atom.depth if atom else 1)
        assert layout is not None, "one matrix can lie in panels"
        return layout

    # --- kernels that follow their inputs ------------------------------------------------------------------------

    def map(self, op: MapOp) -> None:
        full = [v for v in op.operands if tensor_type(v).dims == op.type.dims]
        blocked = next((v for v in full if is_channel_blocked(tensor_type(v))), None)
        per_channel = any(is_channel_blocked(tensor_type(v)) for v in op.operands)
        if blocked is None and (not per_channel or op.type.rank != 4 or full):
            for index, operand in enumerate(op.operands):
                op.operands[index] = self.plain(operand, op)
            return
        self.set_layout(op.result, self.blocked())
        self.epilogue(op, 0, op.type)

    def follow_input(self, op: KernelOp) -> None:
        """The result lies as the first operand does, if that is in channel blocks."""
        if not is_channel_blocked(op.in_type(0)):
            self.row_major(op)
            return
        self.set_layout(op.result, self.blocked())
        self.epilogue(op, len(op.ins), op.type)

    def pool(self, op: PoolOp) -> None:
        """Channels that lie side by side stay so, in blocks, which the kernels after it take most likely."""
        type_ = op.in_type(0)
        has_last_channels = type_.rank == 4 and not _is_split(type_) and type_.layout.pieces[-1].axis == 1
        if has_last_channels and isinstance(type_.dims[1], int) and type_.dims[1] % self.block_size == 0:
            op.operands[0] = self.want_order(op.operands[0], self.blocked().order, op)
        self.follow_input(op)

    def resize(self, op: ResizeOp) -> None:
        """All channels of a pixel are interpolated by the same weights: in blocks these are found once for many."""
        type_ = op.in_type(0)
        if type_.dims[:2] != op.type.dims[:2]:
            self.row_major(op)
            return
        channels = type_.dims[1] if type_.rank == 4 else None
        if op.get("mode") == "linear" and isinstance(channels, int) and channels >= self.block_size:
            op.operands[0] = self.want_order(op.operands[0], self.blocked().order, op)
        self.follow_input(op)

    def reduce(self, op: ReduceOp) -> None:
        spatial = set(op.get("axes")) <= {2, 3}
        (self.follow_input if spatial else self.row_major)(op)

    def pad(self, op: PadOp) -> None:
        spatial = all(amount == 0 for name in ("lower", "upper") for amount in op.get(name)[:2])
        (self.follow_input if spatial else self.row_major)(op)

    def concat(self, op: ConcatOp) -> None:
        """In channel blocks where all parts are and none begins inside a block."""
        types = [tensor_type(value) for value in op.ins]
        aligned = op.get("axis") != 1 or all(
            isinstance(t.dims[1], int) and t.dims[1] % self.block_size == 0 for t in types[:-1]
        )
        if not aligned or not any(is_channel_blocked(t) for t in types):
            self.row_major(op)
            return
        for index in range(len(op.ins)):
            op.operands[index] = self.want_order(op.operands[index], self.blocked().order, op)
        self.set_layout(op.result, self.blocked())
        self.epilogue(op, len(op.ins), op.type)

    # --- views --------------------------------------------------------------------------------------------------

    def transpose(self, op: TransposeOp) -> None:
        if _is_split(tensor_type(op.source)):
            op.operands[0] = self.plain(op.source, op)
        new_type = transposed_type(tensor_type(op.source), op.permutation.get_values())
        Rewriter.replace_value_with_new_type(op.result, new_type)

    def reshape(self, op: ReshapeOp) -> None:
        shape = tensor_type(op.result).dims
        if reshaped_type(tensor_type(op.source), shape) is None:
            op.operands[0] = self.plain(op.source, op)
        new_type = reshaped_type(tensor_type(op.source), shape)
        assert new_type is not None, "a row-major tensor can be seen in any shape"
        Rewriter.replace_value_with_new_type(op.result, new_type)

    def window(self, op: WindowOp) -> None:
        """Whole blocks of channels are copied as such; of other blocks there are no windows."""
        if self._takes_blocks(op):
            starts = [start.data for start in op.starts]
            blocks = SliceOp([op.source], tensor_type(op.result).with_layout(self.blocked()), starts=starts)
            self.block.insert_op_before(blocks, op)
            Rewriter.replace_value_with_new_type(op.result, blocks.type)
            op.result.replace_all_uses_with(blocks.result)
            blocks.result.name_hint = op.result.name_hint
            op.detach()
            op.erase()
            return
        if _is_split(tensor_type(op.source)):
            op.operands[0] = self.plain(op.source, op)
        starts = [start.data for start in op.starts]
        new_type = window_type(tensor_type(op.source), starts, tensor_type(op.result).dims)
        Rewriter.replace_value_with_new_type(op.result, new_type)

    def _takes_blocks(self, op: WindowOp) -> bool:
        source, result = tensor_type(op.source), tensor_type(op.result)
        if not is_channel_blocked(source) or source.layout.has_margins:
            return False
        block = source.layout.block_of(1)
        aligned = all(isinstance(n, int) and n % block == 0 for n in (op.starts.data[1].data, result.dims[1]))
        return block == self.block_size and aligned and source.dims[2:] == result.dims[2:]

    def convert(self, op: ConvertOp) -> None:
        """What an earlier level asked for stays: its result has the layout that it states."""


def _is_split(type_: TensorType) -> bool:
    return any(piece.block for piece in type_.layout.pieces)
