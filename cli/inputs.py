"""The feeds of a run: from files of arrays, from pictures, or random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .arrays import read_arrays
from .common import usage_errors
from .images import SUFFIXES, Normalization, read_image

if TYPE_CHECKING:
    import numpy as np

    from ..runtime.executable import TensorInfo

_EXPECTED = "expected NAME=FILE, the file a .npy or a picture, FILE.npz for all inputs, or NAME=random"


@dataclass
class GivenInputs:
    """What ``--input`` says. The empty name is that of the only input; ``random`` names those to be drawn."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    pictures: dict[str, Path] = field(default_factory=dict)
    random: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def read(texts: Sequence[str]) -> GivenInputs:
        """Reads the files of arrays; pictures wait for the model's shapes. Raises BadParameter and LaminaError."""
        given = GivenInputs()
        for text in texts:
            given._add(text)
        return given

    def _add(self, text: str) -> None:
        name, file = _name_and_file(text)
        if file == "random" and text != "random":
            self.random.append(name)
            return
        path = Path(file)
        if not path.is_file():
            reason = f"file '{file}' does not exist" if path.suffix else f"'{text}': {_EXPECTED}"
            raise typer.BadParameter(reason, param_hint="--input")
        if path.suffix.lower() in SUFFIXES:
            self.pictures[name] = path
        elif path.suffix.lower() in (".npy", ".npz"):
            arrays = read_arrays(path)
            if "" in arrays:
                arrays = {name: arrays[""]}
            elif name:
                raise typer.BadParameter(
                    f"'{text}': a .npz file names its arrays itself: give FILE.npz", param_hint="--input"
                )
            self.arrays |= arrays
            self.sources |= dict.fromkeys(arrays, str(path))
        else:
            raise typer.BadParameter(f"'{text}': {_EXPECTED}", param_hint="--input")

    def feeds(
        self, inputs: Sequence[TensorInfo], sizes: Mapping[str, int], normalization: Normalization
    ) -> dict[str, np.ndarray]:
        """Arrays by name for the inputs given, pictures prepared; ``sizes`` are those of free dims that are known.

        Raises BadParameter and LaminaError.
        """
        infos = {info.name: info for info in inputs}
        feeds = {self._named(name, infos): array for name, array in self.arrays.items()}
        self.sources = {self._named(name, infos): source for name, source in self.sources.items()}
        for name, path in self.pictures.items():
            info = infos[self._named(name, infos)]
            shape = tuple(sizes.get(dim, dim) if isinstance(dim, str) else dim for dim in info.shape)
            feeds[info.name] = read_image(path, replace(info, shape=shape), normalization)
            self.sources[info.name] = str(path)
        for name in self.random:
            self._named(name, infos)
        return feeds

    @staticmethod
    def _named(name: str, infos: dict[str, TensorInfo]) -> str:
        if name in infos:
            return name
        if name:
            raise typer.BadParameter(
                f"no input is called '{name}': expected one of {', '.join(infos)}", param_hint="--input"
            )
        if len(infos) != 1:
            raise typer.BadParameter(
                f"the model has {len(infos)} inputs: say which, e.g. --input {next(iter(infos), 'x')}=FILE",
                param_hint="--input",
            )
        return next(iter(infos))


def _name_and_file(text: str) -> tuple[str, str]:
    """``NAME=FILE`` split where a file is: names of inputs and files may have a ``=`` too. No name: the empty one."""
    splits = [(text[:at], text[at + 1 :]) for at, letter in enumerate(text) if letter == "="]
    found = (split for split in [*splits, ("", text)] if split[1] == "random" or Path(split[1]).is_file())
    name, _, file = text.rpartition("=")
    return next(found, (name, file))


def normalization_of(mean: str | None, std: str | None) -> Normalization:
    """What --mean and --std say. Text that cannot be read is wrong usage."""
    values = {}
    for option, text in (("mean", mean), ("std", std)):
        if text is None:
            continue
        with usage_errors(f"--{option}"):
            values[option] = tuple(float(part) for part in text.split(","))
    if 0.0 in values.get("std", ()):
        raise typer.BadParameter("0 cannot be divided by", param_hint="--std")
    return Normalization(**values)
