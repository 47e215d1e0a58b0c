"""What stands in the way of importing a model, gathered node by node, so that all of it is said at once.

Where a node fails, its results are stood in for by values of the types that they should have: what the model declares
of them, else what ONNX infers. What reads them is imported as far as that goes. Where even the type is not
known, what depends on it is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import onnx
from xdsl.ir import Block

from ..dialects.graph.types import GraphTensorType
from ..dialects.shape import print_dimension
from ..errors import InvalidModelError, ModelError, Problem, problem_error
from .element_types import element_of
from .values import Value

if TYPE_CHECKING:
    from .symbols import Symbols

# A model with more is wrong as a whole.
MAX_PROBLEMS = 1000


class Unreached(Exception):
    """A body gives no result since nodes in it failed, of which each has its problem already."""


@dataclass(frozen=True)
class Unavailable:
    """In place of a value whose node failed and whose type is not known. ``cause`` is the path of that node."""

    cause: str


class Problems:
    """The problems of a model, which nodes were skipped because of them, and by name what had to be assumed."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self.skipped: list[str] = []
        # The name of a value, and the node because of which it is one of assumed type, or computed from such.
        self.assumed: dict[str, str] = {}

    def add(self, problem: Problem) -> None:
        """Keeps a problem. Raises ModelError where there are too many to go on."""
        if problem not in self.found:
            self.found.append(problem)
        if len(self.found) >= MAX_PROBLEMS:
            self.raise_if_any()

    def add_error(self, error: ModelError, place: Problem) -> None:
        """Keeps what an error says; ``place`` is the problem that it becomes where it names none itself."""
        own = error.problems or [
            replace(place, reason=str(error), is_invalid=isinstance(error, InvalidModelError)),
        ]
        for problem in own:
            self.add(replace(problem, follows=problem.follows or place.follows))

    def merge(self, others: Problems) -> None:
        """Takes over what was found in a part of the model."""
        for problem in others.found:
            self.add(problem)
        self.skipped += others.skipped

    def raise_if_any(self) -> None:
        """Raises ModelError with all of them, those that may follow from others last."""
        if self.found:
            raise problem_error(sorted(self.found, key=lambda problem: bool(problem.follows)))


def declared_types(graph: onnx.GraphProto | None) -> dict[str, onnx.TypeProto]:
    """The types that a graph declares of its values, by name."""
    return {} if graph is None else {info.name: info.type for info in [*graph.value_info, *graph.output]}


def inferred_types(proto: onnx.NodeProto, opset: int, domain: str, inputs: Sequence[Any]) -> dict[str, Any]:
    """The types of a node's outputs as ONNX infers them from those of its inputs; nothing where it cannot."""
    ranks = [value.rank for value in inputs if isinstance(value, Value)]
    if not all(_is_tame(attribute, min(ranks, default=0)) for attribute in proto.attribute):
        return {}
    types = {name: type_proto(value) for name, value in zip(proto.input, inputs) if isinstance(value, Value)}
    imports = [onnx.helper.make_opsetid(domain, opset)]
    try:
        schema = onnx.defs.get_schema(proto.op_type, opset, domain)
        return onnx.shape_inference.infer_node_outputs(schema, proto, types, opset_imports=imports)
    except Exception:  # It raises what comes, C++ exceptions among it, and is only of use here, not needed.
        return {}


def broken_rule(proto: onnx.NodeProto, opset: int, domain: str, inputs: Sequence[Any]) -> str:
    """What ONNX's own checks say against a node on these inputs; '' where they find nothing, or cannot be asked."""
    try:
        context = onnx.checker.C.CheckerContext()
        context.ir_version = onnx.IR_VERSION
        context.opset_imports = {domain: opset}
        onnx.checker.check_node(proto, context)
    except onnx.checker.ValidationError as error:
        return str(error).partition("\n")[0]
    except Exception:  # It raises what comes where an operator is not ONNX's.
        return ""
    ranks = [value.rank for value in inputs if isinstance(value, Value)]
    if not all(_is_tame(attribute, min(ranks, default=0)) for attribute in proto.attribute):
        return "an attribute lies out of range"
    types = {name: type_proto(value) for name, value in zip(proto.input, inputs) if isinstance(value, Value)}
    try:
        schema = onnx.defs.get_schema(proto.op_type, opset, domain)
        imports = [onnx.helper.make_opsetid(domain, opset)]
        onnx.shape_inference.infer_node_outputs(schema, proto, types, opset_imports=imports)
    except onnx.shape_inference.InferenceError as error:
        return str(error).partition("\n")[0]
    except Exception:
        return ""
    return ""


def _is_tame(attribute: onnx.AttributeProto, rank: int) -> bool:
    """Whether ONNX's inference, which reads memory that is not its own at an axis out of range, can be let near it."""
    integers = [attribute.i, *attribute.ints]
    if "ax" in attribute.name:
        return all(-rank <= axis < rank for axis in integers)
    return all(abs(number) < 1 << 20 for number in integers)


def stand_in(name: str, types: Sequence[Mapping[str, onnx.TypeProto]], symbols: Symbols) -> Value | None:
    """A value that nothing computes, of the first type that is complete enough; None without one."""
    for known in types:
        type_ = _tensor_type(known.get(name), name, symbols)
        if type_ is not None:
            return Value(type_, ssa=Block(arg_types=[type_]).args[0], name=name)
    return None


def _tensor_type(proto: onnx.TypeProto | None, name: str, symbols: Symbols) -> GraphTensorType | None:
    if proto is None or not proto.HasField("tensor_type") or not proto.tensor_type.HasField("shape"):
        return None
    tensor = proto.tensor_type
    try:
        element = element_of(tensor.elem_type)
    except KeyError:
        return None
    sizes = [d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else None for d in tensor.shape.dim]
    return GraphTensorType.of([symbols.fresh(name) if size is None else size for size in sizes], element)


def type_proto(value: Value | None) -> onnx.TypeProto:
    """ONNX's form of a value's type; an empty one for an input that is left out."""
    if value is None:
        return onnx.TypeProto()
    code = onnx.helper.np_dtype_to_tensor_dtype(value.type.dtype)
    return onnx.helper.make_tensor_type_proto(code, [d if isinstance(d, int) else str(d) for d in value.dims])


def type_text(value: Any) -> str:
    """A value's type as people write it: ``f32[N, 3]``."""
    if value is None:
        return "none"
    if isinstance(value, Value):
        return f"{value.element_type}[{', '.join(map(print_dimension, value.dims))}]"
    return "unknown" if isinstance(value, Unavailable) else "sequence"
