"""Every atom of every target: the instruction is in the assembly, and gives what NumPy gives."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from lamina.backend.object_code import emit_assembly
from lamina.context import CompilerContext
from lamina.lowering.loops_to_llvm import LoopsToLLVMError, lower_module
from lamina.machines import TARGETS, Target
from lamina.machines.atoms import ATOMS, TILE_ROWS, Atom, atoms_of
from loops_kernels import flat, kernel
from xdsl.parser import Parser

# Odd, so that rows and lanes are left over in registers of every width.
ROWS, STEPS, COLUMNS = 3, 2, 21
PAIRS = [(atom, target) for target in TARGETS.values() for atom in target.atoms if not ATOMS[atom].is_tile]
TILES = [(atom, target) for target in TARGETS.values() for atom in target.atoms if ATOMS[atom].is_tile]
DTYPES = {"ui8": np.uint8, "i8": np.int8, "i16": np.int16, "i32": np.int32, "f32": np.float32, "bf16": np.uint16}


def products(atom: Atom, name: str) -> str:
    """A kernel that adds ROWS x STEPS times STEPS x COLUMNS words of products to y."""
    depth = atom.depth
    a, a_type = flat("a", "x", f"{ROWS}, {STEPS}, {depth}", f"{STEPS * depth}, {depth}, 1", atom.lhs)
    b, b_type = flat("b", "w", f"{STEPS}, {COLUMNS}, {depth}", f"{COLUMNS * depth}, {depth}, 1", atom.rhs)
    y, y_type = flat("o", "y", f"{ROWS}, {COLUMNS}", f"{COLUMNS}, 1", atom.sums)
    left, right = f"vector<{ROWS}x{STEPS}x{depth}x{atom.lhs}>", f"vector<{STEPS}x{COLUMNS}x{depth}x{atom.rhs}>"
    sums = f"vector<{ROWS}x{COLUMNS}x{atom.sums}>"
    return kernel(
        f"%x: memref<?x{atom.lhs}>, %w: memref<?x{atom.rhs}>, %y: memref<?x{atom.sums}>",
        f"""{a}{b}{y}
  %l = vector.load %a[%c0, %c0, %c0] : {a_type}, {left}
  %r = vector.load %b[%c0, %c0, %c0] : {b_type}, {right}
  %s = vector.load %o[%c0, %c0] : {y_type}, {sums}
  %t = vector.contract {{atom = "{name}"}} %l, %r, %s : {left}, {right} into {sums}
  vector.store %t, %o[%c0, %c0] : {y_type}, {sums}""",
    )


def numbers(rng: np.random.Generator, element: str, shape: tuple[int, ...]) -> np.ndarray:
    """The whole range of an integer type; of floats such that sums are exact."""
    dtype = DTYPES[element]
    if element in ("f32", "bf16"):
        values = rng.integers(-8, 9, shape).astype(np.float32)
        return values if element == "f32" else (values.view(np.uint32) >> 16).astype(np.uint16)
    limits = np.iinfo(dtype)
    # Pairs of the lowest 16-bit numbers do not fit 32 bits.
    return rng.integers(max(limits.min, -32767), limits.max, shape, dtype, endpoint=True)


def widened(values: np.ndarray, element: str) -> np.ndarray:
    if element == "bf16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.int32 if values.dtype.kind in "iu" else np.float32)


@pytest.mark.parametrize(("name", "target"), PAIRS, ids=[f"{target.name}-{name}" for name, target in PAIRS])
def test_the_instruction_is_emitted(name: str, target: Target) -> None:
    module = Parser(CompilerContext(target=target), products(ATOMS[name], name)).parse_module()
    module.verify()
    assembly = emit_assembly(lower_module(module, target), target)
    assert re.search(rf"\b{name.removeprefix('v')}\b|\b{name}\b", assembly)


@pytest.mark.parametrize(("name", "target"), PAIRS, ids=[f"{target.name}-{name}" for name, target in PAIRS])
def test_the_sums_are_right(
    name: str, target: Target, compile_kernel: Callable[..., Callable[..., None]], can_run: Callable[[str], bool]
) -> None:
    if not can_run(target.name):
        pytest.skip(f"no CPU and no emulator for {target.name}")
    atom, rng = ATOMS[name], np.random.default_rng(0)
    x = numbers(rng, atom.lhs, (ROWS, STEPS, atom.depth))
    w = numbers(rng, atom.rhs, (STEPS, COLUMNS, atom.depth))
    y = numbers(rng, atom.sums, (ROWS, COLUMNS))
    expected = y + np.einsum("rsd,scd->rc", widened(x, atom.lhs), widened(w, atom.rhs))
    compile_kernel(products(atom, name), target)(x.reshape(-1), w.reshape(-1), flattened := y.reshape(-1).copy())
    np.testing.assert_array_equal(flattened.reshape(y.shape), expected)


def tile_products(atom: Atom) -> str:
    """A kernel that adds the products of two whole registers to those of y, whose rows lie apart."""
    width = TILE_ROWS * atom.depth
    a, a_type = flat("a", "x", f"{TILE_ROWS}, {width}", f"{width + 8}, 1", atom.lhs)
    b, b_type = flat("b", "w", f"{TILE_ROWS}, {width}", f"{width}, 1", atom.rhs)
    y, y_type = flat("o", "y", f"{TILE_ROWS}, {TILE_ROWS}", f"{TILE_ROWS + 3}, 1", atom.sums)
    left, right = f"!amx.tile<{TILE_ROWS}x{width}x{atom.lhs}>", f"!amx.tile<{TILE_ROWS}x{width}x{atom.rhs}>"
    sums = f"!amx.tile<{TILE_ROWS}x{TILE_ROWS}x{atom.sums}>"
    return kernel(
        f"%x: memref<?x{atom.lhs}>, %w: memref<?x{atom.rhs}>, %y: memref<?x{atom.sums}>",
        f"""{a}{b}{y}
  %l = amx.tile_load %a[%c0, %c0] : {a_type} into {left}
  %r = amx.tile_load %b[%c0, %c0] : {b_type} into {right}
  %s = amx.tile_load %o[%c0, %c0] : {y_type} into {sums}
  %t = amx.tile_mul "{atom.name}" %l, %r, %s : {left}, {right} into {sums}
  amx.tile_store %t, %o[%c0, %c0] : {y_type}, {sums}""",
    )


@pytest.mark.parametrize(("name", "target"), TILES, ids=[f"{target.name}-{name}" for name, target in TILES])
def test_products_of_whole_registers(
    name: str, target: Target, compile_kernel: Callable[..., Callable[..., None]], can_run: Callable[[str], bool]
) -> None:
    atom, rng = ATOMS[name], np.random.default_rng(0)
    text, width = tile_products(atom), TILE_ROWS * atom.depth
    module = Parser(CompilerContext(target=target), text).parse_module()
    module.verify()
    assert re.search(rf"\b{name}\b", emit_assembly(lower_module(module, target), target))
    if not can_run(target.name):
        pytest.skip(f"no CPU and no emulator for {target.name}")
    x = numbers(rng, atom.lhs, (TILE_ROWS, width + 8))
    w = numbers(rng, atom.rhs, (TILE_ROWS, width))
    y = numbers(rng, atom.sums, (TILE_ROWS, TILE_ROWS + 3))
    words = [widened(factor, element).reshape(TILE_ROWS, TILE_ROWS, atom.depth)
             for factor, element in ((x[:, :width], atom.lhs), (w, atom.rhs))]  # fmt: skip
    expected = y.copy()
    expected[:, :TILE_ROWS] += np.einsum("rsd,scd->rc", *words)
    compile_kernel(text, target)(x.reshape(-1), w.reshape(-1), flattened := y.reshape(-1).copy())
    np.testing.assert_array_equal(flattened.reshape(y.shape), expected)


def test_what_a_target_has_not_is_said() -> None:
    target = TARGETS["avx2"]
    module = Parser(CompilerContext(target=target), products(ATOMS["vpdpbusd"], "vpdpbusd")).parse_module()
    with pytest.raises(LoopsToLLVMError, match="avx2 has no atom 'vpdpbusd', only vpmaddwd"):
        lower_module(module, target)


def test_types_that_an_atom_does_not_multiply_are_said() -> None:
    target = TARGETS["avx512_vnni_bf16"]
    module = Parser(CompilerContext(target=target), products(ATOMS["sdot"], "vpdpbusd")).parse_module()
    with pytest.raises(LoopsToLLVMError, match="vpdpbusd adds 4 products of ui8 and i8 in i32, not 4 of i8 and i8"):
        lower_module(module, target)


def test_a_machine_has_the_atoms_of_its_features() -> None:
    assert atoms_of({"sse2": True}) == ("vpmaddwd",)
    assert atoms_of({"sse2": True, "avxvnni": True}) == ("vpdpbusd", "vpdpwssd", "vpmaddwd")
    assert atoms_of({"dotprod": True}) == ("sdot", "udot")


def test_a_target_chooses_by_types() -> None:
    target = TARGETS["aarch64_i8mm"]
    assert target.atom_for("i8", "i8", "i32") is ATOMS["sdot"]
    assert target.atom_for("f32", "f32", "f32") is None
    matrices = TARGETS["avx512_amx"]
    assert matrices.atom_for("ui8", "i8", "i32") is ATOMS["vpdpbusd"]
    assert matrices.atom_for("ui8", "i8", "i32", tiles=True) is ATOMS["tdpbusd"]
    assert "bfdot" not in target.without_flushing_atoms()
