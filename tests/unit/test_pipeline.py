"""Phases: their ranges, what may be left after each, dumping and reading back."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from lamina.context import CompilerContext, ConstantStore
from lamina.frontend import import_model
from lamina.pipeline import (
    PHASE_NAMES,
    PHASES,
    IllegalOperationError,
    PipelineOptions,
    check_legality,
    compile_through,
    module_text,
    phase_named,
    phase_range,
)
from onnx import TensorProto, helper, numpy_helper
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser


def convolution_model() -> bytes:
    """y = relu(conv(x)), one size free."""
    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.standard_normal((16, 3, 3, 3)).astype(np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, "W"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 16, "W"])
    graph = helper.make_graph(nodes, "conv", [x], [y], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def imported(target: str = "avx2") -> tuple[ModuleOp, CompilerContext]:
    context = CompilerContext(target=target)
    return import_model(convolution_model(), context=context), context


def names(start: str | None, stop: str | None) -> list[str]:
    return [phase.name for phase in phase_range(start, stop)]


def test_ranges() -> None:
    assert names(None, None) == list(PHASE_NAMES)
    assert names(None, "graph") == ["import", "graph"]
    assert names("kernel", None) == ["schedule", "loops", "llvm"]
    assert names("kernel", "schedule") == ["schedule"]
    assert names("kernel", "kernel") == []


def test_wrong_ranges_say_why() -> None:
    with pytest.raises(ValueError, match="cannot go from phase 'loops' back to 'graph'"):
        phase_range("loops", "graph")
    with pytest.raises(ValueError, match=r"no phase is called 'tiles': expected one of import, graph"):
        phase_range("tiles", None)


def test_classes_of_machines_have_phases_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    only_graph = replace(PHASES["cpu"][1], passes=("graph-dead-code",))
    monkeypatch.setitem(cast(dict, PHASES), "toy", (PHASES["cpu"][0], only_graph))
    module, context = imported()
    context.target = replace(context.target, machine_class="toy")
    options = PipelineOptions()
    compile_through(module, context, options=options)
    assert [timing.name for timing in options.timings] == ["graph-dead-code"]
    with pytest.raises(ValueError, match="no phase is called 'llvm': expected one of import, graph"):
        compile_through(module, context, stop="llvm")
    context.target = replace(context.target, machine_class="abacus")
    with pytest.raises(ValueError, match="no class of machines is called 'abacus': expected one of cpu, toy"):
        compile_through(module, context)


def test_each_phase_leaves_its_dialects_only() -> None:
    module, context = imported()
    timings = PipelineOptions(verify_each=True)
    compile_through(module, context, options=timings)
    assert [timing.phase for timing in timings.timings] == sorted(
        (timing.phase for timing in timings.timings), key=PHASE_NAMES.index
    )
    assert all(timing.seconds >= 0 for timing in timings.timings)


def test_leftovers_are_counted_by_name() -> None:
    module, context = imported()
    # What one phase leaves is not legal two phases on.
    compile_through(module, context, stop="kernel")
    with pytest.raises(IllegalOperationError, match=r"after phase 'loops' these may not be left: .*kernel\.conv \(1\)"):
        check_legality(module, phase_named("loops"))


@pytest.mark.parametrize("phase", [name for name in PHASE_NAMES if name != "llvm"])
def test_a_dumped_phase_continues_to_the_same_code(phase: str, tmp_path: Path) -> None:
    """Text and constants of any phase are complete: compiled on, they give what the whole run gave."""
    module, context = imported()
    compile_through(module, context, options=PipelineOptions(dump_folder=tmp_path))
    expected = module_text(module)
    dumped = tmp_path / f"{PHASE_NAMES.index(phase)}-{phase}.mlir"
    constants = ConstantStore.load(tmp_path / "constants.npz")
    again = CompilerContext(target="avx2", constants=constants)
    parsed = Parser(again, dumped.read_text()).parse_module()
    compile_through(parsed, again, start=phase)
    assert unnamed(module_text(parsed)) == unnamed(expected)


def unnamed(text: str) -> list[str]:
    """The lines without the names of values and of the weight, which may be taken already."""
    import re

    return [re.sub(r"%[\w.]+|@w\.\w+", "%", line) for line in text.splitlines()]


def test_schedules_do_not_depend_on_the_run() -> None:
    """No set or hash order leaks into the text: two runs in one process agree, so do two processes."""
    import subprocess

    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_pipeline as t;"
        "m, c = t.imported(); t.compile_through(m, c, stop='schedule'); print(t.module_text(m))"
    )
    texts = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", script, str(Path(__file__).parent)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed})
        texts.add(done.stdout)
    assert len(texts) == 1
