"""Objects with a fixed set of fields of fixed types: a misspelt name or a wrong type is an error where it is set."""

from __future__ import annotations

import enum
import operator
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .failures import MisuseError

Value = TypeVar("Value")
Member = TypeVar("Member", bound=enum.Enum)

_MAXIMUM_KEY = 1024
_MAXIMUM_VALUE = 8192


def integer(value: Any) -> int:
    """Raises TypeError for what is none, such as a float."""
    return operator.index(value)


def truth(value: Any) -> bool:
    if isinstance(value, str) or not (value is None or hasattr(value, "__bool__") or hasattr(value, "__index__")):
        raise TypeError
    return bool(value)


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def one_of(kind: type[Member]) -> Callable[[Any], Member]:
    """Takes members of the enumeration alone."""

    def member(value: Any) -> Member:
        if not isinstance(value, kind):
            raise TypeError
        return value

    member.__name__ = kind.__name__
    return member


class OptionField(Generic[Value]):
    """A field with its default and what makes a value of its type, or raises TypeError."""

    def __init__(self, default: Value, convert: Callable[[Any], Value]):
        self._default, self._convert = default, convert

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, kind: type | None = None) -> Value:
        return self._default if owner is None else owner.__dict__.get(self._name, self._default)

    def __set__(self, owner: Any, value: Any) -> None:
        try:
            owner.__dict__[self._name] = self._convert(value)
        except (TypeError, ValueError):
            expected = _WORDS.get(self._convert, self._convert.__name__)
            raise TypeError(f"{type(owner).__name__}.{self._name}: expected {expected}, got {value!r}") from None


_WORDS: dict[Any, str] = {integer: "an integer", truth: "a truth value", text: "text"}


class TypedFields:
    """Has the fields that its class says, and private ones; any other name is an error."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not isinstance(vars(type(self)).get(name), OptionField):
            known = sorted(name for name, field in vars(type(self)).items() if isinstance(field, OptionField))
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'; it has {known}")
        super().__setattr__(name, value)


class ConfigEntries:
    """Texts by keys, of an owner that errors name."""

    def __init__(self, owner: str):
        self._owner = owner
        self._entries: dict[str, str] = {}

    def add(self, key: str, value: str) -> None:
        """Raises TypeError for what is no text, MisuseError for a key or value that is empty or too long."""
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"config entries of {self._owner} are text by text, got {key!r}: {value!r}")
        if not 0 < len(key) <= _MAXIMUM_KEY:
            raise MisuseError(f"Config key is empty or longer than maximum length {_MAXIMUM_KEY}")
        if len(value) > _MAXIMUM_VALUE:
            raise MisuseError(f"Config value is longer than maximum length: {_MAXIMUM_VALUE}")
        self._entries[key] = value

    def get(self, key: str) -> str:
        """Raises MisuseError where there is none."""
        if key not in self._entries:
            raise MisuseError(f"{self._owner} does not have configuration with key: {key}")
        return self._entries[key]

    def find(self, key: str, otherwise: str = "") -> str:
        return self._entries.get(key, otherwise)
