"""``import onnxruntime`` gives Lamina: in this process, or in one that nobody can edit.

The module that programs get has the names of ``as_onnxruntime``. Where the real package is installed, its parts that
are written on top of its sessions (``quantization``, ``transformers``, ``tools`` ...) come from there, and run on
Lamina's; where it is not, Lamina has its own of those that programs import.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution, DistributionFinder, MetadataPathFinder
from types import ModuleType
from typing import Any

VARIABLE = "LAMINA_AS_ONNXRUNTIME"
"""Programs started with this variable get Lamina, where ``python -m lamina.as_onnxruntime --install`` was run."""

_NAME = "onnxruntime"
_OURS = {
    "onnxruntime": ".as_onnxruntime",
    "onnxruntime.capi": ".as_onnxruntime.version",
    "onnxruntime.capi._pybind_state": ".as_onnxruntime.native",
    "onnxruntime.capi.onnxruntime_pybind11_state": ".as_onnxruntime.native",
    "onnxruntime.capi.onnxruntime_inference_collection": ".as_onnxruntime.collection",
    "onnxruntime.capi.build_and_package_info": ".as_onnxruntime.version",
    "onnxruntime.backend": ".as_onnxruntime.backend",
}
_OURS_WHERE_MISSING = {
    "onnxruntime.quantization": ".as_onnxruntime.quantization",
    "onnxruntime.quantization.shape_inference": ".as_onnxruntime.quantization",
    "onnxruntime.transformers": ".as_onnxruntime.version",
    "onnxruntime.transformers.io_binding_helper": ".as_onnxruntime.io_binding_helper",
}
_PACKAGES = ("onnxruntime", "onnxruntime.capi", "onnxruntime.quantization", "onnxruntime.transformers")


def replace_onnxruntime() -> None:
    """From now on ``import onnxruntime`` gives Lamina's sessions, in this process.

    Call it before the packages that shall use Lamina are imported.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    for name in [name for name in sys.modules if name == _NAME or name.startswith(f"{_NAME}.")]:
        if not _is_ours(sys.modules[name]):
            del sys.modules[name]


def _is_ours(module: ModuleType | None) -> bool:
    return isinstance(getattr(getattr(module, "__spec__", None), "loader", None), _Loader)


class _Finder(MetaPathFinder):
    """Finds onnxruntime's modules where they are Lamina's, and its version where it is not installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        source = _OURS.get(fullname)
        if source is None and fullname in _OURS_WHERE_MISSING and _installed_folders() is None:
            source = _OURS_WHERE_MISSING[fullname]
        if source is None:
            return None
        spec = ModuleSpec(fullname, _Loader(source), origin="lamina", is_package=fullname in _PACKAGES)
        if fullname == _NAME:
            spec.submodule_search_locations = _installed_folders() or []
        return spec

    def find_distributions(self, context: Any = None) -> Iterable[Distribution]:
        context = DistributionFinder.Context() if context is None else context
        if context.name != _NAME or any(MetadataPathFinder.find_distributions(context)):
            return []
        return [_StandIn()]


def _installed_folders() -> list[str] | None:
    """Where the real package lies; None where it is not installed."""
    spec = PathFinder.find_spec(_NAME)
    locations = spec.submodule_search_locations if spec is not None and spec.origin else None
    return list(locations) if locations else None


class _Loader(Loader):
    """Makes a module of the public names of one of Lamina's."""

    def __init__(self, source: str):
        self._source = source

    def exec_module(self, module: ModuleType) -> None:
        source = importlib.import_module(self._source, __package__)
        module.__doc__ = source.__doc__
        module.__dict__.update({name: getattr(source, name) for name in source.__all__})
        if hasattr(source, "__version__"):
            module.__dict__["__version__"] = source.__version__
        if module.__name__ == _NAME:
            # Programs take these as attributes, without importing them.
            importlib.import_module("onnxruntime.capi._pybind_state")
            importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
            importlib.import_module("onnxruntime.capi.onnxruntime_inference_collection")


class _StandIn(Distribution):
    """What ``importlib.metadata`` tells of onnxruntime where it is not installed."""

    def read_text(self, filename: str) -> str | None:
        version = importlib.import_module(".as_onnxruntime.version", __package__).API_VERSION
        return f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: {version}\n" if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        raise FileNotFoundError(f"{_NAME} is not installed: Lamina takes its place")
