from __future__ import annotations

from lamina.cli.free_sizes import assumed_sizes


def test_pictures_sentences_and_batches() -> None:
    shapes = [("N", 3, "H", "W"), ("N", "length"), ("n_batches", "frames", 80)]
    sizes = {"N": 1, "H": 224, "W": 224, "length": 64, "n_batches": 1, "frames": 64}
    assert assumed_sizes(shapes) == sizes


def test_a_dim_in_several_places_has_the_smallest_size() -> None:
    assert assumed_sizes([(1, 3, "S", "S"), ("S",)]) == {"S": 1}


def test_what_is_never_bound_alone_is_one() -> None:
    assert assumed_sizes([("N", "past + length", 4), ("N", "length")]) == {"N": 1, "past": 1, "length": 64}
