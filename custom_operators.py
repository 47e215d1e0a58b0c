"""Operators that a program brings along, in a few lines of Python each.

::

    squared_relu = lamina.custom_operator("my.domain", "SquaredRelu")

    @squared_relu.graph                       # by operators of ONNX
    def _(ops, x):
        positive = ops.Relu(x)
        return ops.Mul(positive, positive)

    @squared_relu.numpy                       # or by a NumPy function, which runs on the host
    def _(x):
        return np.square(np.maximum(x, 0))

    @squared_relu.element                     # and by the code of one element, which is compiled and fused
    def _(code, x):
        positive = code.emit(arith.MaximumfOp, x, code.constant(0.0, x.type))
        return code.emit(arith.MulfOp, positive, positive)
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn, TypeVar

import numpy as np
import onnx

from .dialects import graph
from .dialects.graph.types import GraphTensorType, element_type_of
from .errors import LaminaError
from .frontend.importer import GraphImporter
from .frontend.node import Node, attribute_value
from .frontend.problems import Unavailable, Unreached
from .frontend.registry import converter
from .frontend.values import Value
from .lowering.graph_to_kernel.custom import ELEMENT_CODE
from .reference.custom import NUMPY_FUNCTIONS

Function = TypeVar("Function", bound=Callable[..., Any])
ResultTypes = Callable[..., "TensorType | Sequence[TensorType]"]


@dataclass(frozen=True)
class TensorType:
    """Element type and shape of an input or a result.

    A dimension is an integer or an expression over free dimensions, with which one may calculate; None in a result
    stands for one that only the function tells.
    """

    dtype: np.dtype
    shape: tuple[Any, ...]

    def with_shape(self, shape: Sequence[Any]) -> TensorType:
        return replace(self, shape=tuple(shape))

    def with_dtype(self, dtype: Any) -> TensorType:
        return replace(self, dtype=np.dtype(dtype))


def custom_operator(domain: str, name: str, *, since: int = 1) -> CustomOperator:
    """An operator of a domain of one's own, from a version of it on; its methods say what it computes.

    Raises LaminaError for ONNX's own domain.
    """
    if domain in ("", "ai.onnx"):
        raise LaminaError(f"'{name}': the operators of ONNX itself are not for programs to define; give another domain")
    return CustomOperator(domain, name, since)


class CustomOperator:
    """What an operator computes: by a graph, or by a NumPy function and, if need be, the code of one element.

    Attributes of a node are handed over by keyword, as numbers, text and lists of them.
    """

    def __init__(self, domain: str, name: str, since: int):
        self._domain, self._name, self._since = domain, name, since
        self._full_name = f"{domain}::{name}"

    def graph(self, function: Function) -> Function:
        """``function(ops, *inputs, **attributes)`` gives the results; ``ops.Conv(x, w, group=2)`` is ONNX's Conv.

        Arrays and numbers may stand for inputs of operators; a number has the type of the first tensor beside it. With
        ``outputs=2`` an operator gives a tuple.
        """
        self._register(partial(_as_graph, function))
        return function

    def numpy(
        self,
        function: Callable[..., Any] | None = None,
        *,
        result: Callable[..., TensorType | Sequence[TensorType]] | None = None,
    ) -> Any:
        """``function(*arrays, **attributes)`` gives an array, or a tuple of them.

        ``result`` gives their types from those of the inputs, and from the attributes; by default there is one result,
        of the type and shape of the first input. A compiled model finds the function by the operator's name: where it
        is loaded the definition must be imported, or be offered as an entry point of the group ``lamina.operators``.
        """
        if function is None:
            return partial(self.numpy, result=result)
        NUMPY_FUNCTIONS[self._full_name] = function
        self._register(partial(_as_function, self._full_name, result or _like_the_first))
        return function

    def element(self, function: Function) -> Function:
        """``function(code, *elements, **attributes)`` writes the code of one element of the result, with ``arith``,
        ``math`` and ``vectorx``, and gives its value. Operands broadcast; they, and the result, are floats up to f32.

        ``lamina verify`` checks it against the NumPy function. Raises LaminaError where there is none.
        """
        if self._full_name not in NUMPY_FUNCTIONS:
            raise LaminaError(f"{self._full_name}: say first what it computes, by a NumPy function")
        ELEMENT_CODE[self._full_name] = function
        return function

    def _register(self, convert: Callable[[Node], Any]) -> None:
        def foreign(node: Node) -> Any:
            return convert(node)

        # Whose converter it is tells the cache of compiled models to leave models of this process alone.
        foreign.__module__ = self._domain
        converter(self._name, domain=self._domain, since=self._since)(foreign)


# --- by a graph --------------------------------------------------------------------------------------------


class GraphOperators:
    """ONNX's operators as functions of values, as a definition by a graph calls them."""

    def __init__(self, node: Node):
        opsets = {"": onnx.defs.onnx_opset_version(), **node.scope.opsets}
        self._scope = GraphImporter(node.b, opsets, path=f"{node.path}/", problems=node.scope.problems)
        self._count = 0

    def __getattr__(self, operator: str) -> Callable[..., Any]:
        if operator.startswith("_"):
            raise AttributeError(operator)
        return partial(self._add, operator)

    def _add(self, operator: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        first = next((value for value in inputs if isinstance(value, Value)), None)
        names = [self._named(value, first) for value in inputs]
        results = [self._fresh() for _ in range(outputs)]
        self._scope.add_node(onnx.helper.make_node(operator, names, results, name=operator, **attributes))
        values = [self._scope.values[name] for name in results]
        if any(isinstance(value, Unavailable) for value in values):
            raise Unreached
        return values[0] if outputs == 1 else tuple(values)

    def _fresh(self) -> str:
        self._count += 1
        return f"{self._scope.path}{self._count}"

    def _named(self, value: Any, first: Value | None) -> str:
        if value is None:
            return ""
        if not isinstance(value, Value):
            is_number = isinstance(value, (bool, int, float)) and first is not None
            value = self._scope.builder.constant(np.asarray(value, first.type.dtype if is_number and first else None))
        name = self._fresh()
        self._scope.values[name] = value
        return name


def _as_graph(function: Callable[..., Any], node: Node) -> Any:
    return _called(function, node, GraphOperators(node), *node.inputs)


# --- by a NumPy function -----------------------------------------------------------------------------------


def _like_the_first(first: TensorType, *others: TensorType, **attributes: Any) -> TensorType:
    return first


def _as_function(operator: str, result: Callable[..., Any], node: Node) -> list[Value]:
    inputs = list(node.inputs)
    while inputs and inputs[-1] is None:
        inputs.pop()
    if None in inputs:
        node.unsupported(f"input #{inputs.index(None)} is left out between others", "give it, or define it by a graph")
    given = [value for value in inputs if value is not None]
    _require_fit(NUMPY_FUNCTIONS[operator], node, given, _attributes(node))
    types = _called(result, node, *(TensorType(value.type.dtype, value.dims) for value in given))
    listed = [types] if isinstance(types, TensorType) else list(types)
    results = [_graph_type(type_, node) for type_ in listed]
    settings = json.dumps(_attributes(node))
    return node.b.emit(graph.CustomOp, given, results, operator=operator, settings=settings)


def _graph_type(type_: TensorType, node: Node) -> GraphTensorType:
    return node.b.with_fresh(element_type_of(type_.dtype), type_.shape, f"{node.operator.lower()}_size")


# --- both --------------------------------------------------------------------------------------------------


def _attributes(node: Node) -> dict[str, Any]:
    """The node's attributes as numbers, text and lists."""
    found = {attribute.name: attribute_value(attribute) for attribute in node.proto.attribute}
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in found.items()}


def _called(function: Callable[..., Any], node: Node, *arguments: Any) -> Any:
    """What a definition gives. What goes wrong in it is neither the model's fault nor the compiler's, and says so."""
    attributes = _attributes(node)
    _require_fit(function, node, arguments, attributes)
    try:
        return function(*arguments, **attributes)
    except (LaminaError, Unreached):
        raise
    except Exception as error:
        _blame(function, node, f"{type(error).__name__}: {error}", error)


def _require_fit(
    function: Callable[..., Any], node: Node, arguments: Sequence[Any], attributes: Mapping[str, Any]
) -> None:
    try:
        inspect.signature(function).bind(*arguments, **attributes)
    except TypeError as error:
        given = f"{len(node.inputs)} inputs and the attributes {sorted(attributes)}"
        node.invalid(f"the operator's definition does not take {given}: {error}")


def _blame(function: Callable[..., Any], node: Node, what: str, error: Exception) -> NoReturn:
    try:
        node.unsupported(f"the operator's definition, {function.__module__}.{function.__qualname__}, failed: {what}",
                         "mend the definition")  # fmt: skip
    except LaminaError as blamed:
        raise blamed from error
