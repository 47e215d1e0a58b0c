"""Models whose batch is taken in steps wherever that is possible, whatever it costs."""

from __future__ import annotations

import onnx
from lamina.compiler import compile_module
from lamina.context import CompilerContext
from lamina.frontend import import_model
from lamina.passes.schedule.choose_batches import ScheduleChooseBatchesPass
from lamina.pipeline import PipelineOptions, check_rules, compile_through, module_text, phase_named, phase_passes
from lamina.runtime.executable import Executable
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser


def scheduled_in_steps(model: onnx.ModelProto, step: int) -> tuple[ModuleOp, CompilerContext]:
    """A schedule in steps of so many images, as it is read from its text."""
    context = CompilerContext()
    module = compile_through(import_model(model, context=context), context, stop="kernel")
    phase = phase_named("schedule")
    for module_pass in phase_passes(phase):
        forced = isinstance(module_pass, ScheduleChooseBatchesPass)
        (ScheduleChooseBatchesPass(step) if forced else module_pass).apply(context, module)
        module.verify()
    check_rules(module, context, phase)
    text = module_text(module)
    again = Parser(context, text).parse_module()
    again.verify()
    assert module_text(again) == text and "schedule.batches" in text
    return again, context


def compiled_in_steps(model: onnx.ModelProto, step: int, threads: int, **options: bool) -> Executable:
    module, context = scheduled_in_steps(model, step)
    return compile_module(module, context, start="schedule", threads=threads, options=PipelineOptions(**options))
