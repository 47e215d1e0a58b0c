"""The program: what a compiled model is, as plain data. In a compiled file it is the manifest, written as JSON.

A dimension is an ``int`` or the text of a Python expression over symbol names (see expressions.py). Symbols are
integers that belong to the whole program: the shapes of its inputs bind them, or the shapes of what an operation on
the host gives.

A program is a *body*, a block of steps over named values, each an array on the host:

- the inputs of the program are values by their own names;
- ``@name`` is the constant of that name, row-major in the shape that ``constants`` states;
- a step defines its outputs; a name is defined once in a block and is visible in the blocks inside it;
- the results of the body are the outputs of the program, in order.

A `Call` runs a segment: native stages over buffers, without returning to Python between them. A `Bind` makes sizes of
what it has counted.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from .errors import ProgramError
from .expressions import Dimension, evaluate, symbols_of

PROGRAM_VERSION = 1

BufferKind = Literal["input", "output", "constant", "arena", "scratch", "report", "part"]
BUFFER_KINDS = ("input", "output", "constant", "arena", "scratch", "report", "part")
ACCESS_REPORT_BYTES, INDEX_REPORT_BYTES = 8, 16
REPORT_BYTES = ACCESS_REPORT_BYTES + INDEX_REPORT_BYTES
"""Of each stage, in a buffer of kind ``report``: what violations.py reads."""

BufferArgument = tuple[Literal["buffer"], str, Dimension]
"""The data pointer of the named buffer plus a byte offset."""
DimensionArgument = tuple[Literal["dim"], Dimension]
"""A 64-bit integer."""


@dataclass(slots=True)
class ArrayType:
    """A NumPy dtype name and the shape.

    ``kind`` is what ONNX calls the type of an input or output where the dtype does not say it: ``tensor(int4)``,
    ``seq(tensor(float))``.
    """

    dtype: str
    shape: list[Dimension]
    kind: str = ""


@dataclass(slots=True)
class Buffer:
    """Memory that the stages of a segment read or write.

    ``input`` and ``output`` are the arrays number ``index`` of the call; ``constant`` lies in the constants of the
    program; ``arena`` lives from ``first_stage`` to ``last_stage``, both included; ``scratch`` does too and belongs
    to one stage. With ``per_thread`` there are ``nbytes`` for each thread, one after the other, and the kernel adds
    ``thread * nbytes`` itself. ``report`` is REPORT_BYTES for each stage, zero before a run,
    in which code tells of indices out of range, and checked code of accesses outside of buffers (violations.py).
    ``offset`` is the place in the arena where the compiler has decided it.

    ``inside`` is the number of the `Batches` for whose steps the buffer is, anew for each; its size is that of a step,
    and its place in the arena is counted from where that of the steps begins. A ``part`` is the images of the step in
    the buffer ``whole``.
    """

    name: str
    nbytes: Dimension
    kind: BufferKind
    index: int = 0
    constant: str | None = None
    first_stage: int = 0
    last_stage: int = 0
    offset: int | None = None
    per_thread: bool = False
    inside: int | None = None
    whole: str | None = None


@dataclass(slots=True)
class Batches:
    """Stages that run once for each step of a batch: from ``first_stage`` to ``last_stage``, both included.

    Each step takes ``images_at_once`` of the ``images``, the last one what is left. Sizes inside may depend on their
    number, which is called ``symbol``. The last stage has a barrier. Threads may take steps of their own, in memory of
    their own.
    """

    first_stage: int
    last_stage: int
    images: Dimension
    images_at_once: int
    symbol: str = ""


@dataclass(slots=True)
class Stage:
    """One call of a native function by every thread.

    ``barrier``: no thread goes on before all are through. ``serial``: only the first thread calls the function.
    ``node`` is the model's name of what the stage computes, for errors of the run.
    """

    name: str
    function: str
    arguments: list[BufferArgument | DimensionArgument]
    barrier: bool = True
    serial: bool = False
    node: str = ""


@dataclass(slots=True)
class Function:
    """What a native function works on: bytes of each buffer argument, the values of its sizes, and which buffers, by
    position, it writes. Stages that call it must agree (consistency.py)."""

    buffers: list[Dimension]
    dims: list[Dimension]
    writes: list[int]


@dataclass(slots=True)
class Growth:
    """Output number ``output`` is input number ``input`` and more after it along ``axis``.

    The memory of the input has ``room_before`` for so many more entries along the axis, that of the output ``room``:
    symbols that no shape tells, by default 0. Where both have the same begin and the same size, what the input holds is
    there already, and is not copied.
    """

    input: int
    output: int
    axis: int
    room_before: str
    room: str


@dataclass(slots=True)
class Segment:
    """Native stages in order. ``symbols`` are those that its expressions use.

    ``work`` estimates the nanoseconds that it takes on one thread; small segments run on fewer threads. Without it
    the bytes of the buffers decide.
    """

    name: str
    inputs: list[ArrayType]
    outputs: list[ArrayType]
    buffers: list[Buffer]
    stages: list[Stage]
    symbols: list[str]
    work: Dimension | None = None
    batches: list[Batches] = field(default_factory=list)
    growths: list[Growth] = field(default_factory=list)

    def room_of(self, kind: str, index: int) -> tuple[int, str] | None:
        """The axis along which an input or output has room in its memory, and the symbol that says how much."""
        for growth in self.growths:
            if getattr(growth, kind) == index:
                return growth.axis, growth.room if kind == "output" else growth.room_before
        return None

    @property
    def rooms(self) -> set[str]:
        """The symbols that no shape tells."""
        return {room for growth in self.growths for room in (growth.room_before, growth.room)}

    def batches_of(self, stage: int) -> Batches | None:
        """The steps that a stage is part of."""
        return next((one for one in self.batches if one.first_stage <= stage <= one.last_stage), None)

    def whole_of(self, buffer: Buffer) -> Buffer:
        """The buffer that one is a part of, or itself."""
        if buffer.whole is None:
            return buffer
        return next(other for other in self.buffers if other.name == buffer.whole)


@dataclass(slots=True)
class Call:
    """Runs the segment named ``segment``."""

    segment: str
    inputs: list[str]
    outputs: list[str]


@dataclass(slots=True)
class Host:
    """Runs the NumPy operation ``reference.operations.REFERENCE[operation]``.

    An empty name among ``inputs`` is an optional operand that is left out. Expressions in attributes that hold
    dimensions (``plan.DIMENSION_ATTRIBUTES``) are evaluated before.
    ``output_types`` are checked against what it gives; a symbol in them that is not bound yet is bound by it.
    """

    operation: str
    attributes: dict[str, Any]
    inputs: list[str]
    outputs: list[str]
    output_types: list[ArrayType]


@dataclass(slots=True)
class Bind:
    """Takes the elements of the integer tensor ``inputs[0]`` as the values of ``sizes``.

    A symbol among them that is not bound yet is bound; all else must have the value already.
    """

    inputs: list[str]
    sizes: list[Dimension]

    @property
    def outputs(self) -> list[str]:
        return []


@dataclass(slots=True)
class Check:
    """Two expressions that must be equal once all their symbols are bound, and what it means if not."""

    left: Dimension
    right: Dimension
    message: str

    def failure(self, symbols: dict[str, int]) -> str | None:
        """What is wrong, with the sizes that show it; None if nothing. A check without symbols never holds."""
        left, right = evaluate(self.left, symbols), evaluate(self.right, symbols)
        if left == right:
            return None
        used = sorted(symbols_of(self.left, self.right))
        if not used:
            return self.message
        if self.right == 0:
            return f"{self.message}, not {', '.join(f'{name} = {symbols[name]}' for name in used)}"
        return f"{self.message}: {self.left} = {left} but {self.right} = {right}"


@dataclass(slots=True)
class Block:
    """Steps in order, and the names of the values that it gives.

    Each of ``checks`` is made before the first step at which all its symbols are bound. One on a symbol that nothing
    binds concerns nothing that is computed.
    """

    steps: list[Step]
    results: list[str]
    checks: list[Check] = field(default_factory=list)


def names_read(block: Block) -> Iterator[str]:
    """The values that a block and the blocks inside it read, results included; ``@name`` is a constant."""
    yield from block.results
    for step in block.steps:
        if isinstance(step, Conditional):
            yield step.condition
            yield from names_read(step.then_block)
            yield from names_read(step.else_block)
        elif isinstance(step, Repeat):
            yield from (name for name in (step.trip_count, step.condition, *step.initial) if name)
            yield from names_read(step.body)
        else:
            yield from step.inputs


@dataclass(slots=True)
class Conditional:
    """ONNX If: one of the blocks, by ``condition``, a value of one boolean. Their results become ``outputs``."""

    condition: str
    then_block: Block
    else_block: Block
    outputs: list[str]
    output_types: list[ArrayType] = field(default_factory=list)


@dataclass(slots=True)
class Repeat:
    """ONNX Loop: runs ``body`` at most ``trip_count`` times, as long as its condition holds.

    In the body, ``body_inputs`` are the iteration number (int64 scalar), the condition (bool scalar), then the carried
    values, which begin as ``initial``. The body gives the next condition, the next carried values, then any
    number of scan values. ``outputs`` are the last carried values, then each scan value stacked over the iterations.
    ``trip_count`` and ``condition`` are values, or None where ONNX leaves them out. Symbols of ``body_input_types``
    are bound anew in each iteration.
    """

    trip_count: str | None
    condition: str | None
    initial: list[str]
    body: Block
    body_inputs: list[str]
    outputs: list[str]
    body_input_types: list[ArrayType] = field(default_factory=list)
    output_types: list[ArrayType] = field(default_factory=list)


Step = Call | Host | Bind | Conditional | Repeat


@dataclass(slots=True)
class Constant:
    """Where a constant lies in the constants of the program."""

    offset: int
    nbytes: int
    dtype: str
    shape: list[int]


@dataclass(slots=True)
class RequiredMachine:
    """The machine that the code is for. ``features`` are LLVM's names, e.g. ``avx512f``, without a sign."""

    name: str
    triple: str
    cpu: str = "generic"
    features: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Program:
    """A compiled model without its code and the bytes of its constants. ``checks`` are on symbols of its inputs.

    ``vanishing`` lists, for each output, the axes that it does not have where their size is 1; nothing where no output
    has any. ``metadata`` carries what the model file says of itself: graph_name, producer_name, domain, description,
    version, and custom (a dict of text). ``precision`` is what products of f32 were allowed to be rounded to.
    """

    target: RequiredMachine
    symbols: list[str]
    inputs: list[tuple[str, ArrayType]]
    outputs: list[tuple[str, ArrayType]]
    segments: dict[str, Segment]
    body: Block
    constants: dict[str, Constant] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    vanishing: list[list[int]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    precision: str = "f32"
    version: int = PROGRAM_VERSION

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts, texts and numbers, for JSON. Fields that hold their default are left out."""
        return _encode(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Program:
        """The inverse of ``to_dict``. Raises ProgramError that names the place of what is missing or unknown."""
        try:
            return _program(data)
        except RecursionError:
            raise ProgramError("manifest: its blocks are nested too deep") from None


# --- writing --------------------------------------------------------------------------------------

_STEP_NAMES = {Call: "call", Host: "host", Bind: "bind", Conditional: "conditional", Repeat: "repeat"}


def _encode(value: Any) -> Any:
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if isinstance(value, (list, tuple)):
        return [_encode(element) for element in value]
    if isinstance(value, dict):
        return {str(key): _encode(element) for key, element in value.items()}
    if not dataclasses.is_dataclass(value):
        return _encode_number(value)
    encoded: dict[str, Any] = {}
    if type(value) in _STEP_NAMES:
        encoded["step"] = _STEP_NAMES[type(value)]
    for entry in dataclasses.fields(value):
        element = getattr(value, entry.name)
        if element != _default_of(entry) or entry.name == "version":
            encoded[entry.name] = _encode(element)
    return encoded


def _encode_number(value: Any) -> int | float | bool:
    """NumPy scalars become Python's."""
    item = getattr(value, "item", None)
    number = item() if callable(item) else None
    if not isinstance(number, (int, float)):
        raise ProgramError(f"a manifest cannot hold a {type(value).__name__}: expected text, numbers, lists or dicts")
    return number


def _default_of(entry: dataclasses.Field[Any]) -> Any:
    if entry.default_factory is not dataclasses.MISSING:
        return entry.default_factory()
    return entry.default


# --- reading --------------------------------------------------------------------------------------


def _build(cls: type, data: Any, where: str, **converted: Any) -> Any:
    """An instance of ``cls`` from the dict ``data``; ``converted`` replaces fields that hold more than plain data."""
    if not isinstance(data, dict):
        raise ProgramError(f"{where}: expected a {cls.__name__}, found {type(data).__name__}")
    values = {**data, **converted}
    values.pop("step", None)
    try:
        built = cls(**values)
    except TypeError as error:
        known = {entry.name for entry in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        problem = f"unknown fields {unknown}" if unknown else str(error)
        raise ProgramError(f"{where}: not a {cls.__name__}: {problem}") from None
    for name, annotation, holds in _plain_fields(cls):
        if name not in converted and not holds(getattr(built, name)):
            shown = repr(getattr(built, name))
            raise ProgramError(f"{where}: '{name}' is {shown[:60]}, expected {annotation}")
    return built


def _is_integer(value: Any) -> bool:
    """Whether it is an integer that native code could read."""
    return type(value) is int and -(1 << 63) <= value < 1 << 63


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_dimension(value: Any) -> bool:
    return _is_text(value) or _is_integer(value)


def _is_absent(value: Any) -> bool:
    return value is None


def _is_list_of(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def _either(*alternatives: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: any(holds(value) for holds in alternatives)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "list[list[int]]": _is_list_of(_is_list_of(_is_integer)),
    "str": _is_text,
    "int": _is_integer,
    "bool": lambda value: isinstance(value, bool),
    "Dimension": _is_dimension,
    "BufferKind": lambda value: _is_text(value) and value in BUFFER_KINDS,
    "str | None": _either(_is_text, _is_absent),
    "int | None": _either(_is_integer, _is_absent),
    "Dimension | None": _either(_is_dimension, _is_absent),
    "list[str]": _is_list_of(_is_text),
    "list[int]": _is_list_of(_is_integer),
    "list[Dimension]": _is_list_of(_is_dimension),
    "dict[str, Any]": lambda value: isinstance(value, dict),
}
"""What a field of plain data may hold, by the annotation that it has above."""


@functools.cache
def _plain_fields(cls: type) -> list[tuple[str, str, Callable[[Any], bool]]]:
    """Name, annotation and test of the fields that hold plain data; those that hold more are read one by one."""
    fields = [(entry.name, str(entry.type)) for entry in dataclasses.fields(cls)]
    return [(name, annotation, _KINDS[annotation]) for name, annotation in fields if annotation in _KINDS]


def _part(data: Any, key: str, kind: type, where: str) -> Any:
    value = data.get(key) if isinstance(data, dict) else None
    if not isinstance(value, kind):
        found = "nothing" if value is None else type(value).__name__
        raise ProgramError(f"{where}: expected '{key}' to be a {kind.__name__}, found {found}")
    return value


def _types(data: Any, where: str) -> list[ArrayType]:
    if not isinstance(data, list):
        raise ProgramError(f"{where}: expected a list of types, found {type(data).__name__}")
    return [_build(ArrayType, entry, where) for entry in data]


def _named_types(data: list[Any], where: str) -> list[tuple[str, ArrayType]]:
    named = []
    for entry in data:
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], str):
            raise ProgramError(f"{where}: expected pairs of a name and a type, found {entry!r}")
        named.append((entry[0], _build(ArrayType, entry[1], f"{where} '{entry[0]}'")))
    return named


def _stage(data: Any, where: str) -> Stage:
    arguments = [_argument(argument, where) for argument in _part(data, "arguments", list, where)]
    return _build(Stage, data, where, arguments=arguments)


def _argument(data: Any, where: str) -> BufferArgument | DimensionArgument:
    match data:
        case ["buffer", str() as name, offset] if _is_dimension(offset):
            return "buffer", name, offset
        case ["dim", value] if _is_dimension(value):
            return "dim", value
    raise ProgramError(f"{where}: {data!r} is no argument: expected buffer, name, offset or dim, value")


def _segment(data: Any, where: str) -> Segment:
    return _build(
        Segment,
        data,
        where,
        inputs=_types(_part(data, "inputs", list, where), f"{where} inputs"),
        outputs=_types(_part(data, "outputs", list, where), f"{where} outputs"),
        buffers=[_build(Buffer, entry, f"{where} buffers") for entry in _part(data, "buffers", list, where)],
        stages=[_stage(entry, f"{where} stages") for entry in _part(data, "stages", list, where)],
        batches=_batches(data, where),
        growths=_growths(data, where),
    )


def _batches(data: dict[str, Any], where: str) -> list[Batches]:
    listed = _part({"batches": [], **data}, "batches", list, where)
    return [_build(Batches, entry, f"{where} batches") for entry in listed]


def _growths(data: dict[str, Any], where: str) -> list[Growth]:
    listed = _part({"growths": [], **data}, "growths", list, where)
    return [_build(Growth, entry, f"{where} growths") for entry in listed]


def _block(data: Any, where: str) -> Block:
    steps = [_step(entry, f"{where} step {index}") for index, entry in enumerate(_part(data, "steps", list, where))]
    return _build(Block, data, where, steps=steps, checks=_checks(data, where))


def _checks(data: dict[str, Any], where: str) -> list[Check]:
    listed = _part({"checks": [], **data}, "checks", list, where)
    return [_build(Check, entry, f"{where} checks") for entry in listed]


def _step(data: Any, where: str) -> Step:
    kind = _part(data, "step", str, where)
    if kind == "call":
        return _build(Call, data, where)
    if kind == "host":
        return _build(Host, data, where, output_types=_types(_part(data, "output_types", list, where), where))
    if kind == "bind":
        return _build(Bind, data, where)
    output_types = _types(data.get("output_types", []), where)
    if kind == "conditional":
        then_block = _block(_part(data, "then_block", dict, where), f"{where} then")
        else_block = _block(_part(data, "else_block", dict, where), f"{where} else")
        return _build(Conditional, data, where, then_block=then_block, else_block=else_block, output_types=output_types)
    if kind == "repeat":
        body = _block(_part(data, "body", dict, where), f"{where} body")
        body_input_types = _types(data.get("body_input_types", []), where)
        return _build(Repeat, data, where, body=body, output_types=output_types, body_input_types=body_input_types)
    raise ProgramError(f"{where}: unknown step '{kind}': expected one of {', '.join(_STEP_NAMES.values())}")


def _program(data: Any) -> Program:
    where = "manifest"
    version = data.get("version") if isinstance(data, dict) else None
    if version != PROGRAM_VERSION:
        raise ProgramError(f"{where}: version {version}: this runtime reads version {PROGRAM_VERSION}; compile again")
    segments = _part(data, "segments", dict, where)
    constants = _part({"constants": {}, **data}, "constants", dict, where)
    functions = _part({"functions": {}, **data}, "functions", dict, where)
    return _build(
        Program,
        data,
        where,
        target=_build(RequiredMachine, _part(data, "target", dict, where), f"{where} target"),
        inputs=_named_types(_part(data, "inputs", list, where), f"{where} inputs"),
        outputs=_named_types(_part(data, "outputs", list, where), f"{where} outputs"),
        segments={name: _segment(entry, f"segment '{name}'") for name, entry in segments.items()},
        body=_block(_part(data, "body", dict, where), "body"),
        constants={name: _build(Constant, entry, f"constant '{name}'") for name, entry in constants.items()},
        checks=_checks(data, where),
        functions={name: _build(Function, entry, f"function '{name}'") for name, entry in functions.items()},
    )
