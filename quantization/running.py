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


def compiled(model: onnx.ModelProto, progress: Progress | None = None) -> Executable:
    """The model for this machine. It is not kept: few of those made here run twice."""
    from ..compiler import compile
    from ..pipeline import PipelineOptions

    return compile(model, options=PipelineOptions(use_cache=False, progress=progress))


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
