"""Dimension expressions of a manifest: checked text, compiled to Python callables.

A dimension is an ``int`` or the text of an expression over symbol names, such as ``(H - 1) // 2 + 1``. The text
may come from a file that nobody vouches for, so that only a few kinds of syntax are let through before Python
compiles it: names of symbols, integers, ``+ - * // %``, unary minus, ``max``, ``min``, ``scaled`` and
``broadcast``.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterable, Sequence

from ..reference.dimensions import broadcast, scaled
from .errors import ProgramError

Dimension = int | str

MAXIMUM_LENGTH = 4096
"""Characters of one expression."""


_FUNCTIONS = {"max": max, "min": min, "scaled": scaled, "broadcast": broadcast}
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod)


@functools.lru_cache(maxsize=8192)
def _parse(text: str) -> tuple[ast.expr, frozenset[str]]:
    """The checked syntax tree, and the names of its symbols."""
    if len(text) > MAXIMUM_LENGTH:
        raise ProgramError(f"a dimension expression of {len(text)} characters: at most {MAXIMUM_LENGTH} are allowed")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        names = frozenset(_names(tree, text))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ProgramError(f"not a dimension expression: '{text}'") from error
    return tree, names


def _names(node: ast.expr, text: str) -> Iterable[str]:
    match node:
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            return
        case ast.Name(id=name) if name not in _FUNCTIONS and not name.startswith("__"):
            yield name
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield from _names(operand, text)
        case ast.BinOp(left=left, op=operator, right=right) if isinstance(operator, _OPERATORS):
            yield from _names(left, text)
            yield from _names(right, text)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS and arguments:
            for argument in arguments:
                yield from _names(argument, text)
        case _:
            raise ProgramError(f"'{ast.unparse(node)}' is not allowed in the dimension expression '{text}'")


def symbols_of(*dimensions: Dimension) -> set[str]:
    """Names of the symbols that occur in the dimensions."""
    names: set[str] = set()
    for dimension in dimensions:
        if isinstance(dimension, str):
            names |= _parse(dimension)[1]
    return names


def substituted(dimension: Dimension, symbol: str, value: Dimension) -> Dimension:
    """The dimension with ``value`` in place of a symbol."""
    if not isinstance(dimension, str) or symbol not in _parse(dimension)[1]:
        return dimension
    return _substituted(dimension, symbol, value)


@functools.lru_cache(maxsize=4096)
def _substituted(text: str, symbol: str, value: Dimension) -> str:
    replacement = ast.Constant(value) if isinstance(value, int) else _parse(value)[0]

    class Substitution(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return replacement if node.id == symbol else node

    return ast.unparse(Substitution().visit(ast.parse(text.strip(), mode="eval").body))


def is_symbol(dimension: Dimension) -> bool:
    """Whether the dimension is a bare symbol, so that an array can bind it."""
    return isinstance(dimension, str) and isinstance(_parse(dimension)[0], ast.Name)


def compile_dimensions(dimensions: Sequence[Dimension], symbols: Sequence[str]) -> Callable[..., tuple[int, ...]]:
    """A function of the values of ``symbols``, in their order, that gives all the dimensions as a tuple.

    Raises ProgramError where the text is no expression, or uses a name that is not among the symbols.
    """
    if not any(isinstance(dimension, str) for dimension in dimensions):
        constant = tuple(int(dimension) for dimension in dimensions)
        return lambda *_values: constant
    unknown = symbols_of(*dimensions) - set(symbols)
    if unknown:
        raise ProgramError(f"expressions use unbound symbols {sorted(unknown)}; bound are {sorted(symbols)}")
    elements = [_parse(d)[0] if isinstance(d, str) else ast.Constant(int(d)) for d in dimensions]
    arguments = ast.arguments(
        posonlyargs=[ast.arg(name) for name in symbols], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    function = ast.Lambda(args=arguments, body=ast.Tuple(elts=elements, ctx=ast.Load()))
    tree = ast.fix_missing_locations(ast.Expression(body=function))
    return eval(compile(tree, "<dimensions>", "eval"), {"__builtins__": {}, **_FUNCTIONS})


def evaluate(dimension: Dimension, symbols: dict[str, int]) -> int:
    """The value of one dimension. Raises ProgramError where a symbol is not bound."""
    if isinstance(dimension, int):
        return dimension
    value = symbols.get(dimension)
    if value is not None:
        return value
    names = tuple(sorted(symbols_of(dimension)))
    missing = [name for name in names if name not in symbols]
    if missing:
        raise ProgramError(f"'{dimension}' uses the unbound symbols {missing}")
    return _compile_one(dimension, names)(*(symbols[name] for name in names))[0]


@functools.lru_cache(maxsize=4096)
def _compile_one(dimension: str, names: tuple[str, ...]) -> Callable[..., tuple[int, ...]]:
    return compile_dimensions([dimension], names)
