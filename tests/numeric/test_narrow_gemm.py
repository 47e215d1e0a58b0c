"""kernel.gemm of narrow numbers by the machine's atoms, against exact sums."""

from __future__ import annotations

import numpy as np
import pytest
from lamina.dialects import kernel
from lamina.dialects.layout import TensorType
from lamina.dialects.operand_layouts import panel_layout
from lamina.dialects.shape import symbol
from lamina.machines import host_target
from lamina.machines.atoms import GENERAL_ATOM
from lamina.passes.schedule.choose_tiles import choose_tiles
from lamina.passes.tiling import gemm_atom
from xdsl.dialects.builtin import i8, i32

TARGET = host_target()

# rows, depth, columns, batches, transposed A and B
PRODUCTS = {
    "one": (1, 1, 1, (), False, False),
    "tile": (12, 64, 64, (), False, False),
    "ragged rows and columns": (23, 68, 75, (), False, False),
    "depth in the middle of a word": (19, 67, 66, (), False, False),
    "less than a word": (5, 3, 20, (), False, False),
    "deep": (3, 2051, 17, (), False, False),
    "matrices": (64, 128, 96, (), False, False),
    "matrices and what is left": (70, 150, 100, (), False, False),
    "matrices and words that fill none": (70, 148, 100, (), False, False),
    "matrices of few columns": (17, 64, 9, (), False, False),
    "batches of matrices": (35, 67, 33, (2,), False, True),
    "nothing to sum": (4, 0, 8, (), False, False),
    "transposed A": (33, 22, 40, (), True, False),
    "transposed B": (9, 45, 70, (), False, True),
    "batches": (7, 31, 18, (2, 3), True, True),
}
EXTREMES = {-128: 127, 0: 255}


def drawn(seed: int, shape: tuple[int, ...], unsigned: bool) -> np.ndarray:
    """Of the whole range, a third of it at the ends, where sums of 16 bits would overflow."""
    rng = np.random.default_rng(seed)
    low = 0 if unsigned else -128
    values = rng.integers(low, EXTREMES[low], shape, endpoint=True)
    ends = rng.choice([low, EXTREMES[low]], shape)
    return np.where(rng.random(shape) < 1 / 3, ends, values).astype(np.uint8 if unsigned else np.int8)


def swapped(array: np.ndarray, transposed: bool) -> np.ndarray:
    return np.swapaxes(array, -1, -2) if transposed else array


@pytest.mark.parametrize("unsigned", [[], [0], [1], [0, 1]], ids=["neither", "a", "b", "both"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_sums_are_exact(run_kernel, name: str, unsigned: list[int]) -> None:
    rows, depth, columns, batch, transpose_a, transpose_b = PRODUCTS[name]
    a = swapped(drawn(0, (*batch, rows, depth), 0 in unsigned), transpose_a)
    b = swapped(drawn(1, (*batch, depth, columns), 1 in unsigned), transpose_b)
    expected = np.matmul(swapped(a, transpose_a).astype(np.int64), swapped(b, transpose_b).astype(np.int64))

    def make(operands):
        flags = {"transpose_a": transpose_a, "transpose_b": transpose_b, "unsigned": unsigned or None}
        return kernel.GemmOp(operands, result, **flags)

    result = TensorType.of(expected.shape, i32)
    plain = [TensorType.of(array.shape, i8) for array in (a, b)]
    named = [(f"{name}{axis}", size) for name, array in (("a", a), ("b", b)) for axis, size in enumerate(array.shape)]
    names = [symbol(name) for name, _ in named]
    free = [TensorType.of(names[: a.ndim], i8), TensorType.of(names[a.ndim :], i8)]
    inputs = [a.view(np.int8), b.view(np.int8)]
    stage = run_kernel.stage(make, plain, [result])
    choose_tiles(stage, TARGET)
    atom = gemm_atom(stage.kernel, TARGET)
    assert stage.decisions.get("atom", GENERAL_ATOM) == (atom.name if atom else GENERAL_ATOM)
    forms = [plain, free]
    if not batch:
        packed = panel_layout(stage.kernel, stage.decisions["columns"], atom.depth if atom else 1)
        forms.append([plain[0], plain[1].with_layout(packed)])
    for threads, types in enumerate(forms, 1):
        operands = list(zip(inputs, types, strict=True))
        (found,) = run_kernel(make, operands, [result], threads=threads, symbols=dict(named))
        np.testing.assert_array_equal(found, expected)


def test_blocks_of_depth_and_chunks_of_rows(run_kernel) -> None:
    a, b = drawn(0, (50, 2047), True), drawn(1, (2047, 40), False)
    expected = a.astype(np.int64) @ b
    types = [TensorType.of(array.shape, i8) for array in (a, b)]

    def make(operands):
        return kernel.GemmOp(operands, result, unsigned=[0])

    result = TensorType.of(expected.shape, i32)
    atom = TARGET.atom_for("ui8", "i8", "i32")
    for decisions in ({"depth_block": 1024}, {"row_chunks": 3}, {"depth_block": 12, "row_chunks": 4}, {"rows": 3}):
        said = decisions | {"atom": atom.name if atom else GENERAL_ATOM}
        inputs = [(a.view(np.int8), types[0]), (b, types[1])]
        (found,) = run_kernel(make, inputs, [result], threads=2, decisions=said)
        np.testing.assert_array_equal(found, expected)
