"""Kernels that read and write at computed positions, several of them; negative ones count from the end."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import IntegerAttr, StringAttr
from xdsl.irdl import irdl_op_definition, opt_prop_def, prop_def

from .kernel_operation import IntegerList, KernelOp


@irdl_op_definition
class GatherNdOp(KernelOp):
    """ONNX GatherND: slices of x at the positions in the last axis of indices, after ``batch_dims`` shared axes."""

    name = "kernel.gather_nd"
    batch_dims = prop_def(IntegerAttr)
    SYNTAX: ClassVar = {"batch_dims": "integer"}
    DEFAULTS: ClassVar = {"batch_dims": 0}


@irdl_op_definition
class ScatterElementsOp(KernelOp):
    """x, with updates at the indices along ``axis``; ``reduction`` is none, add, mul, max or min with what is there.

    x broadcasts to the result, where it has one element. The indices broadcast to the updates, with all axes. Numbers
    are compared as unsigned ones where operand 0 is called ``unsigned``.
    """

    name = "kernel.scatter_elements"
    axis = prop_def(IntegerAttr)
    reduction = prop_def(StringAttr)
    unsigned = opt_prop_def(IntegerList)
    SYNTAX: ClassVar = {"reduction": "word", "axis": "integer", "unsigned": "integers"}
    DEFAULTS: ClassVar = {"reduction": "none"}
    VARIANT: ClassVar = "reduction"


@irdl_op_definition
class ScatterNdOp(KernelOp):
    """x, with updates at the positions in the last axis of indices; otherwise as kernel.scatter_elements."""

    name = "kernel.scatter_nd"
    reduction = prop_def(StringAttr)
    unsigned = opt_prop_def(IntegerList)
    SYNTAX: ClassVar = {"reduction": "word", "unsigned": "integers"}
    DEFAULTS: ClassVar = {"reduction": "none"}
    VARIANT: ClassVar = "reduction"


INDEXING = [GatherNdOp, ScatterElementsOp, ScatterNdOp]
