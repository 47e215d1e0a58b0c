"""One tile of a step of a recurrent cell: some sequences by a panel of hidden units, and what the cell makes of it.

``turns_of`` says in how many turns through the units a step goes, and what a tile does in each::

    lstm  i, o, f, g = x + h R;  c = f * c + i * g;  h = o * tanh(c)
    gru   z, r = x + h R;  g = x + r * (h R + b);  h = (1 - z) * g + z * h       (linear_before_reset)
    gru   z, r = x + h R;  keep r * h              then  g = x + (r * h) R;  h = (1 - z) * g + z * h
    rnn   h = x + h R
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import i32
from xdsl.ir import SSAValue

from ...dialects.recurrence import Activation, RecurrenceOp, resets_state
from .activations import activate, clip
from .arithmetic import combine, compare, convert, index_as, select
from .loop_nest import Index, LoopNest, Tensor
from .operand_access import axis_strides
from .register_tile import strides_by_axis
from .tile_access import Span, Tile, load_tile, store_tile

# Turns of the sum over the state that are written out, where a tile has few sums.
UNROLL = 4
FEW_SUMS = 8


@dataclass(frozen=True)
class StateRows:
    """StateRows of memory, one for each sequence of a tile; ``is_padded``: they go on to the end of a panel."""

    memory: SSAValue
    offset: Index
    stride: Index
    is_padded: bool = False


class RowMajor:
    """A row-major tensor addressed by its leading indices."""

    def __init__(self, nest: LoopNest, tensor: Tensor):
        self.nest, self.memory, self.origin = nest, tensor.memory, tensor.origin
        self.strides = [nest.dim(stride) for stride in axis_strides(tensor)]
        self.element = tensor.element_type

    def at(self, *indices: Index) -> Index:
        offset = self.origin
        for index, stride in zip(indices, self.strides, strict=False):
            offset = self.nest.add(offset, self.nest.mul(index, stride))
        return offset

    def rows(self, *indices: Index) -> StateRows:
        """What lies along the last axis, from the row at these indices on."""
        return StateRows(self.memory, self.at(*indices), self.strides[-2])


@dataclass(frozen=True)
class Operands:
    """The kernel's operands in memory."""

    projected: RowMajor
    weights: Tensor
    initial: Sequence[RowMajor]
    recurrent_bias: RowMajor | None
    peepholes: RowMajor | None
    lengths: RowMajor | None
    y: RowMajor
    last: Sequence[RowMajor]


@dataclass(frozen=True)
class Step:
    """A block of sequences, from ``first`` on, at one time: where their states lie before and after it."""

    direction: Index
    time: Index
    first: Index
    functions: Sequence[Activation]
    h: StateRows
    next_h: StateRows
    c: StateRows | None = None
    next_c: StateRows | None = None
    scaled_h: StateRows | None = None
    """h times the reset gate."""


@dataclass(frozen=True)
class GateSums:
    """Memory for the sums of a block of sequences: [gates][rows][width]."""

    memory: SSAValue
    rows: int
    width: int

    def of_gate(self, nest: LoopNest, place: int) -> SSAValue:
        return nest.view(self.memory, place * self.rows * self.width, [self.rows, self.width], [self.width, 1])


@dataclass(frozen=True)
class RecurrentTile:
    """``rows`` sequences of a block, from ``row`` on, and a panel of units, which may be fewer than it is wide."""

    nest: LoopNest
    kernel: RecurrenceOp
    operands: Operands
    step: Step
    row: Index
    rows: int
    panel: Index
    units: Span
    depth_sums: int = 1

    # --- memory -------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.units.size

    @property
    def _first_unit(self) -> Index:
        return self.nest.mul(self.panel, self.units.size)

    def _tile(self, rows: StateRows) -> Tile:
        return Tile(Span(self.rows), Span(self.units.size) if rows.is_padded else self.units)

    def _offset(self, rows: StateRows) -> Index:
        return self.nest.add(rows.offset, self.nest.mul(self.row, rows.stride))

    def load(self, rows: StateRows, first: Index = 0) -> SSAValue:
        """The tile's part of rows that have its units from ``first`` on."""
        offset = self.nest.add(self.nest.add(self._offset(rows), first), self._first_unit)
        return load_tile(self.nest, rows.memory, offset, self._tile(rows), rows.stride, 1)

    def store(self, value: SSAValue, rows: StateRows) -> None:
        offset = self.nest.add(self._offset(rows), self._first_unit)
        store_tile(self.nest, value, rows.memory, offset, self._tile(rows), rows.stride, 1)

    def of_units(self, matrix: RowMajor, number: int = 0) -> SSAValue:
        """The ``number``th vector of all units in the direction's row of a matrix, for each sequence."""
        first = self.nest.add(self.nest.mul(self._hidden, number), self._first_unit)
        offset = self.nest.add(matrix.at(self.step.direction), first)
        row = load_tile(self.nest, matrix.memory, offset, Tile(None, self.units), 0, 1)
        return self.nest.broadcast(row, self.shape)

    @property
    def _hidden(self) -> Index:
        return self.nest.dim(self.kernel.type.dims[-1])

    # --- gates --------------------------------------------------------------------------------------------

    def inputs(self, gate: int) -> SSAValue:
        """The inputs' part of a gate."""
        nest, step = self.nest, self.step
        number = nest.add(nest.mul(step.direction, self.kernel.kind.gates), gate)
        return self.load(self.operands.projected.rows(step.time, step.first), nest.mul(self._hidden, number))

    def sum_up(self, turn: CellTurn, sums: GateSums) -> None:
        """Keeps the sums of all gates of a turn."""
        for place, total in enumerate(self.products(turn)):
            self.nest.store_vector(total, sums.of_gate(self.nest, place), [self.row, 0])

    def finish(self, turn: CellTurn, sums: GateSums) -> None:
        """The rest of a turn, once its sums are kept."""
        memories = [sums.of_gate(self.nest, place) for place in range(len(turn.gates))]
        turn.finish(self, [self.nest.load_vector(memory, [self.row, 0], self.shape) for memory in memories])

    def products(self, turn: CellTurn) -> list[SSAValue]:
        """For each gate what it starts with plus the state times its weights.

        Of a single sequence a few sums run side by side: each waits for its last product.
        """
        nest, gates, count = self.nest, turn.gates, len(turn.gates)
        starts = [self._start(turn, gate) for gate in gates]
        state = self.step.scaled_h if turn.multiplies_scaled else self.step.h
        assert state is not None
        parts = self.depth_sums if self.rows == 1 else 1
        zero = nest.constant(0.0, starts[0].type)
        whole = nest.mul(nest.floordiv(self._hidden, parts), parts)
        unroll = UNROLL // parts if self.rows * count <= FEW_SUMS else 1
        begin = [*starts, *[zero] * (count * (parts - 1))]
        with nest.loop(0, whole, parts, begin, unroll) as loop:
            sums = loop.carried
            by_part = [sums[first : first + count] for first in range(0, len(sums), count)]
            loop.yield_(*(
                total
                for part, before in enumerate(by_part)
                for total in self._add(nest.add(loop.index, part), gates, before, state)
            ))  # fmt: skip
        totals = loop.results[:count]
        for part in range(1, parts):
            more = loop.results[part * count : (part + 1) * count]
            totals = [combine(nest, "sum", *pair) for pair in zip(totals, more, strict=True)]
        with nest.loop(whole, self._hidden, carried=totals) as rest:
            rest.yield_(*self._add(rest.index, gates, rest.carried, state))
        return rest.results

    def _start(self, turn: CellTurn, gate: int) -> SSAValue:
        if gate not in turn.biased:
            return self.inputs(gate)
        assert self.operands.recurrent_bias is not None
        return self.of_units(self.operands.recurrent_bias)

    def _add(self, unit: Index, gates: Sequence[int], sums: Sequence[SSAValue], state: StateRows) -> list[SSAValue]:
        """The sums plus one unit of the state before times its weights."""
        nest, (_, width) = self.nest, self.shape
        one = Tile(Span(self.rows), Span(1))
        column = load_tile(nest, state.memory, nest.add(self._offset(state), unit), one, state.stride, 0)
        weights = self.operands.weights
        strides = strides_by_axis(weights)
        offset = weights.origin
        for index, piece in ((self.step.direction, (0, False)), (self.panel, (3, True)), (unit, (1, False))):
            offset = nest.add(offset, nest.mul(index, strides[piece]))
        added = []
        for gate, before in zip(gates, sums, strict=True):
            at = nest.add(offset, nest.mul(gate, strides[2, False]))
            row = nest.load_vector(nest.view(weights.memory, at, [1, width], [width, 1]), [0, 0], [1, width])
            added.append(nest.contract(column, row, before))
        return added

    def activated(self, function: int, value: SSAValue) -> SSAValue:
        """One of the cell's functions of a clipped value."""
        limit = self.kernel.get("clip")
        return self.apply(function, clip(self.nest, value, limit) if limit > 0 else value)

    def apply(self, function: int, value: SSAValue) -> SSAValue:
        return activate(self.nest, self.step.functions[function], value)

    def add(self, left: SSAValue, right: SSAValue) -> SSAValue:
        return self.nest.insert(arith.AddfOp(left, right))

    def subtract(self, left: SSAValue, right: SSAValue) -> SSAValue:
        return self.nest.insert(arith.SubfOp(left, right))

    def multiply(self, left: SSAValue, right: SSAValue) -> SSAValue:
        return self.nest.insert(arith.MulfOp(left, right))

    # --- states -------------------------------------------------------------------------------------------

    def keep(self, h: SSAValue, c: SSAValue | None = None) -> None:
        """Stores the states after the step, and h in y; sequences that are over keep theirs, and have 0 in y."""
        nest, step, live = self.nest, self.step, self._live()
        shown = h
        if live is not None:
            shown = select(nest, live, h, nest.constant(0.0, h.type))
            h = select(nest, live, h, self.load(step.h))
            c = None if c is None or step.c is None else select(nest, live, c, self.load(step.c))
        if c is not None and step.next_c is not None:
            self.store(c, step.next_c)
        self.store(h, step.next_h)
        self.store(shown, self.operands.y.rows(step.time, step.direction, step.first))

    def _live(self) -> SSAValue | None:
        """Which sequences have this step; None where all do."""
        nest, lengths = self.nest, self.operands.lengths
        if lengths is None:
            return None
        one, first = Tile(Span(self.rows), Span(1)), nest.add(self.step.first, self.row)
        steps = load_tile(nest, lengths.memory, lengths.at(first), one, 1, 0)
        steps = nest.broadcast(convert(nest, steps, i32), self.shape)
        time = nest.broadcast(index_as(nest, self.step.time, i32), self.shape)
        return compare(nest, "sgt", steps, time)


# --- cells ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CellTurn:
    """One of a step's turns through the units: what is multiplied with which gates' weights, and what comes of it.

    ``finish`` gets the gates' sums. ``biased`` gates have their own bias for products, and the inputs are added later.
    """

    gates: tuple[int, ...]
    finish: Callable[[RecurrentTile, Sequence[SSAValue]], None]
    biased: tuple[int, ...] = ()
    multiplies_scaled: bool = False
    """h times the reset gate, rather than h."""


def _lstm(tile: RecurrentTile, sums: Sequence[SSAValue]) -> None:
    nest, peepholes = tile.nest, tile.operands.peepholes
    assert tile.step.c is not None
    i, o, f, g = sums
    c = tile.load(tile.step.c)

    def peep(gate: SSAValue, number: int, cell: SSAValue) -> SSAValue:
        return gate if peepholes is None else nest.fma(tile.of_units(peepholes, number), cell, gate)

    i = tile.activated(0, peep(i, 0, c))
    if tile.kernel.get("input_forget"):
        f = tile.subtract(nest.constant(1.0, i.type), i)
    else:
        f = tile.activated(0, peep(f, 2, c))
    c = nest.fma(i, tile.activated(1, g), tile.multiply(f, c))
    o = tile.activated(0, peep(o, 1, c))
    tile.keep(tile.multiply(o, tile.apply(2, c)), c)


def _gru_linear(tile: RecurrentTile, sums: Sequence[SSAValue]) -> None:
    z, r, g = sums
    g = tile.nest.fma(tile.activated(0, r), g, tile.inputs(2))
    _mix(tile, tile.activated(0, z), g)


def _gru_gates(tile: RecurrentTile, sums: Sequence[SSAValue]) -> None:
    """The update gate waits where h will be."""
    assert tile.step.scaled_h is not None
    z, r = sums
    tile.store(tile.activated(0, z), tile.step.next_h)
    tile.store(tile.multiply(tile.activated(0, r), tile.load(tile.step.h)), tile.step.scaled_h)


def _gru_state(tile: RecurrentTile, sums: Sequence[SSAValue]) -> None:
    _mix(tile, tile.load(tile.step.next_h), sums[0])


def _mix(tile: RecurrentTile, z: SSAValue, g: SSAValue) -> None:
    """(1 - z) * g + z * h, once g is activated."""
    g = tile.activated(1, g)
    tile.keep(tile.nest.fma(z, tile.subtract(tile.load(tile.step.h), g), g))


def _rnn(tile: RecurrentTile, sums: Sequence[SSAValue]) -> None:
    tile.keep(tile.activated(0, sums[0]))


def turns_of(kernel: RecurrenceOp) -> tuple[CellTurn, ...]:
    if kernel.get("cell") == "lstm":
        return (CellTurn((0, 1, 2, 3), _lstm),)
    if kernel.get("cell") == "rnn":
        return (CellTurn((0,), _rnn),)
    if resets_state(kernel):
        return (CellTurn((0, 1), _gru_gates), CellTurn((2,), _gru_state, multiplies_scaled=True))
    return (CellTurn((0, 1, 2), _gru_linear, biased=(2,)),)
