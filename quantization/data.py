"""Data to try a model on: runs' feeds from files of arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..runtime.errors import LaminaError
from .running import Feeds

SUFFIXES = (".npz", ".npy")


def read_samples(data: str | Path | Iterable[Feeds], ranks: Mapping[str, int], batch: Mapping[str, int]) -> list[Feeds]:
    """The feeds of each run, from a ``.npz`` file, a folder of ``.npz`` and ``.npy`` files, or as they are given.

    ``ranks`` of the inputs, and how long their first axis is where that is fixed (``batch``; else it is 1 here). In a
    file an array of an input's rank is cut into runs along its first axis; one of a rank more has a run at each index;
    one without dims is for all runs. Raises LaminaError that names the file and the input.
    """
    if not isinstance(data, str | Path):
        samples = [dict(sample) for sample in data]
        if not samples:
            raise LaminaError("there is no data: give at least one run's feeds")
        return list(samples)
    path = Path(data)
    files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES) if path.is_dir() else [path]
    if not files:
        raise LaminaError(f"folder '{path}' holds no {' or '.join(SUFFIXES)} file")
    return [sample for file in files for sample in _samples(file, ranks, batch)]


def _samples(file: Path, ranks: Mapping[str, int], batch: Mapping[str, int]) -> list[Feeds]:
    arrays = _read(file, ranks)
    missing = [name for name in ranks if name not in arrays]
    if missing:
        raise LaminaError(f"'{file}' has no array for input '{missing[0]}': it has {', '.join(arrays) or 'none'}")
    pieces = {name: _pieces(file, name, arrays[name], ranks[name], batch.get(name, 1)) for name in ranks}
    counts = {name: len(found) for name, found in pieces.items() if ranks[name]}
    runs = max(counts.values(), default=1)
    for name, count in counts.items():
        if count not in (1, runs):
            raise LaminaError(f"'{file}' has {count} runs for input '{name}', but {runs} for another")
    return [{name: found[run % len(found)] for name, found in pieces.items()} for run in range(runs)]


def _read(file: Path, ranks: Mapping[str, int]) -> dict[str, np.ndarray]:
    try:
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            if len(ranks) != 1:
                raise LaminaError(f"'{file}' holds one array, but the model has {len(ranks)} inputs: give a .npz file")
            return {next(iter(ranks)): loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (EOFError, ValueError, zipfile.BadZipFile, FileNotFoundError) as error:
        if isinstance(error, FileNotFoundError):
            raise LaminaError(f"there is no '{file}'") from error
        raise LaminaError(f"'{file}' is no file of numbers that NumPy can read, or damaged") from error


def _pieces(file: Path, name: str, array: np.ndarray, rank: int, size: int) -> Sequence[np.ndarray]:
    if array.ndim == rank + 1:
        return list(array)
    if array.ndim != rank:
        raise LaminaError(
            f"'{file}' has an array of {array.ndim} dims for input '{name}', which has {rank}: give one of {rank}, "
            f"cut along its first axis, or one of {rank + 1} with a run at each index"
        )
    if not rank:
        return [array]
    if array.shape[0] % size:
        raise LaminaError(f"'{file}' has {array.shape[0]} rows for input '{name}', no multiple of the model's {size}")
    return np.split(array, array.shape[0] // size) if array.shape[0] > size else [array]
