"""From an llvm-level module to an image that runs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from xdsl.dialects.builtin import ModuleOp

from .image import Image, link
from .object_code import emit_object
from .support import support_text
from .targets import Target

@cache
def support_objects(target: Target) -> tuple[bytes, ...]:
    """The objects that every image carries: the driver of the threads."""
    return (emit_object(support_text(target.architecture), target),)


def compile_module(
    module: ModuleOp | str, target: Target, *, support: bool = True, optimization_level: int = 2
) -> Image:
    """Compiles an llvm-level module, or LLVM IR text, and links it with the support code."""
    return link_objects([emit_object(module, target, optimization_level)], target, support=support)


def link_objects(objects: Iterable[bytes], target: Target, *, support: bool = True) -> Image:
    """One image from kernels compiled before, and the support code."""
    return link([*objects, *(support_objects(target) if support else ())])
