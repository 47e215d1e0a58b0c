"""Convolution by im2col: a matrix product of the weights with panels of columns, each packed just before its use.

::

    for n, group, panel of output pixels
      panel[c][window][pixel] = what lies under the window at each pixel      (in scratch, stays in L2)
      for tile of the group's output channels
        sums[channels][pixels] = bias
        for c, window:  sums += w[channel, c, window] * panel[c, window, pixel]
        y[n, channel, pixel] = epilogue(sums)

It takes any rank, window, stride, dilation, padding, group and size, known or not. x and y are row-major; a panel
runs over all pixels of an image, or over those of one row where y or an operand of the epilogue is not
contiguous from row to row. The weights lie in tiles of channels (``Abcd6a``: [K/6][c][window][6]) or row-major; for an
atom that takes four products at once tap by tap, as words of four channels of x (``AcdB6a4b``, or ``acdB4b``:
[K][window][c/4][4]), and so do the columns in a panel.

Decisions: ``rows`` and ``columns`` of a tile at most; ``row_chunks``: pieces of the channels that threads share
beside panels; ``lanes`` of a vector when packing; ``pack = false``: read columns where they lie (``im2col_in_place``);
``atom``: the instruction that multiplies; one of whole matrices takes rows of the weights (``acdB4b``) and 32 pixels,
or 16.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.conv_decisions import Im2col, window_words
from ...dialects.kernel import ConvOp
from ...dialects.layout_algebra import Layout
from ...dialects.operand_layouts import images_are_contiguous, is_pointwise
from ...dialects.schedule import StageOp
from ...machines.atoms import ATOMS, TILE_BAND
from .contraction import Contraction, Reach, RowTiles, RowWalk, Sum, WholeTiles, in_words
from .gemm_tiles import MatrixTiles
from .halo import fill_halo
from .im2col_in_place import ColumnsInPlace
from .im2col_panel import PanelPacker
from .long_sums import CONVOLUTION_BLOCK
from .loop_nest import Index, LoopNest
from .outer_axes import outer_loops
from .register_tile import ResultTile, store_result_tile, strides_by_axis
from .tile_products import LastWords

CHANNEL = 1
# Tiles of fewer products a step than this many vectors get an unrolled loop.
FEW_VECTORS = 12


def lower_conv_im2col(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, ConvOp)
    fill_halo(nest, nest.operands[-1])
    _Im2col(stage, nest, kernel).lower()


@dataclass(frozen=True)
class _Piece:
    """``count`` pixels from ``first`` on, of an image or of its row at ``rows``, and a chunk of output channels."""

    n: Index
    group: Index
    rows: list[Index]
    first: Index
    count: Index
    chunk: Index


class _Im2col:
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: ConvOp):
        self.nest, self.kernel = nest, kernel
        self.x, self.w, self.y = nest.operands[0], nest.operands[1], nest.operands[-1]
        self.decisions = decisions = stage.decided(Im2col)
        self.tile_rows, self.columns = decisions.rows, decisions.columns
        self.lanes, self.row_chunks = decisions.lanes, decisions.row_chunks
        self.groups = int(kernel.get("groups"))
        self.atom, self.step = decisions.atom, decisions.atom_depth
        self.depth = nest.dim(window_words(kernel, self.step))
        self.rows = nest.floordiv(nest.dim(self.y.dims[1]), self.groups)
        self.packed_rows = self.w.type.layout.block_of(0)
        self.check()
        written = [tensor.type for tensor in (self.y, *nest.operands[len(kernel.ins) : -1])]
        packs = decisions.pack
        self.is_image = not packs and is_pointwise(kernel, [self.x.type, *written]) and self.x.strides[-1] == 1
        contiguous = all(images_are_contiguous(type_, self.y.dims) for type_ in written)
        self.is_merged = contiguous and (packs or self.is_image)
        self.pixels = nest.dim(dims.product(self.y.dims[2:]) if self.is_merged else self.y.dims[-1])
        self.is_ragged = not isinstance(self.pixels, int) or self.pixels % self.columns != 0
        self.in_place = None if packs or self.is_image else ColumnsInPlace(nest, kernel, self.columns, self.lanes)
        self.packer: PanelPacker | None = None
        if packs:
            self.packer = PanelPacker(nest, kernel, decisions, self.is_merged)
            self.panel = self.packer.reach()
        self.last: LastWords | None = None
        if decisions.last_bytes(kernel):
            assert isinstance(self.depth, int), "as many words as there are not known to fill registers"
            at = nest.dim(dims.add(decisions.panel_bytes(kernel), decisions.sums_bytes(kernel)))
            self.last = LastWords(nest, ATOMS[self.atom], self.columns, self.x.element_type, at, self.depth, True)

    def check(self) -> None:
        """Raises ValueError for layouts that this algorithm does not read or write."""
        if self.y.type.layout.order != Layout.row_major(self.y.type.rank).order:
            raise ValueError(f"im2col writes rows of pixels, not the layout {self.y.type.layout.order}")
        if any(piece.block for piece in self.x.type.layout.pieces):
            raise ValueError(f"im2col reads no channel blocks, x is in the layout {self.x.type.layout.order}")
        if self.groups > 1 and self.packed_rows and int(self.rows) % self.packed_rows:  # pyright: ignore[reportArgumentType]
            raise ValueError(f"weights in tiles of {self.packed_rows}, but {self.rows} output channels in a group")

    def lower(self) -> None:
        nest = self.nest
        batch = nest.dim(self.y.dims[0])
        outer = [] if self.is_merged else [nest.dim(size) for size in self.y.dims[2:-1]]
        panels = nest.ceildiv(self.pixels, self.columns)
        bounds = {"n": [batch], "g": [self.groups], "r": outer, "p": [panels], "oc": [self.row_chunks]}
        if self.last is not None:
            self.last.clear()
        with outer_loops(nest, self.decisions, self.kernel, bounds) as turn:
            n, group, rows, chunk = turn.index("n"), turn.index("g"), list(turn.indices["r"]), turn.index("oc")
            first = nest.mul(turn.index("p"), self.columns)
            count = nest.minimum(nest.sub(self.pixels, first), self.columns) if self.is_ragged else self.columns
            piece = _Piece(n, group, rows, first, count, chunk)
            if self.packer is not None:
                with turn.once_for_all("oc"):
                    self.packer.pack(n, group, rows, first, count)
            self._multiply(piece)

    # --- the product ------------------------------------------------------------------------------------

    def _multiply(self, piece: _Piece) -> None:
        nest = self.nest
        first_channel = nest.mul(piece.group, self.rows)
        outer = [0] * (self.y.type.rank - 3) if self.is_merged else piece.rows

        def tile_of(channel: Index, rows: int) -> ResultTile:
            return ResultTile(
                starts=[piece.n, channel, *outer, piece.first],
                spans=[(CHANNEL, rows), (self.y.type.rank - 1, self.columns)],
                lanes=piece.count if self.is_ragged else None,
            )

        def start(row: Index, rows: int) -> SSAValue:
            channel = nest.add(first_channel, row)
            return self._bias(channel, tile_of(channel, rows))

        def finish(row: Index, rows: int, sums: SSAValue) -> None:
            store_result_tile(nest, self.kernel, sums, self.y, tile_of(nest.add(first_channel, row), rows))

        rows = self._rows(piece.chunk)
        if self.in_place is not None:
            self._multiply_in_place(self.in_place, piece, rows, first_channel, start, finish)
            return
        contraction = Contraction(
            rows=rows,
            summed=Sum([self.depth], CONVOLUTION_BLOCK // self.step, FEW_VECTORS * self.lanes, self.atom),
            left=lambda row, count: self._weights(nest.add(first_channel, row), count),
            right=lambda *_: self._image(piece) if self.is_image else self.panel,
            start=start,
            finish=finish,
        )
        if not self.decisions.has_tiles:
            contraction.write(nest)
            return
        assert isinstance(rows, RowTiles), "registers of whole matrices take rows of weights, which lie in no tiles"
        scratch = nest.scratch_memory(
            self.kernel.sums_type, nest.dim(self.decisions.panel_bytes(self.kernel)), TILE_BAND * self.columns
        )
        stride = nest.mul(self.depth, self.step)

        def matrix(row: Index) -> tuple[SSAValue, Index, Index]:
            return self.w.memory, nest.add(self.w.origin, nest.mul(nest.add(first_channel, row), stride)), stride

        MatrixTiles(nest, contraction, rows, ATOMS[self.atom], matrix, scratch, self.columns, self.last).write()

    def _multiply_in_place(
        self,
        columns: ColumnsInPlace,
        piece: _Piece,
        rows: RowWalk,
        first_channel: Index,
        start: Callable[[Index, int], SSAValue],
        finish: Callable[[Index, int, SSAValue], None],
    ) -> None:
        """Reads columns where they lie, whose taps have masks of their own."""
        position = (piece.n, piece.group, piece.rows, piece.first)

        def tile(row: Index, count: int) -> None:
            weights = self._window_weights(self.nest.add(first_channel, row), count)
            finish(row, count, columns.accumulate(start(row, count), weights, position, piece.count))

        rows.walk(self.nest, tile)

    def _rows(self, chunk: Index) -> RowWalk:
        """A group's output channels, or the chunk's of them."""
        if self.packed_rows:
            return PackedTiles(self.rows, self.tile_rows, chunk, self.row_chunks)
        return RowTiles.of_chunk(self.nest, self.rows, self.tile_rows, chunk, self.row_chunks)

    def _bias(self, channel: Index, tile: ResultTile) -> SSAValue:
        nest = self.nest
        if len(self.kernel.ins) < 3:
            return nest.constant(0.0, nest.vector_type(self.kernel.sums_type, tile.shape))
        bias = nest.operands[2]
        rows = tile.shape[0]
        memory = nest.view(bias.memory, nest.add(bias.origin, channel), [rows, 1], [1, 1])
        return nest.broadcast(nest.load_vector(memory, [0, 0], [rows, 1]), tile.shape)

    def _image(self, piece: _Piece) -> Reach:
        """The panel of a 1x1 convolution is x itself, masked where pixels end."""
        nest, strides = self.nest, strides_by_axis(self.x)
        offset = nest.add(self.x.origin, nest.mul(piece.n, strides[0, False]))
        offset = nest.add(offset, nest.mul(nest.mul(piece.group, self.depth), strides[1, False]))
        mask = nest.mask([1, self.columns], [1, piece.count]) if self.is_ragged else None
        along, shape = [strides[1, False]], [1, self.columns]
        return Reach(self.x.memory, nest.add(offset, piece.first), along, shape, [0, 1], mask)

    def _weight_strides(self) -> tuple[Index, Index]:
        """Words between the weights of neighbouring channels of a tile, and of neighbouring taps."""
        return (1, self.packed_rows) if self.packed_rows else (self.depth, 1)

    def _window_weights(self, channel: Index, rows: int) -> Callable[[Sequence[Index], Index], SSAValue]:
        """The weights of ``rows`` channels as a function of the tap and the channel of x."""
        nest = self.nest
        row_stride, stride = self._weight_strides()
        sizes = [nest.dim(size) for size in self.w.dims[1:]]
        strides: list[Index] = []
        for size in reversed(sizes):
            strides.insert(0, stride)
            stride = nest.mul(stride, size)
        offset = nest.add(self.w.origin, nest.mul(channel, self.depth))
        view = nest.view(self.w.memory, offset, [*sizes, rows, 1], [*strides, row_stride, 1])
        return lambda taps, channel_of_x: nest.load_vector(view, [channel_of_x, *taps, 0, 0], [rows, 1])

    def _weights(self, channel: Index, rows: int) -> Reach:
        """The weights of ``rows`` channels from ``channel`` on."""
        nest, step = self.nest, self.step
        offset = nest.add(self.w.origin, nest.mul(channel, nest.mul(self.depth, step)))
        row_stride, depth_stride = (nest.mul(stride, step) for stride in self._weight_strides())
        shape, strides = in_words([rows, 1], [row_stride, step], step)
        return Reach(self.w.memory, offset, [depth_stride], shape, strides)


@dataclass(frozen=True)
class PackedTiles:
    """The tiles of ``tile`` channels in which weights lie, then the last one, which may be smaller.

    The chunk number ``chunk`` of ``chunks`` takes its share of them.
    """

    channels: Index
    tile: int
    chunk: Index
    chunks: int

    def walk(self, nest: LoopNest, body: Callable[[Index, int], None], once: bool = False) -> None:
        assert isinstance(self.channels, int), "weights lie in tiles only where the number of channels is known"
        whole, rest = divmod(self.channels, self.tile)
        in_chunk = -(-(whole + (rest > 0)) // self.chunks)
        begin = nest.mul(self.chunk, in_chunk)
        end = whole if self.chunks == 1 else nest.minimum(nest.add(begin, in_chunk), whole)
        WholeTiles(begin, end, self.tile).walk(nest, body)
        if not rest:
            return
        if self.chunks == 1:
            body(whole * self.tile, rest)
            return
        with nest.when(nest.compare("eq", self.chunk, whole // in_chunk)):
            body(whole * self.tile, rest)
