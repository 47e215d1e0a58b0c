"""Mistakes of somebody who edits a text by hand: each is said to be the text's, and where; what compiles is right.

``LAMINA_FUZZ=20000`` tries so many cases, as for models.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from lamina.cli.failures import describe
from lamina.cli.level_text import LevelText
from lamina.compiler import compile_module, import_for
from lamina.errors import LaminaError
from lamina.interpreters.module import interpret_module
from lamina.pipeline import PHASE_NAMES, PipelineOptions, compile_through
from onnx import TensorProto, helper, numpy_helper
from text_mutations import mistaken

CASES = int(os.environ.get("LAMINA_FUZZ", "120"))
FIRST = int(os.environ.get("LAMINA_FUZZ_SEED", "1"))
PHASES = PHASE_NAMES[:5]
FEEDS = {"x": np.random.default_rng(1).standard_normal((1, 3, 8, 8)).astype(np.float32)}


@pytest.fixture(scope="module")
def dumped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``--dump-phases`` leaves of a small network, and its constants."""
    rng = np.random.default_rng(0)
    weights = {"w": rng.standard_normal((8, 3, 3, 3)), "b": rng.standard_normal(8), "v": rng.standard_normal((8, 5))}
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("ReduceMean", ["p"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["m", "v"], ["q"]),
        helper.make_node("Softmax", ["q"], ["s"]),
        helper.make_node("Concat", ["s", "q"], ["y"], axis=0),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 5])],
        [numpy_helper.from_array(array.astype(np.float32) / 4, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder = tmp_path_factory.mktemp("dumped")
    module, context = import_for(model.SerializeToString(), target="avx2")
    compile_through(module, context, stop="loops", options=PipelineOptions(dump_folder=folder))
    return folder


def attempt(text: str, phase: str, dumped: Path, path: Path) -> None:
    """Compiles the text as ``lamina compile`` does, and runs what comes of it."""
    path.write_text(text)
    try:
        with LevelText(path, phase, dumped / "constants.npz").opened("avx2", 3.0, "flush") as (module, context):
            reached = "loops" if phase == "loops" else "schedule"
            compile_through(module, context, start=phase, stop=reached)
            scheduled, constants = module.clone(), dict(context.constants)
            options = PipelineOptions(checked=True)
            executable = compile_module(module, context, start=reached, threads=1, options=options)
    except Exception as error:
        failure = describe(error, "lamina")
        assert failure.kind == "failure", failure
        assert re.match(rf"{re.escape(str(path))}:\d+:\d+: \S", failure.message), failure.message
        return
    try:
        found = executable.run(dict(zip((info.name for info in executable.inputs), FEEDS.values(), strict=False)))
    except LaminaError:  # Another shape, or more memory than there is.
        return
    names = [info.name for info in executable.inputs]
    expected = interpret_module(scheduled, dict(zip(names, FEEDS.values(), strict=True)), constants)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("phase", PHASES)
def test_a_mistake_is_the_texts_and_has_a_place(phase: str, dumped: Path, tmp_path: Path) -> None:
    text = (dumped / f"{PHASES.index(phase)}-{phase}.mlir").read_text()
    # Kernels that are written out are programs: another one is no mistake that can be seen.
    end = text.rindex("\n", 0, text.index("lamina.kernel")) if phase == "loops" else len(text)
    for seed in range(FIRST, FIRST + CASES // len(PHASES)):
        edited, kind = mistaken(text[:end], seed)
        edited += text[end:]
        try:
            attempt(edited, phase, dumped, tmp_path / "edited.mlir")
        except Exception as error:
            raise AssertionError(f"{phase}: LAMINA_FUZZ_SEED={seed} LAMINA_FUZZ=4 ({kind})") from error
