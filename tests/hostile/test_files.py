"""Files that are no models, or only part of one, and weights that lie where they may not."""

from __future__ import annotations

import os
from pathlib import Path

import lamina
import numpy as np
import onnx
import pytest
from lamina.errors import InvalidModelError
from lamina.frontend.model_file import load_model
from lamina.runtime.errors import LaminaError
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def network() -> onnx.ModelProto:
    """A convolutional network of 20 nodes with weights."""
    rng = np.random.default_rng(0)
    nodes, weights = [], []
    for layer in range(10):
        weight = rng.normal(size=(4, 4, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"w{layer}"))
        before = "x" if layer == 0 else f"r{layer - 1}"
        nodes.append(helper.make_node("Conv", [before, f"w{layer}"], [f"c{layer}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{layer}"], ["y" if layer == 9 else f"r{layer}"]))
    x = helper.make_tensor_value_info("x", FLOAT, [1, 4, 8, 8])
    y = helper.make_tensor_value_info("y", FLOAT, [1, 4, 8, 8])
    graph = helper.make_graph(nodes, "network", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no bytes in it"),
        (b"\x00" * 100, "no ONNX model"),
        (b"this is a text file\n", "no ONNX model"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "no ONNX model"),
        (b"PK\x03\x04" + b"\xff" * 50, "no ONNX model"),
        (b"\x7fELF" + b"\x01" * 50, "no ONNX model"),
        (onnx.ModelProto(ir_version=9).SerializeToString(), "holds no graph"),
        (b"\x3a\x00", "holds no graph"),
    ],
)
def test_what_is_no_model_is_refused_by_name(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(InvalidModelError, match=message) as caught:
        lamina.compile(path)
    assert "model.onnx" in str(caught.value)
    with pytest.raises(InvalidModelError, match=message):
        lamina.compile(content)


def test_a_folder_a_pipe_and_a_huge_file_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="is a folder"):
        lamina.compile(tmp_path)
    pipe = tmp_path / "pipe.onnx"
    os.mkfifo(pipe)
    with pytest.raises(FileNotFoundError, match="no model at"):
        load_model(pipe)
    huge = tmp_path / "huge.onnx"
    with open(huge, "wb") as stream:
        stream.truncate(1 << 42)
    with pytest.raises(InvalidModelError, match=r"huge.onnx' has 4398046511104 bytes, more than"):
        load_model(huge)


def test_every_truncation_is_an_error_or_a_valid_model() -> None:
    whole = network().SerializeToString()
    refused = 0
    for percent in range(100):
        try:
            load_model(whole[: len(whole) * percent // 100])
        except LaminaError as error:
            assert str(error)
            refused += 1
    assert refused == 100
    load_model(whole)


def test_a_truncated_file_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "model.onnx"
    path.write_bytes(network().SerializeToString()[:-700])
    with pytest.raises(LaminaError):
        lamina.compile(path).save(tmp_path / "model.lamina")
    left = [file for file in tmp_path.rglob("*") if file.is_file() and file.suffix in (".lamina", ".onnx", ".tmp")]
    assert left == [path]


# --- weights beside the model ---------------------------------------------------------------------

WEIGHT = np.arange(4, dtype=np.float32)


def with_weights_at(place: str, **fields: object) -> onnx.ModelProto:
    """y = x + w, where w lies in a file: of the graph, of a node, or of a node inside a node."""
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in fields.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    x = helper.make_tensor_value_info("x", FLOAT, [4])
    y = helper.make_empty_tensor_value_info("y")
    add = helper.make_node("Add", ["x", "w"], ["y"])
    constant = helper.make_node("Constant", [], ["w"], value=tensor)
    if place == "graph":
        graph = helper.make_graph([add], "g", [x], [y], [tensor])
    elif place == "node":
        graph = helper.make_graph([constant, add], "g", [x], [y])
    else:
        body = helper.make_graph([constant, add], "b", [], [y])
        choose = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
        graph = helper.make_graph([choose], "g", [x, helper.make_tensor_value_info("c", TensorProto.BOOL, [])], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


PLACES = ("graph", "node", "body")


@pytest.mark.parametrize("place", PLACES)
def test_weights_beside_the_model_are_read(place: str, tmp_path: Path) -> None:
    path = saved(with_weights_at(place, location="data/w.bin", offset=8, length=16), tmp_path / "model")
    (path.parent / "data").mkdir()
    (path.parent / "data/w.bin").write_bytes(b"\x00" * 8 + WEIGHT.tobytes())
    feeds = {"x": np.ones(4, np.float32), "c": np.array(True)}
    executable = lamina.compile(path, threads=1)
    (y,) = executable.run({given.name: feeds[given.name] for given in executable.inputs}).values()
    assert np.array_equal(y, WEIGHT + 1)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"location": "../w.bin"}, "outside of the model's folder"),
        ({"location": "a/../../w.bin"}, "outside of the model's folder"),
        ({"location": "..\\w.bin"}, "outside of the model's folder"),
        ({"location": "/etc/hostname"}, "outside of the model's folder"),
        ({"location": "C:\\w.bin"}, "outside of the model's folder"),
        ({"location": "link.bin"}, "outside of the model's folder"),
        ({"location": "folder/w.bin"}, "outside of the model's folder"),
        ({"location": "a\0b"}, "outside of the model's folder"),
        ({"location": "loop.bin"}, "cannot be read"),
        ({"location": "n" * 5000}, "cannot be read"),
        ({"location": "missing.bin"}, "missing.bin', which does not exist"),
        ({"location": "."}, "which is no file|cannot be read"),
        ({"location": "pipe"}, "which is no file"),
        ({"location": ""}, "the name is missing"),
        ({}, "the name is missing"),
        ({"location": "short.bin"}, "which has only 10"),
        ({"location": "w.bin", "offset": 4}, "which has only 16"),
        ({"location": "w.bin", "length": 8}, "which has only|asks for 16"),
        ({"location": "w.bin", "length": 12}, "asks for 16"),
        ({"location": "w.bin", "length": 17}, "which has only 16"),
        ({"location": "w.bin", "offset": 1 << 62}, "which has only 16"),
        ({"location": "w.bin", "length": 1 << 62}, "which has only 16"),
        ({"location": "w.bin", "offset": -1}, "expected a number of bytes"),
        ({"location": "w.bin", "length": -16}, "expected a number of bytes"),
        ({"location": "w.bin", "offset": "1e3"}, "expected a number of bytes"),
        ({"location": "w.bin", "length": "9" * 5000}, "expected a number of bytes"),
    ],
)
def test_weights_elsewhere_are_refused(place: str, fields: dict[str, object], message: str, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/w.bin").write_bytes(WEIGHT.tobytes())
    path = saved(with_weights_at(place, **fields), tmp_path / "model")
    (path.parent / "w.bin").write_bytes(WEIGHT.tobytes())
    (path.parent / "short.bin").write_bytes(b"0123456789")
    (path.parent / "link.bin").symlink_to(tmp_path / "w.bin")
    (path.parent / "folder").symlink_to(tmp_path / "elsewhere")
    (path.parent / "loop.bin").symlink_to(path.parent / "loop.bin")
    os.mkfifo(path.parent / "pipe")
    with pytest.raises(InvalidModelError, match=message) as caught:
        load_model(path)
    assert "'w'" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_links_as_model_hubs_make_them_are_followed(tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    path = saved(with_weights_at("graph", location="model.onnx_data"), blobs)
    (blobs / "123").write_bytes(WEIGHT.tobytes())
    snapshot = tmp_path / "snapshots/1"
    snapshot.mkdir(parents=True)
    (snapshot / "model.onnx").symlink_to(path)
    (snapshot / "model.onnx_data").symlink_to(blobs / "123")
    loaded = load_model(snapshot / "model.onnx")
    assert np.array_equal(numpy_helper.to_array(loaded.graph.initializer[0]), WEIGHT)


@pytest.mark.parametrize("place", PLACES)
def test_weights_in_files_need_the_path_of_the_model(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    monkeypatch.chdir(tmp_path)
    model = with_weights_at(place, location="w.bin")
    for source in (model, model.SerializeToString()):
        with pytest.raises(InvalidModelError, match="give the path of the model's file"):
            load_model(source)


def test_one_small_file_cannot_become_more_weights_than_memory(tmp_path: Path) -> None:
    model = with_weights_at("graph", location="w.bin")
    (tensor,) = model.graph.initializer
    tensor.dims[:] = [1 << 36]
    path = saved(model, tmp_path)
    with open(tmp_path / "w.bin", "wb") as stream:
        stream.truncate(1 << 38)
    for index in range(63):
        copy = model.graph.initializer.add()
        copy.CopyFrom(tensor)
        copy.name = f"w{index}"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InvalidModelError, match="larger than the memory"):
        load_model(path)
