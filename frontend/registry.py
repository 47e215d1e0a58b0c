"""The table of converters: (domain, operator) -> functions, each valid from an opset on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from .values import Value

if TYPE_CHECKING:
    from .node import Node

Converted: TypeAlias = "Value | Sequence[Value | None]"
Converter: TypeAlias = "Callable[[Node], Converted]"

MICROSOFT = "com.microsoft"

_CONVERTERS: dict[tuple[str, str], dict[int, Converter]] = {}


def converter(*operators: str, since: int = 1, domain: str = "") -> Callable[[Converter], Converter]:
    """Registers a function for operators; of several the one with the highest ``since`` up to the opset is used."""

    def register(function: Converter) -> Converter:
        for operator in operators:
            versions = _CONVERTERS.setdefault((domain, operator), {})
            if since in versions:
                raise ValueError(f"two converters for {domain}::{operator} since opset {since}")
            versions[since] = function
        return function

    return register


def find_converter(domain: str, operator: str, opset: int) -> Converter | None:
    """The converter of an operator at an opset, or None."""
    versions = _CONVERTERS.get((domain, operator))
    if not versions:
        return None
    fitting = [since for since in versions if since <= opset]
    return versions[max(fitting)] if fitting else None
