from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lamina.runtime.errors import ProgramError
from lamina.runtime.expressions import compile_dimensions, evaluate, is_symbol, symbols_of


def test_compile_dimensions() -> None:
    function = compile_dimensions([3, "N", "(H - 1)//2 + 1", "max(N, H, 2) % 4", "-N * 2"], ["N", "H"])
    assert function(5, 8) == (3, 5, 4, 0, -10)


def test_constant_dimensions_need_no_symbols() -> None:
    assert compile_dimensions([1, 2], [])() == (1, 2)
    assert compile_dimensions([1, 2], ["N"])(7) == (1, 2)


def test_symbols() -> None:
    assert symbols_of(1, "N*M", "max(K, 1)") == {"N", "M", "K"}
    assert is_symbol("N") and not is_symbol("N + 1") and not is_symbol(4)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "N.real",
        "N[0]",
        "N ** 2",
        "N / 2",
        "1.5",
        "'a'",
        "True",
        "lambda: 1",
        "max",
        "max()",
        "max(a=1)",
        "abs(N)",
        "N if N else 1",
        "__class__",
        "N +",
        "",
        "(" * 1000 + "N" + ")" * 1000,
        "-" * 3000 + "N",
        "N+" * 5000 + "N",
    ],
)
def test_other_syntax_is_rejected(text: str) -> None:
    with pytest.raises(ProgramError):
        compile_dimensions([text], ["N"])


def test_unbound_symbols_are_named() -> None:
    with pytest.raises(ProgramError, match="'M'"):
        compile_dimensions(["N + M"], ["N"])
    with pytest.raises(ProgramError, match="'M'"):
        evaluate("N + M", {"N": 1})


_leaves = st.one_of(st.integers(1, 50).map(str), st.sampled_from(["N", "H"]))
_expressions = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, st.sampled_from(["//", "%"]), st.integers(1, 9)).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["max", "min"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
    ),
    max_leaves=8,
)


@given(_expressions, st.integers(0, 1000), st.integers(0, 1000))
def test_evaluates_as_python_does(text: str, n: int, h: int) -> None:
    expected = eval(text, {"N": n, "H": h})
    assert evaluate(text, {"N": n, "H": h}) == expected
    assert compile_dimensions([text], ["N", "H"])(n, h) == (expected,)
