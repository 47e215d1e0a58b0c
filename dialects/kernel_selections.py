"""Kernels that order, count or select elements: their text is that of all kernels (kernel_operation.py).

Each works on whole rows that lie one after another, and takes no epilogue.
"""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import UnitAttr
from xdsl.irdl import irdl_op_definition, opt_prop_def
from xdsl.utils.exceptions import VerifyException

from .kernel_operation import KernelOp


class SelectionOp(KernelOp):
    """Base. C4: there is no epilogue."""

    def verify_operands(self) -> None:
        if self.has_epilogue:
            raise VerifyException(f"C4: {self.name} takes no epilogue")


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


SELECTIONS = [TopKOp, CountNonzeroOp, NonzeroOp]
