"""What a core multiplies and adds at most: measured, since clocks and ports are not known."""

from __future__ import annotations

import time

import numpy as np

from ..backend.jit import load_module
from ..machines import host_target
from ..machines.atoms import ATOMS

CHAINS, TURNS = 24, 10_000
_LLVM_TYPES = {"f32": "float", "i32": "i32", "bf16": "bfloat", "i8": "i8", "ui8": "i8", "i16": "i16"}


class Chains:
    """Independent chains of products that stay in registers: fused multiply-adds of f32, or an atom's instruction."""

    def __init__(self, atom: str = "", turns: int = TURNS):
        lanes = host_target().lanes
        self._run = load_module(_text(lanes, atom))["peak"]
        self._out, self._turns = np.zeros(lanes * CHAINS, np.float32), turns
        self.operations = 2.0 * lanes * CHAINS * turns * (ATOMS[atom].depth if atom else 1)
        """Of one run: a product and its sum are two."""

    def run(self) -> None:
        self._run(self._out, self._turns)


def peak(atom: str = "") -> float:
    """Billions of operations a second, the best of several runs."""
    chains, best = Chains(atom), float("inf")
    for _ in range(50):
        begin = time.perf_counter()
        chains.run()
        best = min(best, time.perf_counter() - begin)
    return chains.operations / best / 1e9


def _text(lanes: int, atom: str) -> str:
    """A kernel with the slots out and turns: CHAINS vectors of sums, each a chain of products."""
    if atom:
        row = ATOMS[atom]
        sums_type, width = _LLVM_TYPES[row.sums], lanes * row.depth
        left, right = (f"<{width} x {_LLVM_TYPES[element]}>" for element in (row.lhs, row.rhs))
        vector, name = f"<{lanes} x {sums_type}>", row.instructions[lanes]
        call = f"call {vector} @{name}({vector} %s{{0}}, {left} %a, {right} %b)"
        declared = f"declare {vector} @{name}({vector}, {left}, {right})"
    else:
        vector = left = right = f"<{lanes} x float>"
        call = f"call {vector} @llvm.fma.v{lanes}f32({left} %a, {right} %b, {vector} %s{{0}})"
        declared = f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})"
    chains = range(CHAINS)
    sums = "\n".join(f"  %s{i} = phi {vector} [ zeroinitializer, %entry ], [ %t{i}, %turn ]" for i in chains)
    products = "\n".join(f"  %t{i} = {call.format(i)}" for i in chains)
    stores = "\n".join(
        f"  %o{i} = getelementptr {vector}, ptr %out, i64 {i}\n  store {vector} %t{i}, ptr %o{i}, align 4"
        for i in chains
    )
    return f"""{declared}
define void @peak(ptr %table, i64 %thread, i64 %threads) #0 {{
entry:
  %out = load ptr, ptr %table
  %slot = getelementptr i64, ptr %table, i64 1
  %turns = load i64, ptr %slot
  %a = load {left}, ptr %out, align 4
  %b = load {right}, ptr %out, align 4
  br label %turn
turn:
  %k = phi i64 [ 0, %entry ], [ %next, %turn ]
{sums}
{products}
  %next = add i64 %k, 1
  %more = icmp slt i64 %next, %turns
  br i1 %more, label %turn, label %done
done:
{stores}
  ret void
}}
attributes #0 = {{ "min-legal-vector-width"="{32 * lanes}" "prefer-vector-width"="{32 * lanes}" }}
"""
