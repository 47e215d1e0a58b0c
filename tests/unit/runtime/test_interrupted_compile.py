"""Ctrl-C during a compilation: it ends soon, leaves nothing half done, and the next one works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# Interrupts the compilations of a model later and later, until one is through before; says how often it did so, and how
# many seconds an interrupt took at most.
SCRIPT = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
import lamina
from lamina.benchmarks.small_networks import CLASSIFIER, SENTENCES

folder = Path(sys.argv[1])
model, feeds = SENTENCES.model(), SENTENCES.feeds({"B": 2, "S": 30})

def cold(name):
    os.environ["LAMINA_CACHE_DIR"] = str(folder / name)

def build(name):
    lamina.compile(model).save(folder / f"{name}.lamina")

def interrupt(*_):
    global fired
    fired = True
    signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGALRM, interrupt)

cold("other")
lamina.compile(CLASSIFIER.model())  # What is imported on the way has been imported now.
interrupted, slowest = 0, 0.0
for number in range(30):
    cold(f"cache{number}")
    delay, fired = 0.02 * 1.6**number, False
    expected_at = time.monotonic() + delay
    try:
        signal.setitimer(signal.ITIMER_REAL, delay)
        build(f"file{number}")
        signal.setitimer(signal.ITIMER_REAL, 0)
        if not fired:
            break
        # Python itself drops what is raised in a finalizer.
    except KeyboardInterrupt:
        slowest = max(slowest, time.monotonic() - expected_at)
        interrupted += 1
        assert not (folder / f"file{number}.lamina").exists()
    assert not list(folder.glob(".*")), list(folder.glob(".*"))
    assert not list(folder.rglob(".new.*")) and not list(folder.rglob("*.tmp"))

# What the interrupted compilations have left in their caches is whole.
expected = lamina.load(folder / f"file{number}.lamina").run(feeds)["y"]
for earlier in range(0, number, 3):
    cold(f"cache{earlier}")
    assert np.array_equal(lamina.compile(model).run(feeds)["y"], expected)
print(interrupted, slowest)
"""


def test_ctrl_c_during_compilation(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("LAMINA_CACHE", "LAMINA_THREADS")}
    finished = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=200, env=environment
    )
    assert finished.returncode == 0, finished.stderr
    interrupted, slowest = finished.stdout.split()
    assert int(interrupted) >= 2 and float(slowest) < 20
