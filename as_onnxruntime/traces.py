"""A session's profile: what it did and for how long, as a trace that Chrome and Perfetto show."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.binding import Binding
from ..runtime.inspection import StageTimer
from ..runtime.segment import SegmentRunner


class Trace:
    """Events since ``start``, in nanoseconds of ``time.monotonic_ns``. Any number of threads may add some."""

    def __init__(self, prefix: str):
        now = datetime.now()
        self.path = f"{prefix}_{now:%Y-%m-%d_%H-%M-%S}_{now.microsecond // 1000:03d}.json"
        self.start = time.monotonic_ns()
        self._events: list[dict[str, Any]] = []
        self._is_written = False

    def add(self, category: str, name: str, begin: int, duration: int, **arguments: Any) -> None:
        """Times in nanoseconds; ``begin`` is of ``time.monotonic_ns``."""
        self._events.append(
            {
                "cat": category,
                "pid": os.getpid(),
                "tid": threading.get_native_id(),
                "dur": duration // 1000,
                "ts": (begin - self.start) // 1000,
                "ph": "X",
                "name": name,
                "args": arguments,
            }
        )

    def finish(self) -> str:
        """Writes the file, once, and gives its path."""
        if not self._is_written:
            self._is_written = True
            lines = ",\n".join(json.dumps(event) for event in self._events)
            Path(self.path).write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        return self.path


class TracedRun(StageTimer):
    """Runs the stages one by one and adds each to the trace."""

    def __init__(self, trace: Trace):
        super().__init__()
        self._trace = trace

    def run(self, runner: SegmentRunner, binding: Binding, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        begin, known = time.monotonic_ns(), len(self.times)
        outputs = super().run(runner, binding, arrays)
        for stage in self.times[known:]:
            self._trace.add(
                "Node",
                f"{stage.stage}_kernel_time",
                begin,
                stage.nanoseconds,
                op_name=stage.function,
                provider="CPUExecutionProvider",
                segment=stage.segment,
                threads=stage.threads,
            )
            begin += stage.nanoseconds
        return outputs
