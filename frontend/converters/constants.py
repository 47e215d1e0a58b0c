"""Constants in nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..node import Node
from ..registry import converter
from ..values import Value


@converter("Constant")
def convert_constant(node: Node) -> Value:
    forms: dict[str, Any] = {
        "value": None,
        "value_float": np.float32,
        "value_floats": np.float32,
        "value_int": np.int64,
        "value_ints": np.int64,
        "value_string": object,
        "value_strings": object,
    }
    for name, dtype in forms.items():
        if node.has(name):
            value = node.attribute(name)
            array = np.array(value) if dtype is None else np.array(value, dtype)
            constant = node.b.constant(array, node.b.name if array.size > 64 else "")
            return constant.of_code(node.tensor_code(name))
    return node.unsupported(
        "this form of constant cannot be compiled: expected a tensor or numbers", "export a dense tensor"
    )
