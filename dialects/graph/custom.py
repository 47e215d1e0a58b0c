"""An operator that a program has defined itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.irdl import var_operand_def, var_result_def
from xdsl.utils.exceptions import VerifyException

from .operation import GraphOperation, graph_operation, symbol_name, text
from .types import GraphTensorType


@graph_operation
class CustomOp(GraphOperation):
    """What the operator ``@"domain::Name"``, defined by ``lamina.custom_operator``, computes.

    ``settings`` are the node's attributes, as an object in JSON. C1: ``settings`` is an object in JSON; C2: there is a
    result.
    """

    name = "graph.custom"
    operator: str = symbol_name()
    inputs = var_operand_def(GraphTensorType)
    outputs = var_result_def(GraphTensorType)
    settings: str = text("{}")

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        try:
            is_object = isinstance(json.loads(values["settings"]), dict)
        except ValueError:
            is_object = False
        if not is_object:
            raise VerifyException(f"C1: settings must be an object in JSON, got {values['settings']!r}")
        if not result_types:
            raise VerifyException("C2: an operator needs at least one result")
