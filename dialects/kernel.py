"""The kernel dialect: tensor computations with their algorithm, on tensors in a physical layout.

Every op reads ``ins`` and gives one result (``kernel.recurrence``: its last states too). An epilogue is a region of
scalar ``arith``/``math`` ops that is applied to each element of the result before it is stored; its arguments
are the element and one element of each epilogue operand, which is broadcast to the result's shape::

    %y = kernel.conv direct(%x, %w, %b) pads [1, 1, 1, 1] : !layout.tensor<1 x 64 x 56 x 56 x f32, NCHW16c>
        epilogue(%acc, %s = %skip) {%sum = arith.addf %acc, %s : f32}

``kernel.map`` is the elementwise kernel: its region's arguments are one element of each operand::

    %y = kernel.map(%x, %z) : !layout.tensor<4 x f32> each(%a, %b) {%sum = arith.addf %a, %b : f32}
"""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    Signedness,
    StringAttr,
    UnitAttr,
    bf16,
    f16,
    f32,
    f64,
    i8,
    i16,
    i32,
)
from xdsl.ir import Attribute, Dialect, Operation
from xdsl.irdl import IRDLOperation, irdl_op_definition, opt_prop_def, prop_def, result_def, traits_def
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from . import shape as dims
from .dimension_attribute import DimensionAttr
from .kernel_indexing import INDEXING
from .kernel_operation import IntegerList, KernelOp, YieldOp
from .kernel_sampling import SAMPLING
from .kernel_selections import SELECTIONS
from .layout import TensorType
from .recurrence import RecurrenceOp, ReverseSequenceOp
from .shape import Dim
from .tree_kernel import TreeEnsembleOp
from .winograd import tile_of, weight_planes

_NARROW = (i8, i16)
# What slides over the axes of an image does so one by one, without padding.
SLIDING = {
    "strides": lambda rank: [1] * (rank - 2),
    "pads": lambda rank: [0] * (2 * rank - 4),
    "dilations": lambda rank: [1] * (rank - 2),
}

# --- contractions -------------------------------------------------------------------------------------


class SignAwareOp(KernelOp):
    """Sums or compares numbers; integers narrower than 32 bits are summed in i32.

    Below the graph level types of integers don't say whether they have a sign: ``unsigned`` lists the operands, by
    number, that have none. ``in_type`` tells of the element as the kernel takes it, ``ui8`` for one.
    """

    WEIGHTS: ClassVar[tuple[Attribute, ...]] = ()
    """What the second operand may hold instead, where the first and the sums are f32: it is widened as it is read."""
    unsigned = opt_prop_def(IntegerList)

    def in_type(self, index: int) -> TensorType:
        type_ = super().in_type(index)
        if self.unsigned is None or index not in self.unsigned.get_values():
            return type_
        assert isinstance(type_.element_type, IntegerType)
        return type_.with_element(IntegerType(type_.element_type.width.data, Signedness.UNSIGNED))


class ContractionOp(SignAwareOp):
    """Sums of products."""

    def verify_operands(self) -> None:
        """C7: the elements can be multiplied and summed so."""
        if len(self.ins) < 2:
            return
        left, right = (value.type.element_type for value in self.ins[:2])  # pyright: ignore[reportAttributeAccessIssue]
        if left == self.sums_type == f32 and right in self.WEIGHTS:
            return
        if left != right and not (left in _NARROW and right in _NARROW):
            raise VerifyException(f"C7: elements of {left} cannot be multiplied by {right}")
        if left in _NARROW and self.sums_type != i32:
            raise VerifyException(f"C7: sums of {self.sums_type} of elements of {left} and {right}: expected i32")
        for index in self.get("unsigned") or ():
            if index not in (0, 1) or self.ins[index].type.element_type != i8:  # pyright: ignore[reportAttributeAccessIssue]
                raise VerifyException(f"C7: operand {index} is called unsigned, which elements of i8 can be")


@irdl_op_definition
class ConvOp(ContractionOp):
    """Convolution of x [N, C, spatial...] by w [K, C / groups, window...] plus bias [K].

    C4: x and w have the same rank, at least 3. C5: channels agree: x has groups times w's; K is a multiple of groups.

    Once transformed, the weights of Winograd are [(tile + 2)^2 + 9, C, K] (C6): the points, then the taps. ``error`` is
    what the algorithm is estimated to be off by, in units of what a direct sum in float32 is off by.
    """

    name = "kernel.conv"
    algorithm = prop_def(StringAttr)
    strides = prop_def(IntegerList)
    pads = prop_def(IntegerList)
    dilations = prop_def(IntegerList)
    groups = prop_def(IntegerAttr)
    error = opt_prop_def(FloatAttr)
    SYNTAX: ClassVar = {
        "algorithm": "word",
        "error": "float",
        "strides": "integers",
        "pads": "integers",
        "dilations": "integers",
        "groups": "integer",
        "unsigned": "integers",
    }
    DEFAULTS: ClassVar = {"algorithm": "unset", "groups": 1, **SLIDING}
    VARIANT: ClassVar = "algorithm"

    def verify_operands(self) -> None:
        super().verify_operands()
        if len(self.ins) < 2:
            return
        x, w = self.in_type(0), self.in_type(1)
        tile = tile_of(self.get("algorithm"))
        if tile and w.rank == 3 and x.rank == 4:
            expected = (weight_planes(tile), x.dims[1], self.type.dims[1])
            if w.dims != expected:
                raise VerifyException(f"C6: transformed weights have shape {w.dims}, expected {expected}")
            return
        if x.rank != w.rank or x.rank < 3:
            raise VerifyException(f"C4: x has rank {x.rank}, w has rank {w.rank}")
        groups = self.get("groups")
        if groups < 1 or dims.surely_differ(x.dims[1], dims.multiply(w.dims[1], groups)):
            raise VerifyException(f"C5: x has {x.dims[1]} channels, w wants {w.dims[1]} in each of {groups} groups")
        if isinstance(w.dims[0], int) and w.dims[0] % groups:
            raise VerifyException(f"C5: {w.dims[0]} output channels do not divide into {groups} groups")

    @property
    def reads_padding(self) -> bool:
        """Whether the window reaches beyond x and its halo."""
        layout, pads = self.in_type(0).layout, self.get("pads")
        if not any(pads) or not layout.halo:
            return any(pads)
        margins = [layout.margin(axis) for axis in range(2, layout.rank)]
        have = [*(lower for lower, _ in margins), *(upper for _, upper in margins)]
        return any(not isinstance(margin, int) or margin < pad for margin, pad in zip(have, pads, strict=True))

    def halo(self) -> tuple[tuple[Dim, ...], tuple[Dim, ...]]:
        """Zeros that are read before and after each axis of x, by algorithms that check no address."""
        pads = self.get("pads")
        half = len(pads) // 2
        lower, upper = (0, 0, *pads[:half]), (0, 0, *pads[half:])
        tile = tile_of(self.get("algorithm"))
        if not tile:
            return lower, upper
        # The last tiles of a row or column reach beyond the image.
        beyond = [
            dims.subtract(dims.multiply(dims.ceildiv(size, tile), tile), size) if isinstance(size, int) else tile - 1
            for size in self.type.dims[2:]
        ]
        return lower, (0, 0, *(dims.add(pad, more) for pad, more in zip(upper[2:], beyond, strict=True)))


@irdl_op_definition
class GemmOp(ContractionOp):
    """Matrix product a [..., M, K] by b [..., K, N] plus bias [N]; leading axes broadcast.

    ``transpose_a``/``transpose_b``: the operand's last two axes are exchanged first. C4: both have rank 2 or more.
    C5: the inner dimensions are equal.
    """

    name = "kernel.gemm"
    WEIGHTS: ClassVar = (f16, bf16, i8)
    transpose_a = opt_prop_def(UnitAttr)
    transpose_b = opt_prop_def(UnitAttr)
    SYNTAX: ClassVar = {"transpose_a": "flag", "transpose_b": "flag", "unsigned": "integers"}

    def verify_operands(self) -> None:
        super().verify_operands()
        if len(self.ins) < 2:
            return
        a, b = self.in_type(0), self.in_type(1)
        if a.rank < 2 or b.rank < 2:
            raise VerifyException(f"C4: operands have rank {a.rank} and {b.rank}")
        inner_a = a.dims[-2 if self.get("transpose_a") else -1]
        inner_b = b.dims[-1 if self.get("transpose_b") else -2]
        if dims.surely_differ(inner_a, inner_b):
            raise VerifyException(f"C5: a sums over {inner_a}, b over {inner_b}")


@irdl_op_definition
class BlockGemmOp(KernelOp):
    """a [..., M, K] by a matrix of numbers of ``bits`` bits, in blocks of ``block`` along K, each with a scale.

    b is one matrix of 32-bit words [rows, N], a column for each of the product's. For each block it has a row of
    scales, with ``zeros`` one of zero points, and rows of words with the block's numbers (reference/block_products.py).
    Without ``zeros`` the zero point is half of the numbers' range. ``int8``: a is rounded to integers of 8 bits, each
    of its blocks with a scale of its own, and products of a block are summed exactly; else a is multiplied as it is,
    and numbers without a row of zero points are held with a sign.

    C4: K is whole blocks, and b has their rows.
    """

    name = "kernel.block_gemm"
    bits = prop_def(IntegerAttr)
    block = prop_def(IntegerAttr)
    zeros = opt_prop_def(UnitAttr)
    int8 = opt_prop_def(UnitAttr)
    SYNTAX: ClassVar = {"bits": "integer", "block": "integer", "zeros": "flag", "int8": "flag"}
    DEFAULTS: ClassVar = {"bits": 4, "block": 32}

    @property
    def words_of_block(self) -> int:
        return self.get("block") * self.get("bits") // 32

    @property
    def rows_of_block(self) -> int:
        """Of b: scales, zero points, words."""
        return 1 + self.get("zeros") + self.words_of_block

    def verify_operands(self) -> None:
        if len(self.ins) < 2:
            return
        a, b, bits, block = self.in_type(0), self.in_type(1), self.get("bits"), self.get("block")
        if bits not in (2, 4, 8) or block < 16 or block % 16:
            raise VerifyException(f"C4: {bits} bits in blocks of {block}: expected 2, 4 or 8, in multiples of 16")
        if a.rank < 2 or b.rank != 2 or (a.element_type, b.element_type, self.sums_type) != (f32, i32, f32):
            raise VerifyException(f"C4: a is {a} and b {b}: expected f32 [..., M, K], i32 [rows, N] and sums in f32")
        rows = dims.multiply(dims.floordiv(a.dims[-1], block), self.rows_of_block)
        if dims.surely_differ(dims.modulo(a.dims[-1], block), 0) or dims.surely_differ(rows, b.dims[0]):
            raise VerifyException(f"C4: a sums over {a.dims[-1]}, b has {b.dims[0]} rows, expected {rows}")


@irdl_op_definition
class AttentionOp(KernelOp):
    """softmax(q k^T) v, of queries q [..., S, D], keys k [..., T, D] and values v [..., T, E]: [..., S, E].

    The region computes each score, an element of q k^T [..., S, T], before the softmax: scale, bias, mask. Leading axes
    broadcast. The last of them are heads: where q has several times as many as k and v, so many that follow each other
    share one. ``zero_empty``: a row of queries whose softmax is NaN, as that of a row that reads no key, gives zeros.
    So does each row that a fourth operand [..., S, 1] of truth values names.

    C4: all have rank 2 or more, elements of f32, and leading axes that fit. C5: sizes that are summed over are equal.
    """

    name = "kernel.attention"
    zero_empty = opt_prop_def(UnitAttr)
    SYNTAX: ClassVar = {"zero_empty": "flag"}
    REGION: ClassVar = "scores"

    @property
    def region_type(self) -> TensorType:
        return TensorType.of([*self.type.dims[:-1], self.in_type(1).dims[-2]], f32)

    @property
    def group(self) -> int:
        """Heads of queries that share one of keys and values."""
        if self.type.rank < 3 or self.in_type(1).rank < 3:
            return 1
        heads, shared = self.type.dims[-3], self.in_type(1).dims[-3]
        is_grouped = isinstance(heads, int) and isinstance(shared, int) and 0 < shared < heads
        return int(heads) // int(shared) if is_grouped else 1

    def verify_operands(self) -> None:
        if len(self.ins) not in (3, 4):
            return
        types = [self.in_type(index) for index in range(3)]
        if any(type_.rank < 2 or type_.element_type != f32 for type_ in (*types, self.type)):
            raise VerifyException(f"C4: {', '.join(map(str, types))} to {self.type}: expected f32, of rank 2 or more")
        q, k, v = (type_.dims for type_ in types)
        if dims.surely_differ(q[-1], k[-1]):
            raise VerifyException(f"C5: queries of {q[-1]} numbers and keys of {k[-1]}")
        if dims.surely_differ(k[-2], v[-2]):
            raise VerifyException(f"C5: there are {k[-2]} and {v[-2]} keys and values")
        heads = [shape[-3] for shape in (q, k, v) if len(shape) > 2]
        for shared in heads[1:] if len(q) > 2 else ():
            if shared != 1 and dims.surely_differ(dims.modulo(heads[0], shared), 0) and heads[0] != 1:
                raise VerifyException(f"C4: {heads[0]} heads of queries do not share {shared} of keys")


# --- elementwise and reductions -----------------------------------------------------------------------


@irdl_op_definition
class MapOp(KernelOp):
    """Elementwise: operands broadcast to the result's shape as NumPy does, the region computes one element."""

    name = "kernel.map"
    TAKES_ELEMENT: ClassVar = False
    REGION: ClassVar = "each"

    def region_operands(self) -> tuple[Attribute, ...]:
        return tuple(self.in_type(index).element_type for index in range(len(self.ins)))

    def verify_(self) -> None:
        if not self.has_epilogue:
            raise VerifyException("C1: a map needs a region")
        super().verify_()


@irdl_op_definition
class ReduceOp(SignAwareOp):
    """Reduction of x over ``axes``, which stay with length 1. kind: sum, mean, max, min, prod.

    C4: sums of i32 may be those of narrower integers; an operand without a sign is one of these.
    """

    name = "kernel.reduce"
    kind = prop_def(StringAttr)
    axes = prop_def(IntegerList)
    SYNTAX: ClassVar = {"kind": "word", "axes": "integers", "unsigned": "integers"}
    VARIANT: ClassVar = "kind"

    @property
    def sums_narrow(self) -> bool:
        """Whether narrow integers are summed in i32."""
        element = self.ins[0].type.element_type  # pyright: ignore[reportAttributeAccessIssue]
        return self.get("kind") == "sum" and element in _NARROW and self.sums_type == i32

    def verify_operands(self) -> None:
        if self.unsigned is not None and not (self.get("unsigned") == (0,) and self.sums_narrow):
            raise VerifyException("C4: x is called unsigned, which summed bytes can be")


@irdl_op_definition
class ArgReduceOp(KernelOp):
    """Index (i64) of the largest (kind max) or smallest (min) element along ``axis``, which stays with length 1.

    Of several the first, or with ``last`` the last.
    """

    name = "kernel.arg_reduce"
    kind = prop_def(StringAttr)
    axis = prop_def(IntegerAttr)
    last = opt_prop_def(UnitAttr)
    SYNTAX: ClassVar = {"kind": "word", "axis": "integer", "last": "flag"}
    VARIANT: ClassVar = "kind"


@irdl_op_definition
class SoftmaxOp(KernelOp):
    """Softmax along the last axis."""

    name = "kernel.softmax"


@irdl_op_definition
class LayerNormOp(KernelOp):
    """Normalisation of x over its axes from ``axis`` on, times scale plus bias (operands 1 and 2).

    Scale and bias have the shape of those axes.
    """

    name = "kernel.layer_norm"
    axis = prop_def(IntegerAttr)
    epsilon = prop_def(FloatAttr)
    SYNTAX: ClassVar = {"axis": "integer", "epsilon": "float"}


@irdl_op_definition
class PoolOp(SignAwareOp):
    """Pooling of x [N, C, spatial...]: kind max or average; ``count_include_pad`` as in ONNX.

    C4: x is called unsigned where the largest of bytes is looked for.
    """

    name = "kernel.pool"
    kind = prop_def(StringAttr)
    window = prop_def(IntegerList)
    strides = prop_def(IntegerList)
    pads = prop_def(IntegerList)
    dilations = prop_def(IntegerList)
    count_include_pad = opt_prop_def(UnitAttr)
    SYNTAX: ClassVar = {
        "kind": "word",
        "window": "integers",
        "strides": "integers",
        "pads": "integers",
        "dilations": "integers",
        "count_include_pad": "flag",
        "unsigned": "integers",
    }
    DEFAULTS: ClassVar = SLIDING
    VARIANT: ClassVar = "kind"

    def verify_operands(self) -> None:
        of_bytes = self.ins[0].type.element_type == i8 and self.get("kind") == "max"  # pyright: ignore[reportAttributeAccessIssue]
        if self.unsigned is not None and not (of_bytes and self.get("unsigned") == (0,)):
            raise VerifyException("C4: x is called unsigned, which bytes can be for a maximum")


# --- data movement --------------------------------------------------------------------------------------


@irdl_op_definition
class PadOp(KernelOp):
    """x between ``lower`` and ``upper`` elements an axis, filled as ``mode`` says: constant ``value``, edge, reflect or
    wrap.

    Negative amounts crop.
    """

    name = "kernel.pad"
    lower = prop_def(ArrayAttr[DimensionAttr])
    upper = prop_def(ArrayAttr[DimensionAttr])
    mode = prop_def(StringAttr)
    value = prop_def(FloatAttr)
    SYNTAX: ClassVar = {"lower": "dims", "upper": "dims", "mode": "word", "value": "float"}
    DEFAULTS: ClassVar = {"mode": "constant", "value": 0.0}
    VARIANT: ClassVar = "mode"


@irdl_op_definition
class ConcatOp(KernelOp):
    """The operands one after another along ``axis``.

    ``grows``: the first one may lie where the result begins; then it is there already.
    """

    name = "kernel.concat"
    axis = prop_def(IntegerAttr)
    grows = opt_prop_def(UnitAttr)
    SYNTAX: ClassVar = {"axis": "integer", "grows": "flag"}


@irdl_op_definition
class SliceOp(KernelOp):
    """Elements ``starts + i * steps`` of x; the result's shape says how many. Steps may be negative."""

    name = "kernel.slice"
    starts = prop_def(ArrayAttr[DimensionAttr])
    steps = prop_def(IntegerList)
    SYNTAX: ClassVar = {"starts": "dims", "steps": "integers"}
    DEFAULTS: ClassVar = {"steps": lambda rank: [1] * rank}


@irdl_op_definition
class BroadcastOp(KernelOp):
    """x repeated to the result's shape, as NumPy broadcasts; where sizes differ, a run sees which axes of x are 1."""

    name = "kernel.broadcast"

    @property
    def undecided_axes(self) -> tuple[int, ...]:
        """Axes of x that are repeated if their size turns out to be 1."""
        x, result = self.ins[0].type, self.type.dims
        assert isinstance(x, TensorType)
        pairs = enumerate(zip(x.dims, result[len(result) - x.rank :], strict=True))
        return tuple(axis for axis, (size, wanted) in pairs if size != 1 and not dims.same_dimension(size, wanted))


@irdl_op_definition
class GatherOp(KernelOp):
    """Slices of x along ``axis`` picked by integer indices (negative ones count from the end): ONNX Gather."""

    name = "kernel.gather"
    axis = prop_def(IntegerAttr)
    SYNTAX: ClassVar = {"axis": "integer"}


@irdl_op_definition
class GatherElementsOp(KernelOp):
    """ONNX GatherElements along ``axis``."""

    name = "kernel.gather_elements"
    axis = prop_def(IntegerAttr)
    SYNTAX: ClassVar = {"axis": "integer"}


@irdl_op_definition
class ResizeOp(KernelOp):
    """ONNX Resize of x: ``mode`` nearest or linear; ``scales`` one an axis.

    For a scale of 0 stands the fraction ``common_scale``, without that output / input.
    """

    name = "kernel.resize"
    mode = prop_def(StringAttr)
    coordinates = prop_def(StringAttr)
    rounding = prop_def(StringAttr)
    scales = opt_prop_def(DenseArrayBase.constr(f64))
    common_scale = opt_prop_def(ArrayAttr[DimensionAttr])
    SYNTAX: ClassVar = {
        "mode": "word", "coordinates": "word", "rounding": "word", "scales": "floats", "common_scale": "dims",
    }  # fmt: skip
    VARIANT: ClassVar = "mode"
    DEFAULTS: ClassVar = {"mode": "nearest", "coordinates": "half_pixel", "rounding": "round_prefer_floor"}


@irdl_op_definition
class DimValuesOp(KernelOp):
    """A 1-D (or scalar) integer tensor that holds dimensions."""

    name = "kernel.dim_values"
    values = prop_def(ArrayAttr[DimensionAttr])
    SYNTAX: ClassVar = {"values": "dims"}


@irdl_op_definition
class RangeOp(KernelOp):
    """start + i * delta for i below the result's length (ONNX Range; operands start and delta are scalars)."""

    name = "kernel.range"
    TAKES_EPILOGUE: ClassVar = False


@irdl_op_definition
class CumulativeSumOp(KernelOp):
    """Running sum along ``axis``."""

    name = "kernel.cumulative_sum"
    axis = prop_def(IntegerAttr)
    exclusive = opt_prop_def(UnitAttr)
    reverse = opt_prop_def(UnitAttr)
    SYNTAX: ClassVar = {"axis": "integer", "exclusive": "flag", "reverse": "flag"}


# --- constants ------------------------------------------------------------------------------------------


@irdl_op_definition
class ConstantOp(IRDLOperation):
    """A handle into the constant store; the tensor there lies row-major or, once packed, as the type says."""

    name = "kernel.constant"
    constant = prop_def(StringAttr)
    result = result_def(TensorType)
    traits = traits_def(Pure())

    def __init__(self, constant: str, type_: TensorType):
        super().__init__(properties={"constant": StringAttr(constant)}, result_types=[type_])

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_symbol_name(self.constant.data)
        printer.print_string(" : ")
        printer.print_attribute(self.result.type)

    @classmethod
    def parse(cls, parser: Parser) -> ConstantOp:
        name = parser.parse_symbol_name()
        parser.parse_punctuation(":")
        return cls.create(properties={"constant": name}, result_types=[parser.parse_type()])


KERNELS: list[type[Operation]] = [
    ConvOp,
    GemmOp,
    BlockGemmOp,
    AttentionOp,
    MapOp,
    ReduceOp,
    ArgReduceOp,
    SoftmaxOp,
    LayerNormOp,
    PoolOp,
    PadOp,
    ConcatOp,
    SliceOp,
    BroadcastOp,
    GatherOp,
    GatherElementsOp,
    ResizeOp,
    DimValuesOp,
    RangeOp,
    CumulativeSumOp,
    *INDEXING,
    *SAMPLING,
    *SELECTIONS,
    TreeEnsembleOp,
    RecurrenceOp,
    ReverseSequenceOp,
]

KernelDialect = Dialect("kernel", [YieldOp, ConstantOp, *KERNELS])
