"""``onnxruntime.backend``: ONNX's interface for engines, on sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .options import RunOptions, SessionOptions
from .session import InferenceSession


class BackendSession:
    """A model that runs: ``run`` takes one array, a list in the order of the inputs, or a dictionary."""

    def __init__(self, session: InferenceSession):
        self._session = session

    def run(self, inputs: Any, **kwargs: Any) -> Any:
        """All outputs in order. ``kwargs`` are fields of RunOptions. Raises as ``InferenceSession.run`` does."""
        options = RunOptions()
        for name, value in kwargs.items():
            setattr(options, name, value)
        names = [node.name for node in self._session.get_inputs()]
        if not isinstance(inputs, Mapping):
            values = inputs if isinstance(inputs, (list, tuple)) else [inputs]
            inputs = dict(zip(names, values, strict=False))
        return self._session.run(None, inputs, options)


def is_compatible(model: Any, device: str | None = None, **kwargs: Any) -> bool:
    """Whether the model can be run here."""
    return device is None or supports_device(device)


def supports_device(device: str) -> bool:
    """The CPU alone."""
    return device.partition(":")[0] == "CPU"


def prepare(model: Any, device: str | None = None, **kwargs: Any) -> BackendSession:
    """A path, bytes, an ONNX model or a session to run. ``kwargs`` are fields of SessionOptions.

    Raises RuntimeError for another device.
    """
    if isinstance(model, BackendSession):
        return model
    if isinstance(model, InferenceSession):
        return BackendSession(model)
    if device is not None and not supports_device(device):
        raise RuntimeError(f"Incompatible device: expected 'CPU', got '{device}'")
    options = SessionOptions()
    for name, value in kwargs.items():
        setattr(options, name, value)
    source = model.SerializeToString() if hasattr(model, "SerializeToString") else model
    return BackendSession(InferenceSession(source, options))


def run(model: Any, inputs: Any, device: str | None = None, **kwargs: Any) -> Any:
    """All outputs of a model, which is opened each time."""
    return prepare(model, device).run(inputs, **kwargs)


run_model = run

__all__ = ["BackendSession", "is_compatible", "prepare", "run", "run_model", "supports_device"]
