"""The ways that a schedule can send a contraction through memory give the results of the plain one."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lamina.cli.level_text import LevelText
from lamina.compiler import compile_module, import_for
from lamina.pipeline import PipelineOptions, compile_through
from one_node import model_of

RNG = np.random.default_rng(0)
B = RNG.standard_normal((29, 41)).astype(np.float32)
WEIGHTS = RNG.standard_normal((48, 16, 3, 3)).astype(np.float32) / 12

PRODUCT_EDITS = ["k block 8", "k block 29", "k block 1", "m chunks 3, k block 16"]
FETCHES = ["prefetch true", "m chunks 3, k block 8, prefetch true"]
COPIES = [*PRODUCT_EDITS, "pack true", "k block 10, pack true"]
DEPTH_EDITS = [
    f"m tile {rows} chunks {chunks}, n tile {columns}, k lanes {lanes}"
    for rows, columns, lanes, chunks in ((1, 1, 8, 1), (4, 3, 16, 2), (5, 2, 12, 1), (3, 6, 64, 4))
]
COPIED_EDITS = [f"{edit}, pack true" for edit in DEPTH_EDITS]
DEPTH_EDITS.append("m tile 3, n tile 9, k lanes 16 rows 4 columns 2")
STRIPS = [f"strip {pixels}" for pixels in (1, 7, 24, 40, 1000)]
"""Pixels that divide neither rows nor tiles, and more than there are."""


def schedule_of(model: Any, folder: Path, winograd_error: float = 0.0) -> str:
    module, context = import_for(model.SerializeToString(), target="avx2", winograd_error=winograd_error)
    compile_through(module, context, stop="schedule", options=PipelineOptions(dump_folder=folder))
    return (folder / "3-schedule.mlir").read_text()


def with_decisions(text: str, kernel: str, decisions: str, whole: bool = False) -> str:
    """With these decisions beside the ones that are there, or in their place."""
    (line,) = [line for line in text.splitlines() if kernel in line]
    found = re.search(r"plan \{(.*?)\}", line)
    assert found is not None
    kept = "" if whole else f", {found[1]}"
    return text.replace(line, line.replace(found[0], f"plan {{{decisions}{kept}}}"))


def output(text: str, folder: Path, feeds: dict[str, np.ndarray]) -> np.ndarray:
    path = folder / "3-schedule.edited.mlir"
    path.write_text(text)
    with LevelText(path, "schedule", folder / "constants.npz").opened("avx2", 3.0, "flush") as (module, context):
        options = PipelineOptions(checked=True)
        (result,) = compile_module(module, context, start="schedule", threads=2, options=options).run(feeds).values()
    return result


@pytest.mark.parametrize("form", ["packed", "given", "transposed"])
def test_blocks_of_depth_and_copies_of_b(form: str, tmp_path: Path) -> None:
    shapes: dict[str, list[Any]] = {"a": ["M", 29]}
    given = B.T.copy() if form == "transposed" else B
    if form != "packed":
        shapes["b"] = list(given.shape)
    attributes = {"transB": 1} if form == "transposed" else {}
    weights = {"b": B} if form == "packed" else {}
    text = schedule_of(model_of("Gemm" if attributes else "MatMul", shapes, weights, **attributes), tmp_path)
    for rows in (0, 1, 5, 23):
        a = np.random.default_rng(rows).standard_normal((rows, 29)).astype(np.float32)
        feeds = {"a": a} if form == "packed" else {"a": a, "b": given}
        for edit in [*PRODUCT_EDITS, *FETCHES] if form == "packed" else COPIES:
            found = output(with_decisions(text, "kernel.gemm", edit), tmp_path, feeds)
            np.testing.assert_allclose(found, a.astype(np.float64) @ B, rtol=1e-4, atol=1e-5, err_msg=edit)


def test_copies_that_the_first_rows_make(tmp_path: Path) -> None:
    """Of a B that is given, whose next rows are fetched meanwhile."""
    text = schedule_of(model_of("MatMul", {"a": [23, 29], "b": list(B.shape)}, {}), tmp_path)
    a = RNG.standard_normal((23, 29)).astype(np.float32)
    edits = ["pack_along true", "k block 10, pack_along true, prefetch true", "m chunks 3, k block 8, prefetch true"]
    for edit in [*edits, "m chunks 8, pack_along true, prefetch true"]:
        found = output(with_decisions(text, "kernel.gemm", f"{edit}, pack true"), tmp_path, {"a": a, "b": B})
        np.testing.assert_allclose(found, a.astype(np.float64) @ B, rtol=1e-4, atol=1e-5, err_msg=edit)
    with pytest.raises(Exception, match="pack_along true, but the first tile of rows reads no rows"):
        output(with_decisions(text, "kernel.gemm", "pack_along true"), tmp_path, {"a": a, "b": B})
    with pytest.raises(Exception, match="prefetch true, but B is neither packed nor copied"):
        output(with_decisions(text, "kernel.gemm", "prefetch true"), tmp_path, {"a": a, "b": B})


@pytest.mark.parametrize(
    ("size", "shape"), [(3, (2, 16, 8, 9)), (1, (2, 16, 5, 7)), (1, ("N", 16, "H", 7)), (3, (2, 16, 1, "W"))]
)
def test_strips_of_a_direct_convolution(
    size: int, shape: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamina.passes.kernel.choose_algorithms.applicable_algorithms", lambda *_: ["direct"])
    weights, pads = WEIGHTS[:, :, :size, :size].copy(), [size // 2] * 4
    text = schedule_of(model_of("Conv", {"x": list(shape)}, {"w": weights}, pads=pads), tmp_path)
    x = RNG.standard_normal([{"N": 3, "H": 3, "W": 45}.get(size, size) for size in shape]).astype(np.float32)
    expected = output(text, tmp_path, {"x": x})
    text = re.sub(r", strip \d+", "", text)
    copied = [f"{strip}, pack true" for strip in STRIPS] if size == 1 else []
    for edit in [*STRIPS, *copied, "prefetch true"]:
        found = output(with_decisions(text, "kernel.conv direct", edit), tmp_path, {"x": x})
        np.testing.assert_array_equal(found, expected, err_msg=edit)


@pytest.mark.parametrize("form", ["one column", "transposed", "tall and transposed", "copied"])
def test_lanes_along_the_depth(form: str, tmp_path: Path) -> None:
    """Tiles that do not divide the product, vectors that do not divide the depth, and one longer than it."""
    b = B[:, :1] if form == "one column" else B
    columns, attributes = b.shape[1], {"transB": 1} if "transposed" in form else {}
    shapes: dict[str, list[Any]] = {"a": ["M", 29], "b": [columns, 29] if attributes else [29, columns]}
    if form == "tall and transposed":
        shapes["a"] = [23, "K"]
        shapes["b"] = ["N", "K"]
    text = schedule_of(model_of("Gemm", shapes, **attributes), tmp_path)
    for rows in (23,) if form == "tall and transposed" else (0, 1, 5, 23):
        a = np.random.default_rng(rows).standard_normal((rows, 29)).astype(np.float32)
        feeds = {"a": a, "b": b.T.copy() if attributes else b.copy()}
        for edit in COPIED_EDITS if form == "copied" else DEPTH_EDITS:
            found = output(with_decisions(text, "kernel.gemm", edit, whole=True), tmp_path, feeds)
            np.testing.assert_allclose(found, a.astype(np.float64) @ b, rtol=1e-4, atol=1e-5, err_msg=edit)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("k lanes 8", "needs columns of B whose elements lie side by side, and those in ab lie apart"),
        ("k lanes 8 block 16", "all of the depth at once, one product a lane: no k block or atom"),
        ("k rows 8", "k lanes 0, and k rows or k columns say what lanes along the depth do"),
    ],
)
def test_what_lies_otherwise_is_not_read_along_the_depth(edit: str, message: str, tmp_path: Path) -> None:
    text = schedule_of(model_of("MatMul", {"a": ["M", 29], "b": [29, 41]}), tmp_path)
    with pytest.raises(Exception, match=message):
        output(with_decisions(text, "kernel.gemm", edit), tmp_path, {"a": B[:, :29], "b": B})


OUTER_AXES = {
    "gemm": ["b", "n", "m"], "direct": ["oc", "n", "oh"], "depthwise": ["c", "n", "oh"], "winograd4": ["t", "oc"],
    "im2col": ["n", "p", "oc"], "indirect": ["n", "p", "oc"],
}  # fmt: skip
CHUNKS = {"gemm": "m chunks 3, ", "im2col": "oc chunks 3, ", "indirect": "oc chunks 3, "}


def walked(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, dict[str, np.ndarray]]:
    """A model of one kernel, and what it is run on."""
    if algorithm == "gemm":
        model = model_of("MatMul", {"a": [2, "M", 29], "b": [2, 29, 41]})
        return model, {"a": RNG.standard_normal((2, 23, 29)).astype(np.float32), "b": np.stack([B, B[::-1]])}
    monkeypatch.setattr("lamina.passes.kernel.choose_algorithms.applicable_algorithms", lambda *_: [algorithm])
    weights, attributes = (WEIGHTS[:16, :1], {"group": 16}) if algorithm == "depthwise" else (WEIGHTS, {})
    model = model_of("Conv", {"x": [2, 16, 8, 9]}, {"w": weights.copy()}, pads=[1] * 4, **attributes)
    return model, {"x": RNG.standard_normal((2, 16, 8, 9)).astype(np.float32)}


@pytest.mark.parametrize("algorithm", OUTER_AXES)
def test_the_order_of_the_axes_changes_no_bit(algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, feeds = walked(algorithm, monkeypatch)
    text = re.sub(r", threads \[oc\]|(?<= )chunks \d+", "", schedule_of(model, tmp_path, 1e9))
    kernel = "kernel.gemm" if algorithm == "gemm" else f"kernel.conv {algorithm}"
    axes, chunks = OUTER_AXES[algorithm], CHUNKS.get(algorithm, "")
    orders = [axes] if algorithm == "winograd4" else list(itertools.permutations(axes))
    edits = [f"{chunks}order [{', '.join(order)}]" for order in orders]
    edits += [f"{edit}, threads [{axis}]" for edit in edits[::3] for axis in axes]
    expected = output(text, tmp_path, feeds)
    for edit in edits:
        found = output(with_decisions(text, kernel, edit), tmp_path, feeds)
        np.testing.assert_array_equal(found, expected, edit)


def test_what_is_packed_is_not_copied_again(tmp_path: Path) -> None:
    text = schedule_of(model_of("MatMul", {"a": ["M", 29]}, {"b": B}), tmp_path)
    with pytest.raises(Exception, match="pack true, but B is packed already"):
        output(with_decisions(text, "kernel.gemm", "pack true"), tmp_path, {"a": B[:, :29]})
