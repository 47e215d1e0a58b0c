"""One ONNX node as its converter sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar, overload

import numpy as np
import onnx

from ..dialects.graph import BindSizesOp
from ..dialects.graph.types import GraphTensorType, i1, i64
from ..dialects.shape import ceildiv, multiply, product
from ..errors import Problem, problem_error
from .element_types import stored_array
from .operator_sets import STANDARD_DOMAINS
from .problems import type_text
from .values import Value

if TYPE_CHECKING:
    from xdsl.ir import Attribute

    from ..dialects.shape import Dim
    from .builder import GraphBuilder
    from .scope import Scope

Converted: TypeAlias = "Value | Sequence[Value | None]"
Converter: TypeAlias = "Callable[[Node], Converted]"

_T = TypeVar("_T")
_MISSING: Any = object()


def type_name(code: int) -> str:
    """ONNX's name of an element type, or its number where it has none."""
    names = {value: name for name, value in onnx.TensorProto.DataType.items()}
    return names.get(code, f"type {code}")


def attribute_value(attribute: onnx.AttributeProto) -> Any:
    """The Python value of an attribute: numbers, text, lists, arrays; graphs stay protos."""
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, onnx.TensorProto):
        return stored_array(value)
    if attribute.type == onnx.AttributeProto.STRINGS:
        return [text.decode("utf-8", "replace") for text in value]
    return list(value) if attribute.type in _LISTS else value


_LISTS = (onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS, onnx.AttributeProto.GRAPHS)

# For inputs that decide how the code looks.
MAKE_CONSTANT = "export it as a constant, or fix the inputs' shapes it is computed from (--shape, --dim)"

EXPORT_FOR_INFERENCE = "export the model for inference (in PyTorch: model.eval())"


def node_name(proto: onnx.NodeProto) -> str:
    """What a node is called: its own name, else that of its first output."""
    return proto.name or next((name for name in proto.output if name), "") or proto.op_type


class Node:
    """A node's operator, inputs (None where left out), attributes and the builder to convert it with."""

    def __init__(self, proto: onnx.NodeProto, inputs: list[Value | None], opset: int, scope: Scope):
        self.proto = proto
        self.path = scope.path + node_name(proto)
        self.inputs = inputs
        self.opset = opset
        self.scope = scope
        self.b: GraphBuilder = scope.builder
        self._attributes = {attribute.name: attribute for attribute in proto.attribute}
        self._stated = inputs

    def with_inputs(self, inputs: list[Value | None]) -> Node:
        """The node on other inputs; its problems go on to name those that it has."""
        other = copy(self)
        other.inputs = inputs
        return other

    @property
    def domain(self) -> str:
        """The operator's domain, '' for ONNX's own."""
        return "" if self.proto.domain in STANDARD_DOMAINS else self.proto.domain

    @property
    def operator(self) -> str:
        return self.proto.op_type

    @property
    def output_count(self) -> int:
        return len(self.proto.output)

    def wants(self, index: int) -> bool:
        """Whether output ``index`` is used by name."""
        return index < len(self.proto.output) and bool(self.proto.output[index])

    def declared_rank(self, index: int) -> int | None:
        """The rank that the model says output ``index`` has; None where it says none."""
        declared = self.scope.declared_types().get(self.proto.output[index])
        if declared is None or not declared.tensor_type.HasField("shape"):
            return None
        return len(declared.tensor_type.shape.dim)

    def input(self, index: int) -> Value:
        """A required input. Raises InvalidModelError where it is left out."""
        value = self.optional(index)
        if value is None:
            self.invalid(f"input #{index} is missing")
        return value

    def optional(self, index: int) -> Value | None:
        return self.inputs[index] if index < len(self.inputs) else None

    @property
    def present(self) -> list[Value]:
        """All inputs that are given."""
        return [value for value in self.inputs if value is not None]

    @overload
    def attribute(self, name: str) -> Any: ...
    @overload
    def attribute(self, name: str, default: _T) -> _T: ...
    def attribute(self, name: str, default: Any = _MISSING) -> Any:
        """An attribute's value. Raises InvalidModelError where a required one is missing."""
        if name in self._attributes:
            return attribute_value(self._attributes[name])
        if default is _MISSING:
            self.invalid(f"the attribute '{name}' is missing")
        return default

    def tensor_code(self, name: str) -> int:
        """ONNX's number of the element type of a tensor in an attribute; 0 where there is none."""
        return self._attributes[name].t.data_type if name in self._attributes else 0

    def has(self, name: str) -> bool:
        return name in self._attributes

    def axis(self, value: int, rank: int) -> int:
        """An axis counted from 0. Raises InvalidModelError where it is out of range."""
        if not -rank <= value < max(rank, 1):
            self.invalid(f"axis {value} is out of range for rank {rank}")
        return value % rank if rank else 0

    def listed_axes(self) -> list[int] | None:
        """Axes from the attribute or, in later opsets, from the second input; None where there are none."""
        axes = self.attribute("axes", None)
        if axes is None and self.optional(1) is not None:
            axes = self.constant_input(1, "the axes").reshape(-1).tolist()
        return axes

    @property
    def has_computed_axes(self) -> bool:
        """Whether the axes, the second input, are known only when the model runs."""
        given = self.optional(1)
        return given is not None and given.integers() is None

    def relate(self, size: Dim, wanted: Dim, what: str, complaint: str = "") -> None:
        """Takes a size to be as wanted; what is not known now is checked at each run.

        Raises InvalidModelError, with the complaint, where it cannot be.
        """
        if not self.b.symbols.unify(size, wanted, f"{self.describe()}: {what}"):
            self.invalid(complaint or f"{what} is {size}, but must be {wanted}")

    def divided(self, size: Dim, by: int) -> Dim:
        """A size divided by a number that must divide it."""
        if by < 1:
            self.invalid(f"{size} cannot be divided by {by}")
        quotient = ceildiv(size, by)
        if not self.b.symbols.unify(multiply(quotient, by), size, f"{self.describe()}: the size must divide by {by}"):
            self.contradiction(f"{size} is no multiple of {by}")
        return quotient

    def at_least(self, size: Dim, least: Dim, what: str) -> None:
        """Takes a size not to be below ``least``; what is not known now is checked at each run."""
        if not self.b.symbols.require_at_least(size, least, f"{self.describe()}: {what} must be at least {least}"):
            self.invalid(f"{what} is {size}, but must be at least {least}")

    def axes(self, values: Sequence[int], rank: int) -> list[int]:
        return [self.axis(value, rank) for value in values]

    def constant_input(self, index: int, what: str) -> np.ndarray:
        """The elements of an input that must be known. Raises UnsupportedOperatorError where they are not."""
        value = self.input(index)
        if value.constant is not None:
            return value.constant
        elements = value.integers()
        if elements is None:
            self.unsupported(f"{what} (input #{index}) must be known when the model is compiled", MAKE_CONSTANT)
        return np.array(elements, value.type.dtype).reshape([int(d) for d in value.dims])  # pyright: ignore[reportArgumentType]

    def sizes_input(self, index: int, what: str) -> list[Dim]:
        """The sizes in an input of integers, symbols for those that only a run gives.

        Raises UnsupportedOperatorError where their number is not known.
        """
        value = self.b.reshape(self.input(index), [product(self.input(index).dims)])
        known = value.dimensions()
        if known is not None:
            return list(known)
        if not isinstance(value.dims[0], int):
            self.unsupported(f"the number of elements of {what} (input #{index}) must be known", MAKE_CONSTANT)
        sizes = self.fresh_type(i1, [None] * value.dims[0])
        return list(self.b.emit(BindSizesOp, [self.b.cast(value, i64)], [sizes])[0].dims)

    def scalar_input(self, index: int, default: float | int) -> float | int | None:
        """The number in an optional input of one element; None where it is not known."""
        value = self.optional(index)
        if value is None:
            return default
        if value.constant is not None and value.constant.size == 1:
            return value.constant.reshape(()).item()
        elements = value.integers()
        return elements[0] if elements is not None and len(elements) == 1 else None

    def body_scope(self, name: str, round_number: int | None = None) -> Scope:
        """The scope of a graph in attribute ``name``, or of one round of it where a loop is written out."""
        suffix = "" if round_number is None else f"[{round_number}]"
        return self.scope.child(f"{self.path}/{name}{suffix}")

    def describe(self) -> str:
        """The node in words, for errors."""
        return self.problem("").where

    def problem(
        self,
        reason: str,
        advice: str = "",
        *,
        is_invalid: bool = False,
        of_shapes: bool = False,
        is_internal: bool = False,
    ) -> Problem:
        """A problem of this node."""
        return Problem(
            place=self.path,
            reason=reason,
            advice=advice,
            operator=self.operator,
            domain=self.proto.domain or "ai.onnx",
            opset=self.opset,
            inputs=tuple(type_text(value) for value in self._stated),
            is_invalid=is_invalid,
            of_shapes=of_shapes,
            is_internal=is_internal,
        )

    def unsupported(self, reason: str, advice: str) -> NoReturn:
        """Raises UnsupportedOperatorError: what cannot be compiled here, and what the model's owner can do."""
        raise problem_error([self.problem(reason, advice)])

    def invalid(self, reason: str, advice: str = "") -> NoReturn:
        """Raises InvalidModelError: which rule of ONNX the node breaks."""
        raise problem_error([self.problem(reason, advice, is_invalid=True)])

    def contradiction(self, reason: str) -> NoReturn:
        """Raises InvalidModelError: which sizes contradict each other."""
        raise problem_error([self.problem(reason, is_invalid=True, of_shapes=True)])

    def unknown_size(self, what: str, size: Dim) -> NoReturn:
        """Raises UnsupportedOperatorError since a dimension must be a number, and says how to make it one."""
        self.unsupported(f"{what} needs an axis of known size, this one has {size}", self.how_to_fix(size))

    def how_to_fix(self, *sizes: Dim) -> str:
        """How to make unknown dimensions known."""
        names = self.b.symbols.source_names(*sizes)
        if not names:
            return "fix the inputs' shapes (--shape, or shapes= in Python), or export with static shapes"
        options = " ".join(f"--dim {name}=..." for name in names)
        python = ", ".join(f"'{name}': ..." for name in names)
        return f"fix the size of {' and '.join(names)}: {options}, or shapes={{{python}}} in Python"

    def dynamic(self, operation: Any, operands: Sequence[Value], dims: Sequence[Any], **fields: Any) -> Value:
        """An operation whose result has a fresh symbol for each None in ``dims``."""
        result_type = self.b.fresh_type(operands[0], dims, f"{self.operator.lower()}_size")
        (result,) = self.b.emit(operation, operands, [result_type], **fields)
        return result

    def fresh_type(self, element_type: Attribute, dims: Sequence[Any]) -> GraphTensorType:
        return self.b.with_fresh(element_type, dims, f"{self.operator.lower()}_size")
