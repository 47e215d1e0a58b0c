from __future__ import annotations

import io
import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from lamina.runtime.errors import ExecutionError, InputError, LaminaError
from lamina.runtime.program import ArrayType, Buffer, Check, Segment, Stage


def feeds(*shape: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(sum(shape))
    return {name: generator.standard_normal(shape, np.float32) for name in "ab"}


@pytest.fixture(scope="module")
def add(kernels):
    return kernels.executable(kernels.add_program([2, 3], 6))


@pytest.fixture(scope="module")
def symbolic_add(kernels):
    return kernels.executable(kernels.add_program(["N", "M"], "N*M"), threads=2)


def test_run(add) -> None:
    values = feeds(2, 3)
    result = add.run(values)
    assert list(result) == ["c"]
    np.testing.assert_array_equal(result["c"], values["a"] + values["b"])


def test_describes_itself(symbolic_add) -> None:
    assert [(i.name, i.dtype, i.shape) for i in symbolic_add.inputs] == [
        ("a", np.dtype("float32"), ("N", "M")),
        ("b", np.dtype("float32"), ("N", "M")),
    ]
    assert [o.name for o in symbolic_add.outputs] == ["c"]
    assert repr(symbolic_add) == "<Executable (a: float32[N, M], b: float32[N, M]) -> (c: float32[N, M])>"


def test_outputs_belong_to_the_caller(add) -> None:
    values = feeds(2, 3)
    first, second = add.run(values)["c"], add.run(values)["c"]
    assert first is not second and not np.may_share_memory(first, second)
    assert first.flags.writeable and first.flags.c_contiguous


@pytest.mark.parametrize("shape", [(1, 1), (0, 5), (3, 0), (7, 1000), (300, 300)])
def test_symbolic_shapes(symbolic_add, shape: tuple[int, int]) -> None:
    values = feeds(*shape)
    result = symbolic_add.run(values)["c"]
    assert result.shape == shape
    np.testing.assert_array_equal(result, values["a"] + values["b"])


def test_any_memory_layout(symbolic_add) -> None:
    a = np.arange(48, dtype=np.float32).reshape(6, 8)
    layouts = {
        "transposed": a.T,
        "fortran": np.asfortranarray(a.T),
        "strided": a[::2, ::-1],
        "unaligned": np.frombuffer(b"\0" + a.tobytes(), np.float32, 48, 1).reshape(6, 8),
        "read-only": np.frombuffer(a.tobytes(), np.float32).reshape(6, 8),
        "broadcast": np.broadcast_to(np.float32(2), (3, 4)),
        "subclass": np.ma.MaskedArray(a),
    }
    for name, array in layouts.items():
        result = symbolic_add.run({"a": array, "b": array})["c"]
        np.testing.assert_array_equal(result, np.asarray(array) + np.asarray(array), err_msg=name)


def test_one_array_for_two_inputs(symbolic_add) -> None:
    a = np.ones((4, 4), np.float32)
    np.testing.assert_array_equal(symbolic_add.run({"a": a, "b": a})["c"], a + a)


def test_scalars_and_lists(kernels) -> None:
    scalar = kernels.executable(kernels.add_program([], 1))
    for value in (1.5, np.float32(1.5), np.array(1.5, np.float32), 1, np.array([[1]], np.float32)[0, 0]):
        result = scalar.run({"a": value, "b": 2.0})["c"]
        assert result.shape == () and result == np.float32(value) + 2
    listed = kernels.executable(kernels.add_program([2], 2))
    np.testing.assert_array_equal(listed.run({"a": [1, 2], "b": (0.5, 0.5)})["c"], [1.5, 2.5])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b": None}, r"inputs \['b'\] are missing: expected \['a', 'b'\], got \['a'\]"),
        ({"c": np.zeros((2, 3), np.float32)}, r"no inputs \['c'\]: expected \['a', 'b'\]"),
        ({"a": np.zeros((2, 3))}, "input 'a': expected dtype float32, got float64"),
        ({"a": np.zeros((2, 3), ">f4")}, "input 'a': expected dtype float32, got float32 in foreign byte order"),
        ({"a": np.zeros(3, np.float32)}, r"input 'a': expected 2 dimensions, \[2, 3\], got 1, \[3\]"),
        (
            {"b": np.zeros((2, 4), np.float32)},
            r"input 'b': expected shape \[2, 3\], got \[2, 4\]: dimension 1 is 4 but must be 3",
        ),
        ({"a": [["x", "y", "z"]] * 2}, "input 'a': expected dtype float32, got a list"),
        ({"a": [[1, 2], [3]]}, "input 'a': expected an array of float32, got a list"),
        ({"a": [[True] * 3] * 2}, "input 'a': expected dtype float32, got a list of bool"),
        ({"a": [[2**24 + 1, 0, 0]] * 2}, "input 'a': expected dtype float32, got a list of int64"),
    ],
)
def test_wrong_inputs(add, change: dict, message: str) -> None:
    values = {k: v for k, v in {**feeds(2, 3), **change}.items() if v is not None}
    with pytest.raises(InputError, match=message) as caught:
        add.run(values)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, LaminaError)


def test_a_symbol_has_one_value(symbolic_add) -> None:
    values = {"a": np.zeros((2, 3), np.float32), "b": np.zeros((5, 3), np.float32)}
    message = r"input 'b'.*dimension 0 is 5 but must be 2 \(N = 2, from dimension 0 of input 'a'\)"
    with pytest.raises(InputError, match=message):
        symbolic_add.run(values)


def test_expressions_and_checks(kernels) -> None:
    program = kernels.add_program(["N"], "N")
    program.inputs[1] = ("b", ArrayType("float32", ["2*N - N"]))
    program.checks.append(Check("N % 2", 0, "the sequence is even"))
    executable = kernels.executable(program)
    assert executable.run({"a": np.ones(4, np.float32), "b": np.ones(4, np.float32)})["c"].shape == (4,)
    with pytest.raises(InputError, match=r"dimension 0 is 6 but 2\*N - N = 4"):
        executable.run({"a": np.ones(4, np.float32), "b": np.ones(6, np.float32)})
    with pytest.raises(InputError, match="the sequence is even, not N = 3"):
        executable.run({"a": np.ones(3, np.float32), "b": np.ones(3, np.float32)})


def test_too_small_inputs_are_refused(kernels) -> None:
    tensor, smaller = ArrayType("float32", ["N"]), ArrayType("float32", ["N - 3"])
    stage = Stage("nothing", "nothing", [])
    segment = Segment("main", [tensor], [smaller], [], [stage], ["N"])
    executable = kernels.executable(kernels.single_segment(segment, ["x"], ["y"], ["N"]))
    assert executable.run({"x": np.zeros(3, np.float32)})["y"].shape == (0,)
    with pytest.raises(InputError, match=r"shape \[-1\] with N = 2"):
        executable.run({"x": np.zeros(2, np.float32)})


def test_output_names(add) -> None:
    assert list(add.run(feeds(2, 3), ["c"])) == ["c"]
    with pytest.raises(InputError, match=r"no outputs \['d'\]: the model has \['c'\]"):
        add.run(feeds(2, 3), ["d"])


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [0, 1, 5, 4096])
def test_stages_meet_at_barriers(kernels, threads: int, size: int) -> None:
    executable = kernels.executable(kernels.chain_program(20, work=10**9), threads)
    x = np.random.default_rng(1).standard_normal(size, np.float32)
    for _ in range(20):
        np.testing.assert_array_equal(executable.run({"x": x})["y"], kernels.chain_expected(x, 20))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_serial_stages_run_once(kernels, threads: int) -> None:
    zero, counter = ArrayType("float32", [1]), ArrayType("int32", [1])
    operands = [("buffer", "x", 0), ("buffer", "x", 0), ("buffer", "y", 0), ("dim", 1)]
    stages = [Stage("clear", "add", operands)]  # 0.0 + 0.0 has the bits of the integer 0.
    stages += [Stage(f"s{i}", "count_calls", [("buffer", "y", 0)], barrier=i % 3 == 0, serial=True) for i in range(30)]
    buffers = [Buffer("x", 4, "input"), Buffer("y", 4, "output")]
    segment = Segment("main", [zero], [counter], buffers, stages, [], 10**9)
    executable = kernels.executable(kernels.single_segment(segment, ["x"], ["y"], []), threads)
    for _ in range(50):
        assert executable.run({"x": np.zeros(1, np.float32)})["y"][0] == 30


def test_small_segments_stay_on_one_thread(kernels) -> None:
    def threads_of(work: int | None, size: int) -> int:
        tensor = ArrayType("int64", [1])
        big = ArrayType("float32", [size])
        buffers = [Buffer("x", 4 * size, "input"), Buffer("y", 8, "output")]
        stage = Stage("note", "note_threads", [("buffer", "y", 0)])
        segment = Segment("main", [big], [tensor], buffers, [stage], [], work)
        executable = kernels.executable(kernels.single_segment(segment, ["x"], ["y"], []), threads=2)
        return int(executable.run({"x": np.zeros(size, np.float32)})["y"][0])

    assert threads_of(1000, 10**6) == 1
    assert threads_of(10**9, 1) == 2
    assert threads_of(None, 100) == 1
    assert threads_of(None, 10**6) == 2


def test_constants_and_offsets(kernels) -> None:
    from lamina.runtime.program import Constant

    tensor = ArrayType("float32", [4])
    buffers = [
        Buffer("x", 16, "input"),
        Buffer("w", 32, "constant", constant="weights"),
        Buffer("y", 16, "output"),
    ]
    arguments = [("buffer", "x", 0), ("buffer", "w", 16), ("buffer", "y", 0), ("dim", 4)]
    segment = Segment("main", [tensor], [tensor], buffers, [Stage("add", "add", arguments)], [])
    program = kernels.single_segment(segment, ["x"], ["y"], [])
    program.constants["weights"] = Constant(64, 32, "float32", [8])
    weights = np.arange(8, dtype=np.float32)
    blob = bytes(64) + weights.tobytes()
    for constants in (blob, np.frombuffer(blob, np.uint8), bytearray(blob), np.frombuffer(blob, np.float32)):
        executable = kernels.executable(program, constants=constants)
        np.testing.assert_array_equal(executable.run({"x": np.ones(4, np.float32)})["y"], weights[4:] + 1)


def test_set_threads(kernels) -> None:
    executable = kernels.executable(kernels.chain_program(3, work=10**9), threads=1)
    x = np.arange(100, dtype=np.float32)
    for threads in (2, 1, 4):
        executable.set_threads(threads)
        assert executable.threads == threads
        np.testing.assert_array_equal(executable.run({"x": x})["y"], kernels.chain_expected(x, 3))
    for wrong in (0, -1, 1.5, "2"):
        with pytest.raises(LaminaError, match="expected a positive integer"):
            executable.set_threads(wrong)


def test_memory_stays_bounded_over_many_shapes(kernels) -> None:
    executable = kernels.executable(kernels.chain_program(4))
    for size in [*range(1, 3000, 7)]:
        executable.run({"x": np.zeros(size, np.float32)})
    runner = executable._segments["main"]
    assert len(runner._bindings) <= 64 and len(executable._bound_shapes) <= 64
    assert executable._arenas.idle_bytes <= 4 * 3000 * 4


def test_sixteen_python_threads_on_one_executable(kernels) -> None:
    executable = kernels.executable(kernels.chain_program(10, work=10**9), threads=2)
    failures: list[str] = []

    def work(seed: int) -> None:
        generator = np.random.default_rng(seed)
        for _ in range(60):
            x = generator.standard_normal(int(generator.integers(0, 3000)), np.float32)
            if not np.array_equal(executable.run({"x": x})["y"], kernels.chain_expected(x, 10)):
                failures.append(f"seed {seed}, {x.size} elements")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_two_executables_at_once(kernels) -> None:
    first = kernels.executable(kernels.chain_program(10, work=10**9), threads=2)
    second = kernels.executable(kernels.add_program(["N"], "N", work=10**9), threads=2)
    x = np.arange(1000, dtype=np.float32)
    problems: list[int] = []

    def work() -> None:
        for round_number in range(200):
            if not np.array_equal(first.run({"x": x})["y"], kernels.chain_expected(x, 10)):
                problems.append(round_number)

    thread = threading.Thread(target=work)
    thread.start()
    for round_number in range(200):
        if not np.array_equal(second.run({"a": x, "b": x})["c"], x + x):
            problems.append(round_number)
    thread.join()
    assert not problems


def test_pickle(kernels) -> None:
    executable = kernels.executable(kernels.chain_program(3), threads=2)
    copy = pickle.loads(pickle.dumps(executable))
    x = np.arange(10, dtype=np.float32)
    assert copy.threads == 2
    np.testing.assert_array_equal(copy.run({"x": x})["y"], executable.run({"x": x})["y"])


def test_profile(kernels) -> None:
    executable = kernels.executable(kernels.chain_program(3, work=10**9), threads=2)
    times = executable.profile({"x": np.arange(100, dtype=np.float32)})
    assert [t.stage for t in times] == [s.name for s in executable.program.segments["main"].stages]
    assert all(t.nanoseconds > 0 and t.threads == 2 and t.segment == "main" for t in times)
    assert all(0 <= t.waiting_share <= 1 for t in times)


def test_poison_shows_what_nobody_writes(kernels) -> None:
    tensor = ArrayType("float32", [64])
    buffers = [Buffer("x", 256, "input"), Buffer("y", 256, "output"), Buffer("t", 256, "arena", last_stage=1)]
    copy_of_unwritten = Stage("copy", "reverse", [("buffer", "t", 0), ("buffer", "y", 0), ("dim", 60)])
    segment = Segment("main", [tensor], [tensor], buffers, [Stage("nothing", "nothing", []), copy_of_unwritten], [])
    executable = kernels.executable(kernels.single_segment(segment, ["x"], ["y"], []))
    assert np.isnan(executable.run_poisoned({"x": np.zeros(64, np.float32)})["y"]).all()
    assert np.isnan(executable.run_guarded({"x": np.zeros(64, np.float32)})["y"]).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_guarded_runs_give_the_same(kernels, threads: int) -> None:
    executable = kernels.executable(kernels.chain_program(5, work=10**9), threads)
    for size in (0, 1, 100, 5000):
        x = np.random.default_rng(size).standard_normal(size, np.float32)
        expected = kernels.chain_expected(x, 5)
        np.testing.assert_array_equal(executable.run_poisoned({"x": x})["y"], expected)
        trace = io.StringIO()
        np.testing.assert_array_equal(executable.run_guarded({"x": x}, trace)["y"], expected)
        assert trace.getvalue().splitlines()[:2] == ["main turned0 reverse", "main sum0 add"]


def overrunning_executable(kernels, extra: int):
    """Its only stage writes ``extra`` elements more than there are, into a buffer of 63 elements."""
    count = 63 + extra
    tensor = ArrayType("float32", [count])
    buffers = [Buffer("x", 4 * count, "input"), Buffer("y", 4 * count, "output"), Buffer("t", 252, "arena")]
    copy = Stage("copy", "reverse", [("buffer", "x", 0), ("buffer", "t", 0), ("dim", count)])
    segment = Segment("main", [tensor], [tensor], buffers, [copy], [])
    return kernels.executable(kernels.single_segment(segment, ["x"], ["y"], []))


def test_a_write_beyond_a_buffer_is_found(kernels) -> None:
    with pytest.raises(ExecutionError, match=r"stage 'copy' \(reverse\) wrote after buffer 't' of 252 bytes"):
        overrunning_executable(kernels, 1).run_guarded({"x": np.zeros(64, np.float32)})


def test_a_write_far_beyond_a_buffer_ends_the_process(kernels, tmp_path) -> None:
    path = tmp_path / "model.lamina"
    overrunning_executable(kernels, 20).save(path)
    script = """
import sys, numpy as np
from lamina import load
load(sys.argv[1]).run_guarded({"x": np.zeros(83, np.float32)}, sys.stdout)
"""
    finished = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60)
    assert finished.returncode == -signal.SIGSEGV
    assert finished.stdout.splitlines()[-1] == "main copy reverse"


def test_the_gil_is_released(kernels) -> None:
    """Another Python thread makes progress while native code runs for long."""
    executable = kernels.executable(kernels.chain_program(200), threads=1)
    x = np.zeros(1 << 20, np.float32)
    counts: list[int] = []
    done = threading.Event()

    def count() -> None:
        number = 0
        while not done.is_set():
            number += 1
        counts.append(number)

    thread = threading.Thread(target=count)
    thread.start()
    executable.run({"x": x})
    done.set()
    thread.join()
    assert counts[0] > 1000
