"""One stage on its own: its loops interpreted, or its machine code run, on the memory that the schedule gives it.

Every stage starts from what the interpreted schedule computed, so that no error is handed on and the first wrong stage
is the one at fault.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects import arith
from xdsl.dialects.builtin import BFloat16Type, Float16Type

from ..dialects.calling_convention import Arguments, Signature
from ..dialects.layout import TensorType
from ..dialects.layout_algebra import Layout
from ..dialects.schedule import StageOp
from ..interpreters.kernel import KernelInterpreter
from ..interpreters.loops import LoopsFunction
from ..interpreters.scalar import scalar_dtype
from ..interpreters.schedule import LOOP_THREADS, StageRun, tensor_type, unpack_tensor
from ..runtime.errors import MemoryAccessError
from ..runtime.image import MappedImage
from ..runtime.inspection import run_kernel
from ..runtime.program import ACCESS_REPORT_BYTES, INDEX_REPORT_BYTES
from ..runtime.violations import STACK, place_of_access
from .comparison import Deviation, Tolerance, compare_arrays

RunStage = Callable[[StageRun], list[np.ndarray]]
"""Gives the bytes of a stage's outputs."""


@dataclass(frozen=True)
class StageCall:
    """What a stage's function is called with, as bytes: its inputs, outputs and scratch full of NaN, and sizes."""

    function: str
    scratch_bytes: int | None
    arguments: Arguments[np.ndarray, int]
    outputs: list[np.ndarray]

    @staticmethod
    def of(run: StageRun, threads: int = 1) -> StageCall:
        signature = Signature.of(run.stage)
        scratch = signature.scratch
        scratch_bytes = None if scratch is None else KernelInterpreter({}, run.symbols).sizes([scratch])[0]
        sizes = [run.symbols[symbol] for symbol in signature.sizes]
        return StageCall.on(
            run.inputs, run.outputs, signature.function, scratch_bytes, signature.reports, sizes, threads
        )

    @staticmethod
    def on(
        inputs: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
        function: str,
        scratch_bytes: int | None,
        reports: bool,
        sizes: Sequence[int],
        threads: int = 1,
    ) -> StageCall:
        """On copies of the inputs; of the outputs only the sizes are taken. ``scratch_bytes`` is that of a thread."""
        results = [np.full_like(memory, 0xFF) for memory in outputs]
        arguments = Arguments(
            [*(memory.copy() for memory in inputs), *results],
            None if scratch_bytes is None else np.full(scratch_bytes * threads, 0xFF, np.uint8),
            np.zeros(INDEX_REPORT_BYTES, np.uint8) if reports else None,
            sizes,
        )
        return StageCall(function, scratch_bytes, arguments, results)

    def checked_arguments(self, access: np.ndarray) -> list[np.ndarray | int]:
        """As checked machine code takes them: with the sizes of all memory, and the bytes of the word that tells of an
        access outside of it."""
        sizes = [memory.size for memory in self.arguments.buffers]
        if self.scratch_bytes is not None:
            sizes[len(self.arguments.memory)] = -self.scratch_bytes
        return [*self.arguments.in_order(), *sizes, access]

    def place(self, number: int) -> str:
        """Which memory it is that checked code tells of by that number."""
        return (
            "its stack" if number == STACK else f"its argument {number} of {self.arguments.buffers[number].size} bytes"
        )


def run_loops(loops: LoopsFunction, run: StageRun, deadline: float = math.inf) -> list[np.ndarray]:
    """Outputs by the loops interpreter. Raises LoopsError or OutOfTimeError."""
    call = StageCall.of(run, LOOP_THREADS)
    loops.run(loops.typed(call.arguments.in_order()), LOOP_THREADS, deadline)
    return call.outputs


def run_machine_code(image: MappedImage, run: StageRun, threads: int = 1, *, checked: bool) -> list[np.ndarray]:
    """Outputs by the machine code. ``checked``: of a module that went through llvm-check-bounds.

    Raises ExecutionError where it leaves its memory a little; far, the process ends. Checked code raises
    MemoryAccessError wherever it was to leave it.
    """
    call = StageCall.of(run, threads)
    if not checked:
        run_kernel(image, call.function, call.arguments.in_order(), threads)
        return call.outputs
    access = np.zeros(ACCESS_REPORT_BYTES, np.uint8)
    run_kernel(image, call.function, call.checked_arguments(access), threads)
    (word,) = access.view(np.int64).tolist()
    if word:
        number, offset = place_of_access(word)
        raise MemoryAccessError(f"{call.function} accesses byte {offset} of {call.place(number)}")
    return call.outputs


def compare_stage(run: StageRun, found: list[np.ndarray], tolerance: Tolerance) -> tuple[str, Deviation]:
    """The output buffer that deviates most, and how; halos, whose zeros other stages read, count as well."""
    kernels = KernelInterpreter({}, run.symbols)
    tolerance = tolerance.rounded_to(_roundings(run.stage))
    worst = ("", Deviation(True))
    for target, expected, actual in zip(run.stage.outs, run.outputs, found, strict=True):
        wanted, got = (_with_halo(tensor_type(target), memory, kernels) for memory in (expected, actual))
        deviation = compare_arrays(got, wanted, tolerance)
        if not deviation.ok:
            return target.name_hint or "", deviation
        if deviation.relative >= worst[1].relative:
            worst = (target.name_hint or "", deviation)
    return worst


def _roundings(stage: StageOp) -> Iterator[str]:
    """The narrow floats to which the stage rounds, whatever it stores them as."""
    for op in stage.walk():
        element = op.result.type if isinstance(op, arith.TruncFOp) else None
        if isinstance(element, Float16Type | BFloat16Type):
            yield scalar_dtype(element).name


def _with_halo(type_: TensorType, memory: np.ndarray, kernels: KernelInterpreter) -> np.ndarray:
    layout = type_.layout
    if not layout.halo:
        return unpack_tensor(type_, memory, kernels)
    extents = kernels.sizes([layout.extent(type_.dims, axis) for axis in range(type_.rank)])
    return Layout(layout.order).unpack(memory.view(scalar_dtype(type_.element_type)), extents)
