"""The rules of all families, and the question whether an operation can be compiled."""

from __future__ import annotations

from xdsl.ir import Operation

from ...dialects import graph
from . import elementwise, indexing, linear, movement, pooling, recurrent, reductions
from .rules import Rule

RULES: dict[str, Rule] = {
    **elementwise.RULES,
    **linear.RULES,
    **reductions.RULES,
    **pooling.RULES,
    **movement.RULES,
    **indexing.RULES,
    **recurrent.RULES,
}

# Names of the operations that can be compiled, unless their fields or types stand in the way.
COMPILED_OPERATIONS = frozenset({graph.ConstantOp.name, *RULES})


def obstacle_of(op: Operation) -> str | None:
    """Why a graph operation can't be compiled; None where it can."""
    if isinstance(op, graph.ConstantOp):
        return None
    rule = RULES.get(op.name)
    return "it has no kernel" if rule is None else rule.obstacle(op)


def is_compiled(op: Operation) -> bool:
    """Whether a graph operation becomes kernels; the others run on the host."""
    return obstacle_of(op) is None
