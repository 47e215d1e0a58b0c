"""An ONNX model that is being rewritten."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ..runtime.errors import LaminaError

Written = TypeVar("Written")

LARGEST_MESSAGE = 2_000_000_000
"""Bytes that a protobuf message, and so an .onnx file without external data, may have."""


class OnnxGraph:
    """The main graph of a model: its nodes, constants by name, and who makes and who reads each value.

    The model that it is made of is not changed. Nodes may be added in any order; ``model()`` sorts them. What stands in
    subgraphs counts as read by the node that holds them, and stays as it is.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self.nodes = [_copied(node) for node in model.graph.node]
        _name_apart(self.nodes)
        self._tensors: dict[str, TensorProto] = {tensor.name: tensor for tensor in model.graph.initializer}
        self._arrays: dict[str, np.ndarray] = {}
        self.inputs = [value.name for value in model.graph.input if value.name not in self._tensors]
        self.outputs = [value.name for value in model.graph.output]
        self._names = set(self._tensors) | {value.name for value in (*model.graph.input, *model.graph.output)}
        for node in self.nodes:
            self._names.update(reads(node))
            self._names.update(node.output)
        self._makers: dict[str, NodeProto] | None = None
        self._shared: dict[Hashable, Any] = {}
        self._readers: dict[str, list[NodeProto]] = {}

    # --- looking ----------------------------------------------------------------------------------------

    @property
    def opset(self) -> int:
        """Version of the standard operators."""
        return next(entry.version for entry in self._model.opset_import if entry.domain in ("", "ai.onnx"))

    def maker(self, value: str) -> NodeProto | None:
        """The node that computes it; None of an input or a constant."""
        self._index()
        assert self._makers is not None
        return self._makers.get(value)

    def readers(self, value: str) -> list[NodeProto]:
        """Nodes that read it, each once, those among them whose subgraphs do."""
        self._index()
        return self._readers.get(value, [])

    def only_reader(self, value: str) -> NodeProto | None:
        """The node that alone reads it; None where there are several, or where it is an output of the model."""
        readers = self.readers(value)
        return readers[0] if len(readers) == 1 and value not in self.outputs else None

    def is_constant(self, value: str) -> bool:
        return value in self._tensors or value in self._arrays

    def array(self, value: str) -> np.ndarray | None:
        """A constant's numbers; None of what is computed."""
        if value not in self._arrays and value in self._tensors:
            self._arrays[value] = numpy_helper.to_array(self._tensors[value])
        return self._arrays.get(value)

    def constants(self) -> Iterator[str]:
        yield from self._tensors.keys() | self._arrays.keys()

    # --- rewriting --------------------------------------------------------------------------------------

    def unique(self, stem: str) -> str:
        """A name that nothing has yet."""
        name, number = stem, 0
        while name in self._names:
            number += 1
            name = f"{stem}_{number}"
        self._names.add(name)
        return name

    def add_constant(self, stem: str, array: np.ndarray) -> str:
        name = self.unique(stem)
        self._arrays[name] = array
        return name

    def set_constant(self, name: str, array: np.ndarray) -> None:
        self._tensors.pop(name, None)
        self._arrays[name] = array

    def add(self, operator: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        """A node with one result, whose name has to be new; gives that name."""
        self._names.add(output)
        self.nodes.append(helper.make_node(operator, inputs, [output], f"{output}_node", domain=domain, **attributes))
        self._makers = None
        return output

    def insert(self, node: NodeProto) -> None:
        """A node as it stands, whose results are new."""
        self._names.update(node.output)
        self.nodes.append(node)
        self._makers = None

    def shared(self, key: Hashable, write: Callable[[], Written]) -> Written:
        """The names of what is written once for all that ask for it by this key."""
        if key not in self._shared:
            self._shared[key] = write()
        return self._shared[key]

    def remove(self, node: NodeProto) -> None:
        self.nodes = [other for other in self.nodes if other is not node]
        self._makers = None

    def rename_result(self, node: NodeProto, old: str, new: str) -> None:
        """The node computes ``new``; readers of ``old`` stay as they are."""
        node.output[list(node.output).index(old)] = new
        self._makers = None

    def redirect(self, node: NodeProto, position: int, value: str) -> None:
        """The node reads another value."""
        node.input[position] = value
        self._makers = None

    def require_domain(self, domain: str, version: int) -> None:
        if all(entry.domain != domain for entry in self._model.opset_import):
            self._model.opset_import.append(helper.make_opsetid(domain, version))

    # --- the result -------------------------------------------------------------------------------------

    def model(self, outputs: Sequence[str] = ()) -> onnx.ModelProto:
        """The model as it stands now, ``outputs`` (of f32) beside its own; without constants that nothing reads."""
        result = onnx.ModelProto()
        graph, old = result.graph, self._model.graph
        _copy_fields(self._model, result, without=("graph",))
        _copy_fields(old, graph, without=("node", "initializer", "input", "output", "value_info"))
        graph.input.extend(value for value in old.input if value.name in self.inputs)
        graph.output.extend(old.output)
        graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs)
        graph.node.extend(self._sorted())
        read = {name for node in self.nodes for name in reads(node)} | set(self.outputs) | set(outputs)
        for name in sorted(self.constants()):
            if name in read:
                graph.initializer.append(self._tensor(name))
        return result

    def _tensor(self, name: str) -> TensorProto:
        if name in self._tensors:
            return self._tensors[name]
        return numpy_helper.from_array(np.asarray(self._arrays[name], order="C"), name)

    def _sorted(self) -> list[NodeProto]:
        """Each node after those whose results it reads, otherwise in the order in which they were."""
        self._index()
        done: set[int] = set()
        result: list[NodeProto] = []
        for node in self.nodes:
            stack = [node]
            while stack:
                top = stack[-1]
                if id(top) in done:
                    stack.pop()
                    continue
                makers = (self.maker(name) for name in reads(top))
                waiting = [maker for maker in makers if maker is not None and id(maker) not in done]
                if waiting:
                    stack.extend(waiting)
                    continue
                done.add(id(top))
                result.append(stack.pop())
        return result

    def _index(self) -> None:
        if self._makers is not None:
            return
        self._makers = {name: node for node in self.nodes for name in node.output if name}
        found: dict[str, list[NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in set(reads(node)):
                found[name].append(node)
        self._readers = dict(found)


def reads(node: NodeProto) -> Iterator[str]:
    """Names of the values that a node reads; those that its subgraphs take from outside too."""
    yield from (name for name in node.input if name)
    for graph in subgraphs(node):
        inside = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
        inside.update(name for inner in graph.node for name in inner.output)
        for inner in graph.node:
            yield from (name for name in reads(inner) if name not in inside)
        yield from (value.name for value in graph.output if value.name not in inside)


def _copied(node: NodeProto) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    if copy.domain == "ai.onnx":
        copy.domain = ""
    return copy


def _name_apart(nodes: Sequence[NodeProto]) -> None:
    """Of nodes that share a name, all but the first are called after their results, too."""
    seen = set()
    for node in nodes:
        if node.name and node.name in seen:
            node.name = f"{node.name} ({', '.join(node.output)})"
        seen.add(node.name)


def _copy_fields(source: Any, copy: Any, without: Sequence[str]) -> None:
    """Those of a message, lists of others and plain values, that have not to be left out."""
    for field, value in source.ListFields():
        if field.name in without:
            continue
        if hasattr(value, "extend"):
            getattr(copy, field.name).extend(value)
        else:
            setattr(copy, field.name, value)


def subgraphs(node: NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    """The value of a node's attribute."""
    found = next((entry for entry in node.attribute if entry.name == name), None)
    return default if found is None else helper.get_attribute_value(found)


def set_attribute(node: NodeProto, name: str, value: Any) -> None:
    kept = [entry for entry in node.attribute if entry.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def float_values(graph: OnnxGraph) -> set[str]:
    """Names of the values that are f32, as far as can be told without running the model.

    Weights take no part in it, so that models of any size can be looked at.
    """
    model = graph.model()
    del model.graph.initializer[:]
    for name in graph.constants():
        array = graph.array(name)
        assert array is not None
        if array.size <= 64:
            model.graph.initializer.append(numpy_helper.from_array(array, name))
        else:
            code = helper.np_dtype_to_tensor_dtype(array.dtype)
            model.graph.input.append(helper.make_tensor_value_info(name, code, array.shape))
    inferred = onnx.shape_inference.infer_shapes(model)
    known = (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
    floats = {value.name for value in known if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    return floats | {name for name in graph.constants() if _is_float(graph.array(name))}


def _is_float(array: np.ndarray | None) -> bool:
    return array is not None and array.dtype == np.float32


def raised_to(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    """The model in at least this version of the standard operators. Raises LaminaError where it cannot be raised."""
    entry = next((entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")), None)
    if entry is None or entry.version >= version:
        return model
    try:
        return onnx.version_converter.convert_version(model, version)
    except Exception as error:  # What the converter raises differs from operator to operator.
        raise LaminaError(
            f"the model is of opset {entry.version}, its quantised form needs {version}, and onnx cannot convert it "
            f"({error}): export it anew with opset {version} or later"
        ) from error
