"""Tensors of text: arrays of Python's ``str``, in a compiled file a JSON list of their elements."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import InputError, ProgramError


def bytes_of(array: np.ndarray) -> np.ndarray:
    """What a compiled file holds of a constant of text."""
    return np.frombuffer(json.dumps(array.reshape(-1).tolist()).encode(), np.uint8)


def text_of(memory: np.ndarray, shape: Sequence[int], where: str) -> np.ndarray:
    """The inverse of ``bytes_of``, not to be written to. Raises ProgramError for what it has not written."""
    try:
        elements = json.loads(memory.tobytes())
    except ValueError:
        raise ProgramError(f"{where} is not readable as text") from None
    count = int(np.prod(shape, dtype=np.int64))
    if not isinstance(elements, list) or len(elements) != count or not all(isinstance(e, str) for e in elements):
        raise ProgramError(f"{where} does not hold {count} texts")
    array = objects_of(elements, shape)
    array.flags.writeable = False
    return array


def objects_of(elements: Sequence[Any], shape: Sequence[int]) -> np.ndarray:
    """An array of these objects, whatever they are."""
    array = np.empty(len(elements), object)
    array[:] = elements
    return array.reshape(tuple(shape))


def text_array(what: str, value: Any) -> np.ndarray:
    """A feed as an array of text: UTF-8 is decoded. Raises InputError for elements that are no text."""
    array = np.asarray(value)
    if array.dtype.kind not in "OUS" and array.size:
        raise InputError(f"{what}: expected text, got {array.dtype}")
    elements = [_decoded(what, element) for element in array.reshape(-1).tolist()]
    return objects_of(elements, array.shape)


def _decoded(what: str, element: Any) -> str:
    if isinstance(element, bytes):
        try:
            return element.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{what}: an element is not UTF-8: {error}") from None
    if not isinstance(element, str):
        raise InputError(f"{what}: expected text, got a {type(element).__name__}")
    return element
