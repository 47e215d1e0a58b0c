"""Values that go in and out of sessions: tensors, sequences of them, and optional ones that may be absent.

``NativeValue`` is what onnxruntime's C layer calls OrtValue, ``OrtValue`` the Python class around it. A tensor is a
NumPy array on the CPU, whose memory is shared, not copied.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .devices import NativeDevice, OrtDevice, OrtMemoryInfo, require_cpu
from .element_types import BY_CODE, STRING, ElementType, element_of_dtype
from .failures import MisuseError
from .sparse import NativeSparseTensor, SparseTensor

if TYPE_CHECKING:
    from typing import Self

_CPU_OF_DLPACK = (1, 0)


class NativeValue:
    """``content`` is an array, a list of arrays or dictionaries, a dictionary, a sparse tensor, or None for an optional
    that is absent; ``element`` is the type of its elements, ``type_name`` what it is as text.
    """

    def __init__(self, content: Any, element: ElementType | None = None, type_name: str = ""):
        self._content = content
        self._element = element or _element_of(content)
        self._type_name = type_name or _type_name_of(content, self._element)

    # --- making one -------------------------------------------------------------------------------

    @staticmethod
    def ortvalue_from_numpy(array: np.ndarray, device: NativeDevice | None = None) -> NativeValue:
        """Raises RuntimeError for what is no array of numbers."""
        if device is not None:
            require_cpu(device)
        if not isinstance(array, np.ndarray) or array.dtype.kind in "OSUMm":
            raise MisuseError(
                "Creation of OrtValues is currently only supported from non-string numpy arrays, "
                f"got {_describe(array)}"
            )
        try:
            element = element_of_dtype(array.dtype)
        except KeyError:
            raise MisuseError(f"NumPy's type {array.dtype} is none of a tensor's") from None
        return NativeValue(np.ascontiguousarray(array).reshape(array.shape), element)

    @staticmethod
    def ortvalue_from_numpy_with_onnx_type(array: np.ndarray, code: int) -> NativeValue:
        """The memory of the array as elements of ONNX's type ``code``, which must have the same width."""
        element = _element_of_code(code)
        if array.dtype.itemsize != np.dtype(element.dtype).itemsize:
            raise MisuseError(
                f"Items size in the incoming array: {array.dtype.itemsize} specified by onnxtype: "
                f"{np.dtype(element.dtype).itemsize}"
            )
        return NativeValue(np.ascontiguousarray(array).view(element.dtype).reshape(array.shape), element)

    @staticmethod
    def ortvalue_from_shape_and_type(
        shape: Sequence[int], element_type: Any, device: NativeDevice | None = None
    ) -> NativeValue:
        """A tensor whose elements are to be written; ``element_type`` is NumPy's."""
        try:
            dtype = np.dtype(element_type)
            element = element_of_dtype(dtype)
        except (KeyError, TypeError):
            raise MisuseError(f"Not a valid numpy type: {element_type!r}") from None
        return NativeValue._of_shape(shape, element, device)

    @staticmethod
    def ortvalue_from_shape_and_onnx_type(
        shape: Sequence[int], code: int, device: NativeDevice | None = None
    ) -> NativeValue:
        """As above; ``code`` is ONNX's number of the type."""
        return NativeValue._of_shape(shape, _element_of_code(code), device)

    @staticmethod
    def ortvalue_from_shape_and_type_for_memory_info(
        shape: Sequence[int], element_type: Any, memory_info: OrtMemoryInfo
    ) -> NativeValue:
        return NativeValue.ortvalue_from_shape_and_type(shape, element_type)

    @staticmethod
    def ortvalue_from_shape_and_onnx_type_for_memory_info(
        shape: Sequence[int], code: int, memory_info: OrtMemoryInfo
    ) -> NativeValue:
        return NativeValue.ortvalue_from_shape_and_onnx_type(shape, code)

    @staticmethod
    def _of_shape(shape: Sequence[int], element: ElementType, device: NativeDevice | None) -> NativeValue:
        if device is not None:
            require_cpu(device)
        if element is STRING:
            raise MisuseError("Creation of OrtValues is currently only supported for tensors of numbers")
        if any(size < 0 for size in shape):
            raise MisuseError(f"Tensor shape.Size() must be >= 0: {list(shape)}")
        return NativeValue(np.zeros(tuple(shape), element.dtype), element)

    @staticmethod
    def ort_value_from_sparse_tensor(tensor: NativeSparseTensor) -> NativeValue:
        return NativeValue(tensor, type_name=tensor.data_type())

    @staticmethod
    def from_dlpack(capsule: Any, is_bool_tensor: bool = False) -> NativeValue:
        """The memory of another library's tensor. Raises TypeError for what is no capsule of DLPack's."""
        if type(capsule).__name__ != "PyCapsule":
            raise TypeError(f"from_dlpack expected a valid DLPack capsule named 'dltensor', got {_describe(capsule)}")
        try:
            array = np.from_dlpack(_Capsule(capsule))
        except (BufferError, ValueError, RuntimeError) as error:
            raise MisuseError(f"the DLPack capsule cannot be taken: {error}") from None
        if not array.flags.c_contiguous:
            raise MisuseError(f"only contiguous tensors can be taken by DLPack, got strides {array.strides}")
        return NativeValue(array.view(np.bool_) if is_bool_tensor and array.dtype == np.uint8 else array)

    # --- what it is -------------------------------------------------------------------------------

    def has_value(self) -> bool:
        return self._content is not None

    def is_tensor(self) -> bool:
        return isinstance(self._content, np.ndarray)

    def is_sparse_tensor(self) -> bool:
        return isinstance(self._content, NativeSparseTensor)

    def is_tensor_sequence(self) -> bool:
        return isinstance(self._content, list) and not any(isinstance(part, dict) for part in self._content)

    def data_type(self) -> str:
        return self._type_name

    def element_type(self) -> int:
        """ONNX's number of the type of its elements. Raises RuntimeError where it has none."""
        if self._element is None:
            raise MisuseError(f"a value of type {self._type_name} has no element type")
        return self._element.code

    def device_name(self) -> str:
        return "Cpu"

    def shape(self) -> list[int]:
        if self.is_sparse_tensor():
            return list(self._content.dense_shape())
        return list(self._tensor().shape)

    def tensor_size_in_bytes(self) -> int:
        return self._tensor().nbytes

    def _is_webgpu_buffer(self) -> bool:
        return False

    # --- its content ------------------------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        return self._tensor()

    def content(self) -> Any:
        """As it goes into a run, and as ``InferenceSession.run`` gives it."""
        return self._content

    def as_type_of(self, dtype: np.dtype) -> Any:
        """Its content, where the bits of elements that NumPy has no type for are seen as ``dtype``."""
        if self._element is not None and self._element.foreign == dtype.name and isinstance(self._content, np.ndarray):
            return self._content.view(dtype)
        return self._content

    def as_sparse_tensor(self) -> NativeSparseTensor:
        if not isinstance(self._content, NativeSparseTensor):
            raise MisuseError(f"This OrtValue does not contain SparseTensor, but {self._type_name}")
        return self._content

    def data_ptr(self) -> int:
        return self._tensor().ctypes.data

    def to_dlpack(self) -> Any:
        return self.__dlpack__()

    def __dlpack__(self, *, stream: Any = None) -> Any:
        array = self._tensor()
        return (array if array.flags.writeable else array.copy()).__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU_OF_DLPACK

    def update_inplace(self, data: np.ndarray | NativeValue) -> None:
        """Copies elements to where this tensor lies. Raises RuntimeError where number or type of them differ."""
        mine, other = self._tensor(), data._tensor() if isinstance(data, NativeValue) else data
        if mine.size != other.size:
            raise MisuseError(
                "The input size of numpy arrays does not match the size of the OrtValue: "
                f"{list(other.shape)} for {list(mine.shape)}"
            )
        if mine.dtype != other.dtype:
            raise MisuseError(f"The source and destination must have the same data type: {other.dtype}, {mine.dtype}")
        np.copyto(mine.reshape(-1), other.reshape(-1))

    def _tensor(self) -> np.ndarray:
        if not isinstance(self._content, np.ndarray):
            raise MisuseError(
                f"Only OrtValues that are Tensors are convertible to Numpy objects, not {self._type_name}"
            )
        return self._content


class _Capsule:
    """What NumPy takes a capsule from."""

    def __init__(self, capsule: Any):
        self._capsule = capsule

    def __dlpack__(self, **_versions: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU_OF_DLPACK


class OrtValueVector(list[NativeValue]):
    """Values of the C layer in a row."""

    def push_back(self, value: Any, is_bool_tensor: bool = False) -> None:
        self.append(value if isinstance(value, NativeValue) else NativeValue.from_dlpack(value, is_bool_tensor))

    def reserve(self, size: int) -> None:
        """Without effect."""

    def shrink_to_fit(self) -> None:
        """Without effect."""

    def element_type_at(self, index: int) -> int:
        return self[index].element_type()

    def dlpack_at(self, index: int) -> Any:
        return self[index].to_dlpack()

    def to_dlpacks(self, to_tensor: Any) -> list[Any]:
        capsules = (value.to_dlpack() for value in self)
        return [capsule if to_tensor is None else to_tensor(capsule) for capsule in capsules]


class OrtValue:
    """A value that goes in or out of a session, on the CPU."""

    def __init__(self, value: NativeValue, numpy_obj: np.ndarray | None = None, session: Any = None):
        if not isinstance(value, NativeValue):
            raise ValueError(
                f"expected a value of the C layer, got {_describe(value)}: use OrtValue.ortvalue_from_numpy"
            )
        self._ortvalue = value
        self._numpy_obj = numpy_obj
        self._session = session

    @classmethod
    def ortvalue_from_numpy(
        cls, array: np.ndarray, /, device_type: str = "cpu", device_id: int = 0, vendor_id: int = -1
    ) -> Self:
        """The array itself where it is contiguous. Raises RuntimeError for what is no array of numbers, or a device
        other than the CPU."""
        device = _device(device_type, device_id, vendor_id)
        return cls(NativeValue.ortvalue_from_numpy(array, device), array)

    @classmethod
    def ortvalue_from_numpy_with_onnx_type(cls, array: np.ndarray, /, onnx_element_type: int) -> Self:
        """The memory of the array as elements of another type of the same width, which NumPy may not know."""
        return cls(NativeValue.ortvalue_from_numpy_with_onnx_type(array, onnx_element_type), array)

    @classmethod
    def ortvalue_from_shape_and_type(
        cls,
        shape: Sequence[int],
        element_type: Any,
        device_type: str = "cpu",
        device_id: int = 0,
        vendor_id: int = -1,
        memory_info: OrtMemoryInfo | None = None,
    ) -> Self:
        """A tensor whose elements are to be written; ``element_type`` is NumPy's, or ONNX's number of it."""
        device = _device(device_type, device_id, vendor_id)
        if isinstance(element_type, int):
            return cls(NativeValue.ortvalue_from_shape_and_onnx_type(shape, element_type, device))
        return cls(NativeValue.ortvalue_from_shape_and_type(shape, element_type, device))

    @classmethod
    def ort_value_from_sparse_tensor(cls, tensor: SparseTensor) -> Self:
        return cls(NativeValue.ort_value_from_sparse_tensor(tensor._get_c_tensor()))

    @classmethod
    def from_dlpack(cls, data: Any, /) -> Self:
        """The memory of another library's tensor, or of a capsule of it. Raises TypeError for what is none."""
        capsule = data.__dlpack__() if hasattr(data, "__dlpack__") else data
        return cls(NativeValue.from_dlpack(capsule))

    def _get_c_value(self) -> NativeValue:
        return self._ortvalue

    def as_sparse_tensor(self) -> SparseTensor:
        return SparseTensor(self._ortvalue.as_sparse_tensor())

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._ortvalue.data_ptr()

    def device_name(self) -> str:
        return self._ortvalue.device_name().lower()

    def shape(self) -> list[int]:
        return self._ortvalue.shape()

    def data_type(self) -> str:
        """The type as text, such as ``tensor(float)``."""
        return self._ortvalue.data_type()

    def element_type(self) -> int:
        """ONNX's number of the type of the elements."""
        return self._ortvalue.element_type()

    def tensor_size_in_bytes(self) -> int:
        return self._ortvalue.tensor_size_in_bytes()

    def has_value(self) -> bool:
        """Whether an optional value is there."""
        return self._ortvalue.has_value()

    def is_tensor(self) -> bool:
        return self._ortvalue.is_tensor()

    def is_sparse_tensor(self) -> bool:
        return self._ortvalue.is_sparse_tensor()

    def is_tensor_sequence(self) -> bool:
        return self._ortvalue.is_tensor_sequence()

    def numpy(self) -> np.ndarray:
        """The tensor, whose memory is shared. Raises RuntimeError for a value of another kind."""
        return self._ortvalue.numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, *, stream: Any = None) -> Any:
        return self._ortvalue.__dlpack__(stream=stream)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._ortvalue.__dlpack_device__()

    def update_inplace(self, data: np.ndarray | OrtValue) -> None:
        """Copies the elements of another tensor to where this one lies. Raises TypeError for what is none."""
        if isinstance(data, OrtValue):
            self._ortvalue.update_inplace(data._ortvalue)
            return
        if not isinstance(data, np.ndarray):
            raise TypeError(f"data must be a numpy.ndarray or an OrtValue, got {_describe(data)}")
        self._ortvalue.update_inplace(data)


def copy_tensors(sources: Sequence[OrtValue], destinations: Sequence[OrtValue], stream: Any = None) -> None:
    """Copies the elements of each to where the other lies. Raises RuntimeError where numbers or types differ."""
    if len(sources) != len(destinations):
        raise MisuseError(f"{len(sources)} sources for {len(destinations)} destinations")
    for source, destination in zip(sources, destinations, strict=True):
        destination.update_inplace(source)


def array_at(address: int, element_type: Any, shape: Sequence[int]) -> np.ndarray:
    """The memory of the caller as an array; ``element_type`` is NumPy's, or ONNX's number of it."""
    dtype = np.dtype(_element_of_code(element_type).dtype if isinstance(element_type, int) else element_type)
    count = int(np.prod(shape, dtype=np.int64))
    memory = (ctypes.c_char * (count * dtype.itemsize)).from_address(address)
    return np.frombuffer(memoryview(memory), dtype, count).reshape(shape)


def _device(name: str, device_id: int, vendor_id: int) -> NativeDevice:
    return OrtDevice.make(name, device_id, vendor_id)._get_c_device()


def _element_of_code(code: int) -> ElementType:
    if code not in BY_CODE:
        raise MisuseError(f"tensor type {code} is not supported: Not a valid ONNX Tensor data type: {code}")
    return BY_CODE[code]


def _element_of(content: Any) -> ElementType | None:
    array = next(iter(_arrays(content)), None)
    return None if array is None else element_of_dtype(array.dtype)


def _arrays(content: Any) -> Iterable[np.ndarray]:
    parts = content if isinstance(content, list) else [content]
    return (part for part in parts if isinstance(part, np.ndarray))


def _type_name_of(content: Any, element: ElementType | None) -> str:
    tensor = f"tensor({element.word})" if element is not None else "tensor(undefined)"
    if content is None:
        return f"optional({tensor})"
    return f"seq({tensor})" if isinstance(content, list) else tensor


def _describe(value: Any) -> str:
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
