"""``onnxruntime.quantization`` for where the real package is not installed: its functions by Lamina's own quantization.

The files are ONNX, as those of the original; which layers are made narrow Lamina decides by what pays.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .failures import NotImplemented, failure


class QuantType(enum.Enum):
    QInt8 = 0
    QUInt8 = 1
    QFLOAT8E4M3FN = 2
    QInt16 = 3
    QUInt16 = 4
    QInt4 = 5
    QUInt4 = 6


class QuantFormat(enum.Enum):
    QOperator = 0
    QDQ = 1


class CalibrationMethod(enum.Enum):
    MinMax = 0
    Entropy = 1
    Percentile = 2
    Distribution = 3


class CalibrationDataReader:
    """Gives the feeds of one run after the other: ``get_next`` returns a dictionary, or None at the end."""

    def get_next(self) -> dict[str, Any] | None:
        raise NotImplementedError("a reader says in get_next what the next run is fed")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while (feeds := self.get_next()) is not None:
            yield feeds


def quantize_dynamic(
    model_input: Any,
    model_output: str | Path,
    op_types_to_quantize: Sequence[str] | None = None,
    per_channel: bool = False,
    reduce_range: bool = False,
    weight_type: QuantType = QuantType.QInt8,
    nodes_to_quantize: Sequence[str] | None = None,
    nodes_to_exclude: Sequence[str] | None = None,
    use_external_data_format: bool = False,
    extra_options: Mapping[str, Any] | None = None,
) -> None:
    """Weights of 8 bits (or 4), activations of 8 found while the model runs. Raises NotImplemented for other types."""
    from ..quantization.quantize import quantize

    forms = {QuantType.QInt8: "int8-dynamic", QuantType.QUInt8: "int8-dynamic", QuantType.QInt4: "int4",
             QuantType.QUInt4: "int4"}  # fmt: skip
    if weight_type not in forms:
        raise failure(NotImplemented, f"weights of {weight_type}: expected one of {', '.join(map(str, forms))}")
    quantize(model_input, model_output, to=forms[weight_type], keep=list(nodes_to_exclude or ()), all_layers=True)


def quantize_static(
    model_input: Any,
    model_output: str | Path,
    calibration_data_reader: CalibrationDataReader,
    quant_format: QuantFormat = QuantFormat.QDQ,
    op_types_to_quantize: Sequence[str] | None = None,
    per_channel: bool = False,
    reduce_range: bool = False,
    activation_type: QuantType = QuantType.QInt8,
    weight_type: QuantType = QuantType.QInt8,
    nodes_to_quantize: Sequence[str] | None = None,
    nodes_to_exclude: Sequence[str] | None = None,
    use_external_data_format: bool = False,
    calibrate_method: CalibrationMethod = CalibrationMethod.MinMax,
    extra_options: Mapping[str, Any] | None = None,
) -> None:
    """Weights and activations of 8 bits, whose ranges are those in the reader's runs; the file has the form QDQ.

    Raises NotImplemented for other types, forms and methods.
    """
    from ..quantization.quantize import quantize
    from ..quantization.ranges import Calibration

    eight_bits = (QuantType.QInt8, QuantType.QUInt8)
    if activation_type not in eight_bits or weight_type not in eight_bits:
        raise failure(
            NotImplemented, f"activations of {activation_type} and weights of {weight_type}: 8 bits are there"
        )
    if quant_format is not QuantFormat.QDQ:
        raise failure(NotImplemented, f"{quant_format}: models are written as QuantFormat.QDQ")
    methods = {
        CalibrationMethod.MinMax: Calibration.MINIMUM_MAXIMUM,
        CalibrationMethod.Percentile: Calibration.PERCENTILE,
        CalibrationMethod.Entropy: Calibration.MEAN_SQUARE,
    }
    if calibrate_method not in methods:
        raise failure(NotImplemented, f"{calibrate_method}: expected one of {', '.join(map(str, methods))}")
    feeds = iter(calibration_data_reader.get_next, None)
    keep = list(nodes_to_exclude or ())
    calibration = methods[calibrate_method]
    quantize(model_input, model_output, data=feeds, keep=keep, calibration=calibration, all_layers=True)


def quant_pre_process(input_model: Any, output_model_path: str | Path, *_skipped: Any, **_options: Any) -> None:
    """The model with its functions inlined and all types inferred, which is what quantization reads."""
    import onnx

    from ..frontend.model_file import load_model

    onnx.save(onnx.shape_inference.infer_shapes(load_model(input_model)), output_model_path)


__all__ = [
    "CalibrationDataReader",
    "CalibrationMethod",
    "QuantFormat",
    "QuantType",
    "quant_pre_process",
    "quantize_dynamic",
    "quantize_static",
]
