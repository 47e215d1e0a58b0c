"""xDSL's parser, which also remembers where each operation stands, so that what does not verify can be shown."""

from __future__ import annotations

import difflib
import re
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError, VerifyException
from xdsl.utils.lexer import Input, Span

from ..runtime.errors import LaminaError

Spans = dict[Operation, Span[Any]]


def read_text(context: Context, content: bytes, name: str, implicit_module: bool = True) -> tuple[ModuleOp, Spans]:
    """The module of a text, not verified, and where its operations stand. Raises ParseError, or LaminaError."""
    try:
        parser = LocatedParser(context, content, name)
        return parser.parse_module(implicit_module), parser.spans
    except UnicodeDecodeError as error:
        raise LaminaError(f"'{name}' is no text: byte {error.start} is not part of any UTF-8 character") from error
    except RecursionError as error:
        raise LaminaError(f"'{name}' is nested too deeply to be read") from error


class LocatedParser(Parser):
    """Fills ``spans``: the first line of each operation. A type or an operation that is refused gets a place, too."""

    def __init__(self, context: Context, text: bytes, name: str) -> None:
        content = text.decode()
        _require_closed_strings(content, name)
        super().__init__(context, content, name)
        self.spans: Spans = {}

    def parse_operation(self) -> Operation:
        begin = self._current_token.span.start
        try:
            operation = super().parse_operation()
        except (VerifyException, ValueError) as error:
            raise ParseError(self._first_line(begin), str(error)) from error
        span = self._first_line(begin)
        # A stage holds a kernel that its text has no operation for.
        for inner in operation.walk():
            self.spans.setdefault(inner, span)
        return operation

    def _get_op_by_name(self, name: str) -> type[Operation]:
        try:
            return super()._get_op_by_name(name)
        except ParseError as error:
            end = self._current_token.span.start
            # The name has been read already.
            begin = self.lexer.input.content.rfind(name, 0, end)
            span = Span(begin, begin + len(name), self.lexer.input) if begin >= 0 else error.span
            raise ParseError(span, f"no operation is called '{name}'{self._suggestion(name)}") from error

    def _suggestion(self, name: str) -> str:
        dialect = self.ctx.get_optional_dialect(name.partition(".")[0])
        known = [operation.name for operation in dialect.operations] if dialect is not None else []
        close = difflib.get_close_matches(name, known, n=1)
        return f": did you mean '{close[0]}'?" if close else ""

    def _first_line(self, begin: int) -> Span[Any]:
        content = self.lexer.input.content
        line_end = content.find("\n", begin)
        end = min(self.pos, line_end if line_end >= 0 else len(content))
        return Span(begin, begin + len(content[begin:end].rstrip()), self.lexer.input)


_STRINGS_AND_COMMENTS = re.compile(r'//[^\n]*|"(?:[^"\\\n\v\f]|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*+"?')


def _require_closed_strings(text: str, name: str) -> None:
    """Raises ParseError at a string that does not end on its line, on which the lexer would not end either."""
    for match in _STRINGS_AND_COMMENTS.finditer(text):
        found = match.group()
        if found.startswith('"') and (len(found) < 2 or not found.endswith('"')):
            raise ParseError(
                Span(match.start(), match.end(), Input(text, name)),
                "this string does not end, or has an unknown escape",
            )


def locate(error: VerifyException, module: Operation, spans: Spans) -> Exception:
    """The error with the place of the operation that it is about, as far as that can be told."""
    for operation in module.walk(region_first=True):
        span = spans.get(operation)
        if span is None:
            continue
        try:
            operation.verify(verify_nested_ops=False)
        except VerifyException as found:
            return ParseError(span, str(found))
    return error
