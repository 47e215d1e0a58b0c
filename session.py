"""``InferenceSession`` with onnxruntime's signatures, so that packages written for it run unchanged.

This module has the names that such packages import from onnxruntime. Options that have no meaning here are accepted:
what onnxruntime does on request (graph optimisation, memory arenas) always happens, and providers other than the CPU
do not exist. ``intra_op_num_threads`` sets the number of threads.
"""

from __future__ import annotations

import ctypes
import enum
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .runtime.errors import InputError, LaminaError
from .runtime.executable import Executable, TensorInfo, from_bytes, load
from .runtime.expressions import Dimension, is_symbol
from .runtime.file_format import MAGIC, is_compiled_model
from .runtime.shapes import describe_shape

_PROVIDER = "CPUExecutionProvider"

_TYPE_NAMES = {
    "float16": "float16",
    "float32": "float",
    "float64": "double",
    "bool": "bool",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "uint64": "uint64",
    "object": "string",
}


class GraphOptimizationLevel(enum.IntEnum):
    """Accepted and without effect: models are always optimised."""

    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99


class ExecutionMode(enum.IntEnum):
    """Accepted and without effect: the threads work on one operation together."""

    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


class ExecutionOrder(enum.IntEnum):
    """Accepted and without effect."""

    DEFAULT = 0
    PRIORITY_BASED = 1


class SessionOptions:
    """Of these ``intra_op_num_threads`` has an effect (0 stands for the default number of threads), and ``precision``,
    which is as in ``lamina.compile``.
    """

    def __init__(self) -> None:
        self.intra_op_num_threads = 0
        self.inter_op_num_threads = 0
        self.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_ALL
        self.execution_mode = ExecutionMode.ORT_SEQUENTIAL
        self.execution_order = ExecutionOrder.DEFAULT
        self.enable_cpu_mem_arena = True
        self.enable_mem_pattern = True
        self.enable_mem_reuse = True
        self.enable_profiling = False
        self.log_severity_level = 2
        self.log_verbosity_level = 0
        self.logid = ""
        self.optimized_model_filepath = ""
        self.profile_file_prefix = ""
        self.use_deterministic_compute = True
        self.precision = "f32"
        self._entries: dict[str, str] = {}
        self._free_dimensions: dict[str, int] = {}

    def add_session_config_entry(self, key: str, value: str) -> None:
        self._entries[key] = value

    def get_session_config_entry(self, key: str) -> str:
        if key not in self._entries:
            raise LaminaError(f"SessionOptions has no config entry '{key}'")
        return self._entries[key]

    def add_free_dimension_override_by_name(self, name: str, value: int) -> None:
        """Every dimension that the model calls ``name`` has this value; the model is compiled for it."""
        self._free_dimensions[name] = int(value)

    def register_custom_ops_library(self, path: str) -> None:
        raise LaminaError(f"custom operator libraries are not supported: cannot register '{path}'")


class RunOptions:
    """Accepted and without effect."""

    def __init__(self) -> None:
        self.log_severity_level = 2
        self.log_verbosity_level = 0
        self.logid = ""
        self.only_execute_path_to_fetches = False
        self.terminate = False
        self._entries: dict[str, str] = {}

    def add_run_config_entry(self, key: str, value: str) -> None:
        self._entries[key] = value

    def get_run_config_entry(self, key: str) -> str:
        return self._entries.get(key, "")


class NodeArg:
    """An input or output: its name, shape (ints, names of free dimensions, or None) and type, ``tensor(float)``."""

    def __init__(self, info: TensorInfo):
        self.name = info.name
        self.shape = [_node_dimension(dimension) for dimension in info.shape]
        self.type = f"tensor({_TYPE_NAMES.get(info.dtype.name, info.dtype.name)})"

    def __repr__(self) -> str:
        return f"NodeArg(name='{self.name}', type='{self.type}', shape={self.shape})"


def _node_dimension(dimension: Dimension) -> int | str | None:
    """onnxruntime names a free dimension and knows no expressions."""
    if isinstance(dimension, int):
        return dimension
    return dimension if is_symbol(dimension) else None


class ModelMetadata:
    """What the model file says of itself."""

    def __init__(self, metadata: Mapping[str, Any]):
        self.producer_name = str(metadata.get("producer_name", ""))
        self.graph_name = str(metadata.get("graph_name", ""))
        self.domain = str(metadata.get("domain", ""))
        self.description = str(metadata.get("description", ""))
        self.graph_description = str(metadata.get("graph_description", ""))
        self.version = int(metadata.get("version", 0))
        custom = metadata.get("custom", {})
        self.custom_metadata_map = {str(key): str(value) for key, value in custom.items()}


class OrtValue:
    """A tensor on the CPU: a NumPy array under onnxruntime's name."""

    def __init__(self, array: np.ndarray):
        self._array = array

    @staticmethod
    def ortvalue_from_numpy(array: np.ndarray, device_type: str = "cpu", device_id: int = 0) -> OrtValue:
        _require_cpu(device_type)
        return OrtValue(array)

    def numpy(self) -> np.ndarray:
        return self._array

    def shape(self) -> list[int]:
        return list(self._array.shape)

    def data_type(self) -> str:
        return f"tensor({_TYPE_NAMES.get(self._array.dtype.name, self._array.dtype.name)})"

    def device_name(self) -> str:
        return "cpu"

    def is_tensor(self) -> bool:
        return True

    def has_value(self) -> bool:
        return True


class IOBinding:
    """Inputs and outputs by name, bound before ``InferenceSession.run_with_iobinding``; everything is on the CPU.

    An output that is bound to memory of the caller is copied there.
    """

    def __init__(self, session: InferenceSession):
        self._session = session
        self._feeds: dict[str, Any] = {}
        self._destinations: dict[str, np.ndarray | None] = {}
        self._results: dict[str, np.ndarray] = {}

    def bind_cpu_input(self, name: str, array: np.ndarray) -> None:
        self._feeds[name] = array

    def bind_ortvalue_input(self, name: str, value: OrtValue) -> None:
        self._feeds[name] = value.numpy()

    def bind_input(
        self, name: str, device_type: str, device_id: int, element_type: Any, shape: Sequence[int], buffer_ptr: int
    ) -> None:
        _require_cpu(device_type)
        self._feeds[name] = _array_at(buffer_ptr, element_type, shape)

    def bind_output(
        self,
        name: str,
        device_type: str = "cpu",
        device_id: int = 0,
        element_type: Any = None,
        shape: Sequence[int] | None = None,
        buffer_ptr: int | None = None,
    ) -> None:
        _require_cpu(device_type)
        if buffer_ptr is None or shape is None:
            self._destinations[name] = None
        else:
            self._destinations[name] = _array_at(buffer_ptr, element_type, shape)

    def bind_ortvalue_output(self, name: str, value: OrtValue) -> None:
        self._destinations[name] = value.numpy()

    def clear_binding_inputs(self) -> None:
        self._feeds.clear()

    def clear_binding_outputs(self) -> None:
        self._destinations.clear()
        self._results = {}

    def synchronize_inputs(self) -> None:
        """Nothing is asynchronous."""

    def synchronize_outputs(self) -> None:
        """Nothing is asynchronous."""

    def get_outputs(self) -> list[OrtValue]:
        return [OrtValue(array) for array in self._results.values()]

    def copy_outputs_to_cpu(self) -> list[np.ndarray]:
        return list(self._results.values())

    def run(self) -> None:
        results = self._session.executable.run(self._feeds, list(self._destinations) or None)
        for name, destination in self._destinations.items():
            if destination is None:
                continue
            result = results[name]
            if destination.shape != result.shape or destination.dtype != result.dtype:
                raise InputError(
                    f"output '{name}' is {result.dtype} {describe_shape(result.shape)}, but it is bound to memory "
                    f"for {destination.dtype} {describe_shape(destination.shape)}"
                )
            destination[...] = result
            results[name] = destination
        self._results = results


def _array_at(address: int, element_type: Any, shape: Sequence[int]) -> np.ndarray:
    """The memory of the caller as an array."""
    dtype = np.dtype(element_type)
    count = int(np.prod(shape, dtype=np.int64))
    memory = (ctypes.c_char * (count * dtype.itemsize)).from_address(address)
    return np.frombuffer(memoryview(memory), dtype, count).reshape(shape)


class InferenceSession:
    """A model that runs. ``path_or_bytes`` is an ONNX model, which is compiled, or a compiled one, which is loaded.

    Raises LaminaError where the model cannot be read or compiled.
    """

    def __init__(
        self,
        path_or_bytes: str | bytes | os.PathLike[str],
        sess_options: SessionOptions | None = None,
        providers: Sequence[Any] | None = None,
        provider_options: Sequence[Mapping[str, Any]] | None = None,
        **_ignored: Any,
    ):
        self._options = sess_options or SessionOptions()
        self._provider_options = provider_options
        self.executable = _open(path_or_bytes, self._options)
        self._inputs = [NodeArg(info) for info in self.executable.inputs]
        self._outputs = [NodeArg(info) for info in self.executable.outputs]

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: RunOptions | None = None
    ) -> list[np.ndarray]:
        """The outputs named, or all in the model's order where ``output_names`` is None or empty."""
        return list(self.executable.run(_plain_feeds(input_feed), output_names or None).values())

    def run_with_ort_values(
        self, output_names: Sequence[str] | None, input_dict: Mapping[str, OrtValue], run_options: Any = None
    ) -> list[OrtValue]:
        return [OrtValue(array) for array in self.run(output_names, input_dict, run_options)]

    def run_with_iobinding(self, iobinding: IOBinding, run_options: RunOptions | None = None) -> None:
        iobinding.run()

    def io_binding(self) -> IOBinding:
        return IOBinding(self)

    def get_inputs(self) -> list[NodeArg]:
        return self._inputs

    def get_outputs(self) -> list[NodeArg]:
        return self._outputs

    def get_overridable_initializers(self) -> list[NodeArg]:
        """Weights are part of the compiled model and cannot be replaced."""
        return []

    def get_modelmeta(self) -> ModelMetadata:
        return ModelMetadata(self.executable.program.metadata)

    def get_session_options(self) -> SessionOptions:
        return self._options

    def get_providers(self) -> list[str]:
        return [_PROVIDER]

    def get_provider_options(self) -> dict[str, dict[str, Any]]:
        return {_PROVIDER: {}}

    def set_providers(self, providers: Sequence[Any] | None = None, provider_options: Any = None) -> None:
        """Accepted and without effect."""

    def disable_fallback(self) -> None:
        """Accepted and without effect."""

    def enable_fallback(self) -> None:
        """Accepted and without effect."""

    def end_profiling(self) -> str:
        raise LaminaError("profiles are not written to files: use Executable.profile")


def _plain_feeds(feeds: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(feeds, Mapping) and any(isinstance(value, OrtValue) for value in feeds.values()):
        return {name: value.numpy() if isinstance(value, OrtValue) else value for name, value in feeds.items()}
    return feeds


def _open(source: str | bytes | os.PathLike[str], options: SessionOptions) -> Executable:
    threads = options.intra_op_num_threads or None
    if isinstance(source, (bytes, bytearray, memoryview)):
        content = bytes(source)
        if is_compiled_model(content):
            return _as_compiled(from_bytes(content, threads), options)
        return _compile(content, threads, options)
    path = Path(source)
    if not path.is_file():
        raise InputError(f"no model file '{path}'")
    with open(path, "rb") as stream:
        compiled = is_compiled_model(stream.read(len(MAGIC)))
    if compiled:
        return _as_compiled(load(path, threads=threads), options)
    return _compile(path, threads, options)


def _as_compiled(executable: Executable, options: SessionOptions) -> Executable:
    """The model, if nothing is asked of it that was decided otherwise when it was compiled."""
    if options._free_dimensions:
        names = sorted(options._free_dimensions)
        raise InputError(f"the model is compiled: its free dimensions {names} cannot be fixed any more")
    if options.precision not in ("f32", executable.precision):
        raise InputError(
            f"the model is compiled with precision='{executable.precision}', which cannot be made "
            f"'{options.precision}' any more"
        )
    return executable


def _compile(model: bytes | Path, threads: int | None, options: SessionOptions) -> Executable:
    try:
        from .compiler import compile
    except ModuleNotFoundError as error:
        if error.name != f"{__name__.partition('.')[0]}.compiler":
            raise
        raise LaminaError(
            "this is an ONNX model, and lamina-runtime only runs compiled ones: install lamina instead, or compile the "
            "model where lamina is installed (lamina compile model.onnx -o model.lamina)"
        ) from None
    shapes = dict(options._free_dimensions) or None
    return compile(model, shapes=shapes, threads=threads, precision=options.precision)  # pyright: ignore[reportArgumentType]


def replace_onnxruntime() -> None:
    """From now on ``import onnxruntime`` gives this module, in this process.

    Call it before the packages that shall use Lamina are imported.
    """
    sys.modules["onnxruntime"] = sys.modules[__name__]


def _require_cpu(device: str) -> None:
    if device.lower() != "cpu":
        raise LaminaError(f"no device '{device}': everything runs on the CPU")


def get_available_providers() -> list[str]:
    return [_PROVIDER]


def get_all_providers() -> list[str]:
    return [_PROVIDER]


def get_device() -> str:
    return "CPU"


def set_default_logger_severity(severity: int) -> None:
    """Accepted and without effect: nothing is logged."""


def set_default_logger_verbosity(verbosity: int) -> None:
    """Accepted and without effect: nothing is logged."""


def set_seed(seed: int) -> None:
    """Accepted and without effect: models that draw random numbers are not supported."""


def disable_telemetry_events() -> None:
    """There are none."""


def enable_telemetry_events() -> None:
    """There are none."""
