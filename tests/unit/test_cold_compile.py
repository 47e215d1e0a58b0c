"""What a compile that finds nothing in the cache does not spend time on."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import lamina
import numpy as np
import onnx
import pytest
from lamina.errors import LaminaError
from onnx import TensorProto, helper, numpy_helper

RUN = """
import sys
import lamina
lamina.compile(sys.argv[1])
print("sympy" in sys.modules)
"""


def convolution(size: int | str, channels: int = 3) -> onnx.ModelProto:
    """Of 3 channels; other ``channels`` make a model that is not valid."""
    weights = np.ones((8, channels, 3, 3), np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, None, None])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize(("size", "is_imported"), [(12, False), ("H", True)])
def test_sympy_is_imported_only_for_sizes_that_are_not_known(
    size: int | str, is_imported: bool, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(convolution(size), path)
    environment = {**os.environ, "LAMINA_CACHE": "off"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(is_imported)]


def test_the_collector_runs_again_after_a_compile() -> None:
    lamina.compile(convolution(12))
    assert gc.isenabled()
    with pytest.raises(LaminaError):
        lamina.compile(convolution(12, channels=5))
    assert gc.isenabled()
