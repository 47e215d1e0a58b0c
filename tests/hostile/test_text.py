"""Damaged IR text: every error says at which line and column, and no other exception comes out.

``LAMINA_FUZZ=20000`` tries so many cases, as for models.
"""

from __future__ import annotations

import functools
import os
import random
import re
from pathlib import Path

import pytest
from lamina.cli.located_parser import LocatedParser
from lamina.context import CompilerContext
from xdsl.utils.exceptions import ParseError, VerifyException

FOLDER = Path(__file__).parents[1] / "filecheck"
CASES = int(os.environ.get("LAMINA_FUZZ", "400"))
FIRST = int(os.environ.get("LAMINA_FUZZ_SEED", "1"))
TOKENS = (*"x0()[]<>{},:=N#!\0é\"", "-1", "1.5", "->", "true", "%0", "@w", "99999999999999999999", "f32", "floordiv",
          "max", "graph.add", "!graph.tensor<2 x f32>")  # fmt: skip


@functools.cache
def chunks() -> list[str]:
    """The texts of the dialects' tests, without comments; a file may hold several."""
    found = []
    for path in sorted(FOLDER.rglob("*.mlir")):
        text = re.sub(r"//(?! -----).*", "", path.read_text())
        found += [chunk for chunk in re.split(r"// -+", text) if 0 < len(chunk.strip()) < 4000]
    return [chunk for chunk in found if "graph." in chunk or "kernel." in chunk or "schedule." in chunk]


def damaged(seed: int) -> str:
    """A text in which a character or a token is gone, doubled, moved or another."""
    rng = random.Random(seed)
    text = rng.choice(chunks())
    if rng.random() < 0.3:
        place = rng.randrange(len(text))
        return text[:place] + rng.choice(["", "", *'x%@0()[]<>{},:=-"#! \n']) + text[place + 1 :]
    tokens = re.findall(r"\s+|[\w.$]+|.", text)
    places = [index for index, token in enumerate(tokens) if not token.isspace()]
    place = rng.choice(places)
    kind = rng.randrange(4)
    if kind == 0:
        tokens[place] = ""
    elif kind == 1:
        tokens[place] *= 2
    elif kind == 2:
        tokens[place] = rng.choice(TOKENS)
    else:
        other = rng.choice(places)
        tokens[place], tokens[other] = tokens[other], tokens[place]
    return "".join(tokens)


def attempt(text: str) -> None:
    try:
        module = LocatedParser(CompilerContext(), text.encode(), "damaged.mlir").parse_module()
        module.verify()
    except ParseError as error:
        assert re.search(r"damaged.mlir:\d+:\d+", str(error)), str(error)
        assert 0 <= error.span.start <= len(text)
    except VerifyException as error:
        assert str(error).strip()


@pytest.mark.parametrize("block", range(4))
def test_damaged_text_is_refused_at_its_place(block: int) -> None:
    for seed in range(FIRST + block, FIRST + CASES, 4):
        try:
            attempt(damaged(seed))
        except Exception as error:
            raise AssertionError(f"LAMINA_FUZZ_SEED={seed} LAMINA_FUZZ=1") from error


@pytest.mark.parametrize(
    ("line", "column", "what"),
    [
        ("  %0 = graph.constant @w : !graph.tensor<2 x y f32>", 48, "x"),
        ("  %0 = graph.constant @w : !graph.tensor<2 x +N x f32>", 45, "expected a dimension"),
        ("  %0 = graph.constant @w : !graph.tensor<2 x f33>", 48, ""),
        ("  %0 = graph.constant : !graph.tensor<2 x f32>", 23, "symbol name"),
        ("  %0 = graph.nothing", 8, "graph.nothing"),
        ("  %0 = graph.constant @w : !graph.tensor<-2 x f32>", 3, "-2"),
    ],
)
def test_an_error_points_at_its_line_and_column(line: str, column: int, what: str) -> None:
    text = f"func.func @main() {{\n{line}\n  func.return\n}}\n"
    with pytest.raises((ParseError, VerifyException)) as caught:
        LocatedParser(CompilerContext(), text.encode(), "text.mlir").parse_module()
    found = re.search(r"text.mlir:(\d+):(\d+)", str(caught.value))
    assert found is not None, str(caught.value)
    assert found[1] == "2"
    assert abs(int(found[2]) - column) <= 3, str(caught.value)
    assert what in str(caught.value)
