"""schedule -> loops: each distinct stage becomes one function of loops over memory and registers, and a call of it.

Stages with the same kernel, types and decisions share a function, whose name ends in a hash of that
text. How it is called stands in ``dialects/calling_convention.py``.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects.calling_convention import Signature
from ...dialects.decisions import kernel_kind
from ...dialects.kernel import AttentionOp, BlockGemmOp, ContractionOp, KernelOp
from ...dialects.kernel_call import CallOp
from ...dialects.schedule import StageOp
from .loop_nest import LoopNest

# kernel op (conv: with its algorithm) -> "module:function" that writes its loops.
GENERATORS = {
    "kernel.arg_reduce": "arg_reduce:lower_arg_reduce",
    "kernel.attention": "attention:lower_attention",
    "kernel.broadcast": "movement:lower_broadcast",
    "kernel.concat": "movement:lower_concat",
    "kernel.conv depthwise": "conv_depthwise:lower_conv_depthwise",
    "kernel.conv direct": "conv_direct:lower_conv_direct",
    "kernel.conv im2col": "conv_im2col:lower_conv_im2col",
    "kernel.conv indirect": "conv_indirect:lower_conv_indirect",
    "kernel.conv winograd2": "conv_winograd:lower_conv_winograd",
    "kernel.conv winograd4": "conv_winograd:lower_conv_winograd",
    "kernel.cumulative_sum": "cumulative_sum:lower_cumulative_sum",
    "kernel.dim_values": "movement:lower_dim_values",
    "kernel.gather": "gather:lower_gather",
    "kernel.gather_elements": "gather:lower_gather_elements",
    "kernel.gather_nd": "gather:lower_gather_nd",
    "kernel.block_gemm": "block_gemm:lower_block_gemm",
    "kernel.gemm": "gemm:lower_gemm",
    "kernel.grid_sample": "sampling:lower_grid_sample",
    "kernel.layer_norm": "row_kernels:lower_layer_norm",
    "kernel.map": "elementwise:lower_map",
    "kernel.pad": "movement:lower_pad",
    "kernel.pool": "pool:lower_pool",
    "kernel.range": "movement:lower_range",
    "kernel.recurrence": "recurrence:lower_recurrence",
    "kernel.reduce": "reduce:lower_reduce",
    "kernel.resize": "resize:lower_resize",
    "kernel.roi_align": "sampling:lower_roi_align",
    "kernel.scatter_elements": "scatter:lower_scatter_elements",
    "kernel.scatter_nd": "scatter:lower_scatter_nd",
    "kernel.reverse_sequence": "reverse_sequence:lower_reverse_sequence",
    "kernel.slice": "movement:lower_slice",
    "kernel.softmax": "row_kernels:lower_softmax",
    "kernel.count_nonzero": "nonzero:lower_count_nonzero",
    "kernel.nonzero": "nonzero:lower_nonzero",
    "kernel.suppress_boxes": "suppress_boxes:lower_suppress_boxes",
    "kernel.list_boxes": "suppress_boxes:lower_list_boxes",
    "kernel.find_distinct": "find_distinct:lower_find_distinct",
    "kernel.top_k": "top_k:lower_top_k",
    "kernel.tree_ensemble": "tree_ensemble:lower_tree_ensemble",
    "kernel.weigh": "weigh:lower_weigh",
    "layout.convert": "movement:lower_convert",
}


def lower_stage(stage: StageOp, signature: Signature) -> func.FuncOp:
    """The function of one stage, whose signature this is. Raises KeyError for a kernel without a generator."""
    module, _, name = GENERATORS[kernel_kind(stage.kernel)].partition(":")
    generate = getattr(importlib.import_module(f".{module}", __package__), name)
    nest = LoopNest(signature)
    if isinstance(stage.kernel, ContractionOp | BlockGemmOp | AttentionOp):
        _list_factors(stage, stage.kernel, nest)
    generate(stage, nest)
    return nest.finish()


def _list_factors(stage: StageOp, kernel: KernelOp, nest: LoopNest) -> None:
    """Lists a stage's input once for each of the kernel's operands that it is, as contractions expect (``x + x w``).

    Integers that are multiplied without a sign lie in memory that says so.
    """
    position: dict[SSAValue, int] = {argument: index for index, argument in enumerate(stage.body.block.args)}
    outputs = nest.operands[len(stage.ins) :]
    nest.operands = [*(nest.operands[position[operand]] for operand in kernel.operands), *outputs]
    for index in kernel.get("unsigned") or () if isinstance(kernel, ContractionOp) else ():
        nest.operands[index] = nest.typed(nest.operands[index], kernel.in_type(index).element_type)


@dataclass(frozen=True)
class LowerScheduleToLoopsPass(ModulePass):
    """Writes one function of loops for each distinct kernel; stages become calls of them.

    before::

        schedule.stage @gemm0 %y = kernel.gemm(%x, %w) plan {m tile 6, n tile 64}

    after::

        schedule.call @gemm0 %y = @gemm_af54a2a14d(%x, %w)
        ...
        func.func @gemm_af54a2a14d(%0: memref<?xf32>, ..., %thread: index, %threads: index) attributes {lamina.kernel}
    """

    name = "lower-schedule-to-loops"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        functions: dict[str, func.FuncOp] = {}
        for stage in [inner for inner in op.walk() if isinstance(inner, StageOp)]:
            signature = Signature.of(stage)
            if signature.function not in functions:
                functions[signature.function] = lower_stage(stage, signature)
            _replace_by_call(stage, signature)
        op.body.block.add_ops(functions.values())


def _replace_by_call(stage: StageOp, signature: Signature) -> None:
    block = stage.parent
    assert block is not None
    block.insert_op_before(CallOp(stage.stage_name.data, signature, stage.ins, stage.outs), stage)
    stage.detach()
    stage.erase()


def stage_operands(stage: StageOp, nest: LoopNest) -> dict[SSAValue, int]:
    """Position in ``nest.operands`` of each argument of the stage's body."""
    return {argument: index for index, argument in enumerate(stage.body.block.args)}
