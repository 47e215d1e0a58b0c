"""From the first wrong phase to the pass, and below the schedule to the pass of one stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from xdsl.dialects import func

from ..dialects.calling_convention import CHECKED_ATTRIBUTE, function_name
from ..interpreters.loop_operations import OutOfTimeError
from ..interpreters.loops import LoopsError, translate
from ..interpreters.scalar import NoMeaningError
from ..interpreters.schedule import ScheduleRules, StageRun
from ..lowering.loops_to_llvm.lower import code_functions
from ..pipeline import emit_code, module_text, phase_passes, phase_range
from ..runtime.errors import LaminaError
from ..runtime.image import MappedImage
from .comparison import Deviation, Tolerance
from .isolation import Crash, run_isolated
from .phases import Snapshot, steps
from .report import PhaseCheck
from .stages import compare_stage, run_loops, run_machine_code

CheckModule = Callable[[Snapshot, ScheduleRules], PhaseCheck]
_Progress = Callable[[str], None]


@dataclass(frozen=True)
class WrongPass:
    """The first pass after which a phase is wrong, with the module before and after it."""

    check: PhaseCheck
    before: Snapshot
    after: Snapshot


def bisect_phase(start: Snapshot, check_module: CheckModule, progress: _Progress) -> WrongPass | None:
    """The first pass of the phase after ``start`` that ``check_module`` finds wrong."""
    phase = phase_range(start.phase, None)[0]
    for module_pass, before, after, rules in steps(phase, start):
        progress(f"evaluate after {module_pass}")
        check = check_module(replace(after, phase=phase.name), rules)
        if check.status == "wrong":
            subject = f"after {module_pass}, against {start.phase}"
            return WrongPass(replace(check, subject=subject, pass_name=str(module_pass)), before, after)
    return None


@dataclass
class StageFiles:
    """A stage's function after each pass below the schedule, by file name."""

    texts: dict[str, str] = field(default_factory=dict)


def bisect_stage(
    schedule: Snapshot, run: StageRun, tolerance: Tolerance, seconds: float, progress: _Progress, *, checked: bool
) -> tuple[PhaseCheck, StageFiles]:
    """The first pass below the schedule that makes this stage wrong.

    After each pass of the loops phase its function is interpreted, after each of the llvm phase compiled and run. Where
    the code is wrong with LLVM's optimisation only, that is named. ``checked``: after the checks of the build, too.
    """
    search = _StageSearch(schedule.copy(), run, tolerance, time.monotonic() + seconds, checked)
    return search.find(progress), search.files


class _StageSearch:
    def __init__(self, schedule: Snapshot, run: StageRun, tolerance: Tolerance, deadline: float, checked: bool):
        self.module, self.context = schedule.module, schedule.context
        self.run, self.tolerance, self.deadline, self.checked = run, tolerance, deadline, checked
        self.name = function_name(run.stage)
        self.files = StageFiles()

    def find(self, progress: _Progress) -> PhaseCheck:
        for phase in phase_range("schedule", None):
            for number, module_pass in enumerate(phase_passes(phase, self.checked)):
                progress(f"stage @{self.run.stage.stage_name.data} after {module_pass}")
                module_pass.apply(self.context, self.module)
                self.keep_one_function()
                self.files.texts[f"{phase.name}-{number}-{module_pass.name}.mlir"] = module_text(self.module)
                check = self.check_loops() if phase.name == "loops" else self.check_code(2)
                if check.status != "wrong":
                    continue
                check = replace(check, subject=f"after {module_pass}, against schedule", pass_name=str(module_pass))
                if phase.name == "llvm" and number == 0 and self.check_code(0).status == "ok":
                    check.pass_name = "LLVM's optimisation"
                    check.note += "the code is right when LLVM does not optimise"
                return check
        return self.result("skipped", note="the stage is right when its function is compiled alone")

    def keep_one_function(self) -> None:
        """The stage's function, and helpers that it may call. Once they are on the llvm level, nothing else is left."""
        needed = code_functions(self.module, self.name)
        for op in list(self.module.ops):
            if isinstance(op, func.FuncOp) and op not in needed:
                op.detach()
                op.erase(safe_erase=False)

    def result(self, status, deviation: Deviation | None = None, value: str = "", note: str = "") -> PhaseCheck:
        phase = "loops" if any(isinstance(op, func.FuncOp) for op in self.module.ops) else "llvm"
        return PhaseCheck(
            phase,
            "",
            status,
            deviation,
            value=value,
            stage=self.run.stage.stage_name.data,
            function=self.name,
            operation=self.run.stage.kernel.name,
            note=note,
        )

    def compared(self, found: list) -> PhaseCheck:
        value, deviation = compare_stage(self.run, found, self.tolerance)
        return self.result("ok" if deviation.ok else "wrong", deviation, value)

    def check_loops(self) -> PhaseCheck:
        (function,) = (op for op in self.module.ops if isinstance(op, func.FuncOp) and op.sym_name.data == self.name)
        try:
            return self.compared(run_loops(translate(function), self.run, self.deadline))
        except (OutOfTimeError, NoMeaningError) as reason:
            return self.result("skipped", note=str(reason))
        except LoopsError as error:
            return self.result("wrong", note=str(error))

    def check_code(self, optimization_level: int) -> PhaseCheck:
        image = emit_code(self.module, self.context, optimization_level=optimization_level)
        mapped = MappedImage(image.data, image.symbols)
        try:
            found = run_isolated(lambda announce: self.run_twice(mapped))
        except LaminaError as error:
            return self.result("wrong", note=str(error))
        if isinstance(found, Crash):
            return self.result("wrong", note=f"the machine code ended with {found.signal}")
        return next((check for check in map(self.compared, found) if check.status == "wrong"), self.compared(found[0]))

    def run_twice(self, image: MappedImage) -> list:
        checked = CHECKED_ATTRIBUTE in self.module.attributes
        return [run_machine_code(image, self.run, threads, checked=checked) for threads in (1, 2)]
