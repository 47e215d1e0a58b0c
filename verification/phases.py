"""A model after each phase, to be evaluated later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from ..context import CompilerContext
from ..interpreters.schedule import ScheduleRules
from ..pipeline import Phase, PipelineOptions, phase_passes, phase_range

INTERPRETED_PHASES = ("import", "graph", "kernel", "schedule")


@dataclass(frozen=True)
class Snapshot:
    """The module as a phase left it (``phase`` empty: as the frontend did), and the context with its constants."""

    phase: str
    module: ModuleOp
    context: CompilerContext

    @staticmethod
    def of(phase: str, module: ModuleOp, context: CompilerContext) -> Snapshot:
        return Snapshot(phase, module.clone(), context.clone())

    def copy(self) -> Snapshot:
        return Snapshot.of(self.phase, self.module, self.context)


def snapshots(
    module: ModuleOp, context: CompilerContext, options: PipelineOptions, start: str | None = None
) -> list[Snapshot]:
    """The module, which phase ``start`` left (None: the frontend), then the output of each phase down to the schedule.

    The module is compiled in place.
    """
    taken = [Snapshot.of(start or "", module, context)]
    for phase in phase_range(start, "schedule"):
        for module_pass in phase_passes(phase):
            with options.timed(phase.name, str(module_pass)):
                module_pass.apply(context, module)
        taken.append(Snapshot.of(phase.name, module, context))
    return taken


def rules_after(done: list[str], phase: str) -> ScheduleRules:
    """What a schedule promises once these passes of the schedule phase are done; all of it after the phase."""
    if phase != "schedule":
        return ScheduleRules()
    return ScheduleRules("schedule-place-barriers" in done, "schedule-plan-arena" in done)


def steps(phase: Phase, start: Snapshot) -> Iterator[tuple[ModulePass, Snapshot, Snapshot, ScheduleRules]]:
    """Each pass of a phase, the module before and after it, and what a schedule promises then."""
    current = start.copy()
    done: list[str] = []
    for module_pass in phase_passes(phase):
        before = current.copy()
        module_pass.apply(current.context, current.module)
        done.append(module_pass.name)
        yield module_pass, before, current.copy(), rules_after(done, phase.name)
