"""Why an operator is not known, and what to do: misspelled, of a later opset, of a foreign domain, or not there."""

from __future__ import annotations

import difflib
from functools import cache
from typing import Any

import onnx

from .operator_sets import MICROSOFT, STANDARD_DOMAINS
from .registry import find_converter, first_opset, registered_operators

_CLASSICAL = "ai.onnx.ml"
_ADVICE = {}
_ELSEWHERE = "export the model without it, or add a converter (docs/guides/add_an_op.md)"


def unknown_operator(domain: str, operator: str, opset: int) -> tuple[str, str] | None:
    """Why an operator has neither a converter nor a definition by others, and what to do; None where it has."""
    domain = "" if domain in STANDARD_DOMAINS else domain
    if find_converter(domain, operator, opset) is not None:
        return None
    if domain == _CLASSICAL:
        suggestion = _suggestion(operator, registered_operators(domain))
        return f"this operator of {domain} cannot be compiled", suggestion or "run this part outside the model"
    schema = _schema(domain, operator, opset)
    if schema is not None:
        if schema.has_function or schema.has_context_dependent_function:
            return None
        first = first_opset(domain, operator)
        if first is not None:
            return (
                f"as of opset {opset} this operator cannot be compiled",
                f"export the model for opset {first} or later",
            )
        reason = "this operator of ONNX cannot be compiled yet"
        return reason, _ELSEWHERE
    if domain:
        return _of_another_domain(domain, operator)
    introduced = _history().get(operator)
    if introduced is not None:
        return (
            f"unknown to opset {opset}: the operator was introduced in opset {introduced[0]}",
            f"export the model for opset {introduced[0]} or later",
        )
    return "no such operator is known to ONNX", _suggestion(operator, set(_history())) or _ELSEWHERE


def _of_another_domain(domain: str, operator: str) -> tuple[str, str]:
    if domain != MICROSOFT and operator in _history():
        return (
            f"no operator of the domain {domain} is known by this name",
            f"{operator} of ONNX itself has the domain '': export it so if it is meant",
        )
    known = registered_operators(domain)
    if not known:
        return (
            f"the domain {domain} is unknown: its operators are defined by the program that made the model",
            "export it with standard operators, or with a function in the model that defines the operator by them",
        )
    advice = "export the model before onnxruntime optimises or quantizes it" if domain == MICROSOFT else _ELSEWHERE
    return f"this operator of {domain} cannot be compiled", _suggestion(operator, known) or advice


def _suggestion(operator: str, known: set[str]) -> str:
    close = difflib.get_close_matches(operator, sorted(known), n=2, cutoff=0.7)
    return f"did you mean {' or '.join(close)}?" if close else ""


def _schema(domain: str, operator: str, opset: int) -> Any:
    try:
        return onnx.defs.get_schema(operator, opset, domain)
    except onnx.defs.SchemaError:
        return None


@cache
def _history() -> dict[str, list[int]]:
    """The opsets in which each operator of ONNX itself was introduced or changed."""
    versions: dict[str, list[int]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if not schema.domain:
            versions.setdefault(schema.name, []).append(schema.since_version)
    return {name: sorted(found) for name, found in versions.items()}
