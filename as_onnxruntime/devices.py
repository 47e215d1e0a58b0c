"""Where memory lies. It always lies beside the processor; the other devices can be named, not used."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

from .enumerations import (
    OrtAllocatorType,
    OrtDeviceMemoryType,
    OrtDeviceVendorId,
    OrtHardwareDeviceType,
    OrtMemoryInfoDeviceType,
    OrtMemType,
)
from .failures import Fail, MisuseError, failure
from .providers import CPU
from .typed_fields import integer
from .version import API_VERSION

_CPU_TYPE, _GPU_TYPE, _NPU_TYPE = 0, 1, 3
_TYPES = {
    "cpu": _CPU_TYPE,
    "cuda": _GPU_TYPE,
    "gpu": _GPU_TYPE,
    "dml": _GPU_TYPE,
    "webgpu": _GPU_TYPE,
    "npu": _NPU_TYPE,
    "cann": _NPU_TYPE,
}
_VENDORS = {
    "cuda": OrtDeviceVendorId.NVIDIA,
    "dml": OrtDeviceVendorId.MICROSOFT,
    "cann": OrtDeviceVendorId.HUAWEI,
    "webgpu": OrtDeviceVendorId.NONE,
}


class NativeDevice:
    """A device by type, kind of memory, vendor and number: ``(type, memory, [vendor,] number)``."""

    def __init__(self, device_type: int, memory_type: int, *vendor_and_id: int):
        *vendor, number = vendor_and_id
        self._type, self._memory, self._id = device_type, memory_type, number
        self._vendor = vendor[0] if vendor else 0

    @staticmethod
    def cpu() -> int:
        return _CPU_TYPE

    @staticmethod
    def cuda() -> int:
        return _GPU_TYPE

    gpu = dml = webgpu = cuda

    @staticmethod
    def npu() -> int:
        return _NPU_TYPE

    cann = npu

    @staticmethod
    def fpga() -> int:
        return 2

    @staticmethod
    def default_memory() -> int:
        return 0

    def device_id(self) -> int:
        return self._id

    def device_type(self) -> int:
        return self._type

    def mem_type(self) -> int:
        return self._memory

    def vendor_id(self) -> int:
        return self._vendor


class OrtDevice:
    """A device by name and number."""

    def __init__(self, device: NativeDevice):
        if not isinstance(device, NativeDevice):
            raise ValueError(f"expected a device of the C layer, got a {type(device).__name__}: use OrtDevice.make")
        self._ort_device = device

    @staticmethod
    def make(name: str, device_id: int, vendor_id: int = -1) -> OrtDevice:
        """Raises RuntimeError for a name that is none of a device."""
        if name not in _TYPES:
            raise MisuseError(f"Unsupported device type: {name}")
        vendor = int(vendor_id) if vendor_id >= 0 else int(_VENDORS.get(name, 0))
        return OrtDevice(NativeDevice(_TYPES[name], NativeDevice.default_memory(), vendor, device_id))

    def _get_c_device(self) -> NativeDevice:
        return self._ort_device

    def device_id(self) -> int:
        return self._ort_device.device_id()

    def device_type(self) -> int:
        return self._ort_device.device_type()

    def device_vendor_id(self) -> int:
        return self._ort_device.vendor_id()

    def device_mem_type(self) -> int:
        return self._ort_device.mem_type()


def require_cpu(device: str | NativeDevice) -> None:
    """Raises RuntimeError for memory of any device but the processor."""
    native = OrtDevice.make(device, 0)._get_c_device() if isinstance(device, str) else device
    if native.device_type() != _CPU_TYPE:
        named = f"'{device}'" if isinstance(device, str) else f"of type {native.device_type()}"
        raise MisuseError(f"no memory on the device {named}: everything runs on the CPU")


_MEMORY_NAMES = {
    "Cpu": (OrtDeviceVendorId.NONE, OrtDeviceMemoryType.DEFAULT),
    "Cuda": (OrtDeviceVendorId.NVIDIA, OrtDeviceMemoryType.DEFAULT),
    "CudaPinned": (OrtDeviceVendorId.NVIDIA, OrtDeviceMemoryType.HOST_ACCESSIBLE),
    "DML": (OrtDeviceVendorId.MICROSOFT, OrtDeviceMemoryType.DEFAULT),
}


class OrtMemoryInfo:
    """What memory an allocator gives."""

    def __init__(self, name: str, allocator_type: OrtAllocatorType, device_id: int, mem_type: OrtMemType):
        if name not in _MEMORY_NAMES:
            raise MisuseError(f"Specified device is not supported: '{name}'; known are {list(_MEMORY_NAMES)}")
        self.name, self.allocator_type, self.device_id = name, OrtAllocatorType(allocator_type), device_id
        self.mem_type = OrtMemType(mem_type)
        self.device_vendor_id, self.device_mem_type = _MEMORY_NAMES[name]

    @staticmethod
    def create_v2(
        name: str,
        device_type: OrtMemoryInfoDeviceType,
        vendor_id: int,
        device_id: int,
        device_mem_type: OrtDeviceMemoryType,
        alignment: int,
        allocator_type: OrtAllocatorType,
    ) -> OrtMemoryInfo:
        """One of any name, for any device."""
        info = OrtMemoryInfo("Cpu", allocator_type, device_id, OrtMemType.DEFAULT)
        info.name, info.device_vendor_id, info.device_mem_type = name, vendor_id, device_mem_type
        if device_mem_type == OrtDeviceMemoryType.HOST_ACCESSIBLE:
            info.mem_type = OrtMemType.CPU_OUTPUT
        return info


CPU_MEMORY = OrtMemoryInfo("Cpu", OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, OrtMemType.DEFAULT)


class OrtArenaCfg:
    """How an arena grows: four numbers, or any of them by name. Accepted and without effect."""

    _NAMES = (
        "max_mem",
        "arena_extend_strategy",
        "initial_chunk_size_bytes",
        "max_dead_bytes_per_chunk",
        "initial_growth_chunk_size_bytes",
        "max_power_of_two_extend_bytes",
    )

    def __init__(self, *values: int | Mapping[str, int]):
        self.max_mem = 0
        self.arena_extend_strategy = self.initial_chunk_size_bytes = self.max_dead_bytes_per_chunk = -1
        self.initial_growth_chunk_size_bytes = self.max_power_of_two_extend_bytes = -1
        given = values[0] if values else {}
        if not isinstance(given, Mapping):
            if len(values) != 4:
                raise TypeError(f"OrtArenaCfg takes four numbers or a dictionary, got {values!r}")
            given = dict(zip(self._NAMES, values, strict=False))
        for name, value in given.items():
            if name not in self._NAMES:
                raise MisuseError(f"Invalid OrtArenaCfg option: {name}; there are {list(self._NAMES)}")
            try:
                setattr(self, name, integer(value))
            except TypeError:
                raise MisuseError(f"OrtArenaCfg option {name}: expected an integer, got {value!r}") from None


def create_and_register_allocator(memory_info: OrtMemoryInfo, arena_cfg: OrtArenaCfg | None) -> None:
    """Accepted and without effect: sessions already share what memory is idle."""


def create_and_register_allocator_v2(
    provider: str, memory_info: OrtMemoryInfo, options: Mapping[str, str], arena_cfg: OrtArenaCfg | None
) -> None:
    """Accepted for the processor. Raises RuntimeError for any other provider."""
    if provider != CPU:
        raise MisuseError(f"{provider} is not implemented in create_and_register_allocator_v2: there is only {CPU}")


class OrtHardwareDevice:
    """The processor."""

    def __init__(self) -> None:
        self.type = OrtHardwareDeviceType.CPU
        self.vendor = _processor_vendor()
        self.vendor_id = int(OrtDeviceVendorId.__members__.get(self.vendor.upper(), 0))
        self.device_id = 0
        self.metadata: dict[str, str] = {"Description": platform.processor() or platform.machine()}


class OrtEpDevice:
    """The processor with the provider that runs models on it."""

    def __init__(self) -> None:
        self.ep_name = CPU
        self.ep_vendor = "Lamina"
        self.ep_metadata = {"version": API_VERSION}
        self.ep_options: dict[str, str] = {}
        self.device = OrtHardwareDevice()

    def memory_info(self, memory_type: OrtDeviceMemoryType) -> OrtMemoryInfo:
        return CPU_MEMORY

    def create_sync_stream(self) -> Any:
        """Always raises: nothing is asynchronous on the processor."""
        raise MisuseError("the CPU has no streams to synchronize: everything is done when a call returns")


def get_ep_devices() -> list[OrtEpDevice]:
    return [OrtEpDevice()]


def get_hardware_devices() -> list[OrtHardwareDevice]:
    return [OrtHardwareDevice()]


def register_execution_provider_library(name: str, path: str) -> None:
    """Always raises: providers of onnxruntime's are written against its own interface."""
    if not os.path.isfile(path):
        raise failure(Fail, f"Failed to load library {path}: no such file")
    raise failure(Fail, f"'{path}' cannot be registered as '{name}': there is only {CPU}")


def unregister_execution_provider_library(name: str) -> None:
    """Always raises: none can have been registered."""
    raise failure(Fail, f"Execution provider library: {name} was not registered.")


def _processor_vendor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            named = next((line for line in lines if line.startswith("vendor_id")), "")
    except OSError:
        named = ""
    return {"GenuineIntel": "Intel", "AuthenticAMD": "AMD"}.get(named.partition(":")[2].strip(), "")
