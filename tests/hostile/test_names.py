"""Names of dims, values, nodes and files are data, whatever they spell."""

from __future__ import annotations

from pathlib import Path

import lamina
import numpy as np
import pytest
from lamina.cli.inputs import GivenInputs
from lamina.cli.options import parse_dims
from lamina.context import CompilerContext
from lamina.frontend import import_model
from lamina.pipeline import module_text
from lamina.verification.reproduce import write_npz
from onnx import ModelProto, TensorProto, helper, numpy_helper
from xdsl.parser import Parser

# Words of Python, of SymPy, of the texts of levels; punctuation; other letters; nothing that could be a number's name.
NAMES = [
    "None", "True", "lambda", "def", "_async_", "class", "match", "E", "I", "pi", "oo", "nan", "gamma", "Symbol", "S",
    "N-1", "N*M", "N + 1", "2*N", "1", "-1", "0", "max", "min", "mod", "floor", "floordiv", "x", "d_x", "f32", "i64",
    "index", "__import__('os')", "__builtins__", "_", "a.b", "a:0", "a/b", "a=b", "a,b", "file", "self", "%s", "{0}",
    "[red]", "$HOME", 'a"b', "a\nb", "\\", "é", "名", "n" * 5000,
]  # fmt: skip


def model(name: str) -> ModelProto:
    """The name is a dim's, a value's, a node's and a weight's; sizes are computed, so that dims meet arithmetic."""
    nodes = [
        helper.make_node("Relu", [name], ["t"], name),
        helper.make_node("MaxPool", ["t"], ["p"], name + "/pool", kernel_shape=[2], strides=[2]),
        helper.make_node("Concat", ["p", "t"], ["c"], name, axis=2),
        helper.make_node("Shape", ["c"], ["shape"]),
        helper.make_node("Mul", ["c", name + "w"], [name + "y"]),
    ]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 3, name])]
    results = [helper.make_empty_tensor_value_info(y) for y in (name + "y", "shape")]
    weight = numpy_helper.from_array(np.full(1, 2, np.float32), name + "w")
    graph = helper.make_graph(nodes, name, infos, results, [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_will_do(name: str) -> None:
    executable = lamina.compile(model(name), threads=1)
    for size in (4, 9):
        x = np.random.default_rng(size).standard_normal((2, 3, size)).astype(np.float32)
        positive = np.maximum(x, 0)
        pooled = positive[..., : size // 2 * 2].reshape(2, 3, -1, 2).max(-1)
        found = executable.run({name: x})
        np.testing.assert_allclose(found[name + "y"], 2 * np.concatenate([pooled, positive], 2), rtol=1e-6)
        assert found["shape"].tolist() == [2, 3, size + size // 2]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_is_read_back(name: str) -> None:
    text = module_text(import_model(model(name), context=CompilerContext()))
    assert module_text(Parser(CompilerContext(), text).parse_module()) == text


def test_a_dim_may_have_the_name_of_an_input() -> None:
    executable = lamina.compile(model("file"), shapes={"file": 4}, threads=1)
    assert executable.run({"file": np.ones((1, 3, 4), np.float32)})["shape"].tolist() == [1, 3, 6]
    executable = lamina.compile(model("file"), shapes={"file": [1, 3, 4]}, threads=1)
    assert executable.run({"file": np.ones((1, 3, 4), np.float32)})["shape"].tolist() == [1, 3, 6]


def test_options_name_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_dims(["N-1=3", "a=b=4"]) == {"N-1": 3, "a=b": 4}
    monkeypatch.chdir(tmp_path)
    np.save("a=b.npy", np.ones(2))
    np.save("b.npy", np.ones(3))
    given = GivenInputs.read(["x=a=b.npy", "y=z=b.npy", "v=w=random"])
    assert {name: array.size for name, array in given.arrays.items()} == {"x": 2, "y=z": 3}
    assert given.random == ["v=w"]
    assert GivenInputs.read(["a=b.npy"]).arrays["a"].size == 3


def test_arrays_have_any_names(tmp_path: Path) -> None:
    arrays = {name: np.arange(3) for name in ("file", "args", "allow_pickle", "a/b")}
    write_npz(tmp_path / "a.npz", arrays)
    with np.load(tmp_path / "a.npz") as loaded:
        assert sorted(loaded.files) == sorted(arrays)
