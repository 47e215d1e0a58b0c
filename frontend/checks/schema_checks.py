"""What ONNX's own definition of an operator says of a node: inputs, outputs, attributes, types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import onnx

from ..container_types import kind_of
from ..values import Value
from .wording import shown

_A = onnx.AttributeProto


@dataclass(frozen=True)
class OperatorSignature:
    """A schema as plain data; reading it from C++ for each node would take longer than everything else."""

    min_inputs: int
    max_inputs: int
    min_outputs: int
    max_outputs: int
    required_inputs: tuple[bool, ...]
    inputs: tuple[tuple[str, str, frozenset[str]], ...]
    outputs: tuple[str, ...]
    variadic: bool
    same_type_variadic: bool
    attributes: Mapping[str, tuple[int, bool]]
    deprecated: bool


@lru_cache(maxsize=1024)
def signature_of(operator: str, opset: int, domain: str) -> OperatorSignature | None:
    """The definition of an operator, or None where ONNX has none of that name at that opset."""
    try:
        schema: Any = onnx.defs.get_schema(operator, opset, domain)
    except (onnx.defs.SchemaError, TypeError):
        return None
    option = onnx.defs.OpSchema.FormalParameterOption
    last = schema.inputs[-1] if schema.inputs else None
    variadic = last is not None and last.option == option.Variadic
    return OperatorSignature(
        schema.min_input,
        schema.max_input,
        schema.min_output,
        schema.max_output,
        tuple(parameter.option == option.Single for parameter in schema.inputs),
        tuple((parameter.name, parameter.type_str, frozenset(parameter.types)) for parameter in schema.inputs),
        tuple(parameter.type_str for parameter in schema.outputs),
        variadic,
        last is not None and variadic and last.is_homogeneous,
        {name: (attribute.type.value, attribute.required) for name, attribute in schema.attributes.items()},
        schema.deprecated,
    )


class Schemas:
    """The operators of a model, by the opsets that it imports. ``functions`` are (domain, name) of its own ones."""

    def __init__(self, opsets: Mapping[str, int], functions: set[tuple[str, str]], *, is_function: bool = False):
        self._opsets = opsets
        self._functions = functions
        self._is_function = is_function

    def problems(self, node: onnx.NodeProto) -> Iterator[str]:
        """What is wrong with a node, in words. An unknown operator is not: import says so."""
        if not node.op_type:
            yield "the operator is missing"
            return
        yield from self._attribute_problems(node)
        domain = "" if node.domain == "ai.onnx" else node.domain
        if domain not in self._opsets or (domain, node.op_type) in self._functions:
            return
        signature = signature_of(node.op_type, min(self._opsets[domain], 2**31 - 1), domain)
        if signature is None:
            return
        yield from _count_problems(node, signature)
        yield from _schema_problems(node, signature)

    def _attribute_problems(self, node: onnx.NodeProto) -> Iterator[str]:
        seen: set[str] = set()
        for attribute in node.attribute:
            if not attribute.name:
                yield "an attribute has no name"
            elif attribute.name in seen:
                yield f"the attribute {shown(attribute.name)} is given twice"
            seen.add(attribute.name)
            if attribute.ref_attr_name and not self._is_function:
                yield (
                    f"the attribute {shown(attribute.name)} refers to {shown(attribute.ref_attr_name)} "
                    "of a function, but the node is in none"
                )


def _count_problems(node: onnx.NodeProto, signature: OperatorSignature) -> Iterator[str]:
    given = len(node.input)
    if not signature.min_inputs <= given <= signature.max_inputs:
        yield f"it has {given} inputs, the operator takes {_range(signature.min_inputs, signature.max_inputs)}"
    for index, required in enumerate(signature.required_inputs[:given]):
        if required and not node.input[index]:
            yield f"input #{index} ({signature.inputs[index][0]}) is left out, but the operator needs it"
    outputs = len(node.output)
    if not signature.min_outputs <= outputs <= signature.max_outputs:
        yield f"it has {outputs} outputs, the operator gives {_range(signature.min_outputs, signature.max_outputs)}"


def _range(least: int, most: int) -> str:
    if least == most:
        return str(least)
    return f"{least} or more" if most > 10**6 else f"{least} to {most}"


def _schema_problems(node: onnx.NodeProto, signature: OperatorSignature) -> Iterator[str]:
    given = set()
    for attribute in node.attribute:
        given.add(attribute.name)
        if attribute.name not in signature.attributes:
            known = ", ".join(sorted(signature.attributes)) or "none"
            yield f"the operator has no attribute {shown(attribute.name)}; it has {known}"
            continue
        wanted, _ = signature.attributes[attribute.name]
        if attribute.type != wanted:
            yield (
                f"the attribute {shown(attribute.name)} is {_kind(attribute.type)}, the operator takes {_kind(wanted)}"
            )
    for name, (_, required) in signature.attributes.items():
        if required and name not in given:
            yield f"the attribute '{name}' is missing"


def _kind(code: int) -> str:
    names = {value: name for name, value in _A.AttributeType.items()}
    return names.get(code, f"of type {code}")


def type_problem(signature: OperatorSignature, types: Sequence[str | None]) -> str | None:
    """What is wrong with the element types of a node's inputs, given as in ``tensor(float)``; None where nothing is.

    An input of type None is left out, or no tensor.
    """
    bound: dict[str, tuple[str, int]] = {}
    for index, found in enumerate(types):
        place = min(index, len(signature.inputs) - 1)
        if found is None or place < 0 or (index > place and not signature.variadic):
            continue
        name, variable, allowed = signature.inputs[place]
        if found not in allowed:
            choices = ", ".join(sorted(allowed))
            return f"input #{index} ({name}) has elements of {found}, the operator takes {choices}"
        if place == len(signature.inputs) - 1 and signature.variadic and not signature.same_type_variadic:
            continue
        first, first_index = bound.setdefault(variable, (found, index))
        if first != found:
            return f"inputs #{first_index} and #{index} must have the same element type, got {first} and {found}"
    return None


def input_type_problem(operator: str, opset: int, domain: str, inputs: Sequence[Any]) -> str | None:
    """As type_problem, for the values that a node reads while it is imported."""
    signature = signature_of(operator, opset, domain)
    if signature is None:
        return None
    values = [value if isinstance(value, Value) else None for value in inputs]
    return type_problem(signature, [value and kind_of(value.element_type, value.code) for value in values])
