"""Shares the threads of a process among its runs: teams of persistent workers, made on demand, for all models.

A run asks for participants, runs and gives them back. All runs together use no more participants than there are
processors for this process, so that several runs at once get fewer threads each and do not wait for each other at
barriers. Work is split statically, and a kernel gives the same numbers for any number of threads, so that this
cannot be seen in the results.

Python may raise KeyboardInterrupt between any two instructions here, and may run a signal handler or a finalizer there
that itself runs a model. So what a run holds is recorded in one step and forgotten in one step, and never twice.
"""

from __future__ import annotations

import itertools
import os
import threading
from time import perf_counter_ns

from .cpus import Limits, cgroup_cpus, current_limits
from .image import MappedImage
from .team import Team

WARM_MICROSECONDS = 100.0
"""A run that begins so soon after the one before is taken as one of a series, for which waking parked workers pays."""
AFFINITY_SECONDS = 0.2
"""How long a Python thread relies on what it has seen of its affinity."""
QUOTA_SECONDS = 5.0
"""How long the process relies on what it has seen of its cgroups' quotas, which take 0.2 ms to read."""
FOREIGN_TEAM_SECONDS = 10.0
"""Workers with another affinity than that of the thread that needs new ones end when they were idle for so long."""


class Grant:
    """What a run may use: ``participants`` threads, the calling one included, and the team of the others, if any.

    To be given back with ``ThreadPool.release``. Where an interrupt keeps a run from that, it happens when the grant is
    collected.
    """

    # Found where an interrupt came before __init__ was through.
    _held: dict[int, tuple[Team | None, int]] = {}
    token = -1

    def __init__(self, held: dict[int, tuple[Team | None, int]], token: int):
        self._held = held
        self.token = token
        self.team: Team | None = None
        self.participants = 1

    def give_back(self) -> None:
        self._held.pop(self.token, None)

    __del__ = give_back


class _Seen(threading.local):
    """What a Python thread knows of its limits, and until when (in nanoseconds of the clock)."""

    limits: Limits | None = None
    expires = 0


class ThreadPool:
    """The teams of a process. All methods may be called from any Python thread.

    ``processors`` stands in for what the system says, for tests.
    """

    def __init__(self, processors: int | None = None) -> None:
        self._processors = processors
        self._tokens = itertools.count()
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._teams: list[Team] = []
        self._held: dict[int, tuple[Team | None, int]] = {}
        self._seen = _Seen()
        self._quota: int | None = None
        self._quota_expires = 0
        self._last_release = 0

    def refresh_limits(self) -> None:
        """The next run of this Python thread looks again how many processors it may use."""
        self._seen.expires = self._quota_expires = 0

    def forget_after_fork(self) -> None:
        """In the child of a fork there are no workers, whatever the parent had."""
        self._reset()

    def acquire(self, image: MappedImage, threads: int, eager: bool = True, asked: bool = True) -> Grant:
        """Participants for a run that would like ``threads`` of them.

        More threads than there are processors are given where the user has ``asked`` for them. A run that is not
        ``eager`` is too short for waking parked workers, except as one of a series of runs.
        """
        now = perf_counter_ns()
        limits = self._limits(now)
        with self._lock:
            grant = Grant(self._held, next(self._tokens))
            holders = list(self._held.values())
            processors = max(limits.processors, threads) if asked else limits.processors
            participants = max(1, min(threads, processors - sum([count for _, count in holders])))
            if participants > 1:
                idle = self._idle(limits, image, holders)
                in_series = now - self._last_release <= 1000 * WARM_MICROSECONDS
                if eager or in_series or _is_awake(idle):
                    self._hold(grant, _best(idle, participants - 1), image, participants, now)
                    return grant
            self._held[grant.token] = (None, 1)
        return grant

    def release(self, grant: Grant) -> None:
        self._last_release = perf_counter_ns()
        grant.give_back()

    def _limits(self, now: int) -> Limits:
        seen = self._seen
        if seen.limits is None or now >= seen.expires:
            if now >= self._quota_expires:
                self._quota = cgroup_cpus()
                self._quota_expires = now + int(1e9 * QUOTA_SECONDS)
            limits = current_limits(self._quota)
            seen.limits = limits if self._processors is None else Limits(limits.affinity, self._processors)
            seen.expires = now + int(1e9 * AFFINITY_SECONDS)
        return seen.limits

    def _idle(self, limits: Limits, image: MappedImage, holders: list[tuple[Team | None, int]]) -> list[Team]:
        """The teams that this thread could use for the image, that used last first."""
        busy = [team for team, _ in holders]
        kind = limits.affinity, image.keeps_denormals
        idle = [team for team in self._teams if team not in busy and (team.affinity, team.keeps_denormals) == kind]
        return sorted(idle, key=_last_used, reverse=True) if len(idle) > 1 else idle

    def _hold(self, grant: Grant, team: Team | None, image: MappedImage, participants: int, now: int) -> None:
        """Gives this team, or a new one, with enough workers if the system can give them."""
        workers = participants - 1
        if team is not None:
            self._held[grant.token] = (team, participants)
        if team is None or team.workers < workers or team.in_doubt:
            team = self._with_new_workers(grant, team, image, participants, now)
        crowded = participants > self._limits(now).processors
        if team.crowded is not crowded:
            team.set_patience(image, crowded)
        team.last_used = now
        grant.team, grant.participants = self._held[grant.token]

    def _with_new_workers(
        self, grant: Grant, team: Team | None, image: MappedImage, participants: int, now: int
    ) -> Team:
        """This team with more workers, or another where there is none, or where this one's would not be all alike."""
        affinity = self._look_again(now).affinity
        if team is not None and team.in_doubt:
            self._teams.remove(team)
            team.dismiss()
        if team is None or team.in_doubt or team.affinity != affinity:
            self._end_foreign_teams(affinity, now)
            team = Team(affinity, image.keeps_denormals)
            self._teams.append(team)
        self._held[grant.token] = (team, participants)
        team.grow(image, participants - 1)
        granted = min(participants, team.workers + 1)
        self._held[grant.token] = (team if granted > 1 else None, granted)
        return team

    def _look_again(self, now: int) -> Limits:
        """What the system says now: workers inherit the affinity of the thread that starts them."""
        self._seen.expires = 0
        return self._limits(now)

    def _end_foreign_teams(self, affinity: frozenset[int], now: int) -> None:
        busy = [team for team, _ in self._held.values()]
        oldest = now - int(1e9 * FOREIGN_TEAM_SECONDS)
        for team in list(self._teams):
            if team not in busy and team.affinity != affinity and team.last_used < oldest:
                self._teams.remove(team)
                team.dismiss()

    def dismiss_idle(self) -> None:
        """Ends the workers of all teams that are not in use; the next runs start new ones."""
        with self._lock:
            busy = [team for team, _ in self._held.values()]
            idle = [team for team in self._teams if team not in busy]
            self._teams = [team for team in self._teams if team in busy]
            for team in idle:
                team.dismiss()

    @property
    def idle_workers(self) -> int:
        with self._lock:
            busy = [team for team, _ in self._held.values()]
            return sum(team.workers for team in self._teams if team not in busy)

    @property
    def participants(self) -> int:
        """Of all runs that go on now."""
        return sum([count for _, count in list(self._held.values())])


def _last_used(team: Team) -> int:
    return team.last_used


def _is_awake(idle: list[Team]) -> bool:
    """Whether no worker would have to be woken or started."""
    return bool(idle) and not idle[0].parked


def _best(idle: list[Team], workers: int) -> Team | None:
    """The smallest team that has enough workers, of several that used last; else one that can grow."""
    enough = [team for team in idle if team.workers >= workers and not team.in_doubt]
    if enough:
        return min(enough, key=lambda team: team.workers)
    return idle[0] if idle else None


POOL = ThreadPool()
"""The pool of this process."""

os.register_at_fork(after_in_child=POOL.forget_after_fork)
