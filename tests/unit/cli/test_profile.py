"""``lamina profile``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_shows_every_stage(lamina, model: Path) -> None:
    code, output, _ = lamina("profile", model, "--dim", "N=100", "--threads", "1", "--json")
    stages = json.loads(output)["stages"]
    assert code == 0
    assert [(stage["stage"], stage["kind"], stage["threads"]) for stage in stages] == [("map0", "map", 1)]
    assert sum(stage["share"] for stage in stages) == pytest.approx(1)
    assert "map0" in lamina("profile", model, "--runs", "1")[1]
