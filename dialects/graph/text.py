"""Operations on text. They run on the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from xdsl.irdl import operand_def, opt_operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from .elementwise import BinaryOp
from .operation import GraphOperation, flag, graph_operation, integer, word
from .types import GraphTensorType, StringType, f32, i1, i64, is_integer

CASE_CHANGES = ("none", "lower", "upper")
TERM_WEIGHTS = ("tf", "idf", "tfidf")


def _require_text(constraint: str, types: Sequence[GraphTensorType]) -> None:
    for index, type_ in enumerate(types):
        if not isinstance(type_.element_type, StringType):
            raise VerifyException(f"{constraint}: operand #{index} must have elements of text, got {type_}")


@graph_operation
class StringConcatOp(BinaryOp):
    """The text of a before that of b. C1: text; C2: the operands broadcast."""

    ACCEPTS = staticmethod(lambda element: isinstance(element, StringType))
    EXPECTED: ClassVar[str] = "text"
    name = "graph.string_concat"


@graph_operation
class StringSplitOp(GraphOperation):
    """The pieces of each element between delimiters, along a new last axis, and how many there are.

    Rows of fewer pieces end in empty text. An empty delimiter stands for any white space; at most ``splits`` are made
    where that is not negative. C1: text; C2: the delimiter is a scalar; C3: the pieces have an axis more than x, and
    the counts are of x's shape and i64.
    """

    name = "graph.string_split"
    x = operand_def(GraphTensorType)
    delimiter = operand_def(GraphTensorType)
    pieces = result_def(GraphTensorType)
    counts = result_def(GraphTensorType)
    splits: int = integer(-1)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        _require_text("C1", types)
        x, delimiter = types
        if delimiter.rank:
            raise VerifyException(f"C2: the delimiter must be a scalar, got {delimiter}")
        pieces, counts = result_types
        if pieces.rank != x.rank + 1 or pieces.element_type != x.element_type:
            raise VerifyException(f"C3: the pieces of {x} cannot be {pieces}")
        if not counts.same_shape(x) or counts.element_type != i64:
            raise VerifyException(f"C3: the counts of {x} cannot be {counts}")


@graph_operation
class StringNormalizeOp(GraphOperation):
    """The elements that are not among the stop words, in lower or upper case; one empty text where none is left.

    C1: text; C2: x and the result are vectors, or matrices of one row; C3: case is none, lower or upper.
    """

    name = "graph.string_normalize"
    x = operand_def(GraphTensorType)
    stop_words = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    case: str = word("none")
    ignores_case: bool = flag()

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        _require_text("C1", [*types, *result_types])
        if types[0].rank not in (1, 2) or result_types[0].rank != types[0].rank:
            raise VerifyException(f"C2: {types[0]} must be a vector, or a matrix of one row, as the result is")
        if values["case"] not in CASE_CHANGES:
            raise VerifyException(f"C3: case must be one of {', '.join(CASE_CHANGES)}, got {values['case']}")


@graph_operation
class RegexFullMatchOp(GraphOperation):
    """Whether a regular expression describes the whole of each element. C1: text; C2: the pattern is a scalar."""

    name = "graph.regex_full_match"
    x = operand_def(GraphTensorType)
    pattern = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        _require_text("C1", types)
        if types[1].rank:
            raise VerifyException(f"C2: the pattern must be a scalar, got {types[1]}")
        return [types[0].with_element(i1)]


@graph_operation
class TfIdfOp(GraphOperation):
    """How often each n-gram of a pool occurs in each row of x.

    The pool has its n-grams by length: those of length n are ``pool[starts[n - 1]:starts[n]]``, one after another. The
    i-th of all is counted in column ``columns[i]``. Items of an n-gram may be apart by up to ``skips`` others,
    all by as many. ``weights`` is tf: the count, idf: the weight (1 without ``weights``) where there is one, tfidf:
    the count times the weight.

    C1: x is a vector or a matrix, of the pool's elements; C2: the pool, starts, columns and weights are vectors.
    """

    name = "graph.tf_idf"
    x = operand_def(GraphTensorType)
    pool = operand_def(GraphTensorType)
    starts = operand_def(GraphTensorType)
    columns = operand_def(GraphTensorType)
    weights = opt_operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    shortest: int = integer()
    longest: int = integer()
    skips: int = integer(0)
    mode: str = word("tf")

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        x, pool, *vectors = types
        if x.rank not in (1, 2) or not (x.element_type == pool.element_type or is_integer(x.element_type)):
            raise VerifyException(f"C1: x must be a vector or a matrix of what the pool {pool} has, got {x}")
        if any(vector.rank != 1 for vector in (pool, *vectors)):
            raise VerifyException("C2: the pool, starts, columns and weights must be vectors")
        if result_types[0].rank != x.rank or result_types[0].element_type != f32:
            raise VerifyException(f"C1: the result for {x} cannot be {result_types[0]}")


TEXT_OPERATIONS: tuple[type[GraphOperation], ...] = (
    StringConcatOp, StringSplitOp, StringNormalizeOp, RegexFullMatchOp, TfIdfOp,
)  # fmt: skip
