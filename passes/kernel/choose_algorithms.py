"""Decides by which algorithm each convolution runs, by estimating the time and the error of every one that can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Block
from xdsl.passes import ModulePass

from ...dialects.kernel import ConstantOp, ConvOp
from ...dialects.winograd import tile_of
from .conv_costs import applicable_algorithms, conversion_seconds, estimate_seconds
from .winograd_error import estimate_error

if TYPE_CHECKING:
    from ...context import CompilerContext
    from ...machines import Target


@dataclass(frozen=True)
class KernelChooseAlgorithmsPass(ModulePass):
    """Sets ``algorithm`` of every convolution that has none; ``force`` names one to take wherever it can run.

    before::

        %y = kernel.conv(%x, %w) pads [1, 1, 1, 1] : ...

    after::

        %y = kernel.conv winograd4(%x, %w) error 2.1 pads [1, 1, 1, 1] : ...

    ``winograd-error`` is how far off Winograd's transforms may be, in units of what a direct sum in float32 is off
    by (root mean squares); ``error`` in the text is the estimate for these weights. Without the option the context
    says it.
    """

    name = "kernel-choose-algorithms"

    force: str | None = None
    winograd_error: float | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        context: CompilerContext = ctx  # pyright: ignore[reportAssignmentType]
        budget = context.winograd_error if self.winograd_error is None else self.winograd_error
        for kernel in op.walk():
            if isinstance(kernel, ConvOp) and kernel.get("algorithm") == "unset":
                self.choose(kernel, context, budget)

    def choose(self, kernel: ConvOp, context: CompilerContext, budget: float) -> None:
        """The algorithm that is forced, if it can run, else the fastest one within the budget."""
        if self.force in applicable_algorithms(kernel, context.target):
            algorithm, error = self.force, _winograd_error(kernel, self.force, context)
        else:
            algorithm, error = fastest_algorithm(kernel, context, budget)
        kernel.set("algorithm", algorithm)
        if error is not None:
            kernel.set("error", error)


def fastest_algorithm(kernel: ConvOp, context: CompilerContext, budget: float) -> tuple[str, float | None]:
    """The fastest algorithm within the budget, and its error as far as it has one beyond that of a direct sum."""
    possible = applicable_algorithms(kernel, context.target)
    for algorithm in sorted(possible, key=lambda each: _seconds(kernel, each, context.target)):
        error = _winograd_error(kernel, algorithm, context)
        if error is None or error <= budget:
            return algorithm, error
    raise AssertionError("im2col can always run, and sums directly")


def _seconds(kernel: ConvOp, algorithm: str, target: Target) -> float:
    """Of the convolution and of the changes of layout around it, which estimates expect among others in blocks."""
    seconds = estimate_seconds(kernel, algorithm, target)
    if not _stands_alone(kernel):
        return seconds
    changes = conversion_seconds(kernel, target)
    return seconds + {"im2col": -changes, "indirect": 0.0}.get(algorithm, changes)


def _stands_alone(kernel: ConvOp) -> bool:
    """Whether it reads what a run is given, and what it gives leaves the run: both as rows of pixels."""
    readers = [use.operation for use in kernel.result.uses]
    is_returned = bool(readers) and all(isinstance(reader, ReturnOp) for reader in readers)
    return is_returned and isinstance(kernel.operands[0].owner, Block)


def _winograd_error(kernel: ConvOp, algorithm: str, context: CompilerContext) -> float | None:
    """The error estimated for the weights at hand; None where it sums directly, as it will without constant ones."""
    weights = kernel.ins[1].owner
    if not tile_of(algorithm) or not isinstance(weights, ConstantOp):
        return None
    return estimate_error(context.constants[weights.constant.data], tile_of(algorithm))
