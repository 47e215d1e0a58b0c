"""Whole networks at each level: what may be left there, and that the text of each is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import lamina
import numpy as np
import onnx
import pytest
from lamina.benchmarks.small_networks import PICTURES, SENTENCES, STATISTICS
from lamina.benchmarks.zoo import zoo_model
from lamina.compiler import compile_module, import_for
from lamina.context import CompilerContext
from lamina.dialects.calling_convention import CHECKED_ATTRIBUTE
from lamina.interpreters.graph import argument_names, main_function
from lamina.interpreters.module import interpret_module
from lamina.interpreters.scalar import NoMeaningError
from lamina.lowering.graph_to_kernel.table import COMPILED_OPERATIONS
from lamina.lowering.loops_to_llvm.functions import HANDLERS
from lamina.passes.loops.expand_math import FUNCTIONS
from lamina.pipeline import (
    EXPANDED_OPERATIONS,
    HOST_OPERATIONS,
    PHASES,
    QUANTIZATION_OPERATIONS,
    PipelineOptions,
    check_legality,
    check_rules,
    compile_through,
    module_text,
    phase_named,
    run_phase,
)
from lamina.runtime.errors import LaminaError
from lamina.universe import UNIVERSE
from small_models import control_flow, recurrence, shape_arithmetic, small_network
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

SMALL: dict[str, Callable[[], onnx.ModelProto]] = {
    "small_network": small_network,
    "pictures": PICTURES.model,
    "sentences": SENTENCES.model,
    "statistics": STATISTICS.model,
    "control_flow": control_flow,
    "recurrence": recurrence,
    "shape_arithmetic": shape_arithmetic,
}


def model_bytes(name: str) -> bytes:
    return SMALL[name]().SerializeToString() if name in SMALL else zoo_model(name).read_bytes()


@pytest.mark.parametrize("name", [*SMALL, "squeezenet1_1"])
def test_each_phase_leaves_what_is_legal(name: str) -> None:
    module, context = import_for(model_bytes(name), target="avx2")
    for phase in PHASES["cpu"]:
        run_phase(module, context, phase, PipelineOptions())
        module.verify()
        check_legality(module, phase)
        check_rules(module, context, phase)
        if phase.name == "loops":
            handled = {op.name for op in HANDLERS} | {"func.func", "func.return", "scf.yield", "scf.condition"}
            assert {op.name for kernel in kernels(module) for op in kernel.walk()} <= handled


def kernels(module: ModuleOp) -> list:
    return [function for function in module.ops if "lamina.kernel" in function.attributes]


def test_exceptions_are_what_passes_promise() -> None:
    graph_operations = {op.name for op in UNIVERSE.all_dialects["graph"]().operations}
    assert set(HOST_OPERATIONS) == graph_operations - COMPILED_OPERATIONS - set(QUANTIZATION_OPERATIONS)
    assert set(EXPANDED_OPERATIONS) == {op.name for op in FUNCTIONS}


# --- texts ----------------------------------------------------------------------------------------------


def compiled(name: str, stop: str, options: PipelineOptions | None = None) -> tuple[str, CompilerContext]:
    """The text after a phase, and a context with the constants."""
    module, context = import_for(model_bytes(name))
    return module_text(compile_through(module, context, stop=stop, options=options)), context


def parsed(text: str, context: CompilerContext) -> ModuleOp:
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def feeds_of(executable: lamina.Executable) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    shapes = {name: [d if isinstance(d, int) else 24 for d in type_.shape] for name, type_ in executable.program.inputs}
    dtypes = {name: np.dtype(type_.dtype) for name, type_ in executable.program.inputs}
    return {name: rng.uniform(0, 5, shape).astype(dtypes[name]) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        *((name, "loops") for name in SMALL if name != "pictures"),
        *((name, "llvm") for name in ("small_network", "statistics", "control_flow", "recurrence")),
    ],
)
def test_text_below_the_schedule_is_a_model(name: str, phase: str) -> None:
    """It holds the program too: what compiles on from it gives the same bits."""
    expected = lamina.compile(model_bytes(name), options=PipelineOptions(use_cache=False))
    text, context = compiled(name, phase)
    found = compile_module(parsed(text, context), context, start=phase)
    assert found.program.segments == expected.program.segments
    assert found.program.functions == expected.program.functions
    feeds = feeds_of(expected)
    outputs = found.run(feeds)
    for name, wanted in expected.run(feeds).items():
        assert outputs[name].tobytes() == wanted.tobytes()


@pytest.mark.parametrize("name", ["small_network", "statistics", "control_flow", "recurrence", "shape_arithmetic"])
def test_loops_mean_what_the_schedule_means(name: str) -> None:
    """The calls of kernels, interpreted one after the other on the schedule's memory, compute the model."""
    module, context = import_for(model_bytes(name), target="avx2")
    compile_through(module, context, stop="schedule")
    rng = np.random.default_rng(3)
    shapes = {argument: [d if isinstance(d, int) else 5 for d in type_.dims] for argument, type_ in inputs(module)}
    feeds = {argument: rng.uniform(0, 5, shape).astype(np.float32) for argument, shape in shapes.items()}
    expected = interpret_module(module, feeds, context.constants)
    compile_through(module, context, start="schedule", stop="loops")
    for output, found in interpret_module(module, feeds, context.constants).items():
        np.testing.assert_allclose(found, expected[output], rtol=1e-4, atol=1e-5)


def inputs(module: ModuleOp) -> Iterator[tuple[str, Any]]:
    main = main_function(module)
    return zip(argument_names(main), main.function_type.inputs, strict=True)


def test_machine_code_is_not_interpreted() -> None:
    module, context = import_for(model_bytes("recurrence"), target="avx2")
    compile_through(module, context)
    feeds = {name: np.ones(type_.dims, np.float32) for name, type_ in inputs(module)}
    with pytest.raises(NoMeaningError, match="no function of loops, which alone are interpreted below the schedule"):
        interpret_module(module, feeds, context.constants)


@pytest.mark.parametrize("written_checked", [False, True])
def test_text_of_the_last_phase_is_checked_where_that_is_asked_for(written_checked: bool) -> None:
    text, context = compiled("recurrence", "llvm", PipelineOptions(checked=written_checked))
    assert (CHECKED_ATTRIBUTE in text) == written_checked
    module = parsed(text, context)
    executable = compile_module(module, context, start="llvm", options=PipelineOptions(checked=True))
    (segment,) = executable.program.segments.values()
    assert [buffer.kind for buffer in segment.buffers][-1] == "report"
    assert compile_module(parsed(text, context), context, start="llvm", options=PipelineOptions(checked=False))
    feeds = feeds_of(executable)
    plain = lamina.compile(model_bytes("recurrence"), options=PipelineOptions(use_cache=False, checked=False))
    np.testing.assert_array_equal(executable.run(feeds)["y"], plain.run(feeds)["y"])


def test_text_for_another_target_is_refused() -> None:
    module, context = import_for(model_bytes("recurrence"), target="avx2")
    text = module_text(compile_through(module, context))
    other = CompilerContext(target="x86_64", constants=context.constants)
    with pytest.raises(LaminaError, match="lowered for the target 'avx2': compile it for that, not 'x86_64'"):
        compile_module(parsed(text, other), other, start="llvm")


def test_a_phase_is_named() -> None:
    assert phase_named("loops") is PHASES["cpu"][4]
    with pytest.raises(ValueError, match="no phase is called 'lops': expected one of import"):
        phase_named("lops")
