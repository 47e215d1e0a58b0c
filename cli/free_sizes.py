"""Sizes for free dims of which nobody says how large they are: those of a small picture, a short sentence."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..runtime.expressions import evaluate, is_symbol, symbols_of
from ..runtime.program import Block, Check, Conditional, Program, Repeat

PICTURE_SIDE = 224
SEQUENCE_LENGTH = 64
OTHER_SIZES = (
    32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 400, 448, 480, 512, 576, 640, 768, 800, 1024, 1280,
    1600, 2048, 4096, 8000, 16000, 32000, 48000, *range(1, 13), 16, 24,
)  # fmt: skip
"""Tried, in this order, where a model refuses what is assumed."""
_AT_ONCE = 2
"""Dims that are changed together, at most."""


def fitting_sizes(program: Program, said: Mapping[str, int] | None = None) -> dict[str, int]:
    """``assumed_sizes`` and those that are ``said``, changed where the model's own conditions refuse them.

    As few dims as possible are changed, to the first of OTHER_SIZES that fit; none where nothing does.
    """
    said = said or {}
    assumed = assumed_sizes(tensor.shape for _, tensor in program.inputs) | dict(said)
    everything = [*program.checks, *_inner_checks(program.body)]
    for checks in (everything, program.checks):
        known = [check for check in checks if symbols_of(check.left, check.right) <= assumed.keys()]
        fitting = _search(program, known, assumed, said)
        if fitting is not None:
            return fitting
    return assumed


def _inner_checks(block: Block) -> Iterator[Check]:
    yield from block.checks
    for step in block.steps:
        if isinstance(step, Conditional):
            yield from _inner_checks(step.then_block)
            yield from _inner_checks(step.else_block)
        elif isinstance(step, Repeat):
            yield from _inner_checks(step.body)


def _search(
    program: Program, checks: Sequence[Check], assumed: dict[str, int], said: Mapping[str, int]
) -> dict[str, int] | None:
    if _fits(program, checks, assumed):
        return assumed
    failing = [check for check in checks if check.failure(assumed) is not None]
    # Those that fail are asked first.
    checks = [*failing, *(check for check in checks if check not in failing)]
    concerned = symbols_of(*(side for check in failing for side in (check.left, check.right))) or assumed.keys()
    free = [name for name in assumed if name not in said and name in concerned]
    for count in range(1, _AT_ONCE + 1):
        for names in itertools.combinations(free, count):
            for sizes in itertools.product(OTHER_SIZES, repeat=count):
                candidate = assumed | dict(zip(names, sizes))
                if _fits(program, checks, candidate):
                    return candidate
    return None


def _fits(program: Program, checks: Sequence[Check], sizes: dict[str, int]) -> bool:
    """Whether all checks hold, and no size in the program is negative."""
    if any(check.failure(sizes) is not None for check in checks):
        return False
    buffers = (buffer for segment in program.segments.values() for buffer in segment.buffers)
    numbers = (buffer.nbytes for buffer in buffers if symbols_of(buffer.nbytes) <= sizes.keys())
    return all(evaluate(number, sizes) >= 0 for number in numbers)


def assumed_sizes(shapes: Iterable[Sequence[int | str]]) -> dict[str, int]:
    """A size for every free dim of a model's inputs.

    1 along the first axis, which is the batch, and where the name says so; the side of a picture along the last two
    axes of four; the length of a sequence elsewhere. What only occurs in an expression is 1.
    """
    shapes = list(shapes)
    sizes: dict[str, int] = {}
    for shape in shapes:
        for axis, dim in enumerate(shape):
            if isinstance(dim, str) and is_symbol(dim):
                sizes[dim] = min(sizes.get(dim, PICTURE_SIDE), _assumed(dim, axis, len(shape)))
    return dict.fromkeys(symbols_of(*(dim for shape in shapes for dim in shape)), 1) | sizes


def _assumed(name: str, axis: int, rank: int) -> int:
    if axis == 0 or "batch" in name.lower():
        return 1
    return PICTURE_SIDE if rank == 4 and axis >= 2 else SEQUENCE_LENGTH
