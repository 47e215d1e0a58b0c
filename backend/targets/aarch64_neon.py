"""64-bit Arm with Advanced SIMD: every ARMv8-A."""

from .target import Target

AARCH64_NEON = Target(
    name="aarch64_neon",
    triple="aarch64-unknown-linux-gnu",
    cpu="generic",
    features=("+neon",),
    vector_bytes=16,
    vector_registers=32,
    gemm_tile=(8, 12),
    native_maximum=True,
    l1_bytes=64 << 10,
    l2_bytes=512 << 10,
    l3_bytes=4 << 20,
)
