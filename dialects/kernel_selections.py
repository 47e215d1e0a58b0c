"""Kernels that order, count or select elements: their text is that of all kernels (kernel_operation.py).

Each works on whole rows that lie one after another, and takes no epilogue.
"""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import UnitAttr
from xdsl.irdl import irdl_op_definition, opt_prop_def

from .kernel_operation import KernelOp


class SelectionOp(KernelOp):
    """Base."""

    TAKES_EPILOGUE: ClassVar = False


@irdl_op_definition
class TopKOp(SelectionOp):
    """The largest (``smallest``) elements along the last axis, sorted, and their places (i64): as many as results have.

    Equal ones by place; a NaN is larger than all numbers. ``unsigned``: integers have no sign.
    """

    name = "kernel.top_k"
    smallest = opt_prop_def(UnitAttr)
    unsigned = opt_prop_def(UnitAttr)
    SYNTAX: ClassVar = {"smallest": "flag", "unsigned": "flag"}


@irdl_op_definition
class CountNonzeroOp(SelectionOp):
    """How many elements of x are not zero: one i64."""

    name = "kernel.count_nonzero"


@irdl_op_definition
class NonzeroOp(SelectionOp):
    """Positions (i64) of the elements of x that are not zero, one a column: as many as the result has."""

    name = "kernel.nonzero"


@irdl_op_definition
class SuppressBoxesOp(SelectionOp):
    """The boxes of each class that remain when those overlapping a better one are dropped: graph.suppress_boxes.

    ins: boxes [batches, boxes, 4], scores [batches, classes, boxes], the most boxes of a class (i64), the overlap (IoU)
    above which one is dropped, and where it is given the score that all are above. outs: kept, counts (i64).
    """

    name = "kernel.suppress_boxes"
    center_point_box = opt_prop_def(UnitAttr)
    SYNTAX: ClassVar = {"center_point_box": "flag"}


@irdl_op_definition
class ListBoxesOp(SelectionOp):
    """Rows [batch, class, box] (i64) of what is kept [batches, classes, most], as many of each as counts says."""

    name = "kernel.list_boxes"


@irdl_op_definition
class FindDistinctOp(SelectionOp):
    """Which rows of x [rows, columns] are distinct: graph.find_distinct. ``unsigned``: integers have no sign.

    outs (i64): where each occurs first, which one each row is, how often each occurs, all three [rows]; how many [1].
    """

    name = "kernel.find_distinct"
    unsorted = opt_prop_def(UnitAttr)
    unsigned = opt_prop_def(UnitAttr)
    SYNTAX: ClassVar = {"unsorted": "flag", "unsigned": "flag"}


SELECTIONS = [TopKOp, CountNonzeroOp, NonzeroOp, SuppressBoxesOp, ListBoxesOp, FindDistinctOp]
