"""Checks of a model before anything is made of it: what any valid ONNX model fulfils, and our limits.

Every walk here is linear in the size of the file, bounded in depth, and gathers problems instead of stopping at
the first. What depends on the types of values is checked later, while the nodes are converted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import onnx

from ...errors import InvalidModelError, Problem, problem_error
from .limits import MAX_NESTING, MAX_NODES, MAX_PROBLEMS
from .schema_checks import Schemas
from .tensor_checks import shape_problem, sparse_problems, tensor_problems
from .wording import node_name, shown


def validate_model(model: onnx.ModelProto) -> None:
    """Raises InvalidModelError that lists what is wrong, and where."""
    report = FoundProblems()
    _check_versions(model, report)
    report.stop_if_any()
    _check_nesting(model)
    functions = Functions(model)
    functions.check_calls()
    schemas = Schemas({_domain(o.domain): o.version for o in model.opset_import}, functions.names)
    GraphChecker(report, schemas).check(model.graph, "", ())
    for function in model.functions:
        _check_function(function, functions, report)
    report.stop_if_any()


class FoundProblems:
    """Problems, at most so many as one wants to read."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, place: str, reason: str) -> None:
        """Keeps a problem. Raises InvalidModelError where there are too many to go on."""
        self.problems.append(Problem(place, reason, is_invalid=True))
        if len(self.problems) >= MAX_PROBLEMS:
            self.stop_if_any()

    def stop_if_any(self) -> None:
        """Raises InvalidModelError with all problems, if there are any."""
        if self.problems:
            raise problem_error(self.problems)


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


# --- versions -------------------------------------------------------------------------------------


def _check_versions(model: onnx.ModelProto, report: FoundProblems) -> None:
    if not 1 <= model.ir_version <= onnx.IR_VERSION:
        found = f"is {model.ir_version}" if model.HasField("ir_version") else "is missing"
        report.add(
            "the model",
            f"its IR version {found}: the installed onnx package knows 1 to {onnx.IR_VERSION}; "
            "a newer model needs a newer package",
        )
    _check_opsets(model.opset_import, "the model", report)


def _check_opsets(imports: Sequence[onnx.OperatorSetIdProto], where: str, report: FoundProblems) -> None:
    seen: dict[str, int] = {}
    for opset in imports:
        if not isinstance(opset.domain, str):
            report.add(where, f"it imports an opset whose domain {opset.domain!r} is not UTF-8")
            continue
        domain = _domain(opset.domain)
        name = shown(domain or "ai.onnx")
        if seen.setdefault(domain, opset.version) != opset.version:
            report.add(where, f"it imports opset {seen[domain]} and opset {opset.version} of the domain {name}")
        latest = onnx.defs.onnx_opset_version()
        if opset.version < 1:
            report.add(where, f"it imports opset {opset.version} of the domain {name}: opsets count from 1")
        elif domain == "" and opset.version > latest:
            report.add(
                where,
                f"it is written for ONNX's opset {opset.version}, the installed onnx package knows 1 to {latest}: "
                "update it, or export the model for an older opset",
            )


# --- depth and size -------------------------------------------------------------------------------


def subgraphs(node: onnx.NodeProto) -> Iterator[tuple[str, onnx.GraphProto]]:
    """The graphs in a node's attributes, each with the attribute's name."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.name, attribute.g
        for graph in attribute.graphs:
            yield attribute.name, graph


def _check_nesting(model: onnx.ModelProto) -> None:
    """Raises InvalidModelError at once: nothing else may walk such a model."""
    bodies: list[tuple[Sequence[onnx.NodeProto], int]] = [(model.graph.node, 0)]
    bodies += [(function.node, 0) for function in model.functions]
    count = 0
    while bodies:
        nodes, depth = bodies.pop()
        count += len(nodes)
        if count > MAX_NODES:
            raise InvalidModelError(f"the model has more than {MAX_NODES} nodes")
        for node in nodes:
            for _, graph in subgraphs(node):
                if depth == MAX_NESTING:
                    raise InvalidModelError(
                        f"{node_name(node)}: graphs in attributes are nested more than {MAX_NESTING} deep"
                    )
                bodies.append((graph.node, depth + 1))


FunctionKey = tuple[str, str, str]


class Functions:
    """The model's own functions: what they call, and how many nodes a call becomes."""

    def __init__(self, model: onnx.ModelProto):
        self.model = model
        self.by_key: dict[FunctionKey, onnx.FunctionProto] = {}
        self.names: set[tuple[str, str]] = set()
        self._sizes: dict[FunctionKey, int] = {}
        for function in model.functions:
            key = (_domain(function.domain), function.name, function.overload)
            if key in self.by_key:
                raise InvalidModelError(f"the function {shown('.'.join(map(str, key[:2])))} is defined twice")
            self.by_key[key] = function
            self.names.add(key[:2])

    def check_calls(self) -> None:
        """Raises InvalidModelError where functions call each other in a circle, too deep or too often."""
        for key in self.by_key:
            self._size(key, ())
        self._count(self.model.graph.node, (), "the model")

    def _size(self, key: FunctionKey, callers: tuple[FunctionKey, ...]) -> int:
        if key not in self._sizes:
            where = f"the function {shown(f'{key[0]}.{key[1]}')}"
            if key in callers:
                circle = " -> ".join(f"{k[0]}.{k[1]}" for k in (*callers[callers.index(key) :], key))
                raise InvalidModelError(f"{where} calls itself: {shown(circle)}")
            if len(callers) >= MAX_NESTING:
                raise InvalidModelError(f"{where}: functions call each other more than {MAX_NESTING} deep")
            self._sizes[key] = self._count(self.by_key[key].node, (*callers, key), where)
        return self._sizes[key]

    def _count(self, nodes: Sequence[onnx.NodeProto], callers: tuple[FunctionKey, ...], where: str) -> int:
        total = 0
        for node in nodes:
            key = (_domain(node.domain), node.op_type, node.overload)
            total += self._size(key, callers) if key in self.by_key else 1
            total += sum(self._count(graph.node, callers, where) for _, graph in subgraphs(node))
            if total > MAX_NODES:
                raise InvalidModelError(f"{where} has more than {MAX_NODES} nodes when all functions are written out")
        return total


def _check_function(function: onnx.FunctionProto, functions: Functions, report: FoundProblems) -> None:
    where = f" in the function {shown(f'{function.domain}.{function.name}')}"
    before = len(report.problems)
    _check_opsets(function.opset_import, where.removeprefix(" in "), report)
    if len(report.problems) > before:
        return
    schemas = Schemas({_domain(o.domain): o.version for o in function.opset_import}, functions.names, is_function=True)
    checker = GraphChecker(report, schemas)
    names: set[str] = set()
    for name in function.input:
        if name in names:
            report.add(where.removeprefix(" in "), f"two inputs are called {shown(name)}")
        names.add(name)
    checker.check_nodes(function.node, names, where)
    for name in function.output:
        if name not in names:
            report.add(f"the output {shown(name)}{where}", "it is not computed by any node")


# --- graphs ---------------------------------------------------------------------------------------

Scopes: TypeAlias = "tuple[set[str], ...]"


def _is_known(name: str, names: set[str], outer: Scopes) -> bool:
    return name in names or any(name in scope for scope in outer)


class GraphChecker:
    """Checks a graph and the graphs inside.

    ``where`` is empty for the main graph, else " in ...", to end a sentence; ``outer`` are the names that are seen
    from a graph, a set for each graph around it.
    """

    def __init__(self, report: FoundProblems, schemas: Schemas):
        self.report = report
        self.schemas = schemas

    def check(self, graph: onnx.GraphProto, where: str, outer: Scopes) -> None:
        names: set[str] = set()
        for info in graph.input:
            self._define(names, info.name, "two inputs are", where)
            self._check_info(info, where)
        weights: set[str] = set()
        for tensor in graph.initializer:
            self._define(weights, tensor.name, "two initializers are", where)
            for problem in tensor_problems(tensor):
                self.report.add(f"the tensor {shown(tensor.name)}{where}", f"it {problem}")
        for sparse in graph.sparse_initializer:
            self._define(weights, sparse.values.name, "two initializers are", where)
            for problem in sparse_problems(sparse):
                self.report.add(f"the sparse tensor {shown(sparse.values.name)}{where}", f"it {problem}")
        names |= weights
        self.check_nodes(graph.node, names, where, outer)
        self._check_outputs(graph, names, outer, where)

    def _define(self, names: set[str], name: str, what: str, where: str) -> None:
        if not isinstance(name, str):
            self.report.add(f"the graph{where}", f"the model is damaged: the name {name!r} is not UTF-8")
        elif not name:
            self.report.add(f"the graph{where}", "the name of an input, output or initializer is missing")
        elif name in names:
            self.report.add(f"the graph{where}", f"{what} called {shown(name)}")
        names.add(name)

    def _check_info(self, info: onnx.ValueInfoProto, where: str) -> None:
        tensor = info.type.tensor_type
        if not info.type.HasField("tensor_type") or not tensor.HasField("shape"):
            return
        # Exporters write -1 for a size that is not known.
        sizes = [1 if dimension.dim_value == -1 else dimension.dim_value for dimension in tensor.shape.dim]
        problem = shape_problem(tensor.elem_type, [size or 1 for size in sizes])
        if problem is not None:
            self.report.add(f"the input {shown(info.name)}{where}", f"it {problem}")

    def _check_outputs(self, graph: onnx.GraphProto, names: set[str], outer: Scopes, where: str) -> None:
        seen: set[str] = set()
        for output in graph.output:
            if not where:  # The outputs of a body are told apart by their places.
                self._define(seen, output.name, "two outputs are", where)
            if isinstance(output.name, str) and not _is_known(output.name, names, outer):
                self.report.add(f"the output {shown(output.name)}{where}", "it is not computed by any node")

    def check_nodes(
        self,
        nodes: Sequence[onnx.NodeProto],
        names: set[str],
        where: str,
        outer: Scopes = (),
    ) -> None:
        """Checks nodes in order; ``names`` gains what they define."""
        for index, node in enumerate(nodes):
            what = node_name(node, index) + where
            if not self._is_text(node, what):
                names.update(name for name in node.output if isinstance(name, str))
                continue
            missing = next((name for name in node.input if name and not _is_known(name, names, outer)), None)
            if missing is not None:
                # Why is worth a search through the nodes only for as many as one reads.
                few = len(self.report.problems) < 20
                reason = (
                    _missing(missing, nodes, index) if few else f"{shown(missing)}, which nothing before it computes"
                )
                self.report.add(what, f"it reads {reason}")
            for problem in self.schemas.problems(node):
                self.report.add(what, problem)
            self._check_attributes(node, what, names, outer)
            for name in node.output:
                if name and name in names:
                    self.report.add(what, f"it gives {shown(name)}, which is defined before it")
                names.add(name)

    def _is_text(self, node: onnx.NodeProto, what: str) -> bool:
        texts = [node.name, node.op_type, node.domain, *node.input, *node.output]
        texts += [attribute.name for attribute in node.attribute]
        for text in texts:
            if not isinstance(text, str):
                self.report.add(what, f"the model is damaged: the name {text!r} is not UTF-8")
                return False
        return True

    def _check_attributes(self, node: onnx.NodeProto, what: str, names: set[str], outer: Scopes) -> None:
        for attribute in node.attribute:
            tensors = [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]
            for tensor in tensors:
                for problem in tensor_problems(tensor):
                    self.report.add(what, f"the tensor in attribute {shown(attribute.name)} {problem}")
            sparse_tensors = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
            for sparse in [*sparse_tensors, *attribute.sparse_tensors]:
                for problem in sparse_problems(sparse):
                    self.report.add(what, f"the sparse tensor in attribute {shown(attribute.name)} {problem}")
        for name, graph in subgraphs(node):
            self.check(graph, f" in {shown(name)[1:-1]} of {what}", (*outer, names))


def _missing(name: str, nodes: Sequence[onnx.NodeProto], index: int) -> str:
    """A name that is not known at a node, and why."""
    for place in range(index, len(nodes)):
        if name not in nodes[place].output:
            continue
        if place == index:
            return f"its own output {shown(name)}"
        later = node_name(nodes[place], place)
        if _leads_to(nodes, index, place):
            return f"{shown(name)}, which {later} computes from what this node gives: a cycle"
        return f"{shown(name)}, which nothing before it computes, only {later} after it: the nodes must be in order"
    return f"{shown(name)}, which nothing computes"


def _leads_to(nodes: Sequence[onnx.NodeProto], first: int, last: int) -> bool:
    """Whether a node depends on an earlier one, through those between them."""
    reached = set(nodes[first].output)
    for place in range(first + 1, last + 1):
        if not reached.isdisjoint(nodes[place].input):
            if place == last:
                return True
            reached.update(nodes[place].output)
    return False
