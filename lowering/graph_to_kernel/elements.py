"""Questions about the element types of a graph: which are computed in f32, which hold numbers without a sign."""

from __future__ import annotations

from xdsl.dialects.builtin import IntegerType, bf16, f16
from xdsl.ir import Attribute

from ...dialects.graph.types import is_bool, is_integer

# Element types narrower than the f32 in which arithmetic on them is done.
SHORT_FLOATS = (f16, bf16)


def is_unsigned(element: Attribute) -> bool:
    """Whether numbers of this type compare, divide and extend as unsigned ones; truth values do."""
    if is_bool(element):
        return True
    return is_integer(element) and element != signless(element)


def signless(element: Attribute) -> Attribute:
    """The element type below the graph level, where the operation says whether an integer has a sign."""
    return IntegerType(element.width.data) if isinstance(element, IntegerType) else element
