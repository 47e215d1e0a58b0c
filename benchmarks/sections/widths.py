"""One compiled model at 200 widths in one process that cannot compile: no recompilation, and memory that stays flat."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.table import Table

from ...compiler import compile
from ..networks import NETWORKS

# In random order, but the widest first: the memory for it is needed whatever comes before.
WIDTHS = tuple(sorted(range(48, 48 + 200 * 4, 4), key=lambda width: (width != 844, width * 7919 % 1009)))

# The process has no compiler: were code for a new width needed, it would fail.
_SCRIPT = """
import json, sys, time
for name in ("xdsl", "llvmlite", "onnx"):
    sys.modules[name] = None
import numpy as np
import lamina

def resident_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))

executable = lamina.load(sys.argv[1])
rng = np.random.default_rng(0)
first, second, memory = [], [], []
for width in json.loads(sys.argv[2]):
    feeds = {"x": rng.standard_normal((1, 3, 48, width), dtype=np.float32)}
    for times in (first, second):
        begin = time.perf_counter()
        executable.run(feeds)
        times.append((time.perf_counter() - begin) * 1e3)
    memory.append(resident_mib())
print(json.dumps({"first_ms": first, "second_ms": second, "resident_mib": memory}))
"""


def measure() -> dict[str, Any]:
    """By width: ms of the first and of the second call, and resident memory after them. Or why it failed."""
    try:
        executable = compile(NETWORKS["ppocr_v4_rec"].locate(), threads=1)
    except Exception as error:  # Shown as a row like any other figure.
        return {"failure": f"{type(error).__name__}: {error}"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rec.lamina"
        executable.save(path)
        command = [sys.executable, "-c", _SCRIPT, str(path), json.dumps(WIDTHS)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return {"failure": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return {"failure": None, "widths": WIDTHS, **json.loads(done.stdout)}


def table(result: dict[str, Any]) -> Table:
    shown = Table("what", title=f"PP-OCRv4 recognition at {len(WIDTHS)} widths, in a process without the compiler")
    shown.add_column("", justify="right")
    if result["failure"]:
        shown.add_row("failed", f"[red]{result['failure']}[/]")
        return shown
    extra = [first - second for first, second in zip(result["first_ms"], result["second_ms"], strict=True)][1:]
    memory = result["resident_mib"]
    shown.add_row("a width's first call over its second, median", f"{sorted(extra)[len(extra) // 2]:.2f} ms")
    shown.add_row("the same, worst", f"{max(extra):.2f} ms")
    shown.add_row("resident memory after 10 widths", f"{memory[9]:.1f} MiB")
    shown.add_row(f"after {len(WIDTHS)}", f"{memory[-1]:.1f} MiB")
    return shown
