"""x86-64-v4 with dot products of int8 and bf16 (Zen 4, Cooper Lake, Sapphire Rapids and later)."""

from dataclasses import replace

from .avx512 import AVX512

AVX512_VNNI_BF16 = replace(
    AVX512,
    name="avx512_vnni_bf16",
    features=("+avx512vnni", "+avx512bf16"),
    bf16_conversion=True,
    atoms=("vpdpbusd", "vpdpwssd", "vpmaddwd", "vdpbf16ps"),
    l3_bytes=32 << 20,
    fma_per_cycle=1,
)
