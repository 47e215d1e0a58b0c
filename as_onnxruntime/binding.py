"""Inputs and outputs bound to a session before a run; everything is on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ..runtime.errors import InputError
from ..runtime.shapes import describe_shape
from .devices import NativeDevice, OrtDevice, require_cpu
from .failures import InvalidArgument, MisuseError, failure
from .feeds import require_input, select
from .native_session import NativeSession
from .options import RunOptions
from .values import NativeValue, OrtValue, OrtValueVector, array_at


class HasNativeSession(Protocol):
    """A session."""

    _sess: NativeSession


class NativeBinding:
    """As the C layer has it. An output that is bound to memory of the caller is written there."""

    def __init__(self, session: NativeSession):
        self._session = session
        self._feeds: dict[str, Any] = {}
        self._destinations: dict[str, np.ndarray | None] = {}
        self._results: dict[str, Any] = {}

    def bind_input(
        self,
        name: str,
        device_or_array: Any,
        element_type: Any = None,
        shape: Sequence[int] | None = None,
        buffer_ptr: int | None = None,
    ) -> None:
        """An array, or where one lies. Raises RuntimeError for a name that the model does not have."""
        require_input(name, self._session.inputs_meta + self._session.overridable_initializers)
        if buffer_ptr is None or shape is None:
            if not isinstance(device_or_array, np.ndarray):
                raise MisuseError(
                    f"Unable to create OrtValue from the given python object: input '{name}' is bound to a "
                    f"{type(device_or_array).__name__}, expected an array"
                )
            self._feeds[name] = device_or_array
            return
        require_cpu(device_or_array)
        self._feeds[name] = array_at(buffer_ptr, element_type, shape)

    def bind_ortvalue_input(self, name: str, value: NativeValue) -> None:
        require_input(name, self._session.inputs_meta + self._session.overridable_initializers)
        self._feeds[name] = value

    def bind_output(
        self,
        name: str,
        device: NativeDevice,
        element_type: Any = None,
        shape: Sequence[int] | None = None,
        buffer_ptr: int | None = None,
    ) -> None:
        require_cpu(device)
        if buffer_ptr is None or shape is None:
            self._destinations[name] = None
        else:
            self._destinations[name] = array_at(buffer_ptr, element_type, shape)

    def bind_ortvalue_output(self, name: str, value: NativeValue) -> None:
        self._destinations[name] = value.numpy()

    def synchronize_inputs(self) -> None:
        """Nothing is asynchronous."""

    def synchronize_outputs(self) -> None:
        """Nothing is asynchronous."""

    def clear_binding_inputs(self) -> None:
        self._feeds.clear()

    def clear_binding_outputs(self) -> None:
        self._destinations.clear()
        self._results = {}

    def get_outputs(self) -> OrtValueVector:
        return OrtValueVector(NativeValue(content) for content in self._results.values())

    def copy_outputs_to_cpu(self) -> list[Any]:
        return list(self._results.values())

    def run(self, run_options: RunOptions | None = None) -> None:
        """Raises RuntimeError where no output is bound, or one to memory of another type or size."""
        if not self._destinations:
            raise MisuseError("Error in execution: At least one output should be requested.")
        outputs = self._session.run_all(self._feeds, run_options)
        results = dict(zip(self._destinations, select(outputs, list(self._destinations)), strict=True))
        for name, destination in self._destinations.items():
            if destination is not None:
                results[name] = _put(name, results[name], destination)
        self._results = results


def _put(name: str, result: np.ndarray, destination: np.ndarray) -> np.ndarray:
    if destination.dtype != result.dtype and destination.dtype.itemsize == result.dtype.itemsize:
        result = _as_held(result, destination.dtype)
    if destination.shape != result.shape or destination.dtype != result.dtype:
        raise failure(
            InvalidArgument,
            f"output '{name}' is {result.dtype} {describe_shape(result.shape)}, but it is bound to memory "
            f"for {destination.dtype} {describe_shape(destination.shape)}",
            InputError,
        )
    destination[...] = result
    return destination


def _as_held(result: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Elements that NumPy has no type for as the integers that hold their bits."""
    return result.view(dtype) if result.dtype.kind == "V" and dtype.kind == "u" else result


class IOBinding:
    """Inputs and outputs by name, bound before ``InferenceSession.run_with_iobinding``."""

    def __init__(self, session: HasNativeSession):
        self._session = session._sess
        self._iobinding = NativeBinding(session._sess)

    def bind_cpu_input(self, name: str, arr_on_cpu: np.ndarray) -> None:
        """The array itself is read when the session runs."""
        self._iobinding.bind_input(name, arr_on_cpu)

    def bind_input(
        self, name: str, device_type: str, device_id: int, element_type: Any, shape: Sequence[int], buffer_ptr: int
    ) -> None:
        """Memory of the caller; ``element_type`` is NumPy's, or ONNX's number of it."""
        self._iobinding.bind_input(name, _device(device_type, device_id), element_type, shape, buffer_ptr)

    def bind_ortvalue_input(self, name: str, ortvalue: OrtValue) -> None:
        self._iobinding.bind_ortvalue_input(name, ortvalue._ortvalue)

    def bind_output(
        self,
        name: str,
        device_type: str = "cpu",
        device_id: int = 0,
        element_type: Any = None,
        shape: Sequence[int] | None = None,
        buffer_ptr: int | None = None,
    ) -> None:
        """Memory of the caller, or, without an address, new memory at each run."""
        if buffer_ptr is not None and (element_type is None or shape is None):
            raise ValueError("`element_type` and `shape` are to be provided if pre-allocated memory is provided")
        self._iobinding.bind_output(name, _device(device_type, device_id), element_type, shape, buffer_ptr)

    def bind_ortvalue_output(self, name: str, ortvalue: OrtValue) -> None:
        self._iobinding.bind_ortvalue_output(name, ortvalue._ortvalue)

    def synchronize_inputs(self) -> None:
        """Nothing is asynchronous."""

    def synchronize_outputs(self) -> None:
        """Nothing is asynchronous."""

    def clear_binding_inputs(self) -> None:
        self._iobinding.clear_binding_inputs()

    def clear_binding_outputs(self) -> None:
        self._iobinding.clear_binding_outputs()

    def get_outputs(self) -> list[OrtValue]:
        return [OrtValue(value) for value in self._iobinding.get_outputs()]

    def get_outputs_as_ortvaluevector(self) -> OrtValueVector:
        return self._iobinding.get_outputs()

    def copy_outputs_to_cpu(self) -> list[np.ndarray]:
        return self._iobinding.copy_outputs_to_cpu()


def _device(name: str, device_id: int) -> NativeDevice:
    return OrtDevice.make(name, device_id)._get_c_device()
