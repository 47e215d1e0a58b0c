"""LSTM, GRU and RNN over a whole sequence."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

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
"""New states of one step, from the inputs times their weights and the old states."""


@dataclass(frozen=True)
class StateWeights:
    """One direction's weights of the hidden state [gates * H, H], their bias [gates * H] and peepholes [3 * H]."""

    weights: np.ndarray
    bias: np.ndarray
    peepholes: np.ndarray | None = None


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


def run_steps(
    cell: str,
    projected: np.ndarray,
    recurrence: StateWeights,
    states: tuple[np.ndarray, ...],
    attributes: Attributes,
    direction: int,
    lengths: np.ndarray | None,
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """All steps of a direction, the first or the second: y [T, N, H] and the last states [N, H].

    ``projected`` [T, N, gates * H] are the inputs times their weights, plus their bias.
    """
    reverse = attributes["direction"] == "reverse" or direction == 1
    return _run(projected, states, _STEPS[cell](recurrence, attributes, direction), reverse, lengths)


def _layer(cell: str, state_count: int, lengths_at: int, inputs: Arrays, attributes: Attributes) -> Arrays:
    arrays = [widened(a) for a in inputs]
    x, w, r, b = arrays[:4]
    initial = arrays[4 : 4 + state_count]
    lengths = inputs[lengths_at] if len(inputs) > lengths_at else None
    peepholes = arrays[7] if cell == "lstm" and len(inputs) > 7 else None
    ys, lasts = [], []
    for direction in range(w.shape[0]):
        of_input, of_state = np.split(b[direction], 2)
        recurrence = StateWeights(r[direction], of_state, None if peepholes is None else peepholes[direction])
        states = tuple(state[direction] for state in initial)
        projected = x @ w[direction].T + of_input
        y, last = run_steps(cell, projected, recurrence, states, attributes, direction, lengths)
        ys.append(y)
        lasts.append(last)
    dtype = inputs[0].dtype
    results = [np.stack(ys, 1), *(np.stack([last[i] for last in lasts]) for i in range(state_count))]
    return [result.astype(dtype, copy=False) for result in results]


def _lstm(recurrence: StateWeights, attributes: Attributes, direction: int) -> _Step:
    limit = attributes.get("clip", 0.0)
    f, g, h = _activations(attributes, direction, 3)
    peepholes = recurrence.peepholes
    peep_i, peep_o, peep_f = (0.0, 0.0, 0.0) if peepholes is None else np.split(peepholes, 3)

    def step(projected: np.ndarray, states: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        hidden, cell = states
        i, o, forget, c = np.split(projected + hidden @ recurrence.weights.T + recurrence.bias, 4, 1)
        i = f(_clipped(i + peep_i * cell, limit))
        forget = 1 - i if attributes.get("input_forget") else f(_clipped(forget + peep_f * cell, limit))
        cell = forget * cell + i * g(_clipped(c, limit))
        o = f(_clipped(o + peep_o * cell, limit))
        return o * h(cell), cell

    return step


def _gru(recurrence: StateWeights, attributes: Attributes, direction: int) -> _Step:
    limit = attributes.get("clip", 0.0)
    f, g = _activations(attributes, direction, 2)
    r_z, r_r, r_h = np.split(recurrence.weights, 3)
    b_z, b_r, b_h = np.split(recurrence.bias, 3)

    def step(projected: np.ndarray, states: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        (hidden,) = states
        x_z, x_r, x_h = np.split(projected, 3, 1)
        z = f(_clipped(x_z + hidden @ r_z.T + b_z, limit))
        reset = f(_clipped(x_r + hidden @ r_r.T + b_r, limit))
        if attributes.get("linear_before_reset"):
            inner = reset * (hidden @ r_h.T + b_h)
        else:
            inner = (reset * hidden) @ r_h.T + b_h
        candidate = g(_clipped(x_h + inner, limit))
        return ((1 - z) * candidate + z * hidden,)

    return step


def _rnn(recurrence: StateWeights, attributes: Attributes, direction: int) -> _Step:
    limit = attributes.get("clip", 0.0)
    (f,) = _activations(attributes, direction, 1)

    def step(projected: np.ndarray, states: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        return (f(_clipped(projected + states[0] @ recurrence.weights.T + recurrence.bias, limit)),)

    return step


_STEPS: dict[str, Callable[[StateWeights, Attributes, int], _Step]] = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}
RECURRENT: dict[str, Operation] = {
    "lstm": functools.partial(_layer, "lstm", 2, 6),
    "gru": functools.partial(_layer, "gru", 1, 5),
    "rnn": functools.partial(_layer, "rnn", 1, 5),
}
