"""x86-64-v4: AVX-512 F, BW, CD, DQ and VL (Skylake-X and later)."""

from ..target import Target

AVX512 = Target(
    name="avx512",
    triple="x86_64-unknown-linux-gnu",
    cpu="x86-64-v4",
    features=(),
    vector_bytes=64,
    vector_registers=32,
    gemm_tile=(6, 64),
    # Of all models the one that keeps 6x64, 14x32 and 9x48 tiles in registers at every unrolling.
    tune="sapphirerapids",
    has_masks=True,
    masked_memory=True,
    atoms=("vpmaddwd",),
    l2_bytes=1 << 20,
    l3_bytes=16 << 20,
)
