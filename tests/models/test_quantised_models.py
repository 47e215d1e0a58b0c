"""Pre-trained models made narrow keep the task's own answer, on real input, here and in onnxruntime."""

from __future__ import annotations

import sys
from pathlib import Path

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.benchmarks.models import ModelUnavailable, real_model
from lamina.benchmarks.networks import NETWORKS
from lamina.benchmarks.ocr import DETECTOR, READER, draw_page, read_page
from PIL import Image
from sklearn.datasets import load_sample_images

ROOT = Path(__file__).parents[2]
WINDOW = 1024
PADDING = 256


def locate(name: str) -> Path:
    try:
        return real_model(name)
    except ModelUnavailable as error:
        pytest.skip(str(error))


def open_onnxruntime(model: Path | onnx.ModelProto) -> onnxruntime.InferenceSession:
    content = model.read_bytes() if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def content_of(file: Path) -> np.ndarray:
    """What magika reads of a file: the first and the last bytes."""
    data = file.read_bytes().strip()
    first, last = (np.frombuffer(part, np.uint8) for part in (data[:WINDOW], data[-WINDOW:]))
    result = np.full(2 * WINDOW, PADDING, np.int32)
    result[: len(first)] = first
    result[len(result) - len(last) :] = last
    return result


def files() -> np.ndarray:
    """Python, Markdown, TOML, a makefile, a licence and a program."""
    some = [*sorted(ROOT.glob("*.py"))[:6], *sorted(ROOT.glob("docs/*.md"))[:6]]
    others = [ROOT / name for name in ("pyproject.toml", "Makefile", "LICENSE")]
    return np.stack([content_of(file) for file in [*some, *others, Path(sys.executable).resolve()]])


@pytest.mark.parametrize(
    ("to", "budget"),
    [pytest.param("int8-dynamic", None), pytest.param("int8", 0.02, marks=pytest.mark.slow)],
)
def test_kinds_of_files(to: str, budget: float | None) -> None:
    model, contents = locate("magika"), files()
    samples = [{"bytes": contents[row : row + 1]} for row in range(0, len(contents), 2)]
    quantised = lamina.quantize(model, to=to, data=samples, budget=budget, all_layers=True)
    assert quantised.report.narrow
    (exact,) = open_onnxruntime(model).run(None, {"bytes": contents})
    (theirs,) = open_onnxruntime(quantised.model).run(None, {"bytes": contents})
    (ours,) = lamina.compile(quantised.model).run({"bytes": contents}).values()
    assert (ours.argmax(-1) == exact.argmax(-1)).all()
    assert (theirs.argmax(-1) == exact.argmax(-1)).all()


def test_products_in_subgraphs_stay_and_say_so() -> None:
    """All of this speech detector lies in a branch."""
    model = locate("silero_vad")
    feeds = NETWORKS["silero_vad"].feeds()
    quantised = lamina.quantize(model, to="int8-dynamic")
    assert not quantised.report.narrow
    assert {layer.reason[:24] for layer in quantised.report.layers} == {"it lies in a subgraph of"}
    names = [output.name for output in quantised.model.graph.output]
    exact, same = open_onnxruntime(model).run(names, feeds), open_onnxruntime(quantised.model).run(names, feeds)
    assert all(np.array_equal(left, right) for left, right in zip(exact, same))


def crops(photograph: np.ndarray, count: int, seed: int) -> list[dict[str, np.ndarray]]:
    """Squares of a photograph as the detector takes them."""
    rng = np.random.default_rng(seed)
    feeds = []
    for _ in range(count):
        size = int(rng.integers(220, 420))
        top, left = (int(rng.integers(0, extent - size)) for extent in photograph.shape[:2])
        square = Image.fromarray(photograph[top : top + size, left : left + size]).resize((320, 320))
        feeds.append({"images": np.asarray(square, np.float32).transpose(2, 0, 1)[None] / 255})
    return feeds


@pytest.mark.slow
def test_detections_in_photographs() -> None:
    """A detector of 18 classes, fitted to some squares, looks at others: what it thinks likeliest it calls the same."""
    model, photographs = locate("nudenet"), load_sample_images().images
    quantised = lamina.quantize(model, data=[feeds for photograph in photographs for feeds in crops(photograph, 4, 0)])
    assert len(quantised.report.narrow) > 50
    theirs, ours = open_onnxruntime(quantised.model), lamina.compile(quantised.model)
    session = open_onnxruntime(model)
    for feeds in [feeds for photograph in photographs for feeds in crops(photograph, 2, 9)]:
        (exact,) = session.run(None, feeds)
        likeliest = np.argsort(-exact[0, 4:].max(0))[:5]
        for found in (theirs.run(None, feeds)[0], next(iter(ours.run(feeds).values()))):
            assert (found * exact).sum() >= 0.99 * np.linalg.norm(found) * np.linalg.norm(exact)
            assert (found[0, 4:, likeliest].argmax(-1) == exact[0, 4:, likeliest].argmax(-1)).all()


@pytest.mark.slow
def test_text_of_a_page() -> None:
    """Both networks in 8 bits, fitted to two pages, read a third."""
    sessions = {name: open_onnxruntime(locate(name)) for name in (DETECTOR, READER)}
    seen: dict[str, list] = {name: [] for name in sessions}

    def exact(name: str, x: np.ndarray) -> np.ndarray:
        seen[name].append({"x": x})
        return sessions[name].run(None, {"x": x})[0]

    pages = [["The quick brown fox", "jumps over 12 dogs"], ["ABCDEFG 0123456789", "hello world"]]
    for lines in pages:
        read_page(draw_page(lines), exact)
    quantised = {name: lamina.quantize(locate(name), data=list(seen[name])).model for name in sessions}
    assert all(sum(node.op_type == "QuantizeLinear" for node in model.graph.node) > 40 for model in quantised.values())
    page = draw_page(["Numbers at full speed", "Zebra quickly vexed"])
    wanted = text_of(read_page(page, exact))
    theirs = {name: open_onnxruntime(model) for name, model in quantised.items()}
    ours = {name: lamina.compile(model) for name, model in quantised.items()}
    assert text_of(read_page(page, lambda name, x: theirs[name].run(None, {"x": x})[0])) == wanted
    assert text_of(read_page(page, lambda name, x: next(iter(ours[name].run({"x": x}).values())))) == wanted


def text_of(lines: list) -> list[str]:
    """Without spaces, of which the networks are unsure themselves."""
    return [line.text.replace(" ", "") for line in lines]
