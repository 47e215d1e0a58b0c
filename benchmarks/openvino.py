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


def runners(path: Path, feeds: Feeds, threads: int, precision: str = "f32") -> dict[str, Callable[[], Any]]:
    """By its name what runs a model on inputs; nothing where it is not installed, or does not take the model.

    It is compiled for the shapes of the inputs; ``precision`` is that of its products of floats, which some processors
    multiply as bf16 by default.
    """
    if not is_installed():
        return {}
    try:
        return {NAME: _runner(path, feeds, threads, precision)}
    except RuntimeError:  # Of its own passes, some of which trip over quantised models.
        return {}


def _runner(path: Path, feeds: Feeds, threads: int, precision: str) -> Callable[[], Any]:
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
