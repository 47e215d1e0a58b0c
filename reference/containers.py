"""Sequences of tensors and optional values, each the one element of an array of objects: a tuple, an array or None."""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementwise import Arrays, Attributes, Operation


def boxed(value: Any) -> np.ndarray:
    """A scalar array that holds an object."""
    box = np.empty((), object)
    box[()] = value
    return box


def _position(inputs: Arrays, index: int, length: int, default: int, *, past_end: bool = False) -> int:
    """A position counted from 0. Raises IndexError where there is none such."""
    position = int(inputs[index]) if index < len(inputs) else default
    if not -length <= position < length + past_end:
        raise IndexError(f"position {position} is out of range in a sequence of {length}")
    return position % length if position < 0 else position


def _sequence_at(inputs: Arrays, attributes: Attributes) -> Arrays:
    sequence = inputs[0][()]
    return [sequence[_position(inputs, 1, len(sequence), 0)]]


def _sequence_insert(inputs: Arrays, attributes: Attributes) -> Arrays:
    sequence, tensor = inputs[0][()], inputs[1]
    place = _position(inputs, 2, len(sequence), len(sequence), past_end=True)
    return [boxed((*sequence[:place], tensor, *sequence[place:]))]


def _sequence_erase(inputs: Arrays, attributes: Attributes) -> Arrays:
    sequence = inputs[0][()]
    place = _position(inputs, 1, len(sequence), len(sequence) - 1)
    return [boxed((*sequence[:place], *sequence[place + 1 :]))]


def _concat(inputs: Arrays, attributes: Attributes) -> Arrays:
    members: Any = inputs[0][()]
    return [(np.stack if attributes.get("new_axis") else np.concatenate)(members, attributes["axis"])]


def _split(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, sizes = inputs
    axis = attributes["axis"]
    length = x.shape[axis]
    if sizes.ndim == 0:
        step = int(sizes)
        if step < 1:
            raise ValueError(f"the size of the parts is {step}, but must be at least 1")
        places = list(range(step, length, step))
    else:
        if int(sizes.sum()) != length or (sizes < 0).any():
            raise ValueError(f"parts of {sizes.tolist()} do not make up an axis of {length}")
        places = np.cumsum(sizes)[:-1].tolist()
    parts = np.split(x, places, axis) if length or sizes.ndim else []
    if not attributes.get("keeps_axis"):
        parts = [part.squeeze(axis) for part in parts]
    return [boxed(tuple(parts))]


def _get_element(inputs: Arrays, attributes: Attributes) -> Arrays:
    value = inputs[0][()]
    if value is None:
        raise ValueError("the optional value is not there")
    return [boxed(value) if isinstance(value, tuple) else value]


def _optional(inputs: Arrays, attributes: Attributes) -> Arrays:
    """A sequence is taken out of its scalar."""
    if not inputs:
        return [boxed(None)]
    (value,) = inputs
    inner = value[()] if value.dtype == object and value.ndim == 0 else None
    return [boxed(inner if isinstance(inner, tuple) else value)]


CONTAINERS: dict[str, Operation] = {
    "sequence": lambda inputs, attributes: [boxed(tuple(inputs))],
    "split_to_sequence": _split,
    "sequence_at": _sequence_at,
    "sequence_insert": _sequence_insert,
    "sequence_erase": _sequence_erase,
    "sequence_length": lambda inputs, attributes: [np.array(len(inputs[0][()]), np.int64)],
    "concat_from_sequence": _concat,
    "optional": _optional,
    "optional_has_element": lambda inputs, attributes: [np.array(inputs[0][()] is not None)],
    "optional_get_element": _get_element,
}
