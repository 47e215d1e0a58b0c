"""Tensors of which few elements are not zero, as coordinates or by rows. They can be made and looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .devices import NativeDevice, OrtDevice, require_cpu
from .element_types import word_of_dtype
from .enumerations import OrtSparseFormat
from .failures import MisuseError

_COO, _CSR, _BLOCKS = (
    OrtSparseFormat.ORT_SPARSE_COO,
    OrtSparseFormat.ORT_SPARSE_CSRC,
    OrtSparseFormat.ORT_SPARSE_BLOCK_SPARSE,
)
_FORMAT_WORDS = {_COO: "COO", _CSR: "CSR(C)", _BLOCKS: "BlockSparse"}


class SparseCooView:
    def __init__(self, indices: np.ndarray):
        self._indices = indices

    def indices(self) -> np.ndarray:
        return self._indices


class SparseBlockSparseView(SparseCooView):
    pass


class SparseCsrView:
    def __init__(self, inner: np.ndarray, outer: np.ndarray):
        self._inner, self._outer = inner, outer

    def inner(self) -> np.ndarray:
        return self._inner

    def outer(self) -> np.ndarray:
        return self._outer


class NativeSparseTensor:
    """Its shape, the elements that are there, and one or two arrays of indices, which say where."""

    def __init__(self, shape: Sequence[int], values: np.ndarray, format: OrtSparseFormat, *indices: np.ndarray):
        self._shape = [int(size) for size in shape]
        self._values = values.astype(object) if values.dtype.kind in "US" else values
        self.format = format
        self._indices = [_read_only(array.astype(np.int64, copy=False)) for array in indices]

    @staticmethod
    def sparse_coo_from_numpy(
        shape: Sequence[int], values: np.ndarray, indices: np.ndarray, device: NativeDevice
    ) -> NativeSparseTensor:
        """``indices`` has one number for each value, counting row by row, or one for each of two dimensions."""
        require_cpu(device)
        if indices.size not in (values.size, 2 * values.size):
            raise MisuseError(f"Index size: {indices.size} must be equal to or twice the values size: {values.size}")
        return NativeSparseTensor(shape, values, _COO, indices)

    @staticmethod
    def sparse_csr_from_numpy(
        shape: Sequence[int], values: np.ndarray, inner: np.ndarray, outer: np.ndarray, device: NativeDevice
    ) -> NativeSparseTensor:
        """``inner`` has the column of each value, ``outer`` where each row begins, and the end of the last."""
        require_cpu(device)
        if inner.size != values.size:
            raise MisuseError(f"Expecting inner indices {inner.size} to match the number of values {values.size}")
        if outer.size not in (0, int(shape[0]) + 1):
            raise MisuseError(f"Outer indices count must be rows + 1 or zero, got {outer.size} for {shape[0]} rows")
        return NativeSparseTensor(shape, values, _CSR, inner, outer)

    @staticmethod
    def blocksparse_from_numpy(
        shape: Sequence[int], values: np.ndarray, indices: np.ndarray, device: NativeDevice
    ) -> NativeSparseTensor:
        require_cpu(device)
        return NativeSparseTensor(shape, values, _BLOCKS, indices)

    def values(self) -> np.ndarray:
        return _read_only(self._values)

    def dense_shape(self) -> list[int]:
        return self._shape

    def data_type(self) -> str:
        return f"sparse_tensor({word_of_dtype(self._values.dtype)})"

    def device_name(self) -> str:
        return "Cpu"

    def get_coo_data(self) -> SparseCooView:
        return SparseCooView(*self._of_format(_COO))

    def get_csrc_data(self) -> SparseCsrView:
        return SparseCsrView(*self._of_format(_CSR))

    def get_blocksparse_data(self) -> SparseBlockSparseView:
        return SparseBlockSparseView(*self._of_format(_BLOCKS))

    def to_cuda(self, device: NativeDevice) -> NativeSparseTensor:
        """Always raises."""
        raise MisuseError("Cuda is not available: everything runs on the CPU")

    def _of_format(self, format: OrtSparseFormat) -> list[np.ndarray]:
        if self.format != format:
            raise MisuseError(f"This sparse tensor does not contain {_FORMAT_WORDS[format]} format")
        return self._indices


class SparseTensor:
    """A tensor of which few elements are not zero."""

    def __init__(self, tensor: NativeSparseTensor):
        if not isinstance(tensor, NativeSparseTensor):
            raise ValueError(f"expected a sparse tensor of the C layer, got a {type(tensor).__name__}")
        self._tensor = tensor

    @classmethod
    def sparse_coo_from_numpy(
        cls, dense_shape: Sequence[int], values: np.ndarray, coo_indices: np.ndarray, ort_device: OrtDevice
    ) -> SparseTensor:
        """``coo_indices`` has one number for each value, counting row by row, or one for each of two dimensions."""
        device = ort_device._get_c_device()
        return cls(NativeSparseTensor.sparse_coo_from_numpy(dense_shape, values, coo_indices, device))

    @classmethod
    def sparse_csr_from_numpy(
        cls,
        dense_shape: Sequence[int],
        values: np.ndarray,
        inner_indices: np.ndarray,
        outer_indices: np.ndarray,
        ort_device: OrtDevice,
    ) -> SparseTensor:
        """``inner_indices`` has the column of each value, ``outer_indices`` where each row begins and the last ends."""
        device = ort_device._get_c_device()
        return cls(NativeSparseTensor.sparse_csr_from_numpy(dense_shape, values, inner_indices, outer_indices, device))

    def _get_c_tensor(self) -> NativeSparseTensor:
        return self._tensor

    def values(self) -> np.ndarray:
        """The elements that are there, not to be written to."""
        return self._tensor.values()

    def as_coo_view(self) -> SparseCooView:
        return self._tensor.get_coo_data()

    def as_csrc_view(self) -> SparseCsrView:
        return self._tensor.get_csrc_data()

    def as_blocksparse_view(self) -> SparseBlockSparseView:
        return self._tensor.get_blocksparse_data()

    def to_cuda(self, ort_device: OrtDevice) -> Any:
        """Always raises."""
        return self._tensor.to_cuda(ort_device._get_c_device())

    def format(self) -> OrtSparseFormat:
        return self._tensor.format

    def dense_shape(self) -> list[int]:
        return self._tensor.dense_shape()

    def data_type(self) -> str:
        return self._tensor.data_type()

    def device_name(self) -> str:
        return self._tensor.device_name().lower()


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
