"""Functions that a model brings along, written out at their calls.

ONNX's own inliner replaces a call by the function's nodes, but gives an attribute that the call leaves out no value,
where the function may say a default (``FunctionProto.attribute_proto``). So calls are completed before it runs:

- a call is given every default that it does not overrule;
- a node of a function whose attribute refers to one that the call leaves out, and that has no default, loses it (and
  has its operator's own default): such calls are of a variant of the function, as the node may be a call itself;
- an output that is an input as it stands becomes an identity.

Source: IR.md of the ONNX specification, "Functions".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx
import onnx.inliner

from ..errors import InvalidModelError

_Key = tuple[str, str, str]


def inline_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model without functions. Raises InvalidModelError where they cannot be written out.

    Nodes are named ``function/node``, so that messages say where they are. Functions of another opset than the model's
    are converted to it.
    """
    completed = onnx.ModelProto()
    completed.CopyFrom(model)
    del completed.functions[:]
    _Calls(model.functions, completed).complete(completed.graph.node)
    versions = {(opset.domain, opset.version) for opset in model.opset_import}
    foreign = any(
        (opset.domain, opset.version) not in versions
        for function in model.functions
        for opset in function.opset_import
        if opset.domain in ("", "ai.onnx")
    )
    try:
        return onnx.inliner.inline_local_functions(completed, convert_version=foreign)
    except Exception as error:  # From C++, which has no class of errors of its own.
        names = ", ".join(sorted({f"{function.domain}.{function.name}" for function in model.functions})[:10])
        raise InvalidModelError(f"the model's functions ({names}) cannot be written out: {error}") from error


class _Calls:
    """Completes calls, and adds to the model the variants of functions that are called."""

    def __init__(self, functions: Iterable[onnx.FunctionProto], model: onnx.ModelProto) -> None:
        self.functions: dict[_Key, onnx.FunctionProto] = {(f.domain, f.name, f.overload): f for f in functions}
        self.model = model
        self.variants: dict[tuple[_Key, frozenset[str]], str] = {}

    def complete(self, nodes: Iterable[onnx.NodeProto], absent: frozenset[str] = frozenset()) -> None:
        """Completes all calls among the nodes of the graph, or of a function called without ``absent`` attributes."""
        for node in _with_nested(nodes):
            for attribute in [a for a in node.attribute if a.ref_attr_name in absent and a.ref_attr_name]:
                node.attribute.remove(attribute)
            key = (node.domain, node.op_type, node.overload)
            if key in self.functions:
                self.complete_call(node, key)

    def complete_call(self, node: onnx.NodeProto, key: _Key) -> None:
        function = self.functions[key]
        given = {attribute.name for attribute in node.attribute}
        node.attribute.extend(default for default in function.attribute_proto if default.name not in given)
        node.op_type = self.variant(key, frozenset(function.attribute) - given)

    def variant(self, key: _Key, absent: frozenset[str]) -> str:
        """The name of the function for calls without the ``absent`` attributes, which have no default."""
        if (key, absent) not in self.variants:
            function = onnx.FunctionProto()
            function.CopyFrom(self.functions[key])
            for node in function.node:
                own = node.name or next((name for name in node.output if name), node.op_type)
                node.name = f"{function.name}/{own}"
            _copy_returned_inputs(function)
            if absent:
                function.name += f" without {', '.join(sorted(absent))}"
            self.variants[key, absent] = function.name
            self.complete(function.node, absent)
            self.model.functions.append(function)
        return self.variants[key, absent]


def _copy_returned_inputs(function: onnx.FunctionProto) -> None:
    """Makes outputs that are inputs the results of nodes."""
    for index, name in enumerate(function.output):
        if name in function.input:
            copy = f"{name} of {function.name}"
            function.node.append(onnx.helper.make_node("Identity", [name], [copy], f"{function.name}/{name}"))
            function.output[index] = copy


def _with_nested(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """The nodes and those of the graphs in their attributes."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _with_nested(graph.node)
