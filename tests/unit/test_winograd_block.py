"""How Winograd's tiles of an image are cut in register tiles and blocks."""

from __future__ import annotations

import pytest
from lamina.passes.winograd_blocks import winograd_block

# Tiles of an image, how many fit L2, and the most rows that registers hold: 2 vectors wide, 4, and 6.
FITTING = [(4, 12, 6), (4, 45, 13), (9, 45, 13), (16, 22, 6), (16, 45, 13), (16, 60, 4), (36, 22, 6), (64, 45, 13)]


@pytest.mark.parametrize(("count", "largest", "most_rows"), FITTING)
def test_no_tile_is_computed_for_nothing_where_rows_divide_them(count: int, largest: int, most_rows: int) -> None:
    rows, tiles = winograd_block(count, largest, most_rows)
    assert rows <= most_rows
    assert tiles <= largest
    assert count % tiles == 0 and tiles % rows == 0


@pytest.mark.parametrize(("count", "expected"), [(17, (9, 18)), (25, (13, 26)), (49, (13, 26)), (1, (1, 1))])
def test_a_tile_too_many_is_cheaper_than_rows_that_share_no_load(count: int, expected: tuple[int, int]) -> None:
    assert winograd_block(count, 45, 13) == expected
