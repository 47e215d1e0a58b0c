"""``lamina quantize``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """y = x w for pictures, as one long row each."""
    w = np.random.default_rng(0).standard_normal((192, 64)).astype(np.float32)
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"], "product")]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 64])
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(w, "w")])
    path = tmp_path / "product.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_reports_for_people_programs_and_browsers(lamina, product: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(1).random((6, 3, 8, 8), np.float32))
    options = ("--data", tmp_path / "data.npz", "--all-layers", "--html", tmp_path / "page.html")
    code, output, _ = lamina("quantize", product, *options)
    assert code == 0
    assert "1 of 1 layers are int8" in output
    assert f"written to {tmp_path / 'product.int8.onnx'}" in output
    assert "QuantizeLinear" in {node.op_type for node in onnx.load(tmp_path / "product.int8.onnx").graph.node}
    page = (tmp_path / "page.html").read_text()
    assert page.startswith("<!doctype html>") and "product" in page and "class='snr'" in page
    code, output, _ = lamina("quantize", product, *options, "--measure", "--json", "-o", tmp_path / "product.lamina")
    report = json.loads(output)
    (layer,) = report["layers"]
    assert (code, report["samples"], layer["form"]) == (0, 6, "int8")
    assert layer["measured"] > 0 and layer["measured_before"] > 0
    assert 0 < layer["error"] < 0.05 and layer["bytes"] < layer["bytes_before"] / 3
    assert lamina("run", tmp_path / "product.lamina")[0] == 0


def test_pictures_are_data(lamina, product: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        image.new("RGB", (9, 9), (40 * number, 90, 200)).save(folder / f"{number}.png")
    arguments = ("--data", folder, "--shape", "1x3x8x8", "--dim", "N=1", "--all-layers", "--json")
    code, output, _ = lamina("quantize", product, *arguments)
    assert (code, json.loads(output)["samples"]) == (0, 3)


def test_wrong_usage(lamina, product: Path, tmp_path: Path) -> None:
    assert "int8-dynamic" in lamina("quantize", product)[2]
    assert lamina("quantize", product, "-o", tmp_path / "y.txt")[0] == 2
    assert lamina("quantize", product, "-o", product)[0] == 2
    np.save(tmp_path / "wrong.npy", np.zeros((2, 2), np.float32))
    code, _, errors = lamina("quantize", product, "--data", tmp_path / "wrong.npy")
    assert code == 1 and "an array of 2 dims for input 'x', which has 4" in errors
