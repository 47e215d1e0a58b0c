"""Arrays in files: NumPy's ``.npy`` for one, ``.npz`` for several by name."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..runtime.arrays import write_npz
from ..runtime.errors import LaminaError
from ..runtime.files import replaced_file


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a ``.npz`` file by name, or that of a ``.npy`` file under the empty name. Raises LaminaError."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (EOFError, ValueError, zipfile.BadZipFile) as error:
        kind = ".npz or .npy" if path.suffix not in (".npy", ".npz") else path.suffix
        raise LaminaError(f"'{path}' is no {kind} file of numbers, or damaged") from error


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a ``.npz`` file, or the only array to a ``.npy`` file; all of it or nothing."""
    with replaced_file(path) as partial:
        if path.suffix == ".npy":
            (array,) = arrays.values()
            with partial.open("wb") as file:
                np.save(file, array, allow_pickle=False)
            return
        write_npz(partial, arrays)
