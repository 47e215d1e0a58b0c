"""From an llvm-level module to an image that runs.

Every kernel is a unit of its own: LLVM text under a neutral name, an object, cached. Kernels that differ in name only
share one object, also between models.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from xdsl.dialects import llvm
from xdsl.dialects.builtin import ModuleOp

from ..machines import Target
from ..runtime.image import Image
from .linker import Input, link
from .llvm_text import print_functions
from .object_cache import load_object, object_key, store_object
from .object_code import emit_object
from .support import support_text

_NEUTRAL_NAME = "kernel"

KernelProgress = Callable[[int, int], None]
"""Takes how many kernels are compiled of how many."""


@cache
def support_objects(target: Target, denormals: str = "flush") -> tuple[bytes, ...]:
    """The objects that every image carries: the driver of the threads."""
    return (cached_object(support_text(target.architecture, denormals), target),)


def cached_object(text: str, target: Target, optimization_level: int = 2) -> bytes:
    """The object of LLVM IR text, from the cache if it was made before."""
    key = object_key(text, target, optimization_level)
    data = load_object(key)
    if data is None:
        data = emit_object(text, target, optimization_level)
        store_object(key, data)
    return data


def compile_image(
    module: ModuleOp | str,
    target: Target,
    *,
    support: bool = True,
    denormals: str = "flush",
    optimization_level: int = 2,
    progress: KernelProgress | None = None,
) -> Image:
    """Compiles an llvm-level module, or LLVM IR text, and links it with the support code.

    ``denormals`` is the mode that the support code sets for a run: ``flush`` or ``keep``.
    """
    extra = [Input(data) for data in support_objects(target, denormals)] if support else []
    if isinstance(module, str):
        return link([Input(cached_object(module, target, optimization_level)), *extra])
    return link([*_compile_kernels(module, target, optimization_level, progress), *extra])


def _compile_kernels(
    module: ModuleOp, target: Target, optimization_level: int, progress: KernelProgress | None
) -> list[Input]:
    """One object for each distinct kernel, with all the names it goes by."""
    names: dict[str, list[str]] = {}
    for name, functions in kernel_units(module).items():
        text = print_functions(functions, target)
        neutral = text.replace(f'@"{name}"', f'@"{_NEUTRAL_NAME}"').replace(f'@"{name}.', f'@"{_NEUTRAL_NAME}.')
        names.setdefault(neutral, []).append(name)
    inputs = []
    for text, aliases in names.items():
        if progress is not None:
            progress(len(inputs), len(names))
        inputs.append(Input(cached_object(text, target, optimization_level), {_NEUTRAL_NAME: tuple(aliases)}))
    return inputs


def kernel_units(module: ModuleOp) -> dict[str, list[llvm.FuncOp]]:
    """For each visible function the functions it needs, itself first."""
    functions = {op.sym_name.data: op for op in module.body.block.ops if isinstance(op, llvm.FuncOp)}
    units: dict[str, list[llvm.FuncOp]] = {}
    for name, function in functions.items():
        if function.linkage.linkage.data == "internal":
            continue
        unit = {name: function}
        pending = [function]
        while pending:
            for callee in _callees(pending.pop()):
                if callee in functions and callee not in unit:
                    unit[callee] = functions[callee]
                    pending.append(functions[callee])
        units[name] = list(unit.values())
    return units


def _callees(function: llvm.FuncOp) -> list[str]:
    return [
        op.callee.root_reference.data
        for block in function.body.blocks
        for op in block.ops
        if type(op) is llvm.CallOp and op.callee is not None
    ]
