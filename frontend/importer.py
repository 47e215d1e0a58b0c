"""Walks an ONNX graph and builds @main at the graph level."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper
from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, DictionaryAttr, ModuleOp, StringAttr, i64
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, Region
from xdsl.utils.exceptions import VerifyException

from ..dialects.dimension_attribute import DimensionAttr
from ..dialects.graph.operation import GraphOperation
from ..dialects.graph.types import GraphTensorType, element_type_of
from ..errors import (
    InvalidModelError,
    LaminaError,
    ModelError,
    Problem,
    UnknownDimensionError,
    UnsupportedOperatorError,
    problem_error,
)
from .budget import BudgetSpentError, NodeBudget
from .builder import GraphBuilder, name_hint
from .checks.node_checks import check_node
from .checks.schema_checks import input_type_problem
from .container_types import container_type, kind_of, says_its_kind
from .containers import TensorList, as_values
from .element_types import element_of, is_held_otherwise, stored_array
from .known_operators import unknown_operator
from .narrow_floats import in_f32
from .node import Node, node_name, type_name
from .operator_sets import STANDARD_DOMAINS
from .problems import Problems, Unavailable, Unreached, broken_rule, inferred_types, stand_in, type_proto
from .registry import find_converter
from .scope import Scope
from .symbols import Symbols
from .values import Value
from .vanishing_axes import VanishingAxes

if TYPE_CHECKING:
    from ..context import CompilerContext
    from ..dialects.shape import Dim

_Shapes = Mapping[str, Any]


class GraphImporter(Scope):
    """A scope whose nodes are converted. One that cannot be is kept in ``problems``, and import goes on as it can."""

    def __init__(
        self,
        builder: GraphBuilder,
        opsets: Mapping[str, int],
        outer: GraphImporter | None = None,
        path: str = "",
        problems: Problems | None = None,
    ):
        super().__init__(builder, opsets, outer, path, problems)
        self.vanishing = VanishingAxes() if outer is None else outer.vanishing

    def child(self, path: str, problems: Problems | None = None) -> GraphImporter:
        """A scope inside this one, on the same builder, at ``path``; its problems are this one's unless given."""
        return GraphImporter(self.builder, self.opsets, self, f"{path}/", problems or self.problems)

    def add_graph(self, graph: onnx.GraphProto) -> None:
        """Everything in a graph: its weights and nodes."""
        self._graph = graph
        self.add_initializers(graph)
        self.add_nodes(graph.node)

    def add_initializers(self, graph: onnx.GraphProto) -> None:
        require_text(*(tensor.name for tensor in graph.initializer))
        for tensor in graph.initializer:
            self._add_initializer(tensor.name, lambda tensor=tensor: _to_array(tensor), tensor.data_type)
        for sparse in graph.sparse_initializer:
            self._add_initializer(sparse.values.name, lambda sparse=sparse: _dense(sparse))

    def _add_initializer(self, name: str, read: Callable[[], Any], code: int = 0) -> None:
        try:
            self.values[name] = self.builder.constant(read(), name).of_code(code)
        except ModelError as error:
            place = f"{self.path}{name}"
            self.problems.add_error(error, Problem(place, ""))
            self.values[name] = Unavailable(place)

    def add_nodes(self, nodes: Sequence[onnx.NodeProto]) -> None:
        for proto in nodes:
            self.add_node(proto)

    def add_node(self, proto: onnx.NodeProto) -> None:
        self.builder.budget.spend()
        require_text(proto.name, proto.op_type, proto.domain, *proto.input, *proto.output)
        inputs = [self._input(proto, name) for name in proto.input]
        cause = next((value.cause for value in inputs if isinstance(value, Unavailable)), None)
        if cause is not None:
            self._skip(proto, cause)
            return
        node = Node(proto, inputs, self.opset_of(proto.domain), self)
        outer = self.builder.name, self.builder.place
        self.builder.name = next((name for name in proto.output if name), proto.name)
        self.builder.place = node.path
        try:
            outputs = self._convert(node)
            self._name_outputs(node, outputs)
            self.vanishing.follow(node, is_main=not self.path)
        except Unreached:
            self._stand_in(proto, inputs)
        except BudgetSpentError:
            raise
        except ModelError as error:
            self.problems.add_error(error, replace(node.problem(""), follows=self._assumption(proto)))
            self._stand_in(proto, inputs)
        else:
            if self.problems.assumed:
                self._spread_assumption(proto)
        finally:
            self.builder.name, self.builder.place = outer

    def _name_outputs(self, node: Node, outputs: Sequence[Value | None]) -> None:
        for name, value in zip(node.proto.output, outputs):
            if not name:
                continue
            if value is None:
                node.unsupported(f"the output '{name}' is not computed here", "export the model without reading it")
            self.values[name] = _of_its_code(node, value)

    def _input(self, proto: onnx.NodeProto, name: str) -> Any:
        if not name:
            return None
        try:
            return self.lookup(name)
        except KeyError:
            pass
        reason = f"reads '{name}', which nothing before it computes"
        advice = "the nodes must be in order, and each name be an input, a weight or the output of a node"
        place = self.path + node_name(proto)
        domain = proto.domain or "ai.onnx"
        opset = self.opset_of(proto.domain)
        self.problems.add(Problem(place, reason, advice, proto.op_type, domain, opset, is_invalid=True))
        return Unavailable(place)

    def _convert(self, node: Node) -> Sequence[Value | None]:
        convert = find_converter(node.domain, node.operator, node.opset)
        mistyped = input_type_problem(node.operator, node.opset, node.domain, node.inputs)
        if mistyped is not None:
            node.invalid(mistyped)
        try:
            check_node(node)
            converted = (convert or in_f32(self._expand_function))(node)
        except (LaminaError, Unreached):
            raise
        except VerifyException as error:
            raise problem_error([node.problem(str(error), is_invalid=True, of_shapes=True)]) from error
        except Exception as error:
            raise problem_error([_unforeseen(node, error)]) from error
        return [converted] if isinstance(converted, Value) else list(converted)

    def _expand_function(self, node: Node) -> Sequence[Value | None]:
        """Operators that ONNX itself defines by others are imported by that definition."""
        unknown = unknown_operator(node.domain, node.operator, node.opset)
        if unknown is not None:
            node.unsupported(*unknown)
        schema = onnx.defs.get_schema(node.operator, node.opset, node.domain)
        function = _function_body(schema, node)
        if function is None:
            node.unsupported(
                "ONNX does not say for these inputs and attributes how it is expressed by other operators",
                "export the model with simpler operators in its place",
            )
        opsets = {**self.opsets, **{o.domain: o.version for o in function.opset_import}}
        scope = GraphImporter(self.builder, opsets, path=f"{node.path}/", problems=self.problems)
        for name, value in zip(function.input, node.inputs):
            scope.values[name] = value
        attributes = {name: a.default_value for name, a in schema.attributes.items() if a.default_value.name}
        attributes |= {attribute.name: attribute for attribute in function.attribute_proto}
        attributes |= {attribute.name: attribute for attribute in node.proto.attribute}
        for proto in function.node:
            scope.add_node(_with_attributes(proto, attributes))
        # Optional outputs that the node does not name are not computed.
        outputs = [scope.values.get(name) for name in function.output]
        if any(isinstance(value, Unavailable) for value in outputs):
            raise Unreached
        return outputs

    # --- going on after a problem ---------------------------------------------------------------------

    def _skip(self, proto: onnx.NodeProto, cause: str) -> None:
        """A node whose inputs are not even known by type: all that can be said of it is whether it is known at all."""
        self.problems.skipped.append(self.path + node_name(proto))
        self._report_unknown(proto, self.path)
        self._stand_in(proto, (), cause)

    def _report_unknown(self, proto: onnx.NodeProto, path: str) -> None:
        """Keeps a problem for a node, and each one in its subgraphs, whose operator is not known."""
        opset = self.opset_of(proto.domain)
        place = path + node_name(proto)
        unknown = unknown_operator(proto.domain, proto.op_type, opset)
        if unknown is not None:
            self.problems.add(Problem(place, *unknown, proto.op_type, proto.domain or "ai.onnx", opset))
        for attribute in proto.attribute:
            for nested in attribute.g.node:
                self._report_unknown(nested, f"{place}/{attribute.name}/")

    def _stand_in(self, proto: onnx.NodeProto, inputs: Sequence[Any], cause: str = "") -> None:
        """Gives a failed node's outputs values of the types that they should have, where those can be told."""
        cause = cause or self.path + node_name(proto)
        domain = "" if proto.domain in STANDARD_DOMAINS else proto.domain
        types = [self.declared_types(), inferred_types(proto, self.opset_of(domain), domain, inputs)]
        for name in filter(None, proto.output):
            self.values[name] = stand_in(name, types, self.builder.symbols) or Unavailable(cause)
            self.problems.assumed[name] = cause

    def _assumption(self, proto: onnx.NodeProto) -> str:
        """The failed node on whose assumed result a node depends, if any."""
        assumed = self.problems.assumed
        return next((assumed[name] for name in proto.input if name in assumed), "") if assumed else ""

    def _spread_assumption(self, proto: onnx.NodeProto) -> None:
        cause = self._assumption(proto)
        if cause:
            self.problems.assumed.update(dict.fromkeys(filter(None, proto.output), cause))


def _unforeseen(node: Node, error: Exception) -> Problem:
    """A model that breaks ONNX's rules trips over them anywhere, so ONNX itself is asked; where it finds nothing wrong,
    the fault is the compiler's. What went wrong is kept as the cause."""
    broken = broken_rule(node.proto, node.opset, node.domain, node.inputs)
    if broken:
        return node.problem(f"the node is not valid: {broken}", is_invalid=True)
    reason = f"a fault of the compiler's own, not of the model: {type(error).__name__}: {error}"
    return node.problem(reason, "please report it, with the model", is_internal=True)


def _function_body(schema: Any, node: Node) -> onnx.FunctionProto | None:
    """The operator's definition by others, which may depend on attributes and input types."""
    if schema.has_function:
        body = schema.get_function_with_opset_version(_newest(schema.function_opset_versions, node.opset))
    elif schema.has_context_dependent_function:
        version = _newest(schema.context_dependent_function_opset_versions, node.opset)
        types = [type_proto(value).SerializeToString() for value in node.inputs]
        body = schema.get_context_dependent_function_with_opset_version(version, node.proto.SerializeToString(), types)
    else:
        return None
    return onnx.FunctionProto.FromString(body) if body else None


def _newest(versions: Sequence[int], opset: int) -> int:
    """The newest of the opsets that have a definition up to ``opset``.

    ONNX gives none for a later opset in which an operator that the definition uses has changed; but the definition says
    itself for which opset it is.
    """
    return max((version for version in versions if version <= opset), default=opset)


def require_text(*names: Any) -> None:
    """Raises InvalidModelError for a name that is not UTF-8, which protobuf hands out as bytes."""
    for name in names:
        if not isinstance(name, str):
            raise InvalidModelError(f"the model is damaged: the name {name!r} is not UTF-8")


def _with_attributes(proto: onnx.NodeProto, attributes: Mapping[str, onnx.AttributeProto]) -> onnx.NodeProto:
    """A node of a function body with references to the function's attributes filled in."""
    if not any(attribute.ref_attr_name for attribute in proto.attribute):
        return proto
    filled = onnx.NodeProto()
    filled.CopyFrom(proto)
    del filled.attribute[:]
    for attribute in proto.attribute:
        if not attribute.ref_attr_name:
            filled.attribute.append(attribute)
        elif attribute.ref_attr_name in attributes:
            copied = filled.attribute.add()
            copied.CopyFrom(attributes[attribute.ref_attr_name])
            copied.name = attribute.name
    return filled


def _to_array(tensor: onnx.TensorProto) -> Any:
    try:
        array = stored_array(tensor)
    except (onnx.checker.ValidationError, OSError, ValueError, TypeError, LookupError) as error:
        hint = ": give the path of the model's file, so that the data beside it is found"
        where = hint if tensor.data_location == onnx.TensorProto.EXTERNAL else ""
        raise InvalidModelError(f"the tensor '{tensor.name}' cannot be read{where} ({error})") from error
    try:
        element_type_of(array.dtype)
    except KeyError:
        raise UnsupportedOperatorError(
            f"the tensor '{tensor.name}' has elements of {array.dtype}, which cannot be compiled"
        ) from None
    return array


def _dense(sparse: onnx.SparseTensorProto) -> Any:
    import numpy as np

    values, indices = numpy_helper.to_array(sparse.values), numpy_helper.to_array(sparse.indices)
    dense = np.zeros(tuple(sparse.dims), values.dtype)
    if indices.ndim == 2:
        dense[tuple(indices.T)] = values
    else:
        dense.reshape(-1)[indices] = values
    return dense


# --- the main graph -------------------------------------------------------------------------------


def import_graph(
    graph: onnx.GraphProto, opsets: Mapping[str, int], shapes: _Shapes | None, context: CompilerContext
) -> ModuleOp:
    """@main of a module from the main graph of a model."""
    symbols = Symbols()
    require_text(*(info.name for info in [*graph.input, *graph.output]))
    require_text(*(dimension.dim_param for info in graph.input for dimension in info.type.tensor_type.shape.dim))
    given = {tensor.name for tensor in graph.initializer}
    inputs = [info for info in graph.input if info.name not in given]
    _bind_sizes(inputs, symbols, shapes or {})
    block = Block()
    builder = GraphBuilder(context.constants, symbols, block)
    builder.budget = NodeBudget.for_graph(graph)
    builder.keeps_denormals = context.denormals == "keep"
    importer = GraphImporter(builder, opsets)
    for info in inputs:
        wanted = (shapes or {}).get(info.name)
        importer.values[info.name] = _argument(info, importer, wanted if _is_shape(wanted) else None)
    try:
        importer.add_graph(graph)
    except BudgetSpentError as error:
        raise InvalidModelError(str(error)) from None
    outputs = _outputs(importer, graph)
    block.add_op(ReturnOp(*[builder.ssa(value) for value in outputs]))
    builder.finish()
    context.origins = builder.origins
    _replace_symbols(block, symbols)
    if symbols.has_replacements:
        _verify_again(block, builder.origins)
    named = [importer.values[info.name] for info in inputs]
    input_attributes = [_attributes(info.name, value) for info, value in zip(inputs, named)]
    output_attributes = [
        _attributes(info.name, value, importer.vanishing.of(info.name)) for info, value in zip(graph.output, outputs)
    ]
    return _module(block, input_attributes, output_attributes, symbols)


def _outputs(importer: GraphImporter, graph: onnx.GraphProto) -> list[Value]:
    """The outputs of the main graph. Raises ModelError with everything that is wrong with the model."""
    outputs: list[Value] = []
    try:
        outputs = as_values(importer, graph)
    except Unreached:
        pass
    except ModelError as error:
        importer.problems.add_error(error, Problem("", ""))
    importer.problems.raise_if_any()
    return outputs


def _module(
    block: Block, inputs: Sequence[DictionaryAttr], outputs: Sequence[DictionaryAttr], symbols: Symbols
) -> ModuleOp:
    return_op = block.last_op
    assert return_op is not None
    function = FuncOp(
        "main",
        ([argument.type for argument in block.args], [operand.type for operand in return_op.operands]),
        Region(block),
        arg_attrs=ArrayAttr(inputs),
        res_attrs=ArrayAttr(outputs),
    )
    module = ModuleOp([function])
    add_checks(module, "lamina.checks", symbols.resolved(symbols.checks))
    return module


def _attributes(name: str, value: Value, vanishing: Sequence[int] = ()) -> DictionaryAttr:
    """Of an input or output: name, ONNX's type if it does not show, and axes that are gone where their size is 1."""
    attributes: dict[str, Attribute] = {"lamina.name": StringAttr(name)}
    if not says_its_kind(value.element_type, value.code):
        attributes["lamina.kind"] = StringAttr(kind_of(value.element_type, value.code))
    if vanishing:
        attributes["lamina.vanishing"] = DenseArrayBase.from_list(i64, vanishing)
    return DictionaryAttr(attributes)


def add_checks(operation: Operation, name: str, checks: Sequence[tuple[str, str, str]]) -> None:
    """Keeps checks, if there are any, as an attribute: an array of [left, right, why]."""
    if checks:
        operation.attributes[name] = ArrayAttr([ArrayAttr([StringAttr(text) for text in c]) for c in checks])


def _bind_sizes(inputs: Sequence[onnx.ValueInfoProto], symbols: Symbols, shapes: _Shapes) -> None:
    """Gives named dimensions the sizes that are wanted. Raises UnknownDimensionError for a name that nothing has."""
    known = {info.name for info in inputs}
    names = {d.dim_param for info in inputs for d in info.type.tensor_type.shape.dim if d.dim_param}
    for key, wanted in shapes.items():
        if key in known and _is_shape(wanted):
            continue
        if key not in names:
            choices = ", ".join(sorted(known | names))
            raise UnknownDimensionError(f"no input or dimension is called '{key}': expected one of {choices}")
        symbols.bind(key, _wanted_dimension(wanted, symbols))


def _is_shape(wanted: Any) -> bool:
    """Whether what is wanted is the shape of an input; else it is the size of a dimension, which may have its name."""
    return not isinstance(wanted, int | str | np.integer)


def _of_its_code(node: Node, value: Any) -> Any:
    """A result that says of which ONNX type its elements are; sequences are results, too."""
    if isinstance(value, TensorList):
        return TensorList([_of_its_code(node, part) for part in value], value.element)
    return value.of_code(_code_of_result(node, value)) if isinstance(value, Value) else value


def _code_of_result(node: Node, result: Value) -> int:
    """ONNX's number of a result's element type, where what holds it does not say it; else 0."""
    if node.operator in ("Cast", "BitCast", "QuantizeLinear", "DequantizeLinear"):
        said = node.attribute("to", 0) or node.attribute("output_dtype", 0)
        if said or node.operator == "DequantizeLinear":
            return said if is_held_otherwise(said) else 0
    if node.operator == "CastLike":
        return node.input(1).code if is_held_otherwise(node.input(1).code) else 0
    if node.operator in ("If", "Loop", "Scan"):
        return result.code  # Each result has its own.
    # What is not converted stays in the type that it had.
    given = (v for v in node.inputs if isinstance(v, Value) and v.element_type == result.element_type)
    return result.code or next((value.code for value in given if is_held_otherwise(value.code)), 0)


def _argument(info: onnx.ValueInfoProto, importer: GraphImporter, wanted: Sequence[Any] | None) -> Value | Unavailable:
    """A new argument of @main for an input; where its type is not possible, that becomes a problem."""
    builder = importer.builder
    try:
        type_ = _input_type(info, builder.symbols, wanted)
    except ModelError as error:
        importer.problems.add_error(error, Problem("", ""))
        return Unavailable(f"input {info.name}")
    builder.symbols.declare_free(type_.dims)
    argument = builder.root.insert_arg(type_, len(builder.root.args))
    argument.name_hint = name_hint(info.name)
    return Value(type_, ssa=argument, name=info.name).of_code(info.type.tensor_type.elem_type)


def _unusable(info: onnx.ValueInfoProto, what: str, advice: str) -> ModelError:
    return problem_error([Problem(f"input '{info.name}'", what, advice)])


def _input_type(info: onnx.ValueInfoProto, symbols: Symbols, wanted: Sequence[Any] | None) -> GraphTensorType:
    if not info.type.HasField("tensor_type"):
        try:
            return container_type(info.type, symbols)
        except KeyError as error:
            kind = str(info.type.WhichOneof("value")).removesuffix("_type")
            advice = "split what it holds into inputs of their own"
            raise _unusable(info, f"is a {kind} of {error.args[0]}, which cannot be an input", advice) from None
    tensor = info.type.tensor_type
    try:
        element = element_of(tensor.elem_type)
    except KeyError:
        kind = type_name(tensor.elem_type)
        advice = "turn them into numbers before the model, or export it with another element type"
        raise _unusable(info, f"has elements of {kind}, which cannot be compiled", advice) from None
    declared = list(tensor.shape.dim)
    if wanted is not None:
        if tensor.HasField("shape") and len(wanted) != len(declared):
            raise InvalidModelError(
                f"the shape given for '{info.name}' has {len(wanted)} dimensions, the model says {len(declared)}"
            )
        return GraphTensorType.of([_fixed(info.name, i, d, declared, symbols) for i, d in enumerate(wanted)], element)
    if not tensor.HasField("shape"):
        advice = f"give one, e.g. --shape {info.name}=1x3, or shapes={{'{info.name}': [1, 3]}} in Python"
        raise _unusable(info, "has no shape in the model", advice)
    return GraphTensorType.of([_declared(info.name, i, d, symbols) for i, d in enumerate(declared)], element)


def _declared(name: str, axis: int, dimension: Any, symbols: Symbols) -> Dim:
    if dimension.WhichOneof("value") == "dim_value" and dimension.dim_value >= 0:
        return dimension.dim_value
    # '?' and the like stand for "not known", not for one size that recurs.
    if any(c.isalnum() for c in dimension.dim_param):
        return symbols.named(dimension.dim_param)
    return symbols.fresh(f"{name}_{axis}")


def _fixed(name: str, axis: int, wanted: Any, declared: Sequence[Any], symbols: Symbols) -> Dim:
    if wanted is None or wanted == -1 or wanted == "?":
        return (
            _declared(name, axis, declared[axis], symbols) if axis < len(declared) else symbols.fresh(f"{name}_{axis}")
        )
    if axis < len(declared):
        size = declared[axis].dim_value
        if (
            declared[axis].WhichOneof("value") == "dim_value"
            and size > 0
            and isinstance(wanted, int)
            and wanted != size
        ):
            raise InvalidModelError(f"dimension {axis} of '{name}' is {size} in the model, {wanted} was given")
        if declared[axis].dim_param and isinstance(wanted, int):
            symbols.bind(declared[axis].dim_param, wanted)
    return _wanted_dimension(wanted, symbols)


def _wanted_dimension(wanted: Any, symbols: Symbols) -> Dim:
    if isinstance(wanted, int):
        return wanted
    text = str(wanted)
    return int(text) if text.isdigit() else symbols.named(text)


# --- replacing symbols ----------------------------------------------------------------------------


def _replace_symbols(block: Block, symbols: Symbols) -> None:
    """Rewrites all types and fields where import found symbols to be equal to others."""
    if not symbols.has_replacements:
        return
    cache: dict[Attribute, Attribute] = {}

    def replace(attribute: Attribute) -> Attribute:
        if attribute not in cache:
            cache[attribute] = _replaced(attribute, symbols)
        return cache[attribute]

    _rewrite_block(block, replace)
    for operation in block.walk():
        for name in ("then_checks", "else_checks", "checks"):
            if name in operation.attributes:
                found: Any = operation.attributes.pop(name)
                checks = [(left.data, right.data, why.data) for left, right, why in found]
                add_checks(operation, name, symbols.resolved(checks))


def _verify_again(block: Block, origins: Mapping[Operation, str]) -> None:
    """Raises InvalidModelError where an operation does not fit the sizes that later ones give its symbols."""
    for operation in block.walk():
        if not isinstance(operation, GraphOperation):
            continue
        try:
            operation.verify_()
        except VerifyException as error:
            reason = f"the sizes that other nodes give to its dimensions do not fit: {error}"
            raise problem_error([Problem(origins.get(operation, ""), reason, is_invalid=True)]) from error


def _rewrite_block(block: Block, replace: Any) -> None:
    for argument in block.args:
        _set_type(argument, replace(argument.type))
    for operation in block.ops:
        for result in operation.results:
            _set_type(result, replace(result.type))
        for name, attribute in operation.properties.items():
            if isinstance(attribute, ArrayAttr):
                operation.properties[name] = replace(attribute)
        for region in operation.regions:
            for inner in region.blocks:
                _rewrite_block(inner, replace)


def _set_type(value: Any, new_type: Attribute) -> None:
    if value.type != new_type:
        value._type = new_type


def _replaced(attribute: Attribute, symbols: Symbols) -> Attribute:
    if isinstance(attribute, GraphTensorType):
        return GraphTensorType.of([symbols.resolve(d) for d in attribute.dims], attribute.element_type)
    if isinstance(attribute, DimensionAttr):
        return DimensionAttr(symbols.resolve(attribute.data))
    if isinstance(attribute, ArrayAttr):
        return ArrayAttr([_replaced(element, symbols) for element in attribute.data])
    return attribute
