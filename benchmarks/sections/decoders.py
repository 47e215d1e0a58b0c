"""A decoder of 135 M weights: a token after others, and a prompt, with keys and values kept from run to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from rich.table import Table

from ...cli.timing import measure_in_turn
from ...compiler import compile
from ..decoders import FORMS, SMOLLM2_135M, decoder, empty_past, feeds
from .speed import open_session

TOKENS = 128
CASES = tuple((form, bits) for form in FORMS for bits in (32, 4))


def measure(seconds: float, progress: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    """Milliseconds of each engine, on one thread. ``progress`` is called with each row."""
    rows = []
    for form, bits in CASES:
        # One sequence, as people run them where they serve themselves.
        model = decoder(SMOLLM2_135M, form, bits)
        row = {"name": f"{form}, {'f32' if bits == 32 else f'{bits} bits'}", **_measure(model, seconds)}
        rows.append(row)
        progress(row)
    return rows


def _measure(model: onnx.ModelProto, seconds: float) -> dict[str, Any]:
    words = np.random.default_rng(0).integers(0, SMOLLM2_135M.words, (1, TOKENS + 1))
    prompt, token = feeds(model, words[:, :TOKENS], 0), feeds(model, words[:, TOKENS:], TOKENS)
    executable = compile(model, shapes={"batch_size": 1}, threads=1)
    cache = executable.cache(capacity=2 * TOKENS)
    session = open_session(model.SerializeToString(), 1)
    past = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in empty_past(model, 1).values()]

    def ours(given: dict[str, np.ndarray], length: int) -> None:
        cache.keep(length)
        executable.run(given, cache=cache)

    executable.run(prompt, cache=cache)
    kept = _bound(session, prompt, past)
    return {
        "prompt": _medians(lambda: ours(prompt, 0), lambda: _bound(session, prompt, past), seconds),
        "token": _medians(lambda: ours(token, TOKENS), lambda: _bound(session, token, kept), seconds),
    }


def _bound(session: Any, given: dict[str, np.ndarray], past: list[Any]) -> list[Any]:
    """A run of onnxruntime's that copies no keys or values to and from NumPy; those after it."""
    binding = session.io_binding()
    held = iter(past)
    for value in session.get_inputs():
        if value.name in given:
            binding.bind_cpu_input(value.name, given[value.name])
        else:
            binding.bind_ortvalue_input(value.name, next(held))
    for value in session.get_outputs():
        binding.bind_output(value.name, "cpu")
    session.run_with_iobinding(binding)
    return binding.get_outputs()[1:]


def _medians(ours: Callable[[], Any], theirs: Callable[[], Any], seconds: float) -> dict[str, float]:
    statistics = measure_in_turn({"lamina": ours, "onnxruntime": theirs}, seconds).statistics
    return {name: row["p50_ms"] for name, row in statistics.items()}


def table(rows: list[dict[str, Any]]) -> Table:
    shown = Table("135 M weights", title=f"decoder, one thread: a prompt of {TOKENS} tokens, and one after them; ms")
    for what in ("prompt", "token"):
        for column in (f"{what}: Lamina", "onnxruntime", "ratio"):
            shown.add_column(column, justify="right")
    for row in rows:
        cells = []
        for what in ("prompt", "token"):
            ours, theirs = row[what]["lamina"], row[what]["onnxruntime"]
            cells += [f"{ours:.1f}", f"{theirs:.1f}", f"{theirs / ours:.2f}"]
        shown.add_row(row["name"], *cells)
    return shown
