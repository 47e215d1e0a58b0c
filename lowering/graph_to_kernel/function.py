"""The lowering of one function: which kernel-level value stands for each graph value, and helpers to add ops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from xdsl.ir import Attribute, Block, Operation, SSAValue

from ...dialects import graph, kernel, layout
from ...dialects.graph.types import element_type_of
from .elements import signless
from .scalar_code import ScalarCode

if TYPE_CHECKING:
    from ...context import ConstantStore
    from ...dialects.shape import Dim


def kernel_type(type_: graph.GraphTensorType) -> layout.TensorType:
    """The row-major tensor that holds what a graph tensor does; integers lose their sign."""
    return layout.TensorType.of(type_.dims, signless(type_.element_type))


class FunctionLowering:
    """Builds the new body of one function.

    Constants appear in it where they are first read as tensors, so that one that ends up inside a
    region, or in a property, leaves nothing behind.
    """

    def __init__(self, constants: ConstantStore, argument_types: Sequence[Attribute]):
        self.constants = constants
        self.block = Block(arg_types=argument_types)
        self.widened: dict[SSAValue, SSAValue] = {}
        """By graph value of a narrow float, the one that holds the same numbers as f32."""
        self._values: dict[SSAValue, SSAValue] = {}
        self._plain: dict[SSAValue, SSAValue] = {}

    # --- values ---------------------------------------------------------------------------------------

    def bind(self, graph_value: SSAValue, value: SSAValue) -> None:
        """From now on ``value`` stands for ``graph_value``."""
        self._values[graph_value] = value
        if graph_value.name_hint is not None and value.name_hint is None:
            value.name_hint = graph_value.name_hint

    def value(self, graph_value: SSAValue) -> SSAValue:
        """The tensor that stands for a graph value."""
        found = self._values.get(graph_value)
        if found is None:
            assert isinstance(graph_value.owner, graph.ConstantOp), f"{graph_value} was not lowered before its use"
            constant = kernel.ConstantOp(graph_value.owner.handle, kernel_type(graph_value.owner.result_types[0]))
            found = self.add(constant)
            self.bind(graph_value, found)
        return found

    def values(self, graph_values: Sequence[SSAValue]) -> list[SSAValue]:
        return [self.value(value) for value in graph_values]

    def array(self, graph_value: SSAValue) -> np.ndarray | None:
        """The contents of a constant; None for any other value."""
        owner = graph_value.owner
        return self.constants[owner.handle] if isinstance(owner, graph.ConstantOp) else None

    def number(self, graph_value: SSAValue) -> float | int | None:
        """The element of a constant of one element; None for any other value."""
        array = self.array(graph_value)
        return array.item() if array is not None and array.size == 1 else None

    # --- ops --------------------------------------------------------------------------------------------

    def add(self, op: Operation) -> SSAValue:
        """Adds an op; gives its first result."""
        self.block.add_op(op)
        return op.results[0]

    def constant(self, array: np.ndarray, hint: str) -> SSAValue:
        """A constant that the model did not have."""
        type_ = layout.TensorType.of([int(size) for size in array.shape], signless(element_type_of(array.dtype)))
        return self.add(kernel.ConstantOp(self.constants.add(array, hint), type_))

    def plain(self, value: SSAValue) -> SSAValue:
        """The tensor in row-major order without margins, which some kernels ask for."""
        type_ = type_of(value)
        if type_.layout.is_row_major:
            return value
        if value not in self._plain:
            self._plain[value] = self.add(layout.ConvertOp(value, type_.layout.row_major(type_.rank)))
        return self._plain[value]

    def reshape(self, value: SSAValue, shape: Sequence[Dim]) -> SSAValue:
        """The tensor under another shape: a view of it where its layout allows one, of a row-major copy otherwise."""
        if type_of(value).dims == tuple(shape):
            return value
        if layout.reshaped_type(type_of(value), shape) is None:
            value = self.plain(value)
        return self.add(layout.ReshapeOp(value, shape))

    def transpose(self, value: SSAValue, permutation: Sequence[int]) -> SSAValue:
        """The tensor with its axes in another order: a view. Where only axes of length 1 move, it stays row-major."""
        sizes = type_of(value).dims
        if list(permutation) == list(range(len(permutation))):
            return value
        long_axes = [axis for axis in permutation if sizes[axis] != 1]
        if long_axes == sorted(long_axes) and type_of(value).layout.is_row_major:
            return self.reshape(value, [sizes[axis] for axis in permutation])
        return self.add(layout.TransposeOp(value, permutation))

    def window(self, value: SSAValue, starts: Sequence[Dim], shape: Sequence[Dim]) -> SSAValue:
        """The part of a tensor from ``starts`` on; the tensor itself where that is all of it."""
        type_ = type_of(value)
        if type_.dims == tuple(shape):
            return value
        return self.add(layout.WindowOp(value, starts, shape))

    def map(
        self,
        operands: Sequence[SSAValue],
        result: layout.TensorType,
        write: Callable[[ScalarCode], SSAValue],
    ) -> SSAValue:
        """An elementwise kernel; ``write`` writes its region, from the code's arguments to the result's element."""
        code = ScalarCode([type_of(operand).element_type for operand in operands])
        return self.add(kernel.MapOp(operands, result, epilogue=code.finish(write(code))))


def type_of(value: SSAValue) -> layout.TensorType:
    assert isinstance(value.type, layout.TensorType)
    return value.type


def result_type(op: graph.GraphOperation, index: int = 0) -> layout.TensorType:
    """The row-major type of an operation's result."""
    return kernel_type(op.result_types[index])
