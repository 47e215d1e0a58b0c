"""The networks that are raced, and reading text from a network's output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.benchmarks.batched import model_of_batch, shape_of_batch
from lamina.benchmarks.networks import MODERN_NETWORKS, NETWORKS, networks
from lamina.benchmarks.ocr import decode, find_boxes
from lamina.benchmarks.zoo import MODERN, ZOO, zoo_model


def test_zoo_model_is_the_same_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = zoo_model("squeezenet1_1").read_bytes()
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    second = zoo_model("squeezenet1_1")
    assert second.is_relative_to(tmp_path)
    assert second.read_bytes() == first
    assert [path.name for path in second.parent.iterdir()] == [second.name], "no temporary file is left"


def test_unknown_network_lists_those_known() -> None:
    with pytest.raises(ValueError, match=r"'alexnet': expected one of .*resnet50"):
        zoo_model("alexnet")
    with pytest.raises(ValueError, match=r"'alexnet': expected one of .*magika.*yolov8n"):
        networks(["alexnet"])


def test_there_are_twelve_networks_in_the_zoo() -> None:
    assert len(ZOO) == 12
    assert [network.name for network in networks([])] == list(NETWORKS)


@pytest.mark.parametrize("name", [*ZOO, *MODERN])
def test_feeds_fit_the_model(name: str) -> None:
    folder = Path(__file__).parents[2] / "benchmarks" / "zoo"
    graph = onnx.load(next(folder.rglob(f"{name}.onnx"))).graph
    network = {**NETWORKS, **MODERN_NETWORKS}[name]
    for shape in network.shapes:
        feeds = network.feeds(shape)
        assert list(feeds) == [value.name for value in graph.input]
        for value in graph.input:
            declared = value.type.tensor_type
            assert onnx.helper.np_dtype_to_tensor_dtype(feeds[value.name].dtype) == declared.elem_type
            fixed = [dim.dim_value for dim in declared.shape.dim]
            assert all(want in (0, size) for want, size in zip(fixed, feeds[value.name].shape, strict=True))


def test_boxes_are_connected_regions_from_top_to_bottom() -> None:
    probability = np.zeros((60, 100), np.float32)
    probability[40:50, 10:60] = 1
    probability[5:15, 20:50] = 1
    probability[30, 90] = 1  # A speck.
    assert find_boxes(probability) == [(20, 5, 50, 15), (10, 40, 60, 50)]


def test_regions_that_meet_below_are_one() -> None:
    probability = np.zeros((20, 40), np.float32)
    probability[2:18, 4:8] = probability[2:18, 20:24] = probability[12:18, 4:24] = 1
    assert find_boxes(probability) == [(4, 2, 24, 18)]


def test_decoding_drops_blanks_and_repetitions() -> None:
    alphabet = ["", "a", "b"]
    steps = [1, 1, 0, 1, 2, 2, 0]
    probabilities = np.eye(3)[steps] * 0.9
    text, confidence = decode(probabilities, alphabet)
    assert text == "aab"
    assert confidence == pytest.approx(0.9)
    assert decode(np.eye(3)[[0, 0]], alphabet) == ("", 0.0)


@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x1_0"])
def test_a_batch_of_a_network_is_its_images(name: str) -> None:
    """Also where constants hold the size of the batch."""
    network = NETWORKS[name]
    feeds = network.feeds(shape_of_batch(network, 2))
    together = onnxruntime.InferenceSession(model_of_batch(network.locate(), 2)).run(None, feeds)[0]
    alone = onnxruntime.InferenceSession(network.locate())
    apart = [alone.run(None, {key: array[image : image + 1] for key, array in feeds.items()})[0] for image in (0, 1)]
    np.testing.assert_allclose(together, np.concatenate(apart), rtol=1e-4, atol=1e-5)  # pyright: ignore[reportArgumentType, reportCallIssue]
