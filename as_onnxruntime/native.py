"""The names of onnxruntime's C layer: ``onnxruntime.capi._pybind_state`` and ``onnxruntime_pybind11_state``."""

from __future__ import annotations

from .adapters import LoraAdapter
from .adapters import NativeAdapter as AdapterFormat
from .binding import NativeBinding as SessionIOBinding
from .devices import NativeDevice as OrtDevice
from .devices import (
    OrtArenaCfg,
    OrtEpDevice,
    OrtHardwareDevice,
    OrtMemoryInfo,
    create_and_register_allocator,
    create_and_register_allocator_v2,
    get_ep_devices,
    get_hardware_devices,
    register_execution_provider_library,
    unregister_execution_provider_library,
)
from .enumerations import (
    ArenaExtendStrategy,
    ExecutionMode,
    ExecutionOrder,
    GraphOptimizationLevel,
    OrtAllocatorType,
    OrtCompileApiFlags,
    OrtDeviceMemoryType,
    OrtExecutionProviderDevicePolicy,
    OrtHardwareDeviceType,
    OrtMemoryInfoDeviceType,
    OrtMemType,
    OrtSparseFormat,
)
from .failures import (
    DeviceReset,
    EngineError,
    EPFail,
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    ModelLoadCanceled,
    ModelLoaded,
    ModelRequiresCompilation,
    NoModel,
    NoSuchFile,
    NotFound,
    NotImplemented,
    RuntimeException,
)
from .logs import set_default_logger_callback, set_default_logger_severity, set_default_logger_verbosity
from .model_compiler import ModelCompiler, OrtExternalInitializerInfo
from .native_session import NativeSession as InferenceSession
from .nodes import ModelMetadata, NodeArg, OrtEpAssignedNode, OrtEpAssignedSubgraph
from .options import RunOptions, SessionOptions, get_default_session_options
from .providers import get_all_providers, get_available_providers
from .settings import (
    disable_telemetry_events,
    enable_telemetry_events,
    get_build_info,
    get_device,
    get_version_string,
    has_collective_ops,
    set_global_thread_pool_sizes,
    set_seed,
)
from .sparse import NativeSparseTensor as SparseTensor
from .sparse import SparseBlockSparseView, SparseCooView, SparseCsrView
from .values import NativeValue as OrtValue
from .values import OrtValueVector, copy_tensors

__all__ = [
    "AdapterFormat", "ArenaExtendStrategy", "DeviceReset", "EPFail", "EngineError", "ExecutionMode", "ExecutionOrder",
    "Fail", "GraphOptimizationLevel", "InferenceSession", "InvalidArgument", "InvalidGraph", "InvalidProtobuf",
    "LoraAdapter", "ModelCompiler", "ModelLoadCanceled", "ModelLoaded", "ModelMetadata", "ModelRequiresCompilation",
    "NoModel", "NoSuchFile", "NodeArg", "NotFound", "NotImplemented", "OrtAllocatorType", "OrtArenaCfg",
    "OrtCompileApiFlags", "OrtDevice", "OrtDeviceMemoryType", "OrtEpAssignedNode", "OrtEpAssignedSubgraph",
    "OrtEpDevice", "OrtExecutionProviderDevicePolicy", "OrtExternalInitializerInfo", "OrtHardwareDevice",
    "OrtHardwareDeviceType", "OrtMemType", "OrtMemoryInfo", "OrtMemoryInfoDeviceType", "OrtSparseFormat", "OrtValue",
    "OrtValueVector", "RunOptions", "RuntimeException", "SessionIOBinding", "SessionOptions", "SparseBlockSparseView",
    "SparseCooView", "SparseCsrView", "SparseTensor", "copy_tensors", "create_and_register_allocator",
    "create_and_register_allocator_v2", "disable_telemetry_events", "enable_telemetry_events", "get_all_providers",
    "get_available_providers", "get_build_info", "get_default_session_options", "get_device", "get_ep_devices",
    "get_hardware_devices", "get_version_string", "has_collective_ops", "register_execution_provider_library",
    "set_default_logger_callback", "set_default_logger_severity", "set_default_logger_verbosity",
    "set_global_thread_pool_sizes", "set_seed", "unregister_execution_provider_library",
]  # fmt: skip
