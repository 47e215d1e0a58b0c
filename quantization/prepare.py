"""Simplifies a float model so that its products stand alone: constants folded, norms and factors in the weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from .onnx_graph import OnnxGraph, attribute, set_attribute, subgraphs

_MOVES = frozenset(("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"))
_FOLDED = _MOVES | frozenset(("Add", "Div", "Mul", "Neg", "Reciprocal", "Sqrt", "Sub"))
# Results of arithmetic on constants that are larger stay computed.
_LARGEST_ARITHMETIC = 1 << 16


def prepare(graph: OnnxGraph) -> None:
    """Rewrites the graph in place; what it computes stays the same but for rounding.

    Constant nodes become initialisers, and what is computed of constants alone a constant; what comes to each channel
    after a convolution (BatchNormalization, Mul, Add of constants) goes into its weights and bias, alpha and beta of a
    Gemm into its matrices.
    """
    _fold_constants(graph)
    for node in list(graph.nodes):
        if node.op_type in ("Conv", "ConvTranspose") and _float_constant(graph, node, 1) is not None:
            while _absorb_next(graph, node):
                pass
        elif node.op_type == "Gemm":
            _absorb_factors(graph, node)


def _fold_constants(graph: OnnxGraph) -> None:
    for node in list(graph.nodes):
        if node.op_type == "Constant" and not node.domain:
            array = _constant_value(node)
        elif _is_computed_of_constants(graph, node):
            array = _evaluated(graph, node)
        else:
            continue
        if array is not None and node.output[0] not in graph.outputs:
            graph.set_constant(node.output[0], array)
            graph.remove(node)


def _constant_value(node: NodeProto) -> np.ndarray | None:
    entry = node.attribute[0]
    if entry.name == "value":
        return numpy_helper.to_array(entry.t)
    types = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    value = attribute(node, entry.name, None)
    return np.array(value, types[entry.name]) if entry.name in types else None


def _is_computed_of_constants(graph: OnnxGraph, node: NodeProto) -> bool:
    if node.domain or node.op_type not in _FOLDED or any(subgraphs(node)):
        return False
    if not node.input or not all(graph.is_constant(name) for name in node.input if name):
        return False
    sizes = (graph.array(name) for name in node.input if name)
    return node.op_type in _MOVES or all(array is not None and array.size <= _LARGEST_ARITHMETIC for array in sizes)


def _evaluated(graph: OnnxGraph, node: NodeProto) -> np.ndarray | None:
    feeds = {name: graph.array(name) for name in node.input if name}
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feeds.items()
        if array is not None
    ]
    result = helper.make_tensor_value_info(node.output[0], TensorProto.UNDEFINED, None)
    one = helper.make_model(
        helper.make_graph([node], "one", infos, [result]), opset_imports=[helper.make_opsetid("", graph.opset)]
    )
    results: Any = ReferenceEvaluator(one).run(None, feeds)
    return np.asarray(results[0])


def _float_constant(graph: OnnxGraph, node: NodeProto, position: int) -> np.ndarray | None:
    array = graph.array(node.input[position]) if len(node.input) > position and node.input[position] else None
    return array if array is not None and array.dtype == np.float32 else None


# --- what follows a convolution --------------------------------------------------------------------------


def _absorb_next(graph: OnnxGraph, conv: NodeProto) -> bool:
    """Takes the node behind into weights and bias, if it is one number times and plus one number for each channel."""
    after = graph.only_reader(conv.output[0])
    if after is None or (len(conv.input) > 2 and conv.input[2] and _float_constant(graph, conv, 2) is None):
        return False
    w = _float_constant(graph, conv, 1)
    assert w is not None
    channels = w.shape[0] if conv.op_type == "Conv" else w.shape[1] * attribute(conv, "group", 1)
    found = _factor_and_term(graph, after, conv.output[0], channels, w.ndim)
    if found is None:
        return False
    factor, term = found
    bias = _float_constant(graph, conv, 2)
    old = np.zeros(channels, np.float64) if bias is None else bias.astype(np.float64)
    weights = graph.add_constant(f"{conv.input[1]}_folded", _scaled(w, factor, conv))
    total = graph.add_constant(f"{conv.output[0]}_bias", (old * factor + term).astype(np.float32))
    inputs = [conv.input[0], weights, total]
    del conv.input[:]
    conv.input.extend(inputs)
    graph.remove(after)
    graph.rename_result(conv, conv.output[0], after.output[0])
    return True


def _scaled(w: np.ndarray, factor: np.ndarray, conv: NodeProto) -> np.ndarray:
    """Weights with each output channel multiplied; those of ConvTranspose are [C, M / groups, ...]."""
    if conv.op_type == "Conv":
        return (w * factor.reshape(-1, *[1] * (w.ndim - 1))).astype(np.float32)
    groups = attribute(conv, "group", 1)
    parts = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    factors = factor.reshape(groups, 1, w.shape[1], *[1] * (w.ndim - 2))
    return (parts * factors).reshape(w.shape).astype(np.float32)


def _factor_and_term(
    graph: OnnxGraph, node: NodeProto, value: str, channels: int, rank: int
) -> tuple[np.ndarray, np.ndarray] | None:
    if node.op_type == "BatchNormalization" and node.input[0] == value and not attribute(node, "training_mode", 0):
        parts = [_float_constant(graph, node, position) for position in range(1, 5)]
        if any(part is None for part in parts) or len(node.output) > 1:
            return None
        scale, shift, mean, variance = (np.asarray(part, np.float64) for part in parts)
        factor = scale / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        return factor, shift - mean * factor
    if node.op_type not in ("Mul", "Add") or list(node.input).count(value) != 1:
        return None
    other = _float_constant(graph, node, 1 - list(node.input).index(value))
    numbers = None if other is None else _by_channel(other, channels, rank)
    if numbers is None:
        return None
    if node.op_type == "Mul":
        return numbers, np.zeros(channels)
    return np.ones(channels), numbers


def _by_channel(array: np.ndarray, channels: int, rank: int) -> np.ndarray | None:
    """The numbers of the channels where an array broadcasts to a tensor N x C x ... as one number a channel."""
    if array.size == 1 and array.ndim <= rank:
        return np.full(channels, array.reshape(-1)[0], np.float64)
    shape = (*[1] * (rank - array.ndim), *array.shape)
    if len(shape) == rank and shape[1] == channels and array.size == channels:
        return array.reshape(-1).astype(np.float64)
    return None


# --- Gemm ------------------------------------------------------------------------------------------------


def _absorb_factors(graph: OnnxGraph, gemm: NodeProto) -> None:
    """alpha goes into a constant b, beta into a constant c, and c becomes a row as long as the result's."""
    b, c = _float_constant(graph, gemm, 1), _float_constant(graph, gemm, 2)
    alpha, beta = attribute(gemm, "alpha", 1.0), attribute(gemm, "beta", 1.0)
    if b is None or b.ndim != 2:
        return
    if alpha != 1.0:
        graph.redirect(gemm, 1, graph.add_constant(f"{gemm.input[1]}_folded", (b * np.float32(alpha))))
        set_attribute(gemm, "alpha", 1.0)
    columns = b.shape[0] if attribute(gemm, "transB", 0) else b.shape[1]
    if c is not None and c.size in (1, columns) and (c.ndim < 2 or c.shape[0] == 1):
        if beta != 1.0 or c.shape != (columns,):
            row = np.broadcast_to(c.reshape(-1), (columns,)) * np.float32(beta)
            graph.redirect(gemm, 2, graph.add_constant(f"{gemm.input[2]}_folded", row.astype(np.float32)))
        set_attribute(gemm, "beta", 1.0)
