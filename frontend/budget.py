"""How many nodes import may look at: loops and functions are written out, which nesting can make exponential."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from ..errors import ModelError
from .checks.limits import MAX_EXTRA_NODES, MAX_NODES_PER_NODE


class BudgetSpentError(ModelError):
    """Import ends here, whatever else may be wrong: it is no problem of the node where that happened."""


@dataclass
class NodeBudget:
    """What is left of the nodes that import may look at."""

    limit: int = MAX_EXTRA_NODES
    spent: int = 0

    @staticmethod
    def for_graph(graph: onnx.GraphProto) -> NodeBudget:
        """For a model of this main graph."""
        return NodeBudget(MAX_EXTRA_NODES + MAX_NODES_PER_NODE * _count(graph))

    def spend(self) -> None:
        """Counts a node. Raises BudgetSpentError where there were too many."""
        self.spent += 1
        if self.spent > self.limit:
            raise BudgetSpentError(
                f"the model becomes more than {self.limit} nodes when its loops and functions are written out; "
                "they are nested too deeply or run too often"
            )


def _count(graph: onnx.GraphProto) -> int:
    inner = (attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g"))
    return len(graph.node) + sum(map(_count, inner))
