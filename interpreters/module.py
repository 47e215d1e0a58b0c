"""Runs a whole module in NumPy on any level down to the loops: @main as a graph, each segment on its own level."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from ..dialects.batches import BatchesOp
from ..dialects.kernel_call import CallOp
from ..dialects.schedule import BufferOp, StageOp
from .graph import interpret_graph
from .kernel import Trace, interpret_kernels
from .schedule import ScheduleRules, StageObserver, interpret_schedule


def interpret_module(
    module: ModuleOp,
    feeds: Mapping[str, np.ndarray],
    constants: Mapping[str, np.ndarray],
    *,
    trace: Trace | None = None,
    rules: ScheduleRules | None = None,
    observe: StageObserver | None = None,
) -> dict[str, np.ndarray]:
    """The outputs of @main by name.

    ``trace`` is told of every value, ``observe`` of every stage of a schedule; ``rules`` say what a schedule promises
    already. Raises ValueError naming the op that could not be evaluated.
    """

    def run_segment(function: FuncOp, arguments: list[np.ndarray], symbols: dict[str, int]) -> list[np.ndarray]:
        if any(isinstance(op, StageOp | CallOp | BatchesOp | BufferOp) for op in function.body.block.ops):
            return interpret_schedule(
                function, arguments, constants, symbols, trace=trace, rules=rules, observe=observe
            )
        return interpret_kernels(function, arguments, constants, symbols, trace)

    return interpret_graph(module, feeds, constants, trace=trace, run_segment=run_segment)
