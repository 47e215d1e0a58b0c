"""x86-64-v3: AVX2, FMA and F16C (Haswell, Zen and later)."""

from dataclasses import replace

from ..target import Target

AVX2 = Target(
    name="avx2",
    triple="x86_64-unknown-linux-gnu",
    cpu="x86-64-v3",
    features=(),
    vector_bytes=32,
    vector_registers=16,
    gemm_tile=(6, 16),
    masked_memory=True,
    atoms=("vpmaddwd",),
    l2_bytes=256 << 10,
)

AVX2_VNNI = replace(AVX2, name="avx2_vnni", features=("+avxvnni",), atoms=("vpdpbusd", "vpdpwssd", "vpmaddwd"))
"""With dot products of int8 in 256 bits (Alder Lake, Zen 5 and later)."""
