"""Small models that XGBoost and LightGBM trained, kept as onnxmltools exported them: missing values go a learned way,
categories are sets; beside what the libraries themselves predict (boosted/expected.json), and onnxruntime.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest

FOLDER = Path(__file__).parent / "boosted"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
X = np.array(EXPECTED["x"], np.float32)


def numbers(value: Any) -> np.ndarray:
    """An array, of dictionaries their values."""
    return np.array([list(row.values()) for row in value]) if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.textproto")))
def test_as_the_library_predicts(name: str) -> None:
    model = onnx.load(FOLDER / f"{name}.textproto", format="textproto").SerializeToString()
    found = lamina.InferenceSession(model).run(None, {"X": X})
    expected = onnxruntime.InferenceSession(model).run(None, {"X": X})
    for have, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(numbers(have), numbers(want), rtol=1e-5, atol=1e-6)
    own = np.array(EXPECTED[name])
    np.testing.assert_allclose(numbers(found[-1]).reshape(own.shape), own, rtol=1e-5, atol=1e-6)
