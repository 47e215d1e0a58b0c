"""Whether a tensor in a model file is what it says: type, dimensions and data fit each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import onnx

from .limits import MAX_RANK, MAX_TENSOR_BYTES

T = onnx.TensorProto

_BITS: dict[int, int] = {
    **dict.fromkeys((T.BOOL, T.INT8, T.UINT8), 8),
    **dict.fromkeys((T.FLOAT8E4M3FN, T.FLOAT8E4M3FNUZ, T.FLOAT8E5M2, T.FLOAT8E5M2FNUZ, T.FLOAT8E8M0), 8),
    **dict.fromkeys((T.INT16, T.UINT16, T.FLOAT16, T.BFLOAT16), 16),
    **dict.fromkeys((T.INT32, T.UINT32, T.FLOAT), 32),
    **dict.fromkeys((T.INT64, T.UINT64, T.DOUBLE, T.COMPLEX64), 64),
    T.COMPLEX128: 128,
    **dict.fromkeys((T.INT4, T.UINT4, T.FLOAT4E2M1), 4),
    **dict.fromkeys((T.INT2, T.UINT2), 2),
}

# The field that holds the data where raw_data does not, and how many of its entries one element takes.
_FIELDS: dict[int, tuple[str, int]] = {
    T.FLOAT: ("float_data", 1),
    T.COMPLEX64: ("float_data", 2),
    T.DOUBLE: ("double_data", 1),
    T.COMPLEX128: ("double_data", 2),
    T.INT64: ("int64_data", 1),
    T.UINT32: ("uint64_data", 1),
    T.UINT64: ("uint64_data", 1),
    T.STRING: ("string_data", 1),
}


def nbytes(data_type: int, dims: Sequence[int]) -> int | None:
    """Bytes of the raw data of a tensor; None where the type has no size (text) or does not exist."""
    bits = _BITS.get(data_type)
    return None if bits is None else (math.prod(dims) * bits + 7) // 8


def shape_problem(data_type: int, dims: Sequence[int]) -> str | None:
    """What is wrong with the shape of a tensor, in words; None where nothing is."""
    if len(dims) > MAX_RANK:
        return f"has {len(dims)} dimensions: at most {MAX_RANK} are possible"
    if any(dimension < 0 for dimension in dims):
        return f"has the shape {list(dims)}: a dimension cannot be negative"
    size = nbytes(data_type, dims)
    if max(math.prod(dims), size or 0) > MAX_TENSOR_BYTES:
        return f"has the shape {list(dims)}: more than {MAX_TENSOR_BYTES} bytes"
    return None


def tensor_problems(tensor: onnx.TensorProto) -> Iterator[str]:
    """What is wrong with a tensor, in words that follow its name. External data is not looked at."""
    dims = list(tensor.dims)
    if tensor.data_type not in _BITS and tensor.data_type != T.STRING:
        yield f"has elements of type {tensor.data_type}, which ONNX does not have"
        return
    problem = shape_problem(tensor.data_type, dims)
    if problem is not None:
        yield problem
        return
    if tensor.HasField("segment"):
        yield "is split into segments, which is not supported"
    if tensor.data_location == T.EXTERNAL:
        if tensor.data_type == T.STRING:
            yield "is text in a file of its own, which ONNX does not allow"
        return
    expected = nbytes(tensor.data_type, dims)
    if tensor.HasField("raw_data") and expected is not None:
        if len(tensor.raw_data) != expected:
            yield f"has {len(tensor.raw_data)} bytes of data, its shape {dims} asks for {expected}"
        return
    field, entries = _FIELDS.get(tensor.data_type, ("int32_data", 1))
    wanted = math.prod(dims) * entries
    bits = _BITS.get(tensor.data_type, 8)
    if bits < 8:
        wanted = -(-wanted * bits // 8)
    found = len(getattr(tensor, field))
    if found != wanted:
        yield f"has {found} elements in {field}, its shape {dims} asks for {wanted}"


def sparse_problems(sparse: onnx.SparseTensorProto) -> Iterator[str]:
    """What is wrong with a sparse tensor: its values and indices, and whether they fit each other."""
    dims = list(sparse.dims)
    problem = shape_problem(sparse.values.data_type, dims)
    if problem is not None:
        yield problem
        return
    for part, tensor in (("values", sparse.values), ("indices", sparse.indices)):
        for problem in tensor_problems(tensor):
            yield f"has {part} whose tensor {problem}"
    if len(sparse.values.dims) != 1:
        yield f"has values of shape {list(sparse.values.dims)}: expected one dimension"
        return
    count = sparse.values.dims[0]
    if sparse.indices.data_type != T.INT64 or list(sparse.indices.dims) not in ([count], [count, len(dims)]):
        yield f"has indices of shape {list(sparse.indices.dims)}: expected int64 of [{count}] or [{count}, {len(dims)}]"
