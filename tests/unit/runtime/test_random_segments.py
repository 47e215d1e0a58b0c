"""Random segments with only the barriers that they need: the arena, the barriers and the tables must fit together."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lamina.runtime.program import ArrayType, Buffer, Segment, Stage

# A stage: the numbers of two earlier values (modulo how many there are), whether it reverses, an idle barrier.
_stages = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 50), st.booleans(), st.booleans()), min_size=1, max_size=25
)


def barriers_needed(stages: list[tuple[int, int, bool, bool]]) -> list[bool]:
    """A thread adds where it has written itself; a reversal reads what others wrote since the last barrier."""
    barriers = [idle for _, _, _, idle in stages]
    for number, (left, _, reverses, _) in enumerate(stages):
        source = left % (number + 1)
        if reverses and source > 0 and not any(barriers[source - 1 : number]):
            barriers[number - 1] = True
    return barriers


def segment_of(stages: list[tuple[int, int, bool, bool]]) -> Segment:
    """Value 0 is the input; stage k writes value k + 1; the last one is the output."""
    tensor = ArrayType("float32", ["N"])
    last_use = {number + 1: number for number in range(len(stages))}
    for number, (left, right, reverses, _) in enumerate(stages):
        for operand in (left,) if reverses else (left, right):
            last_use[operand % (number + 1)] = number
    names = ["x", *(f"v{number}" for number in range(1, len(stages))), "y"]
    buffers = [Buffer("x", "4*N", "input"), Buffer("y", "4*N", "output")]
    for value in range(1, len(stages)):
        buffers.append(
            Buffer(names[value], "4*N", "arena", first_stage=value - 1, last_stage=max(value - 1, last_use[value]))
        )
    built = []
    for number, ((left, right, reverses, _), barrier) in enumerate(zip(stages, barriers_needed(stages), strict=True)):
        operands = [names[left % (number + 1)]] if reverses else [names[o % (number + 1)] for o in (left, right)]
        arguments = [("buffer", name, 0) for name in [*operands, names[number + 1]]]
        kind = "reverse" if reverses else "add"
        built.append(Stage(f"s{number}", kind, [*arguments, ("dim", "N")], barrier=barrier))
    return Segment("main", [tensor], [tensor], buffers, built, ["N"], 10**9)


def expected_of(stages: list[tuple[int, int, bool, bool]], x: np.ndarray) -> np.ndarray:
    values = [x]
    for number, (left, right, reverses, _) in enumerate(stages):
        a, b = values[left % (number + 1)], values[right % (number + 1)]
        values.append(a[::-1] if reverses else a + b)
    return values[-1]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stages=_stages, size=st.integers(0, 3000), threads=st.integers(1, 4))
def test_random_segments(kernels, stages, size: int, threads: int) -> None:
    program = kernels.single_segment(segment_of(stages), ["x"], ["y"], ["N"])
    executable = kernels.executable(program, threads)
    x = np.random.default_rng(size).standard_normal(size, np.float32)
    expected = expected_of(stages, x)
    for run in (executable.run, executable.run_poisoned, executable.run_guarded):
        np.testing.assert_array_equal(run({"x": x})["y"], expected)
