"""Whole networks against onnxruntime: the zoo, and pre-trained models that people use."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import lamina
import numpy as np
import onnxruntime
import pytest
from lamina.benchmarks.models import ModelUnavailable
from lamina.benchmarks.networks import NETWORKS, Feeds

# The error allowed, relative to the largest magnitude of an output.
ABSOLUTE = 1e-4
# And relative to each element, where that is not close to nothing.
RELATIVE = 1e-3
SPEECH_MODELS = [name for name in NETWORKS if name.startswith("silero")]


@pytest.fixture(autouse=True)
def free_memory() -> Iterator[None]:
    """The biggest networks take gigabytes: let go of one before the next."""
    yield
    gc.collect()


def locate(name: str) -> Path:
    try:
        return NETWORKS[name].locate()
    except ModelUnavailable as error:
        pytest.skip(str(error))


def open_onnxruntime(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_onnxruntime(session: onnxruntime.InferenceSession, feeds: Feeds) -> dict[str, np.ndarray]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, map(np.asarray, session.run(names, feeds)), strict=True))


def check_close(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray], what: str) -> None:
    assert list(actual) == list(expected), what
    for name, wanted in expected.items():
        found = actual[name]
        assert found.shape == wanted.shape, f"{what}, output '{name}'"
        assert found.dtype == wanted.dtype, f"{what}, output '{name}'"
        if not wanted.size:
            continue
        scale = float(np.abs(wanted).max())
        error = np.abs(found.astype(np.float64) - wanted)
        assert error.max() <= ABSOLUTE * scale, f"{what}, output '{name}': {error.max():.2e}, magnitude {scale:.2e}"
        large = np.abs(wanted) > 0.01 * scale
        relative = float((error[large] / np.abs(wanted[large])).max(initial=0.0))
        assert relative <= RELATIVE, f"{what}, output '{name}': relative error {relative:.2e}"


def same_bits(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return all(left[name].tobytes() == right[name].tobytes() for name in left)


@pytest.mark.parametrize("name", NETWORKS)
def test_agrees_with_onnxruntime(name: str) -> None:
    """One compile serves every shape, on one and on two threads, with the same bits on every run."""
    path = locate(name)
    network = NETWORKS[name]
    session = open_onnxruntime(path)
    cases = []
    for shape in network.shapes:
        feeds = network.feeds(shape)
        cases.append((shape, feeds, run_onnxruntime(session, feeds)))
    del session
    executable = lamina.compile(path, threads=1)
    for threads in (1, 2):
        executable.set_threads(threads)
        for shape, feeds, expected in cases:
            what = f"{name} at {shape} on {threads} threads"
            first = executable.run(feeds)
            check_close(first, expected, what)
            assert same_bits(first, executable.run(feeds)), f"{what}: two runs differ"


@pytest.mark.parametrize("name", SPEECH_MODELS)
def test_speech_state_carried_over_many_calls(name: str) -> None:
    """Each engine carries its own state: an error would grow."""
    path = locate(name)
    session = open_onnxruntime(path)
    executable = lamina.compile(path)
    rng = np.random.default_rng(1)
    ours = theirs = np.zeros((2, 1, 128), np.float32)
    rate = np.array(16000, np.int64)
    for step in range(100):
        loudness = 0.4 * abs(np.sin(step / 9))
        tone = np.sin(np.arange(576) * (0.02 + 0.001 * step))
        chunk = (loudness * tone + 0.02 * rng.standard_normal(576)).astype(np.float32)[None]
        result = executable.run({"input": chunk, "state": ours, "sr": rate})
        expected = run_onnxruntime(session, {"input": chunk, "state": theirs, "sr": rate})
        check_close(result, expected, f"{name}, call {step}")
        ours, theirs = result["stateN"], expected["stateN"]


def test_many_widths_of_one_compiled_model() -> None:
    """Recognition of text lines: every width that occurs, each close to onnxruntime."""
    path = locate("ppocr_v4_rec")
    session = open_onnxruntime(path)
    executable = lamina.compile(path)
    rng = np.random.default_rng(2)
    for width in (8, 9, 31, 48, 63, 100, 127, 333):
        feeds = {"x": rng.uniform(-1, 1, (1, 3, 48, width)).astype(np.float32)}
        check_close(executable.run(feeds), run_onnxruntime(session, feeds), f"width {width}")


def test_inference_session_stands_in_for_onnxruntimes() -> None:
    """The same calls give the same names, types and results."""
    path = locate("silero_vad_16k_op15")
    theirs = open_onnxruntime(path)
    ours = lamina.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [value.name for value in ours.get_inputs()] == [value.name for value in theirs.get_inputs()]
    assert [value.type for value in ours.get_inputs()] == [value.type for value in theirs.get_inputs()]
    feeds = NETWORKS["silero_vad_16k_op15"].feeds()
    for name in ("output", "stateN"):
        np.testing.assert_allclose(ours.run([name], feeds)[0], theirs.run([name], feeds)[0], rtol=1e-3, atol=1e-5)
