"""The whole compiler in order: phases, the passes of each, and what may be left in the text after it.

A phase ends on the level it is named after. ``compile_through`` runs any range of phases; it is what
``lamina.compile`` and ``lamina-opt --from/--to`` both call, so what a person sees is what runs.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xdsl.utils.exceptions import DiagnosticException

from .cache.models import checks_by_default
from .context import ConstantStore

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp
    from xdsl.ir import Operation
    from xdsl.passes import ModulePass

    from .context import CompilerContext

# Scalar code inside the regions of kernels, and everywhere from the loops down.
_SCALAR = frozenset({"arith", "math", "vectorx"})
_EVERYWHERE = frozenset({"builtin", "func"})


@dataclass(frozen=True)
class Phase:
    """Some passes that end on one level.

    ``passes`` are written as after ``lamina-opt -p``, options included. ``legal_dialects`` may occur in a function
    after the phase; @main, which calls the segments and holds what runs on the host, may hold graph ops at any level.
    ``checks`` are passes that follow in a checked build. ``rules`` are passes that change nothing and raise an error
    where the level is not as the next phase takes it to be: a text is held against them, and what passes leave with
    ``verify_each``.
    """

    name: str
    summary: str
    passes: tuple[str, ...]
    legal_dialects: frozenset[str]
    checks: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


PHASES = (
    Phase(
        "import",
        "the ONNX model as graph ops, shapes inferred",
        (),
        _EVERYWHERE | {"graph"},
    ),
    Phase(
        "graph",
        "folded, fused and simplified; split into segments at what the host must do",
        (
            "graph-fold-constants",
            "graph-eliminate-identities",
            # Before arithmetic is simplified, which takes their parts apart.
            "graph-fuse-layer-norm",
            "graph-fuse-softmax",
            "graph-simplify-arithmetic",
            "graph-fold-padding",
            "graph-fold-batch-norm",
            "graph-merge-transposes",
            "graph-eliminate-identities",
            "graph-common-subexpressions",
            "graph-dead-code",
            "graph-partition",
        ),
        _EVERYWHERE | {"graph"},
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
            "kernel-split-concats",
            "kernel-fuse-maps",
            "kernel-fold-scales",
            "kernel-fuse-epilogues",
            "kernel-choose-algorithms",
            "kernel-transform-winograd-weights",
            "kernel-choose-layouts",
            "kernel-simplify-layouts",
            # Packs the weights.
            "kernel-fold-constants",
            "kernel-dead-code",
        ),
        _EVERYWHERE | _SCALAR | {"kernel", "layout"},
    ),
    Phase(
        "schedule",
        "stages in order, buffers in the arena, tiles, the split among threads, barriers",
        (
            "lower-kernel-to-schedule",
            "schedule-choose-tiles",
            "schedule-place-barriers",
            "schedule-plan-arena",
        ),
        _EVERYWHERE | _SCALAR | {"schedule", "kernel", "layout"},
        rules=("schedule-check-memory",),
    ),
    Phase(
        "loops",
        "the schedule written out as loops over memory and register tiles",
        ("lower-schedule-to-loops", "loops-expand-math"),
        _EVERYWHERE | _SCALAR | {"scf", "memref", "vector", "schedule"},
    ),
    Phase(
        "llvm",
        "machine-level values: vectors of the target's width, addresses, branches",
        ("lower-loops-to-llvm",),
        _EVERYWHERE | {"llvm", "llvmx", "schedule"},
        checks=("llvm-check-bounds",),
    ),
)

PHASE_NAMES = tuple(phase.name for phase in PHASES)


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


def phase_range(start: str | None, stop: str | None) -> tuple[Phase, ...]:
    """The phases that turn the output of ``start`` (None: a just imported model) into the output of ``stop``.

    Raises ValueError for an unknown name or a stop before the start.
    """
    for name in (start, stop):
        if name is not None and name not in PHASE_NAMES:
            raise ValueError(f"no phase is called '{name}': expected one of {', '.join(PHASE_NAMES)}")
    first = 0 if start is None else PHASE_NAMES.index(start) + 1
    last = PHASE_NAMES.index(stop or PHASE_NAMES[-1]) + 1
    if first > last:
        raise ValueError(f"cannot go from phase '{start}' back to '{stop}'")
    return PHASES[first:last]


def compile_through(
    module: ModuleOp,
    context: CompilerContext,
    *,
    start: str | None = None,
    stop: str | None = None,
    options: PipelineOptions | None = None,
) -> ModuleOp:
    """Runs, in place, the phases after ``start`` up to and including ``stop``; returns the module.

    ``start`` names the phase whose output the module is (None: the frontend's).
    """
    options = options or PipelineOptions()
    if options.dump_folder is not None:
        options.dump_folder.mkdir(parents=True, exist_ok=True)
    try:
        for phase in phase_range(start, stop):
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
    for module_pass in phase_passes(phase, options.checked):
        with options.timed(phase.name, str(module_pass)):
            module_pass.apply(context, module)
        if options.verify_each:
            module.verify()


def phase_passes(phase: Phase, checked: bool = False) -> Iterator[ModulePass]:
    """The phase's passes, each loaded when its turn comes; in a checked build its checks follow."""
    for text in phase.passes + (phase.checks if checked else ()):
        yield from _loaded(text)


def _loaded(text: str) -> tuple[ModulePass, ...]:
    from xdsl.passes import PassPipeline

    from .universe import UNIVERSE

    return PassPipeline.parse_spec(UNIVERSE.all_passes, text).passes


def check_rules(module: ModuleOp, context: CompilerContext, phase: Phase) -> None:
    """Raises OperationError where the module is not what the phase promises to leave."""
    for text in phase.rules:
        for rule in _loaded(text):
            rule.apply(context, module)


def check_legality(module: ModuleOp, phase: Phase) -> None:
    """Raises IllegalOperationError that lists what is left over, by op name, if anything is."""
    from xdsl.dialects.func import FuncOp

    leftovers: dict[str, int] = {}
    for operation in module.body.block.ops:
        is_plan = isinstance(operation, FuncOp) and operation.sym_name.data == "main"
        legal = phase.legal_dialects | {"graph"} if is_plan else phase.legal_dialects
        for nested in operation.walk():
            if _dialect(nested) not in legal:
                leftovers[nested.name] = leftovers.get(nested.name, 0) + 1
    if leftovers:
        listing = ", ".join(f"{name} ({count})" for name, count in sorted(leftovers.items()))
        raise IllegalOperationError(
            f"after phase '{phase.name}' only {', '.join(sorted(phase.legal_dialects))} may be left, found {listing}"
        )


def _dialect(operation: Operation) -> str:
    return operation.name.partition(".")[0]


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

    from xdsl.printer import Printer

    text = StringIO()
    Printer(stream=text).print_op(module)
    return text.getvalue() + "\n"
