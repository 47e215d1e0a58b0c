"""Evaluates every phase of a model on the same inputs and compares each with the one before.

Down to the schedule a phase is interpreted whole. Below it, every stage is taken on its own: its loops are interpreted
as far as time allows, and its machine code runs, both on the memory that the interpreted schedule gives the stage.
Last, the compiled model runs as users run it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from ..compiler import compile_module, import_for
from ..context import CompilerContext
from ..dialects.calling_convention import CHECKED_ATTRIBUTE, function_name
from ..interpreters.loop_operations import OutOfTimeError
from ..interpreters.loops import LoopsError, LoopsFunction, translate
from ..interpreters.module import interpret_module
from ..interpreters.scalar import NoMeaningError
from ..interpreters.schedule import MemoryHazard, ScheduleRules, StageRun
from ..lowering.loops_to_llvm.lower import code_functions
from ..machines import Target
from ..pipeline import PipelineOptions, build_program, emit_code, phase_range, run_phase
from ..runtime.errors import LaminaError, MemoryAccessError
from ..runtime.executable import Executable
from .bisect import bisect_phase, bisect_stage
from .comparison import Deviation, Tolerance, compare_arrays, worst_output
from .isolation import Announce, Crash, run_isolated
from .phases import Snapshot, snapshots
from .reference import Arrays, Reference, ReferenceError
from .report import PhaseCheck, VerificationReport
from .reproduce import write_pass, write_stage
from .sizes import SizesCheck, SizesToTry
from .stages import compare_stage, run_loops, run_machine_code
from .values import NamedArrays, RecordedValues, find_culprit, named_arrays

REFERENCE_ATOL = 1e-6
"""At least so much may differ from a reference engine, whose exp or sigmoid may be off by 1e-7 where they are tiny."""

FeedsOf = Callable[[Executable], Arrays]
"""Gives inputs for a model."""


@dataclass(frozen=True)
class VerifyOptions:
    """How to verify.

    bisect: name the pass too, by evaluating after each pass of the first wrong phase.
    loops_seconds: how long loops may be interpreted, all stages together. Twenty times as long for a wrong one.
    reproduce: a folder for what is needed to look at the first wrong pass or stage.
    expected: outputs known to be right, which are compared instead of a reference engine's.
    sizes: other sizes of the free dims that a checked build runs at (sizes.py).
    """

    tolerance: Tolerance = field(default_factory=Tolerance)
    bisect: bool = False
    loops_seconds: float = 15.0
    threads: int | None = None
    reproduce: Path | None = None
    expected: Arrays | None = None
    sizes: SizesToTry | None = None
    progress: Callable[[str, str, int, int], None] | None = None


@dataclass(frozen=True)
class Evaluation:
    """Outputs and all values of one phase."""

    outputs: Arrays
    values: RecordedValues


def verify_model(
    model: Path,
    feeds_of: FeedsOf,
    options: VerifyOptions | None = None,
    *,
    shapes: dict | None = None,
    target: str | Target = "host",
) -> VerificationReport:
    """Checks an .onnx model. Raises LaminaError where it cannot be compiled, or not be evaluated for these inputs."""
    verification = _Verification(str(model), model, options or VerifyOptions())
    verification.compile(*import_for(model, shapes=shapes, target=target))
    return verification.run(feeds_of)


def verify_text(
    name: str,
    opened: AbstractContextManager[tuple[ModuleOp, CompilerContext]],
    phase: str,
    feeds_of: FeedsOf,
    options: VerifyOptions | None = None,
    *,
    source: Path | None = None,
) -> VerificationReport:
    """Checks a text that ``phase`` wrote (at most ``schedule``), from there on; it is compiled while it is ``opened``.

    ``source`` is the ONNX model that it comes from, whose numbers the text is compared with. Raises as verify_model.
    """
    verification = _Verification(name, source, options or VerifyOptions(), phase)
    with opened as (module, context):
        verification.compile(module, context)
    return verification.run(feeds_of)


class _Verification:
    """``start`` is the phase that wrote a text; None for an ONNX model."""

    def __init__(self, name: str, source: Path | None, options: VerifyOptions, start: str | None = None):
        self.begin = time.perf_counter()
        self.options, self.start = options, start
        self.tolerance = options.tolerance
        self.reference = Reference.of(source)
        known = options.expected is not None
        self.report = VerificationReport(name, "the expected outputs" if known else self.reference.name)
        self.pipeline = PipelineOptions(progress=options.progress)
        self.loops: dict[str, LoopsFunction] = {}
        self.loops_skipped: dict[str, str] = {}
        self.stage_runs: list[StageRun] = []
        self.feeds: Arrays = {}

    def compile(self, module: ModuleOp, context: CompilerContext) -> None:
        self.taken = snapshots(module, context, self.pipeline, self.start)
        # Of an ONNX model the frontend's module comes first, and what phase import leaves of it.
        self.interpreted = self.taken if self.start else self.taken[1:]
        loops_phase, llvm_phase = phase_range("schedule", None)
        run_phase(module, context, loops_phase, self.pipeline)
        self.translate_loops(module)
        run_phase(module, context, llvm_phase, self.pipeline)
        self.checked_code = CHECKED_ATTRIBUTE in module.attributes
        program, constants = build_program(module, context, self.pipeline)
        image = emit_code(module, context, self.pipeline)
        # A schedule that contradicts itself is found below, and the pass that made it.
        self.executable = Executable(program, image, constants, threads=1, consistent=False)

    def run(self, feeds_of: FeedsOf) -> VerificationReport:
        self.feeds = feeds_of(self.executable)
        final = self.check_interpreted()
        if final is not None:
            self.check_stages(final)
            self.check_runs(final)
        if final is not None and self.options.sizes is not None:
            self.check_sizes(self.options.sizes)
        self.report.seconds = time.perf_counter() - self.begin
        return self.report

    def translate_loops(self, module: ModuleOp) -> None:
        for function in code_functions(module):
            name = function.sym_name.data
            try:
                self.loops[name] = translate(function)
            except NoMeaningError as reason:
                self.loops_skipped[name] = str(reason)

    def progress(self, step: str, done: int = 0, total: int = 0) -> None:
        self.pipeline.report("verify", step, done, total)

    def add(self, check: PhaseCheck, begin: float) -> PhaseCheck:
        check.seconds = time.perf_counter() - begin
        self.report.checks.append(check)
        return check

    # --- import to schedule: interpreted whole -----------------------------------------------------

    def check_interpreted(self) -> Evaluation | None:
        """The last phase's evaluation; None where a phase could not be evaluated."""
        before = self.check_first(self.interpreted[0])
        if before is None:
            return None
        searched = not self.report.ok
        for start, snapshot in zip(self.interpreted, self.interpreted[1:]):
            begin = time.perf_counter()
            self.progress(f"interpret {snapshot.phase}")
            subject = f"{snapshot.phase}, interpreted, against {start.phase}"
            evaluation, check = self.evaluate_against(snapshot, before, subject)
            self.add(check, begin)
            if check.status == "wrong" and not searched:
                searched = True
                self.search_phase(start, before)
            if evaluation is None:
                return None
            before = evaluation
        return before

    def check_first(self, first: Snapshot) -> Evaluation | None:
        """The first phase's evaluation, compared with the reference; None where a schedule has a hazard."""
        begin = time.perf_counter()
        self.progress(f"interpret {first.phase}")
        check = PhaseCheck(first.phase, f"{first.phase}, interpreted, against {self.report.reference}", "wrong")
        try:
            evaluation = self.evaluate(first, observe=first is self.taken[-1])
        except MemoryHazard as hazard:
            self.add(replace(check, stage=hazard.stage, note=str(hazard)), begin)
            return None
        except (ValueError, IndexError, ZeroDivisionError) as error:
            raise LaminaError(
                f"the model cannot be evaluated for these inputs: {error}; give other shapes with --shape or --dim"
            ) from error
        self.compare_first(check, evaluation, begin)
        return evaluation

    def evaluate(self, snapshot: Snapshot, rules: ScheduleRules | None = None, observe: bool = False) -> Evaluation:
        values = RecordedValues()
        seen: set[tuple[str, int]] = set()

        def keep(run: StageRun) -> None:
            key = (run.function.sym_name.data, run.number)
            if key not in seen:
                seen.add(key)
                self.stage_runs.append(run)

        outputs = interpret_module(
            snapshot.module,
            self.feeds,
            snapshot.context.constants,
            trace=values,
            rules=rules,
            observe=keep if observe else None,
        )
        return Evaluation(outputs, values)

    def evaluate_against(
        self, snapshot: Snapshot, before: Evaluation, subject: str, rules: ScheduleRules | None = None
    ) -> tuple[Evaluation | None, PhaseCheck]:
        """A phase, or what a pass of it left, compared with the phase before."""
        check = PhaseCheck(snapshot.phase, subject, "wrong")
        observe = snapshot is self.taken[-1]
        try:
            evaluation = self.evaluate(snapshot, rules, observe)
        except NoMeaningError as reason:
            return None, replace(check, status="skipped", note=str(reason))
        except MemoryHazard as hazard:
            return None, replace(check, stage=hazard.stage, note=str(hazard))
        except (ValueError, IndexError, KeyError, ZeroDivisionError) as error:
            return None, replace(check, note=f"cannot be evaluated any more: {error}")
        check.output, check.deviation = worst_output(evaluation.outputs, before.outputs, self.tolerance)
        if check.deviation.ok:
            check.status = "ok"
            return evaluation, check
        self.name_culprit(check, snapshot, evaluation, before.values.by_name, before.outputs, self.tolerance)
        return evaluation, check

    def name_culprit(
        self,
        check: PhaseCheck,
        snapshot: Snapshot,
        evaluation: Evaluation,
        expected: NamedArrays,
        outputs: Arrays,
        tolerance: Tolerance,
    ) -> None:
        found = evaluation.outputs
        wrong = {name for name, wanted in outputs.items() if not compare_arrays(found[name], wanted, tolerance).ok}
        culprit = find_culprit(snapshot.module, evaluation.values, expected, wrong, tolerance)
        if culprit is not None:
            check.operation, check.value, check.stage = culprit.operation, culprit.value, culprit.stage
            check.deviation = culprit.deviation

    def compare_first(self, check: PhaseCheck, evaluation: Evaluation, begin: float) -> None:
        try:
            known = self.options.expected
            expected = self.reference.run(self.feeds) if known is None else known
        except ReferenceError as reason:
            self.add(replace(check, status="skipped", note=str(reason)), begin)
            return
        expected = {name: array for name, array in expected.items() if name in evaluation.outputs}
        tolerance = self.tolerance.at_least(REFERENCE_ATOL)
        check.output, check.deviation = worst_output(evaluation.outputs, expected, tolerance)
        if check.deviation.ok:
            check.status = "ok"
        else:
            self.name_wrong_node(check, evaluation, expected, tolerance)
        self.add(check, begin)

    def name_wrong_node(self, check: PhaseCheck, evaluation: Evaluation, outputs: Arrays, tolerance: Tolerance) -> None:
        try:
            everything = self.reference.run_all(self.feeds)
        except ReferenceError as reason:
            check.note = str(reason)
            return
        self.name_culprit(check, self.interpreted[0], evaluation, named_arrays(everything), outputs, tolerance)

    def search_phase(self, start: Snapshot, before: Evaluation) -> None:
        """Names the first wrong pass of the phase after ``start``."""
        if not self.options.bisect:
            return
        found = bisect_phase(start, lambda now, rules: self.evaluate_against(now, before, "", rules)[1], self.progress)
        if found is None:
            return
        self.report.checks.append(found.check)
        if self.options.reproduce is not None:
            self.report.reproducer = write_pass(self.options.reproduce, found, self.feeds, before.outputs)

    # --- loops and machine code: stage by stage ----------------------------------------------------

    def check_stages(self, final: Evaluation) -> None:
        wrong = self.check_loops()
        if wrong is None:
            wrong = self.check_code()
        if wrong is not None and self.options.bisect:
            seconds = self.options.loops_seconds * 20
            check, files = bisect_stage(
                self.taken[-1], wrong, self.tolerance, seconds, self.progress, checked=self.checked_code
            )
            self.report.checks.append(check)
            if self.options.reproduce is not None:
                self.report.reproducer = write_stage(self.options.reproduce, wrong, check, files)

    def check_loops(self) -> StageRun | None:
        """Interprets the loops of each distinct stage while there is time; gives the first wrong one."""
        begin = time.perf_counter()
        deadline = time.monotonic() + self.options.loops_seconds
        first = {function_name(run.stage): run for run in reversed(self.stage_runs)}
        distinct = [run for run in self.stage_runs if first[function_name(run.stage)] is run]
        share = self.options.loops_seconds / 5
        done, worst = 0, Deviation(True)
        for number, run in enumerate(distinct):
            self.progress("interpret loops", number, len(distinct))
            check = self.check_loops_of(run, min(deadline, time.monotonic() + share))
            if check.status == "wrong":
                self.add(check, begin)
                return run
            if check.status == "ok":
                done += 1
                assert check.deviation is not None
                worst = max(worst, check.deviation, key=lambda deviation: deviation.relative)
        note = "" if done == len(distinct) else f"{done} of {len(distinct)} kernels: the others take too long"
        if self.loops_skipped:
            note += f"; {next(iter(self.loops_skipped.values()))}"
        status = "ok" if done else "skipped"
        self.add(
            PhaseCheck("loops", "loops, interpreted, against schedule", status, worst if done else None, note=note),
            begin,
        )
        return None

    def check_loops_of(self, run: StageRun, deadline: float) -> PhaseCheck:
        name = function_name(run.stage)
        check = PhaseCheck("loops", "loops, interpreted, against schedule", "skipped")
        check.stage, check.function, check.operation = run.stage.stage_name.data, name, run.stage.kernel.name
        if name not in self.loops:
            return check
        try:
            found = run_loops(self.loops[name], run, deadline)
        except OutOfTimeError:
            return check
        except LoopsError as error:
            return replace(check, status="wrong", note=str(error))
        check.value, check.deviation = compare_stage(run, found, self.tolerance)
        check.status = "ok" if check.deviation.ok else "wrong"
        return check

    def check_code(self) -> StageRun | None:
        """Runs the machine code of every stage; gives the first wrong one, blaming its loops where they are wrong."""
        begin = time.perf_counter()
        self.progress("run stages")
        runs = self.stage_runs
        result = run_isolated(self.first_wrong_stage)
        check = PhaseCheck("llvm", "machine code of each stage against schedule", "ok", note=f"{len(runs)} stages")
        if isinstance(result, Crash):
            position = int(result.during or 0)
            check.status, check.note = "wrong", f"the machine code ended with {result.signal}"
        else:
            position, check.value, check.deviation, failure = result
            if position is None:
                self.add(check, begin)
                return None
            check.status, check.note = "wrong", failure
        run = runs[position]
        check.stage, check.function = run.stage.stage_name.data, function_name(run.stage)
        check.operation = run.stage.kernel.name
        loops = self.check_loops_of(run, time.monotonic() + 20 * self.options.loops_seconds)
        if loops.status == "wrong":
            check = loops
        self.add(check, begin)
        return run

    def first_wrong_stage(self, announce: Announce) -> tuple:
        """Position of the stage, its output and deviation, and what went wrong beside; the position None if all well,
        with the largest deviation."""
        worst = ("", None)
        for position, run in enumerate(self.stage_runs):
            announce(str(position))
            for threads in (1, 2):
                try:
                    found = run_machine_code(self.executable.image, run, threads, checked=self.checked_code)
                except LaminaError as error:
                    return position, "", None, str(error)
                value, deviation = compare_stage(run, found, self.tolerance)
                if not deviation.ok:
                    return position, value, deviation, f"on {threads} threads" if threads > 1 else ""
                if worst[1] is None or deviation.relative > worst[1].relative:
                    worst = (value, deviation)
        return None, *worst, ""

    # --- the whole ---------------------------------------------------------------------------------

    def check_runs(self, final: Evaluation) -> None:
        """The compiled model as users run it, and what must not change a bit of its results."""
        begin = time.perf_counter()
        self.progress("run the model")
        check = PhaseCheck("run", "the compiled model against schedule", "wrong")
        try:
            result = run_isolated(self.run_whole)
        except MemoryAccessError as error:
            self.add(replace(check, note=str(error)), begin)
            return
        if isinstance(result, Crash):
            self.add(replace(check, note=f"it ended with {result.signal} while {result.during}"), begin)
            return
        outputs, differing = result
        check.output, check.deviation = worst_output(outputs, final.outputs, self.tolerance)
        check.status = "ok" if check.deviation.ok else "wrong"
        self.add(check, begin)
        for subject, names in differing.items():
            note = f"differs in {', '.join(names)}" if names else ""
            self.report.checks.append(PhaseCheck("run", subject, "wrong" if names else "ok", note=note))

    def run_whole(self, announce: Announce) -> tuple[Arrays, dict[str, list[str]]]:
        """Outputs on one thread, and for each other way to run the outputs that have other bits."""
        executable = self.executable
        announce("running on one thread")
        first = executable.run(self.feeds)

        def differing(what: str, outputs: Arrays) -> list[str]:
            return [name for name, array in first.items() if outputs[name].tobytes() != array.tobytes()]

        found = {}
        for subject, run in (
            ("the same bits on a second run", executable.run),
            ("the same bits from memory full of NaN", executable.run_poisoned),
        ):
            announce(f"checking {subject}")
            found[subject] = differing(subject, run(self.feeds))
        for threads in (2, 3, self.options.threads or 4):
            subject = f"the same bits on {threads} threads"
            announce(f"checking {subject}")
            executable.set_threads(threads)
            found[subject] = differing(subject, executable.run(self.feeds))
        return first, found

    def check_sizes(self, sizes: SizesToTry) -> None:
        """A checked build at other sizes, which may be wrong where those of the given inputs are right."""
        final = self.taken[-1]

        def interpret(feeds: Arrays) -> Arrays:
            return interpret_module(final.module, feeds, final.context.constants)

        options = PipelineOptions(checked=True, progress=self.options.progress)
        first = self.taken[0].copy()
        checked = compile_module(first.module, first.context, start=self.start, threads=2, options=options)
        self.progress("run at other sizes")
        check = SizesCheck(checked, interpret, self.reference, self.tolerance.at_least(REFERENCE_ATOL))
        begin = time.perf_counter()
        for found in check.run(sizes):
            self.add(found, begin)
            begin = time.perf_counter()
