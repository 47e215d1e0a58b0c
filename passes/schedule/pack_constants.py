"""Packs constants anew where a text asks for another layout than the one that they are held in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from ...dialects.kernel import ConstantOp
from ...dialects.layout import TensorType
from ...dialects.layout_algebra import print_order, storage_name
from ...dialects.schedule import BufferOp
from ...dialects.shape import is_static
from ...errors import OperationError

if TYPE_CHECKING:
    from ...context import ConstantStore


@dataclass(frozen=True)
class SchedulePackConstantsPass(ModulePass):
    """Weights lie in panels as wide as the decision of the stages that read them says: edited, it packs them anew.

    before (the store holds @w.blocked in panels of 64)::

        %w = schedule.buffer constant @w.blocked packed : !layout.tensor<64 x 128 x f32>
        schedule.stage @gemm0 %y = kernel.gemm(%x, %w) plan {m tile 4, n tile 32}

    after (and in panels of 32 as @w.blocked_1)::

        %w = schedule.buffer constant @w.blocked_1 packed : !layout.tensor<64 x 128 x f32>
        schedule.stage @gemm0 %y = kernel.gemm(%x, %w) plan {m tile 4, n tile 32}

    The same for any other layout that the type of a constant has. Raises OperationError where there is no array, or one
    of other sizes.
    """

    name = "schedule-pack-constants"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        pack_constants(op, ctx.constants)  # pyright: ignore[reportAttributeAccessIssue]


def pack_constants(module: ModuleOp, constants: ConstantStore, *, need_all: bool = True) -> None:
    """``need_all``: whether every constant of the module must be in the store; those that are not stay as they are."""
    made: dict[tuple[str, TensorType], str] = {}
    for op in module.walk():
        constant = op.constant if isinstance(op, BufferOp | ConstantOp) else None
        if constant is None or (constant.data not in constants and not need_all):
            continue
        type_ = op.results[0].type
        assert isinstance(type_, TensorType)
        key = (constant.data, type_)
        if key not in made:
            made[key] = _packed(op, constant.data, type_, constants)
        op.properties["constant"] = StringAttr(made[key])


def _packed(op: Operation, name: str, type_: TensorType, constants: ConstantStore) -> str:
    """The name of the array that the type asks for, made where it is not there."""
    wanted = type_.layout
    if not is_static(type_.dims):
        raise OperationError(f"constant @{name} has a size that is not known, in {type_}", op)
    try:
        array, layout = constants[name], constants.layout_of(name)
    except LookupError as error:
        raise OperationError(str(error), op) from error
    sizes = [int(size) for size in type_.dims]
    if layout.rank != len(sizes) or layout.physical_shape(sizes) != array.shape:
        lies = "" if layout.is_row_major else f" in layout {print_order(layout.order)}"
        raise OperationError(
            f"the array '{name}' is {array.dtype}{list(array.shape)}{lies}, which does not fit {type_}", op
        )
    if layout == wanted:
        return name
    stem = name.removesuffix(f".{storage_name(layout)}")
    new = stem if wanted.is_row_major else f"{stem}.{storage_name(wanted)}"
    return constants.add(wanted.pack(layout.unpack(array, sizes)), new, wanted)
