"""Rounds to bf16 what products of f32 multiply, where that is faster and was asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import ModuleOp, bf16, f32
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from ...dialects.gemm_decisions import depth_of
from ...dialects.graph.types import numpy_dtype
from ...dialects.kernel import ConcatOp, ConstantOp, ContractionOp, ConvOp, GemmOp, MapOp, SliceOp, YieldOp
from ..tiling import gemm_rows
from ..typical_sizes import known_size
from .choose_algorithms import fastest_algorithm
from .conv_costs import estimate_seconds
from .dead_code import remove_unread
from .fold_scales import fold_scales
from .fuse_epilogues import COMPUTING
from .narrow_atoms import NarrowAtoms, with_narrow_factors
from .views import VIEWS, tensor_type
from .widening import readers_of, through_views, viewed_again

if TYPE_CHECKING:
    from ...context import CompilerContext, ConstantStore

# Sums of fewer products win nothing; they are of positions, angles and the like rather than of learnt features.
LEAST_DEPTH = 16
# Kernels that only put numbers elsewhere.
_MOVING = (ConcatOp, SliceOp)


@dataclass(frozen=True)
class KernelRoundProductsPass(ModulePass):
    """Products of f32 take their factors rounded to bf16, where an instruction multiplies these faster.

    before::

        %0 = kernel.map(%x) : !layout.tensor<8 x 64 x f32> each(%a) {%r = math.absf %a : f32}
        %1 = kernel.constant @weight : !layout.tensor<64 x 32 x f32>
        %y = kernel.gemm(%0, %1) : !layout.tensor<8 x 32 x f32>
        %z = kernel.map(%0, %v) : ... each(%a, %b) {...}

    after::

        %0 = kernel.map(%x) : !layout.tensor<8 x 64 x f32> each(%a) {%r = math.absf %a : f32}
        %1 = kernel.map(%0) : !layout.tensor<8 x 64 x bf16> each(%a) {%t = arith.truncf %a : f32 to bf16}
        %2 = kernel.map(%1) : !layout.tensor<8 x 64 x f32> each(%a) {%w = arith.extf %a : bf16 to f32}
        %3 = kernel.constant @weight.bf16 : !layout.tensor<64 x 32 x bf16>
        %y = kernel.gemm(%1, %3) : !layout.tensor<8 x 32 x f32>
        %z = kernel.map(%2, %v) : ... each(%a, %b) {...}

    Sums are f32 as before. The cast becomes part of what computes the tensor (``kernel-fuse-maps``,
    ``kernel-fuse-epilogues``), which is then stored as bf16 alone if only products and maps read it. In f32 stay
    convolutions that Winograd's transforms make faster there, those of few channels, and short sums.

    ``precision`` is ``f32`` (nothing is rounded) or ``bf16``; without the option the context says it.
    """

    name = "kernel-round-products"

    precision: str | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        context: CompilerContext = ctx  # pyright: ignore[reportAssignmentType]
        precision = context.precision if self.precision is None else self.precision
        if precision != "bf16" or not NarrowAtoms.of(context.target).has_any:
            return
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                block = function.body.block
                # A factor of the sums, not of what is rounded: else casts would find it in their way.
                fold_scales(block)
                _Rounding(context.constants, _Choice(context).among(block)).apply()
                remove_unread(block)


class _Choice:
    """Which products are faster of bf16."""

    def __init__(self, context: CompilerContext):
        self.context = context
        self.target = context.target
        self.atoms = NarrowAtoms.of(self.target)

    def among(self, block: Block) -> list[ContractionOp]:
        saved = {op: self.saved_seconds(op) for op in block.ops if isinstance(op, ContractionOp) and self.suits(op)}
        candidates = {op for op, seconds in saved.items() if seconds > 0}
        return [op for op in saved if op in candidates and saved[op] > self.cast_seconds(op, candidates)]

    def suits(self, op: ContractionOp) -> bool:
        is_wide = all(op.in_type(index).element_type == f32 for index in (0, 1)) and op.sums_type == f32
        return is_wide and self.atoms.multiply(op) and _depth(op) >= LEAST_DEPTH

    def saved_seconds(self, op: ContractionOp) -> float:
        """What is won by multiplying numbers of half the width; less than nothing if f32 has a faster way."""
        if isinstance(op, ConvOp):
            wide, _ = fastest_algorithm(op, self.context, self.context.winograd_error)
            twin = with_narrow_factors(op)
            narrow, _ = fastest_algorithm(twin, self.context, self.context.winograd_error)
            seconds = estimate_seconds(op, wide, self.target) - estimate_seconds(twin, narrow, self.target)
            twin.erase()
            return seconds
        return math.prod(map(known_size, op.type.dims)) * _depth(op) / self.target.peak

    def cast_seconds(self, op: ContractionOp, candidates: set[ContractionOp]) -> float:
        """Of the casts that nothing takes into its epilogue; no end of them where maybe a single row uses one."""
        apart = [root for root in map(_root, op.ins[:2]) if not _is_cast_where_made(root, candidates)]
        if isinstance(op, GemmOp) and _root(op.ins[1]) in apart and not isinstance(gemm_rows(op), int):
            return math.inf
        size = sum(math.prod(map(known_size, tensor_type(root).dims)) for root in apart)
        return 6.0 * size / self.target.costs.layout_change_bandwidth


def _depth(op: ContractionOp) -> int:
    """Products that are summed for an element of the result."""
    if isinstance(op, GemmOp):
        return known_size(depth_of(op))
    return math.prod(map(known_size, op.in_type(1).dims[1:]))


def _root(value: SSAValue) -> SSAValue:
    return through_views(value)[0]


def _is_cast_where_made(value: SSAValue, products: set[ContractionOp]) -> bool:
    """Whether what computes the tensor can store it as bf16 alone."""
    owner = value.owner
    if isinstance(owner, ConstantOp):
        return True
    if not _is_read_narrow(value, products):
        return False
    if isinstance(owner, _MOVING):
        return all(_is_cast_where_made(_root(part), products) for part in owner.ins)
    return isinstance(owner, (MapOp, *COMPUTING))


def _is_read_narrow(value: SSAValue, products: set[ContractionOp]) -> bool:
    """Whether products that are rounded, and maps, alone read the tensor, or what only puts it elsewhere for them."""
    return all(
        isinstance(reader, MapOp)
        or reader in products
        or (isinstance(reader, _MOVING) and not reader.has_epilogue and _is_read_narrow(reader.result, products))
        for reader in readers_of(value, VIEWS)
    )


class _Rounding:
    def __init__(self, constants: ConstantStore, products: list[ContractionOp]):
        self.constants = constants
        self.products = products
        self.all_products = set(products)
        self.narrow: dict[SSAValue, SSAValue] = {}

    def apply(self) -> None:
        for op in self.products:
            for index in (0, 1):
                op.operands[index] = self.rounded(op.operands[index], op)
        for wide, narrow in self.narrow.items():
            if not isinstance(wide.owner, ConstantOp) and _is_read_narrow(wide, self.all_products):
                _read_back(wide, narrow)

    def rounded(self, value: SSAValue, before: Operation) -> SSAValue:
        root, views = through_views(value)
        if root not in self.narrow:
            self.narrow[root] = self._rounded_root(root)
        narrow = self.narrow[root]
        for view in reversed(views):
            narrow = viewed_again(view, narrow, before)
        return narrow

    def _rounded_root(self, root: SSAValue) -> SSAValue:
        owner = root.owner
        if isinstance(owner, ConstantOp):
            name = owner.constant.data
            array = self.constants[name].astype(numpy_dtype(bf16))
            stored = self.constants.add(array, f"{name}.bf16", self.constants.layout_of(name))
            return _insert_after(ConstantOp(stored, tensor_type(root).with_element(bf16)), root)
        if isinstance(owner, _MOVING) and not owner.has_epilogue and _is_read_narrow(root, self.all_products):
            moved = type(owner)([self.rounded(part, owner) for part in owner.ins], tensor_type(root).with_element(bf16))
            moved.properties.update(owner.properties)
            return _insert_after(moved, root)
        return _insert_after(_cast(root, arith.TruncFOp, bf16), root)


def _insert_after(op: Operation, value: SSAValue) -> SSAValue:
    owner = value.owner
    if isinstance(owner, Block):
        first = owner.first_op
        assert first is not None
        owner.insert_op_before(op, first)
    else:
        block = owner.parent
        assert block is not None
        block.insert_op_after(op, owner)
    op.results[0].name_hint = value.name_hint
    return op.results[0]


def _cast(value: SSAValue, cast: type[arith.TruncFOp | arith.ExtFOp], element: Attribute) -> MapOp:
    type_ = tensor_type(value)
    code = Block(arg_types=[type_.element_type])
    converted = cast(code.args[0], element)
    code.add_ops([converted, YieldOp(converted.result)])
    stored = type_.with_element(element).with_layout(type_.layout.without_margins())
    return MapOp([value], stored, epilogue=Region(code))


def _read_back(wide: SSAValue, narrow: SSAValue) -> None:
    """Lets all that read the tensor as f32, or a view of it, read what is stored as bf16: cast last of all."""
    again: SSAValue | None = None
    for use in list(wide.uses):
        reader = use.operation
        if reader is narrow.owner:
            continue
        if isinstance(reader, VIEWS):
            _read_back(reader.results[0], viewed_again(reader, narrow, reader))
            continue
        if again is None:
            again = _insert_after(_cast(narrow, arith.ExtFOp, f32), narrow)
        reader.operands[use.index] = again
