"""Every dialect, pass and output format by name: ``name -> "module:Class"``.

The tables are text, so that nothing is imported until it is asked for by name: ``lamina-opt -p
graph-fold-constants`` loads that pass and no other. Modules are given relative to this package. xDSL's own tools
find the tables through the ``xdsl.universe`` entry point, so ``xdsl-opt`` knows the dialects and passes too.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from xdsl.universe import Universe

DIALECTS = {
    "amx": "dialects.matrix_tiles:MatrixTilesDialect",
    "graph": "dialects.graph:Graph",
    "kernel": "dialects.kernel:KernelDialect",
    "layout": "dialects.layout:LayoutDialect",
    "llvmx": "dialects.llvm_extension:LLVMExtension",
    "schedule": "dialects.schedule_dialect:ScheduleDialect",
    "threads": "dialects.parallel:ThreadsDialect",
    "vectorx": "dialects.vector_extension:VectorExtension",
}

# Dialects of xDSL with operations of MLIR's that they lack. xDSL's tools keep to their own.
EXTENDED_DIALECTS = {
    "memref": "dialects.prefetch:MemRefDialect",
    "scf": "dialects.parallel:ScfDialect",
    "vector": "dialects.contraction:VectorDialect",
}

# Passes stay on their level; in the order of the levels, alphabetical within one.
PASSES: dict[str, str] = {
    "graph-common-subexpressions": "passes.graph.common_subexpressions:GraphCommonSubexpressionsPass",
    "graph-convolve-before-resize": "passes.graph.convolve_before_resize:GraphConvolveBeforeResizePass",
    "graph-dead-code": "passes.graph.dead_code:GraphDeadCodePass",
    "graph-eliminate-identities": "passes.graph.eliminate_identities:GraphEliminateIdentitiesPass",
    "graph-fold-batch-norm": "passes.graph.fold_batch_norm:GraphFoldBatchNormPass",
    "graph-fold-constants": "passes.graph.fold_constants:GraphFoldConstantsPass",
    "graph-fold-padding": "passes.graph.fold_padding:GraphFoldPaddingPass",
    "graph-fuse-layer-norm": "passes.graph.fuse_layer_norm:GraphFuseLayerNormPass",
    "graph-fuse-softmax": "passes.graph.fuse_softmax:GraphFuseSoftmaxPass",
    "graph-match-signs": "passes.graph.match_signs:GraphMatchSignsPass",
    "graph-merge-transposes": "passes.graph.merge_transposes:GraphMergeTransposesPass",
    "graph-move-quantization": "passes.graph.move_quantization:GraphMoveQuantizationPass",
    "graph-narrow-dequantized": "passes.graph.narrow_dequantized:GraphNarrowDequantizedPass",
    "graph-move-weight-scales": "passes.graph.move_weight_scales:GraphMoveWeightScalesPass",
    "graph-expand-quantization": "passes.graph.expand_quantization:GraphExpandQuantizationPass",
    "graph-narrow-products": "passes.graph.narrow_products:GraphNarrowProductsPass",
    "graph-pack-blocks": "passes.graph.pack_blocks:GraphPackBlocksPass",
    "graph-bind-sizes": "passes.graph.bind_sizes:GraphBindSizesPass",
    "graph-partition": "passes.graph.partition:GraphPartitionPass",
    "graph-tabulate-bytes": "passes.graph.tabulate_bytes:GraphTabulateBytesPass",
    "graph-simplify-arithmetic": "passes.graph.simplify_arithmetic:GraphSimplifyArithmeticPass",
    "kernel-choose-algorithms": "passes.kernel.choose_algorithms:KernelChooseAlgorithmsPass",
    "kernel-round-products": "passes.kernel.round_products:KernelRoundProductsPass",
    "kernel-narrow-floats": "passes.kernel.narrow_floats:KernelNarrowFloatsPass",
    "kernel-narrow-weights": "passes.kernel.narrow_weights:KernelNarrowWeightsPass",
    "kernel-narrow-sums": "passes.kernel.narrow_sums:KernelNarrowSumsPass",
    "kernel-widen-floats": "passes.kernel.widen_floats:KernelWidenFloatsPass",
    "kernel-choose-layouts": "passes.kernel.choose_layouts:KernelChooseLayoutsPass",
    "kernel-dead-code": "passes.kernel.dead_code:KernelDeadCodePass",
    "kernel-fold-constants": "passes.kernel.fold_constants:KernelFoldConstantsPass",
    "kernel-fold-scales": "passes.kernel.fold_scales:KernelFoldScalesPass",
    "kernel-fuse-attention": "passes.kernel.fuse_attention:KernelFuseAttentionPass",
    "kernel-fuse-epilogues": "passes.kernel.fuse_epilogues:KernelFuseEpiloguesPass",
    "kernel-grow-outputs": "passes.kernel.grow_outputs:KernelGrowOutputsPass",
    "kernel-split-concats": "passes.kernel.split_concats:KernelSplitConcatsPass",
    "kernel-fuse-maps": "passes.kernel.fuse_maps:KernelFuseMapsPass",
    "kernel-simplify-layouts": "passes.kernel.simplify_layouts:KernelSimplifyLayoutsPass",
    "kernel-sink-views": "passes.kernel.sink_views:KernelSinkViewsPass",
    "kernel-transform-winograd-weights": "passes.kernel.transform_winograd_weights:KernelTransformWinogradWeightsPass",
    "llvm-check-bounds": "passes.llvm.check_bounds:LLVMCheckBoundsPass",
    "loops-expand-math": "passes.loops.expand_math:LoopsExpandMathPass",
    "loops-map-threads": "passes.loops.map_threads:LoopsMapThreadsPass",
    "schedule-check-memory": "passes.schedule.check_memory:ScheduleCheckMemoryPass",
    "schedule-choose-batches": "passes.schedule.choose_batches:ScheduleChooseBatchesPass",
    "schedule-choose-tiles": "passes.schedule.choose_tiles:ScheduleChooseTilesPass",
    "schedule-share-rows": "passes.schedule.share_rows:ScheduleShareRowsPass",
    "schedule-estimate-work": "passes.schedule.estimate_work:ScheduleEstimateWorkPass",
    "schedule-place-barriers": "passes.schedule.place_barriers:SchedulePlaceBarriersPass",
    "schedule-pack-constants": "passes.schedule.pack_constants:SchedulePackConstantsPass",
    "schedule-plan-arena": "passes.schedule.plan_arena:SchedulePlanArenaPass",
}

# Lowerings change level.
LOWERINGS: dict[str, str] = {
    "lower-graph-to-kernel": "lowering.graph_to_kernel:LowerGraphToKernelPass",
    "lower-kernel-to-schedule": "lowering.kernel_to_schedule:LowerKernelToSchedulePass",
    "lower-loops-to-llvm": "lowering.loops_to_llvm:LowerLoopsToLLVMPass",
    "lower-schedule-to-loops": "lowering.schedule_to_loops:LowerScheduleToLoopsPass",
}

# What `lamina-opt -t NAME` can write besides xDSL's own formats.
OUTPUTS = {
    "asm": "cli.outputs:AssemblyOutput",
    "lamina": "cli.outputs:CompiledOutput",
    "ll": "cli.outputs:LLVMTextOutput",
    "nests": "cli.outputs:NestsOutput",
    "obj": "cli.outputs:ObjectOutput",
    "program": "cli.outputs:ProgramOutput",
}


def load(location: str) -> Any:
    """The class or object at ``"module:Name"``, the module relative to this package."""
    module, _, name = location.partition(":")
    return getattr(importlib.import_module(f".{module}", __package__), name)


def _factories(table: dict[str, str]) -> dict[str, Callable[[], Any]]:
    def factory(location: str) -> Callable[[], Any]:
        return lambda: load(location)

    return {name: factory(location) for name, location in table.items()}


def extended_dialects() -> dict[str, Callable[[], Any]]:
    """In place of those of the same name that xDSL registers."""
    return _factories(EXTENDED_DIALECTS)


UNIVERSE = Universe(
    all_dialects=_factories(DIALECTS),
    all_passes=_factories(PASSES | LOWERINGS),
    all_targets=_factories(OUTPUTS),
)
