"""If, Loop and Scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xdsl.ir import Block, Region

from ...dialects.graph import IfOp, LessOp, LoopOp, YieldOp
from ...dialects.graph.types import GraphTensorType, i1, i64, joined_element
from ...dialects.shape import same_dimension, subtract, symbols_of
from ..containers import Maybe, as_value, as_values, element_of_optional, is_optional, nothing
from ..importer import add_checks
from ..node import Node
from ..problems import Problems, Unreached
from ..registry import converter
from ..values import Value

if TYPE_CHECKING:
    import onnx

    from ...dialects.shape import Dim
    from ..symbols import Check

# Loops known to run this often or less are written out, so that they compile like straight code.
MAX_UNROLLED_ROUNDS = 16
MAX_UNROLLED_NODES = 600

_SQUEEZING = {"Squeeze", "Constant", "Identity"}


@converter("If")
def convert_if(node: Node) -> list[Value]:
    condition = node.input(0)
    then_graph, else_graph = node.attribute("then_branch"), node.attribute("else_branch")
    known = condition.known()
    truth = known.reshape(-1)[0] if known is not None and known.size == 1 else None
    if isinstance(truth, bool):
        return _inlined(node, "then_branch" if truth else "else_branch")
    if truth is not None and _is_squeeze(then_graph, else_graph):
        # What torch exports for squeeze(dim): the branches differ in rank, so one of them must be chosen.
        node.b.symbols.unify(truth.lhs, truth.rhs, f"{node.describe()}: the axis to squeeze has length 1")
        return _inlined(node, "then_branch")
    branches = [_branch(node, name) for name in ("then_branch", "else_branch")]
    then_branch, else_branch = _possible(node, branches)
    types = [_common_type(node, a, c) for a, c in zip(then_branch.types, else_branch.types, strict=True)]
    condition = node.b.reshape(condition, ()) if condition.rank else condition
    operation = IfOp(node.b.ssa(condition), types, Region(then_branch.block), Region(else_branch.block))
    add_checks(operation, "then_checks", then_branch.checks)
    add_checks(operation, "else_checks", else_branch.checks)
    node.b.block.add_op(operation)
    node.b.origins[operation] = node.path
    return _coded(operation, [value.code for value in then_branch.results])


def _coded(operation: IfOp | LoopOp, codes: Sequence[int]) -> list[Value]:
    """The results, which hold elements of those ONNX types."""
    return [Value(result.type, ssa=result).of_code(code) for result, code in zip(operation.results, codes)]  # pyright: ignore[reportArgumentType]


def _is_squeeze(then_graph: onnx.GraphProto, else_graph: onnx.GraphProto) -> bool:
    """Whether the branches are "squeeze an axis" and "leave it", of which only the first keeps a known rank."""
    then_operators = {proto.op_type for proto in then_graph.node}
    else_operators = {proto.op_type for proto in else_graph.node}
    return "Squeeze" in then_operators and then_operators <= _SQUEEZING and else_operators <= {"Identity"}


def _inlined(node: Node, name: str) -> list[Value]:
    graph: onnx.GraphProto = node.attribute(name)
    scope = node.body_scope(name)
    scope.add_graph(graph)
    return scope.results(graph)


@dataclass
class _Branch:
    """One branch: its block, ended with its yield, the types of its results, and what it assumes of the sizes.

    ``symbols`` are the names of dimensions that exist in it alone. ``problems`` says why it has no block.
    """

    block: Block
    results: list[Value]
    checks: list[Check]
    symbols: set[str]
    problems: Problems

    @property
    def types(self) -> list[GraphTensorType]:
        return [result.type for result in self.results]


def _branch(node: Node, name: str) -> _Branch:
    graph: onnx.GraphProto = node.attribute(name)
    block, problems = Block(), Problems()
    results: list[Value] = []
    with node.b.symbols.branch() as checks, node.b.inside(block):
        scope = node.scope.child(f"{node.path}/{name}", problems)
        with suppress(Unreached):
            scope.add_graph(graph)
            found = as_values(scope, graph)
            block.add_op(YieldOp([node.b.ssa(result) for result in found]))
            results = found
        symbols = node.b.symbols.made_in_branch()
    return _Branch(block, results, checks, symbols, problems)


def _possible(node: Node, branches: Sequence[_Branch]) -> Sequence[_Branch]:
    """The branches, of which one may be replaced by one that never runs to its end.

    A branch whose sizes contradict each other, as one for another sampling rate does once the input's
    shape is fixed, is the model's mistake only if it is taken. Raises Unreached where that does not help.
    """
    failed = [branch for branch in branches if branch.problems.found]
    if not failed:
        return branches
    if len(failed) == 1 and all(problem.of_shapes or problem.follows for problem in failed[0].problems.found):
        return [branch if branch not in failed else _refusing(node, branch, branches) for branch in branches]
    for branch in failed:
        node.scope.problems.merge(branch.problems)
    raise Unreached


def _refusing(node: Node, failed: _Branch, branches: Sequence[_Branch]) -> _Branch:
    """A branch with results of the other's types, and a check that never holds and says why."""
    (other,) = (branch for branch in branches if branch is not failed)
    problem = failed.problems.found[0]
    types = [t.with_dims([0 if symbols_of(d) & other.symbols else d for d in t.dims]) for t in other.types]
    block = Block()
    with node.b.inside(block):
        empty = [nothing(node.b, t) for t in types]
        block.add_op(YieldOp([node.b.ssa(value) for value in empty]))
    results = [value.of_code(like.code) for value, like in zip(empty, other.results)]
    return _Branch(block, results, [("0", "1", f"this branch cannot run: {problem.text}")], set(), Problems())


def _common_type(node: Node, left: GraphTensorType, right: GraphTensorType) -> GraphTensorType:
    """A type for either: a fresh symbol where the dimensions differ."""
    element = joined_element(left.element_type, right.element_type)
    if element is None or left.rank != right.rank:
        node.unsupported(
            f"the branches give {left} and {right}: both must have the same rank and element type",
            "fix the inputs' shapes, so that the condition is known, or export only the branch that is meant",
        )
    dims = [a if same_dimension(a, c) else None for a, c in zip(left.dims, right.dims)]
    return node.fresh_type(element, dims)


# --- loops ----------------------------------------------------------------------------------------


@converter("Loop")
def convert_loop(node: Node) -> list[Value]:
    body: onnx.GraphProto = node.attribute("body")
    trips, condition = node.optional(0), node.optional(1)
    carried = [node.input(index) for index in range(2, len(node.inputs))]
    rounds = _known_rounds(trips, condition)
    if rounds is not None and rounds <= MAX_UNROLLED_ROUNDS and rounds * len(body.node) <= MAX_UNROLLED_NODES:
        unrolled = _unrolled(node, body, rounds, carried)
        if unrolled is not None:
            return unrolled
    carried = [as_value(node.b, value) for value in carried]
    trips = node.b.scalar(2**62, i64) if trips is None else node.b.reshape(trips, ())
    condition = node.b.scalar(True, i1) if condition is None else node.b.reshape(condition, ())

    is_unwrapped: set[int] = set()

    def one_round(*inputs: Value) -> list[Value]:
        scope = node.body_scope("body")
        scope.values.update(zip((info.name for info in body.input), inputs))
        scope.add_graph(body)
        continues, *results = as_values(scope, body)
        for place, before in enumerate(carried):
            # A body may begin with what is optional and give what is there.
            if is_optional(before) and not is_optional(results[place]):
                is_unwrapped.add(place)
                results[place] = as_value(node.b, Maybe(results[place], results[place].type))
        return [node.b.reshape(continues, ()), *results]

    results = loop_of_values(node, one_round, trips, condition, carried)
    return [element_of_optional(node, value) if place in is_unwrapped else value for place, value in enumerate(results)]


def _known_rounds(trips: Value | None, condition: Value | None) -> int | None:
    """How often the body runs, if the condition it starts with is true and stays so."""
    if condition is not None:
        known = condition.known()
        if known is None or known.size != 1 or known.reshape(()).item() is None:
            return None
        if not known.reshape(()).item():
            return 0
    count = None if trips is None else trips.integers()
    return None if count is None else max(count[0], 0)


def _unrolled(node: Node, body: onnx.GraphProto, rounds: int, carried: Sequence[Any]) -> list[Any] | None:
    """The body written out; None (with nothing kept) where its condition becomes unknown or false."""
    carried = list(carried)
    scanned: list[list[Value]] = [[] for _ in range(len(body.output) - 1 - len(carried))]
    block = Block()
    with node.b.trial(block) as trial:
        for index in range(rounds):
            scope = node.body_scope("body", index)
            inputs = [node.b.scalar(index, i64), node.b.scalar(True, i1), *carried]
            scope.values.update(zip((info.name for info in body.input), inputs))
            scope.add_graph(body)
            condition, *results = scope.results(body)
            known = condition.known()
            if known is None or not known.reshape(()).item():
                return None
            carried = results[: len(carried)]
            for parts, result in zip(scanned, results[len(carried) :]):
                parts.append(node.b.unsqueeze(result, [0]).of_code(result.code))
        if any(not parts for parts in scanned):
            return None
        outputs = [*carried, *(_stacked(node, parts) for parts in scanned)]
        trial.keep()
    return outputs


def _stacked(node: Node, parts: Sequence[Value]) -> Value:
    return node.b.concat(parts, 0).of_code(parts[0].code)


def counted_loop(
    node: Node, one_round: Callable[..., list[Value]], rounds: Dim, carried: Sequence[Value] = ()
) -> list[Value]:
    """A loop of so many rounds: from the round's number and the carried values, these anew and one more of each result.

    Gives the carried values and the results of all rounds, stacked along a new first axis.
    """
    true = node.b.scalar(True, i1)

    def with_condition(number: Value, _: Value, *inputs: Value) -> list[Value]:
        return [true, *one_round(number, *inputs)]

    return loop_of_values(node, with_condition, node.b.dim_values([rounds], shape=()), true, list(carried), rounds)


def loop_of_values(
    node: Node,
    one_round: Callable[..., list[Value]],
    trips: Value,
    condition: Value,
    carried: list[Value],
    rounds: Dim | None = None,
) -> list[Value]:
    """A loop operation. Carried dimensions that change from round to round become symbols.

    ``one_round`` makes of the round's number, the condition and the carried values the next condition, the next carried
    values and what is stacked; ``rounds`` is how many there are, where that is known before.
    """
    types = [value.type for value in carried]
    while True:
        with node.b.symbols.branch() as checks:
            block, yielded = _loop_body(node, one_round, types, [value.code for value in carried])
        general = [_carried_type(node, *pair) for pair in zip(types, [value.type for value in yielded[1:]], carried)]
        if all(_is_same(*pair) for pair in zip(general, types)):
            break
        types = general
    results = [node.fresh_type(t.element_type, [_of_loop(d, value) for d, value in zip(t.dims, before.dims)])
               for t, before in zip(types, carried)]  # fmt: skip
    for value in yielded[1 + len(carried) :]:
        results.append(node.fresh_type(value.element_type, [rounds, *value.dims]))
    operands = [node.b.ssa(value) for value in carried]
    operation = LoopOp(node.b.ssa(trips), node.b.ssa(condition), operands, results, Region(block))
    add_checks(operation, "checks", checks)
    node.b.block.add_op(operation)
    node.b.origins[operation] = node.path
    return _coded(operation, [value.code for value in yielded[1:]])


def _is_same(new: GraphTensorType, old: GraphTensorType) -> bool:
    return new.element_type == old.element_type and new.same_shape(old)


def _carried_type(node: Node, before: GraphTensorType, after: GraphTensorType, initial: Value) -> GraphTensorType:
    """The type of a carried value: a dimension that a round changes becomes a symbol, and stays the one it became."""
    element = joined_element(before.element_type, after.element_type)
    if element is None or before.rank != after.rank:
        node.unsupported(
            f"a round makes {after} of the carried {before}: both must have the same rank and element type",
            "export with an initial value of the rank that the rounds keep",
        )
    dims = [
        old if same_dimension(old, new) or not same_dimension(old, first) else None
        for old, new, first in zip(before.dims, after.dims, initial.dims)
    ]
    return node.fresh_type(element, dims)


def _of_loop(dimension: Dim, before: Dim) -> Dim | None:
    """The dimension of a result: that of the first round where it stays, else one of its own."""
    return dimension if same_dimension(dimension, before) else None


def _loop_body(
    node: Node, one_round: Callable[..., list[Value]], types: list[GraphTensorType], codes: Sequence[int]
) -> tuple[Block, list[Value]]:
    scalars = [GraphTensorType.of((), i64), GraphTensorType.of((), i1)]
    block = Block(arg_types=[*scalars, *types])
    with node.b.inside(block):
        arguments = [Value(argument.type, ssa=argument) for argument in block.args]  # pyright: ignore[reportArgumentType]
        arguments = [value.of_code(code) for value, code in zip(arguments, [0, 0, *codes])]
        results = one_round(*arguments)
        block.add_op(YieldOp([node.b.ssa(result) for result in results]))
    return block, results


# --- scans ----------------------------------------------------------------------------------------


@dataclass
class _Scanned:
    """An input of Scan that each round takes a slice of."""

    value: Value
    axis: int
    backwards: bool

    @property
    def length(self) -> Dim:
        return self.value.dims[self.axis]


@converter("Scan", since=9)
def convert_scan(node: Node) -> list[Value]:
    """A loop over slices of the scanned inputs; written out where the number of rounds is known and small."""
    body: onnx.GraphProto = node.attribute("body")
    count = node.attribute("num_scan_inputs")
    state_count = len(node.inputs) - count
    if count < 1 or state_count < 0:
        node.invalid(f"num_scan_inputs is {count}, of {len(node.inputs)} inputs")
    states = [node.input(i) for i in range(state_count)]
    values = [node.input(state_count + i) for i in range(count)]
    axes = node.attribute("scan_input_axes", [0] * count)
    backwards = node.attribute("scan_input_directions", [0] * count)
    scanned = [
        _Scanned(value, node.axis(axis, value.rank), bool(reverse))
        for value, axis, reverse in zip(values, axes, backwards)
    ]
    return _scan(node, body, states, scanned)


@converter("Scan", since=8)
def convert_batched_scan(node: Node) -> list[Value]:
    """As opset 8 has it: each element of the first axis, the batch, is scanned by itself, along the second."""
    body: onnx.GraphProto = node.attribute("body")
    count, lengths = node.attribute("num_scan_inputs"), node.optional(0)
    values = [node.input(index) for index in range(1, len(node.inputs))]
    batch, backwards = values[0].dims[0], node.attribute("directions", [0] * count)
    if not isinstance(batch, int):
        node.unknown_size("a scan of opset 8", batch)
    rounds = []
    for place in range(batch):
        own = [node.b.squeeze(node.b.slice(value, [0], [place], [place + 1]), [0]) for value in values]
        states, scanned = own[: len(own) - count], own[len(own) - count :]
        used = None if lengths is None else node.b.gather(lengths, node.b.dim_values([place], shape=()))
        results = _scan(node, body, states, [_Scanned(x, 0, bool(back)) for x, back in zip(scanned, backwards)], used)
        rounds.append([node.b.unsqueeze(result, [0]) for result in results])
    return [node.b.concat(parts, 0) for parts in zip(*rounds)]


def _scan(
    node: Node, body: onnx.GraphProto, states: list[Value], scanned: list[_Scanned], used: Value | None = None
) -> list[Value]:
    """``used``: how many elements are scanned where not all are; zeros stand for what the rest would give."""
    state_count = len(states)
    length = scanned[0].length
    for other in scanned[1:]:
        node.relate(other.length, length, "the length of each scanned input")
    if used is None and isinstance(length, int) and 0 < length * len(body.node) <= MAX_UNROLLED_NODES:
        return _unrolled_scan(node, body, length, states, scanned)

    def one_round(number: Value, *states: Value) -> list[Value]:
        from_end = _from_end(node, number, length, used) if any(each.backwards for each in scanned) else number
        slices = [_slice(node, each, from_end if each.backwards else number) for each in scanned]
        scope = node.body_scope("body")
        scope.values.update(zip((info.name for info in body.input), [*states, *slices]))
        scope.add_graph(body)
        results = as_values(scope, body)
        return results if used is None else _up_to(node, number, used, states, results)

    results = counted_loop(node, one_round, length, states)
    return [*results[:state_count], *_placed(node, results[state_count:], length)]


def _from_end(node: Node, number: Value, length: Dim, used: Value | None) -> Value:
    """The place of a round's elements where they are scanned backwards; 0 for those that are not used."""
    if used is None:
        return node.b.sub(node.b.dim_values([subtract(length, 1)], shape=()), number)
    return node.b.maximum(node.b.add_scalar(node.b.sub(used, number), -1), node.b.dim_values([0], shape=()))


def _up_to(node: Node, number: Value, used: Value, states: Sequence[Value], results: list[Value]) -> list[Value]:
    """A round's results where its elements are used, else the states as they were and zeros."""
    is_used = node.b.op(LessOp, number, used)
    zeros = [node.b.scalar_like(0, value) for value in results[len(states) :]]
    return [node.b.where(is_used, new, old) for new, old in zip(results, [*states, *zeros])]


def _slice(node: Node, scanned: _Scanned, place: Value) -> Value:
    """What a round takes. Zeros stand for it in a body that never runs, since the axis is known to have no elements."""
    value, axis = scanned.value, scanned.axis
    if scanned.length == 0:
        nothing = node.b.broadcast_to(node.b.zero(value.element_type), (*value.dims[:axis], *value.dims[axis + 1 :]))
        return nothing.of_code(value.code)
    return node.b.gather(value, place, axis).of_code(value.code)


def _unrolled_scan(
    node: Node, body: onnx.GraphProto, length: int, states: list[Value], scanned: list[_Scanned]
) -> list[Value]:
    outputs: list[list[Value]] = [[] for _ in range(len(body.output) - len(states))]
    for index in range(length):
        scope = node.body_scope("body", index)
        inputs = list(states)
        for each in scanned:
            place = length - 1 - index if each.backwards else index
            part = node.b.squeeze(node.b.slice(each.value, [each.axis], [place], [place + 1]), [each.axis])
            inputs.append(part.of_code(each.value.code))
        scope.values.update(zip((info.name for info in body.input), inputs))
        scope.add_graph(body)
        results = scope.results(body)
        states = results[: len(states)]
        for parts, result in zip(outputs, results[len(states) :]):
            parts.append(node.b.unsqueeze(result, [0]).of_code(result.code))
    return [*states, *_placed(node, [_stacked(node, parts) for parts in outputs], length)]


def _placed(node: Node, stacked: list[Value], length: Dim) -> list[Value]:
    """What was stacked along the first axis, in the order and along the axes that the node asks for."""
    axes = node.attribute("scan_output_axes", [0] * len(stacked))
    backwards = node.attribute("scan_output_directions", [0] * len(stacked))
    results: list[Value] = []
    for value, axis, reverse in zip(stacked, axes, backwards):
        code = value.code
        if reverse:
            value = node.b.slice(value, [0], [subtract(length, 1)], [-1], [-1])
        order = list(range(1, value.rank))
        order.insert(node.axis(axis, value.rank), 0)
        results.append(node.b.transpose(value, order).of_code(code))
    return results
