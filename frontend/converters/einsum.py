"""Einsum, as transposes, reshapes and matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...dialects.shape import product
from ..node import Node
from ..registry import converter
from ..values import Value

if TYPE_CHECKING:
    from ...dialects.shape import Dim


@converter("Einsum", several_steps=True)
def convert_einsum(node: Node) -> Value:
    """Operands are contracted from the left, two at a time; letters that nothing after needs are summed early."""
    terms, output = _parsed(node)
    sizes = _letter_sizes(node, terms)
    spread = [node.b.spread(value, [sizes[c] for c in term]) for value, term in zip(node.present, terms)]
    operands = [_without_repeats(node, value, term) for value, term in zip(spread, terms)]
    current, letters = operands[0]
    if len(operands) == 1:
        return _arranged(node, *_summed(node, current, letters, set(output)), output)
    for index, (operand, term) in enumerate(operands[1:], 1):
        needed = set(output).union(*(later for _, later in operands[index + 1 :]))
        current, letters = _contract(node, (current, letters), (operand, term), needed)
    return _arranged(node, *_summed(node, current, letters, set(output)), output)


def _parsed(node: Node) -> tuple[list[str], str]:
    """The equation's terms and output as one letter an axis, ``...`` spelled out in capital letters from 'A' on.

    Letters of either case are renamed to characters that the ellipsis does not use.
    """
    equation = node.attribute("equation").replace(" ", "")
    left, arrow, output = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(node.present):
        node.invalid(f"the equation '{equation}' has {len(terms)} terms for {len(node.present)} inputs")
    extra = max((v.rank - len(t.replace("...", "")) for t, v in zip(terms, node.present) if "..." in t), default=0)
    ellipsis = "".join(chr(0xE000 + i) for i in range(extra))
    spelled = []
    for term, value in zip(terms, node.present):
        own = value.rank - len(term.replace("...", ""))
        spelled.append(term.replace("...", ellipsis[len(ellipsis) - own :] if own else ""))
        if len(spelled[-1]) != value.rank:
            node.invalid(f"the term '{term}' does not fit {value.type}")
    if arrow:
        return spelled, output.replace("...", ellipsis)
    joined = "".join(spelled)
    single = sorted(letter for letter in set(joined) if joined.count(letter) == 1 and letter not in ellipsis)
    return spelled, ellipsis + "".join(single)


def _letter_sizes(node: Node, terms: Sequence[str]) -> dict[str, Dim]:
    """A letter stands for one size wherever it occurs; only 1 is repeated."""
    sizes: dict[str, Dim] = {}
    for value, term in zip(node.present, terms):
        for letter, size in zip(term, value.dims):
            known = sizes.get(letter, 1)
            why = f"{node.describe()}: a letter of the equation stands for one size"
            common = node.b.symbols.broadcast(known, size, why)
            if common is None:
                node.invalid(f"a letter of the equation stands for {known} and {size} elements")
            sizes[letter] = common
    return sizes


def _without_repeats(node: Node, value: Value, term: str) -> tuple[Value, str]:
    """A term with a letter twice ('ii') takes the diagonal."""
    from ...dialects import graph

    while len(set(term)) < len(term):
        letter = next(c for c in term if term.count(c) > 1)
        first, second = term.index(letter), term.index(letter, term.index(letter) + 1)
        others = [axis for axis in range(value.rank) if axis not in (first, second)]
        moved = node.b.transpose(value, [first, second, *others])
        size = moved.dims[0]
        places = node.b.iota(size)
        column = node.b.unsqueeze(places, [1])
        indices = node.b.concat([column, column], 1)
        value = node.b.op(graph.GatherNdOp, moved, indices)
        term = letter + "".join(term[axis] for axis in others)
    return value, term


def _summed(node: Node, value: Value, letters: str, keep: set[str]) -> tuple[Value, str]:
    """Axes whose letter is not kept are summed."""
    axes = [axis for axis, letter in enumerate(letters) if letter not in keep]
    if not axes:
        return value, letters
    return node.b.reduce("sum", value, axes, keepdims=False), "".join(c for c in letters if c in keep)


def _arranged(node: Node, value: Value, letters: str, output: str) -> Value:
    if sorted(letters) != sorted(output):
        node.invalid(f"the output '{output}' of the equation is not computed by its terms")
    return node.b.transpose(value, [letters.index(letter) for letter in output])


def _contract(node: Node, left: tuple[Value, str], right: tuple[Value, str], needed: set[str]) -> tuple[Value, str]:
    """Two operands to one, by one batched matrix product."""
    b = node.b
    (a, a_letters), (c, c_letters) = left, right
    a, a_letters = _summed(node, a, a_letters, needed | set(c_letters))
    c, c_letters = _summed(node, c, c_letters, needed | set(a_letters))
    shared = [letter for letter in a_letters if letter in c_letters]
    batch = [letter for letter in shared if letter in needed]
    inner = [letter for letter in shared if letter not in needed]
    rows = [letter for letter in a_letters if letter not in shared]
    columns = [letter for letter in c_letters if letter not in shared]
    if not inner:
        return _outer(node, (a, a_letters), (c, c_letters), batch, rows, columns)
    sizes = dict(zip(c_letters, c.dims)) | dict(zip(a_letters, a.dims))
    for letter in shared:
        one, other = a.dims[a_letters.index(letter)], c.dims[c_letters.index(letter)]
        if one == 1:
            sizes[letter] = other
    a = _repeated(node, a, a_letters, shared, sizes)
    c = _repeated(node, c, c_letters, shared, sizes)
    a = b.transpose(a, [a_letters.index(letter) for letter in (*batch, *rows, *inner)])
    c = b.transpose(c, [c_letters.index(letter) for letter in (*batch, *inner, *columns)])
    batch_dims = [sizes[letter] for letter in batch]
    width = product(sizes[letter] for letter in inner)
    a = b.reshape(a, (*batch_dims, product(sizes[letter] for letter in rows), width))
    c = b.reshape(c, (*batch_dims, width, product(sizes[letter] for letter in columns)))
    result = b.cast(b.matmul(a, c), a.element_type)
    letters = (*batch, *rows, *columns)
    return b.reshape(result, [sizes[letter] for letter in letters]), "".join(letters)


def _repeated(node: Node, value: Value, letters: str, shared: list[str], sizes: dict[str, Any]) -> Value:
    """Shared axes of length 1 repeated to their common length."""
    dims = [sizes[letter] if letter in shared else d for letter, d in zip(letters, value.dims)]
    return node.b.broadcast_to(value, dims)


def _outer(
    node: Node,
    left: tuple[Value, str],
    right: tuple[Value, str],
    batch: list[str],
    rows: list[str],
    columns: list[str],
) -> tuple[Value, str]:
    """Nothing to sum over: an elementwise product with broadcasting."""
    b = node.b
    (a, a_letters), (c, c_letters) = left, right
    a = b.transpose(a, [a_letters.index(letter) for letter in (*batch, *rows)])
    c = b.transpose(c, [c_letters.index(letter) for letter in (*batch, *columns)])
    a = b.reshape(a, (*a.dims, *[1] * len(columns)))
    c = b.reshape(c, (*c.dims[: len(batch)], *[1] * len(rows), *c.dims[len(batch) :]))
    return b.mul(a, c), "".join((*batch, *rows, *columns))
