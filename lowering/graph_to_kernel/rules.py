"""What a rule of this lowering is, and why there may be none for an operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xdsl.dialects.builtin import f32, f64, i32
from xdsl.ir import Attribute, SSAValue

from ...dialects import graph
from ...dialects.graph.types import NARROW_INTEGERS, is_bool
from .elements import SHORT_FLOATS, is_unsigned, signless

if TYPE_CHECKING:
    from .function import FunctionLowering


@dataclass(frozen=True)
class Obstacle:
    """Why an operation is not compiled but runs on the host, and what the model's owner can do about it."""

    reason: str
    advice: str


@dataclass(frozen=True)
class Rule:
    """How one graph operation becomes kernels.

    ``lower`` adds the ops and returns the value that stands for each result; ``obstacle`` says why a
    particular operation can't be compiled, or None if it can. ``in_f32``: the kernels compute in f32; operands of
    shorter floats are converted before, and results after.
    """

    lower: Callable[[FunctionLowering, Any], Sequence[SSAValue]]
    obstacle: Callable[[Any], Obstacle | None]
    in_f32: bool = False


def no_obstacle(op: graph.GraphOperation) -> Obstacle | None:
    return None


def only_floats(op: graph.GraphOperation) -> Obstacle | None:
    """For contractions and normalisations, whose kernels exist for f32; shorter floats are converted."""
    for type_ in op.operand_types:
        if type_.element_type not in (f32, *SHORT_FLOATS):
            return unfit_element("its kernel takes floats up to f32", type_.element_type, wanted="float32")
    return None


def only_what_is_multiplied(op: graph.GraphOperation) -> Obstacle | None:
    """For products, whose kernels exist for f32 and for integers up to i32 that wrap; shorter floats are converted."""
    for type_ in op.operand_types:
        element = type_.element_type
        if element not in (f32, *SHORT_FLOATS, *NARROW_INTEGERS) and signless(element) != i32:
            return unfit_element("its kernel takes int32, narrower integers and floats up to f32", element)
    return None


def unfit_element(expected: str, element: Attribute, wanted: str = "int32 or float32") -> Obstacle:
    """The obstacle of an operation on elements that its kernel does not have, but has for ``wanted``."""
    if element == f64:
        return Obstacle(f"{expected}, this is float64 arithmetic", "cast the model to float32")
    found = "truth values" if is_bool(element) else str(element)
    return Obstacle(f"{expected}, got {found}", f"cast its input to {wanted}")


def ordered_obstacle(op: graph.GraphOperation) -> Obstacle | None:
    """For kernels that compare elements themselves: they take signed integers and floats."""
    element = op.operand_types[0].element_type
    return unfit_element("its kernel compares signed integers and floats", element) if is_unsigned(element) else None
