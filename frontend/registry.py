"""The table of converters: (domain, operator) -> functions, each valid from an opset on."""

from __future__ import annotations

from collections.abc import Callable

from ..reference.custom import load_offered
from .narrow_floats import in_f32
from .node import Converter
from .operator_sets import MICROSOFT, STANDARD_DOMAINS

_CONVERTERS: dict[tuple[str, str], dict[int, Converter]] = {}


def converter(
    *operators: str, since: int = 1, domain: str = "", several_steps: bool = False
) -> Callable[[Converter], Converter]:
    """Registers a function for operators; of several the one with the highest ``since`` up to the opset is used.

    ``several_steps``: it computes in several steps, which are done in f32 for narrower floats, so that the result is
    rounded once.
    """

    def register(function: Converter) -> Converter:
        used = in_f32(function) if several_steps else function
        for operator in operators:
            versions = _CONVERTERS.setdefault((domain, operator), {})
            if since in versions:
                raise ValueError(f"two converters for {domain}::{operator} since opset {since}")
            versions[since] = used
        return function

    return register


def find_converter(domain: str, operator: str, opset: int) -> Converter | None:
    """The converter of an operator at an opset, or None."""
    versions = _CONVERTERS.get((domain, operator))
    if not versions and domain not in (*STANDARD_DOMAINS, MICROSOFT):
        load_offered()
        versions = _CONVERTERS.get((domain, operator))
    if not versions:
        return None
    fitting = [since for since in versions if since <= opset]
    return versions[max(fitting)] if fitting else None


def first_opset(domain: str, operator: str) -> int | None:
    """The first opset that an operator has a converter for, or None."""
    return min(_CONVERTERS.get((domain, operator), ()), default=None)


def registered_operators(domain: str) -> set[str]:
    """The names of all operators of a domain that have a converter."""
    return {operator for known, operator in _CONVERTERS if known == domain}


def has_foreign_converters() -> bool:
    """Whether a program has registered operators of its own, beside those of this package."""
    package = __name__.partition(".")[0]
    return any(
        function.__module__.partition(".")[0] != package
        for versions in _CONVERTERS.values()
        for function in versions.values()
    )
