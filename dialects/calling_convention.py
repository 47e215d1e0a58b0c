"""How the function of a stage is called: which arguments, in which order. This is the one place that says it.

A kernel is a function of the loops level, marked ``lamina.kernel``; what the compiler writes says there for what it was
written, tensors and all, since memory alone does not tell. Its parameters are, in this order:

- **memory** of each input, then of each output: ``memref<?xT>``, flat;
- **scratch**, where the stage has any: ``memref<?xi8, "thread">``, so many bytes for each thread, one thread's after
  another's;
- **report**, where it reads at computed indices: ``memref<?xi64>``, two words that stay zero unless one is out of range
  (``runtime/violations.py``);
- **sizes**, the symbols of its shapes in alphabetical order: ``index``;
- **share**: whose part of the work it does (``%thread``), and of how many (``%threads``): ``index``.

As machine code every kernel is a ``void(ptr table, i64 thread, i64 threads)``: the table has a slot of eight bytes
for each parameter before the share, an address or a number. In checked code (``llvm-check-bounds``) there follow the
size in bytes of each memory, scratch and report (below zero: of each thread's part), and the address of the word that
tells of an access outside of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from xdsl.dialects import func
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    DictionaryAttr,
    IndexType,
    MemRefType,
    StringAttr,
    UnitAttr,
    i8,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue

from . import shape as dims
from .decisions import kernel_kind
from .dimension_attribute import DimensionAttr
from .kernel import GatherElementsOp, GatherOp
from .kernel_indexing import GatherNdOp, ScatterElementsOp, ScatterNdOp
from .kernel_sampling import RoiAlignOp
from .layout import TensorType
from .parallel import THREAD_SPACE
from .schedule import StageOp
from .shape import Dim

KERNEL_ATTRIBUTE = "lamina.kernel"
"""Marks the functions that are called in this way."""
CHECKED_ATTRIBUTE = "lamina.checked"
"""Marks a module whose machine code is checked."""
WORK_ATTRIBUTE = "lamina.work"
"""Of a function of stages: the nanoseconds that it is thought to take on one thread, a `#graph.dim`."""
SHARE_PARAMETERS = 2
SLOT_BYTES = 8
SCRATCH_TYPE = MemRefType(i8, [DYNAMIC_INDEX], memory_space=THREAD_SPACE)

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True)
class Arguments(Generic[T, S]):
    """What a kernel is handed, but for the share: types, arrays, places in a table; sizes may be of another kind."""

    memory: Sequence[T]
    scratch: T | None = None
    report: T | None = None
    sizes: Sequence[S] = field(default_factory=tuple)

    @property
    def buffers(self) -> list[T]:
        """All that is memory, in order."""
        return [*self.memory, *(own for own in (self.scratch, self.report) if own is not None)]

    def in_order(self) -> list[T | S]:
        """As the function takes them."""
        return [*self.buffers, *self.sizes]


@dataclass(frozen=True)
class Signature:
    """The function of a stage: its name, and what it takes. ``scratch`` is the bytes of each thread."""

    function: str
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    scratch: Dim | None
    reports: bool
    sizes: tuple[str, ...]

    @staticmethod
    def of(stage: StageOp) -> Signature:
        return Signature(
            function_name(stage),
            tuple(value.type for value in stage.ins),  # pyright: ignore[reportArgumentType]
            tuple(value.type for value in stage.outs),  # pyright: ignore[reportArgumentType]
            stage.scratch,
            reads_at_indices(stage),
            tuple(stage_symbols(stage)),
        )

    @property
    def operands(self) -> tuple[TensorType, ...]:
        return (*self.inputs, *self.outputs)

    def parameter_types(self) -> list[Attribute]:
        """Of the function at the loops level, the share included."""
        types: Arguments[Attribute, Attribute] = Arguments(
            [_memory_of(type_.element_type) for type_ in self.operands],
            None if self.scratch is None else SCRATCH_TYPE,
            _memory_of(i64) if self.reports else None,
            [IndexType()] * len(self.sizes),
        )
        return [*types.in_order(), *[IndexType()] * SHARE_PARAMETERS]

    def attribute(self) -> DictionaryAttr:
        """What the function is written for, as its ``lamina.kernel`` says it; a call must give the same."""
        entries: dict[str, Attribute] = {
            "ins": ArrayAttr(self.inputs),
            "outs": ArrayAttr(self.outputs),
            "sizes": ArrayAttr([StringAttr(symbol) for symbol in self.sizes]),
        }
        if self.scratch is not None:
            entries["scratch"] = DimensionAttr(self.scratch)
        if self.reports:
            entries["report"] = UnitAttr()
        return DictionaryAttr(entries)

    def split(self, parameters: Sequence[T]) -> tuple[Arguments[T, T], T, T]:
        """The function's parameters by what they are: its arguments, the thread and how many there are."""
        *given, thread, threads = parameters
        rest = given[len(self.operands) :]
        scratch = None if self.scratch is None else rest.pop(0)
        report = rest.pop(0) if self.reports else None
        return Arguments(given[: len(self.operands)], scratch, report, rest), thread, threads

    @property
    def written(self) -> list[int]:
        """Positions, among the buffers, of what the function writes and others read: its outputs, and its scratch."""
        first = len(self.inputs)
        return list(range(first, first + len(self.outputs) + (self.scratch is not None)))


def is_kernel(function: Operation) -> bool:
    """Whether a function is one of the loops level that is called in this way."""
    return isinstance(function, func.FuncOp) and KERNEL_ATTRIBUTE in function.attributes


def _memory_of(element: Attribute) -> MemRefType:
    return MemRefType(element, [DYNAMIC_INDEX])


def operand_types(stage: StageOp) -> list[TensorType]:
    return [value.type for value in (*stage.ins, *stage.outs)]  # pyright: ignore[reportReturnType]


def function_name(stage: StageOp) -> str:
    """Name of the stage's function: its kind and a hash of everything that its code depends on."""
    position: dict[SSAValue, int] = {argument: index for index, argument in enumerate(stage.body.block.args)}
    operands = [position[operand] for operand in stage.kernel.operands]
    parts = (stage.kernel, operands, stage.plan, *operand_types(stage))
    text = "\n".join(map(str, parts))
    kind = kernel_kind(stage.kernel).replace("kernel.", "").replace("layout.", "").replace(" ", "_")
    return f"{kind}_{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def reads_at_indices(stage: StageOp) -> bool:
    """Whether the stage reads or writes at computed indices, and tells where one is out of range."""
    kinds = GatherOp | GatherElementsOp | GatherNdOp | ScatterElementsOp | ScatterNdOp | RoiAlignOp
    return isinstance(stage.kernel, kinds)


def stage_symbols(stage: StageOp) -> list[str]:
    """Symbols that the stage's function takes as arguments."""
    found: set[str] = set()
    for type_ in operand_types(stage):
        layout = type_.layout
        found |= dims.symbols_of(*type_.dims, *layout.lower, *layout.upper)
    for attribute in stage.kernel.properties.values():
        for entry in getattr(attribute, "data", ()) if isinstance(getattr(attribute, "data", None), tuple) else ():
            found |= (
                dims.symbols_of(getattr(entry, "data", 0))
                if hasattr(entry, "data") and not isinstance(entry.data, str)
                else set()
            )
    if stage.scratch is not None:
        found |= dims.symbols_of(stage.scratch)
    return sorted(found)
