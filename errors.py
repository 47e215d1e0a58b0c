"""The errors of the compiler, beside those of the runtime in ``runtime/errors.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .runtime.errors import FileFormatError, LaminaError

if TYPE_CHECKING:
    from xdsl.ir import Operation

SHOWN_PROBLEMS = 5


@dataclass(frozen=True)
class Problem:
    """Why one place of a model cannot be imported, and what to do about it.

    ``place`` names the node with the path to it (``if_3/then_branch/conv_7``), or a tensor. The fields of the
    operator are empty where the place is no node. ``inputs`` are types as text. ``follows`` names the node whose
    result had to be assumed, so that this may go away with that node's problem. ``of_shapes``: sizes contradict each
    other here, which is no mistake where the node lies in a branch that is not taken for these sizes. ``is_internal``:
    the model is right, the compiler is not.
    """

    place: str
    reason: str
    advice: str = ""
    operator: str = ""
    domain: str = ""
    opset: int = 0
    inputs: tuple[str, ...] = ()
    follows: str = ""
    is_invalid: bool = False
    of_shapes: bool = False
    is_internal: bool = False

    @property
    def text(self) -> str:
        """All of it in a sentence."""
        text = f"{self.where}: {self.reason}" if self.where else self.reason
        return f"{text}; {self.advice}" if self.advice else text

    @property
    def where(self) -> str:
        """The node in words, or the place that is no node."""
        if not self.operator:
            return self.place
        inputs = f", inputs ({', '.join(self.inputs)})" if self.inputs else ""
        return f"{self.domain}.{self.operator} (opset {self.opset}), node '{self.place}'{inputs}"


class ModelError(LaminaError):
    """A model cannot be compiled as it is. ``problems`` has an entry for each place at fault, where that is known."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()):
        super().__init__(message)
        self.problems = tuple(problems)


class InvalidModelError(ModelError, ValueError):
    """The model contradicts ONNX's rules or itself."""


class UnreadableModelError(InvalidModelError, FileFormatError):
    """The file or the bytes are no model of ONNX at all."""


class UnsupportedOperatorError(ModelError, NotImplementedError):
    """The model uses an operator, or a case of one, that cannot be imported."""


class InternalError(ModelError, RuntimeError):
    """The compiler has failed at a model that is valid, or has found nothing wrong with it: its own fault."""


class UnknownDimensionError(LaminaError, ValueError):
    """A size was asked for under a name that no input and no dimension of the model has."""


class MissingConstantError(LaminaError, KeyError):
    """A text refers to an array by a name that the store does not have."""

    __str__ = Exception.__str__  # KeyError would quote the message.


class OperationError(LaminaError, ValueError):
    """An operation of a text cannot be meant as it stands there. ``operation`` is where."""

    def __init__(self, message: str, operation: Operation) -> None:
        super().__init__(message)
        self.operation = operation


def problem_error(problems: Sequence[Problem]) -> ModelError:
    """One error for all problems, which shows the first few of them; its class is that of the first."""
    shown = [problem.text for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > 1:
        shown = [f"- {text}" for text in shown]
        shown.insert(0, f"{len(problems)} problems:")
    if len(problems) > SHOWN_PROBLEMS:
        shown.append(f"and {len(problems) - SHOWN_PROBLEMS} more; `lamina check` lists them all")
    first = problems[0]
    kind = InternalError if first.is_internal else InvalidModelError if first.is_invalid else UnsupportedOperatorError
    return kind("\n".join(shown), problems)


__all__ = [
    "InternalError",
    "InvalidModelError",
    "LaminaError",
    "MissingConstantError",
    "ModelError",
    "OperationError",
    "Problem",
    "UnknownDimensionError",
    "UnreadableModelError",
    "UnsupportedOperatorError",
    "problem_error",
]
