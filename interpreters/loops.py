"""Runs a function of loops in NumPy: translated to Python text, a line or two for each op, and executed.

An index is a Python int, a scalar or vector an array that nobody changes, a memref a flat array with an offset and
strides that the text spells out. Registers are n-D arrays, so the price of an op is that of a NumPy call: a million ops
take a few seconds, and a ``deadline`` ends a run that takes longer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from xdsl.dialects import arith, func, memref, scf, vector
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    IndexType,
    IntegerAttr,
    MemRefType,
    UnrealizedConversionCastOp,
    VectorType,
)
from xdsl.ir import Block, Operation, SSAValue

from ..dialects import vector_extension as vectorx
from ..dialects.calling_convention import SHARE_PARAMETERS
from ..dialects.matrix_tiles import TileLoadOp, TileStoreOp, TileType
from ..dialects.parallel import FirstTurnOp, ForallOp, InParallelOp, OwnPartOp
from ..dialects.prefetch import PrefetchOp
from ..machines.atoms import TILE_ROWS
from .loop_operations import HELPERS, tile_places
from .scalar import NoMeaningError, element_dtype, operation_function
from .vector_operations import VECTOR_WRITERS


class LoopsError(ValueError):
    """A function of loops went wrong, out of its memory for example. Names the op."""


@dataclass(frozen=True)
class LoopsFunction:
    """A function translated to Python. ``arguments`` are flat arrays for memrefs and ints for sizes."""

    name: str
    element_types: tuple[np.dtype | None, ...]
    """Of the parameters before the thread and how many there are; None for an index."""
    text: str
    _origins: dict[int, Operation]
    _function: Callable[..., None]

    def typed(self, arguments: Sequence[np.ndarray | int]) -> list[np.ndarray | int]:
        """Arguments whose memory is given as bytes, as ``run`` takes them."""
        pairs = zip(arguments, self.element_types, strict=True)
        return [given if dtype is None or isinstance(given, int) else given.view(dtype) for given, dtype in pairs]

    def run(self, arguments: Sequence[np.ndarray | int], threads: int = 1, deadline: float = math.inf) -> None:
        """Runs each thread's share in turn; results are in the memory of the arguments.

        ``deadline`` is a time of ``time.monotonic``. Raises OutOfTimeError after it, LoopsError where an op fails.
        """
        try:
            with np.errstate(all="ignore"):
                for thread in range(threads):
                    self._function(*arguments, thread, threads, deadline)
        except (IndexError, ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
            raise LoopsError(f"@{self.name}: {self._origin(error)}: {error}") from error

    def _origin(self, error: BaseException) -> str:
        trace, line = error.__traceback__, 0
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == _file_name(self.name):
                line = trace.tb_lineno
            trace = trace.tb_next
        operation = self._origins.get(line)
        if operation is None:
            return "its start"
        if operation.parent is None:  # It has been lowered since, and cannot be printed.
            return operation.name
        return str(operation).partition("\n")[0][:200]


def translate(function: func.FuncOp) -> LoopsFunction:
    """Raises NoMeaningError for an op that this interpreter does not know."""
    return _Translation(function).finish()


def _file_name(name: str) -> str:
    return f"<loops of @{name}>"


_INDEX_OPERATORS = {
    "arith.addi": "({} + {})",
    "arith.subi": "({} - {})",
    "arith.muli": "({} * {})",
    "arith.divui": "({} // {})",
    "arith.remui": "({} % {})",
    "arith.floordivsi": "({} // {})",
    "arith.ceildivsi": "-(-{} // {})",
    "arith.ceildivui": "-(-{} // {})",
    "arith.divsi": "int({} / {})",
    "arith.remsi": "int(np.fmod({}, {}))",
    "arith.minsi": "min({}, {})",
    "arith.maxsi": "max({}, {})",
    "arith.minui": "min({}, {})",
    "arith.maxui": "max({}, {})",
    "arith.andi": "({} & {})",
    "arith.ori": "({} | {})",
    "arith.xori": "({} ^ {})",
    "arith.shli": "({} << {})",
    "arith.shrsi": "({} >> {})",
    "arith.shrui": "({} >> {})",
}
_COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


# --- the translation ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _View:
    """A memref: a flat array, the first element's place in it, and the strides, each a Python expression."""

    memory: str
    offset: str
    strides: tuple[str, ...]


@dataclass
class _Translation:
    function: func.FuncOp
    lines: list[str] = field(default_factory=list)
    origins: dict[int, Operation] = field(default_factory=dict)
    names: dict[SSAValue, str] = field(default_factory=dict)
    views: dict[SSAValue, _View] = field(default_factory=dict)
    namespace: dict[str, Any] = field(default_factory=lambda: dict(HELPERS))
    turns: list[tuple[str, str]] = field(default_factory=list)
    """Of the foralls around: the turn, and the first one that the thread takes."""
    depth: int = 1

    @property
    def symbol(self) -> str:
        return self.function.sym_name.data

    @property
    def share(self) -> tuple[str, str]:
        """The thread, and how many there are."""
        thread, threads = self.function.body.block.args[-SHARE_PARAMETERS:]
        return self.name(thread), self.name(threads)

    def finish(self) -> LoopsFunction:
        block = self.function.body.block
        parameters = [self.name(argument) for argument in block.args]
        self.lines.append(f"def run({', '.join([*parameters, 'deadline'])}):")
        element_types: list[np.dtype | None] = []
        for argument, name in zip(block.args, parameters, strict=True):
            is_memory = isinstance(argument.type, MemRefType)
            if is_memory:
                self.views[argument] = _View(name, "0", ("1",))
            element_types.append(element_dtype(cast(Any, argument.type).element_type) if is_memory else None)
        self.block(block)
        text = "\n".join(self.lines) + "\n"
        exec(compile(text, _file_name(self.symbol), "exec"), self.namespace)
        return LoopsFunction(
            self.symbol, tuple(element_types[:-SHARE_PARAMETERS]), text, self.origins, self.namespace["run"]
        )

    # --- writing --------------------------------------------------------------------------------

    def name(self, value: SSAValue) -> str:
        return self.names.setdefault(value, f"v{len(self.names)}")

    def write(self, line: str, operation: Operation | None = None) -> None:
        self.lines.append("    " * self.depth + line)
        if operation is not None:
            self.origins[len(self.lines)] = operation

    def keep(self, value: Any) -> str:
        """The name under which the text finds a Python object."""
        name = f"k{len(self.namespace)}"
        self.namespace[name] = value
        return name

    def block(self, block: Block) -> list[str]:
        """Writes the ops; gives the names of what the terminator hands on."""
        for operation in block.ops:
            if isinstance(operation, scf.YieldOp | scf.ConditionOp):
                return [self.name(operand) for operand in operation.operands]
            if isinstance(operation, func.ReturnOp):
                self.write("return")
                return []
            if isinstance(operation, InParallelOp):
                return []
            self.operation(operation)
        raise LoopsError(f"@{self.symbol}: a block has no terminator")

    def operation(self, operation: Operation) -> None:
        writer = _WRITERS.get(type(operation))
        if writer is not None:
            writer(self, operation)
        elif operation.results and isinstance(operation.results[0].type, IndexType):
            self.index_operation(operation)
        else:
            self.elementwise(operation)

    def elementwise(self, operation: Operation) -> None:
        operands = ", ".join(self.name(operand) for operand in operation.operands)
        if any(isinstance(operand.type, IndexType) for operand in operation.operands):
            self.from_index(operation, operands)
            return
        try:
            function = operation_function(operation)
        except (ValueError, KeyError, IndexError) as error:
            raise NoMeaningError(
                f"@{self.symbol}: no meaning is known for {operation.name} at the loops level"
            ) from error
        self.write(f"{self.name(operation.results[0])} = {self.keep(function)}({operands})", operation)

    def from_index(self, operation: Operation, operands: str) -> None:
        """Comparisons of indices and their conversion to integers."""
        result = self.name(operation.results[0])
        if isinstance(operation, arith.CmpiOp):
            predicate = arith.CMPI_COMPARISON_OPERATIONS[operation.predicate.value.data]
            left, right = operands.split(", ")
            if predicate[0] == "u":
                left, right = f"({left}) % {1 << 64}", f"({right}) % {1 << 64}"
            self.write(f"{result} = {left} {_COMPARISONS[predicate[-2:]]} {right}", operation)
            return
        dtype = self.keep(element_dtype(operation.results[0].type))
        self.write(f"{result} = np.asarray({operands}).astype({dtype})", operation)

    def index_operation(self, operation: Operation) -> None:
        result = operation.results[0]
        if isinstance(operation, arith.ConstantOp):
            assert isinstance(operation.value, IntegerAttr)
            self.names[result] = str(operation.value.value.data)
            return
        operands = [self.name(operand) for operand in operation.operands]
        if operation.name in ("arith.index_cast", "arith.index_castui"):
            expression = f"int({operands[0]})"
        elif isinstance(operation, arith.SelectOp):
            expression = f"({operands[1]} if {operands[0]} else {operands[2]})"
        elif operation.name in _INDEX_OPERATORS:
            expression = _INDEX_OPERATORS[operation.name].format(*operands)
        else:
            raise NoMeaningError(f"@{self.symbol}: no meaning is known for {operation.name} on indices")
        self.write(f"{self.name(result)} = {expression}", operation)

    # --- memory ---------------------------------------------------------------------------------

    def mixed(self, static: Any, dynamic: Sequence[SSAValue]) -> list[str]:
        """Numbers and values as ops of memref and vector keep them."""
        remaining = iter(dynamic)
        return [
            self.name(next(remaining)) if number == DYNAMIC_INDEX else str(number) for number in static.get_values()
        ]

    def address(self, view: _View, indices: Sequence[SSAValue]) -> str:
        terms = [view.offset] if view.offset != "0" else []
        for index, stride in zip([self.name(index) for index in indices], view.strides, strict=True):
            if index != "0" and stride != "0":
                terms.append(index if stride == "1" else f"{index} * {stride}")
        return " + ".join(terms) or "0"

    def tile(self, shape: Sequence[int], strides: Sequence[str]) -> str:
        """What gives the distances of a tile's elements; worked out now where the strides are numbers."""
        if all(stride.isdecimal() for stride in strides):
            return self.keep(tile_places(tuple(shape), tuple(int(stride) for stride in strides)))
        return f"tile_places({tuple(shape)}, ({', '.join(strides)},))"

    def is_row(self, shape: Sequence[int], strides: Sequence[str]) -> bool:
        return len(shape) == 1 and strides[-1] == "1"


_Writer = Callable[[_Translation, Any], None]


def _for(t: _Translation, op: scf.ForOp) -> None:
    induction, *carried = op.body.block.args
    for argument, initial in zip(carried, op.iter_args, strict=True):
        t.write(f"{t.name(argument)} = {t.name(initial)}")
    bounds = ", ".join(t.name(value) for value in (op.lb, op.ub, op.step))
    t.write(f"for {t.name(induction)} in range({bounds}):", op)
    t.depth += 1
    t.write("_check_time(deadline)")
    yielded = t.block(op.body.block)
    if carried:
        t.write(f"{', '.join(t.name(argument) for argument in carried)} = {', '.join(yielded)}")
    t.depth -= 1
    for result, argument in zip(op.results, carried, strict=True):
        t.write(f"{t.name(result)} = {t.name(argument)}")


def _forall(t: _Translation, op: ForallOp) -> None:
    """One thread's turns, the last index innermost, split as ``loops-map-threads`` splits them."""
    bounds = [str(bound) if isinstance(bound, int) else t.name(bound) for bound in op.bounds]
    total, (thread, threads) = " * ".join(bounds), t.share
    turn, begin = f"turn{len(t.lines)}", f"begin{len(t.lines)}"
    t.write(f"{begin} = {total} * {thread} // {threads}")
    t.write(f"for {turn} in range({begin}, {total} * ({thread} + 1) // {threads}):", op)
    t.depth += 1
    t.write("_check_time(deadline)")
    rest = turn
    for index, bound in reversed(list(zip(op.body.block.args, bounds, strict=True))):
        t.write(f"{t.name(index)} = {rest} % {bound}")
        rest = f"{rest} // {bound}"
    t.turns.append((turn, begin))
    t.block(op.body.block)
    t.turns.pop()
    t.depth -= 1


def _first_turn(t: _Translation, op: FirstTurnOp) -> None:
    turn, begin = t.turns[-1]
    t.write(f"{t.name(op.result)} = {turn} == {begin}", op)


def _own_part(t: _Translation, op: OwnPartOp) -> None:
    view = t.views[op.memory]
    t.views[op.result] = _View(view.memory, f"{view.offset} + {t.share[0]} * {t.name(op.size)}", view.strides)


def _if(t: _Translation, op: scf.IfOp) -> None:
    t.write(f"if {t.name(op.cond)}:", op)
    _branch(t, op.true_region.block, op.results)
    if op.false_region.blocks:
        t.write("else:")
        _branch(t, op.false_region.block, op.results)


def _branch(t: _Translation, block: Block, results: Sequence[SSAValue]) -> None:
    t.depth += 1
    for result, value in zip(results, t.block(block), strict=True):
        t.write(f"{t.name(result)} = {value}")
    t.write("pass")
    t.depth -= 1


def _while(t: _Translation, op: scf.WhileOp) -> None:
    before, after = op.before_region.block, op.after_region.block
    for argument, initial in zip(before.args, op.arguments, strict=True):
        t.write(f"{t.name(argument)} = {t.name(initial)}")
    t.write("while True:", op)
    t.depth += 1
    t.write("_check_time(deadline)")
    condition, *values = t.block(before)
    for argument, result, value in zip(after.args, op.results, values, strict=True):
        t.write(f"{t.name(argument)} = {t.name(result)} = {value}")
    t.write(f"if not {condition}: break")
    yielded = t.block(after)
    if yielded:
        t.write(f"{', '.join(t.name(argument) for argument in before.args)} = {', '.join(yielded)}")
    t.depth -= 1


def _reinterpret_cast(t: _Translation, op: memref.ReinterpretCastOp) -> None:
    # The offset counts from the start of the buffer, whatever window the source is.
    (offset,) = t.mixed(op.static_offsets, op.offsets)
    t.views[op.result] = _View(t.views[op.source].memory, offset, tuple(t.mixed(op.static_strides, op.strides)))


def _subview(t: _Translation, op: memref.SubviewOp) -> None:
    source = t.views[op.source]
    offset = source.offset
    for place, stride in zip(t.mixed(op.static_offsets, op.offsets), source.strides, strict=True):
        offset = f"{offset} + {place} * {stride}"
    steps = t.mixed(op.static_strides, op.strides)
    strides = [f"({step} * {stride})" for step, stride in zip(steps, source.strides, strict=True)]
    t.views[op.result] = _View(source.memory, f"({offset})", tuple(strides))


def _byte_view(t: _Translation, op: memref.ViewOp) -> None:
    source = t.views[op.source]
    dtype = t.keep(element_dtype(op.result.type.element_type))  # pyright: ignore[reportAttributeAccessIssue]
    shift = t.address(source, [op.byte_shift])
    t.write(f"{t.name(op.result)} = _typed_memory({source.memory}, {shift}, {dtype})", op)
    t.views[op.result] = _View(t.name(op.result), "0", ("1",))


def _memref_cast(t: _Translation, op: memref.CastOp) -> None:
    t.views[op.results[0]] = t.views[op.operands[0]]


def _conversion_cast(t: _Translation, op: UnrealizedConversionCastOp) -> None:
    dtype = t.keep(element_dtype(op.results[0].type))
    t.write(f"{t.name(op.results[0])} = np.asarray({t.name(op.operands[0])}).view({dtype})", op)


def _alloca(t: _Translation, op: memref.AllocaOp) -> None:
    type_ = cast(MemRefType, op.memref.type)
    shape = type_.get_shape()
    dtype = t.keep(element_dtype(type_.element_type))
    t.write(f"{t.name(op.memref)} = np.full({math.prod(shape)} * {dtype}.itemsize, 255, np.uint8).view({dtype})", op)
    strides = [str(math.prod(shape[axis + 1 :])) for axis in range(len(shape))]
    t.views[op.memref] = _View(t.name(op.memref), "0", tuple(strides))


def _pointer_as_index(t: _Translation, op: memref.ExtractAlignedPointerAsIndexOp) -> None:
    t.names[op.aligned_pointer] = "0"  # Every buffer counts as aligned.


def _element_load(t: _Translation, op: memref.LoadOp) -> None:
    view = t.views[op.memref]
    load = f"_element({view.memory}, {t.address(view, op.indices)})"
    is_index = isinstance(op.res.type, IndexType)
    t.write(f"{t.name(op.res)} = {f'int({load})' if is_index else load}", op)


def _prefetch(t: _Translation, op: PrefetchOp) -> None:
    """Changes nothing."""


def _element_store(t: _Translation, op: memref.StoreOp) -> None:
    view = t.views[op.memref]
    place = t.address(view, op.indices)
    t.write(f"_store_row({view.memory}, {place}, 1, {t.name(op.value)})", op)


def _vector_load(t: _Translation, op: vector.LoadOp) -> None:
    view, shape = t.views[op.base], cast(VectorType, op.result.type).get_shape()
    strides = view.strides[len(view.strides) - len(shape) :]
    start, result = t.address(view, op.indices), t.name(op.result)
    if t.is_row(shape, strides):
        t.write(f"{result} = _load_row({view.memory}, {start}, {shape[0]})", op)
    else:
        t.write(f"{result} = _load({view.memory}, {start}, {t.tile(shape, strides)})", op)


def _gather(t: _Translation, op: vectorx.GatherOp) -> None:
    view = t.views[op.base]
    t.write(f"{t.name(op.result)} = _gathered({view.memory}, {view.offset}, {t.name(op.places)})", op)


def _vector_store(t: _Translation, op: vector.StoreOp) -> None:
    view, shape = t.views[op.base], cast(VectorType, op.vector.type).get_shape()
    strides = view.strides[len(view.strides) - len(shape) :]
    start, value = t.address(view, op.indices), t.name(op.vector)
    if t.is_row(shape, strides):
        t.write(f"_store_row({view.memory}, {start}, {shape[0]}, {value})", op)
    else:
        t.write(f"_store({view.memory}, {start}, {t.tile(shape, strides)}, {value})", op)


def _masked_load(t: _Translation, op: vector.MaskedLoadOp) -> None:
    view, shape = t.views[op.base], cast(VectorType, op.result.type).get_shape()
    tile = t.tile(shape, view.strides[len(view.strides) - len(shape) :])
    operands = f"{tile}, {t.name(op.mask)}, {t.name(op.pass_thru)}"
    t.write(f"{t.name(op.result)} = _load_masked({view.memory}, {t.address(view, op.indices)}, {operands})", op)


def _masked_store(t: _Translation, op: vector.MaskedStoreOp) -> None:
    view, shape = t.views[op.base], cast(VectorType, op.value_to_store.type).get_shape()
    tile = t.tile(shape, view.strides[len(view.strides) - len(shape) :])
    operands = f"{tile}, {t.name(op.mask)}, {t.name(op.value_to_store)}"
    t.write(f"_store_masked({view.memory}, {t.address(view, op.indices)}, {operands})", op)


def _transfer_sources(op: vector.TransferReadOp | vector.TransferWriteOp) -> list[int | None]:
    """The memref's axis for each of the vector's; None for one that repeats."""
    return [next(iter(result.used_dims()), None) for result in op.permutation_map.data.results]


def _transfer_strides(view: _View, op: vector.TransferReadOp | vector.TransferWriteOp) -> list[str]:
    return ["0" if axis is None else view.strides[axis] for axis in _transfer_sources(op)]


def _transfer_mask(t: _Translation, op: vector.TransferReadOp | vector.TransferWriteOp, shape: Sequence[int]) -> str:
    """The mask, whose axes are in memory's order, in the vector's order."""
    assert op.mask is not None
    sources = _transfer_sources(op)
    in_memory = sorted(axis for axis in sources if axis is not None)
    order = tuple(in_memory.index(axis) for axis in sources if axis is not None)
    repeated = tuple(number for number, axis in enumerate(sources) if axis is None)
    if order == tuple(range(len(order))) and not repeated:
        return t.name(op.mask)
    return f"_turned({t.name(op.mask)}, {order}, {repeated}, {tuple(shape)})"


def _transfer_read(t: _Translation, op: vector.TransferReadOp) -> None:
    view, shape = t.views[op.source], cast(VectorType, op.result.type).get_shape()
    tile = t.tile(shape, _transfer_strides(view, op))
    start, result = t.address(view, op.indices), t.name(op.result)
    if op.mask is None:
        t.write(f"{result} = _load({view.memory}, {start}, {tile})", op)
        return
    mask = _transfer_mask(t, op, shape)
    t.write(f"{result} = _load_masked({view.memory}, {start}, {tile}, {mask}, {t.name(op.padding)})", op)


def _transfer_write(t: _Translation, op: vector.TransferWriteOp) -> None:
    view, shape = t.views[op.source], cast(VectorType, op.vector.type).get_shape()
    tile = t.tile(shape, _transfer_strides(view, op))
    start, value = t.address(view, op.indices), t.name(op.vector)
    if op.mask is None:
        t.write(f"_store({view.memory}, {start}, {tile}, {value})", op)
    else:
        t.write(f"_store_masked({view.memory}, {start}, {tile}, {_transfer_mask(t, op, shape)}, {value})", op)


def _tile_load(t: _Translation, op: TileLoadOp) -> None:
    view, shape = t.views[op.base], (TILE_ROWS, cast(TileType, op.result.type).columns)
    tile = t.tile(shape, view.strides[-2:])
    t.write(f"{t.name(op.result)} = _load({view.memory}, {t.address(view, op.indices)}, {tile})", op)


def _tile_store(t: _Translation, op: TileStoreOp) -> None:
    view, shape = t.views[op.base], (TILE_ROWS, cast(TileType, op.tile.type).columns)
    tile = t.tile(shape, view.strides[-2:])
    t.write(f"_store({view.memory}, {t.address(view, op.indices)}, {tile}, {t.name(op.tile)})", op)


_WRITERS: dict[type[Operation], _Writer] = {
    **VECTOR_WRITERS,
    TileLoadOp: _tile_load,
    TileStoreOp: _tile_store,
    scf.ForOp: _for,
    scf.IfOp: _if,
    ForallOp: _forall,
    FirstTurnOp: _first_turn,
    OwnPartOp: _own_part,
    scf.WhileOp: _while,
    memref.ReinterpretCastOp: _reinterpret_cast,
    memref.SubviewOp: _subview,
    memref.ViewOp: _byte_view,
    memref.CastOp: _memref_cast,
    memref.AllocaOp: _alloca,
    UnrealizedConversionCastOp: _conversion_cast,
    memref.ExtractAlignedPointerAsIndexOp: _pointer_as_index,
    memref.LoadOp: _element_load,
    memref.StoreOp: _element_store,
    PrefetchOp: _prefetch,
    vector.LoadOp: _vector_load,
    vectorx.GatherOp: _gather,
    vector.StoreOp: _vector_store,
    vector.MaskedLoadOp: _masked_load,
    vector.MaskedStoreOp: _masked_store,
    vector.TransferReadOp: _transfer_read,
    vector.TransferWriteOp: _transfer_write,
}
