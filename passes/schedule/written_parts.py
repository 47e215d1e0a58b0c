"""Which part of a buffer a stage writes, and whether parts are apart and together the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.layout import ReshapeOp, TensorType, TransposeOp, WindowOp
from ...dialects.shape import Dim


@dataclass(frozen=True)
class Part:
    """Elements of a buffer: a start and a size along each of its axes."""

    starts: tuple[Dim, ...]
    sizes: tuple[Dim, ...]

    @property
    def element_count(self) -> Dim:
        return dims.product(self.sizes)

    def is_apart_from(self, other: Part) -> bool:
        """Whether they have no element in common, whatever the symbols are."""
        both = zip(self.starts, self.sizes, other.starts, other.sizes, strict=True)
        return any(
            _is_at_most(dims.add(start, size), other_start) or _is_at_most(dims.add(other_start, other_size), start)
            for start, size, other_start, other_size in both
        )


def _is_at_most(left: Dim, right: Dim) -> bool:
    difference = dims.subtract(right, left)
    return difference >= 0 if isinstance(difference, int) else difference.is_nonnegative is True


def written_part(value: SSAValue) -> Part:
    """What of its buffer a value is. Raises ValueError where that is no part which a stage can write.

    A stage writes whole blocks, and the zeros of a halo only where it writes the whole buffer; a part of a reshaped
    buffer may lie anywhere.
    """
    views: list[ReshapeOp | TransposeOp | WindowOp] = []
    while isinstance(value.owner, ReshapeOp | TransposeOp | WindowOp):
        views.append(value.owner)
        value = value.owner.source
    root = value.type
    assert isinstance(root, TensorType)
    axes: Sequence[int] | None = range(root.rank)
    starts, sizes = list[Dim]([0] * root.rank), list(root.dims)
    for view in reversed(views):
        if isinstance(view, ReshapeOp):
            axes = None
        elif isinstance(view, TransposeOp):
            axes = None if axes is None else [axes[axis] for axis in view.permutation.get_values()]
        elif axes is None:
            raise ValueError("a part of a reshaped buffer is written: write a part of the buffer, and reshape it then")
        else:
            assert isinstance(view.result.type, TensorType)
            for axis, start, size in zip(axes, view.starts, view.result.type.dims, strict=True):
                starts[axis], sizes[axis] = dims.add(starts[axis], start.data), size
    part = Part(tuple(starts), tuple(sizes))
    _require_writable(part, root)
    return part


def _require_writable(part: Part, root: TensorType) -> None:
    if part.sizes == root.dims:
        return
    if root.layout.halo:
        raise ValueError("a part of a buffer with a halo is written, and nobody writes the zeros around it")
    for axis, (start, size, whole) in enumerate(zip(part.starts, part.sizes, root.dims, strict=True)):
        block = root.layout.block_of(axis)
        if not block or dims.same_dimension(size, whole):
            continue
        is_last = dims.same_dimension(dims.add(start, size), whole)
        if dims.modulo(start, block) != 0 or not (is_last or dims.modulo(size, block) == 0):
            raise ValueError(f"a part is written that cuts blocks of {block} along axis {axis}")


def are_whole(parts: Sequence[Part], type_: TensorType) -> bool:
    """Whether parts that are apart from each other are together all elements of a buffer."""
    total: Dim = 0
    for part in parts:
        total = dims.add(total, part.element_count)
    return dims.same_dimension(total, dims.product(type_.dims))
