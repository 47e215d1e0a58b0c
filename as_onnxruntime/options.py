"""What a session and a run are asked for."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .enumerations import ExecutionMode, ExecutionOrder, GraphOptimizationLevel, OrtExecutionProviderDevicePolicy
from .failures import Fail, InvalidArgument, MisuseError, NotImplemented, failure
from .providers import AVAILABLE, require_known
from .typed_fields import ConfigEntries, OptionField, TypedFields, integer, one_of, text, truth
from .values import NativeValue, OrtValue

if TYPE_CHECKING:
    from .adapters import LoraAdapter


class SessionOptions(TypedFields):
    """Of the fields ``intra_op_num_threads`` has an effect (0 stands for the default number of threads),
    ``optimized_model_filepath``, those of profiles and of logs, and ``precision``, which is as in ``lamina.compile``.
    The others are accepted: what onnxruntime does on request always happens.
    """

    enable_cpu_mem_arena = OptionField(True, truth)
    enable_mem_pattern = OptionField(True, truth)
    enable_mem_reuse = OptionField(True, truth)
    enable_profiling = OptionField(False, truth)
    execution_mode = OptionField(ExecutionMode.ORT_SEQUENTIAL, one_of(ExecutionMode))
    execution_order = OptionField(ExecutionOrder.DEFAULT, one_of(ExecutionOrder))
    graph_optimization_level = OptionField(GraphOptimizationLevel.ORT_ENABLE_ALL, one_of(GraphOptimizationLevel))
    inter_op_num_threads = OptionField(0, integer)
    intra_op_num_threads = OptionField(0, integer)
    log_severity_level = OptionField(-1, integer)
    log_verbosity_level = OptionField(0, integer)
    logid = OptionField("", text)
    optimized_model_filepath = OptionField("", text)
    profile_file_prefix = OptionField("onnxruntime_profile_", text)
    use_deterministic_compute = OptionField(False, truth)
    use_per_session_threads = OptionField(True, truth)
    precision = OptionField("f32", text)

    def __init__(self) -> None:
        self._entries = ConfigEntries("SessionOptions")
        self._sizes_by_name: dict[str, int] = {}
        self._sizes_by_denotation: dict[str, int] = {}
        self._initializers: dict[str, np.ndarray] = {}
        self._external_initializers: dict[str, np.ndarray] = {}
        self._files_in_memory: dict[str, bytes] = {}
        self._providers: list[str] = []
        self._is_canceled = False

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Raises TypeError for what is no text, RuntimeError for a key or a value that is too long."""
        self._entries.add(key, value)

    def get_session_config_entry(self, key: str) -> str:
        """Raises RuntimeError where there is none."""
        return self._entries.get(key)

    def add_free_dimension_override_by_name(self, name: str, value: int) -> None:
        """Every dimension that the model calls ``name`` has this value; the model is compiled for it."""
        self._sizes_by_name[text(name)] = integer(value)

    def add_free_dimension_override_by_denotation(self, denotation: str, value: int) -> None:
        """Every dimension of an input that has this denotation (``DATA_BATCH``) has this value."""
        self._sizes_by_denotation[text(denotation)] = integer(value)

    def add_initializer(self, name: str, value: OrtValue | NativeValue) -> None:
        """The model's weight of that name is this tensor; a name that the model does not have is passed over."""
        if not isinstance(value, (OrtValue, NativeValue)):
            raise MisuseError(f"add_initializer('{name}'): expected an OrtValue, got a {type(value).__name__}")
        if name in self._initializers:
            raise MisuseError(f"An OrtValue for this name has already been added: '{name}'")
        self._initializers[text(name)] = value.numpy()

    def add_external_initializers(self, names: Sequence[str], values: Sequence[OrtValue | NativeValue]) -> None:
        """These tensors are the weights of those names, whose data lies outside of the model's file."""
        if len(names) != len(values):
            raise MisuseError(
                f"Expecting names and ort_values to have equal length, got {len(names)} and {len(values)}"
            )
        for name, value in zip(names, values, strict=True):
            if not isinstance(value, (OrtValue, NativeValue)):
                raise MisuseError(f"add_external_initializers: '{name}' is a {type(value).__name__}, no OrtValue")
            self._external_initializers[text(name)] = value.numpy()

    def add_external_initializers_from_files_in_memory(
        self, names: Sequence[str], contents: Sequence[Any], lengths: Sequence[int]
    ) -> None:
        """What stands in the files of these names beside the model: they are not looked for on the disk."""
        if not len(names) == len(contents) == len(lengths):
            raise MisuseError("Expecting names, buffers and lengths to have equal length")
        for name, content, length in zip(names, contents, lengths, strict=True):
            self._files_in_memory[text(name)] = bytes(memoryview(content).cast("B")[: integer(length)])

    def register_custom_ops_library(self, path: str) -> None:
        """Always raises: such a library is written against another engine's interface in C."""
        try:
            ctypes.CDLL(text(path))
        except OSError as error:
            raise failure(Fail, f"Failed to load library {path} with error: {error}") from None
        raise failure(
            NotImplemented,
            f"{path} holds operators for onnxruntime's C interface, which Lamina does not have: define them in Python "
            "with lamina.custom_operator instead (docs/guides/custom_operators.md)",
        )

    def add_provider(self, name: str, options: Mapping[str, str]) -> None:
        """Raises RuntimeError for a provider that nobody knows or that is not there."""
        require_known(name)
        if name not in AVAILABLE:
            raise failure(InvalidArgument, f"{name} is not available: everything runs on the processor")
        self._providers.append(name)

    def add_provider_for_devices(self, devices: Sequence[Any], options: Mapping[str, str]) -> None:
        self._providers += [device.ep_name for device in devices]

    def has_providers(self) -> bool:
        return bool(self._providers)

    def set_provider_selection_policy(self, policy: OrtExecutionProviderDevicePolicy) -> None:
        """Accepted and without effect: there is one device."""

    def set_provider_selection_policy_delegate(self, delegate: Callable[..., Any]) -> None:
        """Accepted and without effect: there is one device."""

    def set_load_cancellation_flag(self, cancel: bool) -> None:
        """Sessions made with these options raise instead of loading their model."""
        self._is_canceled = truth(cancel)


class RunOptions(TypedFields):
    """``terminate`` ends the runs that use these options; the other fields are accepted."""

    log_severity_level = OptionField(-1, integer)
    log_verbosity_level = OptionField(0, integer)
    logid = OptionField("", text)
    only_execute_path_to_fetches = OptionField(False, truth)
    terminate = OptionField(False, truth)

    def __init__(self) -> None:
        self._entries = ConfigEntries("RunOptions")
        self._adapters: list[LoraAdapter] = []

    def add_run_config_entry(self, key: str, value: str) -> None:
        """Raises TypeError for what is no text, RuntimeError for a key or a value that is too long."""
        self._entries.add(key, value)

    def get_run_config_entry(self, key: str) -> str:
        """Raises RuntimeError where there is none."""
        return self._entries.get(key)

    def add_active_adapter(self, adapter: LoraAdapter) -> None:
        """A run takes the inputs that the adapter has parameters for from there."""
        self._adapters.append(adapter)


def get_default_session_options() -> SessionOptions:
    """New ones."""
    return SessionOptions()
