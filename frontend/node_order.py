"""Puts nodes in order: ONNX asks for it, but some exporters write them as they come, and other engines sort them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

import onnx

from .checks.validate_model import subgraphs


def with_nodes_in_order(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """A copy in which each node, also of inner graphs and functions, comes after those whose outputs it reads.

        y = Neg(t); t = Abs(x)  ->  t = Abs(x); y = Neg(t)

    Nodes that need not move keep their order. None where all are in order already, or some can be in none: they read
    each other's outputs, or give the same one.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    changed = False
    bodies: list[onnx.GraphProto | onnx.FunctionProto] = [copy.graph, *copy.functions]
    while bodies:
        body = bodies.pop()
        order = _order(body.node)
        if order is None:
            return None
        if order != list(range(len(order))):
            nodes = [body.node[index] for index in order]
            kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
            del body.node[:]
            body.node.extend(kept)
            changed = True
        bodies += [graph for node in body.node for _, graph in subgraphs(node)]
    return copy if changed else None


def _order(nodes: Sequence[onnx.NodeProto]) -> list[int] | None:
    """The places of the nodes, the first one that may be next coming next; None where there is no order."""
    givers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    if len(givers) != sum(1 for node in nodes for name in node.output if name):
        return None
    needs = [{givers[name] for name in _names_read([node]) if name in givers} for node in nodes]
    readers: list[list[int]] = [[] for _ in nodes]
    for index, needed in enumerate(needs):
        for giver in needed:
            readers[giver].append(index)
    missing = [len(needed) for needed in needs]
    ready = [index for index, count in enumerate(missing) if count == 0]
    order = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for reader in readers[index]:
            missing[reader] -= 1
            if missing[reader] == 0:
                heapq.heappush(ready, reader)
    return order if len(order) == len(nodes) else None


def _names_read(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """What nodes read, and what their inner graphs do; also names that are of these graphs alone."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        yield from node.input
        for _, graph in subgraphs(node):
            pending += graph.node
            yield from (output.name for output in graph.output)
