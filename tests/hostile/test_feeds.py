"""What is fed to a model: each wrong kind is refused by the input's name, each right one of odd form just works."""

from __future__ import annotations

from typing import Any

import lamina
import numpy as np
import onnx
import pytest
from lamina.errors import UnsupportedOperatorError
from lamina.runtime.errors import InputError
from onnx import TensorProto, helper

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def executable() -> lamina.Executable:
    """sum = a + b over [N, 3]; twice = 2 n over [M], integers; their sizes are free."""
    infos = [
        helper.make_tensor_value_info("a", TensorProto.FLOAT, ["N", 3]),
        helper.make_tensor_value_info("b", TensorProto.FLOAT, ["N", 3]),
        helper.make_tensor_value_info("n", TensorProto.INT64, ["M"]),
    ]
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Add", ["n", "n"], ["twice"])]
    outputs = [helper.make_empty_tensor_value_info(name) for name in ("sum", "twice")]
    graph = helper.make_graph(nodes, "g", infos, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return lamina.compile(model, threads=1)


@pytest.fixture(scope="module")
def session() -> lamina.InferenceSession:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["y"])], "g", [x], [helper.make_empty_tensor_value_info("y")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return lamina.InferenceSession(model.SerializeToString())


def feeds(**changed: Any) -> dict[str, Any]:
    whole = {"a": np.ones((2, 3), np.float32), "b": np.full((2, 3), 2, np.float32), "n": np.arange(4)}
    return {**whole, **changed}


class ArrayLike:
    """As tensors of other libraries."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.array


class Broken:
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise RuntimeError("this tensor is on another device")


F32 = np.float32
WRONG = {
    "another dtype": (feeds(a=np.ones((2, 3))), "input 'a': expected dtype float32, got float64"),
    "integers of another width": (feeds(n=np.arange(4, dtype=np.int32)), "input 'n': expected dtype int64, got int32"),
    "foreign byte order": (feeds(a=np.ones((2, 3), ">f4")), "input 'a': .*foreign byte order"),
    "rank": (feeds(a=np.ones(3, F32)), r"input 'a': expected 2 dimensions, \[N, 3\], got 1, \[3\]"),
    "scalar": (feeds(a=F32(1)), "input 'a': expected 2 dimensions"),
    "array of no dimension": (feeds(a=np.array(1, F32)), "input 'a': expected 2 dimensions"),
    "dimension": (feeds(a=np.ones((2, 4), F32)), "input 'a': .*dimension 1 is 4 but must be 3"),
    "sizes that differ": (feeds(b=np.ones((5, 3), F32)), "input 'b': .*dimension 0 is 5 but must be 2 .*of input 'a'"),
    "text": (feeds(a="text"), "input 'a': expected dtype float32, got a str"),
    "bytes": (feeds(a=b"text"), "input 'a'"),
    "array of text": (feeds(a=np.full((2, 3), "x")), "input 'a': expected dtype float32"),
    "None": (feeds(a=None), "input 'a'.*NoneType"),
    "objects": (feeds(a=np.full((2, 3), None)), "input 'a': expected dtype float32, got object"),
    "list of objects": (feeds(a=[[object()] * 3] * 2), "input 'a'"),
    "ragged list": (feeds(a=[[1.0, 2.0, 3.0], [1.0]]), "input 'a'"),
    "list of fractions for integers": (feeds(n=[1.5, 2.0]), "input 'n'"),
    "numbers too large": (feeds(n=[2**70]), "input 'n'"),
    "a dictionary": (feeds(a={"x": 1}), "input 'a'"),
    "a function": (feeds(a=len), "input 'a'"),
    "a tensor that gives no array": (feeds(a=Broken()), "input 'a'.*another device"),
    "a tensor of another dtype": (feeds(a=ArrayLike(np.ones((2, 3)))), "input 'a'"),
    "complex": (feeds(a=np.ones((2, 3), np.complex64)), "input 'a': expected dtype float32, got complex64"),
    "record": (feeds(a=np.zeros((2, 3), [("f", F32)])), "input 'a'"),
    "missing": ({"a": np.ones((2, 3), F32)}, r"inputs \['b', 'n'\] are missing"),
    "nothing": ({}, r"inputs \['a', 'b', 'n'\] are missing"),
    "unknown": (feeds(z=np.ones(1)), r"the model has no inputs \['z'\]"),
    "a list": ([np.ones((2, 3), F32)], "feeds.*by name.*list"),
    "an array": (np.ones((2, 3), F32), "feeds.*by name.*ndarray"),
    "no feeds": (None, "feeds.*by name.*NoneType"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_feed_is_refused_by_name(name: str, executable: lamina.Executable) -> None:
    given, message = WRONG[name]
    with pytest.raises(InputError, match=message):
        executable.run(given)
    assert np.array_equal(executable.run(feeds())["sum"], np.full((2, 3), 3))


STRIDED = np.ones((4, 6), F32)
RIGHT = {
    "list": [[1.0] * 3] * 2,
    "tuple of integers": ((1, 1, 1), (1, 1, 1)),
    "fortran order": np.asfortranarray(np.ones((2, 3), F32)),
    "steps": STRIDED[::2, ::2],
    "backwards": STRIDED[:2, :3][::-1, ::-1],
    "broadcast": np.broadcast_to(F32(1), (2, 3)),
    "not aligned": np.frombuffer(b"\0" + np.ones(6, F32).tobytes(), F32, 6, 1).reshape(2, 3),
    "tensor of another library": ArrayLike(np.ones((2, 3), F32)),
    "memory map": np.ones((2, 3), F32).view(np.memmap),
    "matrix": np.ones((2, 3), F32).view(np.matrix),
    "masked": np.ma.array(np.ones((2, 3), F32)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_an_odd_form_of_the_right_values_works(name: str, executable: lamina.Executable) -> None:
    assert np.array_equal(executable.run(feeds(a=RIGHT[name]))["sum"], np.full((2, 3), 3))


def test_read_only_empty_large_and_strange_numbers_work(executable: lamina.Executable) -> None:
    frozen = np.ones((2, 3), F32)
    frozen.flags.writeable = False
    assert np.array_equal(executable.run(feeds(a=frozen))["sum"], np.full((2, 3), 3))
    nothing = np.zeros((0, 3), F32)
    results = executable.run({"a": nothing, "b": nothing, "n": np.zeros(0, np.int64)})
    assert results["sum"].shape == (0, 3)
    assert results["twice"].shape == (0,)
    strange = np.array([[np.nan, np.inf, -np.inf], [3e38, -0.0, 1e-45]], F32)
    with np.errstate(over="ignore"):
        assert np.array_equal(executable.run(feeds(a=strange, b=strange))["sum"][0], (strange * 2)[0], equal_nan=True)
    large = RNG.normal(size=(300_000, 3)).astype(F32)
    assert np.array_equal(executable.run(feeds(a=large, b=large))["sum"], large * 2)


@pytest.mark.parametrize("names", [["nothing"], ["sum", "z"], [None], [3], "sum"])
def test_unknown_outputs_are_refused(names: Any, executable: lamina.Executable) -> None:
    with pytest.raises(InputError, match="output"):
        executable.run(feeds(), names)


def test_a_session_refuses_by_name_too(session: lamina.InferenceSession) -> None:
    right = {"x": np.ones(2, F32)}
    assert np.array_equal(session.run(None, right)[0], [-1, -1])
    for names, given, message in [
        (None, {"x": np.ones(2)}, r"expected: \(tensor\(float\)\) for input: x"),
        (None, {"x": np.ones(3, F32)}, "for input: x"),
        (None, {}, r"inputs \(\['x'\]\) are missing"),
        (None, None, "feeds.*by name"),
        (None, [np.ones(2, F32)], "feeds.*by name"),
        (["z"], right, "no outputs"),
    ]:
        with pytest.raises(InputError, match=message):
            session.run(names, given)


@pytest.mark.parametrize("kind", ["COMPLEX64", "COMPLEX128"])
def test_a_model_with_inputs_of_other_kinds_is_refused_when_compiled(kind: str) -> None:
    x = helper.make_tensor_value_info("x", getattr(TensorProto, kind), [2])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "g", [x], [helper.make_empty_tensor_value_info("y")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    with pytest.raises(UnsupportedOperatorError, match=f"input 'x'.* has elements of {kind}"):
        lamina.compile(model)


def test_halves_with_the_range_of_floats_are_fed_as_they_are() -> None:
    import ml_dtypes

    x = helper.make_tensor_value_info("x", TensorProto.BFLOAT16, [2])
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["y"])], "g", [x], [helper.make_empty_tensor_value_info("y")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    assert isinstance(model, onnx.ModelProto)
    compiled = lamina.compile(model, threads=1)
    given = np.array([1, -2], ml_dtypes.bfloat16)
    assert np.array_equal(compiled.run({"x": given})["y"].astype(F32), [-1, 2])
    with pytest.raises(InputError, match="input 'x': expected dtype bfloat16, got float32"):
        compiled.run({"x": given.astype(F32)})
