"""What tells the recurrent cells apart: how many gates and states they have, and their usual activations."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """``activations``: the functions of one direction, as ONNX lists them."""

    gates: int
    states: int
    activations: str


CELLS = {
    "lstm": Cell(gates=4, states=2, activations="sigmoid_tanh_tanh"),
    "gru": Cell(gates=3, states=1, activations="sigmoid_tanh"),
    "rnn": Cell(gates=1, states=1, activations="tanh"),
}
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
ACTIVATIONS = (
    "sigmoid", "tanh", "relu", "softsign", "softplus", "affine", "elu", "hardsigmoid", "leakyrelu", "scaledtanh",
    "thresholdedrelu",
)  # fmt: skip
