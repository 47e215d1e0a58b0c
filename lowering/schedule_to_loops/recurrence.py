"""kernel.recurrence: the steps of an LSTM, a GRU or an RNN.

::

    for direction, block of sequences, shared                 (a sequence cannot be split)
      h, c = initial state
      for step
        for each turn of the cell, for panel of units         (there and back: what was read last is still in the cache)
          for tile of sequences                               (recurrent_tile.py)
            gates[rows][units] = inputs' part                 (all gates of the tile in registers)
            for k in units:  gates += h[k] * weights[panel][k]
          for sequence:  next h, c = cell(gates, h, c);  y[step] = next h
      last h, c = h, c

h lies in scratch memory, before and after a step; c in the output that holds the last one. A single step has nothing
to wait for: threads share its panels of units too, and states are read and written where they are given and wanted.

With ``lengths`` a block goes as many steps as its longest sequence has; the others keep their state and give 0.

Decisions: a tile has ``rows`` sequences of a ``block`` by ``units``; a single sequence ``depth_sums`` sums for each
element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from ...dialects.kernel import RecurrenceOp
from ...dialects.recurrence import Activation, resets_state
from ...dialects.recurrence_decisions import Recurrence, is_single_step
from ...dialects.schedule import StageOp
from .arithmetic import to_index
from .elementwise import operand_positions
from .loop_nest import Index, LoopNest
from .recurrent_tile import CellTurn, GateSums, Operands, RecurrentTile, RowMajor, StateRows, Step, turns_of
from .register_tile import split_evenly
from .tile_access import Span

# Sequences of a tile, in falling sizes, where the number of sequences is not known: as many as decided, then these.
FEW_ROWS = (4, 2, 1)


def lower_recurrence(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, RecurrenceOp)
    _Recurrence(stage, nest, kernel).lower()


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


@dataclass(frozen=True)
class _Block:
    """Sequences that go through the steps together: a number of them from ``first`` on, in one direction."""

    direction: Index
    first: Index
    count: Index
    functions: Sequence[Activation]


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
        nest, size = self.nest, self.decisions.block
        panels = self.panels if self.is_single else 1
        with nest.forall([self.kernel.directions, nest.ceildiv(self.batch, size), panels]) as (
            direction,
            number,
            panel,
        ):
            first = nest.mul(number, size)
            is_even = isinstance(self.batch, int) and self.batch % size == 0
            count = size if is_even else nest.minimum(nest.sub(self.batch, first), size)
            functions = [self.kernel.functions(each) for each in range(self.kernel.directions)]
            if len(functions) == 1 or functions[0] == functions[1]:
                self._block(_Block(direction, first, count, functions[0]), panel)
                return
            # Directions with functions of their own have code of their own.
            for way, own in enumerate(functions):
                with nest.when(nest.compare("eq", direction, way)):
                    self._block(_Block(way, first, count, own), panel)

    def _block(self, block: _Block, panel: Index) -> None:
        """All steps of some sequences; of those without steps, the initial state is the last."""
        initial = [matrix.rows(block.direction, block.first) for matrix in self.operands.initial]
        last = [matrix.rows(block.direction, block.first) for matrix in self.operands.last]
        first_c, last_c = (initial[1], last[1]) if len(initial) > 1 else (None, None)
        if self.is_single:
            step = Step(block.direction, 0, block.first, block.functions, initial[0], last[0], first_c, last_c)
            self._for_rows(block, self.turns[0], step, panel, self._units(panel))
            return
        self._copy(block, initial[0], self._scratch(0))
        if first_c is not None and last_c is not None:
            self._copy(block, first_c, last_c)
        h = self._steps(block, last_c)
        self._copy(block, h, last[0])

    # --- steps --------------------------------------------------------------------------------------------

    def _steps(self, block: _Block, c: StateRows | None) -> StateRows:
        """Gives where the last h lies."""
        nest = self.nest
        size = nest.mul(nest.dim(self.decisions.state_stride(self.kernel)), self.decisions.block)
        count = self._step_count(block)
        scaled = self._scratch(nest.mul(size, 2)) if resets_state(self.kernel) else None
        with nest.loop(0, count, carried=nest.values([0, size, 0])) as loop:
            now, then, is_back = loop.carried
            time = self._time(block.direction, loop.index, count)
            states = (self._scratch(now), self._scratch(then), c, c, scaled)
            step = Step(block.direction, time, block.first, block.functions, *states)
            for turn in self.turns:
                self._for_panels(
                    lambda panel, units, turn=turn: self._for_rows(block, turn, step, panel, units), is_back
                )
            loop.yield_(then, now, nest.value(nest.sub(1, is_back)))
        if self.operands.lengths is not None:
            self._fill(block, count)
        return self._scratch(loop.results[0])

    def _scratch(self, offset: Index) -> StateRows:
        """Rows of a state in scratch memory."""
        nest, stride = self.nest, self.nest.dim(self.decisions.state_stride(self.kernel))
        states = 3 if resets_state(self.kernel) else 2
        memory = nest.scratch_memory(self.operands.y.element, 0, nest.mul(stride, states * self.decisions.block))
        return StateRows(memory, offset, stride, is_padded=True)

    def _sums(self) -> GateSums:
        """Scratch memory for the sums of a block, after the states."""
        decisions, offset = self.decisions, self.nest.dim(self.decisions.state_bytes(self.kernel))
        memory = self.nest.scratch_memory(self.operands.y.element, offset, decisions.sums_of_block(self.kernel))
        return GateSums(memory, decisions.block, decisions.units)

    def _step_count(self, block: _Block) -> Index:
        """Steps of the longest sequence of a block."""
        nest, lengths = self.nest, self.operands.lengths
        if lengths is None:
            return self.steps
        with nest.loop(0, block.count, carried=[nest.value(0)]) as row:
            at = nest.view(lengths.memory, lengths.at(nest.add(block.first, row.index)), [1], [1])
            length = to_index(nest, nest.load(at, [0]))
            row.yield_(nest.value(nest.maximum(row.carried[0], length)))
        return nest.minimum(row.results[0], self.steps)

    def _time(self, direction: Index, step: Index, count: Index) -> Index:
        nest, way = self.nest, self.kernel.get("direction")
        if way == "forward":
            return step
        back = nest.sub(nest.sub(count, 1), step)
        if way == "reverse":
            return back
        return nest.add(step, nest.mul(direction, nest.sub(back, step)))

    # --- tiles --------------------------------------------------------------------------------------------

    def _for_rows(self, block: _Block, turn: CellTurn, step: Step, panel: Index, units: Span) -> None:
        """A turn of all sequences of a block: products of tiles of them, then what comes of the sums one by one."""
        nest, decisions = self.nest, self.decisions

        def tile(row: Index, rows: int) -> RecurrentTile:
            return RecurrentTile(nest, self.kernel, self.operands, step, row, rows, panel, units, decisions.depth_sums)

        if block.count == 1:
            single = tile(0, 1)
            turn.finish(single, single.products(turn))
            return
        sums = self._sums()
        self._for_row_tiles(block.count, lambda row, rows: tile(row, rows).sum_up(turn, sums))
        with nest.loop(0, block.count) as row:
            tile(row.index, 1).finish(turn, sums)

    def _for_row_tiles(self, count: Index, body: Callable[[Index, int], None]) -> None:
        """``body(row, rows)`` for tiles that cover a block; of an unknown number of sequences in falling sizes."""
        nest, largest = self.nest, self.decisions.rows
        if isinstance(count, int):
            for split in split_evenly(count, largest):
                with nest.loop(0, split.count) as loop:
                    body(nest.add(split.start, nest.mul(loop.index, split.size)), split.size)
            return
        start: Index = 0
        for size in (largest, *(few for few in FEW_ROWS if few < largest)):
            tiles = nest.floordiv(nest.sub(count, start), size)
            with nest.loop(0, tiles) as loop:
                body(nest.add(start, nest.mul(loop.index, size)), size)
            start = nest.add(start, nest.mul(tiles, size))

    def _for_panels(self, body: Callable[[Index, Span], None], is_back: Index = 0) -> None:
        """``body(panel, units)`` of all panels, the last first where it goes back."""
        nest = self.nest
        with nest.loop(0, self.panels) as loop:
            mirrored = nest.sub(nest.sub(self.panels, 1), loop.index)
            panel = nest.add(loop.index, nest.mul(is_back, nest.sub(mirrored, loop.index)))
            body(panel, self._units(panel))

    def _units(self, panel: Index) -> Span:
        """Units of a panel, of which the last may not be full."""
        nest, width = self.nest, self.decisions.units
        if isinstance(self.hidden, int) and self.hidden % width == 0:
            return Span(width)
        return Span(width, nest.minimum(nest.sub(self.hidden, nest.mul(panel, width)), width))

    # --- what happens before and after --------------------------------------------------------------------

    def _rows_of(self, block: _Block, body: Callable[[RecurrentTile], None]) -> None:
        """``body(tile)`` of each sequence and panel, to move states."""
        step = Step(block.direction, 0, block.first, block.functions, self._scratch(0), self._scratch(0))
        with self.nest.loop(0, block.count) as row:
            self._for_panels(
                lambda panel, units: body(
                    RecurrentTile(self.nest, self.kernel, self.operands, step, row.index, 1, panel, units)
                )
            )

    def _copy(self, block: _Block, source: StateRows, result: StateRows) -> None:
        self._rows_of(block, lambda tile: tile.store(tile.load(source), result))

    def _fill(self, block: _Block, first: Index) -> None:
        """Zeros in y from the end of the longest sequence on."""
        nest = self.nest

        def fill(tile: RecurrentTile) -> None:
            zero: SSAValue = nest.constant(0.0, nest.vector_type(self.operands.y.element, tile.shape))
            with nest.loop(first, self.steps) as time:
                tile.store(zero, self.operands.y.rows(time.index, block.direction, block.first))

        self._rows_of(block, fill)
