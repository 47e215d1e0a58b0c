"""A decision of the stage says how wide the panels of its weights are: another in the text packs them anew."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lamina.cli.failures import describe
from lamina.cli.level_text import LevelText
from lamina.compiler import compile_module, import_for
from lamina.context import CompilerContext, ConstantStore
from lamina.dialects.layout_algebra import Layout
from lamina.errors import OperationError
from lamina.passes.schedule.pack_constants import pack_constants
from lamina.pipeline import PipelineOptions, compile_through
from one_node import model_of
from xdsl.parser import Parser

IMAGE = np.random.default_rng(1).standard_normal((1, 16, 8, 9)).astype(np.float32)
MATRIX = np.random.default_rng(2).standard_normal((5, 24)).astype(np.float32)

PADDED = {"pads": [1, 1, 1, 1]}


@dataclass
class Case:
    """A kernel on AVX2 (algorithm "": a matrix product of 41 columns; others have 48 channels of blocks of 8)."""

    algorithm: str
    attributes: dict[str, Any]
    panel: str
    """The decision that says how wide panels are."""
    widths: list[int]
    refused_widths: dict[int, str]
    layouts: list[str]
    """That say the same in the type of the weights."""
    refused_layouts: dict[str, str]


CASES = {
    "product": Case(
        "", {}, "n tile", [8, 24, 3, 64], {0: "n tile 0, expected 1 to 128"}, ["Ba24b", "ab"],
        {"Ab16a": "expected panels of columns such as Ba16b"},
    ),
    "direct": Case(
        "direct", PADDED, "oc blocks", [1, 3, 6], {4: "do not divide the 48 of y", 99: "expected 1 to 64"},
        ["ABcd8b48a"], {"ABcd8b12a": "those of y have 8", "ABcd4b16a": "expected ABcd8b16a"},
    ),
    "im2col": Case(
        "im2col", PADDED, "oc tile", [4, 6, 9], {65: "oc tile 65, expected 1 to 64"}, ["Abcd4a", "abcd"],
        {"Acdb6a": "expected Abcd6a"},
    ),
    "indirect": Case(
        "indirect", PADDED, "oc tile", [8, 16, 48], {-8: "oc tile -8, expected 1 to 128"}, ["Acdb8a"],
        {"Abcd8a": "expected Acdb8a"},
    ),
    "winograd": Case(
        "winograd4", PADDED, "oc blocks", [1, 3], {5: "do not divide the 48 of y"}, ["Cab24c"],
        {"Cab12c": "those of y have 8"},
    ),
    "depthwise": Case("depthwise", {"group": 16}, "", [], {}, ["Abcd8a"], {"Abcd4a": "expected Abcd8a"}),
}  # fmt: skip


def schedule_of(name: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[str, dict[str, np.ndarray]]:
    """The text of the schedule; its constants lie beside it, as --dump-phases leaves them."""
    algorithm, attributes = CASES[name].algorithm, CASES[name].attributes
    rng = np.random.default_rng(0)
    if algorithm:
        path = "lamina.passes.kernel.choose_algorithms.applicable_algorithms"
        monkeypatch.setattr(path, lambda *_: [algorithm])
        shape = (16, 1, 3, 3) if algorithm == "depthwise" else (48, 16, 3, 3)
        weights = {"w": rng.standard_normal(shape).astype(np.float32) / 12}
        model = model_of("Conv", {"x": list(IMAGE.shape)}, weights, **attributes)
        feeds = {"x": IMAGE}
    else:
        weights = {"w": rng.standard_normal((24, 41)).astype(np.float32)}
        model, feeds = model_of("MatMul", {"x": ["N", 24]}, weights), {"x": MATRIX}
    module, context = import_for(model.SerializeToString(), target="avx2", winograd_error=1e9)
    compile_through(module, context, stop="schedule", options=PipelineOptions(dump_folder=folder))
    return (folder / "3-schedule.mlir").read_text(), feeds


def outputs(text: str, folder: Path, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    path = folder / "3-schedule.edited.mlir"
    path.write_text(text)
    level = LevelText(path, "schedule", folder / "constants.npz")
    with level.opened("avx2", 3.0, "flush") as (module, context):
        options = PipelineOptions(checked=True)
        return list(compile_module(module, context, start="schedule", threads=2, options=options).run(feeds).values())


def with_width(text: str, panel: str, width: int) -> str:
    edited, count = re.subn(rf"\b{panel} \d+", f"{panel} {width}", text)
    assert count == 1, text
    return edited


def with_layout(text: str, panel: str, layout: str) -> str:
    """The text with the layout of the weights in their type, and not in the plan; nothing there says row-major."""
    said = "" if layout in ("ab", "abcd") else f", {layout}"
    edited, count = re.subn(
        r"(constant @w\.\S+)(?: packed)? : (!layout.tensor<[^>]*?)(?:, \w+)?>", rf"\1 : \2{said}>", text
    )
    assert count == 1, text
    # Weights that are not packed leave the decision open.
    return _without(edited, panel) if said and panel else edited


def _without(text: str, decision: str) -> str:
    """The text without a decision, and without its axis where no other decision of it is said."""
    axis, word = decision.split(" ")
    text = re.sub(rf"\b{axis} {word} \d+(?=[,}}])(, )?|, {axis} {word} \d+(?=[,}}])", "", text)
    return re.sub(rf"\b{axis} {word} \d+ (?=\w)", f"{axis} ", text)


@pytest.mark.parametrize("name", CASES)
def test_other_panels_give_the_same_results(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text, feeds = schedule_of(name, monkeypatch, tmp_path)
    case = CASES[name]
    (expected,) = outputs(text, tmp_path, feeds)
    edits = [with_width(text, case.panel, width) for width in case.widths]
    for edited in edits + [with_layout(text, case.panel, layout) for layout in case.layouts]:
        (found,) = outputs(edited, tmp_path, feeds)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", CASES)
def test_panels_that_the_kernel_does_not_take_are_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text, feeds = schedule_of(name, monkeypatch, tmp_path)
    case = CASES[name]
    edits = [(with_width(text, case.panel, width), message) for width, message in case.refused_widths.items()]
    edits += [(with_layout(text, case.panel, layout), message) for layout, message in case.refused_layouts.items()]
    for edited, message in edits:
        with pytest.raises(Exception) as caught:
            outputs(edited, tmp_path, feeds)
        failure = describe(caught.value, "lamina")
        assert failure.kind == "failure"
        assert re.match(r".*3-schedule.edited.mlir:\d+:\d+: ", failure.message), failure.message
        assert message in failure.message


@pytest.mark.parametrize("name", ["product", "direct"])
def test_kernels_of_a_text_are_held_against_it_too(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    schedule_of(name, monkeypatch, tmp_path)
    text = (tmp_path / "2-kernel.mlir").read_text()
    for new, message in CASES[name].refused_layouts.items():
        path = tmp_path / "2-kernel.edited.mlir"
        path.write_text(re.sub(r"(?<=, )(ABcd8b\d+a|Ba\d+b)(?=>)", new, text))
        level = LevelText(path, "kernel", tmp_path / "constants.npz")
        with pytest.raises(Exception, match=message), level.opened("avx2", 3.0, "flush"):
            pass


@pytest.mark.parametrize(
    ("held", "name", "type_", "message"),
    [
        ("ab", "w", "3 x 2 x f32", "the array 'w' is float32[2, 3], which does not fit"),
        ("Ba2b", "w", "2 x 5 x f32, Ba4b", "the array 'w' is float32[2, 2, 2] in layout Ba2b, which does not fit"),
        ("ab", "v.Ba2b", "2 x 3 x f32, Ba2b", "no constant is called 'v.Ba2b'"),
        ("ab", "w", "N x 3 x f32", "constant @w has a size that is not known"),
    ],
)
def test_an_array_that_does_not_fit_is_named(held: str, name: str, type_: str, message: str) -> None:
    store, layout = ConstantStore(), Layout(held)
    store.add(layout.pack(np.ones((2, 3), np.float32)), "w", layout)
    text = f"func.func @f() {{ %w = schedule.buffer constant @{name} : !layout.tensor<{type_}> func.return }}"
    with pytest.raises(OperationError) as caught:
        pack_constants(Parser(CompilerContext(), text).parse_module(), store)
    assert message in str(caught.value)


def test_a_store_keeps_the_layouts_of_its_arrays(tmp_path: Path) -> None:
    store, layout = ConstantStore(), Layout("ab", (0, 1), (0, 1), halo=True)
    store.add(layout.pack(np.ones((2, 3), np.float32)), "w", layout)
    store.save(tmp_path / "constants.npz")
    for other in (store.copy(), ConstantStore.load(tmp_path / "constants.npz")):
        assert other.layout_of("w") == layout
