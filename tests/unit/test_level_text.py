"""The text of the kernel and schedule levels: short, and read back as it was."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from lamina.cli.located_parser import read_text
from lamina.compiler import import_for
from lamina.context import CompilerContext
from lamina.dialects.calling_convention import function_name
from lamina.dialects.schedule import StageOp
from lamina.pipeline import compile_through, module_text
from onnx import helper
from random_model import RandomModel
from random_types import ALL_STEPS
from small_models import model_of, seeds

README = Path(__file__).parents[2] / "README.md"


def convolution() -> onnx.ModelProto:
    """One convolution with bias and ReLU, on a picture whose layout stays as it is."""
    weights = {"w": np.ones((8, 3, 3, 3), np.float32), "b": np.ones(8, np.float32)}
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    return model_of(nodes, {"x": [1, 3, 224, 224]}, weights)


def test_a_layer_takes_few_lines() -> None:
    part = re.search(r"<!-- generated: level schedule -->\n```mlir\n(.*?)```", README.read_text(), re.DOTALL)
    assert part is not None
    # The module around the functions takes two more.
    assert len(part[1].splitlines()) + 2 <= 15
    module, context = import_for(convolution().SerializeToString(), target="avx512")
    compile_through(module, context, stop="schedule")
    text = module_text(module).strip()
    assert len(text.splitlines()) <= 15
    (stage,) = [line for line in text.splitlines() if "schedule.stage" in line]
    assert "!layout" not in stage and "dilations" not in stage and "strides" not in stage


MODELS = [
    *(pytest.param(model, id=f"model {number}") for number, model in enumerate(seeds())),
    *(pytest.param(seed, id=f"random {seed}") for seed in (20, 22, 23, 24, 25, 26, 27, 28, 29, 30, 58, 307)),
]


@pytest.mark.parametrize("given", MODELS)
def test_text_is_read_back_as_it_was(given: onnx.ModelProto | int) -> None:
    model = given if isinstance(given, onnx.ModelProto) else drawn(given)
    module, context = import_for(model.SerializeToString(), target="avx2")
    compile_through(module, context, stop="graph")
    for start, stop in (("graph", "kernel"), ("kernel", "schedule")):
        compile_through(module, context, start=start, stop=stop)
        text = module_text(module)
        read, _ = read_text(context, text.encode(), "text.mlir")
        read.verify()
        assert module_text(read) == text
        assert module.is_structurally_equivalent(read)


def test_functions_tell_apart_what_a_kernel_reads_where() -> None:
    names = [function_of(kernel) for kernel in (
        "kernel.gemm(%x, %y)", "kernel.gemm(%y, %x)", "kernel.gemm(%x, %x)",
        "kernel.gemm(%x, %y) epilogue(%acc, %s = %x) {%r = arith.addf %acc, %s : f32}",
        "kernel.gemm(%x, %y) epilogue(%acc, %s = %y) {%r = arith.addf %acc, %s : f32}",
        "kernel.gemm(%x, %y) epilogue(%acc, %s = %y) {%r = arith.subf %acc, %s : f32}",
        "kernel.gemm(%x, %y) plan {m tile 2, n tile 4}",
    )]  # fmt: skip
    # Which buffer is the first makes no difference.
    assert names[0] == names[1] and len(set(names)) == len(names) - 1


def function_of(kernel: str) -> str:
    type_ = "!layout.tensor<4 x 4 x f32>"
    text = f"func.func @f(%x: {type_}, %y: {type_}, %z: {type_}) {{ schedule.stage @s %z = {kernel} func.return }}"
    module, _ = read_text(CompilerContext(), text.encode(), "text.mlir")
    return next(function_name(op) for op in module.walk() if isinstance(op, StageOp))


def drawn(seed: int) -> onnx.ModelProto:
    return RandomModel(seed, random.Random(seed).choice([1, 2, 4]), ALL_STEPS).model()
