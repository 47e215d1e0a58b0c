"""LSTM, GRU, RNN: missing operands filled in, ``layout`` undone."""

from __future__ import annotations

from typing import Any

from ...dialects import graph
from ...dialects.graph.recurrent import DIRECTIONS
from ...dialects.graph.types import i32
from ..node import Converted, Node
from ..operator_sets import MICROSOFT
from ..registry import converter
from ..values import Value
from .quantization import dequantised

# What the activations that take numbers take for alpha and beta where none is given; None where they take none.
_PARAMETERS: dict[str, tuple[float | None, float | None]] = {
    "affine": (1.0, 0.0),
    "elu": (1.0, None),
    "hardsigmoid": (0.2, 0.5),
    "leakyrelu": (0.01, None),
    "scaledtanh": (1.0, 1.0),
    "thresholdedrelu": (1.0, None),
    **dict.fromkeys(("relu", "sigmoid", "softplus", "softsign", "tanh"), (None, None)),
}


def _activations(node: Node, default: str, directions: int) -> dict[str, Any]:
    """The activations' names, and alpha and beta of each where there are any.

    ``activation_alpha`` lists the alphas of those that take one, in their order, and so does ``activation_beta``.
    """
    names = [name.lower() for name in node.attribute("activations", [])]
    unknown = sorted(set(names) - _PARAMETERS.keys())
    if unknown:
        node.invalid(f"ONNX knows no activations {', '.join(unknown)}", f"use {', '.join(sorted(_PARAMETERS))}")
    count = len(default.split("_"))
    if names and len(names) != directions * count:
        node.invalid(f"{len(names)} activations are given, but {directions * count} are needed")
    words = "_".join(names)
    if words in ("", "_".join([default] * directions)):
        return {"activations": default}
    fields: dict[str, Any] = {"activations": words}
    if any(_PARAMETERS[name] != (None, None) for name in names):
        fields["alphas"] = _numbers(names, 0, node.attribute("activation_alpha", []))
        fields["betas"] = _numbers(names, 1, node.attribute("activation_beta", []))
    return fields


def _numbers(names: list[str], which: int, given: list[float]) -> list[float]:
    """One for each activation, 0 for those that take none."""
    rest = iter(given)
    defaults = [_PARAMETERS[name][which] for name in names]
    return [0.0 if default is None else next(rest, default) for default in defaults]


def _layer(
    node: Node, operation: Any, gates: int, states: int, default: str, extra_fields: dict[str, Any]
) -> list[Value]:
    b, direction = node.b, node.attribute("direction", "forward")
    directions = DIRECTIONS.get(direction) or node.invalid(f"unknown direction '{direction}'")
    batch_first = bool(node.attribute("layout", 0))
    x, w, r = node.input(0), node.input(1), node.input(2)
    if batch_first:
        x = b.transpose(x, [1, 0, 2])
    hidden, batch = r.dims[2], x.dims[1]
    stated = node.attribute("hidden_size", hidden)
    for rows, wanted in ((hidden, stated), (r.dims[1], gates * hidden)):
        if not b.symbols.unify(rows, wanted, f"{node.describe()}: the weights fit the hidden size"):
            node.contradiction(f"hidden_size is {stated}, but the recurrence weights are {r.type}")
    bias = node.optional(3)
    if bias is None:
        bias = b.broadcast_to(b.scalar_like(0, x), [directions, 2 * gates * hidden])  # pyright: ignore
    operands = [x, w, r, bias]
    for index in range(states):
        state = node.optional(5 + index)
        if state is None:
            state = b.broadcast_to(b.scalar_like(0, x), [directions, batch, hidden])
        elif batch_first:
            state = b.transpose(state, [1, 0, 2])
        operands.append(state)
    operands += _extra(node, x, states)
    fields = {"direction": direction, "clip": node.attribute("clip", 0.0), **extra_fields}
    fields |= _activations(node, default, directions)
    y, *lasts = b.emit(operation, operands, **fields)
    if batch_first:
        y = b.transpose(y, [2, 0, 1, 3])
        lasts = [b.transpose(last, [1, 0, 2]) for last in lasts]
    return [y, *lasts]


def _extra(node: Node, x: Value, states: int) -> list[Value]:
    """Sequence lengths where they matter, and the LSTM's peepholes after them."""
    lengths, b = node.optional(4), node.b
    peepholes = node.optional(7) if states == 2 else None
    if lengths is not None and _all_full(lengths, x):
        lengths = None
    if peepholes is not None and lengths is None:
        lengths = b.broadcast_to(b.reshape(b.dim_values([x.dims[0]], i32), ()), [x.dims[1]])
    return [value for value in (lengths, peepholes) if value is not None]


def _all_full(lengths: Value, x: Value) -> bool:
    known = lengths.integers()
    return known is not None and all(length == x.dims[0] for length in known)


@converter("LSTM")
def convert_lstm(node: Node) -> list[Value]:
    fields = {"input_forget": bool(node.attribute("input_forget", 0))}
    return _layer(node, graph.LstmOp, 4, 2, "sigmoid_tanh_tanh", fields)


@converter("DynamicQuantizeLSTM", domain=MICROSOFT)
def convert_dynamic_quantize_lstm(node: Node) -> Converted:
    """An LSTM whose weights [D, I, 4 * H] are integers with a scale in all or for each column.

    The operator rounds x and h to 8 bits by their range before each product; here they stay as they are.
    """
    weights = [_dequantised_weights(node, tensor, scale) for tensor, scale in ((1, 8), (2, 10))]
    return convert_lstm(node.with_inputs([node.input(0), *weights, *(node.optional(index) for index in range(3, 8))]))


def _dequantised_weights(node: Node, tensor: int, scale: int) -> Value:
    """[D, 4 * H, I] of f32."""
    b, x = node.b, node.input(tensor)
    parts = [node.input(scale), node.input(scale + 1)]
    spread = [b.reshape(part, (part.dims[0], 1, part.dims[1] if part.rank == 2 else 1)) for part in parts]
    return b.transpose(dequantised(node, x, *spread), [0, 2, 1])


@converter("GRU")
def convert_gru(node: Node) -> list[Value]:
    fields = {"linear_before_reset": bool(node.attribute("linear_before_reset", 0))}
    return _layer(node, graph.GruOp, 3, 1, "sigmoid_tanh", fields)


@converter("RNN")
def convert_rnn(node: Node) -> list[Value]:
    return _layer(node, graph.RnnOp, 1, 1, "tanh", {})
