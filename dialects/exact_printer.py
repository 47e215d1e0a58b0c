"""xDSL's printer, whose text reads back as it was, numbers in vectors included."""

from __future__ import annotations

from io import StringIO

from xdsl.dialects.builtin import AnyFloat, DenseIntOrFPElementsAttr
from xdsl.ir import Attribute
from xdsl.printer import Printer


class ExactPrinter(Printer):
    """Prints vectors of infinities, NaN and large whole numbers as their bytes.

    xDSL prints such a number as its bits, ``dense<0x7f800000> : vector<4xf32>``, and reads that as an integer to be
    converted. As bytes, ``dense<"0x0000807F"> : vector<4xf32>``, it is what it was.
    """

    def print_attribute(self, attribute: Attribute) -> None:
        if not isinstance(attribute, DenseIntOrFPElementsAttr) or not _has_bits(attribute):
            super().print_attribute(attribute)
            return
        data = attribute.data.data
        element = data[: len(data) // max(len(attribute), 1)]
        if data == element * len(attribute):
            data = element
        self.print_string(f'dense<"0x{data.hex().upper()}"> : ')
        self.print_attribute(attribute.get_type())


def _has_bits(attribute: DenseIntOrFPElementsAttr) -> bool:
    """Whether a number in it has no decimal text."""
    element = attribute.get_element_type()
    if not isinstance(element, AnyFloat):
        return False
    text = StringIO()
    printer = Printer(text)
    for value in set(attribute.get_values()):
        printer.print_float(value, element)  # pyright: ignore[reportArgumentType]
    return "0x" in text.getvalue()
