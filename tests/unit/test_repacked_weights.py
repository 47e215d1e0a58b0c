"""The layout of packed weights decides how wide their panels are: another in the text packs them anew."""

from __future__ import annotations

import re
from pathlib import Path

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

# Algorithm ("": a matrix product), attributes, layouts of the weights that it takes on AVX2, and what it refuses.
CASES = {
    "product": ("", {}, ["Ba8b", "Ba24b", "Ba3b"], {"Ab16a": "expected panels of columns such as Ba16b"}),
    "direct": (
        "direct",
        {"pads": [1, 1, 1, 1]},
        ["ABcd8b8a", "ABcd8b48a"],
        {"ABcd8b32a": "do not divide the 48 of y", "ABcd8b12a": "those of y have 8", "ABcd4b16a": "expected ABcd8b16a"},
    ),
    "im2col": ("im2col", {"pads": [1, 1, 1, 1]}, ["Abcd4a", "Abcd6a", "abcd"], {"Acdb6a": "expected Abcd6a"}),
    "indirect": ("indirect", {"pads": [1, 1, 1, 1]}, ["Acdb8a", "Acdb16a"], {"Abcd8a": "expected Acdb8a"}),
    "winograd": ("winograd4", {"pads": [1, 1, 1, 1]}, ["Cab8c", "Cab24c"], {"Cab12c": "those of y have 8"}),
    "depthwise": ("depthwise", {"group": 16}, ["Abcd8a"], {"Abcd4a": "expected Abcd8a"}),
}


def schedule_of(name: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[str, dict[str, np.ndarray]]:
    """The text of the schedule; its constants lie beside it, as --dump-phases leaves them."""
    algorithm, attributes, *_ = CASES[name]
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


def with_layout(text: str, new: str, name_too: bool = False) -> str:
    """The text with another layout of the weights, in whose layout their name ends as well."""
    constant = re.search(r"constant @\S+\.(\w+) : !layout.tensor<[^>]*, (\1)>", text)
    assert constant is not None, text
    line = constant[0].replace(f", {constant[1]}>", f", {new}>")
    if name_too:
        line = line.replace(f".{constant[1]} ", f".{new} ")
    return text.replace(constant[0], line)


@pytest.mark.parametrize("name", CASES)
def test_another_layout_of_the_weights_gives_the_same_bits(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text, feeds = schedule_of(name, monkeypatch, tmp_path)
    (expected,) = outputs(text, tmp_path, feeds)
    for number, new in enumerate(CASES[name][2]):
        edited = with_layout(text, new, name_too=number % 2 == 1)
        if new == "abcd":  # Weights that are not packed leave the decision open.
            edited = edited.replace("tile {", "tile {rows = 6, ", 1)
        (found,) = outputs(edited, tmp_path, feeds)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", CASES)
def test_a_layout_that_the_kernel_does_not_take_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text, feeds = schedule_of(name, monkeypatch, tmp_path)
    for new, message in CASES[name][3].items():
        with pytest.raises(Exception) as caught:
            outputs(with_layout(text, new), tmp_path, feeds)
        failure = describe(caught.value, "lamina")
        assert failure.kind == "failure"
        assert re.match(r".*3-schedule.edited.mlir:\d+:\d+: ", failure.message), failure.message
        assert message in failure.message


@pytest.mark.parametrize("name", ["product", "direct"])
def test_kernels_of_a_text_are_held_against_it_too(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    schedule_of(name, monkeypatch, tmp_path)
    text = (tmp_path / "2-kernel.mlir").read_text()
    for new, message in CASES[name][3].items():
        path = tmp_path / "2-kernel.edited.mlir"
        path.write_text(re.sub(r"(?<=, )(ABcd8b16a|Ba16b)(?=>)", new, text))
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
