"""The kernel of decision trees."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import IntegerAttr, StringAttr, UnitAttr
from xdsl.irdl import irdl_op_definition, opt_prop_def, prop_def
from xdsl.utils.exceptions import VerifyException

from .kernel_operation import KernelOp


@irdl_op_definition
class TreeEnsembleOp(KernelOp):
    """The trees of ``graph.tree_ensemble`` on rows of x, a node's feature and way to its children packed in a word.

    ins: x [rows, features]; thresholds [nodes]; words [nodes], i32 or i64; weights [nodes, width];
    roots [groups, trees]. A word has the feature in its lowest ``feature_bits`` bits, above them how far the first
    child lies behind the node, which is 0 in a leaf. Where some nodes test for > rather than <= (``both_ways``), the
    highest bit says which. ``depth``: the longest way from a root to a leaf. C4: both numbers are in their ranges.
    """

    name = "kernel.tree_ensemble"
    kind = prop_def(StringAttr)
    depth = prop_def(IntegerAttr)
    feature_bits = prop_def(IntegerAttr)
    both_ways = opt_prop_def(UnitAttr)
    SYNTAX: ClassVar = {"kind": "word", "depth": "integer", "feature_bits": "integer", "both_ways": "flag"}
    VARIANT: ClassVar = "kind"
    TAKES_EPILOGUE: ClassVar = False

    def verify_operands(self) -> None:
        if not 0 <= self.get("feature_bits") < 32:
            raise VerifyException(f"C4: feature_bits is {self.get('feature_bits')}, expected 0 to 31")
        if self.get("depth") < 0:
            raise VerifyException(f"C4: depth is {self.get('depth')}, expected 0 or more")
