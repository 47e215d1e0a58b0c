"""Convolutions whose results have rows of one pixel, with an epilogue that adds a number for each channel or pixel."""

import lamina
import numpy as np
import pytest
from lamina.pipeline import PipelineOptions
from onnx import helper
from random_model import evaluate

FLOAT = 1


@pytest.mark.parametrize("added", [(12, 1, 1), (1, 12, 1, 1), (1,), (12, 8, 1), (8, 1), (1, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("kernel", [1, 2])
def test_one_pixel_a_row(added: tuple[int, ...], kernel: int) -> None:
    random = np.random.default_rng(1)
    height = 7 + kernel
    shapes = {"x": (1, 12, height, 1), "a": added}
    feeds = {name: random.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    nodes, outputs = [], []
    for groups in (1, 3, 12):
        name = f"w{groups}"
        feeds[name] = random.standard_normal((12, 12 // groups, kernel, 1), np.float32)
        nodes.append(helper.make_node("Conv", ["x", name], [f"c{groups}"], group=groups))
        nodes.append(helper.make_node("Add", [f"c{groups}", "a"], [f"y{groups}"]))
        outputs.append(helper.make_empty_tensor_value_info(f"y{groups}"))
    infos = [helper.make_tensor_value_info(name, FLOAT, array.shape) for name, array in feeds.items()]
    graph = helper.make_graph(nodes, "g", infos, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    expected = evaluate(model, feeds)
    found = lamina.compile(model, threads=1, options=PipelineOptions(checked=True)).run(feeds)
    for name, wanted in expected.items():
        np.testing.assert_allclose(found[name], wanted, rtol=1e-4, atol=1e-4, err_msg=name)
