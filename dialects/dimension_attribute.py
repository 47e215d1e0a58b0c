"""Dimensions inside IR text: the attribute that holds one, and how a list of them prints and parses.

A shape reads ``N x 64 x (H floordiv 2) x f32``: dimensions separated by ``x``; anything but a number
or a symbol stands in parentheses. Several dialects have types with shapes; all use these helpers.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import ArrayAttr
from xdsl.ir import Data
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.mlir_lexer import MLIRTokenKind

from .shape import parse_dimension, print_dimension

if TYPE_CHECKING:
    from .shape import Dim

_parse_cached = functools.lru_cache(maxsize=4096)(parse_dimension)
_print_cached = functools.lru_cache(maxsize=4096)(print_dimension)


@irdl_attr_definition
class DimensionAttr(Data["Dim"]):
    """One dimension: an integer or an expression over symbols, e.g. ``#graph.dim<(H - 1) floordiv 2 + 1>``."""

    name = "graph.dim"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Dim:
        with parser.in_angle_brackets():
            return parse_one_dimension(parser)

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(dimension_text(self.data))


_EXPRESSION_TOKENS = frozenset(
    {
        MLIRTokenKind.BARE_IDENT,
        MLIRTokenKind.INTEGER_LIT,
        MLIRTokenKind.PLUS,
        MLIRTokenKind.MINUS,
        MLIRTokenKind.STAR,
        MLIRTokenKind.L_PAREN,
        MLIRTokenKind.R_PAREN,
        MLIRTokenKind.COMMA,
    }
)


def dimension_text(dimension: Dim) -> str:
    """The text of one dimension: ``64``, ``N``, ``(H - 1) floordiv 2 + 1``."""
    return str(dimension) if isinstance(dimension, int) else _print_cached(dimension)


def parse_one_dimension(parser: AttrParser) -> Dim:
    """Reads one dimension, up to a ``,``, an ``x`` or a closing bracket that is not its own."""
    words: list[str] = []
    depth = 0
    start = parser.pos
    while True:
        token = parser._current_token  # pyright: ignore[reportPrivateUsage]
        if token.kind not in _EXPRESSION_TOKENS:
            break
        if depth == 0 and (token.text in ("x", ",", ")")):
            break
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        words.append(token.text)
        parser._consume_token()  # pyright: ignore[reportPrivateUsage]
    text = " ".join(words)
    try:
        return _parse_cached(text)
    except ValueError:
        parser.raise_error(f"expected a dimension such as 64, N or (H floordiv 2), got '{text}'", start, parser.pos)


def parse_dimensions(parser: AttrParser) -> tuple[Dim, ...]:
    """Reads ``[N, 64, H - 1]``."""
    return tuple(
        parser.parse_comma_separated_list(parser.Delimiter.SQUARE, functools.partial(parse_one_dimension, parser))
    )


def print_dimensions(printer: Printer, dimensions: Sequence[Dim]) -> None:
    """Prints ``[N, 64, H - 1]``."""
    printer.print_string("[" + ", ".join(map(dimension_text, dimensions)) + "]")


def parse_shape(parser: AttrParser) -> tuple[Dim, ...]:
    """Reads ``N x 64 x`` and stops before what follows it, the element type."""
    dimensions: list[Dim] = []
    while not _at_type(parser):
        dimensions.append(parse_one_dimension(parser))
        parser.parse_keyword("x", " between dimensions")
    return tuple(dimensions)


def _at_type(parser: AttrParser) -> bool:
    token = parser._current_token  # pyright: ignore[reportPrivateUsage]
    if token.kind == MLIRTokenKind.EXCLAMATION_IDENT:
        return True
    if token.kind != MLIRTokenKind.BARE_IDENT:
        return False
    return is_element_type_name(token.text)


_ELEMENT_TYPE_NAMES = frozenset({"f16", "bf16", "f32", "f64", "index"})


def is_element_type_name(text: str) -> bool:
    """Whether the word is the name of an element type (``f32``, ``i64``, ``ui8``), which no symbol may have."""
    if text in _ELEMENT_TYPE_NAMES:
        return True
    width = text.removeprefix("u").removeprefix("s")
    return width[:1] == "i" and width[1:].isdigit()


def print_shape(printer: Printer, dimensions: Sequence[Dim]) -> None:
    """Prints ``N x 64 x (H floordiv 2) x ``, ready for the element type."""
    for dimension in dimensions:
        text = dimension_text(dimension)
        printer.print_string(f"{text} x " if text.isidentifier() or text.isdigit() else f"({text}) x ")


def dimension_array(dimensions: Sequence[Dim]) -> ArrayAttr[DimensionAttr]:
    return ArrayAttr([DimensionAttr(dimension) for dimension in dimensions])
