"""Operations that read or write at computed positions, and those whose result's size depends on data.

Negative indices count from the end, as in NumPy. Where a size depends on data the result type has a
symbol of its own there, which the runtime binds from the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.irdl import operand_def, opt_operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from .operation import GraphOperation, flag, graph_operation, integer, integers, number, word
from .reductions import check_axes
from .types import GraphTensorType, i64, is_integer

SCATTER_REDUCTIONS = ("none", "add", "mul", "max", "min")


def require_integer(constraint: str, name: str, operand: GraphTensorType) -> None:
    if not is_integer(operand.element_type):
        raise VerifyException(f"{constraint}: {name} must have integer elements, got {operand}")


@graph_operation
class GatherOp(GraphOperation):
    """Slices of x along ``axis`` picked by ``indices``: the axis is replaced by the shape of the indices.

    C1: the axis is one of x's; C2: indices are integers.
    """

    name = "graph.gather"
    x = operand_def(GraphTensorType)
    indices = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    axis: int = integer(0)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        x, indices = types
        axis = values["axis"]
        check_axes("C1", [axis], x.rank)
        require_integer("C2", "indices", indices)
        return [x.with_dims((*x.dims[:axis], *indices.dims, *x.dims[axis + 1 :]))]


@graph_operation
class GatherElementsOp(GraphOperation):
    """result[i, j] = x[indices[i, j], j] for axis 0, and so on. C1: same rank, axis in it; C2: integer indices."""

    name = "graph.gather_elements"
    x = operand_def(GraphTensorType)
    indices = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    axis: int = integer(0)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        x, indices = types
        if x.rank != indices.rank:
            raise VerifyException(f"C1: x {x} and indices {indices} must have the same rank")
        check_axes("C1", [values["axis"]], x.rank)
        require_integer("C2", "indices", indices)
        return [x.with_dims(indices.dims)]


@graph_operation
class GatherNdOp(GraphOperation):
    """The last axis of ``indices`` holds a position in the leading axes of x, after ``batch_dims`` shared ones.

    C1: the length k of that axis is known and batch_dims + k is at most x's rank; C2: integer indices.
    """

    name = "graph.gather_nd"
    x = operand_def(GraphTensorType)
    indices = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    batch_dims: int = integer(0)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        x, indices = types
        require_integer("C2", "indices", indices)
        depth = indices.dims[-1] if indices.rank else None
        batch = values["batch_dims"]
        if not isinstance(depth, int) or batch + depth > x.rank:
            raise VerifyException(f"C1: the last axis of indices {indices} does not fit x {x}")
        return [x.with_dims((*indices.dims[:-1], *x.dims[batch + depth :]))]


@graph_operation
class ScatterElementsOp(GraphOperation):
    """x with result[indices[i, j], j] = updates[i, j] for axis 0, and so on; ``reduction`` combines with what is there.

    C1: same rank, axis in it; C2: integer indices; C3: the reduction is none, add, mul, max or min.
    """

    name = "graph.scatter_elements"
    x = operand_def(GraphTensorType)
    indices = operand_def(GraphTensorType)
    updates = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    axis: int = integer(0)
    reduction: str = word("none")

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        x, indices, updates = types
        if not x.rank == indices.rank == updates.rank:
            raise VerifyException(f"C1: x {x}, indices {indices} and updates {updates} must have the same rank")
        check_axes("C1", [values["axis"]], x.rank)
        require_integer("C2", "indices", indices)
        check_reduction(values["reduction"])
        return [x]


@graph_operation
class ScatterNdOp(GraphOperation):
    """x with the slices at the positions in the last axis of ``indices`` replaced by (or combined with) ``updates``.

    C2: integer indices; C3: the reduction is none, add, mul, max or min.
    """

    name = "graph.scatter_nd"
    x = operand_def(GraphTensorType)
    indices = operand_def(GraphTensorType)
    updates = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    reduction: str = word("none")

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        require_integer("C2", "indices", types[1])
        check_reduction(values["reduction"])
        return [types[0]]


def check_reduction(reduction: str) -> None:
    if reduction not in SCATTER_REDUCTIONS:
        raise VerifyException(f"C3: reduction must be one of {', '.join(SCATTER_REDUCTIONS)}, got '{reduction}'")


@graph_operation
class OneHotOp(GraphOperation):
    """A new axis of the result's size at ``axis``, with values[1] at the index and values[0] elsewhere.

    Negative indices count from the end; others out of range give no hot element. C1: values has shape [2];
    C2: the axis lies in the result, which has one more axis than indices.
    """

    name = "graph.one_hot"
    indices = operand_def(GraphTensorType)
    hot_values = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    axis: int = integer()

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        indices, hot_values = types
        if hot_values.dims != (2,):
            raise VerifyException(f"C1: operand #1 must have shape [2], got {hot_values}")
        if result_types[0].rank != indices.rank + 1:
            raise VerifyException(f"C2: the result must have rank {indices.rank + 1}, got {result_types[0]}")
        check_axes("C2", [values["axis"]], result_types[0].rank)


@graph_operation
class TopKOp(GraphOperation):
    """The ``k`` largest elements along ``axis`` (or ``smallest``), sorted, and their indices; ties: lower index first.

    ``k`` is an integer tensor of one element; ``computed``: that element is not known in terms of sizes. A NaN is
    larger than all numbers. C1: the axis is one of x's; C2: k has one integer element.
    """

    name = "graph.topk"
    x = operand_def(GraphTensorType)
    k = operand_def(GraphTensorType)
    top = result_def(GraphTensorType)
    indices = result_def(GraphTensorType)
    axis: int = integer()
    smallest: bool = flag()
    computed: bool = flag()

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        check_axes("C1", [values["axis"]], types[0].rank)
        require_integer("C2", "k", types[1])


@graph_operation
class NonzeroOp(GraphOperation):
    """Positions of the elements that are not zero, one a column: rank of x by their number, as i64.

    C1: the result has as many rows as x has axes.
    """

    name = "graph.nonzero"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        rows = max(types[0].rank, 1)
        if result_types[0].rank != 2 or result_types[0].dims[0] not in (rows, types[0].rank):
            raise VerifyException(f"C1: the result must have {rows} rows, got {result_types[0]}")


@graph_operation
class UniqueOp(GraphOperation):
    """Distinct elements of x flattened, or distinct slices along ``axis``; and first index, inverse, count.

    ``unsorted`` keeps the order of first occurrence.
    """

    name = "graph.unique"
    x = operand_def(GraphTensorType)
    distinct = result_def(GraphTensorType)
    indices = result_def(GraphTensorType)
    inverse = result_def(GraphTensorType)
    counts = result_def(GraphTensorType)
    axes: tuple[int, ...] = integers(())
    unsorted: bool = flag()

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        check_axes("C1", values["axes"], types[0].rank)


@graph_operation
class NonMaxSuppressionOp(GraphOperation):
    """Boxes that remain when those overlapping a better one of their class are dropped.

    Operands: boxes [batches, boxes, 4], scores [batches, classes, boxes], and as scalars the largest
    number of boxes a class, the overlap (IoU) above which a box is dropped, the least score. The result
    lists [batch, class, box], one a row. C1: boxes and scores have rank 3; C2: the result has 3 columns.
    """

    name = "graph.non_max_suppression"
    boxes = operand_def(GraphTensorType)
    scores = operand_def(GraphTensorType)
    max_boxes = operand_def(GraphTensorType)
    iou_threshold = operand_def(GraphTensorType)
    score_threshold = opt_operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    center_point_box: bool = flag()

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        if types[0].rank != 3 or types[1].rank != 3:
            raise VerifyException(f"C1: boxes and scores must have rank 3, got {types[0]} and {types[1]}")
        if result_types[0].rank != 2 or result_types[0].dims[1] != 3 or result_types[0].element_type != i64:
            raise VerifyException(f"C2: the result must have 3 columns of i64, got {result_types[0]}")


@graph_operation
class GridSampleOp(GraphOperation):
    """x [N, C, spatial] sampled at the positions of ``grid`` [N, out spatial, axes], each in [-1, 1].

    ``in_elements``: positions are counted in elements of x instead.
    C1: ranks agree and the grid's last axis counts the spatial axes.
    """

    name = "graph.grid_sample"
    x = operand_def(GraphTensorType)
    grid = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    mode: str = word("linear")
    padding: str = word("zeros")
    align_corners: bool = flag()
    in_elements: bool = flag()

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        x, grid = types
        if x.rank != grid.rank or x.rank < 3 or grid.dims[-1] != x.rank - 2:
            raise VerifyException(f"C1: grid {grid} does not fit x {x}")
        return [x.with_dims((*x.dims[:2], *grid.dims[1:-1]))]


@graph_operation
class RoiAlignOp(GraphOperation):
    """Regions of x pooled to one size by bilinear sampling.

    ``rois`` [R, 4] are corners in the coordinates of the input image, ``batch_indices`` [R] their batch.
    C1: x has rank 4, rois shape [R, 4].
    """

    name = "graph.roi_align"
    x = operand_def(GraphTensorType)
    rois = operand_def(GraphTensorType)
    batch_indices = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    size: tuple[int, ...] = integers((1, 1))
    mode: str = word("avg")
    sampling_ratio: int = integer(0)
    spatial_scale: float = number(1.0)
    half_pixel: bool = flag()

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        x, rois, _ = types
        if x.rank != 4 or rois.rank != 2 or rois.dims[1] != 4:
            raise VerifyException(f"C1: x must have rank 4 and rois shape [R, 4], got {x} and {rois}")
        return [x.with_dims((rois.dims[0], x.dims[1], *values["size"]))]
