"""64-bit Arm with Advanced SIMD: every ARMv8-A."""

from dataclasses import replace

from ..target import Target

AARCH64_NEON = Target(
    name="aarch64_neon",
    triple="aarch64-unknown-linux-gnu",
    cpu="generic",
    features=("+neon",),
    vector_bytes=16,
    vector_registers=32,
    gemm_tile=(8, 12),
    native_maximum=True,
    byte_lookup="tbl",
    l1_bytes=64 << 10,
    l2_bytes=512 << 10,
    l3_bytes=4 << 20,
)

AARCH64_DOTPROD = replace(AARCH64_NEON, name="aarch64_dotprod", features=("+neon", "+dotprod"), atoms=("sdot", "udot"))
"""With dot products of int8 (ARMv8.2: Cortex-A76, Neoverse N1, Apple M1 and later)."""

AARCH64_I8MM = replace(
    AARCH64_DOTPROD,
    name="aarch64_i8mm",
    features=("+neon", "+dotprod", "+i8mm", "+bf16"),
    atoms=("sdot", "udot", "usdot", "smmla", "ummla", "usmmla", "bfdot", "bfmmla"),
)
"""With products of small matrices of int8 and bf16 (ARMv8.6: Neoverse V1 and N2, Apple M2 and later)."""
