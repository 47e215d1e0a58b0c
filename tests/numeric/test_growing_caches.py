"""Caches that grow from run to run: to the bit what runs give that are handed everything anew."""

from __future__ import annotations

import lamina
import numpy as np
import onnx
import pytest
from lamina.runtime.errors import InputError
from lamina.runtime.executable import Executable, from_bytes
from lamina.runtime.file_format import to_bytes
from lamina.runtime.inspection import Poison, observed_by
from onnx import TensorProto, helper, numpy_helper

HEADS, SIZE = 2, 16
WIDTH = HEADS * SIZE


def attention_model(axis: int = 2) -> onnx.ModelProto:
    """y [B, S, 32] of x, with keys and values of the tokens before in past.k and past.v; tokens along ``axis``."""
    heads, tokens = (1, 2) if axis == 2 else (2, 1)
    shape: list = ["B", 0, 0, SIZE]
    shape[heads], shape[tokens] = HEADS, "P"
    present = [*shape[:tokens], "T", *shape[tokens + 1 :]]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", "S", WIDTH])]
    inputs += [helper.make_tensor_value_info(f"past.{c}", TensorProto.FLOAT, shape) for c in "kv"]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", "S", WIDTH])]
    outputs += [helper.make_tensor_value_info(f"present.{c}", TensorProto.FLOAT, present) for c in "kv"]
    rng = np.random.default_rng(0)
    weights = [numpy_helper.from_array(rng.normal(0, 0.2, (WIDTH, WIDTH)).astype(np.float32), f"w{c}") for c in "qkv"]
    weights += [numpy_helper.from_array(np.array([0, 0, HEADS, SIZE]), "heads")]
    weights += [numpy_helper.from_array(np.array([0, 0, WIDTH]), "joined")]
    nodes = []
    for c in "qkv":
        nodes += [helper.make_node("MatMul", ["x", f"w{c}"], [f"{c}0"])]
        nodes += [helper.make_node("Reshape", [f"{c}0", "heads"], [f"{c}1"])]
    nodes += [helper.make_node("Transpose", ["q1"], ["q"], perm=[0, 2, 1, 3])]
    orders = {"k": [0, 2, 3, 1], "v": [0, 2, 1, 3]} if axis == 1 else {"k": [0, 1, 3, 2], "v": [0, 1, 2, 3]}
    for c, turned in orders.items():
        new = f"{c}1"
        if axis == 2:
            new = f"{c}2"
            nodes += [helper.make_node("Transpose", [f"{c}1"], [new], perm=[0, 2, 1, 3])]
        nodes += [helper.make_node("Concat", [f"past.{c}", new], [f"present.{c}"], axis=axis)]
        nodes += [helper.make_node("Transpose", [f"present.{c}"], [f"{c}t"], perm=turned)]
    nodes += [
        helper.make_node("MatMul", ["q", "kt"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "vt"], ["attended"]),
        helper.make_node("Transpose", ["attended"], ["by_token"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["by_token", "joined"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "attention", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="module")
def attention() -> Executable:
    return lamina.compile(attention_model(), threads=1)


def empty(batch: int) -> dict[str, np.ndarray]:
    return {name: np.zeros((batch, HEADS, 0, SIZE), np.float32) for name in ("past.k", "past.v")}


def step(executable: Executable, x: np.ndarray, past: dict[str, np.ndarray]) -> tuple[np.ndarray, dict]:
    outputs = executable.run({"x": x, **past})
    return outputs["y"], {name: outputs[name.replace("past", "present")] for name in past}


def tokens(batch: int, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((batch, count, WIDTH), dtype=np.float32)


@pytest.mark.parametrize(("axis", "batch", "threads"), [(2, 1, 1), (2, 3, 2), (1, 3, 1)])
def test_a_cache_gives_what_plain_runs_give(axis: int, batch: int, threads: int) -> None:
    """A prompt, single tokens past two doublings, and several tokens at once."""
    executable = lamina.compile(attention_model(axis), threads=threads)
    cache = executable.cache()
    assert cache.grows_in_place
    past = {name: np.moveaxis(array, 2, axis) for name, array in empty(batch).items()}
    for number, count in enumerate([5, *[1] * 70, 8, 60, 1]):
        x = tokens(batch, count, number)
        expected, past = step(executable, x, past)
        outputs = executable.run({"x": x}, cache=cache)
        assert list(outputs) == ["y"]
        np.testing.assert_array_equal(outputs["y"], expected)
    for name, array in past.items():
        np.testing.assert_array_equal(cache[name], array)


def test_memory_stays_while_there_is_room(attention: Executable) -> None:
    cache = attention.cache(capacity=40)
    attention.run({"x": tokens(1, 5)}, cache=cache)
    address, before = cache["past.k"].ctypes.data, cache["past.k"].copy()
    for _ in range(35):
        attention.run({"x": tokens(1, 1)}, cache=cache)
    assert (cache["past.k"].ctypes.data, cache.length) == (address, 40)
    np.testing.assert_array_equal(cache["past.k"][:, :, :5], before)
    attention.run({"x": tokens(1, 30)}, cache=cache)
    assert cache["past.k"].shape[2] == cache.length == 70
    np.testing.assert_array_equal(cache["past.k"][:, :, :5], before)


def test_nothing_before_is_touched(attention: Executable) -> None:
    """What the runs before have written could not change without being seen: it is made wrong, and stays so."""
    cache = attention.cache(capacity=64)
    attention.run({"x": tokens(1, 5)}, cache=cache)
    cache["past.k"][...] = 7
    attention.run({"x": tokens(1, 2)}, cache=cache)
    assert (cache["past.k"][:, :, :5] == 7).all()
    assert not (cache["past.k"][:, :, 5:] == 7).any()


def test_observed_runs_give_the_same(attention: Executable) -> None:
    """With a cache, too, which then copies."""
    plain, seen = attention.cache(), attention.cache()
    for count in (5, 1, 2):
        x = tokens(2, count)
        expected = attention.run({"x": x}, cache=plain)["y"]
        with observed_by(Poison()):
            np.testing.assert_array_equal(attention.run({"x": x}, cache=seen)["y"], expected)
    assert seen.length == plain.length == 8
    x = tokens(2, 1)
    np.testing.assert_array_equal(attention.run({"x": x}, cache=seen)["y"], attention.run({"x": x}, cache=plain)["y"])


def test_forgetting_selecting_and_copying(attention: Executable) -> None:
    cache = attention.cache()
    attention.run({"x": tokens(2, 6)}, cache=cache)
    other = cache.copy()
    first = attention.run({"x": tokens(2, 1, 1)}, cache=cache)["y"]
    attention.run({"x": tokens(2, 3, 2)}, cache=cache)
    np.testing.assert_array_equal(attention.run({"x": tokens(2, 1, 1)}, cache=other)["y"], first)
    cache.keep(6)
    np.testing.assert_array_equal(attention.run({"x": tokens(2, 1, 1)}, cache=cache)["y"], first)
    cache.keep(6)
    cache.select([1, 1, 0])
    chosen = attention.run({"x": tokens(2, 1, 1)[[1, 1, 0]]}, cache=cache)["y"]
    np.testing.assert_array_equal(chosen, first[[1, 1, 0]])
    cache.clear()
    assert (len(cache), cache.length) == (0, 0)


def test_a_compiled_file_has_its_caches(attention: Executable) -> None:
    loaded = from_bytes(to_bytes(attention), threads=1)
    cache, other = attention.cache(), loaded.cache()
    for count in (4, 1):
        expected = attention.run({"x": tokens(1, count)}, cache=cache)["y"]
        np.testing.assert_array_equal(loaded.run({"x": tokens(1, count)}, cache=other)["y"], expected)


def test_state_of_one_size() -> None:
    """What a recurrent network hands on begins as zeros; the pair has a name of its own."""
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["B", 4]) for n in ("x", "h", "y", "next_h")]
    nodes = [helper.make_node("Add", ["x", "h"], ["next_h"]), helper.make_node("Neg", ["next_h"], ["y"])]
    graph = helper.make_graph(nodes, "sum", infos[:2], infos[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    executable = lamina.compile(model, threads=1)
    with pytest.raises(InputError, match="give pairs"):
        executable.cache()
    cache = executable.cache({"h": "next_h"})
    x = tokens(3, 4)[0, :, :4]
    for count in (1, 2, 3):
        np.testing.assert_allclose(executable.run({"x": x}, cache=cache)["y"], -count * x, rtol=1e-6)


def test_wrong_uses_are_said(attention: Executable) -> None:
    cache = attention.cache()
    with pytest.raises(InputError, match="made by another model"):
        lamina.compile(attention_model(1), threads=1).run({"x": tokens(1, 1)}, cache=cache)
    with pytest.raises(InputError, match=r"\['past.k', 'past.v'\] come from the cache"):
        attention.run({"x": tokens(1, 1), **empty(1)}, cache=cache)
    with pytest.raises(InputError, match=r"inputs \['x'\] are missing"):
        attention.run({}, cache=cache)
    with pytest.raises(InputError, match=r"no input 'past\.z'"):
        attention.cache({"past.z": "present.k"})
    with pytest.raises(InputError, match="cannot keep 3 of the 0 tokens"):
        cache.keep(3)
    attention.run({"x": tokens(2, 1)}, cache=cache)
    with pytest.raises(InputError, match="expected shape"):
        attention.run({"x": tokens(1, 1)}, cache=cache)
    assert cache.length == 1
