"""What concerns the process, not one session: most of it is accepted and has no meaning here."""

from __future__ import annotations

from .typed_fields import integer
from .version import API_VERSION


def get_version_string() -> str:
    return API_VERSION


def get_build_info() -> str:
    return f"ORT Build Info: lamina, in place of onnxruntime {API_VERSION}"


def get_device() -> str:
    return "CPU"


def has_collective_ops() -> bool:
    return False


def set_seed(seed: int) -> None:
    """Accepted and without effect: random operators have seeds of their own."""
    integer(seed)


def set_global_thread_pool_sizes(intra_op_num_threads: int = 0, inter_op_num_threads: int = 0) -> None:
    """Accepted and without effect: all sessions already share one pool of threads."""


def disable_telemetry_events() -> None:
    """There are none."""


def enable_telemetry_events() -> None:
    """There are none."""


def preload_dlls(cuda: bool = True, cudnn: bool = True, msvc: bool = True, directory: str | None = None) -> None:
    """Accepted and without effect: no libraries of other devices are needed."""


def print_debug_info() -> None:
    """Tells which package this is, and on what it runs."""
    import platform

    print(f"lamina in place of onnxruntime, version: {API_VERSION}")
    print("platform:", platform.platform())
