"""Indexed movement, sampling, transposed convolutions and Fourier transforms of one node each, on one thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from rich.table import Table

from ...cli.timing import measure_in_turn
from .speed import both_engines


@dataclass(frozen=True)
class Case:
    """One node and its inputs."""

    name: str
    model: onnx.ModelProto
    feeds: dict[str, np.ndarray]


def cases() -> list[Case]:
    return [*_movement(), *_transposed(), *_sampled(), *_fourier()]


def _case(
    name: str, operator: str, feeds: dict[str, np.ndarray], kept: dict[str, np.ndarray] | None = None, **options: Any
) -> Case:
    kept = kept or {}
    opset, names = options.pop("opset", 20), options.pop("order", [*feeds, *kept])
    node = helper.make_node(operator, names, ["y"], **options)
    inputs = [
        helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for key, array in feeds.items()
    ]
    constants = [numpy_helper.from_array(array, key) for key, array in kept.items()]
    graph = helper.make_graph([node], "node", inputs, [onnx.ValueInfoProto(name="y")], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return Case(f"{operator}, {name}", model, feeds)


def _numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape, dtype=np.float32)


def _places(most: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(most).integers(0, most, shape)


def _movement() -> list[Case]:
    rows = np.random.default_rng(0).permutation(1000)[:500].reshape(-1, 1)
    pooled = np.arange(64 * 56 * 56).reshape(1, 64, 56, 56)
    unpooled = pooled // 56 * 224 + pooled % 56 * 2
    return [
        _case("500 of 1,000 rows of 64", "ScatterND", {"x": _numbers(1000, 64), "i": rows, "u": _numbers(500, 64)}),
        _case("10,000 of 256 x 256", "ScatterND",
              {"x": _numbers(256, 256), "i": _places(256, 10000, 2), "u": _numbers(10000)}),
        _case("add, 20,000 x 64 into 1,000", "ScatterElements",
              {"x": _numbers(1000, 64), "i": _places(1000, 20000, 64), "u": _numbers(20000, 64)},
              axis=0, reduction="add"),
        _case("5,000 of 100 x 100 x 64", "GatherND", {"x": _numbers(100, 100, 64), "i": _places(100, 5000, 2)}),
        _case("56 x 56, 64 channels", "MaxUnpool", {"x": _numbers(1, 64, 56, 56), "i": unpooled},
              kernel_shape=[2, 2], strides=[2, 2]),
    ]  # fmt: skip


def _transposed() -> list[Case]:
    sizes = [
        (21, 21, 16, 8, 32, 4), (96, 3, 11, 4, 55, 2), (64, 32, 4, 2, 56, 1), (256, 128, 4, 2, 14, 1),
        (64, 32, 3, 2, 56, 1), (128, 64, 2, 2, 32, 0),
    ]  # fmt: skip
    return [
        _case(
            f"{kernel} x {kernel} by {stride}, {channels} -> {results} of {size} x {size}",
            "ConvTranspose",
            {"x": _numbers(1, channels, size, size)},
            {"w": _numbers(channels, results, kernel, kernel)},
            strides=[stride] * 2,
            pads=[pad] * 4,
        )
        for channels, results, kernel, stride, size, pad in sizes
    ]


def _sampled() -> list[Case]:
    rng = np.random.default_rng(1)
    low, high = rng.uniform(0, 400, (200, 2)), rng.uniform(450, 800, (200, 2))
    regions = {"r": np.concatenate([low, high], 1).astype(np.float32), "b": np.zeros(200, np.int64)}
    scaled = {"order": ["x", "", "s"]}
    half = {"s": np.array([1, 1, 0.4375, 0.4375], np.float32)}
    grids = [("64 x 64, 64 channels", 64, 64, "linear"), ("256 x 256, 3 channels", 3, 256, "linear"),
             ("64 x 64, 16 channels, cubic", 16, 64, "cubic")]  # fmt: skip
    return [
        *(
            _case(name, "GridSample", {
                "x": _numbers(1, channels, size, size),
                "g": rng.uniform(-1.1, 1.1, (1, size, size, 2)).astype(np.float32),
            }, mode=mode)
            for name, channels, size, mode in grids
        ),
        *(
            _case(f"200 regions, {samples or 'as many as needed'} samples", "RoiAlign",
                  {"x": _numbers(1, 256, 50, 50), **regions},
                  output_height=7, output_width=7, sampling_ratio=samples, spatial_scale=1 / 16, opset=16)
            for samples in (2, 0)
        ),
        _case("cubic, 128 -> 256", "Resize", {"x": _numbers(1, 3, 128, 128)},
              {"s": np.array([1, 1, 2, 2], np.float32)}, mode="cubic", **scaled),
        *(
            _case(f"{mode} antialiased, 512 -> 224", "Resize", {"x": _numbers(1, 3, 512, 512)}, half,
                  mode=mode, antialias=1, **scaled)
            for mode in ("linear", "cubic")
        ),
    ]  # fmt: skip


def _fourier() -> list[Case]:
    window = {"step": np.array(512), "window": np.hanning(2048).astype(np.float32)}
    return [
        *(_case(f"{length} numbers", "DFT", {"x": _numbers(1, length, 1)}) for length in (400, 1000, 4096, 4099)),
        _case("4,096 complex numbers", "DFT", {"x": _numbers(1, 4096, 2)}),
        _case("frames of 2,048 of 44,100", "STFT", {"x": _numbers(1, 44100, 1)}, window, opset=17),
    ]


def measure(seconds: float, progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """A row a node: milliseconds by engine. ``progress`` is called with each row."""
    rows = []
    for case in cases():
        runners = both_engines(case.model, case.feeds)
        times = measure_in_turn(runners, seconds).statistics
        row = {"name": case.name, **{name: times[name]["p50_ms"] for name in runners}}
        rows.append(row)
        progress(row)
    return {"rows": rows}


def table(result: dict[str, Any]) -> Table:
    shown = Table("node", title="indexed movement, sampling and transforms, one thread, ms")
    for column in ("Lamina", "onnxruntime", "times as fast"):
        shown.add_column(column, justify="right")
    for row in result["rows"]:
        ours, theirs = row["lamina"], row["onnxruntime"]
        shown.add_row(row["name"], f"{ours:.3f}", f"{theirs:.3f}", f"{theirs / ours:.2f}")
    return shown
