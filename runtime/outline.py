"""Binds a segment that was bound before to other sizes, in microseconds: a decoder has other ones with each token.

Of the thousands of expressions in a segment few are different. They become one function, and the tables of its stages
an index into what it gives. Where buffers lie in the arena stays while they are no larger than those that it was
planned for; sizes that grow a little will do so again, so that the next plan leaves room.

All of this is for batches that take one step each; others are bound from the beginning (binding.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .binding import Binding, Instance, TableLayout, is_eager, pace_of, participants_of
from .expressions import Dimension, compile_dimensions, substituted
from .pace import Pace
from .program import Buffer, Segment
from .segment_arena import SegmentArena
from .tables import StepValues, Tables

_SLIGHTLY, _SLIGHT_BYTES = 1.125, 4096
"""What is larger by this factor at most, or by so many bytes, has grown a little."""
_ROOM = 1.5
"""How many times their size buffers that grow a little may have in the next plan."""
_WASTE = 1.5
"""A plan serves while the buffers that it was made for are larger, all together, by this factor at most."""
_PLANS = 4
_SAME_WORK = 1.25
"""Runs whose work differs by less have one pace."""


class Outline:
    """A segment in terms of its different expressions. Any number of threads may bind at the same time."""

    def __init__(self, segment: Segment, address: Callable[[str], int], constant_address: Callable[[str], int]):
        self._segment = segment
        self._addresses = address, constant_address
        self._numbers: dict[Dimension, int] = {}
        number = self._number
        tensors = [*segment.inputs, *segment.outputs]
        self._dtypes = [np.dtype(tensor.dtype) for tensor in tensors]
        self._shapes = [[number(size) for size in tensor.shape] for tensor in tensors]
        self._sizes = {buffer.name: number(buffer.nbytes, buffer.inside) for buffer in segment.buffers}
        self._arguments: list[list[int]] = []
        for stage in segment.stages:
            inside = self._batches_of(len(self._arguments))
            self._arguments.append([number(argument[-1], inside) for argument in stage.arguments])
        self._work = None if segment.work is None else number(segment.work)
        self._steps = {(number(batches.images), batches.images_at_once) for batches in segment.batches}
        self._ends = {self._end(buffer) for buffer in segment.buffers if buffer.kind in ("input", "output")}
        self._parts = {(self._sizes[b.name], self._sizes[b.whole]) for b in segment.buffers if b.whole is not None}
        self._evaluate = compile_dimensions(list(self._numbers), segment.symbols)
        self._buffers = np.array(list(self._sizes.values()), np.intp)
        shapes = [number for shape in self._shapes for number in shape]
        self._not_negative = np.unique(np.array([*shapes, *self._buffers], np.intp))
        self._forms: dict[int, _Form] = {}

    def _number(self, dimension: Dimension, inside: int | None = None) -> int:
        """The number of an expression among the different ones. The step of a batch has all its images."""
        if inside is not None and self._segment.batches[inside].symbol:
            batches = self._segment.batches[inside]
            dimension = substituted(dimension, batches.symbol, batches.images)
        return self._numbers.setdefault(dimension, len(self._numbers))

    def _batches_of(self, stage: int) -> int | None:
        for number, batches in enumerate(self._segment.batches):
            if batches.first_stage <= stage <= batches.last_stage:
                return number
        return None

    def _end(self, buffer: Buffer) -> tuple[int, tuple[tuple[int, ...], ...], int]:
        """Of an input or output: its bytes, its shape in memory, each size a sum, and the bytes of an element."""
        index = buffer.index + (len(self._segment.inputs) if buffer.kind == "output" else 0)
        shape: list[tuple[int, ...]] = [(size,) for size in self._shapes[index]]
        room = self._segment.room_of(buffer.kind, buffer.index)
        if room is not None:
            axis, symbol = room
            shape[axis] += (self._number(symbol),)
        return self._sizes[buffer.name], tuple(shape), self._dtypes[index].itemsize

    def binding(self, key: tuple[int, ...], threads: int) -> Binding | None:
        """The segment for these values of its symbols; None where it must be bound from the beginning."""
        try:
            values = np.array(self._evaluate(*key), np.int64)
        except OverflowError:
            return None
        found = values.tolist()
        if not self._holds(values, found):
            return None
        work = None if self._work is None else found[self._work]
        total = int(values[self._buffers].sum())
        form = self._form(participants_of(self._segment, work, total, threads))
        plan = form.plan_for(values, self._segment)
        shapes = [tuple([found[number] for number in shape]) for shape in self._shapes]
        count = len(self._segment.inputs)
        outputs = list(zip(shapes[count:], self._dtypes[count:], strict=True))
        pace, eager = form.pace_for(work), is_eager(work, total)
        template, arena = form.template(values, plan), plan.total
        return Binding(form.layout, key, shapes[:count], outputs, template, arena, pace, eager, form.instances, work)

    def _holds(self, values: np.ndarray, found: list[int]) -> bool:
        """Whether sizes agree and batches take one step each. Who binds from the beginning says what is wrong."""
        if values[self._not_negative].min(initial=0) < 0:
            return False
        if not all(0 < found[images] <= at_once for images, at_once in self._steps):
            return False
        if not all(found[part] == found[whole] for part, whole in self._parts):
            return False
        for nbytes, shape, element_bytes in self._ends:
            for size in shape:
                element_bytes *= sum([found[number] for number in size])
            if found[nbytes] != element_bytes:
                return False
        return True

    def _form(self, participants: int) -> _Form:
        form = self._forms.get(participants)
        if form is None:
            segment, (address, constant_address) = self._segment, self._addresses
            steps = [StepValues(1, {}) for _ in segment.batches]
            # The words that belong to arguments are numbers of expressions here.
            tables = Tables.of(segment, self._arguments, steps, dict.fromkeys(self._sizes, 0), participants, address)
            layout = TableLayout.of(segment, tables, participants, constant_address)
            records = tables.as_array()[tables.records_start :]
            numbers = np.array(tables.words[: tables.records_start], np.intp)
            placed = {b.name: self._sizes[b.name] for b in segment.buffers if b.kind in ("arena", "scratch")}
            form = self._forms[participants] = _Form(layout, numbers, records, placed)
        return form


@dataclass(frozen=True, slots=True)
class _Plan:
    """Offsets in the arena for buffers that are no larger than ``sizes``; ``words``: of each word that points there."""

    sizes: np.ndarray
    words: np.ndarray
    total: int


class _Form:
    """The tables of an outline for a number of threads."""

    def __init__(self, layout: TableLayout, numbers: np.ndarray, records: np.ndarray, placed: Mapping[str, int]):
        """``placed``: buffers in the arena, and the numbers of the expressions of their sizes."""
        self.layout = layout
        self.instances: list[Instance] = []
        self._numbers, self._records = numbers, records
        self._names, self._buffers = list(placed), np.array(list(placed.values()), np.intp)
        self._plans: tuple[_Plan, ...] = ()
        self._last = np.zeros(len(placed), np.int64)
        self._pace: tuple[int | None, Pace] | None = None

    def template(self, values: np.ndarray, plan: _Plan) -> np.ndarray:
        words = np.concatenate([values[self._numbers].view(np.uint64), self._records])
        words += self.layout.constants
        words[self.layout.arena_slots] += plan.words
        return words

    def plan_for(self, values: np.ndarray, segment: Segment) -> _Plan:
        sizes = values[self._buffers]
        last, self._last = self._last, sizes
        most = _WASTE * int(sizes.sum())
        for plan in self._plans:
            if (sizes <= plan.sizes).all() and int(plan.sizes.sum()) <= most:
                return plan
        is_decided = any(buffer.offset is not None for buffer in segment.buffers)
        if not is_decided and (sizes <= last * _SLIGHTLY + _SLIGHT_BYTES).all() and last.any():
            sizes = np.where(sizes > last, (sizes * _ROOM).astype(np.int64), sizes)
        steps = [StepValues(1, {}) for _ in segment.batches]
        named = dict(zip(self._names, sizes.tolist(), strict=True))
        arena = SegmentArena.of(segment, named, steps, self.layout.participants)
        plan = _Plan(sizes, self.layout.arena_offsets(arena), arena.total)
        self._plans = (plan, *self._plans[: _PLANS - 1])
        return plan

    def pace_for(self, work: int | None) -> Pace:
        """What was learned of runs of nearly as much work holds for these."""
        if self._pace is not None:
            before, pace = self._pace
            if work == before or (work and before and before / _SAME_WORK < work < before * _SAME_WORK):
                return pace
        pace = pace_of(work, self.layout.participants)
        self._pace = work, pace
        return pace
