"""Looks at tensors inside of a model while it runs on data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from .onnx_graph import OnnxGraph
from .running import Feeds, Progress, compiled, run_all


def observe(
    graph: OnnxGraph,
    names: Iterable[str],
    samples: Sequence[Feeds],
    see: Callable[[str, np.ndarray], None],
    progress: Progress | None = None,
) -> list[dict[str, np.ndarray]]:
    """Hands each of the f32 tensors of those names to ``see``, run by run. Gives the model's own results."""
    wanted = set(names) - set(graph.inputs) - set(graph.outputs)
    inside = [name for name in sorted(wanted) if graph.maker(name) is not None]
    seen = set(names)
    executable = compiled(graph.model(inside), samples, progress)
    results = []
    for sample, outputs in zip(samples, run_all(executable, samples, "calibrate", progress)):
        for name, array in (*sample.items(), *outputs.items()):
            if name in seen:
                see(name, np.asarray(array))
        results.append({name: outputs[name] for name in graph.outputs})
    return results
