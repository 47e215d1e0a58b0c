"""What all graph operations share: fields with defaults, one assembly format, shape inference, verification.

An operation class lists its operands with IRDL and its fields with the functions below::

    @graph_operation
    class ConvOp(GraphOperation):
        name = "graph.conv"
        x = operand_def(TensorType)
        ...
        group: int = integer(1)

A field is a property of the operation (an MLIR attribute), seen from Python as a plain value:
``op.group`` is ``1`` where nothing is stored. The text of an operation is::

    graph.NAME leading-fields operands (field-name value)* attr-dict : (operand types) -> result types

where fields at their default are left out, and ``: type`` alone stands for "all operands and results
have this type".
"""

from __future__ import annotations

import functools
from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    FloatAttr,
    IntegerAttr,
    StringAttr,
    UnitAttr,
    f64,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, opt_prop_def, traits_def
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..dimension_attribute import DimensionAttr, dimension_array, parse_dimensions, print_dimensions
from .types import GraphTensorType, i64, joined_element

if TYPE_CHECKING:
    from ..shape import Dim


@dataclass(frozen=True)
class Kind:
    """How a field's Python value becomes an attribute and text, and back."""

    attribute: type[Attribute]
    encode: Callable[[Any], Attribute]
    decode: Callable[[Any], Any]
    print: Callable[[Printer, Any], None]
    parse: Callable[[Parser], Any]


def _print_integers(printer: Printer, values: Sequence[int]) -> None:
    printer.print_string("[" + ", ".join(map(str, values)) + "]")


def _parse_integers(parser: Parser) -> tuple[int, ...]:
    return tuple(parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_integer))


def _print_float(printer: Printer, value: float) -> None:
    text = repr(value)
    if text in ("inf", "-inf", "nan"):
        printer.print_string(f'"{text}"')
    elif "e" in text and "." not in text:
        printer.print_string(text.replace("e", ".0e"))
    else:
        printer.print_string(text)


def _parse_float(parser: Parser) -> float:
    text = parser.parse_optional_str_literal()
    return float(parser.parse_number()) if text is None else float(text)


def _print_numbers(printer: Printer, values: Sequence[float]) -> None:
    with printer.in_square_brackets():
        printer.print_list(values, functools.partial(_print_float, printer))


def _parse_numbers(parser: Parser) -> tuple[float, ...]:
    parse_one = functools.partial(_parse_float, parser)
    return tuple(parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parse_one))


INTEGER = Kind(
    IntegerAttr,
    lambda value: IntegerAttr(int(value), i64),
    lambda attribute: attribute.value.data,
    lambda printer, value: printer.print_string(str(value)),
    lambda parser: parser.parse_integer(),
)
INTEGERS = Kind(
    DenseArrayBase,
    lambda values: DenseArrayBase.from_list(i64, [int(value) for value in values]),
    lambda attribute: tuple(int(value) for value in attribute.get_values()),
    _print_integers,
    _parse_integers,
)
FLOAT = Kind(
    FloatAttr,
    lambda value: FloatAttr(float(value), f64),
    lambda attribute: attribute.value.data,
    _print_float,
    _parse_float,
)
NUMBERS = Kind(
    DenseArrayBase,
    lambda values: DenseArrayBase.from_list(f64, [float(value) for value in values]),
    lambda attribute: tuple(float(value) for value in attribute.get_values()),
    _print_numbers,
    _parse_numbers,
)
FLAG = Kind(
    UnitAttr,
    lambda value: UnitAttr(),
    lambda attribute: True,
    lambda printer, value: None,
    lambda parser: True,
)
WORD = Kind(
    StringAttr,
    StringAttr,
    lambda attribute: attribute.data,
    lambda printer, value: printer.print_string(value),
    lambda parser: parser.parse_identifier(),
)
SYMBOL = Kind(
    StringAttr,
    StringAttr,
    lambda attribute: attribute.data,
    lambda printer, value: printer.print_symbol_name(value),
    lambda parser: parser.parse_symbol_name().data,
)
TEXT = Kind(
    StringAttr,
    StringAttr,
    lambda attribute: attribute.data,
    lambda printer, value: printer.print_string_literal(value),
    lambda parser: parser.parse_str_literal(),
)
DIMENSIONS = Kind(
    ArrayAttr,
    dimension_array,
    lambda attribute: tuple(dimension.data for dimension in cast(ArrayAttr[DimensionAttr], attribute)),
    print_dimensions,
    parse_dimensions,
)

REQUIRED: Any = object()


@dataclass(frozen=True)
class Field:
    """A field of an operation. ``default`` may be a function of the operand types."""

    name: str
    kind: Kind
    default: Any
    leading: bool

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def default_for(self, types: Sequence[GraphTensorType]) -> Any:
        return self.default(types) if callable(self.default) else self.default


def integer(default: Any = REQUIRED, *, leading: bool = False) -> int:
    return cast(int, Field("", INTEGER, default, leading))


def integers(default: Any = REQUIRED, *, leading: bool = False) -> tuple[int, ...]:
    return cast("tuple[int, ...]", Field("", INTEGERS, default, leading))


def number(default: Any = REQUIRED) -> float:
    return cast(float, Field("", FLOAT, default, False))


def numbers(default: Any = REQUIRED) -> tuple[float, ...]:
    return cast("tuple[float, ...]", Field("", NUMBERS, default, False))


def flag() -> bool:
    """A word that is there or not; false where it is not."""
    return cast(bool, Field("", FLAG, False, False))


def word(default: Any = REQUIRED, *, leading: bool = False) -> str:
    return cast(str, Field("", WORD, default, leading))


def text(default: Any = REQUIRED) -> str:
    return cast(str, Field("", TEXT, default, False))


def symbol_name() -> str:
    return cast(str, Field("", SYMBOL, REQUIRED, True))


def dimensions(default: Any = REQUIRED, *, leading: bool = False) -> tuple[Dim, ...]:
    return cast("tuple[Dim, ...]", Field("", DIMENSIONS, default, leading))


class GraphOperation(IRDLOperation, ABC):
    """An operation on tensors without side effects."""

    FIELDS: ClassVar[Mapping[str, Field]] = {}

    traits = traits_def(Pure())

    def __init__(
        self,
        operands: Sequence[SSAValue | Operation],
        result_types: Sequence[Attribute] | None = None,
        **values: Any,
    ):
        """Fields by name; result types are inferred where not given. Raises VerifyException where they can't be."""
        ssa_values = [SSAValue.get(operand) for operand in operands]
        types = [cast(GraphTensorType, value.type) for value in ssa_values]
        for name in values:
            if name not in self.FIELDS:
                raise TypeError(f"{self.name} has no field '{name}'")
        if result_types is None:
            result_types = self.infer(types, self.complete(types, values))
        properties = {
            name: self.FIELDS[name].kind.encode(value)
            for name, value in values.items()
            if value is not None and not _same_value(value, self.FIELDS[name].default_for(types))
        }
        Operation.__init__(self, operands=ssa_values, result_types=result_types, properties=properties)

    @classmethod
    def complete(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> dict[str, Any]:
        """All fields of an operation on ``types``: the values given, the rest at their defaults."""
        complete = {}
        for name, field in cls.FIELDS.items():
            value = values.get(name)
            if value is None and field.required:
                raise TypeError(f"{cls.name} needs the field '{name}'")
            complete[name] = field.default_for(types) if value is None else value
        return complete

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        """The result types from operand types and complete fields.

        Raises VerifyException, citing the constraint's number, where the operands don't fit.
        """
        raise VerifyException(f"{cls.name}: the result type does not follow from the operands; give it")

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        """Raises VerifyException where the result types don't agree with what is inferred."""
        inferred = cls.infer(types, values)
        for index, (expected, actual) in enumerate(zip(inferred, result_types, strict=True)):
            if not compatible(expected, actual):
                which = f"result #{index}" if len(result_types) > 1 else "the result"
                raise VerifyException(f"{which} must have type {expected}, got {actual}")

    @property
    def operand_types(self) -> list[GraphTensorType]:
        return [cast(GraphTensorType, operand.type) for operand in self.operands]

    @property
    def result_types(self) -> list[GraphTensorType]:
        return [cast(GraphTensorType, result.type) for result in self.results]

    @property
    def values(self) -> dict[str, Any]:
        """All fields as Python values, defaults included: what reference semantics take as attributes."""
        return {name: getattr(self, name) for name in self.FIELDS}

    def with_values(self, operands: Sequence[SSAValue], result_types: Sequence[Attribute] | None = None) -> Self:
        """The same operation (fields kept) on other operands; result types inferred where not given."""
        stored = {name: self.FIELDS[name].kind.decode(self.properties[name]) for name in self.properties}
        return type(self)(operands, result_types, **stored)

    def verify_(self) -> None:
        for field in self.FIELDS.values():
            if field.required and field.name not in self.properties:
                raise VerifyException(f"the field '{field.name}' is missing")
        self.check(self.operand_types, self.values, self.result_types)

    def print(self, printer: Printer) -> None:
        for field in self.FIELDS.values():
            if field.leading and field.name in self.properties:
                printer.print_string(" ")
                field.kind.print(printer, getattr(self, field.name))
        if self.operands:
            printer.print_string(" ")
            printer.print_list(self.operands, printer.print_ssa_value)
        for field in self.FIELDS.values():
            if not field.leading and field.name in self.properties:
                self._print_field(printer, field)
        if self.attributes:
            printer.print_op_attributes(self.attributes)
        printer.print_string(" : ")
        print_signature(printer, [operand.type for operand in self.operands], [result.type for result in self.results])

    def _print_field(self, printer: Printer, field: Field) -> None:
        value = getattr(self, field.name)
        if _same_value(value, field.default_for(self.operand_types)):
            return
        printer.print_string(f" {field.name}")
        if field.kind is not FLAG:
            printer.print_string(" ")
            field.kind.print(printer, value)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        properties: dict[str, Attribute] = {}
        for field in cls.FIELDS.values():
            if field.leading:
                properties[field.name] = field.kind.encode(field.kind.parse(parser))
        unresolved = parser.parse_optional_undelimited_comma_separated_list(
            parser.parse_optional_unresolved_operand, parser.parse_unresolved_operand
        )
        named = [field.name for field in cls.FIELDS.values() if not field.leading]
        while (name := parser.parse_optional_keyword_in(named)) is not None:
            if name in properties:
                parser.raise_error(f"the field '{name}' is given twice")
            kind = cls.FIELDS[name].kind
            properties[name] = kind.encode(kind.parse(parser))
        attributes = parser.parse_optional_attr_dict()
        position = parser.pos
        parser.parse_punctuation(":")
        operand_types, result_types = parse_signature(parser, len(unresolved or ()), cls._result_count())
        operands = parser.resolve_operands(unresolved or (), operand_types, position)
        return cls.create(operands=operands, result_types=result_types, properties=properties, attributes=attributes)

    @classmethod
    def _result_count(cls) -> int:
        return len(cls.get_irdl_definition().results)


def print_signature(printer: Printer, operand_types: Sequence[Attribute], result_types: Sequence[Attribute]) -> None:
    """``(A, B) -> C``; ``A`` alone where all are equal or where there are no operands and one result."""
    if len({*operand_types, *result_types}) == 1:
        printer.print_attribute(result_types[0])
        return
    with printer.in_parens():
        printer.print_list(operand_types, printer.print_attribute)
    printer.print_string(" -> ")
    if len(result_types) == 1:
        printer.print_attribute(result_types[0])
        return
    with printer.in_parens():
        printer.print_list(result_types, printer.print_attribute)


def parse_signature(
    parser: Parser, operand_count: int, result_count: int
) -> tuple[Sequence[Attribute], Sequence[Attribute]]:
    """Reads what print_signature prints."""
    single = parser.parse_optional_type() if parser.parse_optional_punctuation("(") is None else None
    if single is not None:
        return [single] * operand_count, [single] * result_count
    operand_types: list[Attribute] = []
    while parser.parse_optional_punctuation(")") is None:
        if operand_types:
            parser.parse_punctuation(",")
        operand_types.append(parser.parse_type())
    parser.parse_punctuation("->")
    result_types = parser.parse_optional_comma_separated_list(parser.Delimiter.PAREN, parser.parse_type)
    return operand_types, [parser.parse_type()] if result_types is None else result_types


def _same_value(left: Any, right: Any) -> bool:
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return tuple(left) == tuple(right)
    return type(left) is type(right) and left == right


def compatible(expected: GraphTensorType, actual: GraphTensorType) -> bool:
    """Same element type and rank, and no dimension that is known to differ.

    Two symbolic dimensions may be written differently and still be equal at run time: import records
    such an assumption as a check.
    """
    if expected == actual:
        return True
    if joined_element(expected.element_type, actual.element_type) is None or expected.rank != actual.rank:
        return False
    return all(
        left == right
        for left, right in zip(expected.dims, actual.dims)
        if isinstance(left, int) and isinstance(right, int)
    )


_OperationT = TypeVar("_OperationT", bound=GraphOperation)


def _value_accessor(field: Field) -> property:
    def get(operation: GraphOperation) -> Any:
        stored = operation.properties.get(field.name)
        if stored is not None:
            return field.kind.decode(stored)
        return None if field.required else field.default_for(operation.operand_types)

    return property(get, doc=f"The field '{field.name}' as a Python value.")


def graph_operation(cls: type[_OperationT]) -> type[_OperationT]:
    """Class decorator: turns the class's fields into properties and defines the operation with IRDL."""
    fields: dict[str, Field] = {}
    for name, value in list(vars(cls).items()):
        if isinstance(value, Field):
            fields[name] = Field(name, value.kind, value.default, value.leading)
            setattr(cls, name, opt_prop_def(value.kind.attribute))
    inherited = dict(cls.FIELDS)
    irdl_op_definition(cls)
    cls.FIELDS = inherited | fields
    for name, field in fields.items():
        setattr(cls, name, _value_accessor(field))
    return cls
