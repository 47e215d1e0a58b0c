"""What every pass is handed: the dialects, the constants of the model and the target machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from xdsl.context import Context

from .dialects import winograd
from .dialects.layout_algebra import Layout
from .errors import MissingConstantError

if TYPE_CHECKING:
    from xdsl.ir import Operation

    from .machines import Target

_DTYPES_ENTRY = "lamina.dtypes"
_TEXT = "text"
_LAYOUTS_ENTRY = "lamina.layouts"

Denormals = Literal["flush", "keep"]
Precision = Literal["f32", "bf16", "f16"]


class ConstantStore(MutableMapping[str, np.ndarray]):
    """The arrays of a model by name: ops carry the name alone, so no pass prints or copies a weight.

    A name stands for the same contents through the whole compilation. A pass that computes new contents
    (a folded or packed weight) gives them a name of their own with :meth:`add`, and may delete the old one.
    Arrays handed in are kept, not copied, and must not be written to afterwards. One that is packed has the shape
    of its memory, and a layout that says what it holds.
    """

    def __init__(self, arrays: dict[str, np.ndarray] | None = None) -> None:
        self._arrays: dict[str, np.ndarray] = {}
        self._next_suffix: dict[str, int] = {}
        self._layouts: dict[str, Layout] = {}
        for name, array in (arrays or {}).items():
            self[name] = array

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            raise MissingConstantError(f"no constant is called '{name}'; was constants.npz given along with the text?")
        return self._arrays[name]

    def __setitem__(self, name: str, array: np.ndarray) -> None:
        present = self._arrays.get(name)
        if present is not None and present is not array:
            raise ValueError(f"constant '{name}' has contents already; give new contents a name of their own")
        self._arrays[name] = np.asarray(array)

    def __delitem__(self, name: str) -> None:
        del self._arrays[name]
        self._layouts.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return f"ConstantStore({len(self)} arrays, {self.nbytes / 2**20:.1f} MiB)"

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays together."""
        return sum(array.nbytes for array in self._arrays.values())

    def layout_of(self, name: str) -> Layout:
        """How the array's memory is laid out; its shape is the physical one."""
        return self._layouts.get(name) or Layout.row_major(self[name].ndim)

    def add(self, array: np.ndarray, hint: str = "constant", layout: Layout | None = None) -> str:
        """Keeps the array under ``hint`` or, where that is taken, ``hint_1``, ``hint_2`` ...; returns the name.

        ``layout`` says how a packed array's memory is laid out.
        """
        name = hint
        while name in self._arrays:
            self._next_suffix[hint] = self._next_suffix.get(hint, 0) + 1
            name = f"{hint}_{self._next_suffix[hint]}"
        self[name] = array
        if layout is not None and not layout.is_row_major:
            self._layouts[name] = layout
        return name

    def take(self, other: ConstantStore) -> None:
        """Adds what another store holds, under the same names."""
        for name, array in other.items():
            self[name] = array
        self._layouts |= other._layouts

    def copy(self) -> ConstantStore:
        """A store of its own that shares the arrays."""
        duplicate = ConstantStore()
        duplicate._arrays = dict(self._arrays)
        duplicate._next_suffix = dict(self._next_suffix)
        duplicate._layouts = dict(self._layouts)
        return duplicate

    def save(self, path: str | Path) -> None:
        """Writes every array to one ``.npz`` file at exactly ``path``.

        NumPy's format does not know bfloat16 and its kin: those are stored as bits, their names beside them.
        """
        entries: dict[str, np.ndarray] = {}
        extension_dtypes: dict[str, str] = {}
        for name, array in self._arrays.items():
            if array.dtype == object:
                extension_dtypes[name], array = _TEXT, np.vectorize(json.dumps, otypes=[str])(array)
            elif array.dtype.isbuiltin != 1:
                extension_dtypes[name] = array.dtype.name
                array = array.view(f"u{array.dtype.itemsize}")
            entries[name] = array
        entries[_DTYPES_ENTRY] = np.array(json.dumps(extension_dtypes))
        layouts = {name: _layout_entry(layout) for name, layout in self._layouts.items()}
        entries[_LAYOUTS_ENTRY] = np.array(json.dumps(layouts))
        with Path(path).open("wb") as file:
            # Through a dict of positions, because savez takes names as keywords and 'file' is a possible constant.
            names = list(entries)
            numbered = {f"array_{index}": entries[name] for index, name in enumerate(names)}
            np.savez(file, allow_pickle=False, names=np.array(json.dumps(names)), **numbered)

    @staticmethod
    def load(path: str | Path) -> ConstantStore:
        """Reads what :meth:`save` wrote. Raises ValueError for any other file."""
        with np.load(path, allow_pickle=False) as archive:
            if "names" not in archive:
                raise ValueError(f"'{path}' holds no constants: it was not written by --dump-phases")
            names = json.loads(str(archive["names"]))
            arrays = {name: archive[f"array_{index}"] for index, name in enumerate(names)}
        extension_dtypes = json.loads(str(arrays.pop(_DTYPES_ENTRY)))
        for name, dtype in extension_dtypes.items():
            if dtype == _TEXT:
                arrays[name] = np.vectorize(json.loads, otypes=[object])(arrays[name])
                continue
            import ml_dtypes

            arrays[name] = arrays[name].view(getattr(ml_dtypes, dtype))
        layouts = json.loads(str(arrays.pop(_LAYOUTS_ENTRY)))
        store = ConstantStore(arrays)
        store._layouts = {name: _layout_from(entry) for name, entry in layouts.items()}
        return store


def _layout_entry(layout: Layout) -> list[Any]:
    margins = ([int(margin) for margin in margins] for margins in (layout.lower, layout.upper))
    return [layout.order, *margins, layout.halo]


def _layout_from(entry: list[Any]) -> Layout:
    order, lower, upper, halo = entry
    return Layout(order, tuple(lower), tuple(upper), halo)


class CompilerContext(Context):
    """xDSL's context with all dialects registered, and with what passes need besides the text.

    ``winograd_error`` is how far off convolutions may be by Winograd's transforms, in units of what a direct sum in
    float32 is off by (root mean squares; 0: no transforms). ``denormals`` says whether runs take denormal numbers as
    zero (``flush``) or compute with them (``keep``). ``precision`` is that in which products of f32 may be taken, where
    that pays. ``origins`` says of which node of the ONNX model each operation
    is; those that passes made are not in it.
    """

    constants: ConstantStore
    origins: dict[Operation, str]
    winograd_error: float
    denormals: Denormals
    precision: Precision

    def __init__(
        self,
        *,
        target: Target | str | None = None,
        constants: ConstantStore | None = None,
        allow_unregistered: bool = False,
        winograd_error: float = winograd.DEFAULT_ERROR,
        denormals: Denormals = "flush",
        precision: Precision = "f32",
    ) -> None:
        """``target`` is a target or the name of one; None is this machine, examined on first use."""
        if denormals not in get_args(Denormals):
            raise ValueError(f"denormals={denormals!r}: expected 'flush' or 'keep'")
        if precision not in get_args(Precision):
            raise ValueError(f"precision={precision!r}: expected 'f32', 'bf16' or 'f16'")
        super().__init__(allow_unregistered=allow_unregistered)
        self.constants = ConstantStore() if constants is None else constants
        self.origins = {}
        self.winograd_error = winograd_error
        self.denormals = denormals
        self.precision = precision
        self._target = target
        self._register_dialects()

    def _register_dialects(self) -> None:
        from xdsl.dialects import get_all_dialects

        from .universe import UNIVERSE, extended_dialects

        for name, factory in (get_all_dialects() | UNIVERSE.all_dialects | extended_dialects()).items():
            self.register_dialect(name, factory)

    @property
    def target(self) -> Target:
        """The machine to compile for; to keep denormals, without the instructions that always take them as zero."""
        if self._target is None or self._target == "host":
            from .machines import host_target

            self._target = host_target()
        elif isinstance(self._target, str):
            from .machines import target_by_name

            self._target = target_by_name(self._target)
        if self.denormals == "keep":
            return replace(self._target, bf16_conversion=False, atoms=self._target.without_flushing_atoms())
        return self._target

    @property
    def machine_class(self) -> str:
        """The class of the target, which decides the phases. This machine is a CPU without being examined."""
        return "cpu" if self._target in (None, "host") else self.target.machine_class

    @target.setter
    def target(self, target: Target | str | None) -> None:
        self._target = target

    def clone(self) -> CompilerContext:
        """A context with the same dialects and target, and constants that can be added to separately."""
        duplicate = CompilerContext(
            target=self._target,
            constants=self.constants.copy(),
            allow_unregistered=self.allow_unregistered,
            winograd_error=self.winograd_error,
            denormals=self.denormals,
            precision=self.precision,
        )
        duplicate._loaded_dialects = self._loaded_dialects.copy()
        duplicate._loaded_ops = self._loaded_ops.copy()
        duplicate._loaded_attrs = self._loaded_attrs.copy()
        duplicate._loaded_types = self._loaded_types.copy()
        duplicate._registered_dialects = self._registered_dialects.copy()
        return duplicate
