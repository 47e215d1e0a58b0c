"""What all kernels have in common: operands, epilogue, results, and the syntax of their properties."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, FloatAttr, IntegerAttr, StringAttr, UnitAttr, f64, i32, i64
from xdsl.ir import Attribute, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsTerminator, Pure
from xdsl.utils.exceptions import VerifyException

from .dimension_attribute import dimension_array, parse_dimensions, print_dimensions
from .kernel_shapes import check_kernel
from .layout import TensorType
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


@irdl_op_definition
class YieldOp(IRDLOperation):
    """Gives the value that an epilogue or a map stores."""

    name = "kernel.yield"
    value = operand_def()
    traits = traits_def(IsTerminator())
    assembly_format = "$value attr-dict `:` type($value)"

    def __init__(self, value: SSAValue):
        super().__init__(operands=[value])


class KernelOp(IRDLOperation):
    """Base of all kernels: operands, epilogue, results and their syntax.

    ``SYNTAX`` lists the op's own properties with their kind, in the order in which they print; a
    property equal to its default is not printed.

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
    DEFAULTS: ClassVar[Mapping[str, PropertyValue]] = {}
    # Whether the region's first argument is the kernel's own element, which may be wider than what is stored.
    TAKES_ELEMENT: ClassVar[bool] = True

    def __init__(
        self,
        ins: Sequence[SSAValue],
        results: TensorType | Sequence[TensorType],
        *,
        epilogue_ins: Sequence[SSAValue] = (),
        epilogue: Region | None = None,
        **properties: PropertyValue,
    ):
        unknown = properties.keys() - self.SYNTAX.keys()
        if unknown:
            raise TypeError(f"{self.name} has no property {sorted(unknown)}")
        attributes = {}
        for name, kind in self.SYNTAX.items():
            value = properties.get(name, self.DEFAULTS.get(name))
            if value is not None:
                attributes[name] = _FROM_PYTHON[kind](value)
        super().__init__(
            operands=[ins, epilogue_ins],
            result_types=[[results] if isinstance(results, TensorType) else results],
            regions=[epilogue if epilogue is not None else Region()],
            properties=attributes,
        )

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

    # --- syntax ---------------------------------------------------------------------------------

    def print(self, printer: Printer) -> None:
        print_operands(printer, " ins", self.ins)
        for name, kind in self.SYNTAX.items():
            value = self.properties.get(name)
            default = self.DEFAULTS.get(name)
            if value is None or (default is not None and value == _FROM_PYTHON[kind](default)):
                continue
            printer.print_string(f" {name}")
            _print_property(printer, value)
        if self.has_epilogue:
            printer.print_string(" epilogue")
            if self.epilogue_ins:
                print_operands(printer, "", self.epilogue_ins)
            printer.print_string(" ")
            printer.print_region(self.epilogue)
        printer.print_string(" -> ")
        printer.print_list([result.type for result in self.outs], printer.print_attribute)

    @classmethod
    def parse(cls, parser: Parser) -> KernelOp:
        parser.parse_keyword("ins")
        ins = parse_operands(parser)
        properties: dict[str, Attribute] = {
            name: attribute
            for name, default in cls.DEFAULTS.items()
            if (attribute := _FROM_PYTHON[cls.SYNTAX[name]](default)) is not None
        }
        epilogue_ins: list[SSAValue] = []
        region = Region()
        while not parser.parse_optional_punctuation("->"):
            word = parser.parse_identifier(f"a property of {cls.name}, epilogue or ->")
            if word == "epilogue":
                if parser.parse_optional_characters("(") is not None:
                    epilogue_ins = parse_operands(parser, opened=True)
                region = parser.parse_region()
            elif word in cls.SYNTAX:
                properties[word] = _PARSERS[cls.SYNTAX[word]](parser)
            else:
                parser.raise_error(f"{cls.name} has no property '{word}'; it has {', '.join(cls.SYNTAX) or 'none'}")
        results = [parser.parse_type()]
        while parser.parse_optional_punctuation(","):
            results.append(parser.parse_type())
        return cls.create(
            operands=[*ins, *epilogue_ins],
            result_types=results,
            properties={
                **properties,
                "operandSegmentSizes": DenseArrayBase.from_list(i32, [len(ins), len(epilogue_ins)]),
            },
            regions=[region],
        )

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


def print_operands(printer: Printer, keyword: str, operands: Sequence[SSAValue]) -> None:
    printer.print_string(f"{keyword}(")
    if operands:
        printer.print_list(operands, printer.print_ssa_value)
        printer.print_string(" : ")
        printer.print_list([value.type for value in operands], printer.print_attribute)
    printer.print_string(")")


def parse_operands(parser: Parser, opened: bool = False) -> list[SSAValue]:
    if not opened:
        parser.parse_punctuation("(")
    if parser.parse_optional_punctuation(")"):
        return []
    start = parser.pos
    operands = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_unresolved_operand)
    parser.parse_punctuation(":")
    types = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
    parser.parse_punctuation(")")
    return list(parser.resolve_operands(operands, types, start))
