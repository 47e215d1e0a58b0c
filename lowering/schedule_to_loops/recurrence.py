"""Kernels whose elements depend on the ones before: kernel.lstm, kernel.cumulative_sum.

LSTM, one direction::

    for tile of the batch, shared                      (a sequence cannot be split)
      for step
        for tile of hidden units
          gates[4][batch][units] = projected[step]
          for k in hidden:  gates += h[k] * R[k, gate, units]
          c = sigmoid(f) * c + sigmoid(i) * tanh(g);  h = sigmoid(o) * tanh(c)

The four gates of a tile stay in registers; h is read from the result's previous step, c is updated in the
output that holds the last one.

Decisions: ``lanes`` of a vector; a tile has ``rows`` of the batch by ``unit_vectors`` vectors of hidden units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import AnyFloat, f64
from xdsl.ir import SSAValue

from ...dialects.decisions import Lanes, Lstm
from ...dialects.kernel import CumulativeSumOp, LstmOp
from ...dialects.schedule import StageOp
from ...dialects.shared_attributes import vector_type
from .arithmetic import combine, convert
from .element_loops import Position, for_each_span, outer_loops, walk_origins
from .elementwise import apply_epilogue, operand_positions
from .halo import fill_halo
from .loop_nest import Index, LoopNest, Tensor
from .operand_access import LoopDimension, Operand, axis_strides, iteration_dimensions, merge_dimensions
from .tile_access import Span, Tile, load_tile, store_tile

_INPUT, _OUTPUT, _FORGET, _CELL = range(4)


def lower_lstm(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, LstmOp)
    if kernel.has_epilogue:
        raise ValueError("kernel.lstm takes no epilogue")
    _Lstm(stage, nest, kernel).lower()


class _Matrix:
    """A row-major tensor addressed by its leading indices."""

    def __init__(self, nest: LoopNest, tensor: Tensor):
        self.nest, self.memory, self.origin = nest, tensor.memory, tensor.origin
        self.strides = [nest.dim(stride) for stride in axis_strides(tensor)]
        if self.strides[-1] != 1:
            raise ValueError(f"kernel.lstm needs row-major operands, got {tensor.type}")

    def at(self, *indices: Index) -> Index:
        offset = self.origin
        for index, stride in zip(indices, self.strides, strict=False):
            offset = self.nest.add(offset, self.nest.mul(index, stride))
        return offset


class _Lstm:
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: LstmOp):
        self.nest = nest
        positions = operand_positions(stage)
        inputs = [nest.operands[position] for position in positions]
        outputs = nest.operands[len(stage.ins) :]
        projected = inputs[0]
        self.projected, self.weights, self.first_h, self.first_c = (_Matrix(nest, tensor) for tensor in inputs)
        self.all_h, self.last_h, self.c = (_Matrix(nest, tensor) for tensor in outputs)
        self.element = projected.element_type
        self.steps, self.batch = nest.dim(projected.dims[0]), nest.dim(projected.dims[1])
        self.batch_size, self.hidden_size = projected.dims[1], outputs[0].dims[-1]
        self.hidden = nest.dim(self.hidden_size)
        self.reverse = kernel.get("reverse")
        decisions = stage.decided(Lstm)
        self.lanes, self.rows = decisions.lanes, decisions.rows
        self.width = self.lanes * decisions.unit_vectors

    def lower(self) -> None:
        nest = self.nest
        whole = nest.floordiv(self.batch, self.rows)
        single = nest.sub(self.batch, nest.mul(whole, self.rows))
        # Tiles of rows come first, then single rows: both are pieces of work for the threads.
        with nest.forall([nest.add(whole, single)]) as (piece,):
            if single == 0:
                self._sequence(nest.mul(piece, self.rows), self.rows)
            elif whole == 0:
                self._sequence(piece, 1)
            else:
                with nest.when(nest.compare("slt", piece, whole)):
                    self._sequence(nest.mul(piece, self.rows), self.rows)
                with nest.when(nest.compare("sge", piece, whole)):
                    self._sequence(nest.add(piece, nest.mul(whole, self.rows - 1)), 1)

    def _sequence(self, row: Index, rows: int) -> None:
        """All steps of some rows of the batch; of a sequence without steps, the initial state is the last."""
        nest = self.nest
        self._copy(self.first_c, self.c, row, rows)
        if isinstance(self.steps, int):
            if self.steps:
                self._steps(row, rows)
            else:
                self._copy(self.first_h, self.last_h, row, rows)
            return
        with nest.when(nest.compare("sgt", self.steps, 0)):
            self._steps(row, rows)
        with nest.when(nest.compare("sle", self.steps, 0)):
            self._copy(self.first_h, self.last_h, row, rows)

    def _steps(self, row: Index, rows: int) -> None:
        """All steps where there is one at least: the first reads the initial state."""
        nest = self.nest
        first = nest.sub(self.steps, 1) if self.reverse else 0
        self._step(first, row, rows, self.first_h, self.first_h.at(row))
        if self.steps == 1:
            self._keep_last(0, row, rows)
            return
        with nest.loop(1, self.steps) as loop:
            step = nest.sub(nest.sub(self.steps, 1), loop.index) if self.reverse else loop.index
            before = nest.add(step, 1) if self.reverse else nest.sub(step, 1)
            self._step(step, row, rows, self.all_h, self.all_h.at(before, row))
        self._keep_last(0 if self.reverse else nest.sub(self.steps, 1), row, rows)

    def _keep_last(self, last: Index, row: Index, rows: int) -> None:
        self._for_units(lambda unit, tile: self._move(self.all_h, (last, row), self.last_h, (row,), unit, tile), rows)

    def _copy(self, source: _Matrix, result: _Matrix, row: Index, rows: int) -> None:
        self._for_units(lambda unit, tile: self._move(source, (row,), result, (row,), unit, tile), rows)

    def _move(
        self,
        source: _Matrix,
        source_at: Sequence[Index],
        result: _Matrix,
        result_at: Sequence[Index],
        unit: Index,
        tile: Tile,
    ) -> None:
        nest = self.nest
        value = self._load(source, nest.add(source.at(*source_at), unit), tile)
        self._store(value, result, nest.add(result.at(*result_at), unit), tile)

    def _for_units(self, body: Callable[[Index, Tile], None], rows: int) -> None:
        """Calls ``body(first unit, tile)`` for tiles of hidden units of some rows."""
        row_span = Span(rows) if rows > 1 else None
        dimension = LoopDimension(self.hidden_size, ())
        position = Position([])
        for_each_span(
            self.nest, dimension, position, self.width, self.lanes, lambda unit, span: body(unit, Tile(row_span, span))
        )

    def _load(self, matrix: _Matrix, offset: Index, tile: Tile) -> SSAValue:
        return load_tile(self.nest, matrix.memory, offset, tile, matrix.strides[-2], 1)

    def _store(self, value: SSAValue, matrix: _Matrix, offset: Index, tile: Tile) -> None:
        store_tile(self.nest, value, matrix.memory, offset, tile, matrix.strides[-2], 1)

    def _step(self, step: Index, row: Index, rows: int, before: _Matrix, before_at: Index) -> None:
        """One step of some rows; the previous h lies at ``before_at``."""
        self._for_units(lambda unit, tile: self._units(step, row, before, before_at, unit, tile), rows)

    def _units(self, step: Index, row: Index, before: _Matrix, before_at: Index, unit: Index, tile: Tile) -> None:
        nest = self.nest
        projected = self.projected.at(step, row)
        gates = [
            self._load(self.projected, nest.add(nest.add(projected, nest.mul(self.hidden, gate)), unit), tile)
            for gate in range(4)
        ]
        with nest.loop(0, self.hidden, carried=gates) as loop:
            weights = nest.add(self.weights.at(loop.index), unit)
            h = self._previous(before, nest.add(before_at, loop.index), tile)
            sums = []
            for gate in range(4):
                at = nest.add(weights, nest.mul(self.hidden, gate))
                row_of_weights = load_tile(nest, self.weights.memory, at, Tile(None, tile.columns), 0, 1)
                sums.append(nest.fma(h, nest.broadcast(row_of_weights, tile.shape), loop.carried[gate]))
            loop.yield_(*sums)
        gates = loop.results
        c_at = nest.add(self.c.at(row), unit)
        kept = nest.insert(arith.MulfOp(self._sigmoid(gates[_FORGET]), self._load(self.c, c_at, tile)))
        candidate = nest.insert(math.TanhOp(gates[_CELL]))
        c = nest.fma(self._sigmoid(gates[_INPUT]), candidate, kept)
        h = nest.insert(arith.MulfOp(self._sigmoid(gates[_OUTPUT]), nest.insert(math.TanhOp(c))))
        self._store(c, self.c, c_at, tile)
        self._store(h, self.all_h, nest.add(self.all_h.at(step, row), unit), tile)

    def _previous(self, before: _Matrix, offset: Index, tile: Tile) -> SSAValue:
        """One element of h for each row, repeated along the units."""
        column = Tile(tile.rows, Span(1))
        loaded = load_tile(self.nest, before.memory, offset, column, before.strides[-2], 0)
        return self.nest.broadcast(loaded, tile.shape)

    def _sigmoid(self, value: SSAValue) -> SSAValue:
        nest = self.nest
        one = nest.constant(1, value.type)
        negated = nest.insert(arith.NegfOp(value))
        denominator = nest.insert(arith.AddfOp(one, nest.insert(math.ExpOp(negated))))
        return nest.insert(arith.DivfOp(one, denominator))


# --- cumulative sum -----------------------------------------------------------------------------------------


def lower_cumulative_sum(stage: StageOp, nest: LoopNest) -> None:
    """One running sum a lane, along the axis; lanes run along another axis if one is innermost."""
    kernel = stage.kernel
    assert isinstance(kernel, CumulativeSumOp)
    operands = [*(Operand(nest.operands[k]) for k in operand_positions(stage)), Operand(nest.operands[-1])]
    x = operands[0]
    axis = kernel.get("axis") % x.layout.rank
    if any(operand.layout.block_of(axis) for operand in (x, operands[-1])):
        raise ValueError(f"kernel.cumulative_sum cannot run along an axis in blocks: {x.tensor.type}")
    fill_halo(nest, nest.operands[-1])
    space = iteration_dimensions(x.shape, operands[-1].layout, operands)
    origins = walk_origins(nest, x.layout.rank, space, operands)
    still = (0,) * len(operands)
    along = next((dimension for dimension in space if dimension.axis == axis), LoopDimension(1, still, axis))
    others = merge_dimensions([dimension for dimension in space if dimension.axis != axis])
    lanes = stage.decided(Lanes).lanes
    columns = others.pop() if others and others[-1].strides[0] == 1 else LoopDimension(1, still)
    with outer_loops(nest, others, origins) as position:
        for_each_span(
            nest,
            columns,
            position,
            lanes,
            lanes,
            lambda start, span: _running_sum(
                nest, kernel, operands, along, columns, position.moved(nest, columns, start), span
            ),
        )


def _running_sum(
    nest: LoopNest,
    kernel: CumulativeSumOp,
    operands: Sequence[Operand],
    along: LoopDimension,
    columns: LoopDimension,
    position: Position,
    span: Span,
) -> None:
    tile = Tile(None, span)
    own = operands[0].element_type
    # Every sum is a result, so that they cannot go in blocks.
    element = f64 if isinstance(own, AnyFloat) else own
    length = nest.dim(along.size)

    def load(operand: int, here: Position) -> SSAValue:
        stride = nest.dim(columns.strides[operand])
        loaded = load_tile(nest, operands[operand].memory, here.offsets[operand], tile, 0, stride)
        return nest.broadcast(loaded, tile.shape)

    zero = nest.constant(0, vector_type(element, tile.shape))
    with nest.loop(0, length, carried=[zero]) as loop:
        index = nest.sub(nest.sub(length, 1), loop.index) if kernel.get("reverse") else loop.index
        here = position.moved(nest, along, index)
        before = loop.carried[0]
        total = combine(nest, "sum", before, convert(nest, load(0, here), element))
        value = before if kernel.get("exclusive") else total
        extras = [load(k, here) for k in range(1, len(operands) - 1)]
        if kernel.has_epilogue:
            value = convert(nest, value, kernel.epilogue.block.args[0].type)
        value = convert(nest, apply_epilogue(nest, kernel, value, extras), operands[-1].element_type)
        stride = nest.dim(columns.strides[-1])
        store_tile(nest, value, operands[-1].memory, here.offsets[-1], tile, 0, stride)
        loop.yield_(total)
