"""Operations that machine code has no use for: pictures in files, and what is computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.irdl import operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from .operation import GraphOperation, graph_operation, word
from .types import GraphTensorType, is_float, ui8

PIXEL_FORMATS = ("rgb", "bgr", "grayscale")


@graph_operation
class DecodeImageOp(GraphOperation):
    """The pixels of a picture's file: rows by columns by channels.

    C1: x is a vector of bytes and the result has 3 axes of bytes; C2: pixels are rgb, bgr or grayscale.
    """

    name = "graph.decode_image"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    pixels: str = word("rgb")

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        ranks = (types[0].rank, result_types[0].rank)
        if ranks != (1, 3) or any(type_.element_type != ui8 for type_ in (types[0], result_types[0])):
            raise VerifyException(f"C1: a picture of {types[0]} cannot be {result_types[0]}")
        if values["pixels"] not in PIXEL_FORMATS:
            raise VerifyException(f"C2: expected one of {', '.join(PIXEL_FORMATS)}, got {values['pixels']}")


@graph_operation
class MelWeightsOp(GraphOperation):
    """How much of each frequency of a spectrum of ``length`` points belongs to each of ``bins`` bins of the mel scale.

    From ``low`` to ``high`` Hz, at ``rate`` samples a second. C1: the operands are scalars; C2: the result is a matrix.
    """

    name = "graph.mel_weights"
    bins = operand_def(GraphTensorType)
    length = operand_def(GraphTensorType)
    rate = operand_def(GraphTensorType)
    low = operand_def(GraphTensorType)
    high = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        if any(type_.rank for type_ in types):
            raise VerifyException("C1: the operands must be scalars")
        if result_types[0].rank != 2:
            raise VerifyException(f"C2: the result must be a matrix, got {result_types[0]}")


@graph_operation
class DeterminantOp(GraphOperation):
    """The determinants of matrices in the last two axes. C1: they are square, of floats."""

    name = "graph.determinant"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        (x,) = types
        if x.rank < 2 or not is_float(x.element_type):
            raise VerifyException(f"C1: expected matrices of floats, got {x}")
        return [x.with_dims(x.dims[:-2])]


HOST_OPERATIONS: tuple[type[GraphOperation], ...] = (DecodeImageOp, MelWeightsOp, DeterminantOp)
