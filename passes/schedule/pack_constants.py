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
from ...dialects.layout_algebra import print_order
from ...dialects.schedule import BufferOp
from ...dialects.shape import is_static
from ...errors import OperationError

if TYPE_CHECKING:
    from ...context import ConstantStore


@dataclass(frozen=True)
class SchedulePackConstantsPass(ModulePass):
    """The layout of a constant in the text decides how wide the panels of packed weights are, and nothing else does.

    before (the store holds @w.Ba64b in panels of 64)::

        %w = schedule.buffer constant @w.Ba64b : !layout.tensor<64 x 128 x f32, Ba32b>

    after::

        %w = schedule.buffer constant @w.Ba32b : !layout.tensor<64 x 128 x f32, Ba32b>

    The first may also be written as the second: where no array has the name, it is packed from one whose name begins
    alike. Raises OperationError where there is no array, or one of other sizes.
    """

    name = "schedule-pack-constants"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        pack_constants(op, ctx.constants)  # pyright: ignore[reportAttributeAccessIssue]


def pack_constants(module: ModuleOp, constants: ConstantStore) -> None:
    made: dict[tuple[str, TensorType], str] = {}
    for op in module.walk():
        constant = op.constant if isinstance(op, BufferOp | ConstantOp) else None
        if constant is None:
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
    held = _held_as(name, type_, constants)
    if not is_static(type_.dims):
        raise OperationError(f"constant @{name} has a size that is not known, in {type_}", op)
    try:
        array, layout = constants[held], constants.layout_of(held)
    except LookupError as error:
        raise OperationError(str(error), op) from error
    sizes = [int(size) for size in type_.dims]
    if layout.rank != len(sizes) or layout.physical_shape(sizes) != array.shape:
        lies = "" if layout.is_row_major else f" in layout {print_order(layout.order)}"
        raise OperationError(
            f"the array '{held}' is {array.dtype}{list(array.shape)}{lies}, which does not fit {type_}", op
        )
    if layout == wanted:
        return held
    return constants.add(wanted.pack(layout.unpack(array, sizes)), _name_of(held, type_, constants), wanted)


def _held_as(name: str, type_: TensorType, constants: ConstantStore) -> str:
    """The array of this name, or one that is called alike but for the layout that the name ends in."""
    stem, _, end = name.rpartition(".")
    if name in constants or end not in (type_.layout.order, print_order(type_.layout.order)):
        return name
    alike = (other for other in constants if other == stem or _stem(other, constants) == stem)
    return next(alike, name)


def _stem(name: str, constants: ConstantStore) -> str:
    """The name without the layout at its end."""
    return name.removesuffix(f".{print_order(constants.layout_of(name).order)}")


def _name_of(held: str, type_: TensorType, constants: ConstantStore) -> str:
    stem = _stem(held, constants)
    return stem if type_.layout.is_row_major else f"{stem}.{print_order(type_.layout.order)}"
