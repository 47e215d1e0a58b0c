"""schedule -> loops: each distinct stage becomes one function of loops over memory and registers.

Stages with the same kernel, types and decisions share a function, whose name ends in a hash of that
text. A stage's arguments are its inputs' and outputs' memory, its scratch, the words in which it reports
indices out of range (``reports_indices``), and the symbols of its shapes in alphabetical order
(``stage_symbols``); ``runtime.program.Stage`` lists them in that order.
"""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass

from ...dialects import shape as dims
from ...dialects.kernel import ConvOp, GatherElementsOp, GatherOp, GemmOp
from ...dialects.layout import TensorType
from ...dialects.schedule import StageOp
from .loop_nest import LoopNest

# kernel op (conv: with its algorithm) -> "module:function" that writes its loops.
GENERATORS = {
    "kernel.arg_reduce": "arg_reduce:lower_arg_reduce",
    "kernel.broadcast": "movement:lower_broadcast",
    "kernel.concat": "movement:lower_concat",
    "kernel.conv depthwise": "conv_depthwise:lower_conv_depthwise",
    "kernel.conv direct": "conv_direct:lower_conv_direct",
    "kernel.conv im2col": "conv_im2col:lower_conv_im2col",
    "kernel.conv indirect": "conv_indirect:lower_conv_indirect",
    "kernel.conv winograd2": "conv_winograd:lower_conv_winograd",
    "kernel.conv winograd4": "conv_winograd:lower_conv_winograd",
    "kernel.cumulative_sum": "recurrence:lower_cumulative_sum",
    "kernel.dim_values": "movement:lower_dim_values",
    "kernel.gather": "gather:lower_gather",
    "kernel.gather_elements": "gather:lower_gather_elements",
    "kernel.gemm": "gemm:lower_gemm",
    "kernel.layer_norm": "row_kernels:lower_layer_norm",
    "kernel.lstm": "recurrence:lower_lstm",
    "kernel.map": "elementwise:lower_map",
    "kernel.pad": "movement:lower_pad",
    "kernel.pool": "pool:lower_pool",
    "kernel.range": "movement:lower_range",
    "kernel.reduce": "reduce:lower_reduce",
    "kernel.resize": "resize:lower_resize",
    "kernel.slice": "movement:lower_slice",
    "kernel.softmax": "row_kernels:lower_softmax",
    "layout.convert": "movement:lower_convert",
}


def kernel_kind(kernel: Operation) -> str:
    """The kernel's key in GENERATORS."""
    algorithm = kernel.properties.get("algorithm")
    return kernel.name if algorithm is None else f"{kernel.name} {algorithm.data}"  # pyright: ignore[reportAttributeAccessIssue]


def operand_types(stage: StageOp) -> list[TensorType]:
    return [value.type for value in (*stage.ins, *stage.outs)]  # pyright: ignore[reportReturnType]


def stage_symbols(stage: StageOp) -> list[str]:
    """Symbols that the stage's function takes as arguments."""
    found: set[str] = set()
    for type_ in operand_types(stage):
        layout = type_.layout
        found |= dims.symbols_of(*type_.dims, *layout.lower, *layout.upper)
    for attribute in stage.kernel.properties.values():
        for entry in getattr(attribute, "data", ()) if isinstance(getattr(attribute, "data", None), tuple) else ():
            found |= (
                dims.symbols_of(getattr(entry, "data", 0))
                if hasattr(entry, "data") and not isinstance(entry.data, str)
                else set()
            )
    if stage.scratch is not None:
        found |= dims.symbols_of(stage.scratch.data)
    return sorted(found)


def reports_indices(stage: StageOp) -> bool:
    """Whether the stage reads at computed indices, and tells where one is out of range."""
    return isinstance(stage.kernel, GatherOp | GatherElementsOp)


def function_name(stage: StageOp) -> str:
    """Name of the stage's function: its kind and a hash of everything that its code depends on."""
    text = "\n".join(
        [str(stage.kernel), str(stage.tile), str(stage.scratch), *(str(type_) for type_ in operand_types(stage))]
    )
    kind = kernel_kind(stage.kernel).replace("kernel.", "").replace("layout.", "").replace(" ", "_")
    return f"{kind}_{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def lower_stage(stage: StageOp) -> func.FuncOp:
    """The function of one stage. Raises KeyError for a kernel without a generator."""
    module, _, name = GENERATORS[kernel_kind(stage.kernel)].partition(":")
    generate = getattr(importlib.import_module(f".{module}", __package__), name)
    scratch = None if stage.scratch is None else stage.scratch.data
    nest = LoopNest(function_name(stage), stage_symbols(stage), operand_types(stage), scratch, reports_indices(stage))
    if isinstance(stage.kernel, ConvOp | GemmOp):
        _repeat_shared_operands(stage, nest)
    generate(stage, nest)
    return nest.finish()


def _repeat_shared_operands(stage: StageOp, nest: LoopNest) -> None:
    """Lists a stage's input once for each of the kernel's operands that it is, as contractions expect (``x + x w``)."""
    position: dict[SSAValue, int] = {argument: index for index, argument in enumerate(stage.body.block.args)}
    outputs = nest.operands[len(stage.ins) :]
    nest.operands = [*(nest.operands[position[operand]] for operand in stage.kernel.operands), *outputs]


@dataclass(frozen=True)
class LowerScheduleToLoopsPass(ModulePass):
    """Replaces the program's functions by one function for each distinct kernel."""

    name = "lower-schedule-to-loops"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        functions: dict[str, func.FuncOp] = {}
        for stage in [inner for inner in op.walk() if isinstance(inner, StageOp)]:
            name = function_name(stage)
            if name not in functions:
                functions[name] = lower_stage(stage)
        for old in list(op.body.block.ops):
            old.detach()
            old.erase(safe_erase=False)
        op.body.block.add_ops(functions.values())


def stage_operands(stage: StageOp, nest: LoopNest) -> dict[SSAValue, int]:
    """Position in ``nest.operands`` of each argument of the stage's body."""
    return {argument: index for index, argument in enumerate(stage.body.block.args)}
