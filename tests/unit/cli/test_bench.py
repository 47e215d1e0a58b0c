"""``lamina bench`` and the timing behind it."""

from __future__ import annotations

import json
from pathlib import Path

from lamina.cli.timing import measure_in_turn, warm_up


def test_reports_both_engines(lamina, model: Path) -> None:
    arguments = ("--seconds", "0.05", "--warm-up", "0", "--threads", "1", "--vs", "onnxruntime", "--json")
    code, output, _ = lamina("bench", model, *arguments)
    assert code == 0
    report = json.loads(output)
    assert set(report["engines"]) == {"lamina", "onnxruntime"}
    assert all(
        0 < row["min_ms"] <= row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"] for row in report["engines"].values()
    )
    assert all(row["runs_per_second"] > 0 and row["cpu_ms_per_run"] > 0 for row in report["engines"].values())
    assert report["warm_up"]["lamina"]["runs"] == 1


def test_shows_a_table_and_advice(lamina, model: Path) -> None:
    code, output, _ = lamina("bench", model, "--seconds", "0.05", "--threads", "1")
    assert code == 0
    for part in ("p50 ms", "p99 ms", "runs/s", "CPU ms/run", "warm-up of", "advice: free dims were taken as N = 1"):
        assert part in output
    assert "free dims" not in lamina("bench", model, "--seconds", "0.01", "--dim", "N=2")[1]


def test_other_engines_are_named(lamina, model: Path) -> None:
    code, _, errors = lamina("bench", model, "--vs", "abacus")
    assert code == 2
    assert "'abacus': expected onnxruntime" in errors


def test_engines_take_turns() -> None:
    order: list[str] = []
    result = measure_in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, seconds=0.0)
    assert "".join(order) == "ab" + "aaaabbbb"
    assert result["a"]["runs"] == 3


def test_one_engine_runs_on_without_pauses() -> None:
    order: list[str] = []
    seen: list[float] = []
    assert measure_in_turn({"a": lambda: order.append("a")}, 0.0, seen.append)["a"]["runs"] == 3
    assert len(order) == 1 + 3 and len(seen) == 1


def test_warm_up_runs_once_at_least() -> None:
    assert warm_up({"a": lambda: None, "b": lambda: None}, 0.0)["b"]["runs"] == 1
    assert warm_up({"a": lambda: None}, 0.01)["a"]["runs"] > 1
