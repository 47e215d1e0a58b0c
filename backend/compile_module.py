"""From an llvm-level module to an image that runs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from .image import Image, link
from .object_code import emit_object
from .targets import Target

SUPPORT_FOLDER = Path(__file__).parent / "support"


@cache
def support_objects(target: Target) -> tuple[bytes, ...]:
    """The objects that every image carries: hand-written LLVM IR such as the driver of the threads.

    `support/*.ll` fits every machine, `support/<architecture>/*.ll` one.
    """
    texts = [*sorted(SUPPORT_FOLDER.glob("*.ll")), *sorted((SUPPORT_FOLDER / target.architecture).glob("*.ll"))]
    return tuple(
        emit_object(path.read_text(), target) for path in texts if _fits_architecture(path, target.architecture)
    )


def _fits_architecture(path: Path, architecture: str) -> bool:
    """Files whose name ends in an architecture (`threads_aarch64.ll`) are for that one only."""
    known = ("x86_64", "aarch64")
    return path.stem.endswith(architecture) or not path.stem.endswith(known)


def compile_module(
    module: ModuleOp | str, target: Target, *, support: bool = True, optimization_level: int = 2
) -> Image:
    """Compiles an llvm-level module, or LLVM IR text, and links it with the support code."""
    return link_objects([emit_object(module, target, optimization_level)], target, support=support)


def link_objects(objects: Iterable[bytes], target: Target, *, support: bool = True) -> Image:
    """One image from kernels compiled before, and the support code."""
    return link([*objects, *(support_objects(target) if support else ())])
