"""Runs the body of a program: its steps in order over named arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .binding import Binding
from .errors import ExecutionError, InputError, LaminaError, ProgramError
from .expressions import Dimension, compile_dimensions, evaluate, is_symbol, symbols_of
from .program import ArrayType, Bind, Block, Call, Check, Conditional, Host, Repeat, Step
from .rounds import Rounds, Walk
from .segment import OBSERVER, SegmentRunner
from .shapes import Binder, describe_shape

Values = dict[str, np.ndarray]
HostOperation = Callable[[list[Any], dict[str, Any]], Sequence[Any]]

DIMENSION_ATTRIBUTES = ("shape", "starts", "ends", "pads", "dimensions", "common_scale")
"""Attributes of operations on the host that may hold expressions over symbols; the runtime evaluates them."""

MAXIMUM_ITERATIONS = 1 << 31
"""Of a Repeat without a trip count."""


@dataclass(slots=True)
class Frame:
    """One run of a block: its values, and the symbols bound so far. Inner blocks work on copies of both."""

    values: Values
    symbols: dict[str, int]

    def inner(self) -> Frame:
        return Frame(dict(self.values), dict(self.symbols))


@dataclass(slots=True)
class _BlockCheck:
    """A check, and its two sides as a function of its symbols."""

    check: Check
    symbols: list[str]
    sides: Callable[..., tuple[int, ...]]

    @staticmethod
    def of(check: Check) -> _BlockCheck:
        symbols = sorted(symbols_of(check.left, check.right))
        return _BlockCheck(check, symbols, compile_dimensions([check.left, check.right], symbols))


@dataclass(slots=True)
class _HostStep:
    """What of an operation on the host is the same in each run."""

    operation: HostOperation
    has_sizes: bool
    """Whether attributes are expressions over symbols."""
    dtypes: list[np.dtype]

    @staticmethod
    def of(step: Host) -> _HostStep:
        lists = [step.attributes.get(name) for name in DIMENSION_ATTRIBUTES]
        has_sizes = any(isinstance(entry, str) for found in lists if isinstance(found, list) for entry in found)
        dtypes = [np.dtype(tensor.dtype) for tensor in step.output_types]
        return _HostStep(host_operation(step.operation), has_sizes, dtypes)


_PreparedStep = tuple[Callable[["PlanRunner", Any, Frame], Sequence[np.ndarray]], Step, list[str], list[str]]
"""What runs a step, the step, the names of its results, and those of the values that end with it."""


class PlanRunner:
    """Runs blocks of one program. Holds no state between runs, so that any number of threads may use it."""

    def __init__(self, body: Block, segments: Mapping[str, SegmentRunner], constants: Values):
        self._body = body
        self._segments = segments
        self._constants = constants
        self._steps: dict[int, list[_PreparedStep]] = {}
        """By block."""
        self._host_steps: dict[int, _HostStep] = {}
        self._rounds: dict[int, Rounds] = {}
        """By loop whose rounds native code can run one after another."""
        self._plain_sizes: dict[int, list[Dimension]] = {}
        """By step that binds nothing but symbols and numbers."""
        self._checks: dict[int, list[_BlockCheck]] = {}
        """By block that has any."""
        self._prepare(body)
        called = {name for step in body.steps if isinstance(step, Call) for name in step.outputs}
        # Those of calls are: nobody else holds one.
        self._gives_new_arrays = set(body.results) <= called and len(set(body.results)) == len(body.results)

    def run(self, inputs: Values, symbols: dict[str, int]) -> list[np.ndarray]:
        """The results of the body, each an array that nobody else holds. Both dictionaries are used up."""
        if self._gives_new_arrays:
            return self._run_block(self._body, Frame(inputs, symbols))
        return own_arrays(self._run_block(self._body, Frame(dict(inputs), symbols)), list(inputs.values()))

    # --- blocks -----------------------------------------------------------------------------------

    def _prepare(self, block: Block) -> None:
        """For each step what runs it, and the values of this block that nothing reads after it: memory goes early."""
        if block.checks:
            self._checks[id(block)] = [_BlockCheck.of(check) for check in block.checks]
        pending = set(block.results)
        prepared: list[_PreparedStep] = []
        defined = {name for step in block.steps for name in step.outputs}
        for step in reversed(block.steps):
            used = _names_read(step) | set(step.outputs)
            prepared.append((_RUNS[type(step)], step, step.outputs, sorted((used - pending) & defined)))
            pending |= used
            rounds = Rounds.of(step) if isinstance(step, Repeat) else None
            if rounds is not None:
                self._rounds[id(step)] = rounds
            if isinstance(step, Bind) and all(isinstance(size, int) or is_symbol(size) for size in step.sizes):
                self._plain_sizes[id(step)] = step.sizes
            for inner in _inner_blocks(step):
                self._prepare(inner)
        self._steps[id(block)] = prepared[::-1]

    def _run_block(self, block: Block, frame: Frame) -> list[np.ndarray]:
        values = frame.values
        pending = self._checks.get(id(block), ())
        for run, step, names, ending in self._steps[id(block)]:
            if pending:
                pending = _checks_left(pending, frame.symbols)
            for name, result in zip(names, run(self, step, frame), strict=True):
                values[name] = result
            for name in ending:
                values.pop(name, None)
        if pending:
            _checks_left(pending, frame.symbols)
        return [self._value(name, frame) for name in block.results]

    def _value(self, name: str, frame: Frame) -> np.ndarray:
        value = frame.values.get(name)
        if value is not None:
            return value
        if name.startswith("@"):
            return self._constants[name[1:]]
        raise ProgramError(f"the value '{name}' is not defined here")

    # --- steps ------------------------------------------------------------------------------------

    def _run_call(self, step: Call, frame: Frame) -> Sequence[np.ndarray]:
        runner, binding = self._bound(step, frame)
        return runner.run(binding, self._arrays(step, runner, binding, frame))

    def _bound(self, step: Call, frame: Frame) -> tuple[SegmentRunner, Binding]:
        runner = self._segments[step.segment]
        try:
            return runner, runner.binding(frame.symbols)
        except KeyError as error:
            raise ProgramError(f"segment '{step.segment}' needs the symbol {error}, which nothing has bound") from None

    def _arrays(self, step: Call, runner: SegmentRunner, binding: Binding, frame: Frame) -> list[np.ndarray]:
        """What a call reads, as it must lie."""
        arrays = []
        values = frame.values
        for name, shape, dtype in zip(step.inputs, binding.input_shapes, runner.input_dtypes):
            array = values.get(name)
            if array is None:
                array = self._value(name, frame)
            if array.shape != shape or (array.dtype is not dtype and array.dtype != dtype):
                raise ExecutionError(
                    f"segment '{step.segment}' expects '{name}' to be {dtype} {describe_shape(shape)}, "
                    f"got {array.dtype} {describe_shape(array.shape)}"
                )
            arrays.append(array if array.flags.c_contiguous else array.copy(order="C"))
        return arrays

    def _run_host(self, step: Host, frame: Frame) -> Sequence[np.ndarray]:
        prepared = self._host_steps.get(id(step))
        if prepared is None:
            prepared = self._host_steps[id(step)] = _HostStep.of(step)
        inputs = [None if not name else self._value(name, frame) for name in step.inputs]
        attributes = _evaluate_attributes(step.attributes, frame.symbols) if prepared.has_sizes else step.attributes
        try:
            with np.errstate(all="ignore"):  # Infinities and NaN are results like others.
                results = [np.asarray(result) for result in prepared.operation(inputs, dict(attributes))]
        except LaminaError:
            raise
        except Exception as error:
            shapes = ", ".join(
                "none" if array is None else f"{array.dtype} {describe_shape(array.shape)}" for array in inputs
            )
            raise ExecutionError(f"'{step.operation}' on the host failed for inputs {shapes}: {error}") from error
        if not _fit(results, prepared.dtypes, step.output_types, frame.symbols):
            _bind_results(f"'{step.operation}' on the host", step.outputs, results, step.output_types, frame.symbols)
        return results

    def _run_bind(self, step: Bind, frame: Frame) -> Sequence[np.ndarray]:
        found, symbols = self._value(step.inputs[0], frame), frame.symbols
        sizes = [found.item()] if found.size == 1 else found.reshape(-1).tolist()
        plain = self._plain_sizes.get(id(step), ())
        if len(plain) != len(sizes) or any(
            (symbols.setdefault(wanted, size) if type(wanted) is str else wanted) != size
            for wanted, size in zip(plain, sizes)
        ):
            # Expressions of sizes, or a size that is not as it must be.
            binder = Binder(symbols)
            try:
                binder.match("what was counted", sizes, ArrayType("", step.sizes))
                binder.finish()
            except InputError as error:
                raise ExecutionError(str(error)) from None
        if min(sizes, default=0) < 0:
            raise ExecutionError(f"the sizes {step.sizes} are {sizes}: they cannot be negative")
        return ()

    def _run_conditional(self, step: Conditional, frame: Frame) -> Sequence[np.ndarray]:
        block = step.then_block if _truth(self._value(step.condition, frame)) else step.else_block
        results = self._run_block(block, frame.inner())
        _bind_results("a conditional", step.outputs, results, step.output_types, frame.symbols)
        return results

    def _run_repeat(self, step: Repeat, frame: Frame) -> Sequence[np.ndarray]:
        limit = MAXIMUM_ITERATIONS
        if step.trip_count is not None:
            limit = int(self._value(step.trip_count, frame).reshape(-1)[0])
        going = step.condition is None or _truth(self._value(step.condition, frame))
        carried = [self._value(name, frame) for name in step.initial]
        if going and limit > 0:
            results = self._run_rounds(step, carried, limit, frame)
            if results is not None:
                return results
        scans: list[list[np.ndarray]] = [[] for _ in step.outputs[len(carried) :]]
        iteration = 0
        while going and iteration < limit:
            inner = self._round_frame(step, iteration, going, carried, frame)
            condition, *results = self._run_block(step.body, inner)
            going = _truth(condition)
            carried = results[: len(carried)]
            for scan, value in zip(scans, results[len(carried) :], strict=True):
                scan.append(value)
            iteration += 1
        results = [*carried, *self._stack_scans(step, scans, frame)]
        _bind_results("a loop", step.outputs, results, step.output_types, frame.symbols)
        return results

    def _run_rounds(
        self, step: Repeat, carried: list[np.ndarray], limit: int, frame: Frame
    ) -> Sequence[np.ndarray] | None:
        """The results of a loop that goes on for one round at least; None where each round must come back here."""
        rounds = self._rounds.get(id(step))
        if rounds is None or OBSERVER.get() is not None:
            return None
        inner = self._round_frame(step, 0, True, carried, frame)
        _checks_left(self._checks.get(id(step.body), ()), inner.symbols)
        runner, binding = self._bound(rounds.call, inner)
        if isinstance(rounds.condition, str) and not _truth(self._value(rounds.condition, frame)):
            limit = 1
        arrays = self._arrays(rounds.call, runner, binding, inner)
        walk = Walk(rounds, runner, binding, arrays, carried, limit)
        if not walk.fits():
            return None
        carried, stacked = walk.run()
        results = [*carried, *stacked]
        _bind_results("a loop", step.outputs, results, step.output_types, frame.symbols)
        return results

    def _round_frame(
        self, step: Repeat, iteration: int, going: bool, carried: Sequence[np.ndarray], frame: Frame
    ) -> Frame:
        """What a round begins with."""
        inner = frame.inner()
        arguments = [np.array(iteration, np.int64), np.array(going), *carried]
        inner.values.update(zip(step.body_inputs, arguments, strict=True))
        if step.body_input_types:
            _bind_results("a loop", step.body_inputs, arguments, step.body_input_types, inner.symbols)
        return inner

    def _stack_scans(self, step: Repeat, scans: list[list[np.ndarray]], frame: Frame) -> list[np.ndarray]:
        first = len(step.outputs) - len(scans)
        stacked = []
        for number, scan in enumerate(scans):
            if scan:
                stacked.append(np.stack(scan))
            else:
                stacked.append(_empty_scan(step, first + number, frame.symbols))
        return stacked


_RUNS = {
    Call: PlanRunner._run_call,
    Host: PlanRunner._run_host,
    Bind: PlanRunner._run_bind,
    Conditional: PlanRunner._run_conditional,
    Repeat: PlanRunner._run_repeat,
}
"""Not methods of one runner, which would hold itself and stay until it is looked for as garbage."""


def _checks_left(checks: Sequence[_BlockCheck], symbols: dict[str, int]) -> list[_BlockCheck]:
    """Makes the checks whose symbols are bound; the others are given. Raises ExecutionError where one fails."""
    waiting = []
    for each in checks:
        try:
            left, right = each.sides(*[symbols[name] for name in each.symbols])
        except KeyError:
            waiting.append(each)
            continue
        if left != right or not each.symbols:
            failure = each.check.failure(symbols)
            if failure is not None:
                raise ExecutionError(failure)
    return waiting


_dtype = functools.cache(np.dtype)


def _evaluate_attributes(attributes: dict[str, Any], symbols: dict[str, int]) -> dict[str, Any]:
    """The attributes with dimensions as integers. An expression over a symbol that the result is to bind stays."""
    evaluated = dict(attributes)
    for name in DIMENSION_ATTRIBUTES:
        dimensions = attributes.get(name)
        if not isinstance(dimensions, list) or not any(isinstance(d, str) for d in dimensions):
            continue
        if symbols_of(*dimensions) <= symbols.keys():
            evaluated[name] = [evaluate(dimension, symbols) for dimension in dimensions]
    return evaluated


def _empty_scan(step: Repeat, number: int, symbols: dict[str, int]) -> np.ndarray:
    """What no iteration has filled: zero along the first axis; dimensions that nothing binds are zero too."""
    if number >= len(step.output_types):
        return np.empty((0,), np.float32)
    tensor = step.output_types[number]
    shape = [d if isinstance(d, int) else symbols.get(d, 0) for d in tensor.shape[1:]]
    return np.empty((0, *shape), tensor.dtype)


def _truth(array: np.ndarray) -> bool:
    if array.size != 1:
        raise ExecutionError(f"a condition has shape {describe_shape(array.shape)}: expected one element")
    return bool(array.reshape(-1)[0])


def _fit(
    results: Sequence[np.ndarray], dtypes: Sequence[np.dtype], types: Sequence[ArrayType], symbols: dict[str, int]
) -> bool:
    """Whether results are of types that say no more than known sizes and single symbols, which are bound if so."""
    new: dict[str, int] = {}
    if len(results) != len(types):
        return False
    for result, dtype, tensor in zip(results, dtypes, types):
        if result.dtype != dtype or len(result.shape) != len(tensor.shape):
            return False
        for size, dimension in zip(result.shape, tensor.shape):
            if size == dimension:
                continue
            if isinstance(dimension, int) or not is_symbol(dimension):
                return False
            if new.setdefault(dimension, size) != size or symbols.get(dimension, size) != size:
                return False
    symbols |= new
    return True


def _bind_results(
    what: str,
    names: Sequence[str],
    results: Sequence[np.ndarray],
    types: Sequence[ArrayType],
    symbols: dict[str, int],
) -> None:
    """Checks results against their declared types, where there are any, and binds symbols that are new in them."""
    if not types or _fit(results, [_dtype(tensor.dtype) for tensor in types], types, symbols):
        return
    if len(results) != len(types):
        raise ExecutionError(f"{what} gave {len(results)} results: expected {len(types)}")
    binder = Binder(symbols)
    try:
        for name, result, tensor in zip(names, results, types, strict=True):
            if result.dtype != tensor.dtype:
                raise ExecutionError(f"{what} gave '{name}' as {result.dtype}: expected {tensor.dtype}")
            binder.match(f"'{name}'", result.shape, tensor)
        binder.finish()
    except InputError as error:
        raise ExecutionError(f"{what}: {error}") from None


def own_arrays(results: Sequence[np.ndarray], inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The results, copied where they are read-only, not contiguous, or share memory with inputs or each other."""
    owned: list[np.ndarray] = []
    for result in results:
        shared = any(np.may_share_memory(result, other) for other in (*inputs, *owned))
        if shared or not result.flags.c_contiguous or not result.flags.writeable:
            result = result.copy(order="C")
        owned.append(result)
    return owned


def host_operation(name: str) -> HostOperation:
    """The NumPy implementation of a graph operation. Raises ExecutionError where there is none."""
    from ..reference.operations import REFERENCE

    operation = REFERENCE.get(name)
    if operation is None:
        raise ExecutionError(f"this runtime has no operation '{name}' for the host")
    return operation


def _inner_blocks(step: Step) -> list[Block]:
    if isinstance(step, Conditional):
        return [step.then_block, step.else_block]
    return [step.body] if isinstance(step, Repeat) else []


def _names_read(step: Step) -> set[str]:
    """All values that a step or a block inside it reads; names that inner blocks define do no harm."""
    names: set[str] = set()
    if isinstance(step, (Call, Host, Bind)):
        names.update(name for name in step.inputs if name)
    elif isinstance(step, Conditional):
        names.add(step.condition)
    else:
        names.update(name for name in (step.trip_count, step.condition, *step.initial) if name)
    for block in _inner_blocks(step):
        names.update(block.results)
        for inner in block.steps:
            names |= _names_read(inner)
    return names
