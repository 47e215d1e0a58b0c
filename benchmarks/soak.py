"""Thousands of runs in one process: right to the bit each time, and nothing grows.

    make soak                                # 20,000 runs, some minutes
    make soak SOAK_ARGS='--runs 2000 --no-real --seed 7'

Several compiled models run at random shapes, on random numbers of threads, for part of the time from several Python
threads at once; now and then one of them is dropped and loaded again. The first answer at a shape is compared with
ONNX's reference implementation (small networks) and kept; each later one must have the same bits, whatever the
threads. At the end memory, threads, open files and mapped code must be what they were after the warm-up. Exits with 1
where not.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from onnx.reference import ReferenceEvaluator

from .. import compile as compile_model
from .. import load
from ..runtime.executable import Executable
from ..runtime.threads import POOL
from .models import ModelUnavailable, real_model
from .small_networks import SMALL_NETWORKS

Feeds = dict[str, np.ndarray]

MEGABYTE = 1 << 20
ALLOWED_GROWTH_BYTES = 24 * MEGABYTE
"""Of resident memory between warm-up and end. A leak of one small array in each run would be as much."""
WARM_UP_SHARE = 0.5
"""The part of the runs after which memory is expected to be complete: arenas for several runs at once of each model."""
MOST_THREADS = 5
MOST_CALLERS = 6
CASES = 40
"""Shapes of each small network; more than a model's cache of shapes has room for, together with the threads."""
TOLERANCE = 2e-4


class SoakError(Exception):
    """What the soak is there to find; the message says where."""


@dataclass
class Case:
    """Inputs of a model, and the bits of its outputs once they are known."""

    label: str
    feeds: Feeds
    bits: list[bytes] | None = None


@dataclass
class Subject:
    """A model under test: its file, the executable that is loaded now, and its inputs.

    weight: how often it runs, relative to the others. reference: what checks the first answers, where it is fast
    enough.
    """

    name: str
    path: Path
    executable: Executable
    cases: list[Case]
    weight: float = 1.0
    reference: ReferenceEvaluator | None = None

    def check(self, case: Case, outputs: Feeds) -> None:
        """Raises SoakError where the outputs are not those of before, or not close to the reference."""
        bits = [array.tobytes() for array in outputs.values()]
        if case.bits is None:
            if self.reference is not None:
                self._compare(case, outputs)
            case.bits = bits
        elif bits != case.bits:
            raise SoakError(f"{self.name} at {case.label}: other bits than in the first run at this shape")

    def _compare(self, case: Case, outputs: Feeds) -> None:
        assert self.reference is not None
        for found, expected in zip(outputs.values(), self.reference.run(None, case.feeds), strict=True):
            wanted = np.asarray(expected)
            if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE):
                raise SoakError(f"{self.name} at {case.label}: not what ONNX's reference implementation gives")


@dataclass(frozen=True)
class Footprint:
    """What a process holds."""

    resident_bytes: int
    threads: int
    files: int
    code_mappings: int

    @classmethod
    def now(cls) -> Footprint:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        maps = Path("/proc/self/maps").read_text().splitlines()
        return cls(
            pages * os.sysconf("SC_PAGE_SIZE"),
            len(os.listdir("/proc/self/task")),
            len(os.listdir("/proc/self/fd")),
            sum(" r-xp " in line for line in maps),
        )

    def __str__(self) -> str:
        return (
            f"{self.resident_bytes / MEGABYTE:.1f} MB resident, {self.threads} threads, {self.files} files, "
            f"{self.code_mappings} code mappings"
        )

    def growth_to(self, later: Footprint) -> list[str]:
        """What has grown beyond what is allowed."""
        grown = []
        more = later.resident_bytes - self.resident_bytes
        if more > ALLOWED_GROWTH_BYTES:
            grown.append(f"memory grew by {more / MEGABYTE:.1f} MB, {ALLOWED_GROWTH_BYTES / MEGABYTE:.0f} are allowed")
        # Workers for the largest number of participants are made when so many runs first coincide.
        if later.threads > self.threads + MOST_CALLERS * MOST_THREADS:
            grown.append(f"threads grew from {self.threads} to {later.threads}")
        if later.files > self.files + 2:
            grown.append(f"open files grew from {self.files} to {later.files}")
        if later.code_mappings > self.code_mappings + MOST_CALLERS * MOST_THREADS:
            grown.append(f"mappings of code grew from {self.code_mappings} to {later.code_mappings}")
        return grown


@dataclass
class Soak:
    """The state of a soak; ``run`` does it."""

    subjects: list[Subject]
    rng: np.random.Generator
    runs: int
    done: int = 0
    reloads: int = 0
    concurrent: int = 0
    shapes: set[tuple[str, str]] = field(default_factory=set)

    def run(self, quiet: bool = False) -> tuple[Footprint, Footprint]:
        """What the process held after the warm-up and at the end. Raises SoakError at the first wrong answer."""
        self._first_answers()
        started = reported = time.monotonic()
        warm: Footprint | None = None
        while self.done < self.runs:
            if self.rng.random() < 0.3:
                self._many_callers()
            else:
                self._one_caller(int(self.rng.integers(1, 30)))
            if self.rng.random() < 0.1:
                self._reload()
            if warm is None and self.done >= WARM_UP_SHARE * self.runs:
                warm = Footprint.now()
            if not quiet and time.monotonic() - reported > 10:
                reported = time.monotonic()
                print(f"{self.done:7d} runs, {reported - started:4.0f} s: {Footprint.now()}", flush=True)
        assert warm is not None
        return warm, Footprint.now()

    def _first_answers(self) -> None:
        """On one thread, so that a fault of threads cannot become the truth."""
        for subject in self.subjects:
            subject.executable.set_threads(1)
            for case in subject.cases:
                subject.check(case, subject.executable.run(case.feeds))

    def _choose(self, rng: np.random.Generator) -> tuple[Subject, Case]:
        weights = np.array([subject.weight for subject in self.subjects])
        subject = self.subjects[int(rng.choice(len(self.subjects), p=weights / weights.sum()))]
        case = subject.cases[int(rng.integers(len(subject.cases)))]
        self.shapes.add((subject.name, case.label))
        return subject, case

    def _one_caller(self, runs: int) -> None:
        subject, _ = self._choose(self.rng)
        subject.executable.set_threads(int(self.rng.integers(1, MOST_THREADS + 1)))
        for _ in range(runs):
            subject, case = self._choose(self.rng)
            subject.check(case, subject.executable.run(case.feeds))
        self.done += runs

    def _many_callers(self) -> None:
        """Several Python threads; one of them sets threads while the others run."""
        callers = int(self.rng.integers(2, MOST_CALLERS + 1))
        runs = int(self.rng.integers(1, 20))

        def call(seed: int) -> None:
            rng = np.random.default_rng(seed)
            for turn in range(runs):
                subject, case = self._choose(rng)
                if turn % 10 == 5:
                    subject.executable.set_threads(int(rng.integers(1, MOST_THREADS + 1)))
                subject.check(case, subject.executable.run(case.feeds))

        with ThreadPoolExecutor(callers) as pool:
            list(pool.map(call, self.rng.integers(1 << 60, size=callers).tolist()))
        self.done += callers * runs
        self.concurrent += callers * runs

    def _reload(self) -> None:
        subject = self.subjects[int(self.rng.integers(len(self.subjects)))]
        subject.executable = load(subject.path, threads=int(self.rng.integers(1, MOST_THREADS + 1)))
        self.reloads += 1


def small_subjects(folder: Path, rng: np.random.Generator, cases: int = CASES) -> list[Subject]:
    """All small networks at so many random shapes each."""
    subjects = []
    for network in SMALL_NETWORKS.values():
        model = network.model()
        executable = compile_model(model)
        path = folder / f"{network.name}.lamina"
        executable.save(path)
        sizes = [network.sizes(rng) for _ in range(cases)]
        made = [Case(str(size), network.feeds(size, seed)) for seed, size in enumerate(sizes)]
        subjects.append(Subject(network.name, path, executable, made, 1.0, ReferenceEvaluator(model)))
    return subjects


def real_subjects(folder: Path, rng: np.random.Generator) -> Iterator[Subject]:
    """Networks that people use, those of them that can be had: text lines of any width, speech with its own loop."""
    widths = [int(width) for width in rng.integers(8, 320, 10)]
    lines = [Case(f"width {w}", {"x": rng.uniform(-1, 1, (1, 3, 48, w)).astype(np.float32)}) for w in widths]
    pages = [int(side) * 32 for side in rng.integers(1, 6, 4)]
    detected = [Case(f"side {s}", {"x": rng.uniform(-1, 1, (1, 3, s, 64)).astype(np.float32)}) for s in pages]
    speech = [Case(f"sound {number}", _speech(rng)) for number in range(6)]
    kinds = {"ppocr_v4_rec": (lines, 0.15), "ppocr_v4_det": (detected, 0.05), "silero_vad": (speech, 0.4)}
    for name, (cases, weight) in kinds.items():
        try:
            source = real_model(name)
        except ModelUnavailable as error:
            print(f"without {name}: {error}")
            continue
        executable = compile_model(source)
        path = folder / f"{name}.lamina"
        executable.save(path)
        yield Subject(name, path, executable, cases, weight)


def _speech(rng: np.random.Generator) -> Feeds:
    state = (0.1 * rng.standard_normal((2, 1, 128))).astype(np.float32)
    sound = rng.uniform(-0.5, 0.5, (1, 512)).astype(np.float32)
    return {"input": sound, "state": state, "sr": np.array(16000, np.int64)}


@contextmanager
def prepared(runs: int, seed: int, real: bool, cases: int = CASES) -> Iterator[Soak]:
    """A soak with its models compiled."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        subjects = small_subjects(Path(name), rng, cases)
        if real:
            subjects += real_subjects(Path(name), rng)
        yield Soak(subjects, rng, runs)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="soak", description="Many runs in one process: right, and nothing grows.")
    parser.add_argument("--runs", type=int, default=20_000, help="how many (default: 20,000)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    parser.add_argument("--no-real", action="store_true", help="without the pre-trained networks")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with prepared(options.runs, options.seed, not options.no_real) as soak:
        names = ", ".join(subject.name for subject in soak.subjects)
        print(f"{options.runs} runs of {names}; seed {options.seed}", flush=True)
        try:
            warm, end = soak.run()
        except SoakError as error:
            print(f"FAILED after {soak.done} runs: {error}")
            return 1
    grown = warm.growth_to(end)
    if POOL.participants:
        grown.append(f"{POOL.participants} processors are still held")
    print(f"after the warm-up: {warm}\nat the end:        {end}")
    print(
        f"{soak.done} runs in {time.monotonic() - started:.0f} s at {len(soak.shapes)} shapes of {len(soak.subjects)} "
        f"models, {soak.concurrent} of them at the same time as others, {soak.reloads} reloads: all right to the bit"
    )
    for problem in grown:
        print(f"FAILED: {problem}")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
