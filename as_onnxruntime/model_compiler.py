"""``ModelCompiler``: a model compiled ahead of time. What it writes is Lamina's compiled file, which sessions load."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..runtime.file_format import to_bytes
from . import models
from .enumerations import GraphOptimizationLevel, OrtCompileApiFlags
from .failures import InvalidArgument, LaminaError, failure
from .options import SessionOptions


class OrtExternalInitializerInfo:
    """Where a weight lies: a file, the byte that it begins at, and its number of bytes."""

    def __init__(self, filepath: str, file_offset: int, byte_size: int):
        self.filepath, self.file_offset, self.byte_size = filepath, file_offset, byte_size


class ModelCompiler:
    """Compiles a model, to a file or in memory. The weights are always part of the result.

    Raises TypeError for what is neither a path nor bytes, ValueError where it is empty.
    """

    def __init__(
        self,
        sess_options: SessionOptions,
        input_model_path_or_bytes: str | os.PathLike[str] | bytes,
        embed_compiled_data_into_model: bool = False,
        external_initializers_file_path: str | os.PathLike[str] | None = None,
        external_initializers_size_threshold: int = 1024,
        flags: int = OrtCompileApiFlags.NONE,
        graph_optimization_level: GraphOptimizationLevel = GraphOptimizationLevel.ORT_DISABLE_ALL,
        get_initializer_location_func: Callable[..., Any] | None = None,
    ):
        source = input_model_path_or_bytes
        if not isinstance(source, (str, os.PathLike, bytes)):
            raise TypeError(f"Unable to load from type '{type(source)}'")
        if not source:
            raise ValueError(f"Input model {'bytes array' if isinstance(source, bytes) else 'path'} is empty")
        if external_initializers_file_path and not isinstance(external_initializers_file_path, (str, os.PathLike)):
            found = type(external_initializers_file_path)
            raise TypeError(f"Output external initializer filepath is of unexpected type '{found}'")
        if external_initializers_file_path and get_initializer_location_func is not None:
            raise ValueError(
                "Cannot initialize ModelCompiler with both `external_initializers_file_path` "
                "and `get_initializer_location_func`"
            )
        self._source: models.Source = source if isinstance(source, bytes) else Path(source)
        self._options, self._flags = sess_options, flags
        if isinstance(self._source, Path) and not self._source.is_file():
            raise failure(InvalidArgument, f'Input model path does not exist: "{self._source}"')

    def compile_to_bytes(self) -> bytes:
        """The compiled model, as its file would hold it."""
        try:
            return to_bytes(models.open_model(self._source, self._options))
        except LaminaError as error:
            raise models.model_failure(error) from error

    def compile_to_file(self, output_model_path: str | os.PathLike[str] | None = None) -> None:
        """Without a path the file lies beside the model, with ``_ctx`` in its name."""
        if output_model_path and not isinstance(output_model_path, (str, os.PathLike)):
            raise TypeError(f"Output model's filepath is of unexpected type '{type(output_model_path)}'")
        if not output_model_path and not isinstance(self._source, Path):
            raise failure(InvalidArgument, "a model that was given as bytes has no path: give that of the output")
        path = Path(output_model_path) if output_model_path else self._beside()
        if self._flags & OrtCompileApiFlags.ERROR_IF_OUTPUT_FILE_EXISTS and path.exists():
            raise failure(InvalidArgument, f"the output '{path}' exists already")
        content = self.compile_to_bytes()
        try:
            path.write_bytes(content)
        except OSError as error:
            raise failure(InvalidArgument, f"the compiled model cannot be written to '{path}': {error}") from None

    def compile_to_stream(self, write_function: Callable[[bytes], None]) -> None:
        """Hands the compiled model to a function."""
        write_function(self.compile_to_bytes())

    def set_ep_context_data_write_func(self, write_func: Callable[..., None]) -> None:
        """Accepted and without effect: nothing is kept outside of the result."""

    def clear_ep_context_data_write_func(self) -> None:
        """Accepted and without effect."""

    def set_ep_context_binary_information(self, output_directory: str | os.PathLike[str], model_name: str) -> None:
        """Accepted and without effect: nothing is kept outside of the result."""

    def _beside(self) -> Path:
        assert isinstance(self._source, Path)
        return self._source.with_name(f"{self._source.stem}_ctx.onnx")
