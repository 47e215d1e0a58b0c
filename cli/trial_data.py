"""The data that ``lamina quantize`` tries a model on: arrays, pictures, or random inputs where that will do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..runtime.executable import TensorInfo
from .images import SUFFIXES, Normalization, read_image

if TYPE_CHECKING:
    import numpy as np


def data_in(path: Path, model: Path, sizes: Mapping[str, int], normalization: Normalization) -> Path | list[Any]:
    """Pictures of a folder as feeds, each prepared as ``images`` says; else the path, which holds arrays."""
    pictures = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES) if path.is_dir() else []
    if not pictures:
        return path
    inputs = onnx_inputs(model)
    if len(inputs) != 1:
        raise typer.BadParameter(
            f"'{path}' holds pictures, but the model has {len(inputs)} inputs: give .npz files with all of them",
            param_hint="--data",
        )
    (info,) = inputs
    shape = tuple(sizes.get(dim, dim) if isinstance(dim, str) else dim for dim in info.shape)
    prepared = TensorInfo(info.name, info.dtype, shape)
    return [_feeds(picture, prepared, normalization) for picture in pictures]


def onnx_inputs(model: Path) -> list[TensorInfo]:
    """What an ONNX model says of its inputs; dims without a name are called ``?``."""
    import onnx

    graph = onnx.load(model, load_external_data=False).graph
    defaults = {tensor.name for tensor in graph.initializer}
    return [_info(value) for value in graph.input if value.name not in defaults]


def _info(value: Any) -> TensorInfo:
    from onnx.helper import tensor_dtype_to_np_dtype

    tensor = value.type.tensor_type
    dims = (dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in tensor.shape.dim)
    return TensorInfo(value.name, tensor_dtype_to_np_dtype(tensor.elem_type), tuple(dims))


def _feeds(picture: Path, info: TensorInfo, normalization: Normalization) -> dict[str, np.ndarray]:
    return {info.name: read_image(picture, info, normalization)}
