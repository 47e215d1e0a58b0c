"""Kernels that walk the steps of sequences: recurrent cells, and sequences that are turned round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import DenseArrayBase, FloatAttr, IntegerAttr, StringAttr, UnitAttr, f64
from xdsl.irdl import irdl_op_definition, opt_prop_def, prop_def
from xdsl.utils.exceptions import VerifyException

from .cells import ACTIVATIONS, CELLS, DIRECTIONS, Cell
from .kernel_operation import KernelOp


@dataclass(frozen=True)
class Activation:
    """A function of a gate, with its numbers."""

    name: str
    alpha: float
    beta: float


@irdl_op_definition
class RecurrenceOp(KernelOp):
    """The steps of ONNX's LSTM, GRU and RNN, as ``cell`` says, in one direction or in both (D): inputs are multiplied.

    ins: inputs times their weights, plus biases [T, N, D * gates * H]; recurrence weights [D, H, gates, H]: for each
    unit before all gates' units; initial h, and of an LSTM c [D, N, H]. Then each of these whose flag is set:
    ``linear_before_reset`` (GRU: the reset gate scales products, not h) the bias of these products [D, H],
    ``peepholes`` (LSTM) their weights [D, 3 * H], ``lengths`` the steps of each sequence [N], after which y is 0 and
    the state stays. outs: y [T, D, N, H], then the last h, and of an LSTM c [D, N, H].

    Gates in ONNX's order: LSTM i, o, f, c; GRU z, r, h. ``activations`` are joined by ``_``, those of one direction for
    both or of each; without them they are as usual. ``alphas`` and ``betas`` are their numbers. ``clip`` limits what
    they get; 0 does not. ``input_forget`` (LSTM): f = 1 - i.

    C4: flags are the cell's. C5: activations are known, as many as the cell has, with a number each.
    """

    name = "kernel.recurrence"
    cell = prop_def(StringAttr)
    direction = prop_def(StringAttr)
    activations = opt_prop_def(StringAttr)
    alphas = opt_prop_def(DenseArrayBase.constr(f64))
    betas = opt_prop_def(DenseArrayBase.constr(f64))
    clip = prop_def(FloatAttr)
    linear_before_reset = opt_prop_def(UnitAttr)
    input_forget = opt_prop_def(UnitAttr)
    peepholes = opt_prop_def(UnitAttr)
    lengths = opt_prop_def(UnitAttr)
    SYNTAX: ClassVar = {
        "cell": "word", "direction": "word", "activations": "word", "alphas": "floats", "betas": "floats",
        "clip": "float", "linear_before_reset": "flag", "input_forget": "flag", "peepholes": "flag", "lengths": "flag",
    }  # fmt: skip
    DEFAULTS: ClassVar = {"direction": "forward", "clip": 0.0}
    VARIANT: ClassVar = "cell"
    TAKES_EPILOGUE: ClassVar = False

    @property
    def kind(self) -> Cell:
        return CELLS[self.get("cell")]

    @property
    def directions(self) -> int:
        return DIRECTIONS[self.get("direction")]

    def position_of(self, flag: str) -> int | None:
        """Which operand a flag adds; None where it is not set."""
        if not self.get(flag):
            return None
        before = ("linear_before_reset", "peepholes", "lengths")
        return 2 + self.kind.states + sum(self.get(other) for other in before[: before.index(flag)])

    def functions(self, direction: int) -> list[Activation]:
        """The activations of the first or the second direction."""
        count = len(self.kind.activations.split("_"))
        names = (self.get("activations") or self.kind.activations).split("_")
        numbers = [self.get(name) or (0.0,) * len(names) for name in ("alphas", "betas")]
        every = [Activation(*entry) for entry in zip(names, *numbers, strict=True)]
        first = direction * count if len(every) > count else 0
        return every[first : first + count]

    def verify_operands(self) -> None:
        cell = self.get("cell")
        for flag, owner in (("linear_before_reset", "gru"), ("input_forget", "lstm"), ("peepholes", "lstm")):
            if self.get(flag) and cell != owner:
                raise VerifyException(f"C4: {flag} is for {owner}, not for {cell}")
        if self.activations is None or cell not in CELLS:
            return
        names, count = self.activations.data.split("_"), len(self.kind.activations.split("_"))
        unknown = [name for name in names if name not in ACTIVATIONS]
        if unknown:
            raise VerifyException(f"C5: activation '{unknown[0]}', expected one of {', '.join(ACTIVATIONS)}")
        if len(names) not in (count, 2 * count):
            raise VerifyException(f"C5: {len(names)} activations, expected {count} or {2 * count}")
        for name in ("alphas", "betas"):
            if len(self.get(name) or names) != len(names):
                raise VerifyException(f"C5: {len(self.get(name))} {name} for {len(names)} activations")


def resets_state(kernel: RecurrenceOp) -> bool:
    """Whether the reset gate scales h before it is multiplied, which takes two turns through the units."""
    return kernel.get("cell") == "gru" and not kernel.get("linear_before_reset")


@irdl_op_definition
class ReverseSequenceOp(KernelOp):
    """x with the first ``lengths[n]`` steps of each sequence n in reverse; the others stay.

    ins: x, lengths (i32 or i64). Steps are along ``time_axis``, sequences along ``batch_axis``. C4: two axes of x.
    """

    name = "kernel.reverse_sequence"
    time_axis = prop_def(IntegerAttr)
    batch_axis = prop_def(IntegerAttr)
    SYNTAX: ClassVar = {"time_axis": "integer", "batch_axis": "integer"}
    TAKES_EPILOGUE: ClassVar = False

    def verify_operands(self) -> None:
        axes, rank = (self.get("time_axis"), self.get("batch_axis")), self.in_type(0).rank
        if axes[0] == axes[1] or not all(0 <= axis < rank for axis in axes):
            raise VerifyException(f"C4: steps along axis {axes[0]}, sequences along {axes[1]} of {rank} axes")
