"""Networks of the zoo in 8-bit integers, as onnxruntime's own tools write them."""

from __future__ import annotations

import logging
from pathlib import Path

from .cache import cache_folder, written_whole
from .networks import Feeds, Network

FORMS = ("QDQ", "dynamic")
_CALIBRATED_ON = 2


def quantised(network: Network, form: str) -> Path:
    """The network's file in that form, made on the first call and kept.

    ``QDQ``: 8-bit numbers throughout, of ranges seen on random inputs, weights by channel. ``dynamic``: products whose
    inputs are rounded by the range of each run.
    """
    source = network.locate()
    path = cache_folder("quantised") / f"{source.stem}.{form}.onnx"
    if not path.exists():
        logging.disable(logging.WARNING)  # It advises to change the model first.
        try:
            with written_whole(path) as temporary:
                _write(source, temporary, network, form)
        finally:
            logging.disable(logging.NOTSET)
    return path


def _write(source: Path, target: Path, network: Network, form: str) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

    if form == "dynamic":
        quantize_dynamic(source, target, weight_type=QuantType.QInt8)
        return
    quantize_static(
        source,
        target,
        _reader(network),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def _reader(network: Network):
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        """Feeds of some seeds, one after another."""

        def __init__(self) -> None:
            self.feeds = iter([network.feeds(seed=seed) for seed in range(_CALIBRATED_ON)])

        def get_next(self) -> Feeds | None:
            return next(self.feeds, None)

    return Reader()
