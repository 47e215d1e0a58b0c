"""Twelve standard networks and some modern ones, without their weights, and a way to fill in seeded ones."""

from __future__ import annotations

import zlib
from pathlib import Path

from ..cache import cache_folder, written_whole
from .materialize import materialize

_FOLDER = Path(__file__).parent
_SOURCES = {path.stem: path for path in sorted(_FOLDER.rglob("*.onnx"))}
ZOO = tuple(name for name, path in _SOURCES.items() if path.parent == _FOLDER)
MODERN = tuple(name for name, path in _SOURCES.items() if path.parent != _FOLDER)


def zoo_model(name: str) -> Path:
    """The network with weights, in the user's cache; filled in on first use (some seconds for the biggest).

    Raises ValueError for a name that is neither in ``ZOO`` nor in ``MODERN``.
    """
    if name not in _SOURCES:
        raise ValueError(f"no network is called '{name}': expected one of {', '.join(_SOURCES)}")
    source = _SOURCES[name]
    # A changed graph or another way to fill it is another file.
    stamp = zlib.crc32(source.read_bytes() + (_FOLDER / "materialize.py").read_bytes())
    path = cache_folder("zoo") / f"{name}-{stamp:08x}.onnx"
    if not path.exists():
        with written_whole(path) as temporary:
            materialize(source, temporary)
    return path
