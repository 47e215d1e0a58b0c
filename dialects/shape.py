"""Tensor dimensions: plain integers where known, symbolic integer expressions where not.

A dimension is an ``int`` or a SymPy expression over symbols of integers from 0 on. All arithmetic on
dimensions goes through this module, so that a static shape never touches SymPy and an expression
always has one canonical form. Two texts exist of an expression: the one in IR
(``(H - 1) floordiv 2 + 1``) and the one that the runtime evaluates (``(H - 1)//2 + 1``).
"""

from __future__ import annotations

import ast
import functools
import keyword
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ..reference import dimensions

if TYPE_CHECKING:
    import sympy

Dim: TypeAlias = "int | sympy.Expr"

_SYMBOL_PATTERN = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*\Z")
_RESERVED = frozenset({"x", "floordiv", "mod", "max", "min", "scaled", "broadcast"})
MAX_NAME_LENGTH = 100


def is_symbol_name(name: str) -> bool:
    """Whether a symbol may have the name: both texts of an expression, of which one is Python's, must read it."""
    if len(name) > MAX_NAME_LENGTH or not _SYMBOL_PATTERN.match(name):
        return False
    return name not in _RESERVED and not keyword.iskeyword(name)


@functools.cache
def symbol(name: str) -> sympy.Symbol:
    """The dimension called ``name``: 0 or more. Raises ValueError where it is no name of a symbol."""
    import sympy

    if not is_symbol_name(name):
        reserved = ", ".join(sorted(_RESERVED))
        raise ValueError(
            f"'{name}' cannot name a dimension: expected an identifier of at most {MAX_NAME_LENGTH} letters other than "
            f"{reserved} and Python's keywords"
        )
    return sympy.Symbol(name, integer=True, nonnegative=True)


def _remembered(function: Callable[[Dim, Dim], Dim]) -> Callable[[Dim, Dim], Dim]:
    """Looks up what was made of the same two expressions before, which takes SymPy some hundred times as long."""
    of_expressions = functools.lru_cache(maxsize=1 << 14)(function)

    @functools.wraps(function)
    def of_both(left: Dim, right: Dim) -> Dim:
        known = isinstance(left, int) and isinstance(right, int)
        return function(left, right) if known else of_expressions(left, right)

    return of_both


def canonical(value: Dim) -> Dim:
    """The one form of an expression: expanded, and an ``int`` as soon as no symbol is left."""
    if isinstance(value, int):
        return value
    expanded = value.expand()
    return int(expanded) if expanded.is_Integer else expanded


@_remembered
def add(left: Dim, right: Dim) -> Dim:
    return canonical(left + right)


@_remembered
def subtract(left: Dim, right: Dim) -> Dim:
    return canonical(left - right)


# A product of sums is written out, so that this bounds how long a dimension can become.
MAX_TERMS = 256


@_remembered
def multiply(left: Dim, right: Dim) -> Dim:
    """Raises ValueError for a product of more than MAX_TERMS terms."""
    if term_count(left) * term_count(right) > MAX_TERMS:
        raise ValueError(f"the product of two dimensions has more than {MAX_TERMS} terms")
    return canonical(left * right)


def term_count(value: Dim) -> int:
    """The number of terms of a sum; 1 for anything else."""
    return 1 if isinstance(value, int) or not value.is_Add else len(value.args)


@_remembered
def floordiv(left: Dim, right: Dim) -> Dim:
    """Rounded down; ``right`` must be positive."""
    if isinstance(left, int) and isinstance(right, int):
        return left // right
    import sympy

    quotient = _without_inner_floor(sympy.expand(left / sympy.sympify(right)))
    # Keep the constant part in [0, 1), so that (H - 1) floordiv 2 + 1 and (H + 1) floordiv 2 are one expression.
    constant: Any = quotient.as_coeff_Add()[0]
    whole = constant.p // constant.q
    return canonical(sympy.floor(quotient - whole) + whole)


def _without_inner_floor(quotient: sympy.Expr) -> sympy.Expr:
    """(floor(q) + k) / m rounded down is (q + k) / m rounded down, for an integer k and a positive integer m."""
    import sympy

    term: Any
    for term in sympy.Add.make_args(quotient):
        coefficient: Any
        coefficient, rest = term.as_coeff_Mul()
        if not isinstance(rest, sympy.floor) or coefficient.p != 1 or coefficient.q == 1:
            continue
        others = sympy.expand((quotient - term) * coefficient.q)
        if others.is_integer:
            return _without_inner_floor(sympy.expand((rest.args[0] + others) / coefficient.q))
    return quotient


def divide_towards_zero(left: Dim, right: Dim) -> Dim:
    """The quotient without its fraction; ``right`` must be positive."""
    if isinstance(left, int) and isinstance(right, int):
        return abs(left) // right if left >= 0 else -(abs(left) // right)
    if left.is_nonnegative if not isinstance(left, int) else left >= 0:
        return floordiv(left, right)
    return add(maximum(floordiv(left, right), 0), minimum(ceildiv(left, right), 0))


def ceildiv(left: Dim, right: Dim) -> Dim:
    """Rounded up; ``right`` must be positive."""
    if isinstance(left, int) and isinstance(right, int):
        return -(-left // right)
    return floordiv(add(left, subtract(right, 1)), right)


def modulo(left: Dim, right: Dim) -> Dim:
    if isinstance(left, int) and isinstance(right, int):
        return left % right
    return subtract(left, multiply(right, floordiv(left, right)))


@_remembered
def maximum(left: Dim, right: Dim) -> Dim:
    if isinstance(left, int) and isinstance(right, int):
        return max(left, right)
    import sympy

    return _extreme(sympy.Max, left, right)


@_remembered
def minimum(left: Dim, right: Dim) -> Dim:
    if isinstance(left, int) and isinstance(right, int):
        return min(left, right)
    import sympy

    return _extreme(sympy.Min, left, right)


def _extreme(function: Any, left: Dim, right: Dim) -> Dim:
    """The maximum or minimum, with what divides all terms before it: max(0, 6 N - 16) is 2 max(0, 3 N - 8).

    Thus one half of it is a whole number for the eye; and SymPy 1.14 takes a sixth of anything even for one.
    """
    import sympy

    value = function(left, right)
    if not isinstance(value, function):
        return canonical(value)
    arguments = [sympy.expand(argument) for argument in value.args]
    terms = [term for argument in arguments for term in sympy.Add.make_args(argument)]
    content = math.gcd(*(int(term.as_coeff_Mul()[0]) for term in terms))
    return canonical(content * function(*(sympy.expand(argument / content) for argument in arguments)))


def scaled(size: Dim, numerator: int, denominator: int) -> Dim:
    """``size * numerator / denominator``, a number that float32 holds, rounded to float32 and then down."""
    if isinstance(size, int):
        return dimensions.scaled(size, numerator, denominator)
    return scaled_function()(size, numerator, denominator)


@functools.cache
def scaled_function() -> Any:
    """SymPy's function of that name."""
    import sympy

    class Scaled(sympy.Function):
        is_integer = True
        is_nonnegative = True

        @classmethod
        def eval(cls, *arguments: Any) -> Any:
            if all(argument.is_Integer for argument in arguments):
                return sympy.Integer(dimensions.scaled(*map(int, arguments)))
            return None

    return Scaled


def broadcast(left: Dim, right: Dim) -> Dim:
    """What two sizes broadcast to that are equal, or one of them 1; which of these is only known at run time."""
    if isinstance(left, int) and isinstance(right, int):
        return dimensions.broadcast(left, right)
    return canonical(broadcast_function()(left, right))


@functools.cache
def broadcast_function() -> Any:
    """SymPy's function of that name, of two sizes or more: nested ones are one, and none occurs twice."""
    import sympy

    class Broadcast(sympy.Function):
        is_integer = True
        is_nonnegative = True

        @classmethod
        def eval(cls, *arguments: Any) -> Any:
            flat = {
                part for argument in arguments for part in (argument.args if isinstance(argument, cls) else [argument])
            }
            sizes = sorted(flat - {sympy.Integer(1)}, key=str)
            # A known size other than 1 is that of all.
            known = [size for size in sizes if size.is_Integer]
            if known or len(sizes) < 2:
                return (known or sizes or [sympy.Integer(1)])[0]
            return None if tuple(sizes) == arguments else cls(*sizes)

    return Broadcast


def broadcast_parts(value: Dim) -> Sequence[Dim]:
    """The sizes that a dimension is what they broadcast to; itself where it is none of that kind."""
    if isinstance(value, int) or not isinstance(value, broadcast_function()):
        return [value]
    return value.args  # pyright: ignore[reportReturnType]


def is_bounded(value: Dim) -> bool:
    """Whether a maximum or minimum occurs in it."""
    if isinstance(value, int):
        return False
    import sympy

    return value.has(sympy.Max, sympy.Min)


def product(dimensions: Iterable[Dim]) -> Dim:
    return functools.reduce(multiply, dimensions, 1)


def same_dimension(left: Dim, right: Dim) -> bool:
    """Whether both are equal for every value of their symbols."""
    if isinstance(left, int) and isinstance(right, int):
        return left == right
    return subtract(left, right) == 0


def surely_differ(left: Dim, right: Dim) -> bool:
    """Whether no values from 1 on are known to make both equal: 6 N and 8 N, but not H floordiv 2 and 1."""
    if isinstance(left, int) and isinstance(right, int):
        return left != right
    difference = subtract(left, right)
    if isinstance(difference, int):
        return difference != 0
    import sympy

    positive = {size: sympy.Dummy(integer=True, positive=True) for size in difference.free_symbols}
    return difference.xreplace(positive).is_zero is False


def is_static(shape: Sequence[Dim]) -> bool:
    return all(isinstance(dimension, int) for dimension in shape)


def symbols_of(*dimensions: Dim) -> set[str]:
    """Names of the symbols that occur in the dimensions."""
    return {str(s) for d in dimensions if not isinstance(d, int) for s in d.free_symbols}


# --- text ---------------------------------------------------------------------------------------

_SUM, _PRODUCT, _ATOM = 0, 1, 2


def _print(value: Any, division: str, level: int) -> str:
    if isinstance(value, int) or value.is_Integer:
        return str(value) if int(value) >= 0 or level == _SUM else f"({value})"
    import sympy

    if isinstance(value, sympy.Symbol):
        return value.name
    if isinstance(value, sympy.Max | sympy.Min):
        name = "max" if isinstance(value, sympy.Max) else "min"
        arguments = sorted(_print(a, division, _SUM) for a in value.args)
        return functools.reduce(lambda a, b: f"{name}({a}, {b})", arguments)
    if isinstance(value, broadcast_function()):
        arguments = [_print(argument, division, _SUM) for argument in value.args]
        return functools.reduce(lambda a, b: f"broadcast({a}, {b})", arguments)
    if isinstance(value, scaled_function()):
        return f"scaled({', '.join(_print(argument, division, _SUM) for argument in value.args)})"
    if isinstance(value, sympy.floor):
        numerator, denominator = sympy.fraction(sympy.together(value.args[0]))
        divisor = _print(denominator, division, _ATOM)
        divisor = divisor if denominator.is_Atom or denominator.is_Add else f"({divisor})"
        text = f"{_print(sympy.expand(numerator), division, _ATOM)} {division} {divisor}"
        return text if level == _SUM else f"({text})"
    if isinstance(value, sympy.Add):
        terms = sorted(value.args, key=lambda t: (t.is_Number, t.could_extract_minus_sign(), str(t)))
        text = _print(terms[0], division, _PRODUCT)
        for term in terms[1:]:
            sign, magnitude = (" - ", -term) if term.could_extract_minus_sign() else (" + ", term)
            text += sign + _print(magnitude, division, _PRODUCT)
        return text if level == _SUM else f"({text})"
    if isinstance(value, sympy.Mul):
        factors = sorted(value.args, key=lambda f: (not f.is_Number, str(f)))
        return " * ".join(_print(f, division, _ATOM) for f in factors)
    if isinstance(value, sympy.Pow) and value.exp.is_Integer and int(value.exp) > 0:
        return " * ".join([_print(value.base, division, _ATOM)] * int(value.exp))
    raise ValueError(f"not an integer expression over dimensions: {value}")


def print_dimension(value: Dim) -> str:
    """The text in IR, e.g. ``(H - 1) floordiv 2 + 1``; parse_dimension reads it back."""
    return _print(value, "floordiv", _SUM)


def to_python_expression(value: Dim) -> int | str:
    """What a manifest holds: the integer, or Python text over the symbols such as ``(H - 1) // 2 + 1``."""
    return value if isinstance(value, int) else _print(value, "//", _SUM)


_OPERATORS = {
    ast.Add: add,
    ast.Sub: subtract,
    ast.Mult: multiply,
    ast.FloorDiv: floordiv,
    ast.Mod: modulo,
}
_FUNCTIONS = {"max": maximum, "min": minimum, "broadcast": broadcast}


def parse_dimension(text: str) -> Dim:
    """Reads the text of an expression in either form. Raises ValueError that quotes what was not understood."""
    python = re.sub(r"\bmod\b", "%", re.sub(r"\bfloordiv\b", "//", text))
    try:
        return _evaluate(ast.parse(python.strip(), mode="eval").body)
    except (SyntaxError, RecursionError) as error:
        raise ValueError(f"not a dimension: '{text}'") from error


def _evaluate(node: ast.expr) -> Dim:
    match node:
        case ast.Constant(value=int() as number):
            return number
        case ast.Name(id=name):
            return symbol(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return multiply(-1, _evaluate(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_evaluate(left), _evaluate(right))
        case ast.Call(func=ast.Name(id=name), args=[left, right]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](_evaluate(left), _evaluate(right))
        case ast.Call(
            func=ast.Name(id="scaled"),
            args=[size, ast.Constant(value=int() as top), ast.Constant(value=int() as bottom)],
        ):
            return scaled(_evaluate(size), top, bottom)
    raise ValueError(f"not a dimension: '{ast.unparse(node)}'")


def substitute(value: Dim, bindings: dict[str, int]) -> Dim:
    """The dimension with some symbols replaced by numbers."""
    return value if isinstance(value, int) else _substituted(value, tuple(bindings.items()))


@functools.lru_cache(maxsize=1 << 14)
def _substituted(value: sympy.Expr, bindings: tuple[tuple[str, int], ...]) -> Dim:
    return canonical(value.subs({symbol(name): number for name, number in bindings}))


def row_major_strides(shape: Sequence[Dim]) -> tuple[Dim, ...]:
    """Elements between neighbours along each axis of a contiguous row-major tensor."""
    strides: list[Dim] = [1]
    for dimension in reversed(shape[1:]):
        strides.append(multiply(strides[-1], dimension))
    return tuple(reversed(strides))[: len(shape)] if shape else ()
