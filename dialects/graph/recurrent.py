"""Recurrent layers over a whole sequence.

Axes: T time steps, N batch, I inputs, H hidden units, D directions (1, or 2 for ``bidirectional``). Operands:

======== ============== =====================================================
x        [T, N, I]
w        [D, G*H, I]    input weights, G gates (lstm 4: i o f c; gru 3: z r h; rnn 1)
r        [D, G*H, H]    recurrence weights
b        [D, 2*G*H]     bias of w, then bias of r
initial  [D, N, H]      hidden state before the first step
lengths  [N]            optional: steps that count, of each batch element
======== ============== =====================================================

Results: y [T, D, N, H], the hidden state after each step, and the last one(s) [D, N, H].
``activations`` names the functions of each direction; ``alphas`` and ``betas`` are the numbers that they take, one for
each function (or none where no function takes any).
Constraints: C1: ranks as in the table; C2: direction is forward, reverse or bidirectional, with D to match;
C3: sizes agree with H; C4: one floating-point element type; C5: as many alphas and betas as activations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from xdsl.irdl import operand_def, opt_operand_def, result_def, var_operand_def
from xdsl.utils.exceptions import VerifyException

from .linear import may_differ
from .operation import GraphOperation, flag, graph_operation, number, numbers, word
from .types import GraphTensorType, is_float

DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


class RecurrentOp(GraphOperation):
    """What the three layers share."""

    GATES: ClassVar[int] = 1
    STATES: ClassVar[int] = 1

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        x, w, r, b = types[:4]
        states = types[4 : 4 + cls.STATES]
        for name, operand, rank in (("x", x, 3), ("w", w, 3), ("r", r, 3), ("b", b, 2)):
            if operand.rank != rank:
                raise VerifyException(f"C1: {name} must have rank {rank}, got {operand}")
            if operand.element_type != x.element_type or not is_float(x.element_type):
                raise VerifyException(f"C4: {name} must have the floating-point elements of x, got {operand}")
        if any(state.rank != 3 for state in states):
            raise VerifyException("C1: an initial state must have rank 3")
        count = DIRECTIONS.get(values["direction"])
        if count is None or may_differ(w.dims[0], count):
            raise VerifyException(f"C2: direction '{values['direction']}' does not fit w {w}")
        hidden = r.dims[2]
        wanted = cls.GATES * hidden if isinstance(hidden, int) else None
        for name, size in (("w", w.dims[1]), ("r", r.dims[1])):
            if wanted is not None and may_differ(size, wanted):
                raise VerifyException(f"C3: {name} has {size} rows, {cls.GATES} gates of {hidden} units need {wanted}")
        if wanted is not None and may_differ(b.dims[1], 2 * wanted):
            raise VerifyException(f"C3: b must have {2 * wanted} columns, got {b}")
        functions = len(values["activations"].split("_"))
        for name in ("alphas", "betas"):
            if len(values[name]) not in (0, functions):
                raise VerifyException(f"C5: {len(values[name])} {name} are given for {functions} activations")
        steps, batch = x.dims[:2]
        last = x.with_dims((count, batch, hidden))
        return [x.with_dims((steps, count, batch, hidden)), *[last] * cls.STATES]


@graph_operation
class LstmOp(RecurrentOp):
    """i, o, f = sigmoid(...), g = tanh(...); c = f * c + i * g; h = o * tanh(c).

    ``activations`` (three a direction) replace sigmoid, tanh, tanh. ``input_forget`` sets f = 1 - i.
    Extra operands: ``lengths``, then ``peepholes`` [D, 3*H] (i o f).
    """

    name = "graph.lstm"
    GATES: ClassVar[int] = 4
    STATES: ClassVar[int] = 2
    x = operand_def(GraphTensorType)
    w = operand_def(GraphTensorType)
    r = operand_def(GraphTensorType)
    b = operand_def(GraphTensorType)
    initial_h = operand_def(GraphTensorType)
    initial_c = operand_def(GraphTensorType)
    extra = var_operand_def(GraphTensorType)
    y = result_def(GraphTensorType)
    y_h = result_def(GraphTensorType)
    y_c = result_def(GraphTensorType)
    direction: str = word("forward")
    activations: str = word("sigmoid_tanh_tanh")
    alphas: tuple[float, ...] = numbers(())
    betas: tuple[float, ...] = numbers(())
    clip: float = number(0.0)
    input_forget: bool = flag()


@graph_operation
class GruOp(RecurrentOp):
    """z, r = sigmoid(...); g = tanh(W x + r * (R h + b)) or, without ``linear_before_reset``,
    tanh(W x + R (r * h) + b); h = (1 - z) * g + z * h."""

    name = "graph.gru"
    GATES: ClassVar[int] = 3
    x = operand_def(GraphTensorType)
    w = operand_def(GraphTensorType)
    r = operand_def(GraphTensorType)
    b = operand_def(GraphTensorType)
    initial_h = operand_def(GraphTensorType)
    lengths = opt_operand_def(GraphTensorType)
    y = result_def(GraphTensorType)
    y_h = result_def(GraphTensorType)
    direction: str = word("forward")
    activations: str = word("sigmoid_tanh")
    alphas: tuple[float, ...] = numbers(())
    betas: tuple[float, ...] = numbers(())
    clip: float = number(0.0)
    linear_before_reset: bool = flag()


@graph_operation
class RnnOp(RecurrentOp):
    """h = tanh(W x + R h + b)."""

    name = "graph.rnn"
    x = operand_def(GraphTensorType)
    w = operand_def(GraphTensorType)
    r = operand_def(GraphTensorType)
    b = operand_def(GraphTensorType)
    initial_h = operand_def(GraphTensorType)
    lengths = opt_operand_def(GraphTensorType)
    y = result_def(GraphTensorType)
    y_h = result_def(GraphTensorType)
    direction: str = word("forward")
    activations: str = word("tanh")
    alphas: tuple[float, ...] = numbers(())
    betas: tuple[float, ...] = numbers(())
    clip: float = number(0.0)
