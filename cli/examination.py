"""What ``lamina check`` finds in a model: problems, where each operation runs, symbols, precision, memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import DEFAULT_WINOGRAD_ERROR

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp
    from xdsl.dialects.func import FuncOp
    from xdsl.ir import Operation

    from ..context import CompilerContext, Precision
    from ..errors import Problem
    from ..runtime.program import Program, Segment
    from .common import FixedDims
    from .progress import Progress

# In the plan these only hold it together.
_PLUMBING = ("func.", "builtin.", "graph.constant", "graph.yield")
# Reads what was counted.
_BINDING = "graph.bind_sizes"


@dataclass(frozen=True)
class HostStep:
    """An operation that runs on the host: of which node, on what types, why there, and what would change that."""

    operation: str
    node: str
    inputs: list[str]
    reason: str
    advice: str


@dataclass(frozen=True)
class FreeDim:
    """A dimension that is not fixed, and what gives it its size when the model runs."""

    name: str
    bound_by: str


@dataclass(frozen=True)
class Memory:
    """Bytes that a compiled model needs when its free dims are ``at``: shared ones, and those of each run at a time.

    ``scratch_bytes_per_thread`` is part of the arena. ``error`` says why the arena's size could not be told.
    """

    at: dict[str, int]
    threads: int
    weight_bytes: int
    arena_bytes: int = 0
    scratch_bytes_per_thread: int = 0
    error: str | None = None


@dataclass(frozen=True)
class WinogradLayer:
    """A convolution by Winograd's transforms, and how far off they are.

    ``random``, ``rectified`` and ``adversarial``: errors (root mean squares) on such inputs over those of a direct sum
    in float32, both against float64. ``spread``: largest error where a large pixel is not seen, over the pixel and
    the filters' root mean square.
    """

    layer: str
    algorithm: str
    random: float
    rectified: float
    adversarial: float
    spread: float


@dataclass(frozen=True)
class Products:
    """Matrix products or convolutions that are taken in one way.

    ``multiplied``: the elements of both factors, ``f32 x f16`` for one, and of the sums; ``instruction``: the atom that
    multiplies and adds; ``stages`` that do so.
    """

    kernel: str
    multiplied: str
    sums: str
    instruction: str
    stages: list[str]


@dataclass
class Examination:
    """Everything found. Where there are problems, what follows from compiling is empty."""

    model: str
    error: str | None = None
    problems: list[Problem] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    symbols: list[FreeDim] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    segments: int = 0
    compiled: dict[str, int] = field(default_factory=dict)
    host: list[HostStep] = field(default_factory=list)
    precision: dict[str, int] = field(default_factory=dict)
    allowed: str = "f32"
    products: list[Products] = field(default_factory=list)
    winograd: list[WinogradLayer] = field(default_factory=list)
    memory: Memory | None = None

    @property
    def runs(self) -> bool:
        return self.error is None and not self.problems


def examine(
    model: Path,
    fixed: FixedDims,
    progress: Progress | None = None,
    winograd_error: float = DEFAULT_WINOGRAD_ERROR,
    allowed: Precision = "f32",
) -> Examination:
    """Imports and compiles a model as far as memory is known, which is before machine code.

    ``allowed`` is the precision that products of f32 may be taken in.
    """
    from ..compiler import import_for
    from ..errors import LaminaError, ModelError
    from ..pipeline import PipelineOptions, compile_through

    found = Examination(str(model), allowed=allowed)
    try:
        module, context = import_for(model, shapes=fixed.for_import(), winograd_error=winograd_error, precision=allowed)
        options = PipelineOptions(progress=progress)
        compile_through(module, context, stop="graph", options=options)
    except ModelError as error:
        found.problems = list(error.problems)
        found.error = None if error.problems else str(error)
        return found
    except LaminaError as error:
        found.error = str(error)
        return found
    _describe_plan(found, module, context)
    compile_through(module, context, start="graph", stop="kernel", options=options)
    found.winograd = list(_winograd_layers(module, context))
    compile_through(module, context, start="kernel", stop="schedule", options=options)
    found.products = list(_products(module))
    found.memory = memory_need(_program(module, context), fixed)
    return found


# --- the plan and what is compiled --------------------------------------------------------------------


def _describe_plan(found: Examination, module: ModuleOp, context: CompilerContext) -> None:
    from xdsl.dialects.func import FuncOp

    functions = [function for function in module.ops if isinstance(function, FuncOp)]
    main = next(function for function in functions if function.sym_name.data == "main")
    compiled = [op for function in functions if function is not main for op in function.walk() if _computes(op)]
    hosted = [op for op in main.walk() if _computes(op) and op.name != _BINDING]
    terminator = main.body.block.last_op
    assert terminator is not None
    found.inputs = dict(zip(_names(main, "arg_attrs"), map(_type_text, main.body.block.args), strict=True))
    found.outputs = dict(zip(_names(main, "res_attrs"), map(_type_text, terminator.operands), strict=True))
    found.symbols = list(_free_dims(main, found.inputs, filter(_computes, main.walk()), context))
    found.conditions = _conditions(module)
    found.segments = len(functions) - 1
    found.compiled = dict(Counter(op.name for op in compiled).most_common())
    found.host = [_host_step(op, context) for op in hosted]
    found.precision = dict(Counter(text for op in compiled for text in _arithmetic(op)).most_common())


def _computes(operation: Operation) -> bool:
    return not operation.name.startswith(_PLUMBING)


def _names(main: FuncOp, attribute: str) -> list[str]:
    entries: Any = main.properties[attribute]
    return [entry.data["lamina.name"].data for entry in entries]


def _type_text(value: Any) -> str:
    from ..dialects.shape import print_dimension

    return f"{value.type.element_type}[{', '.join(map(print_dimension, value.type.dims))}]"


def _host_step(op: Operation, context: CompilerContext) -> HostStep:
    from ..lowering.graph_to_kernel import obstacle_of

    obstacle = obstacle_of(op)
    assert obstacle is not None, "what can be compiled is in a segment"
    inputs = [_type_text(operand) for operand in op.operands]
    return HostStep(op.name, _node_of(op, context), inputs, obstacle.reason, obstacle.advice)


def _node_of(op: Operation, context: CompilerContext) -> str:
    """The ONNX node that an operation is, or for one that a pass made what its result is called."""
    hint = op.results[0].name_hint if op.results else None
    return context.origins.get(op) or f"giving %{hint}"


def _free_dims(
    main: FuncOp, inputs: dict[str, str], planned: Iterable[Operation], context: CompilerContext
) -> Iterator[FreeDim]:
    """Each symbol once: those of the inputs, then those that depend on data."""
    from ..dialects.shape import symbols_of

    seen: set[str] = set()
    for name, argument in zip(inputs, main.body.block.args, strict=True):
        for axis, dimension in enumerate(argument.type.dims):  # pyright: ignore[reportAttributeAccessIssue]
            for symbol in sorted(symbols_of(dimension) - seen):
                seen.add(symbol)
                yield FreeDim(symbol, f"axis {axis} of input '{name}'")
    for op in planned:
        what = "what is counted" if op.name == _BINDING else f"the result of {op.name} on the host"
        for result in op.results:
            for symbol in sorted(symbols_of(*result.type.dims) - seen):  # pyright: ignore[reportAttributeAccessIssue]
                seen.add(symbol)
                yield FreeDim(symbol, f"{what}, node '{_node_of(op, context)}'")


def _conditions(module: ModuleOp) -> list[str]:
    """What is checked of the sizes at each run."""
    checks: Any = module.attributes.get("lamina.checks", ())
    return [f"{left.data} == {right.data}: {why.data}" for left, right, why in checks]


def _arithmetic(op: Operation) -> Iterator[str]:
    """In which type an operation computes; nothing for one that only moves elements."""
    from ..dialects.graph.types import bf16, f16, is_float
    from ..lowering.graph_to_kernel import computes_in_f32

    if not op.operands or not computes_in_f32(op):
        return
    types = [operand.type.element_type for operand in op.operands]  # pyright: ignore[reportAttributeAccessIssue]
    element = next((t for t in types if is_float(t)), types[0])
    yield f"{element}, computed in f32" if element in (f16, bf16) else str(element)


def _products(module: ModuleOp) -> Iterator[Products]:
    """By how they are taken, the most frequent way first."""
    from ..dialects.decisions import kind_of
    from ..dialects.kernel import ConvOp, GemmOp
    from ..dialects.multiplying import product_types
    from ..dialects.schedule import StageOp
    from ..machines.atoms import GENERAL_ATOM

    ways: dict[tuple[str, str, str, str], list[str]] = {}
    for stage in module.walk():
        if not isinstance(stage, StageOp) or not isinstance(stage.kernel, ConvOp | GemmOp):
            continue
        kernel = stage.kernel
        name = f"conv {kernel.get('algorithm')}" if isinstance(kernel, ConvOp) else "gemm"
        left, right, sums = product_types(kernel)
        atom = getattr(stage.decided(kind_of(kernel)), "atom", GENERAL_ATOM)
        ways.setdefault((name, f"{left} x {right}", sums, atom), []).append(stage.stage_name.data)
    for way, stages in sorted(ways.items(), key=lambda entry: -len(entry[1])):
        yield Products(*way, stages)


def _winograd_layers(module: ModuleOp, context: CompilerContext) -> Iterator[WinogradLayer]:
    """Layers with the same weights once."""
    from ..dialects.kernel import ConstantOp, ConvOp
    from ..dialects.winograd import restore_weights, tile_of
    from ..passes.kernel.winograd_error import examine_error

    for op in module.walk():
        if not isinstance(op, ConvOp) or not (tile := tile_of(op.get("algorithm"))):
            continue
        weights = op.ins[1].owner
        assert isinstance(weights, ConstantOp), "others are summed directly"
        type_ = weights.result.type
        planes = type_.layout.unpack(context.constants[weights.constant.data], [int(size) for size in type_.dims])
        error = examine_error(restore_weights(planes), tile)
        yield WinogradLayer(op.result.name_hint or weights.constant.data, op.get("algorithm"), **asdict(error))


# --- memory -------------------------------------------------------------------------------------------


def _program(module: ModuleOp, context: CompilerContext) -> Program:
    from ..pipeline import build_program

    program, _ = build_program(module, context)
    return program


def memory_need(program: Program, fixed: FixedDims) -> Memory:
    """For the sizes given, and assumed ones elsewhere; on as many threads as a run would take by default."""
    from ..runtime.cpus import default_threads
    from ..runtime.errors import InputError
    from .free_sizes import fitting_sizes

    assumed = fitting_sizes(program, fixed.sizes)
    sizes = {symbol: assumed.get(symbol, 1) for symbol in program.symbols}
    threads = default_threads()
    weights = sum(constant.nbytes for constant in program.constants.values())
    try:
        needs = [_segment_need(segment, sizes, threads) for segment in program.segments.values()]
    except InputError as error:
        return Memory(sizes, threads, weights, error=f"{error}; give the sizes by --shape or --dim")
    arena = max((arena for arena, _ in needs), default=0)
    scratch = max((scratch for _, scratch in needs), default=0)
    return Memory(sizes, threads, weights, arena, scratch)


def _segment_need(segment: Segment, sizes: dict[str, int], threads: int) -> tuple[int, int]:
    """Bytes of a segment's arena, and of the largest scratch of one thread in it."""
    from ..runtime.binding import Binding, SegmentEvaluator

    # Symbols that nothing in the list of the program's binds depend on data.
    key = tuple(sizes.get(symbol, 1) for symbol in segment.symbols)
    values = SegmentEvaluator(segment).evaluate(key)
    binding = Binding.of(segment, key, values, threads, lambda name: 0, lambda name: 0)
    scratch = [values.sizes[buffer.name] for buffer in segment.buffers if buffer.per_thread]
    return binding.arena_bytes, max(scratch, default=0)
