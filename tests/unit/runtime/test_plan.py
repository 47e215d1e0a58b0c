"""Bodies that are more than one call: operations on the host, conditions, loops, shapes that depend on data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from lamina.runtime.errors import ExecutionError, ProgramError
from lamina.runtime.program import (
    ArrayType,
    Block,
    Call,
    Conditional,
    Constant,
    Host,
    Program,
    Repeat,
)

VECTOR = ArrayType("float32", ["N"])
BOOL = ArrayType("bool", [])
INT = ArrayType("int64", [])


def program_of(kernels, inputs, outputs, steps, results, symbols=("N",)) -> Program:
    """A program around the segment ``main``: c = a + b over N float32."""
    segments = kernels.add_program(["N"], "N").segments
    return Program(kernels.host_target(), list(symbols), inputs, outputs, segments, Block(steps, results))


def run(kernels, program: Program, constants: bytes = b"", **feeds):
    """Runs the program twice, as it is and after a round trip through its manifest."""
    again = Program.from_dict(json.loads(json.dumps(program.to_dict())))
    assert again == program
    first = kernels.executable(program, threads=2, constants=constants).run(feeds)
    second = kernels.executable(again, constants=constants).run(feeds)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    return first


def test_calls_and_host_operations(kernels) -> None:
    steps = [
        Call("main", ["a", "b"], ["sum"]),
        Host("relu", {}, ["sum"], ["positive"], [VECTOR]),
        Call("main", ["positive", "a"], ["c"]),
    ]
    program = program_of(kernels, [("a", VECTOR), ("b", VECTOR)], [("c", VECTOR)], steps, ["c"])
    a, b = np.random.default_rng(0).standard_normal((2, 9), np.float32)
    np.testing.assert_array_equal(run(kernels, program, a=a, b=b)["c"], np.maximum(a + b, 0) + a)


def test_data_binds_symbols(kernels) -> None:
    found, found_floats = ArrayType("int64", [1, "K"]), ArrayType("float32", [1, "K"])
    steps = [
        Host("nonzero", {}, ["a"], ["indices"], [found]),
        Host("cast", {"shape": [1, "K"], "dtype": "float32"}, ["indices"], ["floats"], [found_floats]),
        Host("reshape", {"shape": ["K"]}, ["floats"], ["flat"], [ArrayType("float32", ["K"])]),
        Call("twice", ["flat", "flat"], ["c"]),
    ]
    outputs = [("c", ArrayType("float32", ["K"]))]
    program = program_of(kernels, [("a", VECTOR)], outputs, steps, ["c"], ["N", "K"])
    twice = kernels.add_program(["K"], "K").segments["main"]
    twice.name = "twice"
    program.segments = {"twice": twice}
    for a in ([0, 3, 0, 5], [0, 0], [1] * 100):
        result = run(kernels, program, a=np.array(a, np.float32))["c"]
        np.testing.assert_array_equal(result, 2 * np.flatnonzero(a).astype(np.float32))


def test_outputs_are_copies(kernels) -> None:
    steps = [Host("relu", {}, ["a"], ["r"], [VECTOR])]
    outputs = [(name, VECTOR) for name in ("same", "r1", "r2", "k")]
    program = program_of(kernels, [("a", VECTOR)], outputs, steps, ["a", "r", "r", "@k"])
    program.constants["k"] = Constant(64, 12, "float32", [3])
    constants = bytes(64) + np.array([1, 2, 3], np.float32).tobytes()
    a = np.array([-1, 0, 1], np.float32)
    result = run(kernels, program, constants, a=a)
    arrays = [*result.values(), a]
    for i, array in enumerate(arrays):
        assert array.flags.writeable
        assert not any(np.may_share_memory(array, other) for other in arrays[:i])
    assert [v.tolist() for v in result.values()] == [[-1, 0, 1], [0, 0, 1], [0, 0, 1], [1, 2, 3]]


@pytest.mark.parametrize("condition", [True, False])
def test_conditional(kernels, condition: bool) -> None:
    then_block = Block([Call("main", ["a", "a"], ["doubled"])], ["doubled"])
    found_steps = [
        Host("nonzero", {}, ["a"], ["found"], [ArrayType("int64", [1, "M"])]),
        Host("cast", {"dtype": "float32"}, ["found"], ["f"], [ArrayType("float32", [1, "M"])]),
        Host("reshape", {"shape": ["M"]}, ["f"], ["flat"], [ArrayType("float32", ["M"])]),
    ]
    else_block = Block(found_steps, ["flat"])
    steps = [
        Conditional("p", then_block, else_block, ["chosen"], [ArrayType("float32", ["K"])]),
        Host("reshape", {"shape": ["K", 1]}, ["chosen"], ["c"], [ArrayType("float32", ["K", 1])]),
    ]
    outputs = [("c", ArrayType("float32", ["K", 1]))]
    program = program_of(kernels, [("p", BOOL), ("a", VECTOR)], outputs, steps, ["c"], ["N", "K"])
    a = np.array([0, 7, 0, 9, 1], np.float32)
    result = run(kernels, program, p=np.array(condition), a=a)["c"]
    expected = 2 * a if condition else np.array([1, 3, 4])
    np.testing.assert_array_equal(result, expected[:, None])


def loop_program(kernels, with_trips: bool, with_condition: bool) -> Program:
    """Adds a to the carried value until its first element is at least ``limit``; scans all the values."""
    body = Block(
        [
            Call("main", ["carried", "a"], ["next"]),
            Host("gather", {"axis": 0}, ["next", "@zero"], ["head"], [ArrayType("float32", [])]),
            Host("less", {}, ["head", "limit"], ["more"], [BOOL]),
            Host("relu", {}, ["i"], ["number"], [INT]),
        ],
        ["more", "next", "next", "number"],
    )
    step = Repeat(
        "trips" if with_trips else None,
        "start" if with_condition else None,
        ["a"],
        body,
        ["i", "going", "carried"],
        ["last", "all", "numbers"],
        [INT, BOOL, VECTOR],
        [VECTOR, ArrayType("float32", ["T", "N"]), ArrayType("int64", ["T"])],
    )
    inputs = [("trips", INT), ("start", BOOL), ("limit", ArrayType("float32", [])), ("a", VECTOR)]
    outputs = [("last", VECTOR), ("all", ArrayType("float32", ["T", "N"])), ("numbers", ArrayType("int64", ["T"]))]
    program = program_of(kernels, inputs, outputs, [step], ["last", "all", "numbers"], ["N", "T"])
    program.constants["zero"] = Constant(0, 8, "int64", [])
    return program


@pytest.mark.parametrize(
    ("trips", "start", "limit", "with_trips", "with_condition", "iterations"),
    [
        (4, True, 1e9, True, True, 4),
        (4, True, 3.0, True, True, 2),
        (0, True, 1e9, True, True, 0),
        (4, False, 1e9, True, True, 0),
        (4, False, 1e9, True, False, 4),
        (0, True, 6.0, False, True, 5),
    ],
)
def test_repeat(kernels, trips, start, limit, with_trips, with_condition, iterations) -> None:
    program = loop_program(kernels, with_trips, with_condition)
    a = np.array([1, 2], np.float32)
    result = run(
        kernels,
        program,
        bytes(8),
        trips=np.array(trips),
        start=np.array(start),
        limit=np.array(limit, np.float32),
        a=a,
    )
    np.testing.assert_array_equal(result["last"], a * (iterations + 1))
    assert result["all"].shape == (iterations, 2) and result["all"].dtype == np.float32
    assert result["numbers"].tolist() == list(range(iterations))


def test_failing_host_operations(kernels) -> None:
    steps = [Host("reshape", {"shape": [7]}, ["a"], ["c"], [ArrayType("float32", [7])])]
    program = program_of(kernels, [("a", VECTOR)], [("c", ArrayType("float32", [7]))], steps, ["c"])
    with pytest.raises(ExecutionError, match=r"'reshape' on the host failed for inputs float32 \[3\]"):
        kernels.executable(program).run({"a": np.zeros(3, np.float32)})
    steps[0].operation = "paint"
    with pytest.raises(ExecutionError, match="no operation 'paint' for the host"):
        kernels.executable(program).run({"a": np.zeros(3, np.float32)})


def test_results_that_are_not_as_declared(kernels) -> None:
    for tensor, message in [
        (ArrayType("float64", ["N"]), "gave 'c' as float32: expected float64"),
        (ArrayType("float32", [4]), "dimension 0 is 3 but must be 4"),
        (ArrayType("float32", []), "expected 0 dimensions"),
    ]:
        program = program_of(
            kernels, [("a", VECTOR)], [("c", tensor)], [Host("relu", {}, ["a"], ["c"], [tensor])], ["c"]
        )
        with pytest.raises(ExecutionError, match=message):
            kernels.executable(program).run({"a": np.zeros(3, np.float32)})


def test_bodies_that_contradict_themselves(kernels) -> None:
    inputs, outputs = [("a", VECTOR)], [("c", VECTOR)]
    relu = Host("relu", {}, ["a"], ["c"], [VECTOR])
    for steps, results, message in [
        ([Host("relu", {}, ["b"], ["c"], [VECTOR])], ["c"], "body step 0: 'b' is not defined"),
        ([relu, relu], ["c"], r"body step 1: \['c'\] are defined a second time"),
        ([relu], ["d"], "body results: 'd' is not defined"),
        ([relu], ["@w"], "body results: '@w' is not defined"),
        ([relu], ["c", "c"], "the body gives 2 results for 1 outputs"),
        ([Call("other", ["a", "a"], ["c"])], ["c"], "no segment 'other'"),
        ([Call("main", ["a"], ["c"])], ["c"], "1 inputs and 1 outputs for segment 'main', which has 2 and 1"),
        ([Host("relu", {}, ["a"], ["c"], [])], ["c"], "0 types for 1 outputs"),
        ([Conditional("a", Block([], ["a"]), Block([], []), ["c"])], ["c"], "0 results for 1 outputs"),
        ([Repeat(None, None, ["a"], Block([], []), ["i"], ["c"])], ["c"], "1 body inputs for 1 carried values"),
    ]:
        with pytest.raises(ProgramError, match=message):
            kernels.executable(program_of(kernels, inputs, outputs, steps, results))
