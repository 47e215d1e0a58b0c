"""Runs a graph-level module in NumPy, an operation at a time: the meaning that all levels below must keep.

@main holds graph operations at every level: what runs on the host, branches, loops and the calls of segments. Where the
segments are on a lower level, ``run_segment`` evaluates them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp, StringAttr, UnrealizedConversionCastOp
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Block, Operation, SSAValue

from ..dialects import layout
from ..dialects.graph.attributes import reference_attributes, vanishing_axes
from ..dialects.graph.constants import ConstantOp
from ..dialects.graph.control import IfOp, LoopOp, YieldOp
from ..dialects.graph.operation import GraphOperation
from ..dialects.graph.types import GraphTensorType
from ..dialects.shape import substitute
from ..reference.operations import evaluate
from ..runtime.shapes import without_vanishing
from .kernel import Trace
from .scalar import scalar_dtype

if TYPE_CHECKING:
    from ..dialects.shape import Dim

Environment = dict[SSAValue, np.ndarray]


class GraphExecutionError(ValueError):
    """An operation gave something else than its type says, or could not run."""


def argument_names(function: FuncOp) -> list[str]:
    """The names of a function's arguments, from the attribute ``lamina.name``."""
    return _names(function.arg_attrs, len(function.function_type.inputs))


def result_names(function: FuncOp) -> list[str]:
    return _names(function.res_attrs, len(function.function_type.outputs))


def _names(attributes: Any, count: int) -> list[str]:
    if attributes is None:
        return [str(index) for index in range(count)]
    return [cast(StringAttr, a.data["lamina.name"]).data for a in attributes]


def main_function(module: ModuleOp) -> FuncOp:
    """@main. Raises ValueError where the module has none."""
    for operation in module.ops:
        if isinstance(operation, FuncOp) and operation.sym_name.data == "main":
            return operation
    raise ValueError("the module has no function @main")


RunSegment = Callable[[FuncOp, list[np.ndarray], dict[str, int]], list[np.ndarray]]
"""Gives the results of a function below the graph level for its arguments and the sizes known by then."""


def interpret_graph(
    module: ModuleOp,
    feeds: Mapping[str, np.ndarray],
    constants: Mapping[str, np.ndarray],
    *,
    trace: Trace | None = None,
    run_segment: RunSegment | None = None,
) -> dict[str, np.ndarray]:
    """The outputs of @main by name; ``trace`` is told of every value.

    Raises GraphExecutionError naming the operation that went wrong.
    """
    function = main_function(module)
    functions = {f.sym_name.data: f for f in module.ops if isinstance(f, FuncOp)}
    interpreter = _Interpreter(functions, constants, trace, run_segment)
    arguments = [feeds[name] for name in argument_names(function)]
    with np.errstate(all="ignore"):  # Infinities and NaN are results like others.
        results = interpreter.call(function, arguments)
    axes = vanishing_axes(function) or [[] for _ in results]
    return dict(zip(result_names(function), map(without_vanishing, results, axes)))


class _Interpreter:
    def __init__(
        self,
        functions: Mapping[str, FuncOp],
        constants: Mapping[str, np.ndarray],
        trace: Trace | None,
        run_segment: RunSegment | None,
    ):
        self.functions = functions
        self.constants = constants
        self.trace = trace
        self.run_segment = run_segment
        self.symbols: dict[str, int] = {}

    def call(self, function: FuncOp, arguments: Sequence[np.ndarray]) -> list[np.ndarray]:
        block = function.body.block
        environment: Environment = {}
        for argument, array in zip(block.args, arguments, strict=True):
            environment[argument] = np.asarray(array)
            self.bind(cast(GraphTensorType, argument.type), environment[argument], "an argument")
        return self.run(block, environment)

    def bind(self, tensor: GraphTensorType | layout.TensorType, array: np.ndarray, what: str) -> None:
        """Checks an array against its type; a symbol seen for the first time takes its value from it."""
        if array.dtype != _array_dtype(tensor) or array.ndim != tensor.rank:
            raise GraphExecutionError(f"{what}: expected {tensor}, got {array.dtype} of shape {array.shape}")
        for dimension, size in zip(tensor.dims, array.shape):
            if isinstance(dimension, int):
                expected = dimension
            elif dimension.is_Symbol:
                expected = self.symbols.setdefault(str(dimension), size)
            else:
                expected = self.value_of(dimension)
            if expected != size:
                raise GraphExecutionError(
                    f"{what}: expected {tensor}, got shape {array.shape}: {dimension} is {expected}"
                )

    def value_of(self, dimension: Dim) -> int:
        value = substitute(dimension, self.symbols)
        if not isinstance(value, int):
            raise GraphExecutionError(f"the dimension {dimension} is not known yet")
        return value

    def run(self, block: Block, environment: Environment) -> list[np.ndarray]:
        """The values that the block's terminator gives."""
        for operation in block.ops:
            if isinstance(operation, ReturnOp | YieldOp):
                return [environment[operand] for operand in operation.operands]
            results = self.execute(operation, environment)
            for result, array in zip(operation.results, results, strict=True):
                self.bind(cast(GraphTensorType, result.type), array, operation.name)
                environment[result] = array
                if self.trace is not None:
                    self.trace(result, array)
        raise GraphExecutionError("the block has no terminator")

    def execute(self, operation: Operation, environment: Environment) -> list[np.ndarray]:
        match operation:
            case ConstantOp():
                return [np.asarray(self.constants[operation.handle])]
            case IfOp():
                taken = environment[operation.condition].reshape(()).item()
                region = operation.then_region if taken else operation.else_region
                return self.run_branch(region.block, environment)
            case LoopOp():
                return self.loop(operation, environment)
            case CallOp():
                return self.call_function(operation, [environment[operand] for operand in operation.operands])
            case UnrealizedConversionCastOp():
                # Below the graph integers have no sign; the bits stay.
                types = [cast(GraphTensorType, result.type) for result in operation.results]
                return [environment[v].view(_array_dtype(t)) for v, t in zip(operation.operands, types, strict=True)]
            case GraphOperation():
                return self.reference(operation, environment)
        raise GraphExecutionError(f"{operation.name} is no graph operation")

    def call_function(self, operation: CallOp, arguments: list[np.ndarray]) -> list[np.ndarray]:
        function = self.functions[operation.callee.string_value()]
        if all(isinstance(type_, GraphTensorType) for type_ in function.function_type.inputs):
            types = function.function_type.outputs.data
            if all(isinstance(type_, GraphTensorType) for type_ in types):
                return self.call(function, arguments)
        if self.run_segment is None:
            raise GraphExecutionError(f"@{function.sym_name.data} is below the graph level")
        return self.run_segment(function, arguments, dict(self.symbols))

    def run_branch(self, block: Block, environment: Environment) -> list[np.ndarray]:
        """Symbols bound inside belong to the branch alone."""
        outer = dict(self.symbols)
        try:
            return self.run(block, environment)
        finally:
            self.symbols = outer

    def reference(self, operation: GraphOperation, environment: Environment) -> list[np.ndarray]:
        name = operation.name.removeprefix("graph.")
        attributes = reference_attributes(name, operation.values, operation.result_types, self.value_of_lenient)
        assert attributes is not None
        try:
            return evaluate(name, [environment[operand] for operand in operation.operands], attributes)
        except (ValueError, IndexError, TypeError) as error:
            raise GraphExecutionError(f"{operation.name}: {error}") from error

    def value_of_lenient(self, dimension: Dim) -> int:
        return dimension if isinstance(dimension, int) else self.value_of(dimension)

    def loop(self, operation: LoopOp, environment: Environment) -> list[np.ndarray]:
        trips = int(environment[operation.trips].reshape(()))
        going = bool(environment[operation.condition].reshape(()))
        carried = [environment[value] for value in operation.carried]
        scanned: list[list[np.ndarray]] = [[] for _ in range(len(operation.outputs) - len(carried))]
        outer = dict(self.symbols)
        round_number = 0
        while round_number < trips and going:
            self.symbols = dict(outer)
            arguments = [np.array(round_number, np.int64), np.array(going), *carried]
            for argument, array in zip(operation.block.args, arguments, strict=True):
                self.bind(cast(GraphTensorType, argument.type), array, "a loop's argument")
                environment[argument] = array
            condition, *values = self.run(operation.block, environment)
            going = bool(condition.reshape(()))
            carried, new = values[: len(carried)], values[len(carried) :]
            for parts, array in zip(scanned, new):
                parts.append(array)
            round_number += 1
        self.symbols = outer
        types = [cast(GraphTensorType, output.type) for output in operation.outputs[len(carried) :]]
        return [*carried, *(self.stacked(parts, t) for parts, t in zip(scanned, types))]

    def stacked(self, parts: list[np.ndarray], tensor: GraphTensorType) -> np.ndarray:
        """Elements of all rounds; of none, an empty tensor whose sizes are 0 where only a round would tell them."""
        if parts:
            return np.stack(parts)
        sizes = (substitute(dimension, self.symbols) for dimension in tensor.dims[1:])
        return np.zeros([0, *(size if isinstance(size, int) else 0 for size in sizes)], tensor.dtype)


def _array_dtype(tensor: GraphTensorType | layout.TensorType) -> np.dtype:
    return tensor.dtype if isinstance(tensor, GraphTensorType) else scalar_dtype(tensor.element_type)
