"""Building graph operations during import: constants fold, shapes stay symbolic, no-ops are not emitted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from ..dialects import graph
from ..dialects.graph import ConstantOp, DimValuesOp, GraphOperation, ReshapeOp
from ..dialects.graph.attributes import reference_attributes
from ..dialects.graph.folding import REPEATED_BYTES, distinct_bytes, folding_limit
from ..dialects.graph.types import GraphTensorType, f32, i64, is_integer, numpy_dtype, string
from ..dialects.shape import add, is_static, maximum, multiply, print_dimension, product, same_dimension, subtract
from ..reference.operations import REFERENCE, evaluate
from .budget import NodeBudget
from .checks.limits import MAX_GROWTH_BYTES, MAX_RANK, MAX_TENSOR_BYTES
from .contents import known_result
from .size_relations import required_equalities, required_minimums
from .symbols import Symbols
from .values import Value, object_array

if TYPE_CHECKING:
    from ..context import ConstantStore
    from ..dialects.shape import Dim


class BuilderTrial:
    """Whether what was built on trial is kept."""

    def __init__(self) -> None:
        self.kept = False

    def keep(self) -> None:
        self.kept = True


class GraphBuilder:
    """Appends operations to a block. All methods take and give :class:`Value`."""

    def __init__(self, constants: ConstantStore, symbols: Symbols, block: Block):
        self.constants = constants
        self.symbols = symbols
        self.root = block
        self.block = block
        self.budget = NodeBudget()
        self.name = ""
        # The path of the node being imported, and of the node that each operation comes from.
        self.place = ""
        self.origins: dict[Operation, str] = {}
        # Whether runs compute with denormals, for formulas that take care of them.
        self.keeps_denormals = False
        self._may_grow_bytes = MAX_GROWTH_BYTES
        self._streams = 0
        self._constant_ops: list[ConstantOp] = []
        self._small: dict[tuple[str, tuple[int, ...], Any], Value] = {}
        self._stored: dict[int, SSAValue] = {}
        # By the id of a constant's array, which is kept so that no other array gets that id.
        self._widened: dict[int, tuple[np.ndarray, Value]] = {}

    def next_stream(self) -> int:
        """A number that no other operation of random numbers has."""
        self._streams += 1
        return self._streams

    # --- values ---------------------------------------------------------------------------------

    def constant(self, array: np.ndarray, name: str = "") -> Value:
        """A tensor with these elements; equal small ones are shared."""
        array = np.asarray(array)
        if array.size > 64 or name:
            return Value(GraphTensorType.of_array(array), constant=array, name=name)
        key = (array.dtype.name, array.shape, tuple(array.flat) if array.dtype == object else array.tobytes())
        if key not in self._small:
            self._small[key] = Value(GraphTensorType.of_array(array), constant=array)
        return self._small[key]

    def scalar(self, value: float | int | bool, element_type: Attribute) -> Value:
        return self.constant(np.array(value, numpy_dtype(element_type)))

    def zero(self, element_type: Attribute) -> Value:
        """What stands for an element that nobody looks at: 0, or empty text."""
        return self.constant(np.array("", object)) if element_type == string else self.scalar(0, element_type)

    def scalar_like(self, value: float | int | bool, x: Value) -> Value:
        return self.scalar(value, x.element_type)

    def dim_values(self, dims: Sequence[Dim | None], element_type: Attribute = i64, shape: Any = None) -> Value:
        """An integer tensor whose elements are dimensions: a vector, or of the static ``shape``."""
        shape = (len(dims),) if shape is None else tuple(shape)
        if all(isinstance(d, int) for d in dims):
            array = np.array(dims, numpy_dtype(element_type)).reshape(shape)
            return self.constant(array)
        return Value(GraphTensorType.of(shape, element_type), contents=object_array(dims, shape))

    def ssa(self, value: Value) -> SSAValue:
        """The value in IR; a constant is placed once, at the start of the function."""
        if value.ssa is not None:
            return value.ssa
        if value.constant is not None:
            value.ssa = self._place_constant(value)
            return value.ssa
        assert value.contents is not None
        dims = [self.symbols.resolve(d) for d in value.contents.reshape(-1).tolist()]
        vector = GraphTensorType.of((len(dims),), value.element_type)
        placed = DimValuesOp([], [vector if value.rank else value.type], dimensions=dims)
        self.block.add_op(placed)
        result: SSAValue = placed.result
        if value.rank > 1:
            reshaped = ReshapeOp([result], [value.type])
            self.block.add_op(reshaped)
            result = reshaped.result
        if self.block is self.root:
            value.ssa = result
        return result

    def _place_constant(self, value: Value) -> SSAValue:
        # One array may back several values; the store keeps it once.
        if value.constant is None:
            raise AssertionError("only constants are placed")
        placed = self._stored.get(id(value.constant))
        if placed is not None and placed.type == value.type:
            return placed
        handle = self.constants.add(value.constant, value.name or "constant")
        operation = ConstantOp([], [value.type], handle=handle)
        self._constant_ops.append(operation)
        self._stored[id(value.constant)] = operation.result
        return operation.result

    @contextmanager
    def inside(self, block: Block) -> Iterator[None]:
        """Appends to another block for a while."""
        outer, self.block = self.block, block
        try:
            yield
        finally:
            self.block = outer

    @contextmanager
    def trial(self, block: Block) -> Iterator[BuilderTrial]:
        """Appends to ``block``; its operations move to the current block if the trial is kept, else they go."""
        trial = BuilderTrial()
        with self.inside(block):
            yield trial
        operations = list(block.ops)
        for operation in operations:
            operation.detach()
        if trial.kept:
            self.block.add_ops(operations)

    def finish(self) -> None:
        """Puts the constants at the start of the function."""
        if self._constant_ops and self.root.first_op is not None:
            self.root.insert_ops_before(self._constant_ops, self.root.first_op)
        elif self._constant_ops:
            self.root.add_ops(self._constant_ops)

    # --- operations -----------------------------------------------------------------------------

    def emit(
        self,
        operation: type[GraphOperation],
        operands: Sequence[Value],
        result_types: Sequence[GraphTensorType] | None = None,
        **fields: Any,
    ) -> list[Value]:
        """The results of an operation: folded where all operands are constant, else appended to the block."""
        operands = self._broadcast(operation, operands)
        types = [operand.type for operand in operands]
        values = operation.complete(types, fields)
        if result_types is None:
            inferred = list(operation.infer(types, values))
        else:
            inferred = list(result_types)
            operation.check(types, values, inferred)
        for tensor in inferred:
            check_size(tensor)
        self._relate_sizes(operation, types, values, inferred)
        if all(is_static(tensor.dims) and 0 in tensor.dims for tensor in inferred):
            return [self.constant(np.empty(list(map(int, tensor.dims)), tensor.dtype)) for tensor in inferred]
        nothing = self._sum_of_nothing(operation, operands, values, inferred)
        if nothing is not None:
            return [nothing]
        name = operation.name.removeprefix("graph.")
        folded = self._folded(name, operands, values, inferred)
        if folded is not None:
            return folded
        known = None
        if len(inferred) == 1:
            known = known_result(name, [operand.known() for operand in operands], values, inferred[0])
            value = self._from_known(known, inferred[0])
            if value is not None:
                return [value]
        built = operation([self.ssa(operand) for operand in operands], inferred, **fields)
        self.block.add_op(built)
        self.origins[built] = self.place
        if self.name and len(built.results) == 1:
            built.results[0].name_hint = name_hint(self.name)
        return [Value(t, ssa=r, contents=known) for t, r in zip(inferred, built.results)]

    def op(self, operation: type[GraphOperation], *operands: Value, **fields: Any) -> Value:
        """The one result of an operation whose type follows from its operands."""
        (result,) = self.emit(operation, operands, **fields)
        return result

    def _broadcast(self, operation: type[GraphOperation], operands: Sequence[Value]) -> Sequence[Value]:
        """Operands of which it is known where they are repeated: what only runs can tell is spread out before.

        What does not broadcast is left as it is for the operation to complain about.
        """
        own = 2 if operation is graph.MatmulOp else 0 if issubclass(operation, graph.ElementwiseOp) else None
        if own is None or len(operands) < 2 or all(is_static(operand.dims) for operand in operands):
            return operands
        shapes = [operand.dims[: max(operand.rank - own, 0)] for operand in operands]
        common = self.common_shape(shapes, f"{operation.name} in {self.name or 'the model'}")
        return [self.spread(operand, common, own) for operand in operands]

    def common_shape(self, shapes: Sequence[Sequence[Dim]], why: str) -> tuple[Dim, ...]:
        """The shape that all broadcast to. Raises VerifyException."""
        rank = max(map(len, shapes))
        common: list[Dim] = [1] * rank
        for shape in shapes:
            for axis, size in enumerate(shape, rank - len(shape)):
                met = self.symbols.broadcast(common[axis], size, why)
                if met is None:
                    raise VerifyException(
                        f"{why}: dimensions {common[axis]} and {size} must be equal, or one of them 1"
                    )
                common[axis] = met
        return tuple(common)

    def spread(self, x: Value, common: Sequence[Dim], own: int = 0) -> Value:
        """x with those axes repeated of which only runs can tell whether they are; ``own`` last ones are left."""
        kept = x.rank - own
        dims = list(x.dims)
        for axis, wanted in zip(range(kept - 1, -1, -1), reversed(common)):
            size, wanted = self.symbols.resolve(x.dims[axis]), self.symbols.resolve(wanted)
            if size != 1 and self.symbols.decides(size, wanted):
                dims[axis] = wanted
        return self.broadcast_to(x, dims)

    def _relate_sizes(
        self,
        operation: type[GraphOperation],
        types: Sequence[GraphTensorType],
        values: dict[str, Any],
        results: Sequence[GraphTensorType],
    ) -> None:
        why = f"{operation.name} in {self.name or 'the model'}"
        for left, right in required_equalities(operation, types, values, results):
            if not self.symbols.unify(left, right, why):
                raise VerifyException(f"{operation.name}: dimensions {left} and {right} must be equal")
        for size, least in required_minimums(operation, types, values):
            reason = f"{why}: {print_dimension(size)} must be at least {print_dimension(least)}"
            if not self.symbols.require_at_least(size, least, reason):
                raise VerifyException(f"{operation.name}: an axis of {size} must have {least} elements or more")

    def _sum_of_nothing(
        self,
        operation: type[GraphOperation],
        operands: Sequence[Value],
        values: dict[str, Any],
        results: Sequence[GraphTensorType],
    ) -> Value | None:
        """Zeros, or the bias, where a product or a convolution has no terms; no kernel is made for that."""
        if operation is graph.MatmulOp:
            terms, bias = operands[0].dims[-2 if values["transpose_a"] else -1], []
        elif operation is graph.ConvOp:
            terms, bias = product(operands[1].dims[1:]), operands[2:]
        else:
            return None
        if not isinstance(terms, int) or terms > 0:
            return None
        (result,) = results
        zero = self.scalar(0, result.element_type)
        start = self.reshape(bias[0], (result.dims[1], *[1] * (result.rank - 2))) if bias else zero
        return self.broadcast_to(start, result.dims)

    def _folded(
        self, name: str, operands: Sequence[Value], values: dict[str, Any], types: Sequence[GraphTensorType]
    ) -> list[Value] | None:
        if name not in REFERENCE or any(operand.constant is None for operand in operands):
            return None
        arrays = [operand.constant for operand in operands if operand.constant is not None]
        attributes = reference_attributes(name, values, types)
        if attributes is None:
            return None
        size, read = sum(_nbytes(t) for t in types), distinct_bytes(arrays)
        grown = size - read
        if size > folding_limit(name, read) or (grown > REPEATED_BYTES and grown > self._may_grow_bytes):
            return None
        self._may_grow_bytes -= max(grown, 0)
        results = evaluate(name, arrays, attributes)
        return [
            self.constant(result.astype(t.dtype, copy=False), self._folded_name(result))
            for result, t in zip(results, types)
        ]

    def _folded_name(self, result: np.ndarray) -> str:
        return self.name if result.size > 64 else ""

    def _from_known(self, known: np.ndarray | None, result: GraphTensorType) -> Value | None:
        if known is None or any(element is None for element in known.reshape(-1)):
            return None
        if all(isinstance(element, int | float | bool) for element in known.reshape(-1)):
            return self.constant(known.astype(result.dtype))
        return Value(result, contents=known) if is_integer(result.element_type) else None

    # --- elementwise ----------------------------------------------------------------------------

    def add(self, a: Value, b: Value) -> Value:
        return self.op(graph.AddOp, a, b)

    def sub(self, a: Value, b: Value) -> Value:
        return self.op(graph.SubOp, a, b)

    def mul(self, a: Value, b: Value) -> Value:
        return self.op(graph.MulOp, a, b)

    def div(self, a: Value, b: Value) -> Value:
        return self.op(graph.DivOp, a, b)

    def maximum(self, a: Value, b: Value) -> Value:
        return self.op(graph.MaximumOp, a, b)

    def minimum(self, a: Value, b: Value) -> Value:
        return self.op(graph.MinimumOp, a, b)

    def where(self, condition: Value, a: Value, b: Value) -> Value:
        return self.op(graph.WhereOp, condition, a, b)

    def add_scalar(self, a: Value, value: float | int) -> Value:
        return self.add(a, self.scalar_like(value, a)) if value else a

    def mul_scalar(self, a: Value, value: float | int) -> Value:
        return self.mul(a, self.scalar_like(value, a)) if value != 1 else a

    def cast(self, x: Value, element_type: Attribute, *, saturate: bool = False) -> Value:
        if x.element_type == element_type:
            return x
        (result,) = self.emit(graph.CastOp, [x], [x.type.with_element(element_type)], saturate=saturate)
        return result

    def bitcast(self, x: Value, element_type: Attribute) -> Value:
        """The bits of x as another type of the same width. Raises VerifyException for one of another."""
        if x.element_type == element_type:
            return x
        return self.emit(graph.BitcastOp, [x], [x.type.with_element(element_type)])[0]

    def widened(self, x: Value) -> Value:
        """A float narrower than f32 as f32; a constant's array is widened once, however large it is."""
        if x.constant is None:
            return self.cast(x, f32)
        known = self._widened.get(id(x.constant))
        if known is None:
            wide = self.constant(x.constant.astype(np.float32), x.name and f"{x.name}.f32")
            known = self._widened[id(x.constant)] = (x.constant, wide)
        return known[1]

    # --- movement -------------------------------------------------------------------------------

    def reshape(self, x: Value, dims: Sequence[Dim]) -> Value:
        wanted = x.type.with_dims(dims)
        if wanted.same_shape(x.type):
            return x
        (result,) = self.emit(ReshapeOp, [x], [wanted])
        return result

    def transpose(self, x: Value, permutation: Sequence[int]) -> Value:
        if list(permutation) == list(range(x.rank)):
            return x
        return self.op(graph.TransposeOp, x, permutation=permutation)

    def broadcast_to(self, x: Value, dims: Sequence[Dim]) -> Value:
        """x repeated to a shape; raises VerifyException where it can't be."""
        wanted = x.type.with_dims(dims)
        if wanted.same_shape(x.type):
            return x
        for size, repeated in zip(reversed(x.dims), reversed(dims)):
            if not self.symbols.repeats(size, repeated, f"graph.broadcast_to in {self.name or 'the model'}"):
                raise VerifyException(f"graph.broadcast_to: a dimension of {size} cannot be repeated to {repeated}")
        (result,) = self.emit(graph.BroadcastToOp, [x], [wanted])
        return result

    def unsqueeze(self, x: Value, axes: Sequence[int]) -> Value:
        """Axes of length 1 put in at these places of the result."""
        rank = x.rank + len(axes)
        places = {axis % rank for axis in axes}
        remaining = iter(x.dims)
        return self.reshape(x, [1 if axis in places else next(remaining) for axis in range(rank)])

    def squeeze(self, x: Value, axes: Sequence[int]) -> Value:
        """These axes, of length 1, taken out."""
        places = {axis % x.rank for axis in axes}
        for axis in places:
            if not self.symbols.unify(x.dims[axis], 1, f"squeeze in {self.name}"):
                raise VerifyException(f"cannot squeeze axis {axis} of {x.type}: its length is not 1")
        return self.reshape(x, [d for axis, d in enumerate(x.dims) if axis not in places])

    def slice(
        self,
        x: Value,
        axes: Sequence[int],
        starts: Sequence[Dim],
        ends: Sequence[Dim],
        steps: Sequence[int] | None = None,
    ) -> Value:
        """Bounds count from the axis's start and lie within it. Axes taken whole are left out."""
        steps = [1] * len(axes) if steps is None else steps
        kept = [
            (axis, start, end, step)
            for axis, start, end, step in zip(axes, starts, ends, steps)
            if not (step == 1 and same_dimension(start, 0) and same_dimension(end, x.dims[axis]))
        ]
        if not kept:
            return x
        axes, starts, ends, steps = zip(*sorted(kept, key=lambda item: item[0]))
        fields: dict[str, Any] = {"axes": axes, "starts": starts, "ends": ends}
        if any(step != 1 for step in steps):
            fields["steps"] = steps
        return self.op(graph.SliceOp, x, **fields)

    def split(self, x: Value, axis: int, sizes: Sequence[Dim]) -> list[Value]:
        parts: list[Value] = []
        start: Dim = 0
        for size in sizes:
            end = add(start, size)
            parts.append(self.slice(x, [axis], [start], [end]))
            start = end
        return parts

    def concat(self, parts: Sequence[Value], axis: int) -> Value:
        return parts[0] if len(parts) == 1 else self.op(graph.ConcatOp, *parts, axis=axis)

    def pad(self, x: Value, pads: Sequence[Dim], value: Value | None = None, mode: str = "constant") -> Value:
        """``pads``: before each axis, then after each. Negative ones cut first: what is repeated is what is left.

        before: pad x [1, 2, 3] by -1, 2 in mode wrap
        after: pad (slice x from 1) [2, 3] by 0, 2, which is [2, 3, 2, 3]
        """
        if mode != "constant":
            x, pads = self._cropped(x, pads)
        if all(same_dimension(p, 0) for p in pads):
            return x
        value = self.scalar_like(0, x) if value is None else value
        return self.op(graph.PadOp, x, value, pads=pads, mode=mode)

    def _cropped(self, x: Value, pads: Sequence[Dim]) -> tuple[Value, Sequence[Dim]]:
        """x without what negative pads cut off, and the pads that are left."""
        cuts = [maximum(multiply(p, -1), 0) for p in pads]
        if all(same_dimension(cut, 0) for cut in cuts):
            return x, pads
        ends = [subtract(size, cut) for size, cut in zip(x.dims, cuts[x.rank :])]
        if any(isinstance(left := subtract(end, cut), int) and left < 0 for end, cut in zip(ends, cuts)):
            return x, pads  # More is cut than there is, which the pad itself refuses.
        return self.slice(x, range(x.rank), cuts[: x.rank], ends), [maximum(p, 0) for p in pads]

    def gather(self, x: Value, indices: Value, axis: int = 0) -> Value:
        """Raises VerifyException for known indices out of range; where the axis is free, each run checks them."""
        known = indices.integers()
        if known:
            self._require_elements(x.dims[axis], known)
        if known is not None and len(known) == 1:
            index = known[0] if known[0] >= 0 else add(x.dims[axis], known[0])
            taken = self.slice(x, [axis], [index], [add(index, 1)])
            return self.reshape(taken, (*x.dims[:axis], *indices.dims, *x.dims[axis + 1 :]))
        return self.op(graph.GatherOp, x, indices, axis=axis)

    def _require_elements(self, size: Dim, indices: Sequence[int]) -> None:
        """An axis of ``size`` has the elements that the indices name."""
        named = f"{min(indices)} to {max(indices)} name"
        why = f"graph.gather in {self.name or 'the model'}: the axis has the elements that the indices {named}"
        if not self.symbols.require_at_least(size, max(max(indices) + 1, -min(indices)), why):
            raise VerifyException(f"graph.gather: an axis of {size} has not the elements that the indices {named}")

    # --- reductions and products ----------------------------------------------------------------

    def reduce(self, kind: str, x: Value, axes: Sequence[int], keepdims: bool = True) -> Value:
        axes = sorted({axis % x.rank for axis in axes}) if x.rank else []
        if not axes:
            return x
        return self.op(graph.ReduceOp, x, kind=kind, axes=axes, keepdims=keepdims)

    def matmul(self, a: Value, b: Value, *, transpose_a: bool = False, transpose_b: bool = False) -> Value:
        return self.op(graph.MatmulOp, a, b, transpose_a=transpose_a, transpose_b=transpose_b)

    def softmax(self, x: Value, axis: int) -> Value:
        return self.op(graph.SoftmaxOp, x, axis=axis % x.rank)

    # --- shapes ---------------------------------------------------------------------------------

    def iota(self, count: Dim, element_type: Attribute = i64) -> Value:
        """0, 1, 2 ..., so many."""
        (result,) = self.emit(graph.IotaOp, [], [GraphTensorType.of([count], element_type)])
        return result

    def element_count(self, x: Value) -> Dim:
        return product(x.dims)

    def fresh_type(self, x: Value, dims: Sequence[Dim | None], hint: str = "") -> GraphTensorType:
        """A type of x's elements with a symbol of its own wherever a dimension is None."""
        return self.with_fresh(x.element_type, dims, hint)

    def with_fresh(self, element_type: Attribute, dims: Sequence[Dim | None], hint: str = "") -> GraphTensorType:
        hint = hint or self.name or "dynamic"
        return GraphTensorType.of([self.symbols.fresh(hint) if d is None else d for d in dims], element_type)


def _nbytes(tensor: GraphTensorType) -> int:
    count = tensor.element_count if is_static(tensor.dims) else None
    return count * tensor.dtype.itemsize if isinstance(count, int) else 1 << 62


def check_size(tensor: GraphTensorType) -> None:
    """Raises VerifyException for a tensor that no machine could hold, whatever the sizes that are not known yet."""
    least = math.prod(dimension for dimension in tensor.dims if isinstance(dimension, int)) * tensor.dtype.itemsize
    if least > MAX_TENSOR_BYTES:
        raise VerifyException(f"the result {tensor} has more than {MAX_TENSOR_BYTES} bytes")
    if tensor.rank > MAX_RANK:
        raise VerifyException(f"the result has {tensor.rank} dimensions: at most {MAX_RANK} are possible")


# A name is for a reader: what is longer is cut.
_MAX_HINT = 64


def name_hint(name: str) -> str | None:
    """What of an ONNX name can be the name of a value in the text."""
    text = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name[:_MAX_HINT]).strip("_")
    return f"v{text}" if text[:1].isdigit() else text or None
