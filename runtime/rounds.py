"""Loops whose rounds are one call each: native code runs one round after another, without a return to Python.

Between two rounds nothing changes but where the call reads and writes. A carried value is read where the round before
has written it: two places take turns. What is stacked goes to the next row, and a value that is carried and stacked is
read from the row before. All of these are changes of words in the argument tables, which native code makes itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter_ns

import numpy as np

from .binding import Binding, Instance
from .memory import address_of
from .program import Call, Repeat
from .segment import SegmentRunner, give_back, instance_of

_FIRST_ROUNDS = 64
"""Of a call of native code, which an interrupt has to wait for."""
_BRIEF, _LONG = 2_000_000, 8_000_000
"""Nanoseconds: from so few to so many a call of native code is meant to take."""
_FIRST_ROWS, _MOST_ROWS = 64, 1 << 16
"""Room for what is stacked where the number of rounds is not known, and at most before there are so many."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """A loop whose body is one call, by what becomes of the call's results.

    ``carried`` has, for each carried value, the position of the result that it becomes, None where it stays as it is;
    ``stacked`` positions of results; ``condition`` that of the next condition, or the name of a value from outside of
    the body, or None where the condition stays as it is.
    """

    step: Repeat
    call: Call
    carried: list[int | None]
    stacked: list[int]
    condition: int | str | None

    @staticmethod
    def of(step: Repeat) -> Rounds | None:
        """None where the body is more than a call, or hands its values on in another way."""
        steps = step.body.steps
        if len(steps) != 1 or not isinstance(steps[0], Call):
            return None
        call, inputs = steps[0], step.body_inputs
        positions = {name: position for position, name in enumerate(call.outputs)}
        next_condition, *results = step.body.results
        count = len(step.initial)
        carried: list[int | None] = []
        for name, before in zip(results, inputs[2:]):
            if name != before and name not in positions:
                return None
            carried.append(positions.get(name))
        stacked = [positions.get(name, -1) for name in results[count:]]
        condition = positions.get(next_condition, next_condition)
        used = [position for position in carried if position is not None]
        if len(set(used)) < len(used) or len(set(stacked)) < len(stacked) or -1 in stacked:
            return None
        if condition in used or condition in stacked or next_condition in (inputs[0], *inputs[2:]):
            return None
        return Rounds(step, call, carried, stacked, None if condition == inputs[1] else condition)

    @property
    def is_endless(self) -> bool:
        """Whether only a round can tell how many there are."""
        return isinstance(self.condition, int)


@dataclass(slots=True)
class Walk:
    """One run of a loop, of ``limit`` rounds at most: the memory that its rounds share, and how many there were.

    ``arrays`` are what the call reads, in the first round; ``values`` the carried values before it.
    """

    rounds: Rounds
    runner: SegmentRunner
    binding: Binding
    arrays: list[np.ndarray]
    values: list[np.ndarray]
    limit: int
    done: int = 0
    _number: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    _condition: np.ndarray = field(default_factory=lambda: np.ones(1, np.bool_))
    _pairs: dict[int, np.ndarray] = field(default_factory=dict)
    """By result that is carried and not stacked: the two places that take turns."""
    _rows: dict[int, np.ndarray] = field(default_factory=dict)
    """By result that is stacked: its rows, with what is carried into the first round before them."""
    _unread: dict[int, np.ndarray] = field(default_factory=dict)

    def fits(self) -> bool:
        """Whether each round finds what the one before has left: no carried value changes its size."""
        outputs = self.binding.outputs
        for position, value in zip(self.rounds.carried, self.values, strict=True):
            if position is not None and outputs[position][:2] != (value.shape, value.dtype):
                return False
        condition = self.rounds.condition
        return not isinstance(condition, int) or outputs[condition][1:] == (self._condition.dtype, 1)

    def run(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The carried values after the last round, and what was stacked."""
        self._make_room()
        binding, runner = self.binding, self.runner
        instance = instance_of(binding)
        arena = runner.arenas.take(binding.arena_bytes) if binding.arena_bytes else None
        if arena is not None:
            instance.move_to(binding, arena.address)
        self._run_all(instance)
        if arena is not None:
            runner.arenas.give(arena)
        give_back(binding, instance)
        carried = [
            value if position is None else self._after(position)
            for position, value in zip(self.rounds.carried, self.values, strict=True)
        ]
        return carried, [self._rows[position][1 : self.done + 1] for position in self.rounds.stacked]

    def _run_all(self, instance: Instance) -> None:
        condition = address_of(self._condition) if self.rounds.is_endless else None
        at_once = _FIRST_ROUNDS
        while True:
            changes = self._place(instance)
            wanted = min(at_once, self.limit - self.done, self._room - self.done)
            begin = perf_counter_ns()
            ran = self.runner.execute_rounds(self.binding, instance, changes, wanted, condition)
            elapsed = perf_counter_ns() - begin
            self.runner.check_report(self.binding, instance)
            self.done += ran
            if self.done == self.limit or not self._condition[0]:
                return
            if elapsed < _BRIEF:
                at_once *= 4
            elif elapsed > _LONG:
                at_once = max(at_once // 2, 1)
            if self.done == self._room:
                self._grow()

    # --- memory -----------------------------------------------------------------------------------

    def _make_room(self) -> None:
        carried = {position: value for position, value in zip(self.rounds.carried, self.values) if position is not None}
        rows = min(self.limit, _FIRST_ROWS if self.rounds.is_endless else _MOST_ROWS)
        for position, (shape, dtype, _) in enumerate(self.binding.outputs):
            if position in self.rounds.stacked:
                self._rows[position] = memory = np.empty((rows + 1, *shape), dtype)
            elif position in carried:
                self._pairs[position] = memory = np.empty((2, *shape), dtype)
            else:
                if position != self.rounds.condition:
                    self._unread[position] = np.empty(shape, dtype)
                continue
            if position in carried:
                memory[0] = carried[position]

    @property
    def _room(self) -> int:
        """How many rounds there are rows for."""
        return min((len(rows) - 1 for rows in self._rows.values()), default=self.limit)

    def _grow(self) -> None:
        for position, rows in self._rows.items():
            more = np.empty((min(2 * len(rows), self.limit + 1), *rows.shape[1:]), rows.dtype)
            more[: len(rows)] = rows
            self._rows[position] = more

    def _after(self, position: int) -> np.ndarray:
        """What a result was in the last round."""
        if position in self._rows:
            return self._rows[position][self.done].copy()
        return self._pairs[position][self.done % 2]

    # --- tables -----------------------------------------------------------------------------------

    def _place(self, instance: Instance) -> np.ndarray:
        """Writes the addresses for the next round, and gives the changes between that and those after it."""
        slots, changes = instance.slots, [(address_of(self._number), 0, 1)]
        self._number[0] = self.done
        binding, names = self.binding, self.rounds.call.inputs
        results = dict(zip(self.rounds.step.body_inputs[2:], self.rounds.carried))
        patches = [(slot, offset, self._read(names[at], at, results)) for at, slot, offset in binding.input_patches]
        patches += [(slot, offset, self._written(at)) for at, slot, offset in binding.output_patches]
        for slot, offset, (here, next_, step) in patches:
            here, next_ = here + offset, next_ + offset
            slots[slot] = here
            if here != next_ or step:
                changes.append((instance.base + slot * 8, here ^ next_, step))
        return np.array(changes, np.int64)

    def _read(self, name: str, position: int, results: dict[str, int | None]) -> tuple[int, int, int]:
        """Where the next round reads what the call calls so, where the one after it if places take turns, and by how
        much that is further on otherwise."""
        number, condition, *_ = self.rounds.step.body_inputs
        if name in (number, condition):
            address = address_of(self._number if name == number else self._condition)
            return address, address, 0
        result = results.get(name)
        if result is None:
            address = address_of(self.arrays[position])
            return address, address, 0
        return self._place_of(result, self.done)

    def _written(self, position: int) -> tuple[int, int, int]:
        if position in self._rows or position in self._pairs:
            return self._place_of(position, self.done + 1)
        address = address_of(self._condition if position == self.rounds.condition else self._unread[position])
        return address, address, 0

    def _place_of(self, result: int, round_: int) -> tuple[int, int, int]:
        nbytes = self.binding.outputs[result][2]
        if result in self._rows:
            address = address_of(self._rows[result]) + round_ * nbytes
            return address, address, nbytes
        address = address_of(self._pairs[result])
        turn = round_ % 2 * nbytes
        return address + turn, address + nbytes - turn, 0
