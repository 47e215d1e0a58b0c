"""Calls by the function that is written for a model give what calls in general do, or leave them to it."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import onnx
import pytest
from lamina import compile
from lamina.runtime.direct_call import MAXIMUM_ENTRIES, never
from lamina.runtime.errors import IndexOutOfRangeError, InputError
from lamina.runtime.executable import Executable
from lamina.runtime.inspection import StageTimer, observed_by
from onnx import TensorProto, helper

F32, INT64 = TensorProto.FLOAT, TensorProto.INT64


def model_of(nodes: list[Any], inputs: dict[str, tuple[int, list[Any]]], outputs: dict[str, int]) -> onnx.ModelProto:
    given = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
    results = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()]
    graph = helper.make_graph(nodes, "g", given, results)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="module")
def executable() -> Executable:
    """Two inputs that a segment takes in another order, one that nothing reads, intermediate memory, two outputs."""
    nodes = [
        helper.make_node("Transpose", ["y"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["t", "x"], ["product"]),
        helper.make_node("Softmax", ["product"], ["z"]),
        helper.make_node("Neg", ["y"], ["n"]),
    ]
    inputs: dict[str, tuple[int, list[Any]]] = {name: (F32, ["N", 3]) for name in ("unused", "x", "y")}
    return compile(model_of(nodes, inputs, {"z": F32, "n": F32}), threads=1)


def feeds(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: random.standard_normal((rows, 3), dtype=np.float32) for name in ("x", "unused", "y")}


def expected(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    exponents = np.exp(given["y"].T.astype(np.float64) @ given["x"])
    return {"z": exponents / exponents.sum(-1, keepdims=True), "n": -given["y"]}


def require_right(found: dict[str, np.ndarray] | None, given: dict[str, np.ndarray]) -> None:
    assert found is not None and list(found) == ["z", "n"]
    for name, array in expected(given).items():
        assert found[name].dtype == np.float32 and found[name].shape == array.shape
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6, err_msg=name)


def test_shapes_that_were_run_before_are_run_directly(executable: Executable) -> None:
    for rows in (4, 7, 4, 0, 7, 0):
        for seed in range(3):
            given = feeds(rows, seed)
            require_right(executable.run(given), given)
        directly = executable.run_directly(given)
        assert directly is not None
        require_right(dict(zip(["z", "n"], directly, strict=True)), given)
    assert list(executable.run(feeds(4), ["n"])) == ["n"]


def test_results_are_new_arrays(executable: Executable) -> None:
    given = feeds(5)
    runs = [executable.run(given) for _ in range(4)]
    arrays = [array for run in runs for array in run.values()]
    assert all(not np.may_share_memory(a, b) for i, a in enumerate(arrays) for b in [*arrays[:i], *given.values()])


def test_what_is_unusual_goes_the_general_way(executable: Executable) -> None:
    given = feeds(4)
    for _ in range(3):
        executable.run(given)
    others = {
        "a list": given["x"].tolist(),
        "not contiguous": np.asfortranarray(given["x"]),
        "a subclass": given["x"].view(np.matrix),
    }
    for kind, value in others.items():
        assert executable.run_directly({**given, "x": value}) is None, kind
        require_right(executable.run({**given, "x": value}), given)
    assert executable.run_directly(feeds(1234)) is None
    for wrong, message in (
        ({**given, "x": given["x"].astype(np.float64)}, "expected dtype float32, got float64"),
        ({**given, "q": given["x"]}, "no inputs"),
        ({name: given[name] for name in "xy"}, "are missing"),
        ({**given, "x": given["x"][:2]}, "N"),
        ([1, 2, 3], "expected arrays by name"),
    ):
        assert executable.run_directly(wrong) is None  # pyright: ignore[reportArgumentType]
        with pytest.raises(InputError, match=message):
            executable.run(wrong)  # pyright: ignore[reportArgumentType]


def test_who_looks_on_sees_all_stages(executable: Executable) -> None:
    given = feeds(4)
    for _ in range(3):
        executable.run(given)
    with observed_by(timer := StageTimer()):
        assert executable.run_directly(given) is None
        require_right(executable.run(given), given)
    assert timer.times


def test_other_numbers_of_threads_begin_anew(executable: Executable) -> None:
    given = feeds(6)
    for threads in (2, 1):
        executable.set_threads(threads)
        assert executable.run_directly is never
        for _ in range(3):
            require_right(executable.run(given), given)


def test_no_more_shapes_are_kept_than_so_many(executable: Executable) -> None:
    for rows in range(1, MAXIMUM_ENTRIES + 10):
        for _ in range(2):
            executable.run(feeds(rows))
    assert executable.run_directly(feeds(1)) is None
    assert executable.run_directly(feeds(MAXIMUM_ENTRIES + 9)) is not None
    assert executable._direct is not None and len(executable._direct._table) == MAXIMUM_ENTRIES


def test_python_threads_do_not_disturb_each_other(executable: Executable) -> None:
    wrong: list[int] = []

    def work(seed: int) -> None:
        given = feeds(seed % 3 + 2, seed)
        first = executable.run(given)
        for _ in range(200):
            again = executable.run(given)
            if any(not np.array_equal(first[name], again[name]) for name in first):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_index_out_of_range_is_told() -> None:
    gather = model_of([helper.make_node("Gather", ["x", "i"], ["z"])], {"x": (F32, [5]), "i": (INT64, [2])}, {"z": F32})
    executable, x = compile(gather, threads=1), np.arange(5, dtype=np.float32)
    for _ in range(3):
        np.testing.assert_array_equal(executable.run({"x": x, "i": np.array([4, -5])})["z"], [4, 0])
    for _ in range(2):
        with pytest.raises(IndexOutOfRangeError, match="picks index 5 of an axis of 5"):
            executable.run({"x": x, "i": np.array([4, 5])})
    np.testing.assert_array_equal(executable.run({"x": x, "i": np.array([1, 2])})["z"], [1, 2])


def test_large_outputs_begin_at_cache_lines() -> None:
    nodes = [helper.make_node("Neg", ["x"], ["z"])]
    executable = compile(model_of(nodes, {"x": (F32, [1, 12345])}, {"z": F32}), threads=1)
    x = np.arange(12345, dtype=np.float32)[None]
    kept = [executable.run({"x": x})["z"] for _ in range(4)]
    assert executable.run_directly({"x": x}) is not None
    assert all(array.ctypes.data % 64 == 0 and np.array_equal(array, -x) for array in kept)
