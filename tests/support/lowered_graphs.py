"""Graphs that are run before and after their lowering to kernels and the passes on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from lamina.context import CompilerContext, ConstantStore
from lamina.dialects import graph
from lamina.dialects.shape import symbol
from lamina.interpreters.graph import interpret_graph
from lamina.interpreters.kernel import interpret_kernels
from lamina.lowering.graph_to_kernel import LowerGraphToKernelPass
from lamina.passes.kernel.dead_code import KernelDeadCodePass
from lamina.passes.kernel.fold_constants import KernelFoldConstantsPass
from lamina.passes.kernel.fold_scales import KernelFoldScalesPass
from lamina.passes.kernel.fuse_epilogues import KernelFuseEpiloguesPass
from lamina.passes.kernel.fuse_maps import KernelFuseMapsPass
from lamina.passes.kernel.simplify_layouts import KernelSimplifyLayoutsPass
from lamina.passes.kernel.sink_views import KernelSinkViewsPass
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block, Region, SSAValue

PASSES = (
    KernelSimplifyLayoutsPass,
    KernelSinkViewsPass,
    KernelSimplifyLayoutsPass,
    KernelFoldConstantsPass,
    KernelFuseMapsPass,
    KernelFoldScalesPass,
    KernelFuseEpiloguesPass,
    KernelSimplifyLayoutsPass,
    KernelFoldConstantsPass,
    KernelDeadCodePass,
)


class Model:
    """A function under construction; ``constant`` and operators add to it."""

    def __init__(self) -> None:
        self.store = ConstantStore()
        self.block = Block()

    def argument(self, array: np.ndarray, symbolic: Sequence[int] = ()) -> SSAValue:
        dims = [symbol(f"S{axis}") if axis in symbolic else int(size) for axis, size in enumerate(array.shape)]
        type_ = graph.GraphTensorType.of(dims, graph.GraphTensorType.of_array(array).element_type)
        return self.block.insert_arg(type_, len(self.block.args))

    def constant(self, array: Any) -> SSAValue:
        array = np.asarray(array)
        name = self.store.add(array, "c")
        return self.add(graph.ConstantOp([], [graph.GraphTensorType.of_array(array)], handle=name))

    def add(self, op: graph.GraphOperation) -> SSAValue:
        self.block.add_op(op)
        return op.results[0]

    def finish(self, results: Sequence[SSAValue], name: str = "segment0") -> ModuleOp:
        self.block.add_op(func.ReturnOp(*results))
        types = ([argument.type for argument in self.block.args], [result.type for result in results])
        return ModuleOp([func.FuncOp(name, types, Region(self.block))])


def check(
    build: Callable[..., Any], *arrays: np.ndarray, symbolic: Sequence[int] = (), tolerance: float = 2e-6
) -> ModuleOp:
    """Lowers what ``build(model, *arguments)`` makes, runs it at each stage, and gives the module in the end."""
    model = Model()
    results = build(model, *[model.argument(array, symbolic) for array in arrays])
    module = model.finish(results if isinstance(results, list | tuple) else [results], "main")
    module.verify()
    feeds = {str(index): array for index, array in enumerate(arrays)}
    expected = list(interpret_graph(module, feeds, model.store).values())
    compiled_function(module).sym_name = StringAttr("segment0")
    context = CompilerContext(constants=model.store, target="generic")
    for compiler_pass in (LowerGraphToKernelPass, *PASSES):
        compiler_pass().apply(context, module)
        module.verify()
        actual = interpret_kernels(compiled_function(module), arrays, context.constants)
        for have, want in zip(actual, expected, strict=True):
            assert have.shape == want.shape
            if want.dtype.kind == "f":
                np.testing.assert_allclose(have.astype(np.float64), want.astype(np.float64), tolerance, tolerance)
            else:
                np.testing.assert_array_equal(have.view(want.dtype), want)
    return module


def compiled_function(module: ModuleOp) -> func.FuncOp:
    function = module.body.block.first_op
    assert isinstance(function, func.FuncOp)
    return function


def kernels_in(module: ModuleOp) -> list[str]:
    """Names of all kernel and layout ops but constants, in order."""
    names = [op.name for op in compiled_function(module).body.block.ops]
    return [name for name in names if name not in ("kernel.constant", "func.return")]


def random(*shape: int, dtype: Any = np.float32, low: int = -3, high: int = 4) -> np.ndarray:
    generator = np.random.default_rng(sum(shape) + len(shape))
    if np.dtype(dtype) == np.bool_:
        return generator.random(shape) < 0.5
    if np.dtype(dtype).kind in "iu":
        return generator.integers(max(low, np.iinfo(dtype).min), high, shape).astype(dtype)
    return (generator.random(shape) * (high - low) + low).astype(dtype)
