"""A compiled model that runs: checks the inputs, binds the symbols, runs the body, gives new arrays.

The overhead of a call matters for small models. What can be known before a call is computed before it; a program
whose body is one call of one segment does not go through the interpreter of plan.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from .binding import Binding
from .cpus import default_threads, threads_of_environment
from .direct_call import DirectCall, DirectCalls, never
from .errors import InputError, LaminaError
from .expressions import Dimension
from .feeds import BOXED, convert_feed, describe_value, dtype_of_feed, unboxed
from .file_format import FileContent, read, read_bytes, save, to_bytes
from .growing import Cache
from .image import Image, MappedImage
from .inspection import MemoryGuard, Poison, StageTime, StageTimer, observed_by
from .machine import target_obstacle
from .memory import address_of, aligned_bytes
from .plan import PlanRunner, Values
from .program import ArrayType, Call, Program
from .segment import ArenaPool, SegmentRunner
from .shapes import Binder, ShapeMatcher, describe_shape, without_vanishing
from .text import text_of
from .threads import POOL
from .validation import validate

MAXIMUM_SHAPES = 64
"""Combinations of input shapes that a model remembers; the one that was not used for longest goes first."""

_CONSTANT_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output of a model. A dimension is an int, or the text of an expression over its symbols.

    ``kind`` is what ONNX calls its type where the dtype does not say it: ``tensor(int4)``, ``seq(tensor(float))``,
    ``optional(tensor(float))``. A sequence is given and got as a list of arrays, an optional value may be None.
    """

    name: str
    dtype: np.dtype
    shape: tuple[Dimension, ...]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class SingleCall:
    """A body that is one call: positions of its inputs and of its results, None where they are all in order."""

    runner: SegmentRunner
    input_order: list[int] | None
    result_order: list[int] | None


class Executable:
    """A compiled model. ``run`` may be called from any number of Python threads at the same time.

    A model for another machine can be saved but not run: ``run`` raises TargetMismatchError.

    ``constants`` is the memory that ``program.constants`` refers to; it is used where it lies, and kept alive.
    ``threads`` is how many threads a run may use; by default ``LAMINA_THREADS``, or one for each core that this
    process may use, and fewer when it may later use fewer. Without ``consistent`` the buffers of segments may
    contradict each other, as those of a schedule at fault do that is to be looked at.
    """

    def __init__(
        self,
        program: Program,
        image: Image,
        constants: bytes | bytearray | memoryview | np.ndarray = b"",
        threads: int | None = None,
        *,
        consistent: bool = True,
    ):
        blob = _as_blob(constants)
        validate(program, image.symbols, blob.size, consistent)
        self.program = program
        self.image = MappedImage(image.data, image.symbols, target_obstacle(program.target), image.driver_version)
        self.constants = blob
        self._arenas = ArenaPool()
        base = address_of(blob)
        self._segments = {
            name: SegmentRunner(program, segment, self.image, base, self._arenas)
            for name, segment in program.segments.items()
        }
        self._inputs = tuple(_info(name, tensor) for name, tensor in program.inputs)
        self._outputs = tuple(_info(name, tensor) for name, tensor in program.outputs)
        self._input_dtypes = [(info.name, dtype_of_feed(info.dtype, info.kind)) for info in self._inputs]
        self._boxes = [index for index, info in enumerate(self._outputs) if info.kind.startswith(BOXED)]
        self._output_names = [info.name for info in self._outputs]
        self._matcher = ShapeMatcher([tensor for _, tensor in program.inputs], program.checks)
        self._rooms = {room: 0 for segment in program.segments.values() for room in segment.rooms}
        self._bound_shapes: OrderedDict[tuple[tuple[int, ...], ...], Any] = OrderedDict()
        self._single = _single_call(program, self._segments)
        self._plan = None if self._single else PlanRunner(program.body, self._segments, self._constant_arrays())
        self._threads_given: int | None = None
        if threads is None:
            self._use_threads(default_threads(), asked=threads_of_environment() is not None)
        else:
            self.set_threads(threads)

    # --- what it is -------------------------------------------------------------------------------

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        return self._outputs

    @property
    def precision(self) -> str:
        """What products of f32 were allowed to be rounded to when the model was compiled: ``f32`` is nothing."""
        return self.program.precision

    @property
    def threads(self) -> int:
        return self._threads

    def set_threads(self, threads: int) -> None:
        """From now on a run uses at most so many threads. Raises LaminaError unless it is a positive integer.

        Runs that go on in other Python threads meanwhile keep theirs.
        """
        if not isinstance(threads, int) or threads < 1:
            raise LaminaError(f"threads is {threads!r}: expected a positive integer")
        self._use_threads(threads, asked=True)
        self._threads_given = threads

    def _use_threads(self, threads: int, asked: bool) -> None:
        self._threads = threads
        for runner in self._segments.values():
            runner.set_threads(threads, asked)
        self._bound_shapes = OrderedDict()
        self._direct: DirectCalls | None = None
        self._run_by_name: DirectCall = never
        self.run_directly: DirectCall = never
        POOL.refresh_limits()

    def __repr__(self) -> str:
        def describe(infos: tuple[TensorInfo, ...]) -> str:
            return ", ".join(f"{info.name}: {info.dtype}{describe_shape(info.shape)}" for info in infos)

        return f"<Executable ({describe(self._inputs)}) -> ({describe(self._outputs)})>"

    # --- running ----------------------------------------------------------------------------------

    def cache(self, pairs: Mapping[str, str] | None = None, *, capacity: int = 0) -> Cache:
        """An empty cache for ``run``, which hands outputs of one run to the next as inputs.

        ``pairs`` has the name of the output for each such input; by default they are those that decoders call
        ``past...`` and ``present...``. There is room for ``capacity`` tokens from the beginning on, and for twice as
        many whenever there is none. Raises InputError where the model has no such inputs and outputs.
        """
        return Cache(self, pairs, capacity)

    def run(
        self, feeds: Mapping[str, Any], output_names: Sequence[str] | None = None, *, cache: Cache | None = None
    ) -> dict[str, np.ndarray]:
        """The outputs by name, in the model's order, or those of ``output_names`` in that order.

        The arrays of the result are new and belong to the caller. With a ``cache`` the inputs that it holds are left
        out of the feeds, and the outputs that it keeps of the result. Raises InputError where a feed does not fit.
        """
        if cache is not None:
            return cache.run(self, feeds, output_names)
        outputs = self._run_by_name(feeds)
        if outputs is None:
            outputs = self._run_in_general(feeds)
        return outputs if output_names is None else self._select(outputs, output_names)

    def _run_in_general(self, feeds: Mapping[str, Any]) -> dict[str, np.ndarray]:
        arrays = []
        shapes = []
        try:
            for name, dtype in self._input_dtypes:
                array = feeds[name]
                if type(array) is not np.ndarray or array.dtype is not dtype or not array.flags.c_contiguous:
                    array = convert_feed(name, array, dtype)
                arrays.append(array)
                shapes.append(array.shape)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise self._unusable(feeds, error) from None
        if len(feeds) != len(arrays):
            raise self._unknown(feeds)
        try:
            results = self._results(arrays, self._bound(tuple(shapes)))
        except ZeroDivisionError:
            raise self._divided_by_zero(shapes) from None
        if self.program.vanishing:
            results = list(map(without_vanishing, results, self.program.vanishing))
        for index in self._boxes:
            results[index] = unboxed(results[index])
        return dict(zip(self._output_names, results, strict=True))

    def _results(
        self, arrays: list[np.ndarray], bound: Any, placed: Mapping[int, np.ndarray] | None = None
    ) -> list[np.ndarray]:
        single = self._single
        if single is None:
            return self._run_plan(arrays, bound)
        if single.input_order is not None:
            arrays = [arrays[position] for position in single.input_order]
        results = single.runner.run(bound, arrays, placed)
        if single.result_order is None:
            return results
        return [results[position] for position in single.result_order]

    def taken(self, feeds: Mapping[str, Any], names: Sequence[str]) -> dict[str, np.ndarray]:
        """The feeds of these inputs as arrays that can be run on. Raises InputError where one does not fit."""
        dtypes = dict(self._input_dtypes)
        if not isinstance(feeds, Mapping):
            raise self._unusable(feeds, TypeError())
        missing = [name for name in names if name not in feeds]
        if missing:
            raise InputError(f"inputs {missing} are missing: expected {list(names)}, got {list(feeds)}")
        unknown = [name for name in feeds if name not in dtypes]
        if unknown:
            raise InputError(f"the model has no inputs {unknown}: expected {list(names)}")
        return {name: convert_feed(name, feeds[name], dtypes[name]) for name in names}

    def symbols_of_shapes(self, shapes: tuple[tuple[int, ...], ...]) -> dict[str, int]:
        """What input shapes say, in a dictionary of its own; there is no room behind what could grow."""
        return dict(self._bind_symbols(shapes))

    def results(
        self, arrays: list[np.ndarray], symbols: dict[str, int], placed: Mapping[str, np.ndarray]
    ) -> list[np.ndarray]:
        """All outputs for arrays that fit these sizes. Outputs that are ``placed`` are written there."""
        single = self._single
        bound = symbols if single is None else single.runner.binding(symbols)
        order = None if single is None else single.result_order
        positions = {name: at if order is None else order[at] for at, name in enumerate(self._output_names)}
        results = self._results(arrays, bound, {positions[name]: array for name, array in placed.items()})
        return list(map(without_vanishing, results, self.program.vanishing)) if self.program.vanishing else results

    def _divided_by_zero(self, shapes: list[tuple[int, ...]]) -> InputError:
        given = ", ".join(f"'{name}' {list(shape)}" for (name, _), shape in zip(self._input_dtypes, shapes))
        return InputError(f"the model divides a size by another one, which is 0 for inputs of the shapes {given}")

    def _run_plan(self, arrays: list[np.ndarray], symbols: dict[str, int]) -> list[np.ndarray]:
        assert self._plan is not None
        values: Values = {name: array for (name, _), array in zip(self._input_dtypes, arrays, strict=True)}
        return self._plan.run(values, dict(symbols))

    def _bound(self, shapes: tuple[tuple[int, ...], ...]) -> Any:
        """What input shapes mean: a Binding for a single call, else the values of the symbols."""
        known = self._bound_shapes
        bound = known.get(shapes)
        if bound is not None:
            if len(known) > 1:
                _mark_used(known, shapes)
            if self._single is not None:
                self._call_directly(shapes, bound)
            return bound
        symbols = self._bind_symbols(shapes)
        bound = symbols if self._single is None else self._single.runner.binding(symbols)
        known[shapes] = bound
        while len(known) > MAXIMUM_SHAPES:
            try:
                known.popitem(last=False)
            except KeyError:  # Another thread was here.
                break
        return bound

    def _call_directly(self, shapes: tuple[tuple[int, ...], ...], binding: Binding) -> None:
        """From now on, for shapes that were run before."""
        if self._direct is None:
            single = self._single
            if single is None or self.program.vanishing or self._boxes or not DirectCalls.are_possible(single.runner):
                return
            inputs, outputs = range(len(self._inputs)), range(len(single.runner.segment.outputs))
            direct = DirectCalls(
                single.runner,
                self._input_dtypes,
                self._output_names,
                inputs if single.input_order is None else single.input_order,
                outputs if single.result_order is None else single.result_order,
            )
            self._direct, self._run_by_name, self.run_directly = direct, direct.by_name, direct.in_order
        self._direct.add(shapes, binding)

    def _bind_symbols(self, shapes: tuple[tuple[int, ...], ...]) -> dict[str, int]:
        matched = self._matcher.symbols(shapes)
        if matched is not None:
            return matched | self._rooms
        binder = Binder()
        for (name, tensor), shape in zip(self.program.inputs, shapes, strict=True):
            binder.match(f"input '{name}'", shape, tensor)
        symbols = binder.finish()
        for check in self.program.checks:
            failure = check.failure(symbols)
            if failure is not None:
                raise InputError(failure)
        return symbols | self._rooms

    def _select(self, outputs: dict[str, np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
        unknown = [name for name in names if name not in outputs]
        if unknown:
            raise InputError(f"no outputs {unknown}: the model has {self._output_names}")
        return {name: outputs[name] for name in names}

    def _unusable(self, feeds: Any, error: Exception) -> Exception:
        if not isinstance(feeds, Mapping):
            return InputError(f"feeds: expected arrays by name in a dictionary, got {describe_value(feeds)}")
        return self._missing(feeds) if isinstance(error, KeyError) else error

    def _missing(self, feeds: Mapping[str, Any]) -> InputError:
        expected = [name for name, _ in self._input_dtypes]
        missing = [name for name in expected if name not in feeds]
        return InputError(f"inputs {missing} are missing: expected {expected}, got {list(feeds)}")

    def _unknown(self, feeds: Mapping[str, Any]) -> InputError:
        expected = [name for name, _ in self._input_dtypes]
        unknown = [name for name in feeds if name not in expected]
        return InputError(f"the model has no inputs {unknown}: expected {expected}")

    # --- looking at it ----------------------------------------------------------------------------

    def profile(self, feeds: Mapping[str, Any]) -> list[StageTime]:
        """The time of each stage of one run, in order. Stages are timed one by one, each with a barrier after it."""
        timer = StageTimer()
        with observed_by(timer):
            self.run(feeds)
        return timer.times

    def run_poisoned(self, feeds: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """As ``run``, with NaN in the outputs and in all intermediate memory at the start; the result is the same.

        If not, a kernel reads what nobody has written, or leaves something unwritten.
        """
        with observed_by(Poison()):
            return self.run(feeds)

    def run_guarded(self, feeds: Mapping[str, Any], trace: TextIO | None = None) -> dict[str, np.ndarray]:
        """As ``run``, each buffer between pages that cannot be touched; slow. The result is the same.

        Raises ExecutionError for a kernel that writes around its buffers; one that goes further ends the process, and
        the last line in ``trace`` names it.
        """
        with observed_by(MemoryGuard(trace)):
            return self.run(feeds)

    # --- keeping ----------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Writes the model to one file that ``lamina.load`` reads without the compiler."""
        save(self, path)

    def __reduce__(self) -> tuple[Any, ...]:
        return from_bytes, (to_bytes(self), self._threads_given)

    def _constant_arrays(self) -> Values:
        """Read-only views of the constants that steps of the body use by ``@name``."""
        arrays: Values = {}
        for name, constant in self.program.constants.items():
            memory = self.constants[constant.offset : constant.offset + constant.nbytes]
            dtype = np.dtype(constant.dtype)
            if dtype.kind == "O":
                arrays[name] = text_of(memory, constant.shape, f"constant '{name}'")
                continue
            if int(np.prod(constant.shape, dtype=np.int64)) * dtype.itemsize == constant.nbytes:
                array = memory.view(dtype).reshape(constant.shape)
                array.flags.writeable = False
                arrays[name] = array
        return arrays


def load(path: str | Path, *, threads: int | None = None, verify: bool = True, share: bool = True) -> Executable:
    """The model in the file ``path``.

    ``threads`` as for Executable. ``verify`` compares the checksum of the constants, which reads them all; header and
    code are always checked. ``share`` maps the constants from the file, which may be replaced or removed but must not
    be written to meanwhile: a process that reads what was cut off is ended by the system. Otherwise they are copied
    into memory of their own.
    Raises FileFormatError for what is no intact compiled model of this version, ProgramError for one that contradicts
    itself, TargetMismatchError for one that was compiled for another machine, and OSError.
    """
    return _executable(read(path, verify=verify, share=share), threads)


def from_bytes(data: bytes, threads: int | None = None) -> Executable:
    """The model in the content of a file. Raises as ``load`` does."""
    return _executable(read_bytes(data), threads)


def _executable(content: FileContent, threads: int | None) -> Executable:
    return Executable(content.program, content.image, content.constants, threads)


def _info(name: str, tensor: ArrayType) -> TensorInfo:
    return TensorInfo(name, np.dtype(tensor.dtype), tuple(tensor.shape), tensor.kind)


def _mark_used(known: OrderedDict[Any, Any], key: Any) -> None:
    try:
        known.move_to_end(key)
    except KeyError:  # Another thread has just removed it.
        return


def _as_blob(constants: bytes | bytearray | memoryview | np.ndarray) -> np.ndarray:
    """The constants as aligned bytes: where they lie if they are aligned, else a copy."""
    if isinstance(constants, np.ndarray):
        blob = np.ascontiguousarray(constants).reshape(-1).view(np.uint8)
    else:
        blob = np.frombuffer(constants, np.uint8)
    if blob.size == 0 or address_of(blob) % _CONSTANT_ALIGNMENT == 0:
        return blob
    aligned = aligned_bytes(blob.size)
    aligned[:] = blob
    return aligned


def _single_call(program: Program, segments: Mapping[str, SegmentRunner]) -> SingleCall | None:
    """The body as one call of one segment on inputs of the program, or None where it is more than that."""
    steps, results = program.body.steps, program.body.results
    if len(steps) != 1 or not isinstance(steps[0], Call):
        return None
    call = steps[0]
    names = [name for name, _ in program.inputs]
    if not set(call.inputs) <= set(names) or not set(results) <= set(call.outputs):
        return None
    if len(set(results)) != len(results) or len(set(call.outputs)) != len(call.outputs):
        return None
    input_order = [names.index(name) for name in call.inputs]
    result_order = [call.outputs.index(name) for name in results]
    inputs_in_order = input_order == list(range(len(names)))
    results_in_order = result_order == list(range(len(call.outputs)))
    return SingleCall(
        segments[call.segment],
        None if inputs_in_order else input_order,
        None if results_in_order else result_order,
    )
