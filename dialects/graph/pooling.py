"""Pooling windows and resizing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xdsl.irdl import operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from .linear import require_length, window_output
from .operation import GraphOperation, dimensions, flag, graph_operation, integers, number, numbers, word
from .types import GraphTensorType, i64

if TYPE_CHECKING:
    from ..shape import Dim


class PoolOp(GraphOperation):
    """A window slid over the spatial axes of N x C x spatial.

    ``pads`` lists the padding before each spatial axis, then that after each. A window rounded up
    (``ceil_mode`` on import) has become padding after the axis: such padding counts for nothing.

    C1: rank 3 or more; C2: list fields fit the spatial rank.
    """

    x = operand_def(GraphTensorType)

    @classmethod
    def pooled(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> GraphTensorType:
        x = types[0]
        if x.rank < 3:
            raise VerifyException(f"C1: x must have rank 3 or more, got {x}")
        spatial = x.rank - 2
        lengths = {"kernel": spatial, "strides": spatial, "pads": 2 * spatial, "dilations": spatial}
        require_length("C2", values, lengths)
        pads = values["pads"]
        windows = zip(
            x.dims[2:], values["kernel"], values["strides"], pads[:spatial], pads[spatial:], values["dilations"]
        )
        return x.with_dims((*x.dims[:2], *(window_output(*window) for window in windows)))


@graph_operation
class MaxPoolOp(PoolOp):
    """The largest element of each window; padding never wins."""

    name = "graph.max_pool"
    result = result_def(GraphTensorType)
    kernel: tuple[int, ...] = integers()
    strides: tuple[int, ...] = integers(lambda types: (1,) * (types[0].rank - 2))
    pads: tuple[int, ...] = integers(lambda types: (0,) * 2 * (types[0].rank - 2))
    dilations: tuple[int, ...] = integers(lambda types: (1,) * (types[0].rank - 2))

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        return [cls.pooled(types, values)]


@graph_operation
class MaxPoolWithIndicesOp(PoolOp):
    """As max_pool, and for each window the position of its largest element in the flattened x.

    ``column_major`` counts the spatial axes of the position in column-major order.
    """

    name = "graph.max_pool_with_indices"
    result = result_def(GraphTensorType)
    indices = result_def(GraphTensorType)
    kernel: tuple[int, ...] = integers()
    strides: tuple[int, ...] = integers(lambda types: (1,) * (types[0].rank - 2))
    pads: tuple[int, ...] = integers(lambda types: (0,) * 2 * (types[0].rank - 2))
    dilations: tuple[int, ...] = integers(lambda types: (1,) * (types[0].rank - 2))
    column_major: bool = flag()

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        pooled = cls.pooled(types, values)
        return [pooled, pooled.with_element(i64)]


@graph_operation
class AvgPoolOp(PoolOp):
    """The mean of each window, over the elements inside x, or with ``count_include_pad`` over those inside
    x and its padding. ``overhang`` is the part of the padding after each axis that comes from rounding up
    the number of windows: it never counts."""

    name = "graph.avg_pool"
    result = result_def(GraphTensorType)
    kernel: tuple[int, ...] = integers()
    strides: tuple[int, ...] = integers(lambda types: (1,) * (types[0].rank - 2))
    pads: tuple[int, ...] = integers(lambda types: (0,) * 2 * (types[0].rank - 2))
    dilations: tuple[int, ...] = integers(lambda types: (1,) * (types[0].rank - 2))
    overhang: tuple[int, ...] = integers(lambda types: (0,) * (types[0].rank - 2))
    count_include_pad: bool = flag()

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        return [cls.pooled(types, values)]


RESIZE_MODES = ("nearest", "linear", "cubic")
COORDINATE_MODES = (
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "tf_half_pixel_for_nn", "align_corners", "asymmetric",
    "tf_crop_and_resize",
)  # fmt: skip
NEAREST_MODES = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


@graph_operation
class ResizeOp(GraphOperation):
    """Interpolates x to the shape of the result.

    ``scales``, one an axis, enter the coordinate arithmetic, as ONNX says. Where they are left out or 0, the scale
    is ``common_scale`` (a numerator and a denominator), and without that the result's size / x's.
    ``roi`` is start and end of the region per axis for tf_crop_and_resize. C1: modes are known;
    C2: the result has the rank of x; C3: scales, where given, have one entry an axis; C4: common_scale has two.
    """

    name = "graph.resize"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    mode: str = word(leading=True)
    coordinates: str = word("half_pixel")
    nearest: str = word("round_prefer_floor")
    scales: tuple[float, ...] = numbers(())
    common_scale: tuple[Dim, ...] = dimensions(())
    roi: tuple[float, ...] = numbers(())
    cubic_coefficient: float = number(-0.75)
    exclude_outside: bool = flag()
    extrapolation: float = number(0.0)
    antialias: bool = flag()

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        known = (("mode", RESIZE_MODES), ("coordinates", COORDINATE_MODES), ("nearest", NEAREST_MODES))
        for name, choices in known:
            if values[name] not in choices:
                raise VerifyException(f"C1: {name} must be one of {', '.join(choices)}, got '{values[name]}'")
        x, result = types[0], result_types[0]
        if x.rank != result.rank or x.element_type != result.element_type:
            raise VerifyException(f"C2: the result must have rank and element type of x {x}, got {result}")
        if values["scales"] and len(values["scales"]) != x.rank:
            raise VerifyException(f"C3: expected {x.rank} scales, got {list(values['scales'])}")
        if len(values["common_scale"]) not in (0, 2):
            raise VerifyException(f"C4: expected a numerator and a denominator, got {list(values['common_scale'])}")
