"""x86-64 with SSE2 only: what every 64-bit x86 runs."""

from ..target import Target

X86_64 = Target(
    name="x86_64",
    triple="x86_64-unknown-linux-gnu",
    cpu="x86-64",
    features=(),
    vector_bytes=16,
    vector_registers=16,
    gemm_tile=(4, 8),
    fma=False,
    native_rounding=False,
    f16_conversion=False,
    atoms=("vpmaddwd",),
    l2_bytes=256 << 10,
    fma_per_cycle=1,
)
