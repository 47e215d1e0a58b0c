"""The text of a plan: what is decided of each axis of a kernel's nest, then what is decided of the nest as a whole.

A list of parts in braces. A part is an axis with what is decided of it, or a decision that is of no axis::

    plan {m tile 6 chunks 3, n tile 64, k block 1024, pack true, order [m, n]}

Every decision stands once. decisions.py says which ones a kernel has, and what they mean.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from xdsl.parser import Parser

from .decision_fields import Choices, Decisions, DecisionValue, Nest, fields_of, text_of, words_of
from .decisions import KINDS

_Decided = Mapping[str, DecisionValue]
"""Values by decision."""


def plan_text(kind: type[Decisions], decided: _Decided) -> str:
    """The decisions of a kernel of that kind, as they stand between the braces."""
    parts: dict[str, list[str]] = {}
    for words, value in _phrases(kind, decided):
        axis, _, word = words.partition(" ")
        parts.setdefault(axis, []).append(f"{word} {value}".lstrip())
    return ", ".join(f"{axis} {' '.join(said)}" for axis, said in parts.items())


def _phrases(kind: type[Decisions], decided: _Decided) -> Iterator[tuple[str, str]]:
    """What is said, and the value as text."""
    turned, dropped = {}, set()
    for name, entry in fields_of(kind).items():
        other, words = entry.metadata["turns"].get(decided.get(name), ("", ""))
        if other in decided:
            turned[other] = words
            dropped.add(name)
    for name, entry in fields_of(kind).items():
        if name in decided and name not in dropped:
            yield turned.get(name, words_of(entry)), text_of(decided[name])
    for name in decided.keys() - fields_of(kind).keys():
        yield name, text_of(decided[name])


def parse_plan(parser: Parser, kernel: str) -> dict[str, DecisionValue]:
    """Reads what stands in braces. Raises ParseError where it is no decision of that kernel, at its place."""
    return _PlanParser(parser, kernel).parse()


class _PlanParser:
    def __init__(self, parser: Parser, kernel: str):
        self.parser, self.kernel = parser, kernel
        self.words = _assignments(kernel)
        self.found: dict[str, DecisionValue] = {}

    def parse(self) -> dict[str, DecisionValue]:
        self.parser.parse_comma_separated_list(self.parser.Delimiter.BRACES, self._part)
        return self.found

    def _part(self) -> None:
        begin = self.parser.pos
        name = self.parser.parse_identifier(": an axis, or a decision such as atom")
        if name in self.words:
            self._value(name, begin)
            return
        words = [words.partition(" ")[2] for words in self.words if words.startswith(f"{name} ")]
        if not words:
            self.parser.raise_error(_unknown(self.kernel, name), begin, begin + len(name))
        begin = self.parser.pos
        word: str | None = self.parser.parse_identifier(f": {_either(words)} of {name}")
        while word is not None:
            self._of_axis(name, words, word, begin)
            begin, word = self.parser.pos, self.parser.parse_optional_identifier()

    def _of_axis(self, axis: str, words: Sequence[str], word: str, begin: int) -> None:
        if word not in words:
            close = difflib.get_close_matches(word, words, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"it has {', '.join(words)}"
            self.parser.raise_error(f"axis {axis} of {self.kernel} has no '{word}': {hint}", begin, begin + len(word))
        self._value(f"{axis} {word}", begin)

    def _value(self, words: str, begin: int) -> None:
        name, also = self.words[words]
        for known in (name, *also):
            if known in self.found:
                self.parser.raise_error(f"'{words}' is decided twice", begin, self.parser.pos)
        self.found[name] = value = self._read()
        self.found.update(also)
        if wrong := mistake(self.kernel, name, value, words):
            self.parser.raise_error(wrong, begin, self.parser.pos)

    def _read(self) -> DecisionValue:
        parser = self.parser
        if (axes := parser.parse_optional_comma_separated_list(parser.Delimiter.SQUARE, self._axis)) is not None:
            return tuple(axes)
        number = parser.parse_optional_integer(allow_boolean=False)
        if number is not None:
            return number
        flag = parser.parse_optional_boolean()
        return parser.parse_identifier(": a number, a word, true or false, axes") if flag is None else flag

    def _axis(self) -> str:
        return self.parser.parse_identifier(": an axis")


def _assignments(kernel: str) -> dict[str, tuple[str, _Decided]]:
    """For words that a plan of such a kernel may hold: the decision that they are, and what else they say."""
    known = fields_of(KINDS.get(kernel, Decisions))
    found: dict[str, tuple[str, _Decided]] = {words_of(entry): (name, {}) for name, entry in known.items()}
    for name, entry in known.items():
        for value, (other, words) in entry.metadata["turns"].items():
            found[words] = other, {name: value}
    return found


def mistake(kernel: str, name: str, value: DecisionValue, words: str = "") -> str | None:
    """What is wrong with a decision of that name and value in a stage of such a kernel, if anything is."""
    kind = KINDS.get(kernel, Decisions)
    known = fields_of(kind)
    if name not in known:
        return _unknown(kernel, name)
    choices, said = known[name].metadata["choices"], f"{words or words_of(known[name])} {text_of(value)}"
    if choices is None:
        assert issubclass(kind, Nest)
        return _axes_mistake(kind, said, value)
    if type(value) is type(choices[0]) and value in choices:
        return None
    return f"{said}, expected {listed(choices)}"


def _axes_mistake(kind: type[Nest], said: str, value: DecisionValue) -> str | None:
    is_right = isinstance(value, tuple) and set(value) <= set(kind.OUTER) and len(set(value)) == len(value)
    return None if is_right else f"{said}, expected some {listed(None, kind.OUTER)}, each once"


def _unknown(kernel: str, name: str) -> str:
    heads = list(dict.fromkeys(words.split(" ")[0] for words in _assignments(kernel)))
    close = difflib.get_close_matches(name, heads, n=1)
    suggestion = f": did you mean '{close[0]}'?" if close else f", it has {', '.join(heads) or 'none'}"
    return f"{kernel} has no axis or decision '{name}'{suggestion}"


def _either(words: Sequence[str]) -> str:
    return " or ".join(words)


def listed(choices: Choices, axes: Sequence[str] = ()) -> str:
    """``1 to 64``, ``width or height``, ``false or true``; of axes themselves ``[n, m]``."""
    if choices is None:
        return f"of [{', '.join(axes)}]"
    if isinstance(choices, range):
        return f"{choices.start} to {choices.stop - 1}"
    return _either([text_of(choice) for choice in choices])
