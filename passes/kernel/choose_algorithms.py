"""Decides by which algorithm each convolution runs, by estimating the time of every one that can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from ...dialects.kernel import ConvOp
from .conv_costs import applicable_algorithms, estimate_seconds

if TYPE_CHECKING:
    from ...backend.targets import Target


@dataclass(frozen=True)
class KernelChooseAlgorithmsPass(ModulePass):
    """Sets ``algorithm`` of every convolution that has none; ``force`` names one to take wherever it can run.

    before::

        %y = kernel.conv ins(%x, %w : ...) strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] -> ...

    after::

        %y = kernel.conv ins(%x, %w : ...) algorithm winograd4 strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] -> ...
    """

    name = "kernel-choose-algorithms"

    force: str | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target: Target = ctx.target  # pyright: ignore[reportAttributeAccessIssue]
        for kernel in op.walk():
            if isinstance(kernel, ConvOp) and kernel.get("algorithm") == "unset":
                kernel.set("algorithm", self.choose(kernel, target))

    def choose(self, kernel: ConvOp, target: Target) -> str:
        possible = applicable_algorithms(kernel, target)
        if self.force in possible:
            return self.force
        return min(possible, key=lambda algorithm: estimate_seconds(kernel, algorithm, target))
