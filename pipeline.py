"""The whole compiler in order: phases, the passes of each, what may be left in the text after it, and the last steps.

A phase ends on the level it is named after. ``compile_through`` runs any range of phases; it is what
``lamina.compile`` and ``lamina-opt --from/--to`` both call, so what a person sees is what runs. What comes out in the
end is no text: ``build_program`` says in which order the kernels run, ``emit_code`` makes them machine code. The text
of any level has all that both need.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from xdsl.utils.exceptions import DiagnosticException

from .cache.models import checks_by_default
from .context import ConstantStore

if TYPE_CHECKING:
    import numpy as np
    from xdsl.dialects.builtin import ModuleOp
    from xdsl.ir import Operation
    from xdsl.passes import ModulePass

    from .context import CompilerContext
    from .runtime.image import Image
    from .runtime.program import Program


@dataclass(frozen=True)
class Legal:
    """Which operations may be left: whole dialects and single operations, without some."""

    names: frozenset[str]
    without: frozenset[str] = frozenset()

    def allows(self, name: str) -> bool:
        """Whether an operation of this name may be left."""
        return name not in self.without and (name in self.names or name.partition(".")[0] in self.names)


def _legal(*names: str, without: Iterable[str] = ()) -> Legal:
    return Legal(frozenset(names), frozenset(without))


def _operations(dialect: str, names: str) -> tuple[str, ...]:
    return tuple(f"{dialect}.{name}" for name in names.split())


_NOTHING = _legal()
_FUNCTION = ("func.func", "func.return")
_VIEWS = ("layout.reshape", "layout.transpose", "layout.window")
# Scalar code inside the regions of kernels.
_SCALAR = ("arith", "math", "vectorx")
# Constants of integers without a sign, of which arith has none.
_SIGNS = ("builtin.unrealized_conversion_cast",)
# @main calls the segments and holds what runs on the host, on each level.
_PLAN = _legal("builtin", "func", "graph")
# Graph operations that the host runs, whatever their types.
HOST_OPERATIONS = _operations(
    "graph",
    "bind_sizes concat_from_sequence couple_probabilities decode_image determinant dynamic_expand dynamic_pad "
    "dynamic_reduce dynamic_reshape dynamic_resize dynamic_slice dynamic_squeeze dynamic_unsqueeze entropy if "
    "look_up loop max_pool_with_indices mel_weights non_max_suppression optional optional_get_element "
    "optional_has_element range regex_full_match sequence sequence_at sequence_erase sequence_insert "
    "sequence_length split_to_sequence string_concat string_normalize string_split tf_idf unique unzip_map yield "
    "zip_map",
)
# What graph-expand-quantization writes out.
QUANTIZATION_OPERATIONS = _operations("graph", "dequantize quantize")
# What loops-expand-math writes out.
EXPANDED_OPERATIONS = _operations(
    "math",
    "acos acosh asin asinh atan atan2 atanh cbrt cos cosh erf exp exp2 expm1 log log10 log1p log2 powf sin sinh tan "
    "tanh",
) + _operations("vectorx", "gelu remf tanh_gelu")
MAPPED_OPERATIONS = _operations("scf", "forall")


@dataclass(frozen=True)
class Phase:
    """Some passes that end on one level.

    ``passes`` are written as after ``lamina-opt -p``, options included; ``checks`` follow in a checked build. What may
    be left after the phase is said by place: in ``segments``, in the ``stages`` of a schedule, and in ``kernels`` that
    are written out. @main may hold what the host runs at any level. ``rules`` are passes that change nothing and raise
    an error where the level is not as the next phase takes it to be: a text is held against them, and what passes leave
    with ``verify_each``.
    """

    name: str
    summary: str
    passes: tuple[str, ...]
    segments: Legal
    stages: Legal = _NOTHING
    kernels: Legal = _NOTHING
    checks: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


_CALLS = _legal(*_FUNCTION, *_VIEWS, "schedule.buffer", "schedule.call", "schedule.batches", "schedule.barrier")

_CPU_PHASES = (
    Phase(
        "import",
        "the ONNX model as graph ops, shapes inferred",
        (),
        _legal(*_FUNCTION, "graph"),
    ),
    Phase(
        "graph",
        "folded, fused and simplified; split into segments at what the host must do",
        (
            "graph-fold-constants",
            "graph-eliminate-identities",
            # Before anything is folded that integers stand for.
            "graph-pack-blocks",
            "graph-move-quantization",
            # While functions have their quantised operands.
            "graph-tabulate-bytes",
            "graph-narrow-dequantized",
            # Of weights alone that are quantised.
            "graph-move-weight-scales",
            "graph-expand-quantization",
            "graph-fold-constants",
            "graph-eliminate-identities",
            # Before arithmetic is simplified, which takes their parts apart.
            "graph-fuse-layer-norm",
            "graph-fuse-softmax",
            "graph-simplify-arithmetic",
            "graph-fold-padding",
            "graph-fold-batch-norm",
            # Its weights are as they will be.
            "graph-convolve-before-resize",
            "graph-merge-transposes",
            # Transposes and zeros around images are out of its way.
            "graph-narrow-products",
            "graph-match-signs",
            "graph-eliminate-identities",
            "graph-common-subexpressions",
            "graph-dead-code",
            # Last, since what binds sizes has no reader.
            "graph-bind-sizes",
            "graph-partition",
        ),
        _legal(*_FUNCTION, "graph", without=(*HOST_OPERATIONS, *QUANTIZATION_OPERATIONS)),
    ),
    Phase(
        "kernel",
        "an algorithm and a layout for every op, elementwise work fused into epilogues",
        (
            "lower-graph-to-kernel",
            "kernel-simplify-layouts",
            "kernel-sink-views",
            "kernel-simplify-layouts",
            # Before fusion, which looks for constants to make biases of.
            "kernel-fold-constants",
            # Before anything takes the casts from f16 and bf16.
            "kernel-round-products",
            "kernel-narrow-floats",
            "kernel-narrow-weights",
            "kernel-widen-floats",
            "kernel-split-concats",
            # Before casts become part of other maps.
            "kernel-narrow-sums",
            "kernel-fuse-maps",
            # Maps that read one view are one map by now.
            "kernel-sink-views",
            "kernel-simplify-layouts",
            "kernel-fold-scales",
            "kernel-fuse-epilogues",
            # Epilogues of the first product are the code of its scores.
            "kernel-fuse-attention",
            "kernel-choose-algorithms",
            "kernel-transform-winograd-weights",
            "kernel-choose-layouts",
            "kernel-simplify-layouts",
            # Packs the weights.
            "kernel-fold-constants",
            "kernel-dead-code",
            "kernel-grow-outputs",
        ),
        _legal(*_FUNCTION, *_SCALAR, "kernel", "layout"),
    ),
    Phase(
        "schedule",
        "stages in order, buffers in the arena, tiles, the split among threads, barriers",
        (
            "lower-kernel-to-schedule",
            # Before tiles are chosen, which depend on how many images a stage sees.
            "schedule-choose-batches",
            "schedule-choose-tiles",
            "schedule-share-rows",
            "schedule-place-barriers",
            "schedule-plan-arena",
            "schedule-estimate-work",
        ),
        _legal(*_FUNCTION, *_VIEWS, "schedule", without=["schedule.call", "schedule.yield"]),
        stages=_legal(*_SCALAR, "kernel", "layout.convert", "schedule.yield", without=["kernel.constant"]),
        rules=("schedule-check-memory",),
    ),
    Phase(
        "loops",
        "the schedule's kernels written out as loops over memory and register tiles",
        ("lower-schedule-to-loops", "loops-map-threads", "loops-expand-math"),
        _CALLS,
        kernels=_legal(
            "func", *_SCALAR, *_SIGNS, "scf", "memref", "vector", "amx", without=EXPANDED_OPERATIONS + MAPPED_OPERATIONS
        ),
        rules=("schedule-check-memory",),
    ),
    Phase(
        "llvm",
        "machine-level values: vectors of the target's width, addresses, branches",
        ("lower-loops-to-llvm",),
        _CALLS,
        kernels=_legal("llvm", "llvmx"),
        rules=("schedule-check-memory",),
        checks=("llvm-check-bounds",),
    ),
)

PHASES: Mapping[str, tuple[Phase, ...]] = {"cpu": _CPU_PHASES}
"""By the class of machine that is compiled for: ``Target.machine_class``."""

PHASE_NAMES = tuple(dict.fromkeys(phase.name for phases in PHASES.values() for phase in phases))


class IllegalOperationError(DiagnosticException):
    """An op was left over that the phase promises to have lowered."""


@dataclass
class PassTiming:
    """How long one pass, or another step of compiling, took in seconds."""

    phase: str
    name: str
    seconds: float


@dataclass
class PipelineOptions:
    """What to do beside compiling.

    verify_each: verify the module after every pass and the legality of its dialects after every phase.
    dump_folder: write ``N-PHASE.mlir`` after each phase, and one ``constants.npz`` for all of them.
    progress: is told of every step as it begins, by phase and name, and how many of its parts are done of how many
    (0 of 0 where it has none).
    use_cache: take the finished model from the compile cache where it is; then there is nothing to time. Not done
    where phases shall be verified or dumped.
    checked: let the code check every load and store, and a run raise MemoryAccessError that names the stage, buffer
    and offset of one that leaves its buffer. By default where LAMINA_CHECKED is set to 1.
    timings, dumped_constants: gathered while compiling.
    """

    verify_each: bool = False
    dump_folder: Path | None = None
    progress: Callable[[str, str, int, int], None] | None = None
    use_cache: bool = True
    checked: bool = field(default_factory=checks_by_default)
    timings: list[PassTiming] = field(default_factory=list)
    dumped_constants: ConstantStore = field(default_factory=ConstantStore)

    @property
    def may_use_cache(self) -> bool:
        """Whether a model that was compiled before serves as well as one that is compiled now."""
        return self.use_cache and not self.verify_each and self.dump_folder is None

    @contextlib.contextmanager
    def timed(self, phase: str, name: str) -> Iterator[None]:
        """Reports what happens inside, and adds it to the timings. An error inside is told which step it ended."""
        self.report(phase, name)
        begin = time.perf_counter()
        try:
            yield
        except Exception as error:
            error.add_note(f"in phase {phase}, step {name}")
            raise
        self.timings.append(PassTiming(phase, name, time.perf_counter() - begin))

    def report(self, phase: str, step: str, done: int = 0, total: int = 0) -> None:
        """Tells whoever watches which step goes on, and how much of it is done."""
        if self.progress is not None:
            self.progress(phase, step, done, total)


def phase_range(start: str | None, stop: str | None, machine_class: str = "cpu") -> tuple[Phase, ...]:
    """The phases that turn the output of ``start`` (None: a just imported model) into the output of ``stop``.

    Raises ValueError for an unknown name or a stop before the start.
    """
    phases = phases_of(machine_class)
    names = [phase.name for phase in phases]
    for name in (start, stop):
        if name is not None and name not in names:
            raise ValueError(f"no phase is called '{name}': expected one of {', '.join(names)}")
    first = 0 if start is None else names.index(start) + 1
    last = names.index(stop or names[-1]) + 1
    if first > last:
        raise ValueError(f"cannot go from phase '{start}' back to '{stop}'")
    return phases[first:last]


def phases_of(machine_class: str) -> tuple[Phase, ...]:
    """All phases of a class of machines. Raises ValueError for an unknown class."""
    if machine_class not in PHASES:
        raise ValueError(f"no class of machines is called '{machine_class}': expected one of {', '.join(PHASES)}")
    return PHASES[machine_class]


def phase_named(name: str, machine_class: str = "cpu") -> Phase:
    """The phase of that name. Raises ValueError where there is none."""
    found = next((phase for phase in phases_of(machine_class) if phase.name == name), None)
    if found is None:
        raise ValueError(f"no phase is called '{name}': expected one of {', '.join(PHASE_NAMES)}")
    return found


def compile_through(
    module: ModuleOp,
    context: CompilerContext,
    *,
    start: str | None = None,
    stop: str | None = None,
    options: PipelineOptions | None = None,
) -> ModuleOp:
    """Runs, in place, the phases after ``start`` up to and including ``stop``; returns the module.

    ``start`` names the phase whose output the module is (None: the frontend's). Where it is the last one, whose checks
    a checked build asks for, they are made here.
    """
    options = options or PipelineOptions()
    if options.dump_folder is not None:
        options.dump_folder.mkdir(parents=True, exist_ok=True)
    try:
        last = phases_of(context.machine_class)[-1]
        if options.checked and start == last.name:
            run_passes(module, context, last.name, last.checks, options)
        for phase in phase_range(start, stop, context.machine_class):
            run_phase(module, context, phase, options)
            if options.dump_folder is not None:
                dump_phase(module, context, phase, options.dump_folder, options.dumped_constants)
            if options.verify_each:
                check_legality(module, phase)
                check_rules(module, context, phase)
    finally:
        if options.dump_folder is not None:
            options.dumped_constants.save(options.dump_folder / "constants.npz")
    return module


def run_phase(module: ModuleOp, context: CompilerContext, phase: Phase, options: PipelineOptions) -> None:
    """Runs one phase's passes, in place, timing each."""
    run_passes(module, context, phase.name, phase.passes + (phase.checks if options.checked else ()), options)


def run_passes(
    module: ModuleOp, context: CompilerContext, phase: str, passes: Iterable[str], options: PipelineOptions
) -> None:
    """Runs passes of a phase, in place, timing each."""
    for module_pass in _passes(passes):
        with options.timed(phase, str(module_pass)):
            module_pass.apply(context, module)
        if options.verify_each:
            module.verify()


def phase_passes(phase: Phase, checked: bool = False) -> Iterator[ModulePass]:
    """The phase's passes, each loaded when its turn comes; in a checked build its checks follow."""
    yield from _passes(phase.passes + (phase.checks if checked else ()))


def _passes(texts: Iterable[str]) -> Iterator[ModulePass]:
    from xdsl.passes import PassPipeline

    from .universe import UNIVERSE

    for text in texts:
        yield from PassPipeline.parse_spec(UNIVERSE.all_passes, text).passes


def check_rules(module: ModuleOp, context: CompilerContext, phase: Phase) -> None:
    """Raises OperationError where the module is not what the phase promises to leave."""
    for rule in _passes(phase.rules):
        rule.apply(context, module)


def check_legality(module: ModuleOp, phase: Phase) -> None:
    """Raises IllegalOperationError that lists what is left over, by op name, if anything is."""
    leftovers = Counter(operation.name for operation in illegal_operations(module, phase))
    if leftovers:
        listing = ", ".join(f"{name} ({count})" for name, count in sorted(leftovers.items()))
        raise IllegalOperationError(f"after phase '{phase.name}' these may not be left: {listing}")


def illegal_operations(module: ModuleOp, phase: Phase) -> Iterator[Operation]:
    """What the phase promises to have replaced, in the order of the text."""
    from xdsl.dialects.llvm import FuncOp

    from .lowering.loops_to_llvm.lower import code_functions

    code = code_functions(module) if phase.kernels is not _NOTHING else []
    for function in module.body.block.ops:
        if _is_plan(function):
            yield from _not_in(_PLAN, function.walk())
        elif function in code or isinstance(function, FuncOp):
            yield from _not_in(phase.kernels, function.walk())
        else:
            inside = [list(op.walk())[1:] for op in function.walk() if op.name == "schedule.stage"]
            staged = {id(op) for ops in inside for op in ops}
            yield from _not_in(phase.segments, (op for op in function.walk() if id(op) not in staged))
            yield from _not_in(phase.stages, itertools.chain.from_iterable(inside))


def _is_plan(operation: Operation) -> bool:
    from xdsl.dialects.func import FuncOp

    return isinstance(operation, FuncOp) and operation.sym_name.data == "main"


def _not_in(legal: Legal, operations: Iterable[Operation]) -> Iterator[Operation]:
    return (operation for operation in operations if not legal.allows(operation.name))


# --- the last steps --------------------------------------------------------------------------------


def build_program(
    module: ModuleOp, context: CompilerContext, options: PipelineOptions | None = None
) -> tuple[Program, np.ndarray]:
    """The step "build the program": what the runtime needs to know beside the code, and the memory of the constants.

    The module is the output of the schedule phase or of one after it.
    """
    from .lowering import schedule_to_program

    with (options or PipelineOptions()).timed(phases_of(context.machine_class)[-1].name, "build the program"):
        return schedule_to_program.build_program(module, context)


def emit_code(
    module: ModuleOp, context: CompilerContext, options: PipelineOptions | None = None, *, optimization_level: int = 2
) -> Image:
    """The step "emit machine code": the kernels of the last phase's output, linked.

    Raises LaminaError where the module was lowered for another target.
    """
    from .backend.compile_image import compile_image

    options = options or PipelineOptions()
    step = (phases_of(context.machine_class)[-1].name, "emit machine code")
    with options.timed(*step):
        _check_target(module, context)
        progress = partial(options.report, *step)
        return compile_image(
            module,
            context.target,
            denormals=context.denormals,
            optimization_level=optimization_level,
            progress=progress,
        )


def _check_target(module: ModuleOp, context: CompilerContext) -> None:
    from .lowering.loops_to_llvm import TARGET_ATTRIBUTE
    from .runtime.errors import LaminaError

    lowered = module.attributes.get(TARGET_ATTRIBUTE)
    name = getattr(lowered, "data", None)
    if name not in (None, context.target.name):
        raise LaminaError(f"this was lowered for the target '{name}': compile it for that, not '{context.target.name}'")


# --- text ------------------------------------------------------------------------------------------


def dump_phase(
    module: ModuleOp, context: CompilerContext, phase: Phase, folder: Path, constants: ConstantStore
) -> Path:
    """Writes the module's text to ``N-PHASE.mlir`` and gathers the constants alive in it."""
    path = folder / f"{PHASE_NAMES.index(phase.name)}-{phase.name}.mlir"
    path.write_text(module_text(module))
    constants.take(context.constants)
    return path


def module_text(module: ModuleOp) -> str:
    """The module as text that parses back."""
    from io import StringIO

    from .dialects.exact_printer import ExactPrinter

    text = StringIO()
    ExactPrinter(stream=text).print_op(module)
    return text.getvalue() + "\n"
