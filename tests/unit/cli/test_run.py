"""``lamina run``: inputs of every kind, outputs shown, kept, ranked, compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from lamina.cli.arrays import read_arrays, write_arrays
from lamina.cli.expected import compare_output, compare_outputs
from lamina.cli.images import Normalization, find_layout, read_image
from lamina.runtime.errors import LaminaError
from lamina.runtime.executable import TensorInfo
from onnx import TensorProto, helper
from PIL import Image


def words(text: str) -> str:
    return " ".join(text.split())


def test_shows_random_outputs(lamina, model: Path) -> None:
    code, output, _ = lamina("run", model, "--dim", "N=3")
    assert code == 0
    assert "3 x 4" in output
    assert "input x: float32 3 x 4, random" in output


def test_reads_inputs_and_keeps_outputs(lamina, model: Path, tmp_path: Path) -> None:
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / "out.npz"
    for given, option in ((f"x={tmp_path / 'x.npy'}", "-o"), (tmp_path / "x.npy", "--save")):
        code, output, _ = lamina("run", model, "--input", given, option, out, "--json")
        assert code == 0
        report = json.loads(output)
        assert report["outputs"][0]["shape"] == [2, 4]
        assert report["random_inputs"] == []
        np.testing.assert_array_equal(np.load(out)["y"], x + [1, 2, 3, 4])


def test_reads_all_inputs_from_one_file(lamina, tmp_path: Path) -> None:
    a, b, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in "aby")
    graph = helper.make_graph([helper.make_node("Sub", ["a", "b"], ["y"])], "sub", [a, b], [y])
    path = tmp_path / "sub.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    np.savez(tmp_path / "in.npz", a=np.full(3, 5, np.float32), b=np.full(3, 2, np.float32))
    np.save(tmp_path / "y.npy", np.full(3, 3, np.float32))
    code, output, _ = lamina("run", path, "--input", tmp_path / "in.npz", "--expect", tmp_path / "y.npy")
    assert code == 0
    assert "output y as expected, exactly" in output
    # What is not given goes with what is: the free dim of the drawn input is that of the given one.
    np.savez(tmp_path / "a.npz", a=np.zeros(7, np.float32))
    report = json.loads(lamina("run", path, "-i", tmp_path / "a.npz", "-i", "b=random", "--json")[1])
    assert [(row["shape"], row["source"] == "random") for row in report["inputs"]] == [([7], False), ([7], True)]


def test_expected_outputs_that_differ_exit_with_1(lamina, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 4), np.float32))
    expected = np.array([[1, 2, 3, 4], [1, 2, 3.5, 4]], np.float32)
    np.savez(tmp_path / "expected.npz", y=expected, z=expected)
    arguments = ("run", model, "-i", tmp_path / "x.npy", "--expect", tmp_path / "expected.npz")
    code, output, _ = lamina(*arguments)
    assert code == 1
    assert "output y differs: 1 of 8 elements out of tolerance, worst at [1, 2]: found 3, expected 3.5" in words(output)
    assert "output z differs: no output of the model has this name" in words(output)
    rows = {row["name"]: row for row in json.loads(lamina(*arguments, "--json")[1])["expected"]}
    assert rows["y"]["index"] == [1, 2] and not rows["y"]["ok"]
    assert lamina(*arguments, "--rtol", "0.2")[0] == 1, "z is still missing"


def test_comparisons() -> None:
    ones = np.ones((2, 2), np.float32)
    assert compare_output("y", ones, ones, 0.0, 0.0).ok
    assert "shape is 2 x 2, expected 4" in compare_output("y", ones, np.ones(4), 1, 1).problem
    special = np.array([np.inf, -np.inf, np.nan])
    assert compare_output("y", special, special, 1e-3, 0).ok
    for wrong in (np.array([1.0, -np.inf, np.nan]), np.array([np.inf, np.inf, np.nan]), np.array([np.inf, -np.inf, 0])):
        assert not compare_output("y", wrong, special, 1e-3, 1e-3).ok
    assert compare_output("y", np.array(["a"]), np.array(["b"]), 0, 0).problem == "its text differs"
    assert [(row.name, row.ok) for row in compare_outputs({"a": ones, "b": ones}, {"a": ones}, 0, 0)] == [
        ("a", True),
        ("b", False),
    ]
    assert compare_output("y", np.zeros((0, 2)), np.zeros((0, 2)), 0, 0).ok


def test_ranks_classes(lamina, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[0, 9, 0, 0], [0, 0, 0, 0]], np.float32))
    (tmp_path / "labels.txt").write_text("ant\nbee\ncat\ndog\n")
    arguments = ("run", model, "-i", tmp_path / "x.npy", "--top", "2", "--labels", tmp_path / "labels.txt")
    report = json.loads(lamina(*arguments, "--json")[1])
    best = [[(entry["label"], entry["score"]) for entry in row["classes"]] for row in report["top"]]
    assert best == [[("bee", 11.0), ("dog", 4.0)], [("dog", 4.0), ("cat", 3.0)]]
    code, output, _ = lamina(*arguments)
    assert code == 0
    assert "highest of y, row 1" in output


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """8 pixels wide, 6 high: red, with a blue right half."""
    pixels = np.zeros((6, 8, 3), np.uint8)
    pixels[:, :4, 0] = 255
    pixels[:, 4:, 2] = 255
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    return path


def test_pictures_become_inputs(picture: Path) -> None:
    plain = Normalization()
    planes = read_image(picture, TensorInfo("x", np.dtype(np.float32), ("N", 3, "H", "W")), plain)
    assert planes.shape == (1, 3, 6, 8) and planes.dtype == np.float32
    assert planes[0, :, 0, 0].tolist() == [1, 0, 0] and planes[0, :, 0, 7].tolist() == [0, 0, 1]
    rows = read_image(picture, TensorInfo("x", np.dtype(np.uint8), (2, 3, 4, 3)), plain)
    assert rows.shape == (2, 3, 4, 3) and rows.max() == 255, "channels last, resized, twice"
    grey = read_image(picture, TensorInfo("x", np.dtype(np.float32), (1, 1, 6, 8)), plain)
    assert grey.shape == (1, 1, 6, 8) and grey[0, 0, 0, 0] == pytest.approx(76 / 255)
    assert read_image(picture, TensorInfo("x", np.dtype(np.float32), ("H", "W")), plain).shape == (6, 8)
    scaled = read_image(
        picture, TensorInfo("x", np.dtype(np.float32), (3, 6, 8)), Normalization((0.5, 0, 0), (0.5, 1, 2))
    )
    assert scaled[:, 0, 0].tolist() == [1, 0, 0] and scaled[:, 0, 7].tolist() == [-1, 0, 0.5]


def test_pictures_that_do_not_fit(picture: Path, tmp_path: Path) -> None:
    with pytest.raises(LaminaError, match="input 'x' is 1 x 7 x 5 x 5, which is no picture"):
        find_layout("x", (1, 7, 5, 5))
    with pytest.raises(LaminaError, match="takes no --mean"):
        read_image(picture, TensorInfo("x", np.dtype(np.uint8), (1, 3, 6, 8)), Normalization((0.5,)))
    with pytest.raises(LaminaError, match="one number or 3"):
        read_image(picture, TensorInfo("x", np.dtype(np.float32), (1, 3, 6, 8)), Normalization((0.5, 0.5)))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(LaminaError, match=r"broken\.png' is no picture"):
        read_image(tmp_path / "broken.png", TensorInfo("x", np.dtype(np.float32), (1, 3, 6, 8)), Normalization())


def test_runs_on_a_picture(lamina, picture: Path, tmp_path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "H", "W"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("GlobalAveragePool", ["x"], ["y"])], "mean", [x], [y])
    path = tmp_path / "mean.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    code, _, errors = lamina("run", path, "-i", picture, "--mean", "0.5", "--std", "0.5", "-o", tmp_path / "y.npy")
    assert code == 0, errors
    np.testing.assert_allclose(np.load(tmp_path / "y.npy").ravel(), [0, -1, 0], atol=1e-6)
    # A compiled model keeps its free dims; the sizes said are those that the picture gets.
    assert lamina("compile", path, "-o", tmp_path / "mean.lamina")[0] == 0
    code, output, _ = lamina("run", tmp_path / "mean.lamina", "-i", picture, "--dim", "H=12", "--json")
    assert json.loads(output)["inputs"][0]["shape"] == [1, 3, 12, 8]


def test_arrays_of_any_name_are_kept_whole(tmp_path: Path) -> None:
    arrays = {"file": np.arange(3), "allow_pickle": np.ones((2, 2), np.float16), "a/b:0": np.array(True)}
    write_arrays(tmp_path / "x.npz", arrays)
    for name, array in read_arrays(tmp_path / "x.npz").items():
        np.testing.assert_array_equal(array, arrays[name], strict=True)
    (tmp_path / "bad.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:40])
    with pytest.raises(LaminaError, match=r"bad\.npz' is no \.npz file"):
        read_arrays(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "x=absent.npy"], "file 'absent.npy' does not exist"),
        (["--input", "nonsense"], "expected NAME=FILE"),
        (["--input", "q=random"], "no input is called 'q'"),
        (["--mean", "red"], "--mean"),
        (["--std", "1,0,1"], "cannot be divided"),
        (["--expect", "absent.npz"], "does not exist"),
        (["--shape", "3xx4"], "3xx4"),
        (["--shape", "q=3x4"], "no input is called 'q'"),
        (["--dim", "N=many"], "N=many"),
        (["--threads", "0"], "threads"),
    ],
)
def test_wrong_usage_exits_with_2(lamina, model: Path, arguments: list[str], message: str) -> None:
    code, _, errors = lamina("run", model, *arguments)
    assert code == 2
    assert message in errors
    assert "see: lamina run --help" in errors or "see: lamina --help" in errors


def rows_of(length: int, path: Path) -> Path:
    """A model that cuts its input in rows of that length, as many as there are."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [dim]) for name, dim in (("x", "N"), ("y", None)))
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [-1, length])
    graph = helper.make_graph([helper.make_node("Reshape", ["x", "shape"], ["y"])], "rows", [x], [y], [shape])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_free_dims_are_told_of_where_they_do_not_fit(lamina, tmp_path: Path) -> None:
    path = rows_of(4999, tmp_path / "rows.onnx")
    code, _, errors = lamina("run", path)
    assert code == 1
    assert "free dims were taken as N = 1; say how large they are in use, e.g. --dim N=8" in errors
    assert lamina("run", path, "--dim", "N=4999")[0] == 0


def test_free_dims_are_taken_as_they_fit(lamina, tmp_path: Path) -> None:
    path = rows_of(2, tmp_path / "pairs.onnx")
    code, output, _ = lamina("run", path)
    assert code == 0 and "16 x 2" in output
    assert lamina("run", path, "--dim", "N=3")[0] == 1


def test_dims_that_a_compiled_model_lacks_are_wrong_usage(lamina, model: Path, tmp_path: Path) -> None:
    compiled = tmp_path / "model.lamina"
    assert lamina("compile", model, "-o", compiled)[0] == 0
    assert lamina("run", compiled, "--dim", "N=2")[0] == 0
    code, _, errors = lamina("run", compiled, "--dim", "M=2")
    assert code == 2
    assert "no free dim is called 'M': expected one of N" in errors


def test_dims_that_a_model_lacks_are_wrong_usage(lamina, model: Path) -> None:
    code, _, errors = lamina("run", model, "--dim", "M=2")
    assert code == 2
    assert "no input or dimension is called 'M': expected one of N, x" in errors
