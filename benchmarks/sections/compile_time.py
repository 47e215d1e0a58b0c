"""Cold compile time, of networks and of their quantised forms, each in a fresh process, and where the time goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.table import Table

from ..networks import Network
from ..quantised_networks import quantised
from .quantised import CASES

_WORTH_A_ROW = 0.05
"""Seconds; what takes less in every network is in the line of the rest."""

# Prints, as its last line, the seconds by pass and in all. Imports count: a user waits for them too.
_SCRIPT = """
import json, sys, time
begin = time.perf_counter()
import lamina.context
from lamina.compiler import compile
from lamina.pipeline import PipelineOptions
imported = time.perf_counter()
options = PipelineOptions()
compile(sys.argv[1], options=options)
end = time.perf_counter()
passes = [[timing.phase, timing.name, timing.seconds] for timing in options.timings]
print(json.dumps({"total": end - begin, "imports": imported - begin, "passes": passes}))
"""


def measure(networks: Iterable[Network]) -> list[dict[str, Any]]:
    """A row a network: seconds in all, of the imports, and by pass in the order run; or why it failed.

    Another for its quantised form, if it is raced in one.
    """
    rows: list[dict[str, Any]] = []
    for network in networks:
        rows.append(_measure_file(network.name, network.locate()))
        if (network.name, "QDQ") in CASES:
            rows.append(_measure_file(f"{network.name}, QDQ", quantised(network, "QDQ")))
    return rows


def _measure_file(name: str, path: Path) -> dict[str, Any]:
    environment = {**os.environ, "LAMINA_CACHE": "off"}
    command = [sys.executable, "-c", _SCRIPT, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"network": name, "failure": reason}
    return {"network": name, "failure": None, **json.loads(done.stdout.splitlines()[-1])}


def table(rows: list[dict[str, Any]]) -> Table:
    result = Table("phase", "pass", title="cold compile, seconds")
    for row in rows:
        result.add_column(row["network"], justify="right")
    steps = list(dict.fromkeys((phase, name) for row in rows for phase, name, _ in row.get("passes", ())))
    times = [_seconds_by_step(row) for row in rows]
    listed = {step for step in steps if max(seconds.get(step, 0.0) for seconds in times) >= _WORTH_A_ROW}
    for step in steps:
        if step in listed:
            result.add_row(*step, *(f"{seconds.get(step, 0.0):.2f}" for seconds in times))
    result.add_section()
    result.add_row("", "imports", *("" if row["failure"] else f"{row['imports']:.2f}" for row in rows))
    result.add_row(
        "", "loading passes, the rest", *(_rest(row, seconds, listed) for row, seconds in zip(rows, times, strict=True))
    )
    totals = [f"[red]{row['failure']}[/]" if row["failure"] else f"{row['total']:.2f}" for row in rows]
    result.add_row("", "in all", *totals)
    return result


def _seconds_by_step(row: dict[str, Any]) -> dict[tuple[str, str], float]:
    seconds: dict[tuple[str, str], float] = {}
    for phase, name, time in row.get("passes", ()):
        seconds[phase, name] = seconds.get((phase, name), 0.0) + time
    return seconds


def _rest(row: dict[str, Any], seconds: dict[tuple[str, str], float], listed: set[tuple[str, str]]) -> str:
    """What neither the imports nor a step in the table took."""
    if row["failure"]:
        return ""
    return f"{row['total'] - row['imports'] - sum(seconds.get(step, 0.0) for step in listed):.2f}"
