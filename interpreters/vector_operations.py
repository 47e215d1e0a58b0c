"""What ops that stay in registers are as text: a line each, which calls ``loop_operations`` and NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import numpy as np
from xdsl.dialects import vector
from xdsl.dialects.builtin import VectorType
from xdsl.ir import Operation, SSAValue

from ..dialects import vector_extension as vectorx
from ..dialects.contraction import ContractOp
from ..dialects.matrix_tiles import TileMulOp, TileType, TileZeroOp
from ..dialects.multi_reduction import MultiReductionOp
from ..machines.atoms import ATOMS, TILE_ROWS
from .scalar import NoMeaningError, element_dtype

_REDUCTIONS: dict[str, np.ufunc] = {
    "add": np.add,
    "mul": np.multiply,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "maxsi": np.maximum,
    "minsi": np.minimum,
    "maximumf": np.maximum,
    "minimumf": np.minimum,
    "maxnumf": np.fmax,
    "minnumf": np.fmin,
}


class Text(Protocol):
    """The function that is written."""

    @property
    def symbol(self) -> str: ...

    def name(self, value: SSAValue) -> str:
        """That of a value."""
        ...

    def write(self, line: str, operation: Operation | None = None) -> None:
        """Adds a line, which stands for the op."""
        ...

    def keep(self, value: Any) -> str:
        """The name under which the text finds a Python object."""
        ...

    def mixed(self, static: Any, dynamic: Sequence[SSAValue]) -> list[str]:
        """Numbers and values as ops of vector keep them."""
        ...


def _create_mask(t: Text, op: vector.CreateMaskOp) -> None:
    shape = tuple(cast(VectorType, op.mask_vector.type).get_shape())
    sizes = ", ".join(t.name(size) for size in op.mask_dim_sizes)
    t.write(f"{t.name(op.mask_vector)} = _mask({shape}, ({sizes},))", op)


def _vector_broadcast(t: Text, op: vector.BroadcastOp) -> None:
    type_ = cast(VectorType, op.vector.type)
    dtype = t.keep(element_dtype(type_))
    t.write(f"{t.name(op.vector)} = _broadcast({t.name(op.source)}, {tuple(type_.get_shape())}, {dtype})", op)


def _extract(t: Text, op: vector.ExtractOp) -> None:
    position = ", ".join(t.mixed(op.static_position, op.dynamic_position))
    t.write(f"{t.name(op.result)} = {t.name(op.vector)}[{position}]", op)


def _insert(t: Text, op: vector.InsertOp) -> None:
    position = ", ".join(t.mixed(op.static_position, op.dynamic_position))
    t.write(f"{t.name(op.result)} = _inserted({t.name(op.source)}, {t.name(op.dest)}, ({position},))", op)


def _shuffle(t: Text, op: vector.ShuffleOp) -> None:
    lanes = list(op.mask.get_values())
    t.write(f"{t.name(op.result)} = np.concatenate([{t.name(op.v1)}, {t.name(op.v2)}])[{lanes}]", op)


def _fma(t: Text, op: vector.FMAOp) -> None:
    operands = ", ".join(t.name(operand) for operand in op.operands)
    t.write(f"{t.name(op.res)} = _fused({operands})", op)


def _contract(t: Text, op: ContractOp) -> None:
    operands = ", ".join(t.name(operand) for operand in op.operands)
    t.write(f"{t.name(op.result)} = _contracted({operands}, {op.atom_depth})", op)


def _dot(t: Text, op: vectorx.DotOp) -> None:
    operands = ", ".join(t.name(operand) for operand in op.operands)
    t.write(f"{t.name(op.result)} = _words_multiplied({operands}, {op.factors})", op)


def _reduction(t: Text, op: vector.ReductionOp) -> None:
    kind = op.kind.data.value
    if kind not in _REDUCTIONS:
        raise NoMeaningError(f"@{t.symbol}: no meaning is known for vector.reduction <{kind}>")
    function, result = t.keep(_REDUCTIONS[kind]), t.name(op.dest)
    t.write(f"{result} = {function}.reduce({t.name(op.vector)}, axis=None)", op)
    if op.acc is not None:
        t.write(f"{result} = {function}({t.name(op.acc)}, {result})", op)


def _multi_reduction(t: Text, op: MultiReductionOp) -> None:
    kind, start = op.kind.data.value, t.name(op.acc)
    if kind not in _REDUCTIONS:
        raise NoMeaningError(f"@{t.symbol}: no meaning is known for vector.multi_reduction <{kind}>")
    function = t.keep(_REDUCTIONS[kind])
    rows = f"{function}.reduce({t.name(op.source)}, axis=-1, dtype={start}.dtype)"
    t.write(f"{t.name(op.dest)} = {function}({start}, {rows})", op)


def _tile_zero(t: Text, op: TileZeroOp) -> None:
    type_ = cast(TileType, op.result.type)
    dtype = t.keep(element_dtype(type_.element_type))
    t.write(f"{t.name(op.result)} = np.zeros(({TILE_ROWS}, {type_.columns}), {dtype})", op)


def _tile_mul(t: Text, op: TileMulOp) -> None:
    depth = ATOMS[op.atom.data].depth
    left, right = (f"{t.name(factor)}.reshape({TILE_ROWS}, {TILE_ROWS}, {depth})" for factor in (op.lhs, op.rhs))
    t.write(f"{t.name(op.result)} = _contracted({left}, {right}, {t.name(op.acc)}, {depth})", op)


VECTOR_WRITERS: dict[type[Operation], Callable[[Any, Any], None]] = {
    TileZeroOp: _tile_zero,
    TileMulOp: _tile_mul,
    vector.CreateMaskOp: _create_mask,
    vector.BroadcastOp: _vector_broadcast,
    vector.ExtractOp: _extract,
    vector.InsertOp: _insert,
    vector.ShuffleOp: _shuffle,
    vector.FMAOp: _fma,
    ContractOp: _contract,
    vectorx.DotOp: _dot,
    vector.ReductionOp: _reduction,
    MultiReductionOp: _multi_reduction,
}
