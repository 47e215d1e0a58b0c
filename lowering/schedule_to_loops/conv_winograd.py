"""Winograd convolution F(m x m, 3 x 3): transform, multiply, transform back, one block of tiles at a time.

::

    for block of tiles                                   (V and M stay in L2)
      V[point][tile][c]  = B^T d B       for each tile and channel block
      for chunk of output channels
        M[point][tile][k] = sum over c of V[point][tile][c] * U[chunk][point][c][k]
        y[tile]           = epilogue(A^T M A + bias)

The transforms mix all pixels of a tile, and with them the rounding errors of the largest: one pixel of 1e5, an
infinity or a NaN would be felt where no window holds it. A tile that has such a spread shows it in its results:
those that do not see the large pixel fill whole rows (or, in tiles of 2 x 2, are single; where the image's edge cuts
the tile, rows or columns). Where the sum of squares of a row is less than ``1 / SPREAD^2`` of the tile's, or anything
is not finite, the tile is summed directly from the taps, which follow the points in U.

No data is transposed: V's rows are read as A of the register tile, U's as B. x has a halo of zeros that also
covers what the last tiles read beyond the image.

Decisions: ``tiles`` in a block, ``rows`` of them in a register tile, ``threads``: what they share, blocks of
tiles (``t``) or chunks of output channels (``oc``; then each thread transforms the input for itself).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from xdsl.dialects import arith
from xdsl.dialects.builtin import VectorType
from xdsl.ir import SSAValue

from ...dialects.conv_decisions import Winograd
from ...dialects.kernel import ConvOp
from ...dialects.schedule import StageOp
from ...dialects.winograd import TAPS, tile_of, transforms, weight_planes, winograd_scratch
from .arithmetic import any_lane, compare, opposite, select
from .contraction import Contraction, Fetch, Fetching, Reach, RowTiles, RowWalk, Sum, WholeTiles
from .halo import fill_halo, require_halo
from .loop_nest import Index, LoopNest
from .register_tile import ResultTile, store_result_tile, strides_by_axis

# How far apart results of one tile may lie, at most, before it is summed directly, by the size of the tile. Results
# that are near 0 by chance are not taken for a spread: rows of four seldom are, single ones more often, but F(2, 3)
# adds less.
SPREAD = {2: 2.0**14, 4: 2.0**10}
# Squares below this are 0 for that purpose.
_NEGLIGIBLE = 1e-30


def lower_conv_winograd(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, ConvOp)
    require_halo(kernel)
    fill_halo(nest, nest.operands[-1])
    _Winograd(stage, nest, kernel).lower()


class _Winograd:
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: ConvOp):
        self.nest, self.kernel = nest, kernel
        self.x, self.u, self.y = nest.operands[0], nest.operands[1], nest.operands[-1]
        self.transforms = transforms(tile_of(kernel.get("algorithm")))
        self.tile, self.points = self.transforms.tile, self.transforms.points
        decisions = stage.decided(Winograd)
        self.rows, self.block_tiles, self.fetches = decisions.rows, decisions.tiles, decisions.prefetch
        self.split_channels = decisions.shared(kernel) == ("oc",)
        self.lanes = self.y.type.layout.block_of(1)
        self.in_channels, self.out_channels = int(self.x.dims[1]), int(self.y.dims[1])
        self.in_blocks = -(-self.in_channels // self.lanes)
        self.out_blocks = -(-self.out_channels // self.lanes)
        self.columns = self.u.type.layout.block_of(2)
        self.chunks = -(-self.out_channels // self.columns)
        self.height, self.width = nest.dim(self.y.dims[2]), nest.dim(self.y.dims[3])
        self.tile_rows = nest.ceildiv(self.height, self.tile)
        self.tile_columns = nest.ceildiv(self.width, self.tile)
        self.tile_count = nest.mul(nest.dim(self.y.dims[0]), nest.mul(self.tile_rows, self.tile_columns))
        element = self.kernel.sums_type
        self.planes = weight_planes(self.tile)
        points, padded = self.points**2, self.in_blocks * self.lanes
        sizes = winograd_scratch(points, self.block_tiles, padded, self.columns, self.tile, self.lanes)
        places = [4 * sum(sizes[:index]) for index in range(len(sizes))]
        v, m, edge = (nest.scratch_memory(element, place, size) for place, size in zip(places, sizes, strict=True))
        tiles, columns = self.block_tiles, self.columns
        self.v_memory = v
        self.v = nest.view(v, 0, [points, tiles, padded], [tiles * padded, padded, 1])
        self.m = nest.view(m, 0, [points, tiles, columns], [tiles * columns, columns, 1])
        box, lanes = [self.tile, self.tile, self.lanes], self.lanes
        self.edge = nest.view(edge, 0, box, [self.tile * lanes, lanes, 1])
        self.edge_by_rows = nest.view(edge, 0, box, [lanes, self.tile * lanes, 1])

    def lower(self) -> None:
        nest = self.nest
        blocks = nest.ceildiv(self.tile_count, self.block_tiles)
        if self.split_channels:
            with nest.loop(0, blocks) as block:
                self.one_block(nest.mul(block.index, self.block_tiles))
            return
        with nest.forall([blocks]) as (block,):
            self.one_block(nest.mul(block, self.block_tiles))

    def one_block(self, first_tile: Index) -> None:
        """Where threads share chunks of channels, each of them transforms the block's inputs for itself."""
        nest = self.nest
        existing = nest.minimum(nest.sub(self.tile_count, first_tile), self.block_tiles)
        self.transform_inputs(first_tile, existing)
        chunks = nest.forall([self.chunks]) if self.split_channels else nest.loops([self.chunks])
        with chunks as (chunk,):
            self.multiply(chunk, existing)
            with nest.loop(0, existing) as tile, nest.loop(0, self.columns // self.lanes) as sub:
                self.transform_output(first_tile, tile.index, chunk, sub.index)

    def place(self, tile: Index) -> tuple[Index, Index, Index]:
        """Image, and first output row and column, of a tile."""
        n, row, column = self.nest.split_index(tile, [self.tile_count, self.tile_rows, self.tile_columns])
        return n, self.nest.mul(row, self.tile), self.nest.mul(column, self.tile)

    # --- B^T d B ---------------------------------------------------------------------------------------

    def transform_inputs(self, first_tile: Index, existing: Index) -> None:
        nest, strides = self.nest, strides_by_axis(self.x)
        pads = self.kernel.get("pads")
        with nest.loop(0, existing) as tile:
            n, row, column = self.place(nest.add(first_tile, tile.index))
            offset = nest.add(self.x.origin, nest.mul(n, strides[0, False]))
            offset = nest.add(offset, nest.mul(nest.sub(row, pads[0]), strides[2, False]))
            offset = nest.add(offset, nest.mul(nest.sub(column, pads[1]), strides[3, False]))
            with nest.loop(0, self.in_blocks) as block:
                source = nest.view(
                    self.x.memory,
                    nest.add(offset, nest.mul(block.index, strides[1, True])),
                    [self.points, self.points, self.lanes],
                    [strides[2, False], strides[3, False], 1],
                )
                rows = [nest.load_vector(source, [i, 0, 0], [self.points, self.lanes]) for i in range(self.points)]
                transformed = self.transform_both_ways(rows, self.transforms.inputs)
                channel = nest.mul(block.index, self.lanes)
                for point, value in enumerate(self.flatten(transformed)):
                    nest.store_vector(value, self.v, [point, tile.index, channel])

    def transform_both_ways(self, rows: list[SSAValue], matrix: np.ndarray) -> list[SSAValue]:
        """matrix @ d @ matrix^T of d given by its rows [points, lanes]; gives the columns of the result."""
        half = apply_matrix(self.nest, matrix, rows)
        return apply_matrix(self.nest, matrix, self.transpose(half))

    def transpose(self, rows: list[SSAValue]) -> list[SSAValue]:
        """Rows of vectors as columns; at this level only names change."""
        count = rows[0].type.get_shape()[0]  # pyright: ignore[reportAttributeAccessIssue]
        cells = [[self.nest.part(row, index) for index in range(count)] for row in rows]
        return [self.stack([row[index] for row in cells]) for index in range(count)]

    def flatten(self, columns: list[SSAValue]) -> list[SSAValue]:
        """All vectors of a result given by its columns, row after row."""
        count = columns[0].type.get_shape()[0]  # pyright: ignore[reportAttributeAccessIssue]
        return [self.nest.part(column, row) for row in range(count) for column in columns]

    def stack(self, vectors: list[SSAValue]) -> SSAValue:
        nest = self.nest
        total = nest.constant(0.0, self.vector([len(vectors), self.lanes]))
        for index, value in enumerate(vectors):
            total = nest.with_part(total, value, index)
        return total

    def vector(self, shape: list[int]) -> VectorType:
        return self.nest.vector_type(self.kernel.sums_type, shape)

    # --- products ---------------------------------------------------------------------------------------------

    def multiply(self, chunk: Index, existing: Index) -> None:
        """V times a chunk of U, point by point; a column of a register tile's left is one channel of several tiles."""
        nest, channels, columns = self.nest, self.in_channels, self.columns
        tiles, padded = self.block_tiles, self.in_blocks * self.lanes
        first = nest.mul(chunk, self.planes * channels * columns)
        with nest.loop(0, self.points**2) as loop:
            point = loop.index
            u = nest.add(first, nest.mul(point, channels * columns))
            v = nest.mul(point, tiles * padded)
            following = (nest.add(u, channels * columns), channels * columns)

            def left(row: Index, rows: int) -> Reach | Fetching:
                reach = Reach(self.v_memory, nest.add(v, nest.mul(row, padded)), [1], [rows, 1], [padded, 1])
                if not self.fetches:
                    return reach
                fetch = Fetch.share(nest, self.u.memory, following, (row, rows, tiles), channels)
                return Fetching(reach, lambda _: fetch)

            Contraction(
                rows=self.rows_of(existing),
                summed=Sum([channels]),
                left=left,
                right=lambda *_: Reach(self.u.memory, u, [columns], [1, columns], [0, 1]),
                start=lambda _, rows: nest.constant(0.0, self.vector([rows, columns])),
                finish=lambda row, rows, sums: nest.store_vector(sums, self.m, [point, row, 0]),
            ).write(nest)

    def rows_of(self, existing: Index) -> RowWalk:
        """A block's tiles. It may be far from full: rows beyond its tiles hold nothing that is read."""
        if isinstance(self.tile_count, int) or self.block_tiles % self.rows:
            return RowTiles(self.block_tiles, self.rows)
        return WholeTiles(0, self.nest.ceildiv(existing, self.rows), self.rows)

    # --- A^T M A -----------------------------------------------------------------------------------------------

    def transform_output(self, first_tile: Index, tile: Index, chunk: Index, sub: Index) -> None:
        nest = self.nest
        lane = nest.mul(sub, self.lanes)
        rows = [
            self.stack(
                [nest.load_vector(self.m, [i * self.points + j, tile, lane], [self.lanes]) for j in range(self.points)]
            )
            for i in range(self.points)
        ]
        columns = self.transform_both_ways(rows, self.transforms.outputs)
        block = nest.add(nest.mul(chunk, self.columns // self.lanes), sub)
        n, row, column = self.place(nest.add(first_tile, tile))
        far = self.lie_apart(columns, row, column)
        value = self.stack_tile(self.add_bias(columns, block))
        is_cut = self.cut(row, column)
        apart = far if is_cut is None else nest.insert(arith.OrIOp(far, is_cut))
        with nest.when(opposite(nest, apart)):
            box = ResultTile([n, block, row, column, 0], [(3, self.tile), (2, self.tile), (4, self.lanes)])
            store_result_tile(nest, self.kernel, value, self.y, box)
        with nest.when(apart):
            if is_cut is not None:
                far = self.look_along_columns(columns, far, row, column)
                nest.store_vector(value, self.edge, [0, 0, 0])
            with nest.when(far), nest.loop(0, self.tile) as pixels:
                sums = self.direct_sums(n, row, nest.add(column, pixels.index), chunk, lane)
                (sums,) = self.add_bias([sums], block)
                nest.store_vector(sums, self.edge, [pixels.index, 0, 0])
            self.store_pixels(n, block, row, column)

    def cut(self, row: Index, column: Index) -> SSAValue | None:
        """Whether the image's edge cuts the tile that begins there; None where it cuts no tile."""
        nest, tile = self.nest, self.tile
        if self.is_whole(2) and self.is_whole(3):
            return None
        rows = nest.minimum(nest.sub(self.height, row), tile)
        columns = nest.minimum(nest.sub(self.width, column), tile)
        return nest.compare("ne", nest.add(rows, columns), 2 * tile)

    def is_whole(self, axis: int) -> bool:
        """Whether tiles surely make up an axis of the image."""
        size = self.y.dims[axis]
        return isinstance(size, int) and size % self.tile == 0

    def stack_tile(self, columns: list[SSAValue]) -> SSAValue:
        """Columns of pixels as one vector [column][row][lane]."""
        value = self.nest.constant(0.0, self.vector([self.tile, self.tile, self.lanes]))
        for index, pixels in enumerate(columns):
            value = self.nest.with_part(value, pixels, index)
        return value

    # --- tiles of far apart numbers -----------------------------------------------------------------------------

    def lie_apart(self, columns: list[SSAValue], row: Index, column: Index) -> SSAValue:
        """Whether a tile's results, given by its columns, lie further apart than they may, from row to row.

        What lies beyond the image, where a tile may reach, sees nothing but zeros and does not count.
        """
        if self.tile == 4:
            return self.spread_exceeded(self.sums_of_squares(columns), [[(2, row, place)] for place in range(4)])
        pixels = [self.nest.part(value, place) for value in columns for place in range(2)]
        places = [[(2, row, down), (3, column, right)] for right in range(2) for down in range(2)]
        return self.spread_exceeded([_binary(self.nest, arith.MulfOp, pixel, pixel) for pixel in pixels], places)

    def look_along_columns(self, columns: list[SSAValue], far: SSAValue, row: Index, column: Index) -> SSAValue:
        """``far``, or whether the results of a tile that the image's edge cuts lie apart from column to column.

        A large pixel is seen in three rows: by all of those inside the image, where three or less of them are.
        Uses ``edge``, to read the tile by rows.
        """
        nest = self.nest
        if self.tile == 2 or self.is_whole(2):
            return far
        nest.store_vector(self.stack_tile(columns), self.edge, [0, 0, 0])
        rows = [
            nest.load_vector(self.edge_by_rows, [place, 0, 0], [self.tile, self.lanes]) for place in range(self.tile)
        ]
        parts = self.sums_of_squares(rows)
        apart = self.spread_exceeded(parts, [[(3, column, place)] for place in range(self.tile)])
        return nest.insert(arith.OrIOp(far, apart))

    def sums_of_squares(self, vectors: list[SSAValue]) -> list[SSAValue]:
        """Of vectors [tile, lanes], place by place."""
        total = self.nest.constant(0.0, vectors[0].type)
        for value in vectors:
            total = self.nest.fma(value, value, total)
        return [self.nest.part(total, place) for place in range(self.tile)]

    def spread_exceeded(self, parts: list[SSAValue], places: list[list[tuple[int, Index, int]]]) -> SSAValue:
        """Whether, in any lane, a part is too small beside all of them, or anything is not finite.

        ``places`` says where each part lies: (axis, where the tile begins along it, distance).
        """
        nest, lanes = self.nest, self.vector([self.lanes])
        total, least = parts[0], parts[0]
        for part, place in zip(parts[1:], places[1:], strict=True):
            total = _binary(nest, arith.AddfOp, total, part)
            part = self.unless_beyond(part, least, place)
            least = select(nest, compare(nest, "olt", part, least), part, least)
        excess = nest.fma(least, nest.constant(-(SPREAD[self.tile] ** 2), lanes), total)
        # So, too, where it is NaN, which infinities give as well.
        return any_lane(nest, compare(nest, "ugt", excess, nest.constant(_NEGLIGIBLE, lanes)))

    def unless_beyond(self, part: SSAValue, instead: SSAValue, place: list[tuple[int, Index, int]]) -> SSAValue:
        """A part of a tile; another where that lies beyond the image."""
        nest = self.nest
        for axis, first, distance in place:
            if distance and not self.is_whole(axis):
                inside = nest.compare("slt", nest.add(first, distance), nest.dim(self.y.dims[axis]))
                part = nest.insert(arith.SelectOp(inside, part, instead))
        return part

    def direct_sums(self, n: Index, row: Index, column: Index, chunk: Index, lane: Index) -> SSAValue:
        """A column of a tile, [tile, lanes] from pixel (row, column) down, summed from the taps."""
        nest, channels, strides = self.nest, self.in_channels, strides_by_axis(self.x)
        pads = self.kernel.get("pads")
        offset = nest.add(self.x.origin, nest.mul(n, strides[0, False]))
        offset = nest.add(offset, nest.mul(nest.sub(row, pads[0]), strides[2, False]))
        offset = nest.add(offset, nest.mul(nest.sub(column, pads[1]), strides[3, False]))
        window, pixel = [strides[2, False], strides[3, False]], strides[2, False]
        blocks = [self.in_blocks, self.lanes]
        x = nest.view(
            self.x.memory, offset, [*blocks, TAPS, TAPS, self.tile, 1], [strides[1, True], 1, *window, pixel, 1]
        )
        plane = channels * self.columns
        first_tap = nest.add(nest.mul(nest.mul(chunk, self.planes), plane), nest.add(lane, self.points**2 * plane))
        taps = Reach(self.u.memory, first_tap, [self.columns, TAPS * plane, plane], [1, self.lanes], [0, 1])
        summed = Sum([channels, TAPS, TAPS])

        def pixels(outer: Sequence[Index]) -> Callable[[Index], SSAValue]:
            channel, down = outer
            place = [nest.floordiv(channel, self.lanes), nest.mod(channel, self.lanes), down]
            return lambda right: nest.load_vector(x, [*place, right, 0, 0], [self.tile, 1])

        zeros = nest.constant(0.0, self.vector([self.tile, self.lanes]))
        return summed.add(nest, zeros, pixels, taps.reader(nest, summed.bounds))

    # --- results ------------------------------------------------------------------------------------------------

    def add_bias(self, columns: list[SSAValue], block: Index) -> list[SSAValue]:
        if len(self.kernel.ins) < 3:
            return columns
        nest = self.nest
        bias = nest.load_vector(
            nest.view(nest.operands[2].memory, nest.mul(block, self.lanes), [self.lanes], [1]), [0], [self.lanes]
        )
        spread = nest.broadcast(bias, [self.tile, self.lanes])
        return [
            nest.insert(arith.AddfOp.create(operands=[c, spread], result_types=[c.type], properties=_STRICT))
            for c in columns
        ]

    def store_pixels(self, n: Index, block: Index, row: Index, column: Index) -> None:
        """Those of ``edge`` [column][row][lane] that lie inside the image."""
        nest = self.nest
        rows = nest.minimum(nest.sub(self.height, row), self.tile)
        columns = nest.minimum(nest.sub(self.width, column), self.tile)
        with nest.loops([columns, rows]) as (j, i):
            pixel = nest.load_vector(self.edge, [j, i, 0], [self.lanes])
            box = ResultTile([n, block, nest.add(row, i), nest.add(column, j), 0], [(4, self.lanes)])
            store_result_tile(nest, self.kernel, pixel, self.y, box)


_STRICT = {"fastmath": arith.FastMathFlagsAttr("none")}


def apply_matrix(nest: LoopNest, matrix: np.ndarray, vectors: list[SSAValue]) -> list[SSAValue]:
    """Each row of a constant matrix times a list of vectors, sharing the sums of points +-a.

    Rows that agree up to signs share what they have in common (``common + rest`` and ``common - rest``);
    so do pairs of columns (as sums and differences of two vectors).
    """
    matrix, vectors = _combine_columns(nest, matrix, vectors)
    results: list[SSAValue | None] = [None] * len(matrix)
    for row in range(len(matrix)):
        if results[row] is not None:
            continue
        partner = next(
            (r for r in range(row + 1, len(matrix)) if np.array_equal(abs(matrix[r]), abs(matrix[row]))), None
        )
        if partner is None:
            results[row] = _combination(nest, matrix[row], vectors)
            continue
        same = np.where(matrix[row] == matrix[partner], matrix[row], 0.0)
        common = _combination(nest, same, vectors)
        rest = _combination(nest, matrix[row] - same, vectors)
        results[row] = _binary(nest, arith.AddfOp, common, rest)
        results[partner] = _binary(nest, arith.SubfOp, common, rest)
    return [result for result in results if result is not None]


def _combine_columns(nest: LoopNest, matrix: np.ndarray, vectors: list[SSAValue]) -> tuple[np.ndarray, list[SSAValue]]:
    """Replaces two columns that agree up to signs by the sum and the difference of their vectors."""
    columns = [matrix[:, index] for index in range(matrix.shape[1])]
    new_columns: list[np.ndarray] = []
    new_vectors: list[SSAValue] = []
    used: set[int] = set()
    for index, column in enumerate(columns):
        if index in used:
            continue
        partner = next(
            (
                other
                for other in range(index + 1, len(columns))
                if other not in used
                and np.array_equal(abs(columns[other]), abs(column))
                and np.count_nonzero(column) > 2
            ),
            None,
        )
        if partner is None:
            new_columns.append(column)
            new_vectors.append(vectors[index])
            continue
        used.add(partner)
        same = np.where(column == columns[partner], column, 0.0)
        new_columns += [same, column - same]
        new_vectors += [
            _binary(nest, arith.AddfOp, vectors[index], vectors[partner]),
            _binary(nest, arith.SubfOp, vectors[index], vectors[partner]),
        ]
    return np.stack(new_columns, axis=1), new_vectors


def _combination(nest: LoopNest, coefficients: np.ndarray, vectors: list[SSAValue]) -> SSAValue:
    """The sum of vectors times constants; those times 1 come first, so that they cost an addition."""
    terms = [(c, v) for c, v in zip(coefficients, vectors, strict=True) if c != 0.0]
    terms.sort(key=lambda term: (term[0] != 1.0, abs(term[0]) != 1.0))
    factor, total = terms[0]
    if factor != 1.0:
        total = _binary(nest, arith.MulfOp, total, nest.constant(float(factor), total.type))
    for factor, value in terms[1:]:
        if factor == 1.0:
            total = _binary(nest, arith.AddfOp, total, value)
        elif factor == -1.0:
            total = _binary(nest, arith.SubfOp, total, value)
        else:
            total = nest.fma(value, nest.constant(float(factor), value.type), total)
    return total


def _binary(nest: LoopNest, op: type, left: SSAValue, right: SSAValue) -> SSAValue:
    return nest.insert(op.create(operands=[left, right], result_types=[left.type], properties=_STRICT))
