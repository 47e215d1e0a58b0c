"""Expressions over sizes, against Python's integers."""

from __future__ import annotations

import itertools
import random

import pytest
from lamina.dialects.shape import (
    Dim,
    add,
    ceildiv,
    floordiv,
    maximum,
    minimum,
    multiply,
    parse_dimension,
    print_dimension,
    substitute,
    subtract,
    symbol,
    to_python_expression,
)

_OF_TWO = {"{} + {}": add, "{} - ({})": subtract, "min({}, {})": minimum, "max({}, {})": maximum}
_BY_A_NUMBER = {"({}) * {}": multiply, "({}) // {}": floordiv, "-(-({}) // {})": ceildiv}


def _drawn(rng: random.Random, depth: int) -> tuple[Dim, str]:
    """An expression, and the same as Python text."""
    if depth == 0:
        leaf = rng.choice(["N", "H", rng.randint(-9, 16)])
        return (symbol(leaf) if isinstance(leaf, str) else leaf), str(leaf)
    left, left_text = _drawn(rng, depth - 1)
    text = rng.choice([*_OF_TWO, *_BY_A_NUMBER])
    if text in _BY_A_NUMBER:
        number = rng.choice([2, 3, 4, 6, 8, 12])
        return _BY_A_NUMBER[text](left, number), f"({text.format(left_text, number)})"
    right, right_text = _drawn(rng, depth - 1)
    return _OF_TWO[text](left, right), f"({text.format(left_text, right_text)})"


def test_expressions_are_those_of_integers() -> None:
    rng = random.Random(7)
    for _ in range(300):
        value, text = _drawn(rng, rng.randint(1, 4))
        back = parse_dimension(print_dimension(value))
        for sizes in ({"N": n, "H": h} for n, h in itertools.product((0, 1, 2, 7), (1, 3, 9))):
            expected = eval(text, {}, sizes)
            assert substitute(value, sizes) == substitute(back, sizes) == expected, text
            assert eval(str(to_python_expression(value)), {}, sizes) == expected, text


@pytest.mark.parametrize("function", [maximum, minimum])
def test_what_divides_all_terms_stands_before_the_extreme(function) -> None:
    """SymPy 1.14 holds a sixth of an even maximum for a whole number."""
    n = symbol("N")
    even = function(0, subtract(multiply(6, n), 16))
    assert print_dimension(even) == f"2 * {function.__name__[:3]}(0, 3 * N - 8)"
    sixth = floordiv(even, 6)
    expected = [(max if function is maximum else min)(0, 6 * size - 16) // 6 for size in range(9)]
    assert [substitute(sixth, {"N": size}) for size in range(9)] == expected
