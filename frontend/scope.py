"""What the nodes of one ONNX graph see: the values by name, here and around, and where problems are kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import onnx

from ..errors import InvalidModelError
from .builder import GraphBuilder
from .operator_sets import STANDARD_DOMAINS
from .problems import Problems, Unavailable, Unreached, declared_types
from .values import Value


class Scope(ABC):
    """One ONNX graph: the main one, or a body of control flow that sees the names around it.

    ``path`` stands before the names of its nodes in messages, e.g. ``if_3/then_branch/``.
    """

    def __init__(
        self,
        builder: GraphBuilder,
        opsets: Mapping[str, int],
        outer: Scope | None,
        path: str,
        problems: Problems | None,
    ):
        self.builder = builder
        self.opsets = opsets
        self.outer = outer
        self.path = path
        self.problems = problems or Problems()
        self.values: dict[str, Any] = {}
        self._graph: onnx.GraphProto | None = None

    @abstractmethod
    def child(self, path: str, problems: Problems | None = None) -> Scope:
        """A scope inside this one, on the same builder, at ``path``; its problems are this one's unless given."""

    @abstractmethod
    def add_graph(self, graph: onnx.GraphProto) -> None:
        """Everything in a graph: its weights and nodes."""

    def lookup(self, name: str) -> Any:
        """The value of a name, from here or from around. Raises KeyError."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.outer
        raise KeyError(name)

    def results(self, graph: onnx.GraphProto) -> list[Value]:
        """The graph's outputs. Raises InvalidModelError where one is not computed, Unreached where its nodes failed."""
        found = []
        for output in graph.output:
            try:
                found.append(self.lookup(output.name))
            except KeyError:
                raise InvalidModelError(f"the output '{output.name}' is not computed by any node") from None
        if any(isinstance(value, Unavailable) for value in found):
            raise Unreached
        return found

    def nodes(self) -> Sequence[onnx.NodeProto]:
        """The nodes of its graph."""
        return [] if self._graph is None else self._graph.node

    def opset_of(self, domain: str) -> int:
        return self.opsets.get("" if domain in STANDARD_DOMAINS else domain, 1)

    def declared_types(self) -> dict[str, onnx.TypeProto]:
        """The types that the graph declares, by the names of values."""
        return declared_types(self._graph)
