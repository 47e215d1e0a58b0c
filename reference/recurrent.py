"""LSTM, GRU and RNN over a whole sequence."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from .elementwise import Arrays, Attributes, Operation, sigmoid, widened

# Of x, alpha and beta.
ACTIVATIONS: dict[str, Callable[[np.ndarray, float, float], np.ndarray]] = {
    "sigmoid": lambda x, a, b: sigmoid(x),
    "tanh": lambda x, a, b: np.tanh(x),
    "relu": lambda x, a, b: np.maximum(x, 0),
    "softsign": lambda x, a, b: x / (1 + np.abs(x)),
    "softplus": lambda x, a, b: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "affine": lambda x, a, b: a * x + b,
    "elu": lambda x, a, b: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0))),
    "hardsigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "leakyrelu": lambda x, a, b: np.where(x >= 0, x, a * x),
    "scaledtanh": lambda x, a, b: a * np.tanh(b * x),
    "thresholdedrelu": lambda x, a, b: np.where(x >= a, x, 0),
}

_Step = Callable[[np.ndarray, tuple[np.ndarray, ...]], tuple[np.ndarray, ...]]


def _activations(attributes: Attributes, direction: int, count: int) -> list[Callable[[np.ndarray], np.ndarray]]:
    names = attributes["activations"].split("_")
    offset = direction * count if len(names) >= (direction + 1) * count else 0
    alphas, betas = (attributes.get(name) or [0.0] * len(names) for name in ("alphas", "betas"))
    return [
        functools.partial(_activate, ACTIVATIONS[names[place]], alphas[place], betas[place])
        for place in range(offset, offset + count)
    ]


def _activate(
    function: Callable[[np.ndarray, float, float], np.ndarray], alpha: float, beta: float, x: np.ndarray
) -> np.ndarray:
    return function(x, alpha, beta)


def _clipped(x: np.ndarray, limit: float) -> np.ndarray:
    return np.clip(x, -limit, limit) if limit > 0 else x


def _run(
    x: np.ndarray, states: tuple[np.ndarray, ...], step: _Step, reverse: bool, lengths: np.ndarray | None
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """All steps of one direction: y [T, N, H] and the last states."""
    outputs = np.zeros((len(x), *states[0].shape), x.dtype)
    times = range(len(x) - 1, -1, -1) if reverse else range(len(x))
    for time in times:
        new = step(x[time], states)
        if lengths is None:
            states, outputs[time] = new, new[0]
            continue
        live = (time < lengths)[:, None]
        states = tuple(np.where(live, after, before) for after, before in zip(new, states))
        outputs[time] = np.where(live, states[0], 0)
    return outputs, states


def _layer(
    inputs: Arrays, attributes: Attributes, state_count: int, make_step: Callable[..., _Step], lengths_at: int
) -> Arrays:
    arrays = [widened(a) for a in inputs]
    x, w, r, b = arrays[:4]
    initial = arrays[4 : 4 + state_count]
    lengths = inputs[lengths_at] if len(inputs) > lengths_at else None
    ys, lasts = [], []
    for direction in range(w.shape[0]):
        reverse = attributes["direction"] == "reverse" or direction == 1
        step = make_step(w[direction], r[direction], b[direction], direction)
        states = tuple(state[direction] for state in initial)
        y, last = _run(x, states, step, reverse, lengths)
        ys.append(y)
        lasts.append(last)
    dtype = inputs[0].dtype
    results = [np.stack(ys, 1), *(np.stack([last[i] for last in lasts]) for i in range(state_count))]
    return [result.astype(dtype, copy=False) for result in results]


def _lstm(inputs: Arrays, attributes: Attributes) -> Arrays:
    limit = attributes.get("clip", 0.0)
    peepholes = widened(inputs[7]) if len(inputs) > 7 else None

    def make_step(w: np.ndarray, r: np.ndarray, b: np.ndarray, direction: int) -> _Step:
        f, g, h = _activations(attributes, direction, 3)
        bias = b[: len(b) // 2] + b[len(b) // 2 :]
        peep_i, peep_o, peep_f = np.split(peepholes[direction], 3) if peepholes is not None else (0.0, 0.0, 0.0)

        def step(x: np.ndarray, states: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
            hidden, cell = states
            i, o, forget, c = np.split(x @ w.T + hidden @ r.T + bias, 4, 1)
            i = f(_clipped(i + peep_i * cell, limit))
            forget = 1 - i if attributes.get("input_forget") else f(_clipped(forget + peep_f * cell, limit))
            cell = forget * cell + i * g(_clipped(c, limit))
            o = f(_clipped(o + peep_o * cell, limit))
            return o * h(cell), cell

        return step

    return _layer(inputs, attributes, 2, make_step, 6)


def _gru(inputs: Arrays, attributes: Attributes) -> Arrays:
    limit = attributes.get("clip", 0.0)

    def make_step(w: np.ndarray, r: np.ndarray, b: np.ndarray, direction: int) -> _Step:
        f, g = _activations(attributes, direction, 2)
        wz, wr, wh = np.split(w, 3)
        rz, rr, rh = np.split(r, 3)
        wbz, wbr, wbh, rbz, rbr, rbh = np.split(b, 6)

        def step(x: np.ndarray, states: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
            (hidden,) = states
            z = f(_clipped(x @ wz.T + hidden @ rz.T + wbz + rbz, limit))
            reset = f(_clipped(x @ wr.T + hidden @ rr.T + wbr + rbr, limit))
            if attributes.get("linear_before_reset"):
                inner = reset * (hidden @ rh.T + rbh)
            else:
                inner = (reset * hidden) @ rh.T + rbh
            candidate = g(_clipped(x @ wh.T + inner + wbh, limit))
            return ((1 - z) * candidate + z * hidden,)

        return step

    return _layer(inputs, attributes, 1, make_step, 5)


def _rnn(inputs: Arrays, attributes: Attributes) -> Arrays:
    limit = attributes.get("clip", 0.0)

    def make_step(w: np.ndarray, r: np.ndarray, b: np.ndarray, direction: int) -> _Step:
        (f,) = _activations(attributes, direction, 1)
        bias = b[: len(b) // 2] + b[len(b) // 2 :]

        def step(x: np.ndarray, states: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
            return (f(_clipped(x @ w.T + states[0] @ r.T + bias, limit)),)

        return step

    return _layer(inputs, attributes, 1, make_step, 5)


RECURRENT: dict[str, Operation] = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}
