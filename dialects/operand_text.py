"""Operands in text without their types: a type stands where a value is defined."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from xdsl.ir import SSAValue
from xdsl.parser import Parser

NONE: Mapping[SSAValue, SSAValue] = MappingProxyType({})


def parse_value(parser: Parser) -> SSAValue:
    """A value that is defined above, as ``%name``. Raises ParseError at any other."""
    operand = parser.parse_unresolved_operand()
    values = parser.ssa_values.get(operand.operand_name)
    if values is None or operand.index >= len(values):
        parser.raise_error(f"{operand.span.text} is used here before it is defined", operand.span)
    return values[operand.index]


def refuse_word(parser: Parser, expected: str, allowed: Collection[str] = ()) -> None:
    """Raises ParseError if a word comes next that is none of those allowed, and no operation (these have a point)."""
    begin = parser.pos
    word = parser.parse_optional_identifier()
    if word is None:
        return
    if word not in allowed and "." not in word:
        parser.raise_error(f"'{word}' is no {expected}", begin, begin + len(word))
    parser._resume_from(begin)
