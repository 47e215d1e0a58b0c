"""Fourier transforms as machine code, against NumPy's fast transform in float64."""

from __future__ import annotations

import lamina
import numpy as np
import onnx
import pytest
from lamina.errors import UnsupportedOperatorError
from onnx import TensorProto, helper, numpy_helper


def model(node: onnx.NodeProto, dims: list[int | str], **constants: np.ndarray) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph([node], "spectral", [x], [y], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def as_parts(complex_numbers: np.ndarray) -> np.ndarray:
    return np.stack([complex_numbers.real, complex_numbers.imag], axis=-1)


@pytest.mark.parametrize("samples", [400, 401, 4000])
def test_frames_of_a_signal_of_any_length(samples: int) -> None:
    length, step = 400, 160
    window = np.hanning(length).astype(np.float32)
    node = helper.make_node("STFT", ["x", "step", "window"], ["y"])
    executable = lamina.compile(model(node, ["batch", "samples", 1], step=np.array(step), window=window))
    signal = np.random.default_rng(0).standard_normal((2, samples, 1)).astype(np.float32)
    starts = range(0, samples - length + 1, step)
    frames = np.stack([signal[:, start : start + length, 0] for start in starts], axis=1) * window.astype(np.float64)
    expected = as_parts(np.fft.rfft(frames))
    found = executable.run({"x": signal})["y"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 * np.abs(expected).max())


@pytest.mark.parametrize("length", [12, 17, 30])
def test_a_transform_and_back(length: int) -> None:
    signal = np.random.default_rng(1).standard_normal((3, 20, 5, 1)).astype(np.float32)
    node = helper.make_node("DFT", ["x", "length", "axis"], ["y"], onesided=1)
    constants = {"length": np.array(length), "axis": np.array(1)}
    found = lamina.compile(model(node, ["batch", 20, 5, 1], **constants)).run({"x": signal})["y"]
    expected = as_parts(np.fft.rfft(signal[..., 0], n=length, axis=1))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)

    back = helper.make_node("DFT", ["x", "length", "axis"], ["y"], onesided=1, inverse=1)
    executable = lamina.compile(model(back, ["batch", length // 2 + 1, 5, 2], **constants))
    expected = np.fft.irfft(np.fft.rfft(signal[..., 0], n=length, axis=1), n=length, axis=1)
    np.testing.assert_allclose(executable.run({"x": found})["y"][..., 0], expected, rtol=0, atol=1e-5)


def test_the_length_must_be_known() -> None:
    node = helper.make_node("DFT", ["x"], ["y"])
    with pytest.raises(UnsupportedOperatorError, match="--dim samples"):
        lamina.compile(model(node, [1, "samples", 1]))


def test_a_matrix_beyond_reason_is_refused() -> None:
    node = helper.make_node("DFT", ["x"], ["y"])
    with pytest.raises(UnsupportedOperatorError, match="MiB"):
        lamina.compile(model(node, [1, 1 << 20, 1]))
