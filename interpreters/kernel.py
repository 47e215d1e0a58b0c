"""Runs functions of kernels in NumPy, on the tensors themselves: where their elements lie makes no difference.

It is what the lowering to kernels and the passes on them are checked against, before there is any code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import f32
from xdsl.ir import Operation, SSAValue

from ..dialects import kernel as k
from ..dialects.growth import rooms_of
from ..dialects.kernel_indexing import GatherNdOp, ScatterElementsOp, ScatterNdOp
from ..dialects.kernel_sampling import GridSampleOp, RoiAlignOp, WeighOp
from ..dialects.layout import ConvertOp, ReshapeOp, TensorType, TransposeOp, WindowOp
from ..dialects.shape import Dim, substitute
from ..dialects.winograd import restore_weights, tile_of
from ..reference.block_products import multiplied, of_panel_rows
from ..reference.operations import evaluate
from ..reference.recurrent import StateWeights, run_steps
from .scalar import NoMeaningError, evaluate_region, scalar_dtype
from .selections import SELECTIONS

Trace = Callable[[SSAValue, np.ndarray], None]
"""Is told of every value of an interpreted text once it is known."""


def interpret_kernels(
    function: func.FuncOp,
    arguments: Sequence[np.ndarray],
    constants: Mapping[str, np.ndarray],
    symbols: Mapping[str, int] | None = None,
    trace: Trace | None = None,
) -> list[np.ndarray]:
    """Results of a function for these arguments. Integers are signed throughout: unsigned ones keep their bits.

    ``symbols`` are sizes known already; the arguments' shapes tell the others.
    Raises ValueError where an argument does not fit its type, or for an op that it does not know.
    """
    return KernelInterpreter(constants, symbols, trace).run(function, arguments)


class KernelInterpreter:
    """Evaluates kernels one by one. ``values`` holds what is known, as logical tensors."""

    def __init__(
        self,
        constants: Mapping[str, np.ndarray],
        symbols: Mapping[str, int] | None = None,
        trace: Trace | None = None,
    ):
        self.constants = constants
        self.trace = trace
        self.values: dict[SSAValue, np.ndarray] = {}
        self.symbols: dict[str, int] = dict(symbols or {})

    def run(self, function: func.FuncOp, arguments: Sequence[np.ndarray]) -> list[np.ndarray]:
        block = function.body.block
        self.symbols |= rooms_of(function)
        for parameter, array in zip(block.args, arguments, strict=True):
            self.bind(_type(parameter), array)
            self.values[parameter] = as_signed(array)
        for op in block.ops:
            if isinstance(op, func.ReturnOp):
                return [self.values[operand] for operand in op.operands]
            self.evaluate(op)
        raise ValueError(f"@{function.sym_name.data} does not return")

    def bind(self, type_: TensorType, array: np.ndarray) -> None:
        """Checks an argument's shape; a symbol seen for the first time takes its value from it."""
        if array.ndim != type_.rank:
            raise ValueError(f"an argument has shape {array.shape}, its type is {type_}")
        for dimension, size in zip(type_.dims, array.shape, strict=True):
            if not isinstance(dimension, int) and dimension.is_Symbol:
                self.symbols.setdefault(str(dimension), size)
        if self.sizes(type_.dims) != array.shape:
            raise ValueError(f"an argument has shape {array.shape}, its type is {type_}")

    def sizes(self, dimensions: Sequence[Dim]) -> tuple[int, ...]:
        return tuple(int(substitute(dimension, self.symbols)) for dimension in dimensions)

    def evaluate(self, op: Operation) -> None:
        if isinstance(op, k.KernelOp):
            self._evaluate_kernel(op)
            return
        result = _type(op.results[0])
        match op:
            case k.ConstantOp():
                value = as_signed(result.layout.unpack(self.constants[op.constant.data], self.sizes(result.dims)))
            case ConvertOp():
                value = self.values[op.source]
            case TransposeOp():
                value = self.values[op.source].transpose(op.permutation.get_values())
            case ReshapeOp():
                value = self.values[op.source].reshape(self.sizes(result.dims))
            case WindowOp():
                starts = self.sizes([start.data for start in op.starts])
                sizes = self.sizes(result.dims)
                places = tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
                value = self.values[op.source][places]
            case _:
                raise NoMeaningError(f"no meaning is known for {op.name} among kernels")
        self._store(op.results[0], value)

    def _store(self, value: SSAValue, array: np.ndarray) -> None:
        type_ = _type(value)
        if array.shape != self.sizes(type_.dims):
            raise ValueError(f"{value.owner} gives shape {array.shape}, its type is {type_}")
        self.values[value] = array.astype(scalar_dtype(type_.element_type), copy=False)
        if self.trace is not None:
            self.trace(value, self.values[value])

    def _evaluate_kernel(self, op: k.KernelOp) -> None:
        operands = [self.values[value] for value in op.ins]
        if isinstance(op, k.MapOp):
            shape = self.sizes(op.type.dims)
            self._store(op.result, np.broadcast_to(evaluate_region(op.epilogue, operands), shape))
            return
        results = _KERNELS[type(op)](self, op, operands)
        if op.has_epilogue and not isinstance(op, k.AttentionOp):
            extra = [self.values[value] for value in op.epilogue_ins]
            results[0] = evaluate_region(op.epilogue, [results[0], *extra])
            results[0] = np.broadcast_to(results[0], self.sizes(op.type.dims))
        for value, array in zip(op.outs, results, strict=True):
            self._store(value, array)


def _type(value: SSAValue) -> TensorType:
    assert isinstance(value.type, TensorType)
    return value.type


def as_signed(array: np.ndarray) -> np.ndarray:
    """The array as the kernel level holds it: the same bits, integers with a sign."""
    return array.view(f"i{array.dtype.itemsize}") if array.dtype.kind == "u" else array


# --- kernels ------------------------------------------------------------------------------------------------

_Arrays = list[np.ndarray]
_Kernel = Callable[[KernelInterpreter, Any, _Arrays], _Arrays]


def _window_attributes(op: k.KernelOp) -> dict[str, Any]:
    return {name: op.get(name) for name in ("strides", "pads", "dilations")}


def _with_signs(op: k.SignAwareOp, operands: _Arrays) -> _Arrays:
    unsigned = op.get("unsigned") or ()
    return [x.view(f"u{x.dtype}") if index in unsigned else x for index, x in enumerate(operands)]


def _factors(op: k.ContractionOp, operands: _Arrays) -> _Arrays:
    """The operands as they are multiplied: some are integers without a sign, floats as wide as their sums."""
    operands = _with_signs(op, operands)
    return [x.astype(np.float32) for x in operands] if op.sums_type == f32 else operands


def _conv(run: KernelInterpreter, op: k.ConvOp, operands: _Arrays) -> _Arrays:
    tile = tile_of(op.get("algorithm"))
    if tile and operands[1].ndim == 3:
        operands[1] = restore_weights(operands[1])
    return evaluate("conv", _factors(op, operands), {**_window_attributes(op), "group": op.get("groups")})


def _gemm(run: KernelInterpreter, op: k.GemmOp, operands: _Arrays) -> _Arrays:
    flags = {name: op.get(name) for name in ("transpose_a", "transpose_b")}
    product = evaluate("matmul", _factors(op, operands)[:2], flags)[0]
    return [product + operands[2] if len(operands) > 2 else product]


def _block_gemm(run: KernelInterpreter, op: k.BlockGemmOp, operands: _Arrays) -> _Arrays:
    a, rows = operands
    bits, block = op.get("bits"), op.get("block")
    weights, scales = of_panel_rows(rows, bits, block, has_zeros=op.get("zeros"))
    return [multiplied(a, weights, scales, block, int8=op.get("int8"))]


def _attention(run: KernelInterpreter, op: k.AttentionOp, operands: _Arrays) -> _Arrays:
    queries, *shared, empty = operands if len(operands) > 3 else (*operands, np.False_)
    keys, values = (np.repeat(x, op.group, axis=-3) if op.group > 1 else x for x in shared)
    scores = queries @ keys.swapaxes(-1, -2)
    if op.has_epilogue:
        extra = [run.values[value] for value in op.epilogue_ins]
        scores = np.broadcast_to(evaluate_region(op.epilogue, [scores, *extra]), run.sizes(op.region_type.dims))
    (weights,) = evaluate("softmax", [scores], {"axis": scores.ndim - 1})
    if op.get("zero_empty"):
        weights = np.where(np.isnan(weights), np.float32(0), weights)
    return [np.where(empty, np.float32(0), weights @ values)]


def _pool(run: KernelInterpreter, op: k.PoolOp, operands: _Arrays) -> _Arrays:
    attributes = {**_window_attributes(op), "kernel": op.get("window")}
    if op.get("kind") == "max":
        (result,) = evaluate("max_pool", _with_signs(op, operands), attributes)
        return [result.view(operands[0].dtype)]
    attributes |= {"count_include_pad": op.get("count_include_pad"), "overhang": (0,) * len(op.get("window"))}
    return evaluate("avg_pool", operands, attributes)


def _reduce(run: KernelInterpreter, op: k.ReduceOp, operands: _Arrays) -> _Arrays:
    if op.sums_narrow:
        operands = [_with_signs(op, operands)[0].astype(np.int32)]
    return evaluate("reduce", operands, {"kind": op.get("kind"), "axes": op.get("axes"), "keepdims": True})


def _arg_reduce(run: KernelInterpreter, op: k.ArgReduceOp, operands: _Arrays) -> _Arrays:
    attributes = {"axis": op.get("axis"), "keepdims": True, "select_last": op.get("last")}
    return evaluate(f"arg_{op.get('kind')}", operands, attributes)


def _softmax(run: KernelInterpreter, op: k.SoftmaxOp, operands: _Arrays) -> _Arrays:
    return evaluate("softmax", operands, {"axis": operands[0].ndim - 1})


def _layer_norm(run: KernelInterpreter, op: k.LayerNormOp, operands: _Arrays) -> _Arrays:
    return evaluate("layer_norm", operands, {"axis": op.get("axis"), "epsilon": op.get("epsilon")})


def _pad(run: KernelInterpreter, op: k.PadOp, operands: _Arrays) -> _Arrays:
    pads = run.sizes((*op.get("lower"), *op.get("upper")))
    value = np.asarray(op.get("value")).astype(operands[0].dtype)
    return evaluate("pad", [operands[0], value], {"pads": pads, "mode": op.get("mode")})


def _concat(run: KernelInterpreter, op: k.ConcatOp, operands: _Arrays) -> _Arrays:
    return [np.concatenate(operands, op.get("axis"))]


def _slice(run: KernelInterpreter, op: k.SliceOp, operands: _Arrays) -> _Arrays:
    places = []
    for start, step, size in zip(run.sizes(op.get("starts")), op.get("steps"), run.sizes(op.type.dims), strict=True):
        places.append(start + step * np.arange(size))
    return [operands[0][np.ix_(*places)]]


def _broadcast(run: KernelInterpreter, op: k.BroadcastOp, operands: _Arrays) -> _Arrays:
    return [np.broadcast_to(operands[0], run.sizes(op.type.dims))]


def _gather(run: KernelInterpreter, op: k.GatherOp, operands: _Arrays) -> _Arrays:
    return evaluate("gather", operands, {"axis": op.get("axis")})


def _gather_elements(run: KernelInterpreter, op: k.GatherElementsOp, operands: _Arrays) -> _Arrays:
    return evaluate("gather_elements", operands, {"axis": op.get("axis")})


def _gather_nd(run: KernelInterpreter, op: GatherNdOp, operands: _Arrays) -> _Arrays:
    return evaluate("gather_nd", operands, {"batch_dims": op.get("batch_dims")})


def _scatter(run: KernelInterpreter, op: ScatterElementsOp | ScatterNdOp, operands: _Arrays) -> _Arrays:
    x, indices, updates = operands
    x = np.broadcast_to(x, run.sizes(op.type.dims))
    attributes: dict[str, Any] = {"reduction": op.get("reduction")}
    if op.unsigned is not None:
        x, updates = (array.view(f"u{array.dtype}") for array in (x, updates))
    if isinstance(op, ScatterNdOp):
        return [evaluate("scatter_nd", [x, indices, updates], attributes)[0].view(operands[2].dtype)]
    operands = [x, np.broadcast_to(indices, updates.shape), updates]
    return [evaluate("scatter_elements", operands, {**attributes, "axis": op.get("axis")})[0].view(operands[2].dtype)]


def _channels_first(op: GridSampleOp | RoiAlignOp, x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, -1, 1) if op.get("channels_last") else x


def _sampled(op: GridSampleOp | RoiAlignOp, results: _Arrays) -> _Arrays:
    return [np.moveaxis(results[0], 1, -1)] if op.get("channels_last") else results


def _grid_sample(run: KernelInterpreter, op: GridSampleOp, operands: _Arrays) -> _Arrays:
    attributes: dict[str, Any] = {name: op.get(name) for name in ("mode", "padding")}
    coordinates = op.get("coordinates")
    attributes |= {"align_corners": coordinates == "centers", "in_elements": coordinates == "elements"}
    x, grid = _channels_first(op, operands[0]), operands[1]
    return _sampled(op, evaluate("grid_sample", [x, grid], attributes))


def _roi_align(run: KernelInterpreter, op: RoiAlignOp, operands: _Arrays) -> _Arrays:
    names = ("size", "sampling_ratio", "spatial_scale", "half_pixel")
    attributes: dict[str, Any] = {**{name: op.get(name) for name in names}, "mode": op.get("kind")}
    return _sampled(op, evaluate("roi_align", [_channels_first(op, operands[0]), *operands[1:]], attributes))


def _weigh(run: KernelInterpreter, op: WeighOp, operands: _Arrays) -> _Arrays:
    x, first, weights = operands
    places = first[:, None] + np.arange(weights.shape[1])
    neighbours = np.moveaxis(x, op.get("axis"), -1)[..., places]
    return [np.moveaxis((neighbours * weights).sum(-1), -1, op.get("axis"))]


def _resize(run: KernelInterpreter, op: k.ResizeOp, operands: _Arrays) -> _Arrays:
    attributes = {
        "mode": op.get("mode"),
        "coordinates": op.get("coordinates"),
        "nearest": op.get("rounding"),
        "scales": op.get("scales"),
        "common_scale": run.sizes(op.get("common_scale") or ()),
        "shape": run.sizes(op.type.dims),
        "dtype": str(operands[0].dtype),
    }
    return evaluate("resize", operands, attributes)


def _dim_values(run: KernelInterpreter, op: k.DimValuesOp, operands: _Arrays) -> _Arrays:
    values = np.array(run.sizes(op.get("values")), scalar_dtype(op.type.element_type))
    return [values.reshape(run.sizes(op.type.dims))]


def _range(run: KernelInterpreter, op: k.RangeOp, operands: _Arrays) -> _Arrays:
    (count,) = run.sizes(op.type.dims)
    start, step = operands
    return [start + step * np.arange(count).astype(start.dtype)]


def _cumulative_sum(run: KernelInterpreter, op: k.CumulativeSumOp, operands: _Arrays) -> _Arrays:
    return evaluate("cumsum", operands, {name: op.get(name) for name in ("axis", "exclusive", "reverse")})


def _recurrence(run: KernelInterpreter, op: k.RecurrenceOp, operands: _Arrays) -> _Arrays:
    kind, added = op.kind, {}
    for flag in ("linear_before_reset", "peepholes", "lengths"):
        position = op.position_of(flag)
        added[flag] = None if position is None else operands[position]
    attributes = {name: op.get(name) for name in op.SYNTAX if op.get(name) is not None}
    attributes.setdefault("activations", kind.activations)
    of_directions = []
    for direction, inputs in enumerate(np.split(operands[0], op.directions, axis=2)):
        weights = operands[1][direction]
        hidden = len(weights)
        bias = np.zeros((kind.gates, hidden), weights.dtype)
        if added["linear_before_reset"] is not None:
            bias[-1] = added["linear_before_reset"][direction]
        peepholes = None if added["peepholes"] is None else added["peepholes"][direction]
        recurrence = StateWeights(weights.reshape(hidden, -1).T, bias.reshape(-1), peepholes)
        states = tuple(state[direction] for state in operands[2 : 2 + kind.states])
        of_directions.append(
            run_steps(op.get("cell"), inputs, recurrence, states, attributes, direction, added["lengths"])
        )
    y = np.stack([steps for steps, _ in of_directions], 1)
    return [y, *(np.stack([last[state] for _, last in of_directions]) for state in range(kind.states))]


def _reverse_sequence(run: KernelInterpreter, op: k.ReverseSequenceOp, operands: _Arrays) -> _Arrays:
    return evaluate("reverse_sequence", operands, {name: op.get(name) for name in ("time_axis", "batch_axis")})


def _tree_ensemble(run: KernelInterpreter, op: k.TreeEnsembleOp, operands: _Arrays) -> _Arrays:
    x, thresholds, words, weights, roots = operands
    bits, plain = op.get("feature_bits"), words & np.iinfo(words.dtype).max
    feature = (plain & (1 << bits) - 1).astype(np.int32)
    features = np.where(words < 0, ~feature, feature)
    children = (np.arange(len(words)) + (plain >> bits)).astype(np.int32)
    return evaluate("tree_ensemble", [x, thresholds, features, children, weights, roots], {"aggregate": op.get("kind")})


_KERNELS: dict[type[k.KernelOp], _Kernel] = {
    k.ConvOp: _conv,
    k.GemmOp: _gemm,
    k.BlockGemmOp: _block_gemm,
    k.AttentionOp: _attention,
    k.PoolOp: _pool,
    k.ReduceOp: _reduce,
    k.ArgReduceOp: _arg_reduce,
    k.SoftmaxOp: _softmax,
    k.LayerNormOp: _layer_norm,
    k.PadOp: _pad,
    k.ConcatOp: _concat,
    k.SliceOp: _slice,
    k.BroadcastOp: _broadcast,
    k.GatherOp: _gather,
    k.GatherElementsOp: _gather_elements,
    GatherNdOp: _gather_nd,
    ScatterElementsOp: _scatter,
    ScatterNdOp: _scatter,
    GridSampleOp: _grid_sample,
    RoiAlignOp: _roi_align,
    WeighOp: _weigh,
    k.ResizeOp: _resize,
    k.DimValuesOp: _dim_values,
    k.RangeOp: _range,
    k.CumulativeSumOp: _cumulative_sum,
    **SELECTIONS,
    k.TreeEnsembleOp: _tree_ensemble,
    k.RecurrenceOp: _recurrence,
    k.ReverseSequenceOp: _reverse_sequence,
}
