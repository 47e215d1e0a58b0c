"""Replaces the weights of Winograd convolutions by their transform, once, at compile time."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from ...dialects.kernel import ConstantOp, ConvOp
from ...dialects.layout import TensorType
from ...dialects.winograd import tile_of, transform_weights


@dataclass(frozen=True)
class KernelTransformWinogradWeightsPass(ModulePass):
    """A convolution whose weights are no constant goes back to the direct algorithm.

    before::

        %w = kernel.constant @weight : !layout.tensor<64 x 64 x 3 x 3 x f32>
        %y = kernel.conv winograd4(%x, %w) pads [1, 1, 1, 1] : ...

    after (36 points and 9 taps, input channels, output channels)::

        %w = kernel.constant @weight.winograd4 : !layout.tensor<45 x 64 x 64 x f32>
        %y = kernel.conv winograd4(%x, %w) pads [1, 1, 1, 1] : ...
    """

    name = "kernel-transform-winograd-weights"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for kernel in list(op.walk()):
            if isinstance(kernel, ConvOp) and tile_of(kernel.get("algorithm")) and kernel.in_type(1).rank == 4:
                _transform(ctx, kernel)


def _transform(ctx: Context, kernel: ConvOp) -> None:
    constants = ctx.constants  # pyright: ignore[reportAttributeAccessIssue]
    weights = kernel.ins[1].owner
    if not isinstance(weights, ConstantOp):
        kernel.set("algorithm", "direct")
        kernel.properties.pop("error", None)
        return
    algorithm = kernel.get("algorithm")
    name = f"{weights.constant.data}.{algorithm}"
    if name not in constants:
        constants[name] = transform_weights(constants[weights.constant.data], tile_of(algorithm))
    type_ = TensorType.of(constants[name].shape, kernel.in_type(1).element_type)
    transformed = ConstantOp(name, type_)
    block = kernel.parent
    assert block is not None
    block.insert_op_before(transformed, kernel)
    kernel.operands[1] = transformed.result
