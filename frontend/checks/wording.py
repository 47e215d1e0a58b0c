"""How a model's own words are shown in errors."""

from __future__ import annotations

from typing import Any

import onnx

_MAX_SHOWN = 120


def shown(name: Any) -> str:
    """A name in quotes, on one line and not too long: the model may call its parts anything."""
    text = name if isinstance(name, str) else repr(name)
    if not text.isprintable():
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: 2 * _MAX_SHOWN])
    if len(text) > _MAX_SHOWN:
        text = f"{text[:_MAX_SHOWN]}..."
    return f"'{text}'"


def node_name(node: onnx.NodeProto, index: int | None = None) -> str:
    """A node in words: by its name, else by its place or by what it gives."""
    if node.name:
        return f"node {shown(node.name)} ({node.op_type or 'no operator'})"
    which = "node" if index is None else f"node #{index}"
    gives = ", ".join(shown(name) for name in node.output[:3] if name)
    return f"{which} ({node.op_type or 'no operator'})" + (f" giving {gives}" if gives else "")
