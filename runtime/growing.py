"""What a model hands from one run to the next: a decoder's keys and values of all tokens so far, or other state.

Keys and values grow with each run. Where the compiler lets the output lie where the input does (``Segment.growths``),
both are one buffer with room behind, so that a run writes what is new and nothing else; the buffer doubles when it is
full. Otherwise, and while a run is observed, outputs are arrays of their own that become the next run's inputs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .errors import InputError, LaminaError
from .expressions import compile_dimensions, is_symbol, symbols_of
from .program import ArrayType, Call, Program
from .segment import OBSERVER

_LEAST_ROOM = 64
_NAMES = (("past_key_values", "present"), ("past_key_values", "present_key_values"), ("past", "present"))
"""How inputs are called that hold what outputs gave before, and those outputs."""


class Runnable(Protocol):
    """What a cache asks of an Executable."""

    @property
    def program(self) -> Program: ...
    def taken(self, feeds: Mapping[str, Any], names: Sequence[str], /) -> dict[str, np.ndarray]: ...
    def symbols_of_shapes(self, shapes: tuple[tuple[int, ...], ...], /) -> dict[str, int]: ...
    def results(
        self, arrays: list[np.ndarray], symbols: dict[str, int], placed: Mapping[str, np.ndarray], /
    ) -> list[np.ndarray]: ...


@dataclass(frozen=True, slots=True)
class Place:
    """An output that may lie where an input does: by their names, with the symbols of the room behind each."""

    past: str
    present: str
    axis: int
    room_before: str
    room: str


def places_of(program: Program) -> list[Place]:
    """The model's inputs and outputs that grow in place."""
    if len(program.body.steps) != 1 or not isinstance(program.body.steps[0], Call):
        return []
    call = program.body.steps[0]
    inputs = {name for name, _ in program.inputs}
    outputs = {value: name for value, (name, _) in zip(program.body.results, program.outputs, strict=True)}
    places = []
    for growth in program.segments[call.segment].growths:
        past, present = call.inputs[growth.input], outputs.get(call.outputs[growth.output])
        if past in inputs and present is not None and call.inputs.count(past) == 1:
            places.append(Place(past, present, growth.axis, growth.room_before, growth.room))
    return places


def paired_names(program: Program) -> dict[str, str]:
    """The output of each input that holds what it gave before: as the compiler found, or as they are called."""
    pairs = {place.past: place.present for place in places_of(program)}
    outputs = dict(program.outputs)
    for name, tensor in program.inputs:
        for before, after in _NAMES:
            other = name.replace(before, after, 1)
            if name not in pairs and other != name and other in outputs and _may_follow(tensor, outputs[other]):
                pairs[name] = other
    return pairs


def _may_follow(before: ArrayType, after: ArrayType) -> bool:
    return before.dtype == after.dtype and len(before.shape) == len(after.shape)


class _State:
    """One input's array: all of ``memory``, or ``length`` entries of it along the axis that it grows along."""

    __slots__ = ("length", "memory", "place")

    def __init__(self, memory: np.ndarray, place: Place | None):
        self.memory, self.place = memory, place
        self.length = 0 if place is None else memory.shape[place.axis]

    def part(self, length: int) -> np.ndarray:
        if self.place is None:
            return self.memory
        return self.memory[(*[slice(None)] * self.place.axis, slice(length))]

    @property
    def array(self) -> np.ndarray:
        return self.part(self.length)

    def set(self, array: np.ndarray) -> None:
        """Another array in place of this one."""
        self.memory = array
        self.length = 0 if self.place is None else array.shape[self.place.axis]

    def reserve(self, capacity: int) -> None:
        """Memory for at least so many entries. What is new in it is zero."""
        assert self.place is not None
        axis = self.place.axis
        if self.memory.shape[axis] >= capacity:
            return
        shape = list(self.memory.shape)
        shape[axis] = max(capacity, 2 * shape[axis], _LEAST_ROOM)
        kept, self.memory = self.array, np.zeros(shape, self.memory.dtype)
        self.part(self.length)[...] = kept


class Cache(Mapping[str, np.ndarray]):
    """What runs of one model hand on: ``model.run(feeds, cache=cache)`` takes inputs from it and leaves outputs in it.

    By the names of those inputs it gives the arrays that the next run will take. An array shows what a token was, for
    as long as no later run has put another one in its place, as after ``keep``. A cache serves one run at a time.

    ``pairs``: the input that each of these outputs becomes; by default all that are called so (``past...`` and
    ``present...``). ``capacity``: for so many tokens there is room from the beginning on.
    """

    def __init__(self, executable: Runnable, pairs: Mapping[str, str] | None = None, capacity: int = 0):
        program = executable.program
        self._executable, self._capacity = executable, capacity
        self._pairs = dict(paired_names(program) if pairs is None else pairs)
        self._check_pairs(program)
        self._places = {p.past: p for p in places_of(program) if self._pairs.get(p.past) == p.present}
        self._states: dict[str, _State] = {}
        self._running = threading.Lock()
        self._names = [name for name, _ in program.inputs]
        self._outputs = [name for name, _ in program.outputs]
        self._kept_outputs = {present: past for past, present in self._pairs.items()}
        self._sizes = _Sizes(program, self._pairs)

    def _check_pairs(self, program: Program) -> None:
        inputs, outputs = dict(program.inputs), dict(program.outputs)
        for past, present in self._pairs.items():
            if past not in inputs or present not in outputs:
                raise InputError(f"the model has no input '{past}' with an output '{present}' that could become it")
            if not _may_follow(inputs[past], outputs[present]):
                raise InputError(f"the output '{present}' cannot become the input '{past}': their types differ")
        if not self._pairs:
            raise InputError(
                f"no output of the model is called as one that becomes an input: give pairs of the inputs "
                f"{list(inputs)} and the outputs {list(outputs)}"
            )

    # --- what is in it ----------------------------------------------------------------------------

    @property
    def length(self) -> int:
        """Tokens that are held: entries along the axis that grows; 0 where nothing does so in place."""
        return next((state.length for name, state in self._states.items() if name in self._places), 0)

    @property
    def grows_in_place(self) -> bool:
        """Whether a run writes what is new and copies nothing of what was there."""
        return self._places.keys() == self._pairs.keys()

    def __getitem__(self, name: str) -> np.ndarray:
        return self._states[name].array

    def __iter__(self) -> Iterator[str]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def __repr__(self) -> str:
        held = sum(state.memory.nbytes for state in self._states.values())
        return f"<Cache of {len(self._pairs)} inputs, length {self.length}, {held / 1e6:.1f} MB>"

    def clear(self) -> None:
        """Begins anew; the memory is freed."""
        self._states.clear()

    def keep(self, length: int) -> None:
        """Forgets all tokens but the first ``length``, as when some were only tried."""
        if not 0 <= length <= self.length:
            raise InputError(f"cannot keep {length} of the {self.length} tokens that the cache holds")
        for name in self._places.keys() & self._states.keys():
            self._states[name].length = length

    def select(self, rows: Sequence[int]) -> None:
        """Makes sequence ``rows[i]`` the i-th one of the batch, as a beam search does, which copies them."""
        for state in self._states.values():
            length = state.length
            state.memory = state.memory[np.asarray(rows, np.intp)]
            state.length = length

    def copy(self) -> Cache:
        """Another cache that goes on from here."""
        other = Cache(self._executable, self._pairs, self._capacity)
        for name, state in self._states.items():
            other._states[name] = copied = _State(state.memory.copy(), state.place)
            copied.length = state.length
        return other

    # --- running ----------------------------------------------------------------------------------

    def run(
        self, executable: Runnable, feeds: Mapping[str, Any], output_names: Sequence[str] | None
    ) -> dict[str, np.ndarray]:
        """``Executable.run`` calls this. Outputs that stay in the cache are given where they are asked for by name."""
        if executable is not self._executable:
            raise InputError("this cache was made by another model")
        if not self._running.acquire(blocking=False):
            raise LaminaError("a run with this cache is still going on: each needs a cache of its own")
        try:
            return self._run(feeds, output_names)
        finally:
            self._running.release()

    def _run(self, feeds: Mapping[str, Any], output_names: Sequence[str] | None) -> dict[str, np.ndarray]:
        held = [name for name in feeds if name in self._pairs]
        if held:
            raise InputError(f"inputs {held} come from the cache: leave them out, or run without it")
        given = self._executable.taken(feeds, [name for name in self._names if name not in self._pairs])
        if not self._states:
            for name, zeros in self._sizes.first(given).items():
                self._states[name] = _State(zeros, self._places.get(name))
        arrays = [given[name] if name in given else self._states[name].array for name in self._names]
        results = dict(zip(self._outputs, self._results(arrays), strict=True))
        wanted = [name for name in self._outputs if name not in self._kept_outputs]
        unknown = [name for name in output_names or () if name not in results]
        if unknown:
            raise InputError(f"no outputs {unknown}: the model has {self._outputs}")
        return {name: results[name] for name in (wanted if output_names is None else output_names)}

    def _results(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        executable = self._executable
        symbols = executable.symbols_of_shapes(tuple([array.shape for array in arrays]))
        placed: dict[str, np.ndarray] = {}
        if self._places and OBSERVER.get() is None:
            sizes = self._sizes.of_outputs(symbols)
            for name, place in self._places.items():
                state, length = self._states[name], sizes[place.present][place.axis]
                state.reserve(max(length, self._capacity))
                capacity = state.memory.shape[place.axis]
                symbols[place.room_before], symbols[place.room] = capacity - state.length, capacity - length
                placed[place.present] = state.part(length)
            arrays = [
                self._states[name].array if name in self._places else array
                for name, array in zip(self._names, arrays, strict=True)
            ]
        else:
            arrays = [np.ascontiguousarray(array) for array in arrays]
        results = executable.results(arrays, symbols, placed)
        for name, result in zip(self._outputs, results, strict=True):
            past = self._kept_outputs.get(name)
            if past is None:
                continue
            if name in placed:
                self._states[past].length = result.shape[self._places[past].axis]
            else:
                self._states[past].set(result)
        return results


class _Sizes:
    """Shapes of what a cache holds: of its inputs before the first run, and of its outputs after one."""

    def __init__(self, program: Program, pairs: Mapping[str, str]):
        self._held = {name: tensor for name, tensor in program.inputs if name in pairs}
        self._given = [(name, tensor) for name, tensor in program.inputs if name not in pairs]
        self._kept = {name: tensor for name, tensor in program.outputs if name in pairs.values()}
        self._symbols = sorted(set(program.symbols) | symbols_of(*(s for t in self._kept.values() for s in t.shape)))
        self._outputs = compile_dimensions([s for t in self._kept.values() for s in t.shape], self._symbols)

    def first(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Zeros for the inputs that are held; sizes that no other input tells are 0."""
        symbols: dict[str, int] = {}
        for name, tensor in self._given:
            for dimension, size in zip(tensor.shape, given[name].shape, strict=False):
                if isinstance(dimension, str) and is_symbol(dimension):
                    symbols.setdefault(dimension, size)
        arrays = {}
        for name, tensor in self._held.items():
            missing = sorted(symbols_of(*tensor.shape) - symbols.keys())
            names = [*symbols, *missing]
            shape = compile_dimensions(tensor.shape, names)(*symbols.values(), *[0] * len(missing))
            arrays[name] = np.zeros([max(size, 0) for size in shape], tensor.dtype)
        return arrays

    def of_outputs(self, symbols: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
        sizes = iter(self._outputs(*[symbols.get(name, 0) for name in self._symbols]))
        return {name: tuple([next(sizes) for _ in tensor.shape]) for name, tensor in self._kept.items()}
