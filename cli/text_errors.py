"""Mistakes in a text that a person has written or edited: whatever they end in is said with line and column."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.utils.exceptions import DiagnosticException, ParseError, VerifyException
from xdsl.utils.lexer import Span

from ..errors import OperationError
from ..runtime.errors import LaminaError
from .located_parser import Spans, locate

_WHOLE = (FuncOp, ModuleOp)


@contextlib.contextmanager
def text_errors(name: str, module: ModuleOp, spans: Spans) -> Iterator[None]:
    """Makes an error inside, of whatever kind, a ParseError at the operation of the text that it arose at.

    Where that cannot be told, LaminaError names the text alone. What the machine lacks is not the text's fault: OSError
    and MemoryError stay.
    """
    try:
        yield
    except (OSError, MemoryError, ParseError):
        raise
    except Exception as error:
        located = locate(error, module, spans) if isinstance(error, VerifyException) else error
        if isinstance(located, ParseError):
            raise located from error
        span = _place(error, spans)
        message = _message(error)
        raise LaminaError(f"{name}: {message}") if span is None else ParseError(span, message) from error


def _message(error: Exception) -> str:
    text = str(error).strip()
    if isinstance(error, LaminaError | DiagnosticException) and text:
        return text.splitlines()[-1] if isinstance(error, DiagnosticException) else text
    step = "".join(f", {note}" for note in getattr(error, "__notes__", ()))
    what = f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
    return f"this cannot be compiled{step} ({what}); compare it with what --dump-phases wrote"


def _place(error: Exception, spans: Spans) -> Span[Any] | None:
    """Where the operation stands that was worked on when the error arose: the innermost one that is of the text."""
    around = None
    for operation in _operations(error):
        while operation is not None:
            span = spans.get(operation) or _span_of_value(operation, spans)
            if span is not None and not isinstance(operation, _WHOLE):
                return span
            around = around or span
            operation = operation.parent_op()
    return around


def _span_of_value(operation: Operation, spans: Spans) -> Span[Any] | None:
    """Where what a pass has made of an operation comes from: values keep their names."""
    hints = {result.name_hint for result in operation.results} - {None}
    named = (span for other, span in spans.items() if any(result.name_hint in hints for result in other.results))
    return next(named, None) if hints else None


def _operations(error: Exception) -> Iterator[Operation]:
    """The operations in the hands of the functions that the error came through, innermost first."""
    if isinstance(error, OperationError):
        yield error.operation
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        frames.append(traceback.tb_frame)
        traceback = traceback.tb_next
    for frame in reversed(frames):
        variables = dict(frame.f_locals)
        owner = variables.pop("self", None)
        yield from _held(variables.values())
        yield from _held([owner, *getattr(owner, "__dict__", {}).values()])


def _held(values: Any) -> Iterator[Operation]:
    for value in values:
        if isinstance(value, SSAValue):
            value = value.owner
        if isinstance(value, Block):
            value = value.parent_op()
        if isinstance(value, Operation):
            yield value
