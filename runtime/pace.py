"""Decides from how runs go whether further threads help a segment.

Threads meet at every barrier, so that one which the system does not run at once (because other programs occupy its
processor) delays all. A segment that has much of its time to wait is tried on one thread, and goes on with one where
that is faster; from time to time it is tried on all threads again. A trial that may cost time is made only when the
runs since the last one have taken fifty times as long, so that trials cost two percent at most.

The results of a run do not depend on the number of threads.
"""

from __future__ import annotations

SUSPICIOUS_RUNS = 2
"""So many runs in a row must have waited for long before one thread is tried."""
TRIAL_BUDGET = 50
"""A trial may lose this part of the time that has passed since the last one."""

SMOOTHING_ALONE = 0.3
SMOOTHING_TOGETHER = 0.05
"""The weight of a run in the mean of all. Together has the longer memory: a trial follows upon slow runs, so that a
short one would compare it with the worst there is, and go on alone on a machine that is disturbed now and then only."""


class Pace:
    """What is known of the runs of one binding. Times are in nanoseconds."""

    __slots__ = (
        "_alone",
        "_runs_together",
        "_since_trial",
        "_suspicious",
        "_time_alone",
        "_time_together",
        "_trial",
        "_woke",
    )

    def __init__(self) -> None:
        self._alone = False
        self._trial = False
        self._time_alone = 0.0
        self._time_together = 0.0
        self._runs_together = 0
        self._since_trial = 0.0
        self._suspicious = 0
        self._woke = False

    def threads(self, wanted: int) -> int:
        """How many threads the next run should have, of ``wanted``, which is at least two."""
        return 1 if self._alone is not self._trial else wanted

    def report(self, threads: int, elapsed: float, waiting_share: float, woke: bool = False) -> None:
        """How a run went: its threads, its time, and the part of it that the first thread has waited for others.

        A run that ``woke`` its workers says nothing of the next, which should find them awake; two in a row do, since
        then the runs come one at a time, or the system is slow to run the workers.
        """
        if threads > 1:
            woke_before, self._woke = self._woke, woke
            if woke and not woke_before:
                return
        if threads == 1:
            weight = SMOOTHING_ALONE if self._time_alone else 1.0
            self._time_alone += weight * (elapsed - self._time_alone)
        else:
            self._runs_together += 1
            weight = max(SMOOTHING_TOGETHER, 1.0 / self._runs_together)
            self._time_together += weight * (elapsed - self._time_together)
        if self._trial:
            self._judge(alone=threads == 1, elapsed=elapsed)
            return
        self._since_trial += elapsed
        if self._alone:
            self._trial = self._since_trial > TRIAL_BUDGET * self._time_together
            return
        # A thread that waits for more than its share of the time might as well do all the work.
        suspicious = waiting_share > 0.8 * (1.0 - 1.0 / threads) if threads > 1 else False
        self._suspicious = self._suspicious + 1 if suspicious else 0
        expected_loss = max(self._time_alone - self._time_together, 0.0)
        self._trial = self._suspicious >= SUSPICIOUS_RUNS and self._since_trial > TRIAL_BUDGET * expected_loss

    def _judge(self, alone: bool, elapsed: float) -> None:
        """After a trial: the new way must be clearly faster than the old one has been."""
        before = self._time_together if alone else self._time_alone
        if elapsed < 0.9 * before:
            self._alone = alone
            if not alone:  # What was before the runs alone is long ago.
                self._time_together, self._runs_together = elapsed, 1
        self._trial = False
        self._since_trial = 0.0
        self._suspicious = 0
