"""Mistakes that people make when they edit a text of a level: one in each, drawn by a seed."""

from __future__ import annotations

import random
import re

WORDS = ("conv", "matmul", "xs", "none", "graph.relu", "kernel.map", "schedule.stage", "f64", "i8", "arena")
TYPES = ("f32", "f16", "f64", "i32", "i64", "i8", "i1", "ui8")


def mistaken(text: str, seed: int) -> tuple[str, str]:
    """The text with one mistake, and what that is."""
    rng = random.Random(seed)
    kinds = [
        _number,
        _negative,
        _value,
        _type,
        _word,
        _symbol,
        _without_line,
        _swapped_lines,
        _doubled_line,
        _key,
        _token,
    ]
    kinds += [_everywhere, _decision, _memory, _attribute]
    for kind in rng.sample(kinds, len(kinds)):
        changed = kind(text, rng)
        if changed is not None and changed != text:
            return changed, kind.__name__.strip("_")
    raise ValueError("nothing in this text can be changed")


def _replaced(text: str, rng: random.Random, pattern: str, replacements: list[str]) -> str | None:
    """One match of the pattern, drawn, as one of the replacements."""
    matches = list(re.finditer(pattern, text))
    if not matches:
        return None
    match = rng.choice(matches)
    return text[: match.start()] + rng.choice(replacements) + text[match.end() :]


def _number(text: str, rng: random.Random) -> str | None:
    return _replaced(text, rng, r"(?<![\w%@.#])\d+(?![\w.])", ["0", "1", "3", "7", "64", "1000", "4294967296"])


def _negative(text: str, rng: random.Random) -> str | None:
    return _replaced(text, rng, r"(?<=[ \[(<])(?=\d+(?![\w.]))", ["-"])


def _everywhere(text: str, rng: random.Random) -> str | None:
    """A size, or an element type, changed in all places at once, so that the types still agree."""
    found = rng.choice(re.findall(rf"(?<=[< ])(?:\d+|[A-Z])(?= x )|(?<=x )(?:{'|'.join(TYPES)})\b", text) or [""])
    other = rng.choice(
        list(TYPES) if found in TYPES else ["0", "-1", "1", "3", "5", "640", "K", "N + 1", "99999999999"]
    )
    return re.sub(rf"(?<=[< ]){found}(?=[ ,>])", other, text) if found else None


def _decision(text: str, rng: random.Random) -> str | None:
    return _replaced(
        text, rng, r"(?<=[a-z] )\d+(?=[ ,}][a-z ]*)", ["0", "-1", "1", "3", "5", "100", "1000000", "height", "unknown"]
    )


def _memory(text: str, rng: random.Random) -> str | None:
    numbers = ["0", "-64", "1", "2", "5", "64", "128", "4096", "1000000000000000"]
    return _replaced(text, rng, r"(?:(?<=lives )|(?<=offset ))\d+|(?<= to )\d+(?= offset| :)|(?<=output )\d+", numbers)


def _attribute(text: str, rng: random.Random) -> str | None:
    """A number of a kernel or an operation: an axis, a pad, a stride, an epsilon."""
    numbers = ["0", "-1", "1", "2", "3", "-7", "100", "1.5", "4294967296", "nan"]
    return _replaced(text, rng, r"(?<=axis )\d+|(?<=\[)\d+(?=[,\]])|(?<=, )\d+(?=[,\]])", numbers)


def _value(text: str, rng: random.Random) -> str | None:
    names = re.findall(r"%\w+", text)
    return _replaced(text, rng, r"%\w+", [*sorted(set(names)), "%unknown"]) if names else None


def _type(text: str, rng: random.Random) -> str | None:
    return _replaced(text, rng, rf"\b({'|'.join(TYPES)})\b", list(TYPES))


def _word(text: str, rng: random.Random) -> str | None:
    return _replaced(text, rng, r"(?<![%@\w.])[A-Za-z_][\w.]*", list(WORDS))


def _symbol(text: str, rng: random.Random) -> str | None:
    names = re.findall(r"@[\w.]+", text)
    return _replaced(text, rng, r"@[\w.]+", [*sorted(set(names)), "@unknown"]) if names else None


def _lines(text: str, rng: random.Random) -> tuple[list[str], int, int] | None:
    lines = text.splitlines(keepends=True)
    places = [number for number, line in enumerate(lines) if line.strip() and not line.strip().startswith("//")]
    return (lines, *rng.sample(places, 2)) if len(places) > 2 else None


def _without_line(text: str, rng: random.Random) -> str | None:
    drawn = _lines(text, rng)
    return None if drawn is None else "".join(drawn[0][: drawn[1]] + drawn[0][drawn[1] + 1 :])


def _swapped_lines(text: str, rng: random.Random) -> str | None:
    drawn = _lines(text, rng)
    if drawn is None:
        return None
    lines, one, other = drawn
    lines[one], lines[other] = lines[other], lines[one]
    return "".join(lines)


def _doubled_line(text: str, rng: random.Random) -> str | None:
    drawn = _lines(text, rng)
    return None if drawn is None else "".join(drawn[0][: drawn[1]] + [drawn[0][drawn[1]]] + drawn[0][drawn[1] :])


def _key(text: str, rng: random.Random) -> str | None:
    return _replaced(text, rng, r"\b[a-z_]+(?= = )|(?<=plan \{)[a-z]+|\b[a-z]+(?= \d+[ ,}])", ["unknown", "tile", "m"])


def _token(text: str, rng: random.Random) -> str | None:
    return _replaced(text, rng, r"[\w.]+|[^\s\w]", ["", "x", ",", "2", "floordiv", "-1", '""'])
