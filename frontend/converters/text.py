"""Operators on text, and those that count words in it."""

from __future__ import annotations

import re

import numpy as np

from ...dialects import graph
from ...dialects.graph.text import TERM_WEIGHTS
from ...dialects.graph.types import GraphTensorType, f32, i64
from ..node import Node
from ..registry import converter
from ..values import Value


def _text(node: Node, *words: str) -> Value:
    """A vector of text."""
    return node.b.constant(np.array(words, object).reshape(len(words)))


def _scalar(node: Node, text: str) -> Value:
    return node.b.constant(np.array(text, object))


@converter("StringConcat")
def convert_string_concat(node: Node) -> Value:
    return node.b.op(graph.StringConcatOp, node.input(0), node.input(1))


@converter("StringSplit")
def convert_string_split(node: Node) -> list[Value]:
    x = node.input(0)
    delimiter = _scalar(node, node.attribute("delimiter", "") or "")
    pieces = node.fresh_type(x.element_type, [*x.dims, None])
    counts = GraphTensorType.of(x.dims, i64)
    splits = node.attribute("maxsplit", -1)
    return node.b.emit(graph.StringSplitOp, [x, delimiter], [pieces, counts], splits=-1 if splits is None else splits)


@converter("StringNormalizer")
def convert_string_normalizer(node: Node) -> Value:
    x = node.input(0)
    if x.rank == 2:
        node.relate(x.dims[0], 1, "the number of rows of text")
    case = node.attribute("case_change_action", "NONE").lower()
    stop_words = _text(node, *node.attribute("stopwords", []))
    dims = [*x.dims[:-1], None]
    ignores_case = not node.attribute("is_case_sensitive", 0)
    (result,) = node.b.emit(
        graph.StringNormalizeOp,
        [x, stop_words],
        [node.fresh_type(x.element_type, dims)],
        case=case,
        ignores_case=ignores_case,
    )
    return result


@converter("RegexFullMatch")
def convert_regex_full_match(node: Node) -> Value:
    pattern = node.attribute("pattern", "")
    try:
        re.compile(pattern)
    except re.error as error:
        node.unsupported(f"the pattern '{pattern}' cannot be read: {error}", "write it without syntax of its own")
    return node.b.op(graph.RegexFullMatchOp, node.input(0), _scalar(node, pattern))


@converter("TfIdfVectorizer")
def convert_tf_idf(node: Node) -> Value:
    x, b = node.input(0), node.b
    words, numbers = node.attribute("pool_strings", []), node.attribute("pool_int64s", [])
    pool = _text(node, *words) if words else b.constant(np.array(numbers, np.int64))
    starts, columns = (np.array(node.attribute(name), np.int64) for name in ("ngram_counts", "ngram_indexes"))
    weights = node.attribute("weights", [])
    mode = node.attribute("mode").lower()
    if mode not in TERM_WEIGHTS:
        node.invalid(f"the attribute 'mode' is '{mode}', but must be one of TF, IDF and TFIDF")
    if columns.size == 0 or columns.min() < 0 or (weights and len(weights) != columns.size):
        node.invalid("the attributes 'ngram_indexes' and 'weights' must have a number for each n-gram of the pool")
    operands = [x, pool, b.constant(starts), b.constant(columns)]
    if weights:
        operands.append(b.constant(np.array(weights, np.float32)))
    (result,) = b.emit(
        graph.TfIdfOp,
        operands,
        [GraphTensorType.of((*x.dims[:-1], int(columns.max()) + 1), f32)],
        shortest=node.attribute("min_gram_length"),
        longest=node.attribute("max_gram_length"),
        skips=node.attribute("max_skip_count"),
        mode=mode,
    )
    return result
