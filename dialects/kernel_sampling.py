"""Kernels that read between the elements of an image, or sums of neighbours with weights of their own."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, StringAttr, UnitAttr
from xdsl.irdl import irdl_op_definition, opt_prop_def, prop_def

from .kernel_operation import IntegerList, KernelOp


@irdl_op_definition
class GridSampleOp(KernelOp):
    """x [N, C, spatial] at the positions of a grid [N, result's spatial, axes], which names the last axis first.

    ``mode`` is linear, nearest or cubic; ``padding`` zeros, border or reflection. ``coordinates``: -1 and 1 are the
    ``centers`` of the first and the last element, the ``edges`` of x, or positions are in ``elements``. With
    ``channels_last`` x and the result are [N, spatial, C].
    """

    name = "kernel.grid_sample"
    mode = prop_def(StringAttr)
    padding = prop_def(StringAttr)
    coordinates = prop_def(StringAttr)
    channels_last = opt_prop_def(UnitAttr)
    SYNTAX: ClassVar = {"mode": "word", "padding": "word", "coordinates": "word", "channels_last": "flag"}
    DEFAULTS: ClassVar = {"mode": "linear", "padding": "zeros", "coordinates": "edges"}
    VARIANT: ClassVar = "mode"


@irdl_op_definition
class RoiAlignOp(KernelOp):
    """Regions [R, 4] of the images [R] of x [N, C, H, W], each pooled to ``size``: ONNX RoiAlign.

    ``kind`` is avg or max of the samples of a place, of which there are ``sampling_ratio`` along an axis; 0 stands for
    as many as elements. With ``channels_last`` x is [N, H, W, C], and the result [R, height, width, C].
    """

    name = "kernel.roi_align"
    kind = prop_def(StringAttr)
    size = prop_def(IntegerList)
    sampling_ratio = prop_def(IntegerAttr)
    spatial_scale = prop_def(FloatAttr)
    half_pixel = opt_prop_def(UnitAttr)
    channels_last = opt_prop_def(UnitAttr)
    SYNTAX: ClassVar = {
        "kind": "word", "size": "integers", "sampling_ratio": "integer", "spatial_scale": "float",
        "half_pixel": "flag", "channels_last": "flag",
    }  # fmt: skip
    DEFAULTS: ClassVar = {"kind": "avg", "sampling_ratio": 0, "spatial_scale": 1.0}
    VARIANT: ClassVar = "kind"


@irdl_op_definition
class WeighOp(KernelOp):
    """Sums of neighbours of x along ``axis``: element o is that of weights[o, t] times element first[o] + t of x.

    The neighbours of each element of the result, as many as the weights [results, neighbours] tell, lie in x.
    """

    name = "kernel.weigh"
    axis = prop_def(IntegerAttr)
    SYNTAX: ClassVar = {"axis": "integer"}


SAMPLING = [GridSampleOp, RoiAlignOp, WeighOp]
