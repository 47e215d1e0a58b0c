"""The mel scale of frequencies."""

from __future__ import annotations

from ...dialects import graph
from ...dialects.shape import add, floordiv
from ..element_types import element_of
from ..node import Node
from ..registry import converter
from ..values import Value


@converter("MelWeightMatrix")
def convert_mel_weight_matrix(node: Node) -> Value:
    """Computed once where its inputs are constants, as they should be."""
    operands = [node.b.reshape(node.input(index), ()) for index in range(5)]
    bins, length = (value.dimensions() for value in operands[:2])
    dims = [None if length is None else add(floordiv(length[0], 2), 1), None if bins is None else bins[0]]
    result = node.fresh_type(element_of(node.attribute("output_datatype", 1)), dims)
    return node.b.emit(graph.MelWeightsOp, operands, [result])[0]
