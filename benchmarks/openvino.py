"""OpenVINO as a second peer, where it is installed: it needs not be."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from .networks import Feeds

NAME = "openvino"


def is_installed() -> bool:
    return importlib.util.find_spec(NAME) is not None


def remark() -> str:
    """Which version takes part, or that none does."""
    if not is_installed():
        return "OpenVINO is not installed (pip install openvino)"
    return f"OpenVINO {importlib.import_module(NAME).__version__.split('-')[0]}"


@cache
def _core() -> Any:
    return importlib.import_module(NAME).Core()


def runner(path: Path, feeds: Feeds, threads: int, precision: str = "f32") -> Callable[[], Any]:
    """Runs a model on inputs, of whose shapes it is compiled; ``precision`` is that of its products of floats.

    On some processors it multiplies floats as bf16 by default.
    """
    model = _core().read_model(path)
    model.reshape({name: list(array.shape) for name, array in feeds.items()})
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": precision,
    }
    request = _core().compile_model(model, "CPU", settings).create_infer_request()
    return lambda: request.infer(feeds)
