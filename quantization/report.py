"""What quantising a model did, layer by layer."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class LayerReport:
    """A product of the model.

    ``form`` is what it has become, ``float32`` where it stays; ``reason`` why. Errors are relative to the root mean
    square of the layer's own result, its inputs being exact: ``error_before`` of plain rounding, ``error`` with what
    was done against it. ``output_error``: that of the model's results with this layer alone narrow. None: not measured.
    Times are seconds on one core: predicted, and those measured where that was asked for.
    """

    name: str
    operator: str
    form: str = "float32"
    reason: str = ""
    error_before: float | None = None
    error: float | None = None
    output_error: float | None = None
    remedies: list[str] = field(default_factory=list)
    seconds_before: float | None = None
    seconds: float | None = None
    measured_before: float | None = None
    measured: float | None = None
    bytes_before: int = 0
    bytes: int = 0

    @property
    def is_narrow(self) -> bool:
        return self.form != "float32"

    @property
    def times(self) -> tuple[float | None, float | None]:
        """Seconds before and after: as measured, else as predicted."""
        if self.measured is not None:
            return self.measured_before, self.measured
        return self.seconds_before, self.seconds

    @property
    def snr(self) -> float | None:
        """Signal over noise of the layer's result, in decibels."""
        return decibels(self.error)


@dataclass
class QuantizationReport:
    """Of a whole model. ``error`` is that of its results on the data, ``budget`` what it may be."""

    to: str
    target: str
    calibration: str
    samples: int
    data: str = ""
    layers: list[LayerReport] = field(default_factory=list)
    error: float | None = None
    budget: float | None = None
    bytes_before: int = 0
    bytes: int = 0
    notes: list[str] = field(default_factory=list)
    model: str = ""
    output: str = ""

    @property
    def narrow(self) -> list[LayerReport]:
        return [layer for layer in self.layers if layer.is_narrow]

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        layers = [{**asdict(layer), "snr_db": layer.snr} for layer in self.layers]
        return {**asdict(self), "snr_db": decibels(self.error), "layers": layers}


def decibels(error: float | None) -> float | None:
    """The ratio of signal to noise that goes with a relative error; None where there is no error, or none known."""
    return -20 * math.log10(error) if error else None
