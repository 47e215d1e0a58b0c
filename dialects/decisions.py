"""What a schedule decides of each kernel: a dataclass for each way of walking, a field for each decision.

All that is known of a decision stands here once: its name, type, range, default and meaning, what it may not be beside
a given kernel, and the scratch memory that follows. The text of a stage is read and verified by it, passes make and
lowerings read the dataclasses, and the table in docs/schedule.md is written from it. A decision without a default is
made by ``schedule-choose-tiles`` from the numbers of the target, where the text leaves it open. Kernels with many
decisions have files of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Attribute, Operation

from .attention_decisions import Attention
from .block_decisions import BlockGemm
from .conv_decisions import Depthwise, Direct, Im2col, Indirect, Winograd
from .decision_fields import COLUMNS, REGISTERS, Decisions, decision
from .gemm_decisions import Gemm
from .kernel import PoolOp
from .recurrence_decisions import Recurrence
from .selection_decisions import SELECTION_KINDS
from .tree_decisions import TreeEnsemble


@dataclass(frozen=True, kw_only=True)
class Lanes(Decisions):
    """Vectors along the elements that lie side by side."""

    lanes: int = decision("elements of a vector", REGISTERS)


@dataclass(frozen=True, kw_only=True)
class Elements(Lanes):
    """Tiles of several vectors of the result."""

    unroll: int = decision("vectors in a tile", REGISTERS, 4)


@dataclass(frozen=True, kw_only=True)
class Reduction(Lanes):
    """Several vectors of partial results."""

    unroll: int = decision("vectors of partial results", REGISTERS, 4)


@dataclass(frozen=True, kw_only=True)
class Rows(Lanes):
    """Rows are read once where they fit into registers."""

    unroll: int = decision("vectors of a longer row in a tile", REGISTERS, 4)
    row_vectors: int = decision("vectors of the longest row that stays in registers", REGISTERS, 8)


@dataclass(frozen=True, kw_only=True)
class Softmax(Rows):
    """As Rows, with fewer vectors: each holds exponentials."""

    unroll: int = decision("vectors of a longer row in a tile", REGISTERS, 2)


@dataclass(frozen=True, kw_only=True)
class Pool(Lanes):
    """Tiles of neighbouring outputs of a row."""

    columns: int = decision("outputs in a tile", COLUMNS, 8, says="ow tile")
    share: Literal["all", "rows"] = decision(
        "what threads share: all outer loops, or images and their rows", ("all", "rows"), "all"
    )

    def conflict(self, kernel: Operation) -> str | None:
        if self.share == "rows" and (not isinstance(kernel, PoolOp) or kernel.type.rank != 4):
            return f"{self.phrase('share')} needs a result of images: batch by channels by rows by columns"
        return super().conflict(kernel)


_ELEMENTS = (
    "kernel.map", "layout.convert", "kernel.broadcast", "kernel.concat", "kernel.gather", "kernel.gather_elements",
    "kernel.gather_nd", "kernel.pad", "kernel.resize", "kernel.scatter_elements", "kernel.scatter_nd", "kernel.slice",
    "kernel.grid_sample", "kernel.roi_align", "kernel.weigh",
    "kernel.reverse_sequence",
)  # fmt: skip
KINDS: Mapping[str, type[Decisions]] = {
    **dict.fromkeys(_ELEMENTS, Elements),
    "kernel.gemm": Gemm,
    "kernel.block_gemm": BlockGemm,
    "kernel.attention": Attention,
    "kernel.conv direct": Direct,
    "kernel.conv depthwise": Depthwise,
    "kernel.conv winograd2": Winograd,
    "kernel.conv winograd4": Winograd,
    "kernel.conv im2col": Im2col,
    "kernel.conv indirect": Indirect,
    "kernel.reduce": Reduction,
    "kernel.arg_reduce": Lanes,
    "kernel.cumulative_sum": Lanes,
    "kernel.softmax": Softmax,
    "kernel.layer_norm": Rows,
    "kernel.pool": Pool,
    **SELECTION_KINDS,
    "kernel.tree_ensemble": TreeEnsemble,
    "kernel.recurrence": Recurrence,
}
"""The decisions of each kernel that has some, convolutions by algorithm."""


def kernel_kind(kernel: Operation) -> str:
    """The kernel's name in KINDS: its op's, of a convolution with the algorithm."""
    return kind_name(kernel.name, kernel.properties)


def kind_name(name: str, properties: Mapping[str, Attribute]) -> str:
    algorithm = properties.get("algorithm")
    return f"{name} {algorithm.data}" if isinstance(algorithm, StringAttr) else name


def kind_of(kernel: Operation) -> type[Decisions]:
    """The decisions that a kernel has."""
    return KINDS.get(kernel_kind(kernel), Decisions)
