"""x86-64-v4 with registers of whole matrices of int8 and bf16 (Sapphire Rapids and later)."""

from dataclasses import replace

from .avx512_vnni_bf16 import AVX512_VNNI_BF16
from .costs import CPU_COSTS

AVX512_AMX = replace(
    AVX512_VNNI_BF16,
    name="avx512_amx",
    features=(*AVX512_VNNI_BF16.features, "+avx512vbmi", "+amx-tile", "+amx-int8", "+amx-bf16"),
    byte_lookup="vpermi2b",
    atoms=("tdpbusd", "tdpbssd", "tdpbsud", "tdpbuud", "tdpbf16ps", *AVX512_VNNI_BF16.atoms),
    l2_bytes=2 << 20,
    fma_per_cycle=2,
    # Measured there: weights of 4 bits come at 12 GB/s for f32 and 19 for int8; without at 6 and 12.
    stream_ahead=10 << 10,
    # Measured on Emerald Rapids: 152 GFLOP/s, L2 48, L3 28 and memory 10 to 14 GB/s.
    costs=replace(CPU_COSTS, gigahertz=2.4, near_weight_bandwidth=28e9, far_weight_bandwidth=12e9),
)
