"""Lamina compiles ONNX models to machine code through readable levels, and runs them.

``compile`` a model, ``load`` a compiled one, or use ``InferenceSession`` where a program expects onnxruntime's. Every
name is imported when it is first used, so that loading a compiled model does not import the compiler.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .as_onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
    from .compiler import compile
    from .custom_operators import custom_operator
    from .quantization.quantize import Quantized, quantize
    from .replacement import replace_onnxruntime
    from .runtime.errors import (
        ExecutionError,
        FileFormatError,
        IndexOutOfRangeError,
        InputError,
        LaminaError,
        MemoryAccessError,
        ProgramError,
        TargetMismatchError,
    )
    from .runtime.executable import Executable, load

__version__ = "0.1.0"

_EXPORTS = {
    "compile": ".compiler",
    "load": ".runtime.executable",
    "custom_operator": ".custom_operators",
    "quantize": ".quantization.quantize",
    "Quantized": ".quantization.quantize",
    "Executable": ".runtime.executable",
    "InferenceSession": ".as_onnxruntime",
    "SessionOptions": ".as_onnxruntime",
    "GraphOptimizationLevel": ".as_onnxruntime",
    "replace_onnxruntime": ".replacement",
    "LaminaError": ".runtime.errors",
    "InputError": ".runtime.errors",
    "ProgramError": ".runtime.errors",
    "FileFormatError": ".runtime.errors",
    "TargetMismatchError": ".runtime.errors",
    "ExecutionError": ".runtime.errors",
    "IndexOutOfRangeError": ".runtime.errors",
    "MemoryAccessError": ".runtime.errors",
}

__all__ = [
    "Executable",
    "ExecutionError",
    "FileFormatError",
    "GraphOptimizationLevel",
    "IndexOutOfRangeError",
    "InferenceSession",
    "InputError",
    "LaminaError",
    "MemoryAccessError",
    "ProgramError",
    "Quantized",
    "SessionOptions",
    "TargetMismatchError",
    "compile",
    "custom_operator",
    "load",
    "quantize",
    "replace_onnxruntime",
]


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    try:
        value = getattr(importlib.import_module(module, __name__), name)
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}{module}":
            raise
        raise ImportError(
            f"{__name__}.{name} is not part of lamina-runtime, which only runs compiled models: install lamina instead"
        ) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
