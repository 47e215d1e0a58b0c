"""What all kernels have in common: operands, epilogue, results, and the syntax of their properties."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, FloatAttr, IntegerAttr, StringAttr, UnitAttr, f64, i32, i64
from xdsl.ir import Attribute, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from .dimension_attribute import dimension_array, parse_dimensions, print_dimensions
from .epilogue_text import (
    YieldOp,
    name_arguments,
    parse_code,
    parse_element_and_extras,
    parse_elements,
    print_arguments,
    print_code,
)
from .kernel_shapes import check_kernel
from .layout import TensorType
from .operand_text import NONE, parse_value, refuse_word
from .shape import Dim

IntegerList = DenseArrayBase.constr(i64)
PropertyValue = int | float | bool | str | Sequence[int] | Sequence[Dim] | Sequence[float]


def _parse_integers(parser: Parser) -> Attribute:
    values = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_integer)
    return DenseArrayBase.from_list(i64, values)


def _parse_float(parser: Parser) -> float:
    text = parser.parse_optional_str_literal()
    return float(parser.parse_number() if text is None else text)


def _float_text(value: float) -> str:
    """What _parse_float reads: a number with a point in it, or ``"inf"``, ``"nan"`` in quotes."""
    text = repr(value)
    if text.lstrip("-") in ("inf", "nan"):
        return f'"{text}"'
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def _parse_floats(parser: Parser) -> Attribute:
    return DenseArrayBase.from_list(
        f64, parser.parse_comma_separated_list(parser.Delimiter.SQUARE, lambda: _parse_float(parser))
    )


# How a property is written and made from Python, by its kind.
_PARSERS: Mapping[str, Callable[[Parser], Attribute]] = {
    "integers": _parse_integers,
    "integer": lambda parser: IntegerAttr(parser.parse_integer(), i64),
    "float": lambda parser: FloatAttr(_parse_float(parser), f64),
    "word": lambda parser: StringAttr(parser.parse_identifier()),
    "flag": lambda parser: UnitAttr(),
    "dims": lambda parser: dimension_array(parse_dimensions(parser)),
    "floats": _parse_floats,
}

_FROM_PYTHON: Mapping[str, Callable] = {
    "integers": lambda value: DenseArrayBase.from_list(i64, list(value)),
    "integer": lambda value: IntegerAttr(value, i64),
    "float": lambda value: FloatAttr(float(value), f64),
    "word": StringAttr,
    "flag": lambda value: UnitAttr() if value else None,
    "dims": dimension_array,
    "floats": lambda value: DenseArrayBase.from_list(f64, [float(number) for number in value]),
}


def _print_property(printer: Printer, value: Attribute) -> None:
    match value:
        case UnitAttr():
            return
        case DenseArrayBase():
            numbers = [_float_text(v) if isinstance(v, float) else str(v) for v in value.get_values()]  # pyright: ignore[reportAttributeAccessIssue]  # pyright: ignore[reportAttributeAccessIssue]
            printer.print_string(" [" + ", ".join(numbers) + "]")
        case StringAttr():
            printer.print_string(f" {value.data}")
        case ArrayAttr():
            printer.print_string(" ")
            print_dimensions(printer, [entry.data for entry in value])  # pyright: ignore[reportAttributeAccessIssue]
        case IntegerAttr():
            printer.print_string(f" {value.value.data}")
        case FloatAttr():
            printer.print_string(f" {_float_text(value.value.data)}")
        case _:
            raise ValueError(f"no syntax for property {value}")


class KernelOp(IRDLOperation):
    """Base of all kernels: operands, epilogue, results and their syntax.

    ``SYNTAX`` lists the op's own properties with their kind, in the order in which they print; a property equal to its
    default, which may depend on the rank of the first operand, is not printed. ``VARIANT`` names the one that stands
    before the operands. The text has three parts, of which a stage prints the first and the last::

        kernel.conv direct(%x, %w, %b) pads [1, 1, 1, 1]      head: operands and properties
            : !layout.tensor<1 x 64 x 56 x 56 x f32>          types of the results
            epilogue(%acc, %s = %skip) {%0 = arith.addf %acc, %s : f32}

    C1: the region has one argument per epilogue operand after the element (map: one per operand),
    each of its operand's element type. C2: it yields the result's element type. C3: the operands, properties and
    result belong together (kernel_shapes.py).
    """

    ins = var_operand_def(TensorType)
    epilogue_ins = var_operand_def(TensorType)
    outs = var_result_def(TensorType)
    epilogue = region_def()
    irdl_options = (AttrSizedOperandSegments(as_property=True),)
    traits = traits_def(Pure())

    SYNTAX: ClassVar[Mapping[str, str]] = {}
    DEFAULTS: ClassVar[Mapping[str, PropertyValue | Callable[[int], PropertyValue]]] = {}
    VARIANT: ClassVar[str] = ""
    TAKES_EPILOGUE: ClassVar[bool] = True
    # Whether the region's first argument is the kernel's own element, which may be wider than what is stored.
    TAKES_ELEMENT: ClassVar[bool] = True
    REGION: ClassVar[str] = "epilogue"

    def __init__(
        self,
        ins: Sequence[SSAValue],
        results: TensorType | Sequence[TensorType],
        *,
        epilogue_ins: Sequence[SSAValue] = (),
        epilogue: Region | None = None,
        **properties: PropertyValue | None,
    ):
        unknown = properties.keys() - self.SYNTAX.keys()
        if unknown:
            raise TypeError(f"{self.name} has no property {sorted(unknown)}")
        attributes = self.defaults(ins)
        for name, value in properties.items():
            if value is not None:
                attributes[name] = _FROM_PYTHON[self.SYNTAX[name]](value)
        super().__init__(
            operands=[ins, epilogue_ins],
            result_types=[[results] if isinstance(results, TensorType) else results],
            regions=[epilogue if epilogue is not None else Region()],
            properties=attributes,
        )

    @classmethod
    def defaults(cls, ins: Sequence[SSAValue]) -> dict[str, Attribute | None]:
        """The properties that have a default, for these operands."""
        x = ins[0].type if ins else None
        rank = x.rank if isinstance(x, TensorType) else 0
        values = {name: value(rank) if callable(value) else value for name, value in cls.DEFAULTS.items()}
        return {name: _FROM_PYTHON[cls.SYNTAX[name]](value) for name, value in values.items()}

    @property
    def result(self) -> SSAValue:
        return self.outs[0]

    @property
    def type(self) -> TensorType:
        """Type of the (first) result."""
        return self.outs[0].type  # pyright: ignore[reportReturnType]

    def in_type(self, index: int) -> TensorType:
        return self.ins[index].type  # pyright: ignore[reportReturnType]

    @property
    def has_epilogue(self) -> bool:
        return bool(self.epilogue.blocks)

    @property
    def sums_type(self) -> Attribute:
        """What products are summed in: the epilogue's first argument, or without one what is stored."""
        return self.epilogue.block.args[0].type if self.has_epilogue else self.type.element_type

    def get(self, name: str) -> Any:
        """A property as a Python value: int, float, str, bool, tuple of ints or of dimensions."""
        value = self.properties.get(name)
        match value:
            case None:
                return False if self.SYNTAX[name] == "flag" else None
            case UnitAttr():
                return True
            case DenseArrayBase():
                return tuple(value.get_values())  # pyright: ignore[reportAttributeAccessIssue]  # pyright: ignore[reportAttributeAccessIssue]
            case StringAttr():
                return value.data
            case ArrayAttr():
                return tuple(entry.data for entry in value)  # pyright: ignore[reportAttributeAccessIssue]
            case IntegerAttr() | FloatAttr():
                return value.value.data
        raise ValueError(f"property {name} of {self.name} has an unexpected value {value}")

    def set(self, name: str, value: PropertyValue) -> None:
        attribute = _FROM_PYTHON[self.SYNTAX[name]](value)
        if attribute is None:
            self.properties.pop(name, None)
        else:
            self.properties[name] = attribute

    @property
    def region_type(self) -> TensorType:
        """The tensor of which the region computes an element."""
        return self.type

    # --- syntax ---------------------------------------------------------------------------------

    def print(self, printer: Printer) -> None:
        self.print_head(printer)
        printer.print_string(" : ")
        printer.print_list([result.type for result in self.outs], printer.print_attribute)
        self.print_epilogue(printer)

    @classmethod
    def parse(cls, parser: Parser) -> KernelOp:
        ins, properties = cls.parse_head(parser)
        refuse_word(parser, f"property of {cls.name}: it has {', '.join(cls.SYNTAX) or 'none'}", (cls.REGION,))
        parser.parse_punctuation(":")
        results = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
        epilogue_ins, region = cls.parse_epilogue(parser, ins, results)
        return cls.of_parts(ins, epilogue_ins, results, properties, region)

    @classmethod
    def of_parts(
        cls,
        ins: Sequence[SSAValue],
        epilogue_ins: Sequence[SSAValue],
        results: Sequence[Attribute],
        properties: Mapping[str, Attribute],
        region: Region,
    ) -> KernelOp:
        segments = DenseArrayBase.from_list(i32, [len(ins), len(epilogue_ins)])
        return cls.create(
            operands=[*ins, *epilogue_ins],
            result_types=results,
            properties={**properties, "operandSegmentSizes": segments},
            regions=[region],
        )

    def print_head(self, printer: Printer, standing_for: Mapping[SSAValue, SSAValue] = NONE) -> None:
        """Variant, operands as what they stand for, and the properties that are not as by default."""
        defaults = self.defaults(self.ins)
        said = {name: self.properties[name] for name in self.SYNTAX if name in self.properties}
        said = {name: value for name, value in said.items() if value != defaults.get(name)}
        if self.VARIANT in said:
            _print_property(printer, said.pop(self.VARIANT))
        printer.print_operands([standing_for.get(value, value) for value in self.ins])
        for name, value in said.items():
            printer.print_string(f" {name}")
            _print_property(printer, value)

    @classmethod
    def parse_head(cls, parser: Parser) -> tuple[list[SSAValue], dict[str, Attribute]]:
        variant = parser.parse_optional_identifier() if cls.VARIANT else None
        ins = parser.parse_comma_separated_list(parser.Delimiter.PAREN, lambda: parse_value(parser))
        properties = {name: value for name, value in cls.defaults(ins).items() if value is not None}
        if variant is not None:
            properties[cls.VARIANT] = StringAttr(variant)
        said: set[str] = set()
        while name := parser.parse_optional_keyword_in(cls.SYNTAX):
            if name in said:
                parser.raise_error(f"{cls.name} says '{name}' twice")
            said.add(name)
            properties[name] = _PARSERS[cls.SYNTAX[name]](parser)
        return ins, properties

    def print_epilogue(self, printer: Printer, standing_for: Mapping[SSAValue, SSAValue] = NONE) -> None:
        """The region and what it reads, if there is one. Its values are seen in it alone."""
        if not self.has_epilogue:
            return
        printer.print_string(f" {self.REGION}")
        name_arguments(self.epilogue.block, self.TAKES_ELEMENT)
        printer.enter_scope()
        element = self.type.element_type if self.TAKES_ELEMENT else None
        extras = [standing_for.get(value, value) for value in self.epilogue_ins]
        print_arguments(printer, self.epilogue.block.args, element, extras)
        printer.print_string(" ")
        print_code(printer, self.epilogue.block)
        printer.exit_scope()

    @classmethod
    def parse_epilogue(
        cls, parser: Parser, ins: Sequence[SSAValue], results: Sequence[Attribute]
    ) -> tuple[list[SSAValue], Region]:
        """What the region reads beside the operands, and the region; without one, nothing and an empty one."""
        if parser.parse_optional_keyword(cls.REGION) is None:
            return [], Region()
        if not cls.TAKES_ELEMENT:
            return [], parse_code(parser, parse_elements(parser, ins))
        if not isinstance(results[0], TensorType):
            parser.raise_error(f"the result has type {results[0]}, expected a !layout.tensor")
        arguments, extras = parse_element_and_extras(parser, results[0].element_type)
        return extras, parse_code(parser, arguments)

    # --- verification ------------------------------------------------------------------------------

    def region_operands(self) -> tuple[Attribute, ...]:
        """Element types that the region's arguments must have."""
        return (self.type.element_type, *(value.type.element_type for value in self.epilogue_ins))  # pyright: ignore[reportAttributeAccessIssue]

    def verify_(self) -> None:
        self._verify_epilogue()
        self.verify_operands()
        check_kernel(self)

    def verify_operands(self) -> None:
        """What a kernel requires before its shapes can be told."""

    def _verify_epilogue(self) -> None:
        if not self.has_epilogue:
            if self.epilogue_ins:
                raise VerifyException("C1: epilogue operands without an epilogue")
            return
        if not self.TAKES_EPILOGUE:
            raise VerifyException(f"C1: {self.name} takes no epilogue")
        block = self.epilogue.block
        expected = self.region_operands()
        given = tuple(argument.type for argument in block.args)
        if len(given) != len(expected):
            raise VerifyException(f"C1: the region has {len(given)} arguments, expected {len(expected)}")
        for index, (have, want) in enumerate(zip(given, expected, strict=True)):
            if have != want and not (index == 0 and self.TAKES_ELEMENT):
                raise VerifyException(f"C1: argument {index} of the region has type {have}, expected {want}")
        terminator = block.last_op
        if not isinstance(terminator, YieldOp):
            raise VerifyException("C2: the region does not end in kernel.yield")
        if terminator.value.type != self.type.element_type:
            raise VerifyException(
                f"C2: the region yields {terminator.value.type}, the result holds {self.type.element_type}"
            )
