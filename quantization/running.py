"""Runs ONNX models on data, by Lamina."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

    from ..runtime.executable import Executable

Feeds = Mapping[str, np.ndarray]
Progress = Callable[[str, str, int, int], None]
"""Takes what goes on, a step of it, and how many of the step's parts are done of how many."""


def compiled(model: onnx.ModelProto, samples: Sequence[Feeds], progress: Progress | None = None) -> Executable:
    """The model for this machine and what it is to run on, sizes that are always the same being fixed.

    It is not kept: few of those made here run twice.
    """
    from ..compiler import compile
    from ..pipeline import PipelineOptions

    inputs = {value.name for value in model.graph.input} & samples[0].keys()
    shapes = {name: {np.shape(sample[name]) for sample in samples} for name in inputs}
    fixed = {name: next(iter(found)) for name, found in shapes.items() if len(found) == 1}
    return compile(model, shapes=fixed, options=PipelineOptions(use_cache=False, progress=progress))


def run_all(
    executable: Executable,
    samples: Sequence[Feeds],
    what: str,
    progress: Progress | None,
    constant: Feeds | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """The outputs for each sample in turn; ``constant`` are feeds that all of them share."""
    for number, sample in enumerate(samples):
        if progress is not None:
            progress(what, "runs", number, len(samples))
        yield executable.run({**sample, **(constant or {})})
