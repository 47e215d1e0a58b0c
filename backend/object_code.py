"""LLVM IR text to machine code, through llvmlite.

Functions arrive with their registers, loops and vectors chosen, so the loop and SLP vectorisers and the unroller stay
off; what LLVM contributes is clean-up, address arithmetic, instruction selection, scheduling and register allocation.
"""

from __future__ import annotations

import threading
from functools import cache

import llvmlite.binding as llvm
from xdsl.dialects.builtin import ModuleOp

from ..machines import Target
from .llvm_text import print_llvm

_INITIALISED = threading.Event()
_LOCK = threading.Lock()


class CodeGenerationError(Exception):
    """LLVM refused the text it was given; a defect of the compiler, not of the model."""


def _initialise() -> None:
    """Makes every LLVM backend available, once."""
    if _INITIALISED.is_set():
        return
    with _LOCK:
        if not _INITIALISED.is_set():
            llvm.initialize_all_targets()
            llvm.initialize_all_asmprinters()
            _INITIALISED.set()


@cache
def _target_machine(target: Target, optimization_level: int) -> llvm.TargetMachine:
    _initialise()
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu,
        features=target.feature_string,
        opt=optimization_level,
        reloc="pic",
        codemodel="small",
    )


def _optimise(module: llvm.ModuleRef, machine: llvm.TargetMachine, level: int) -> None:
    """Runs LLVM's passes.

    Levels 1 and 2 inline helpers, simplify the control flow and combine instructions. The standard pipelines take five
    times as long and find nothing more in code that is written out to the last register; level 3 runs the third.
    """
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = False
    options.slp_vectorization = False
    options.loop_interleaving = False
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    if level > 2:
        manager = builder.getModulePassManager()
    else:
        manager = llvm.create_new_module_pass_manager()
        manager.add_always_inliner_pass()
        manager.add_sroa_pass()
        manager.add_simplify_cfg_pass()
        manager.add_instruction_combine_pass()
        manager.add_global_dead_code_eliminate_pass()
    manager.run(module, builder)
    builder.close()


def _parse(text: str, target: Target) -> llvm.ModuleRef:
    _initialise()
    # A context of its own: types and constants of a finished module do not pile up in the global one.
    try:
        module = llvm.parse_assembly(text, context=llvm.create_context())
    except RuntimeError as error:
        raise CodeGenerationError(f"LLVM does not accept the generated text: {error}") from error
    module.triple = target.triple
    return module


def _optimised_module(code: ModuleOp | str, target: Target, level: int) -> tuple[llvm.ModuleRef, llvm.TargetMachine]:
    text = code if isinstance(code, str) else print_llvm(code, target)
    module = _parse(text, target)
    machine = _target_machine(target, level)
    module.data_layout = str(machine.target_data)
    if level > 0:
        _optimise(module, machine, level)
    return module, machine


def emit_object(code: ModuleOp | str, target: Target, optimization_level: int = 2) -> bytes:
    """The relocatable ELF object of an llvm-level module or of LLVM IR text."""
    module, machine = _optimised_module(code, target, optimization_level)
    return machine.emit_object(module)


def emit_assembly(code: ModuleOp | str, target: Target, optimization_level: int = 2) -> str:
    """The same code as assembly text, for people and tests."""
    module, machine = _optimised_module(code, target, optimization_level)
    return machine.emit_assembly(module)


def emit_optimised_text(code: ModuleOp | str, target: Target, optimization_level: int = 2) -> str:
    """LLVM IR text after LLVM's own passes."""
    module, _ = _optimised_module(code, target, optimization_level)
    return str(module)
