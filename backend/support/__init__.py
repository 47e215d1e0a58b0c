"""The thread driver in LLVM IR text, one module per architecture and treatment of denormals."""

from __future__ import annotations

from importlib.resources import files

ARCHITECTURES = ("x86_64", "aarch64")


def support_text(architecture: str, denormals: str = "flush") -> str:
    """LLVM IR text of the support module; it has no external symbols. Raises ValueError for an unknown architecture.

    ``denormals`` is what becomes of them in a run: ``flush`` or ``keep``.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(
            f"no thread driver for architecture '{architecture}': expected one of {', '.join(ARCHITECTURES)}"
        )
    folder = files(__name__)
    names = ("threads.ll", f"machine_{architecture}.ll", f"{denormals}_{architecture}.ll")
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)
