"""Runs one kernel from the schedule level down to machine code, for comparison with NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from lamina.backend.jit import load_module
from lamina.context import CompilerContext
from lamina.dialects import schedule
from lamina.dialects.calling_convention import Arguments, Signature
from lamina.dialects.decision_fields import DecisionValue
from lamina.dialects.layout import TensorType
from lamina.dialects.layout_algebra import Layout
from lamina.dialects.shape import Dim, substitute
from lamina.dialects.storage import dtype_name
from lamina.lowering.loops_to_llvm.lower import lower_module
from lamina.lowering.schedule_to_loops import lower_stage
from lamina.machines import host_target
from lamina.passes.schedule.choose_tiles import choose_tiles
from lamina.universe import UNIVERSE
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue

# Elements before and after each result that no kernel may touch.
_GUARD = 64

MakeKernel = Callable[[Sequence[SSAValue]], Operation]


@dataclass
class KernelRunner:
    """Compiles stages and calls them; a kernel that came before under the same types is compiled once."""

    _images: dict[str, Callable] = field(default_factory=dict)
    last_memory: list[np.ndarray] = field(default_factory=list)
    """The outputs' memory after the last run, flat, margins and padding lanes included."""
    report: np.ndarray = field(default_factory=lambda: np.zeros(2, np.int64))
    """What kernels that read at indices tell of those out of range: the axis' size plus one, and an index."""

    def __call__(
        self,
        make_kernel: MakeKernel,
        inputs: Sequence[tuple[np.ndarray, TensorType]],
        outputs: Sequence[TensorType],
        *,
        symbols: dict[str, int] | None = None,
        threads: int = 1,
        decisions: dict[str, DecisionValue] | None = None,
    ) -> list[np.ndarray]:
        """The logical results. ``inputs`` are logical arrays with the types in which the kernel gets them."""
        symbols = symbols or {}
        stage = make_stage(make_kernel, [type_ for _, type_ in inputs], outputs, decisions)
        choose_tiles(stage, host_target())
        signature = Signature.of(stage)
        key = signature.function
        if key not in self._images:
            self._images[key] = compile_stage(stage)
        memories = [pack(array, type_, symbols) for array, type_ in inputs]
        guarded = [sentinel_memory(type_, symbols) for type_ in outputs]
        results = [memory[_GUARD:-_GUARD] for memory in guarded]
        arguments = Arguments(
            [*memories, *results],
            None if signature.scratch is None else np.full(bind(signature.scratch, symbols) * threads, 0xCC, np.uint8),
            self.report if signature.reports else None,
            [symbols[name] for name in signature.sizes],
        )
        for thread in range(threads):
            self._images[key](*arguments.in_order(), thread=thread, threads=threads)
        for memory, result in zip(guarded, results, strict=True):
            assert_untouched(memory[:_GUARD], "memory before a result")
            assert_untouched(memory[_GUARD + result.size :], "memory after a result")
        self.last_memory = results
        return [unpack(memory, type_, symbols) for memory, type_ in zip(results, outputs, strict=True)]

    @staticmethod
    def stage(make_kernel: MakeKernel, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> schedule.StageOp:
        """The stage without decisions, for a test that lets the compiler make them."""
        return make_stage(make_kernel, inputs, outputs)


def make_stage(
    make_kernel: MakeKernel,
    inputs: Sequence[TensorType],
    outputs: Sequence[TensorType],
    decisions: dict[str, DecisionValue] | None = None,
) -> schedule.StageOp:
    body = Block(arg_types=list(inputs))
    kernel = make_kernel(body.args)
    body.add_ops([kernel, schedule.YieldOp(list(kernel.results))])
    outer = Block(arg_types=[*inputs, *outputs])
    stage = schedule.StageOp(
        "stage", outer.args[: len(inputs)], outer.args[len(inputs) :], Region(body), decisions or {}
    )
    outer.add_op(stage)
    stage.verify()
    return stage


def compile_stage(stage: schedule.StageOp) -> Callable:
    function = lower_stage(stage, Signature.of(stage))
    module = ModuleOp([function])
    module.verify()
    context = CompilerContext(target="host")
    for name in ("loops-map-threads", "loops-expand-math"):
        UNIVERSE.all_passes[name]()().apply(context, module)
    return load_module(lower_module(module, host_target()))[function.sym_name.data]


def bind(value: Dim, symbols: dict[str, int]) -> int:
    return int(substitute(value, symbols))


def bound_layout(type_: TensorType, symbols: dict[str, int]) -> tuple[Layout, list[int]]:
    layout = type_.layout
    lower, upper = ([bind(m, symbols) for m in margins] for margins in (layout.lower, layout.upper))
    return Layout(layout.order, tuple(lower), tuple(upper), layout.halo), [bind(d, symbols) for d in type_.dims]


def pack(array: np.ndarray, type_: TensorType, symbols: dict[str, int]) -> np.ndarray:
    """The tensor's memory, flat; what is no element and no halo is filled with what must not be used."""
    layout, shape = bound_layout(type_, symbols)
    assert list(array.shape) == shape, (array.shape, shape)
    assert array.dtype == np.dtype(dtype_name(type_.element_type)), array.dtype
    memory = layout.pack(array)
    if not layout.halo:
        garbage = np.nan if array.dtype.kind == "f" else 77 if array.dtype.kind in "iu" else True
        memory = np.where(layout.pack(np.ones(shape, bool)), memory, np.array(garbage, array.dtype))
    return np.ascontiguousarray(memory).reshape(-1)


def sentinel_memory(type_: TensorType, symbols: dict[str, int]) -> np.ndarray:
    """Memory for a result, between two guards, all of it filled with the same number."""
    layout, shape = bound_layout(type_, symbols)
    count = int(np.prod(layout.physical_shape(shape), dtype=np.int64))
    dtype = np.dtype(dtype_name(type_.element_type))
    return np.full(count + 2 * _GUARD, _sentinel(dtype), dtype)


def _sentinel(dtype: np.dtype) -> np.ndarray:
    return np.array(True if dtype.kind == "b" else 55, dtype)


def assert_untouched(memory: np.ndarray, what: str) -> None:
    assert (memory == _sentinel(memory.dtype)).all(), f"{what} was written to"


def unpack(memory: np.ndarray, type_: TensorType, symbols: dict[str, int]) -> np.ndarray:
    """The logical array; checks that a halo is zero and that memory around a window is as it was."""
    layout, shape = bound_layout(type_, symbols)
    if layout.has_margins:
        inside = layout.pack(np.ones(shape, bool)).reshape(-1)
        outside = memory[~inside]
        if not any(layout.block_of(axis) and shape[axis] % layout.block_of(axis) for axis in range(layout.rank)):
            if layout.halo:
                assert (outside == 0).all(), "the halo is not zero"
            else:
                assert_untouched(outside, "memory around a window")
    return layout.unpack(memory, shape)


@pytest.fixture(scope="session")
def run_kernel() -> KernelRunner:
    return KernelRunner()
