"""Execution providers: of those that onnxruntime knows by name, the processor is there."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from .failures import MisuseError

CPU = "CPUExecutionProvider"
AVAILABLE = (CPU,)
_KNOWN = (
    "TensorrtExecutionProvider", "CUDAExecutionProvider", "MIGraphXExecutionProvider", "OpenVINOExecutionProvider",
    "DnnlExecutionProvider", "VitisAIExecutionProvider", "QNNExecutionProvider", "NnapiExecutionProvider",
    "VSINPUExecutionProvider", "JsExecutionProvider", "CoreMLExecutionProvider", "DmlExecutionProvider",
    "RknpuExecutionProvider", "WebNNExecutionProvider", "WebGpuExecutionProvider", "XnnpackExecutionProvider",
    "CANNExecutionProvider", "AzureExecutionProvider", CPU,
)  # fmt: skip
# Of earlier versions, or brought by packages of their own.
_OTHERS = (
    "ROCMExecutionProvider", "NvTensorRTRTXExecutionProvider", "NvTensorRtRtxExecutionProvider",
    "TvmExecutionProvider", "ArmNNExecutionProvider", "ACLExecutionProvider", "SNPEExecutionProvider",
)  # fmt: skip


def get_available_providers() -> list[str]:
    return list(AVAILABLE)


def get_all_providers() -> list[str]:
    """All that onnxruntime has names for, by precedence; the processor comes last."""
    return list(_KNOWN)


def require_known(name: str) -> None:
    """Raises RuntimeError for a name that is none of a provider."""
    if name not in _KNOWN and name not in _OTHERS:
        raise MisuseError(f"Unknown Provider Type: {name}")


def check_and_normalize_provider_args(
    providers: Sequence[Any] | None, provider_options: Sequence[Mapping[Any, Any]] | None, available: Sequence[str]
) -> tuple[list[str], list[dict[str, str]]]:
    """The names of the providers in order, and the options of each as texts; those given twice count once.

    ``providers`` are names, or pairs of a name and options where ``provider_options`` is None. Warns of a provider that
    is not available. Raises ValueError for arguments of another form.
    """
    if providers is None:
        return [], []
    if not isinstance(providers, Sequence):
        raise ValueError("'providers' should be a sequence.")
    named: dict[str, dict[str, str]] = {}
    for name, options in _pairs(providers, provider_options):
        if name not in available:
            listed = ", ".join(available)
            warnings.warn(
                f"Specified provider '{name}' is not in available provider names.Available providers: '{listed}'",
                stacklevel=4,
            )
        if name in named:
            warnings.warn(f"Duplicate provider '{name}' encountered, ignoring.", stacklevel=4)
            continue
        named[name] = {str(key): str(value) for key, value in options.items()}
    return list(named), list(named.values())


def _pairs(
    providers: Sequence[Any], provider_options: Sequence[Mapping[Any, Any]] | None
) -> list[tuple[str, Mapping[Any, Any]]]:
    if provider_options is None:
        return [_pair(provider) for provider in providers]
    if not isinstance(provider_options, Sequence):
        raise ValueError("'provider_options' should be a sequence.")
    if len(providers) != len(provider_options):
        raise ValueError("'providers' and 'provider_options' should be the same length if both are given.")
    if not all(isinstance(provider, str) for provider in providers):
        raise ValueError("Only string values for 'providers' are supported if 'provider_options' is given.")
    if not all(isinstance(options, dict) for options in provider_options):
        raise ValueError("'provider_options' values must be dicts.")
    return list(zip(providers, provider_options, strict=True))


def _pair(provider: Any) -> tuple[str, Mapping[Any, Any]]:
    if isinstance(provider, str):
        return provider, {}
    if isinstance(provider, tuple) and len(provider) == 2:
        name, options = provider
        if isinstance(name, str) and isinstance(options, dict):
            return name, options
    raise ValueError("'providers' values must be either strings or (string, dict) tuples.")
