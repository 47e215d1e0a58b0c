"""kernel.recurrence: the steps of an LSTM, a GRU or an RNN.

::

    for direction, tile of sequences, shared                  (a sequence cannot be split)
      h, c = initial state
      for step
        for each turn of the cell, for panel of units         (recurrent_tile.py)
          gates[rows][units] = inputs' part                   (all gates of the tile in registers)
          for k in units:  gates += h[k] * weights[panel][k]
          next h, c = cell(gates, h, c);  y[step] = next h
      last h, c = h, c

h lies in scratch memory, before and after a step; c in the output that holds the last one. A single step has nothing
to wait for: threads share its panels of units too, and states are read and written where they are given and wanted.

With ``lengths`` a tile goes as many steps as its longest sequence has; the others keep their state and give 0.

Decisions: a tile has ``rows`` sequences by ``units``, and a single sequence ``depth_sums`` sums for each element.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.ir import SSAValue

from ...dialects.kernel import RecurrenceOp
from ...dialects.recurrence import Activation, resets_state
from ...dialects.recurrence_decisions import Recurrence, is_single_step
from ...dialects.schedule import StageOp
from .elementwise import operand_positions
from .loop_nest import INDEX, Index, LoopNest
from .recurrent_tile import Operands, RecurrentTile, RowMajor, StateRows, Step, turns_of
from .register_tile import split_evenly
from .tile_access import Span


def lower_recurrence(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, RecurrenceOp)
    if kernel.has_epilogue:
        raise ValueError("kernel.recurrence takes no epilogue")
    _Recurrence(stage, nest, kernel).lower()


@dataclass(frozen=True)
class _RowTiles:
    """``count`` neighbouring tiles of ``size`` sequences, the first of which starts at ``start``."""

    size: int
    count: Index
    start: Index


def _operands(stage: StageOp, nest: LoopNest, kernel: RecurrenceOp) -> Operands:
    ins = [nest.operands[position] for position in operand_positions(stage)]
    outs = [RowMajor(nest, tensor) for tensor in nest.operands[len(stage.ins) :]]
    states = kernel.kind.states

    def added(flag: str) -> RowMajor | None:
        position = kernel.position_of(flag)
        return None if position is None else RowMajor(nest, ins[position])

    return Operands(
        projected=RowMajor(nest, ins[0]),
        weights=ins[1],
        initial=[RowMajor(nest, tensor) for tensor in ins[2 : 2 + states]],
        recurrent_bias=added("linear_before_reset"),
        peepholes=added("peepholes"),
        lengths=added("lengths"),
        y=outs[0],
        last=outs[1:],
    )


class _Recurrence:
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: RecurrenceOp):
        self.nest, self.kernel = nest, kernel
        self.operands = _operands(stage, nest, kernel)
        self.decisions = stage.decided(Recurrence)
        self.steps, _, self.batch, self.hidden = (nest.dim(size) for size in kernel.type.dims)
        self.panels = nest.ceildiv(self.hidden, self.decisions.units)
        self.is_single = is_single_step(kernel)
        self.turns = turns_of(kernel)

    # --- pieces of work -----------------------------------------------------------------------------------

    def lower(self) -> None:
        nest, tiles = self.nest, self._row_tiles()
        total: Index = 0
        for tile in tiles:
            total = nest.add(total, tile.count)
        bounds = [self.kernel.directions, total, self.panels if self.is_single else 1]
        with nest.forall(bounds) as (direction, piece, panel):
            before: Index = 0
            for tile in tiles:
                after = nest.add(before, tile.count)
                with self._where_between(piece, before, after, len(tiles) == 1):
                    row = nest.add(tile.start, nest.mul(nest.sub(piece, before), tile.size))
                    self._by_functions(direction, row, tile.size, panel)
                before = after

    def _row_tiles(self) -> list[_RowTiles]:
        """Tiles that cover the batch, each sequence once; of an unknown number in three sizes."""
        nest, rows = self.nest, self.decisions.rows
        if isinstance(self.batch, int):
            return [_RowTiles(split.size, split.count, split.start) for split in split_evenly(self.batch, rows)]
        tiles: list[_RowTiles] = []
        start: Index = 0
        for size in sorted({rows, min(rows, 2), 1}, reverse=True):
            count = nest.floordiv(nest.sub(self.batch, start), size)
            tiles.append(_RowTiles(size, count, start))
            start = nest.add(start, nest.mul(count, size))
        return tiles

    @contextlib.contextmanager
    def _where_between(self, piece: Index, low: Index, high: Index, always: bool) -> Iterator[None]:
        if always:
            yield
            return
        with (
            self.nest.when(self.nest.compare("sge", piece, low)),
            self.nest.when(self.nest.compare("slt", piece, high)),
        ):
            yield

    def _by_functions(self, direction: Index, row: Index, rows: int, panel: Index) -> None:
        """Directions with functions of their own have code of their own."""
        nest, functions = self.nest, [self.kernel.functions(each) for each in range(self.kernel.directions)]
        if len(functions) == 1 or functions[0] == functions[1]:
            self._sequence(direction, row, rows, panel, functions[0])
            return
        for number, own in enumerate(functions):
            with nest.when(nest.compare("eq", direction, number)):
                self._sequence(number, row, rows, panel, own)

    # --- steps --------------------------------------------------------------------------------------------

    def _sequence(self, direction: Index, row: Index, rows: int, panel: Index, functions: Sequence[Activation]) -> None:
        """All steps of some sequences; of those without steps, the initial state is the last."""
        initial = [matrix.rows(direction, row) for matrix in self.operands.initial]
        last = [matrix.rows(direction, row) for matrix in self.operands.last]
        first_c, last_c = (initial[1], last[1]) if len(initial) > 1 else (None, None)
        if self.is_single:
            step = Step(direction, 0, row, rows, functions, initial[0], last[0], first_c, last_c)
            self._in_panel(panel, lambda units: self.turns[0](self._tile(step, panel, units)))
            return
        nest = self.nest
        size = nest.mul(nest.dim(self.decisions.state_stride(self.kernel)), rows)
        start = Step(direction, 0, row, rows, functions, initial[0], self._scratch(0, rows))
        self._copy(start, initial[0], self._scratch(0, rows))
        if first_c is not None and last_c is not None:
            self._copy(start, first_c, last_c)
        count = self._step_count(row, rows)
        scaled = self._scratch(nest.mul(size, 2), rows) if resets_state(self.kernel) else None
        with nest.loop(0, count, carried=nest.values([0, size])) as loop:
            now, then = loop.carried
            time = self._time(direction, loop.index, count)
            h, next_h = self._scratch(now, rows), self._scratch(then, rows)
            self._step(Step(direction, time, row, rows, functions, h, next_h, last_c, last_c, scaled))
            loop.yield_(then, now)
        self._copy(start, self._scratch(loop.results[0], rows), last[0])
        if self.operands.lengths is not None:
            self._fill(start, count)

    def _scratch(self, offset: Index, rows: int) -> StateRows:
        """Rows of a state in scratch memory."""
        nest, stride = self.nest, self.nest.dim(self.decisions.state_stride(self.kernel))
        states = 3 if resets_state(self.kernel) else 2
        size = nest.mul(stride, states * rows)
        memory = nest.scratch_memory(self.operands.y.element, 0, size)
        return StateRows(memory, offset, stride, is_padded=True)

    def _step_count(self, row: Index, rows: int) -> Index:
        """Steps of the longest of some sequences."""
        nest, lengths = self.nest, self.operands.lengths
        if lengths is None:
            return self.steps
        longest: Index = 0
        for number in range(rows):
            at = nest.view(lengths.memory, lengths.at(nest.add(row, number)), [1], [1])
            length = nest.insert(arith.IndexCastOp(nest.load(at, [0]), INDEX))
            longest = nest.maximum(longest, length)
        return nest.minimum(longest, self.steps)

    def _time(self, direction: Index, step: Index, count: Index) -> Index:
        nest, way = self.nest, self.kernel.get("direction")
        if way == "forward":
            return step
        back = nest.sub(nest.sub(count, 1), step)
        if way == "reverse":
            return back
        return nest.add(step, nest.mul(direction, nest.sub(back, step)))

    def _step(self, step: Step) -> None:
        for turn in self.turns:
            self._for_panels(lambda panel, units, turn=turn: turn(self._tile(step, panel, units)))

    def _tile(self, step: Step, panel: Index, units: Span) -> RecurrentTile:
        return RecurrentTile(self.nest, self.kernel, self.operands, step, panel, units, self.decisions.depth_sums)

    # --- panels of units ----------------------------------------------------------------------------------

    def _for_panels(self, body: Callable[[Index, Span], None]) -> None:
        nest, width = self.nest, self.decisions.units
        whole = nest.floordiv(self.hidden, width)
        with nest.loop(0, whole) as panel:
            body(panel.index, Span(width))
        rest = nest.sub(self.hidden, nest.mul(whole, width))
        if isinstance(rest, int):
            if rest:
                body(whole, Span(width, rest))
            return
        with nest.when(nest.compare("sgt", rest, 0)):
            body(whole, Span(width, rest))

    def _in_panel(self, panel: Index, body: Callable[[Span], None]) -> None:
        """``body(units)`` of one panel, of which the last may not be full."""
        nest, width = self.nest, self.decisions.units
        if isinstance(self.hidden, int) and self.hidden % width == 0:
            body(Span(width))
            return
        body(Span(width, nest.minimum(nest.sub(self.hidden, nest.mul(panel, width)), width)))

    def _copy(self, step: Step, source: StateRows, result: StateRows) -> None:
        def copy(panel: Index, units: Span) -> None:
            tile = self._tile(step, panel, units)
            tile.store(tile.load(source), result)

        self._for_panels(copy)

    def _fill(self, step: Step, first: Index) -> None:
        """Zeros in y from the end of the longest sequence on."""
        nest = self.nest

        def fill(panel: Index, units: Span) -> None:
            tile = self._tile(step, panel, units)
            zero: SSAValue = nest.constant(0.0, nest.vector_type(self.operands.y.element, tile.shape))
            with nest.loop(first, self.steps) as time:
                tile.store(zero, self.operands.y.rows(time.index, step.direction, step.row))

        self._for_panels(fill)
