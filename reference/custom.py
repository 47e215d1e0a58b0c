"""Operators that programs define by NumPy functions, by their full names (``my.domain::Median``).

Packages offer theirs as entry points of the group ``lamina.operators``: names of modules that define operators when
they are imported. They are when an operator is first asked for that is not there.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import numpy as np

GROUP = "lamina.operators"

NUMPY_FUNCTIONS: dict[str, Callable[..., Any]] = {}


@functools.cache
def load_offered() -> None:
    """Imports, once, what installed packages offer."""
    for offered in entry_points(group=GROUP):
        offered.load()


def find_function(operator: str) -> Callable[..., Any]:
    """Raises LookupError that says what to do where nobody has defined the operator in this process."""
    if operator not in NUMPY_FUNCTIONS:
        load_offered()
    if operator not in NUMPY_FUNCTIONS:
        raise LookupError(
            f"the operator {operator} is a NumPy function that nobody has defined here: import the module that defines "
            f"it before the model runs, or offer it as an entry point of the group {GROUP}"
        )
    return NUMPY_FUNCTIONS[operator]


def run_custom(inputs: list[Any], attributes: dict[str, Any]) -> list[np.ndarray]:
    """The results of the function called ``operator``; ``settings`` are the node's attributes as JSON."""
    results = find_function(attributes["operator"])(*inputs, **json.loads(attributes["settings"]))
    return list(results) if isinstance(results, (tuple, list)) else [results]


CUSTOM = {"custom": run_custom}
