"""ONNX to the graph level."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx
    from xdsl.dialects.builtin import ModuleOp

    from ..context import CompilerContext


def import_model(
    model: bytes | str | PathLike[str] | onnx.ModelProto,
    *,
    shapes: Mapping[str, Any] | None = None,
    context: CompilerContext,
) -> ModuleOp:
    """The model as a module with @main at the graph level; its weights go to ``context.constants``.

    ``shapes`` fixes dimensions: an input's name gives its whole shape (integers, names, or None for "as the
    model says"), a dimension's name gives its size. Arguments and results keep their names in the
    attribute ``lamina.name``. Where two dimensions are taken to be equal but can't be written as one,
    the module's ``lamina.checks`` lists [left, right, why], to be checked when the model runs.

    Raises InvalidModelError and UnsupportedOperatorError, which name the node and say what to do.
    """
    from .model_file import load_model

    return import_loaded(load_model(model), shapes=shapes, context=context)


def import_loaded(
    loaded: onnx.ModelProto, *, shapes: Mapping[str, Any] | None = None, context: CompilerContext
) -> ModuleOp:
    """As ``import_model``, for what ``load_model`` gave: it is checked already."""
    from . import converters as _registered  # noqa: F401
    from .importer import import_graph
    from .model_file import opset_versions

    return import_graph(loaded.graph, opset_versions(loaded), shapes, context)


__all__ = ["import_loaded", "import_model"]
