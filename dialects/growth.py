"""Outputs that grow from inputs: what a function says of them in its ``lamina.grows``.

A decoder's keys and values, of all tokens so far, are an output of each run and an input of the next. Where such an
output is the input and something after it, both may lie in one buffer that has room for more: then nothing is copied.
How much room is behind each is a symbol of its own, which no shape tells: the caller says it, and zero is always right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntegerAttr, StringAttr, i64
from xdsl.ir import Operation

GROWS_ATTRIBUTE = "lamina.grows"


@dataclass(frozen=True)
class GrowingOutput:
    """Output number ``output`` is input number ``input`` and more after it along ``axis``.

    ``room_before`` and ``room`` are how many more entries along the axis the memory of the input and of the output has.
    """

    input: int
    output: int
    axis: int
    room_before: str
    room: str


def growths_of(function: Operation) -> list[GrowingOutput]:
    """What the function says; nothing where it does not."""
    listed = function.attributes.get(GROWS_ATTRIBUTE)
    if not isinstance(listed, ArrayAttr):
        return []
    found = []
    for entry in listed:
        assert isinstance(entry, DictionaryAttr)
        numbers = [entry.data[name] for name in ("input", "output", "axis")]
        rooms = [entry.data[name] for name in ("room_before", "room")]
        found.append(GrowingOutput(*(number.value.data for number in numbers), *(room.data for room in rooms)))  # pyright: ignore
    return found


def rooms_of(function: Operation) -> dict[str, int]:
    """Some room behind what grows, for who interprets the function: any will do."""
    growths = growths_of(function)
    return {growth.room_before: 1 for growth in growths} | {growth.room: 2 for growth in growths}


def state_growths(function: Operation, growths: Sequence[GrowingOutput]) -> None:
    """Makes the function say so."""
    function.attributes[GROWS_ATTRIBUTE] = ArrayAttr(
        [
            DictionaryAttr(
                {
                    "input": IntegerAttr(growth.input, i64),
                    "output": IntegerAttr(growth.output, i64),
                    "axis": IntegerAttr(growth.axis, i64),
                    "room_before": StringAttr(growth.room_before),
                    "room": StringAttr(growth.room),
                }
            )
            for growth in growths
        ]
    )
