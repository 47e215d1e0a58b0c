"""A model at other sizes of its free dims: none, one, an odd number and many.

A checked build runs, so that no access outside of a buffer goes unseen, and the schedule is interpreted, which finds
buffers that overlap and barriers that are missing. Each size runs in a process of its own, which is ended when the time
is over: what is left out for that is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from textwrap import shorten

from ..interpreters.scalar import NoMeaningError
from ..interpreters.schedule import MemoryHazard
from ..runtime.errors import LaminaError, MemoryAccessError
from ..runtime.executable import Executable
from ..runtime.expressions import is_symbol
from .comparison import Tolerance, worst_output
from .isolation import Announce, Crash, OvertimeError, run_isolated
from .reference import Arrays, Reference, ReferenceError
from .report import PhaseCheck

SIZES = (0, 1, 7, 67)
NOTE_WIDTH = 160

Sizes = dict[str, int]
FeedsAt = Callable[[Executable, Sizes], Arrays]
"""Gives inputs for a model with some of its free dims of the sizes given."""


@dataclass(frozen=True)
class SizesToTry:
    """Other sizes to run a model at: inputs of them, and for how many seconds."""

    feeds_at: FeedsAt
    seconds: float


@dataclass(frozen=True)
class SizesCheck:
    """What is compared at each size: a checked build, the interpreted schedule, and a reference engine.

    ``interpret`` raises MemoryHazard where buffers overlap or a barrier is missing.
    """

    checked: Executable
    interpret: Callable[[Arrays], Arrays]
    reference: Reference
    tolerance: Tolerance

    def run(self, wanted: SizesToTry) -> Iterator[PhaseCheck]:
        """A check for each size, small inputs first. One that the model refuses is skipped, with the reason."""
        deadline = time.monotonic() + wanted.seconds
        left_out = []
        for subject, feeds in self._cases(wanted.feeds_at):
            if isinstance(feeds, str):
                yield PhaseCheck("run", f"a checked build at {subject}", "skipped", note=feeds)
                continue
            try:
                yield self._compare(subject, feeds, deadline - time.monotonic())
            except OvertimeError:
                left_out.append(subject)
        if left_out:
            note = f"left out: all sizes together take longer than the {wanted.seconds:g} s given"
            yield PhaseCheck("run", f"a checked build at {'; '.join(left_out)}", "skipped", note=note)

    def _cases(self, feeds_at: FeedsAt) -> list[tuple[str, Arrays | str]]:
        """What is tried and its inputs, or why there are none; small ones first."""
        cases: list[tuple[int, str, Arrays | str]] = []
        for sizes in sizes_to_try(self.checked):
            subject = ", ".join(f"{dim} = {size}" for dim, size in sizes.items()) or "its sizes"
            try:
                feeds = feeds_at(self.checked, sizes)
            except LaminaError as reason:
                cases.append((0, subject, str(reason)))
            else:
                cases.append((sum(array.size for array in feeds.values()), subject, feeds))
        return [case[1:] for case in sorted(cases, key=lambda case: case[0])]

    def _compare(self, subject: str, feeds: Arrays, seconds: float) -> PhaseCheck:
        check = PhaseCheck("run", f"a checked build at {subject}", "skipped")
        found = run_isolated(lambda announce: self._compare_here(check, feeds, announce), seconds)
        if not isinstance(found, Crash):
            return found
        note = f"{found.during} ended with {found.signal}"
        # The system ends processes mostly for want of memory.
        ours = found.during != self.reference.name and found.signal != "SIGKILL"
        return replace(check, status="wrong" if ours else "skipped", note=note)

    def _compare_here(self, check: PhaseCheck, feeds: Arrays, announce: Announce) -> PhaseCheck:
        try:
            announce("the checked build")
            found = self.checked.run(feeds)
            return self._compare_with_others(check, feeds, found, announce)
        except MemoryAccessError as error:
            return replace(check, status="wrong", note=str(error))
        except MemoryHazard as hazard:
            return replace(check, status="wrong", stage=hazard.stage, note=str(hazard))
        except LaminaError as reason:
            return replace(check, note=str(reason))
        except MemoryError:
            return replace(check, note="there is not enough memory")

    def _compare_with_others(self, check: PhaseCheck, feeds: Arrays, found: Arrays, announce: Announce) -> PhaseCheck:
        others = {"the schedule": self.interpret, self.reference.name: self.reference.run}
        agreed, missing = [], []
        for name, evaluate in others.items():
            announce(name)
            try:
                expected = {name: array for name, array in evaluate(feeds).items() if name in found}
            except MemoryHazard:
                raise
            except (ReferenceError, NoMeaningError) as reason:
                missing.append(shorten(str(reason), NOTE_WIDTH))
                continue
            except (ValueError, IndexError, KeyError, ZeroDivisionError) as error:
                missing.append(f"the schedule cannot be interpreted: {error}")
                continue
            output, deviation = worst_output(found, expected, self.tolerance)
            if not deviation.ok:
                note = f"the checked build differs from {name}"
                return replace(check, status="wrong", output=output, deviation=deviation, note=note)
            agreed.append(name)
            if check.deviation is None or deviation.relative > check.deviation.relative:
                check = replace(check, output=output, deviation=deviation)
        return replace(check, status="ok" if agreed else "skipped", note="; ".join(missing))


def sizes_to_try(executable: Executable) -> Iterator[Sizes]:
    """Every free dim of the inputs at every size, then all of them together; for none of them the sizes there are."""
    dims = list(dict.fromkeys(dim for info in executable.inputs for dim in info.shape if isinstance(dim, str)))
    free = [dim for dim in dims if is_symbol(dim)]
    for dim in free:
        yield from ({dim: size} for size in SIZES)
    if len(free) > 1:
        yield from (dict.fromkeys(free, size) for size in SIZES)
    if not free:
        yield {}
