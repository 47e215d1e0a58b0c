"""What is paid whatever the model: a call on a model of one op, and the import."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from rich.table import Table

from ...compiler import compile

_CALLS = 20_000
_IMPORTS = {
    "import lamina": "import lamina",
    "lamina.load": "import lamina; lamina.load",
    "lamina.compile": "import lamina; lamina.compile",
}


def one_op_model() -> onnx.ModelProto:
    """y = relu(x), x of 16 floats."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [16]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "one_op", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def measure() -> dict[str, Any]:
    """Median microseconds of a call by engine, and the least milliseconds of each import."""
    import onnxruntime

    model = one_op_model()
    feeds = {"x": np.linspace(-1, 1, 16, dtype=np.float32)}
    executable = compile(model, threads=1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return {
        "call_us": {
            "lamina": _microseconds(lambda: executable.run(feeds)),
            "onnxruntime": _microseconds(lambda: session.run(None, feeds)),
        },
        "import_ms": {label: _import_milliseconds(code) for label, code in _IMPORTS.items()},
    }


def _microseconds(call: Callable[[], Any]) -> float:
    times = []
    for _ in range(_CALLS):
        begin = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - begin)
    return statistics.median(times) / 1e3


def _import_milliseconds(code: str) -> float:
    """The best of several fresh processes, so that the files are in the system's cache."""
    script = f"import time; begin = time.perf_counter(); {code}; print(time.perf_counter() - begin)"
    runs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True) for _ in range(5)
    ]
    return min(float(done.stdout) for done in runs) * 1e3


def table(result: dict[str, Any]) -> Table:
    shown = Table("what", title="overhead")
    shown.add_column("", justify="right")
    for engine, microseconds in result["call_us"].items():
        shown.add_row(f"a call on a one-op model, {engine}", f"{microseconds:.1f} us")
    for label, milliseconds in result["import_ms"].items():
        shown.add_row(label, f"{milliseconds:.0f} ms")
    return shown
