"""Fourier transforms as machine code, against NumPy's fast transform in float64."""

from __future__ import annotations

import lamina
import numpy as np
import onnx
import pytest
from lamina.errors import LaminaError, UnsupportedOperatorError
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


LENGTHS = (1, 2, 3, 8, 9, 100)


@pytest.mark.parametrize("components", [1, "parts"])
def test_a_transform_of_any_length(components: int | str) -> None:
    numbers = np.random.default_rng(2)
    there, back = (
        lamina.compile(model(helper.make_node("DFT", ["x", "", "axis"], ["y"], inverse=inverse),
                             [2, "n", 3, components], axis=np.array(1)), threads=1)
        for inverse in (0, 1)
    )  # fmt: skip
    for length in LENGTHS:
        for parts in [components] if isinstance(components, int) else (1, 2):
            x = numbers.standard_normal((2, length, 3, parts)).astype(np.float32)
            signal = x[..., 0] + (1j * x[..., 1] if parts == 2 else 0)
            atol = 2e-6 * length
            spectrum = there.run({"x": x})["y"]
            np.testing.assert_allclose(spectrum, as_parts(np.fft.fft(signal, axis=1)), rtol=0, atol=atol)
            np.testing.assert_allclose(
                back.run({"x": x})["y"], as_parts(np.fft.ifft(signal, axis=1)), rtol=0, atol=atol
            )


def test_half_a_spectrum_of_any_length_and_back() -> None:
    numbers = np.random.default_rng(3)
    there = lamina.compile(model(helper.make_node("DFT", ["x"], ["y"], onesided=1), [2, "n", 1]), threads=1)
    back = lamina.compile(model(helper.make_node("DFT", ["x"], ["y"], onesided=1, inverse=1), [2, "n", 2]), threads=1)
    for length in LENGTHS:
        x = numbers.standard_normal((2, length, 1)).astype(np.float32)
        spectrum = np.fft.rfft(x[..., 0], axis=1)
        np.testing.assert_allclose(there.run({"x": x})["y"], as_parts(spectrum), rtol=0, atol=2e-6 * length)
        if length > 1:
            expected = np.fft.irfft(spectrum, axis=1)[..., None]
            found = back.run({"x": as_parts(spectrum).astype(np.float32)})["y"]
            np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("length", [5, 6])
def test_a_given_length_cuts_or_fills_an_axis_of_free_size(length: int) -> None:
    node = helper.make_node("DFT", ["x", "length", "axis"], ["y"])
    executable = lamina.compile(model(node, ["n", 2, 1], length=np.array(length), axis=np.array(0)), threads=1)
    for size in (0, 1, 5, 9):
        x = np.random.default_rng(size).standard_normal((size, 2, 1)).astype(np.float32)
        expected = as_parts(np.fft.fft(x[..., 0], n=length, axis=0) if size else np.zeros((length, 2)))
        np.testing.assert_allclose(executable.run({"x": x})["y"], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("onesided", [0, 1])
def test_frames_of_signals_that_may_be_complex(onesided: int) -> None:
    node = helper.make_node("STFT", ["x", "step", "", "length"], ["y"], onesided=onesided)
    dims = [2, "n", "parts"]
    executable = lamina.compile(model(node, dims, step=np.array(3), length=np.array(8)), threads=1)
    for samples, parts in ((8, 1), (17, 2)):
        x = np.random.default_rng(4).standard_normal((2, samples, parts)).astype(np.float32)
        signal = x[..., 0] + (1j * x[..., 1] if parts == 2 else 0)
        frames = np.stack([signal[:, start : start + 8] for start in range(0, samples - 7, 3)], axis=1)
        expected = np.fft.fft(frames)[..., : 5 if onesided else 8]
        np.testing.assert_allclose(executable.run({"x": x})["y"], as_parts(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dims", [[1, 0, 1], [1, "samples", 1]])
def test_there_is_no_transform_of_nothing(dims: list[int | str]) -> None:
    with pytest.raises(LaminaError, match=r"the length of the transform .*must be at least 1"):
        lamina.compile(model(helper.make_node("DFT", ["x"], ["y"]), dims)).run({"x": np.zeros((1, 0, 1), np.float32)})


def test_the_length_must_be_known() -> None:
    node = helper.make_node("DFT", ["x", "length"], ["y"])
    proto = model(node, [1, "samples", 1])
    proto.graph.input.append(helper.make_tensor_value_info("length", TensorProto.INT64, []))
    with pytest.raises(UnsupportedOperatorError, match="the length"):
        lamina.compile(proto)


@pytest.mark.parametrize("length", [128, 360, 509, 662, 1000, 4096])
def test_long_transforms_go_by_factors(length: int) -> None:
    """Powers of two, lengths of several primes, one prime, and one with a long factor: there and back, and one side."""
    numbers = np.random.default_rng(length)
    for parts, fields in ((1, {}), (2, {}), (2, {"inverse": 1}), (1, {"onesided": 1})):
        x = numbers.standard_normal((2, length, 3, parts)).astype(np.float32)
        signal = x[..., 0] + (1j * x[..., 1] if parts == 2 else 0)
        transform = np.fft.ifft if "inverse" in fields else np.fft.rfft if "onesided" in fields else np.fft.fft
        expected = as_parts(transform(signal, axis=1))
        proto = model(
            helper.make_node("DFT", ["x", "", "axis"], ["y"], **fields), ["n", length, 3, parts], axis=np.array(1)
        )
        found = lamina.compile(proto, threads=1).run({"x": x})["y"]
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
    back = helper.make_node("DFT", ["x", "length", "axis"], ["y"], inverse=1, onesided=1)
    constants = {"length": np.array(length), "axis": np.array(-2)}
    half = numbers.standard_normal((2, length // 2 + 1, 2)).astype(np.float32)
    found = lamina.compile(model(back, [2, length // 2 + 1, 2], **constants)).run({"x": half})["y"]
    expected = np.fft.irfft(half[..., 0] + 1j * half[..., 1], n=length, axis=1)
    np.testing.assert_allclose(found[..., 0], expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("samples", [1024, 3000])
def test_long_frames_go_by_factors(samples: int) -> None:
    window = np.hanning(1024).astype(np.float32)
    node = helper.make_node("STFT", ["x", "step", "window"], ["y"])
    executable = lamina.compile(model(node, ["batch", "samples", 1], step=np.array(300), window=window))
    signal = np.random.default_rng(0).standard_normal((2, samples, 1)).astype(np.float32)
    starts = range(0, samples - 1023, 300)
    frames = np.stack([signal[:, start : start + 1024, 0] for start in starts], axis=1) * window.astype(np.float64)
    expected = as_parts(np.fft.rfft(frames))
    found = executable.run({"x": signal})["y"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 * np.abs(expected).max())
