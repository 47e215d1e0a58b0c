"""The layout dialect: tensors in a physical layout, and ops that only concern where elements lie.

The algebra is in ``layout_algebra``; this is its thin skin. ``layout.convert`` moves data; the other
ops see the same memory in another way and cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, i64
from xdsl.ir import Attribute, Data, Dialect, ParametrizedAttribute, Region, SSAValue, TypeAttribute
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.parser import AttrParser, Parser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from . import shape as dims
from .dimension_attribute import (
    DimensionAttr,
    dimension_array,
    parse_dimensions,
    parse_shape,
    print_dimensions,
    print_shape,
)
from .layout_algebra import Layout, parse_order, print_order
from .operand_text import NONE, parse_value
from .shape import Dim


@irdl_attr_definition
class LayoutAttr(Data[Layout]):
    """``NCHW16c``, ``aBcd16b``, ``NCHW16c halo [0, 0, 1, 1, 0, 0, 1, 1]`` (all lower margins, then all upper ones)."""

    name = "layout.layout"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Layout:
        with parser.in_angle_brackets():
            return parse_layout(parser)

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            print_layout(self.data, printer)


def parse_layout(parser: AttrParser) -> Layout:
    order = parse_order(parser.parse_identifier(": a layout such as abcd or NCHW16c"))
    for keyword in ("halo", "window"):
        if parser.parse_optional_keyword(keyword) is not None:
            margins = parse_dimensions(parser)
            half = len(margins) // 2
            return Layout(order, tuple(margins[:half]), tuple(margins[half:]), keyword == "halo")
    return Layout(order)


def print_layout(layout: Layout, printer: Printer) -> None:
    printer.print_string(print_order(layout.order))
    if layout.lower:
        printer.print_string(" halo " if layout.halo else " window ")
        print_dimensions(printer, (*layout.lower, *layout.upper))


@irdl_attr_definition
class TensorType(ParametrizedAttribute, TypeAttribute):
    """A tensor whose elements lie in memory as its layout says: ``!layout.tensor<1 x 64 x 56 x 56 x f32, NCHW16c>``.

    A row-major layout without margins is not printed.
    """

    name = "layout.tensor"

    shape: ArrayAttr[DimensionAttr]
    element_type: Attribute
    layout_attr: LayoutAttr

    @staticmethod
    def of(shape: Sequence[Dim], element_type: Attribute, layout: Layout | None = None) -> TensorType:
        return TensorType(dimension_array(shape), element_type, LayoutAttr(layout or Layout.row_major(len(shape))))

    @property
    def dims(self) -> tuple[Dim, ...]:
        return tuple(dimension.data for dimension in self.shape)

    @property
    def layout(self) -> Layout:
        return self.layout_attr.data

    @property
    def rank(self) -> int:
        return len(self.shape)

    def with_layout(self, layout: Layout) -> TensorType:
        return TensorType(self.shape, self.element_type, LayoutAttr(layout))

    def with_element(self, element_type: Attribute) -> TensorType:
        return TensorType(self.shape, element_type, self.layout_attr)

    def verify(self) -> None:
        if self.layout.rank != self.rank:
            raise VerifyException(
                f"layout '{self.layout.order}' has {self.layout.rank} axes, the shape has {self.rank}"
            )
        if any(margin < 0 for margin in (*self.layout.lower, *self.layout.upper) if isinstance(margin, int)):
            raise VerifyException(
                f"margins {list(self.layout.lower)} and {list(self.layout.upper)}: expected 0 or more"
            )
        if self.layout.halo:
            split = [axis for axis in range(self.rank) if self.layout.block_of(axis)]
            if any(margin != 0 for axis in split for margin in self.layout.margin(axis)):
                raise VerifyException(f"layout '{self.layout.order}' has a halo along an axis that is split in blocks")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            shape = parse_shape(parser)
            element_type = parser.parse_type()
            layout = Layout.row_major(len(shape))
            if parser.parse_optional_punctuation(","):
                layout = parse_layout(parser)
        return dimension_array(shape), element_type, LayoutAttr(layout)

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            print_shape(printer, self.dims)
            printer.print_attribute(self.element_type)
            if not self.layout.is_row_major:
                printer.print_string(", ")
                print_layout(self.layout, printer)


class _LayoutOp(IRDLOperation):
    """Base of the ops that read one tensor: ``layout.convert %x : type of the result``."""

    source = operand_def(TensorType)
    result = result_def(TensorType)
    traits = traits_def(Pure())

    def print(self, printer: Printer) -> None:
        self.print_head(printer)
        printer.print_string(" : ")
        printer.print_attribute(self.result.type)

    @classmethod
    def parse(cls, parser: Parser) -> _LayoutOp:
        operands, properties = cls.parse_head(parser)
        parser.parse_punctuation(":")
        return cls.create(operands=operands, properties=properties, result_types=[parser.parse_type()])

    def print_head(self, printer: Printer, standing_for: Mapping[SSAValue, SSAValue] = NONE) -> None:
        """The operand, and what else says what is done with it."""
        printer.print_string(" ")
        printer.print_ssa_value(standing_for.get(self.source, self.source))

    @classmethod
    def parse_head(cls, parser: Parser) -> tuple[list[SSAValue], dict[str, Attribute]]:
        return [parse_value(parser)], {}


@irdl_op_definition
class ConvertOp(_LayoutOp):
    """Copies a tensor into another layout (pack, unpack, adding a halo).

    C1: source and result have the same shape and element type.
    """

    name = "layout.convert"

    def __init__(self, source: SSAValue, layout: Layout):
        super().__init__(operands=[source], result_types=[source.type.with_layout(layout)])  # pyright: ignore[reportAttributeAccessIssue]

    # A stage runs it as it runs kernels, which may have an epilogue.

    def print_epilogue(self, printer: Printer, standing_for: Mapping[SSAValue, SSAValue] = NONE) -> None:
        pass

    @classmethod
    def parse_epilogue(
        cls, parser: Parser, ins: Sequence[SSAValue], results: Sequence[Attribute]
    ) -> tuple[list[SSAValue], Region]:
        return [], Region()

    @classmethod
    def of_parts(
        cls,
        ins: Sequence[SSAValue],
        epilogue_ins: Sequence[SSAValue],
        results: Sequence[Attribute],
        properties: Mapping[str, Attribute],
        region: Region,
    ) -> ConvertOp:
        return cls.create(operands=ins, result_types=results, properties=properties)

    def verify_(self) -> None:
        source, result = self.source.type, self.result.type
        assert isinstance(source, TensorType) and isinstance(result, TensorType)
        if (source.shape, source.element_type) != (result.shape, result.element_type):
            raise VerifyException("C1: source and result of layout.convert differ in shape or element type")


@irdl_op_definition
class TransposeOp(_LayoutOp):
    """The same memory with its axes renamed: axis i of the result is axis permutation[i] of the source.

    C1: permutation is one of the source's axes. C2: the result's type is the source's, permuted.
    """

    name = "layout.transpose"
    permutation = prop_def(DenseArrayBase.constr(i64))

    def __init__(self, source: SSAValue, permutation: Sequence[int]):
        assert isinstance(source.type, TensorType)
        super().__init__(
            operands=[source],
            properties={"permutation": DenseArrayBase.from_list(i64, permutation)},
            result_types=[transposed_type(source.type, permutation)],
        )

    def print_head(self, printer: Printer, standing_for: Mapping[SSAValue, SSAValue] = NONE) -> None:
        super().print_head(printer, standing_for)
        printer.print_string(f" {list(self.permutation.get_values())}")

    @classmethod
    def parse_head(cls, parser: Parser) -> tuple[list[SSAValue], dict[str, Attribute]]:
        operands, _ = super().parse_head(parser)
        axes = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_integer)
        return operands, {"permutation": DenseArrayBase.from_list(i64, axes)}

    def verify_(self) -> None:
        permutation = self.permutation.get_values()
        source = self.source.type
        assert isinstance(source, TensorType)
        if sorted(permutation) != list(range(source.rank)):
            raise VerifyException(f"C1: {list(permutation)} is no permutation of the source's {source.rank} axes")
        if self.result.type != transposed_type(source, permutation):
            raise VerifyException(f"C2: the result must have type {transposed_type(source, permutation)}")


def transposed_type(source: TensorType, permutation: Sequence[int]) -> TensorType:
    return TensorType.of(
        [source.dims[axis] for axis in permutation], source.element_type, source.layout.permuted(permutation)
    )


@irdl_op_definition
class ReshapeOp(_LayoutOp):
    """The same memory under another shape of as many elements in the same order.

    C1: that is possible in the source's layout. C2: the numbers of elements are not known to differ (that symbols make
    them equal may be a check of the whole model). C3: the result's type is what follows.
    """

    name = "layout.reshape"

    def __init__(self, source: SSAValue, shape: Sequence[Dim]):
        """Raises ValueError where the source's layout does not allow it."""
        assert isinstance(source.type, TensorType)
        result = reshaped_type(source.type, shape)
        if result is None:
            raise ValueError(f"{source.type} cannot be seen as {list(shape)} without moving elements")
        super().__init__(operands=[source], result_types=[result])

    def verify_(self) -> None:
        source, result = self.source.type, self.result.type
        assert isinstance(source, TensorType) and isinstance(result, TensorType)
        if dims.surely_differ(dims.product(source.dims), dims.product(result.dims)):
            raise VerifyException("C2: source and result of layout.reshape differ in their number of elements")
        expected = reshaped_type(source, result.dims)
        if expected is None:
            order = print_order(source.layout.order)
            raise VerifyException(f"C1: a tensor in layout {order} has no view of this shape")
        if result != expected:
            raise VerifyException(f"C3: the result must have type {expected}")


def reshaped_type(source: TensorType, shape: Sequence[Dim]) -> TensorType | None:
    """The type of the same memory under another shape; None where elements would have to move."""
    layout = source.layout.reshaped(source.dims, shape)
    return None if layout is None else TensorType.of(shape, source.element_type, layout)


@irdl_op_definition
class WindowOp(_LayoutOp):
    """The part of a tensor that begins at ``starts`` and has the result's shape: same memory, larger margins.

    C1: one start an axis. C2: the part does not go beyond the source. C3: the result's layout is the source's with the
    margins that follow.
    """

    name = "layout.window"
    starts = prop_def(ArrayAttr[DimensionAttr])

    def __init__(self, source: SSAValue, starts: Sequence[Dim], shape: Sequence[Dim]):
        assert isinstance(source.type, TensorType)
        super().__init__(
            operands=[source],
            properties={"starts": dimension_array(starts)},
            result_types=[window_type(source.type, starts, shape)],
        )

    def print_head(self, printer: Printer, standing_for: Mapping[SSAValue, SSAValue] = NONE) -> None:
        super().print_head(printer, standing_for)
        printer.print_string(" at ")
        print_dimensions(printer, tuple(start.data for start in self.starts))

    @classmethod
    def parse_head(cls, parser: Parser) -> tuple[list[SSAValue], dict[str, Attribute]]:
        operands, _ = super().parse_head(parser)
        parser.parse_keyword("at")
        return operands, {"starts": dimension_array(parse_dimensions(parser))}

    def verify_(self) -> None:
        source, result = self.source.type, self.result.type
        assert isinstance(source, TensorType) and isinstance(result, TensorType)
        starts = [start.data for start in self.starts]
        if len(starts) != source.rank or result.rank != source.rank:
            raise VerifyException(
                f"C1: {len(starts)} starts and a result of {result.rank} axes for a source of {source.rank}"
            )
        for axis, (start, size, whole) in enumerate(zip(starts, result.dims, source.dims, strict=True)):
            if any(isinstance(gap, int) and gap < 0 for gap in (start, dims.subtract(whole, dims.add(start, size)))):
                raise VerifyException(
                    f"C2: {size} from {start} on are not inside the source's {whole} along axis {axis}"
                )
        if result != window_type(source, starts, result.dims):
            raise VerifyException(f"C3: the result must have type {window_type(source, starts, result.dims)}")


def window_type(source: TensorType, starts: Sequence[Dim], shape: Sequence[Dim]) -> TensorType:
    margins = [source.layout.margin(axis) for axis in range(source.rank)]
    lower = [dims.add(low, start) for (low, _), start in zip(margins, starts, strict=True)]
    upper = [
        dims.subtract(dims.add(high, whole), dims.add(start, part))
        for (_, high), whole, start, part in zip(margins, source.dims, starts, shape, strict=True)
    ]
    return TensorType.of(shape, source.element_type, source.layout.with_margins(lower, upper))


VIEWS = (ReshapeOp, TransposeOp, WindowOp)
"""Ops that see the memory of another value in another way."""

LayoutDialect = Dialect("layout", [ConvertOp, TransposeOp, ReshapeOp, WindowOp], [LayoutAttr, TensorType])
