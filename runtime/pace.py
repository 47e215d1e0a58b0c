"""Decides from the times of runs on how many threads the next one is fastest.

Whether further threads help depends on what else goes on: threads meet at every barrier, so that one which the system
does not run at once, because another program occupies its processor, delays all. Nothing but a run tells: so one way of
running is in use, and now and then its neighbour, on fewer or more threads, is tried. Times decide, by medians of
several in each way, since on a machine that is shared some runs take many times as long in either way. How long a run
waited for its threads, or that it became slower, is a reason for a trial, and never one for a decision.

A trial is two runs where the other way is no better, five where it seems so. What trials lose is bounded: the time that
passes earns a credit, of which the loss is paid. Where there is a reason for a trial it comes first and is paid later.
A way that was just taken is held against the one before it at once, since what led to it may be over.

The results of a run do not depend on the number of threads.
"""

from __future__ import annotations

from collections import deque

WARM_UP_RUNS = 5
"""So many runs come before any trial: the first ones touch memory and code for the first time."""
WINDOW, LAST = 15, 5
"""The way in use is judged by the median of so many runs; where the last ones all say that something changed, by those.
Where one run of five is slow by chance, the median is in 0.4 % of all cases, and five in a row are in 0.03 %."""
REST = 9
"""Runs between two trials, so that ways that are alike do not alternate."""
GLANCE, TRIAL = 2, 5
"""Runs of a trial that finds nothing better, and of one that may. The better of two is compared at first, because one
may be slow by chance, and that on cold caches is."""
HOPELESS = 8.0
"""Where the other way took so many times as long, one run in which it still does ends a trial."""
GAIN = 0.97
"""Another way must take less than this part of the time: smaller differences come and go."""
CHANGE = 1.15
"""Runs that all differ by this factor from those at the last trial are a reason for the next."""

CREDIT = 0.02
"""The part of the time that trials may lose."""
PATIENCE = 4.0
"""Trials without a reason are so many times rarer where all threads are in use: what changes then shows in the times.
Where fewer are, nothing but a trial shows that a processor was freed."""
REGRET = 0.25
"""What runs take more than they did, or than the other way is thought to take, pays for trials, too, in this part. So a
debt does not keep a way in use that became much slower."""

WAITING_SHARE = 0.8
"""LAST runs in a row that waited for more than this part of the time that a thread would save are a reason for a trial:
one that waits for all of it might as well do all the work."""
UNKNOWN_LOSS = 2.0
"""How many times as long a run on more threads may take that was never tried: threads that sleep must be woken."""


class Trial:
    """Runs in another way, which took ``known`` before, beside one that takes ``reference``, and ``at_best`` less than
    that in a third of its runs. Of ``cold`` ones the times say nothing."""

    __slots__ = ("at_best", "cold", "known", "reference", "times")

    def __init__(self, reference: float, at_best: float, known: float | None) -> None:
        self.reference = reference
        self.at_best = at_best
        self.known = known or 0.0
        self.times: list[float] = []
        self.cold = 0

    def add(self, elapsed: float, cold: bool) -> bool:
        """Takes a run in; whether the trial is over."""
        if min(elapsed, self.known) > HOPELESS * self.reference:
            self.times.append(elapsed)
            return True
        if cold:
            self.cold += 1
            return False
        self.times.append(elapsed)
        found = len(self.times)
        return found >= TRIAL or (found >= GLANCE and min(self.times) > GAIN * self.reference)

    @property
    def result(self) -> float:
        """The median; of two the better one."""
        return sorted(self.times)[(len(self.times) - 1) // 2]

    @property
    def is_better(self) -> bool:
        return len(self.times) >= TRIAL and self.result < GAIN * self.reference

    @property
    def loss(self) -> float:
        """What it has cost, but for what single runs took longer by chance."""
        return (len(self.times) + self.cold) * max(self.result - self.reference, 0.0)


class Pace:
    """What is known of the runs of one binding on at most ``most`` threads. Times are in nanoseconds.

    It begins with ``first`` threads, by default all.
    """

    # What decides is replaced in one step, and the list of trials has one end: an interrupt, or another Python thread
    # that runs the same binding, may spoil a trial, and never leaves the threads to use unclear.
    __slots__ = (
        "_at",
        "_baseline",
        "_confirm",
        "_credit",
        "_known",
        "_recent",
        "_rest",
        "_trials",
        "_waiting",
        "_ways",
        "_woke",
    )

    def __init__(self, most: int, first: int | None = None) -> None:
        self._ways = ways_up_to(most)
        using = max(sum(way <= (first or most) for way in self._ways) - 1, 0)
        self._at = using, self._beside(using, using - 1)
        """The way in use, and the one that is tried next."""
        self._known: list[float | None] = [None] * len(self._ways)
        """The time of each way when it was tried or in use last."""
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._trials: list[Trial] = []
        """The one that goes on, if any."""
        self._baseline = self._credit = 0.0
        self._rest = WARM_UP_RUNS
        """Runs until the next trial may begin."""
        self._waiting = 0
        self._confirm = self._woke = False

    def _beside(self, using: int, neighbour: int) -> int:
        """The way on the other side of that in use, or the same where there is none."""
        other = 2 * using - neighbour
        return other if 0 <= other < len(self._ways) else max(neighbour, 0)

    def threads(self) -> int:
        """How many threads the next run should have."""
        using, neighbour = self._at
        return self._ways[neighbour if self._trials else using]

    def report(self, threads: int, elapsed: float, waiting_share: float = 0.0, woke: bool = False) -> None:
        """How a run went: its threads, its time, and the part of it that the first thread has waited for others.

        A run that ``woke`` its workers says nothing of the next, which should find them awake; two in a row do, since
        then the runs come one at a time, or the system is slow to run the workers.
        """
        if threads != self.threads():  # The threads of the process were taken by other runs.
            return
        cold = False
        if threads > 1:
            cold, self._woke = woke and not self._woke, woke
        if self._trials:
            self._try(elapsed, cold)
        elif not cold:
            self._note(threads, elapsed, waiting_share)

    def _note(self, threads: int, elapsed: float, waiting_share: float) -> None:
        """A run in the way that is in use, after which a trial may be due."""
        self._recent.append(elapsed)
        self._credit += CREDIT * elapsed
        waited = threads > 1 and waiting_share > WAITING_SHARE * (1.0 - 1.0 / threads)
        self._waiting = self._waiting + 1 if waited else 0
        self._rest -= 1
        if self._rest > 0 or len(self._ways) == 1:
            return
        self._consider(list(self._recent), self._known[self._at[1]])

    def _consider(self, recent: list[float], known: float | None) -> None:
        """Begins a trial where there is a reason and no debt, or credit enough."""
        last = recent[-LAST:]
        hopes = self._hopes(min(last), max(last), known)
        waited = self._waiting >= LAST
        recent = sorted(last if hopes or waited else recent)
        median = recent[len(recent) // 2]
        if hopes:
            self._credit += REGRET * max(median - min(hopes), 0.0)
        reason = hopes or waited or self._confirm
        if self._credit >= (0.0 if reason else self._price(median, known)):
            self._trials.append(Trial(median, recent[len(recent) // 3], known))

    def _hopes(self, low: float, high: float, known: float | None) -> list[float]:
        """Times that seem possible in place of those from ``low`` to ``high``; none where there is no reason."""
        hopes = [known] if known is not None and known < GAIN * low else []
        if self._baseline and not (low < self._baseline * CHANGE and high > self._baseline / CHANGE):
            hopes.append(self._baseline)
        return hopes

    def _price(self, median: float, known: float | None) -> float:
        """What a trial is thought to lose."""
        if known is None:
            using, neighbour = self._at
            fewer = self._ways[using] / self._ways[neighbour]
            known = median * (fewer if fewer > 1.0 else UNKNOWN_LOSS)
        runs = 1 if known > HOPELESS * median else GLANCE
        patience = PATIENCE if self._at[0] == len(self._ways) - 1 else 1.0
        return patience * runs * max(known - median, 0.0)

    def _try(self, elapsed: float, cold: bool) -> None:
        """A run of a trial, after which the way that is tried may be taken."""
        try:
            if not self._trials[-1].add(elapsed, cold):
                return
            trial = self._trials.pop()
        except IndexError:  # Another thread has just ended the trial.
            return
        using, neighbour = self._at
        self._known[using], self._known[neighbour] = trial.at_best, trial.result
        self._waiting = 0
        self._confirm = trial.is_better
        if trial.is_better:
            self._at = neighbour, using
            self._recent = deque(trial.times, WINDOW)
            self._credit = 0.0
            self._baseline, self._rest = trial.result, 1
        else:
            self._at = using, self._beside(using, neighbour)
            self._credit = min(self._credit - trial.loss, 0.0)
            self._baseline, self._rest = trial.reference, REST


def ways_up_to(most: int) -> tuple[int, ...]:
    """Numbers of threads that are tried: powers of two, all, and one less, which leaves room for another program."""
    powers = {1 << exponent for exponent in range(most.bit_length())}
    return tuple(sorted(powers | {most, max(most - 1, 1)}))
