"""Random damage to models: what a broken exporter, a torn download or an attacker makes of a valid one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    5,
    7,
    63,
    100,
    -2,
    -7,
    255,
    2**15,
    2**31 - 1,
    2**31,
    -(2**31),
    2**40,
    2**62,
    2**63 - 1,
    -(2**63),
)
FLOATS = (0.0, 1.0, -1.0, 0.5, 1e-30, 1e38, float("inf"), float("-inf"), float("nan"))
NAMES = ("", "x", "y", "nothing", 'quote"', "new\nline", "nul\0", "\\", "Ünïcödé", "%0", "@main", "1", " ", "a" * 5000)
TEXTS = (b"", b"SAME_UPPER", b"linear", b"constant", b"none", b"max", b"\xff\xfe", b"reflect", b"cubic", b"x" * 1000)
TYPES = tuple(range(27))
OPERATORS = tuple(sorted({schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""}))

Mutation = Callable[[ModelProto, random.Random], None]


def graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """A graph and all inside of it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g)


def some_node(model: ModelProto, rng: random.Random) -> NodeProto | None:
    nodes = [node for graph in graphs(model.graph) for node in graph.node]
    nodes += [node for function in model.functions for node in function.node]
    return rng.choice(nodes) if nodes else None


def some_tensor(model: ModelProto, rng: random.Random) -> TensorProto | None:
    found = [tensor for graph in graphs(model.graph) for tensor in graph.initializer]
    found += [a.t for graph in graphs(model.graph) for n in graph.node for a in n.attribute if a.HasField("t")]
    return rng.choice(found) if found else None


def names_of(model: ModelProto) -> list[str]:
    names = [info.name for info in [*model.graph.input, *model.graph.output]]
    names += [tensor.name for tensor in model.graph.initializer]
    return names + [name for node in model.graph.node for name in [*node.input, *node.output]]


def move_nodes(model: ModelProto, rng: random.Random) -> None:
    """Drops a node, repeats one, or changes their order."""
    nodes = rng.choice(list(graphs(model.graph))).node
    if not nodes:
        return
    kind, index = rng.randrange(3), rng.randrange(len(nodes))
    if kind == 0:
        del nodes[index]
    elif kind == 1:
        nodes.add().CopyFrom(nodes[index])
    else:
        moved = NodeProto()
        moved.CopyFrom(nodes[index])
        del nodes[index]
        nodes.insert(rng.randrange(len(nodes) + 1), moved)


def change_names(model: ModelProto, rng: random.Random) -> None:
    node = some_node(model, rng)
    names = [*names_of(model), *NAMES]
    field = rng.choice(["input", "output", "graph_input", "graph_output", "initializer", "name"])
    if field in ("input", "output") and node is not None:
        values = getattr(node, field)
        kind = rng.randrange(3)
        if kind == 0 and values:
            values[rng.randrange(len(values))] = rng.choice(names)
        elif kind == 1 and values:
            del values[rng.randrange(len(values))]
        else:
            values.insert(rng.randrange(len(values) + 1), rng.choice(names))
    elif field == "name" and node is not None:
        node.name = rng.choice(NAMES)
    else:
        entries = {"graph_input": model.graph.input, "graph_output": model.graph.output}.get(
            field, model.graph.initializer
        )
        if entries:
            entries[rng.randrange(len(entries))].name = rng.choice(names)


def rename_everywhere(model: ModelProto, rng: random.Random) -> None:
    """The model stays valid if the new name is not in use."""
    names = [name for name in names_of(model) if name]
    if not names:
        return
    old, new = rng.choice(names), rng.choice(NAMES)
    for graph in graphs(model.graph):
        for entry in [*graph.input, *graph.output, *graph.initializer, *graph.value_info]:
            entry.name = new if entry.name == old else entry.name
        for node in graph.node:
            for values in (node.input, node.output):
                for index, name in enumerate(values):
                    if name == old:
                        values[index] = new


def change_operator(model: ModelProto, rng: random.Random) -> None:
    node = some_node(model, rng)
    if node is None:
        return
    if rng.random() < 0.9:
        node.op_type = rng.choice([*OPERATORS, "", "Nothing"])
    else:
        node.domain = rng.choice(["com.microsoft", "nowhere", "ai.onnx.ml", "ai.onnx", "x" * 1000])


def change_attribute(model: ModelProto, rng: random.Random) -> None:
    node = some_node(model, rng)
    if node is None or not node.attribute:
        add_attribute(model, rng)
        return
    attribute = rng.choice(node.attribute)
    kind = rng.randrange(10)
    if kind == 0:
        node.attribute.remove(attribute)
    elif kind == 1:
        node.attribute.add().CopyFrom(attribute)
    elif kind == 2:
        attribute.type = rng.choice(list(AttributeProto.AttributeType.values()))
    elif kind == 3:
        attribute.name = rng.choice(NAMES)
    else:
        change_value(attribute, rng)


def change_value(attribute: AttributeProto, rng: random.Random) -> None:
    if attribute.type == AttributeProto.INT:
        attribute.i = rng.choice(NUMBERS)
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = rng.choice(FLOATS)
    elif attribute.type == AttributeProto.STRING:
        attribute.s = rng.choice(TEXTS)
    elif attribute.type in (AttributeProto.INTS, AttributeProto.FLOATS, AttributeProto.STRINGS):
        field, choices = {
            AttributeProto.INTS: ("ints", NUMBERS),
            AttributeProto.FLOATS: ("floats", FLOATS),
            AttributeProto.STRINGS: ("strings", TEXTS),
        }[attribute.type]
        change_list(getattr(attribute, field), choices, rng)


def change_list(values: Any, choices: Sequence[Any], rng: random.Random) -> None:
    kind = rng.randrange(4)
    if kind == 0 and values:
        del values[rng.randrange(len(values))]
    elif kind == 1 or not values:
        values.append(rng.choice(choices))
    else:
        values[rng.randrange(len(values))] = rng.choice(choices)


def add_attribute(model: ModelProto, rng: random.Random) -> None:
    """One that the operator has, of a random value."""
    node = some_node(model, rng)
    if node is None:
        return
    try:
        schema = onnx.defs.get_schema(node.op_type, onnx.defs.onnx_opset_version(), "")
    except onnx.defs.SchemaError:
        return
    if not schema.attributes:
        return
    name, description = rng.choice(sorted(schema.attributes.items()))
    attribute = next((a for a in node.attribute if a.name == name), None) or node.attribute.add()
    attribute.name, attribute.type = name, description.type.value
    change_value(attribute, rng)


def change_tensor(model: ModelProto, rng: random.Random) -> None:
    tensor = some_tensor(model, rng)
    if tensor is None:
        return
    kind = rng.randrange(6)
    if kind == 0:
        change_list(tensor.dims, NUMBERS, rng)
    elif kind == 1:
        tensor.data_type = rng.choice(TYPES)
    elif kind == 2 and tensor.raw_data:
        tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data))]
    elif kind == 3 and tensor.raw_data:
        tensor.raw_data = bytes(rng.randrange(256) for _ in range(min(len(tensor.raw_data), 4096)))
    elif kind == 4 and tensor.data_type == TensorProto.INT64 and tensor.raw_data:
        content = bytearray(tensor.raw_data)
        place = 8 * rng.randrange(len(content) // 8)
        content[place : place + 8] = rng.choice(NUMBERS).to_bytes(8, "little", signed=True)
        tensor.raw_data = bytes(content)
    else:
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", rng.choice(["../x", "/etc/hosts", "", "nothing", "a\0b"])


def change_input(model: ModelProto, rng: random.Random) -> None:
    infos = [*model.graph.input, *model.graph.output]
    if not infos:
        return
    info = rng.choice(infos)
    kind, tensor = rng.randrange(5), info.type.tensor_type
    if kind == 0:
        tensor.elem_type = rng.choice(TYPES)
    elif kind == 1 and tensor.shape.dim:
        rng.choice(tensor.shape.dim).dim_value = rng.choice(NUMBERS)
    elif kind == 2 and tensor.shape.dim:
        rng.choice(tensor.shape.dim).dim_param = rng.choice(["N", "M", *NAMES])
    elif kind == 3 and tensor.shape.dim:
        del tensor.shape.dim[rng.randrange(len(tensor.shape.dim))]
    else:
        tensor.shape.dim.add().dim_value = rng.choice(NUMBERS)


def make_constant(model: ModelProto, rng: random.Random) -> None:
    """An input becomes a weight, so that what is computed from it is folded."""
    if not model.graph.input:
        return
    info = rng.choice(model.graph.input)
    tensor = info.type.tensor_type
    dims = [dimension.dim_value for dimension in tensor.shape.dim]
    count = 1
    for dimension in dims:
        count *= max(dimension, 0)
    if tensor.elem_type not in (TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL):
        return
    if count > 4096:
        return
    value = TensorProto(name=info.name, data_type=tensor.elem_type, dims=dims)
    for _ in range(count):
        if tensor.elem_type == TensorProto.FLOAT:
            value.float_data.append(rng.choice([*FLOATS, rng.gauss(0, 1)]))
        elif tensor.elem_type == TensorProto.INT64:
            value.int64_data.append(rng.choice([*NUMBERS, 1, 2, 3]))
        elif tensor.elem_type == TensorProto.INT32:
            value.int32_data.append(rng.choice([0, 1, 2, 3, -1, 2**31 - 1]))
        else:
            value.int32_data.append(rng.randrange(2))
    model.graph.initializer.append(value)
    model.graph.input.remove(info)


def free_dimensions(model: ModelProto, rng: random.Random) -> None:
    """Sizes become names, as in models of dynamic shape."""
    for info in model.graph.input:
        for dimension in info.type.tensor_type.shape.dim:
            if rng.random() < 0.6:
                dimension.dim_param = rng.choice(["N", "M", "K", "L"])


def change_versions(model: ModelProto, rng: random.Random) -> None:
    kind = rng.randrange(4)
    if kind == 0:
        model.ir_version = rng.choice(NUMBERS)
    elif kind == 1 and model.opset_import:
        rng.choice(model.opset_import).version = rng.choice([*NUMBERS, *range(1, 30)])
    elif kind == 2:
        model.opset_import.add().CopyFrom(onnx.helper.make_opsetid(rng.choice(["", "ai.onnx", "nowhere"]), 9))
    else:
        del model.opset_import[:]


MUTATIONS: tuple[tuple[Mutation, int], ...] = (
    (move_nodes, 2),
    (change_names, 3),
    (rename_everywhere, 1),
    (change_operator, 3),
    (change_attribute, 6),
    (add_attribute, 4),
    (change_tensor, 3),
    (change_input, 4),
    (make_constant, 5),
    (free_dimensions, 2),
    (change_versions, 1),
)


def mutated(model: ModelProto, rng: random.Random) -> ModelProto | bytes:
    """A damaged copy, now and then as bytes that may not even be a model."""
    copy = ModelProto()
    copy.CopyFrom(model)
    mutations, weights = zip(*MUTATIONS, strict=True)
    for mutation in rng.choices(mutations, weights, k=rng.choice([1, 1, 1, 2, 2, 3])):
        mutation(copy, rng)
    if rng.random() > 0.08:
        return copy
    content = bytearray(copy.SerializeToString())
    for _ in range(rng.choice([1, 1, 2, 8])):
        if content:
            content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)
