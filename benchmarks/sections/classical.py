"""Forests as scikit-learn trains them, beside onnxruntime: one thread, taking turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from rich.table import Table

from ...cli.timing import measure_in_turn
from ...compiler import compile
from .speed import in_turn, open_session

ROWS = (1, 100, 10_000)
TREES = 100
FEATURES = 20
_TRAINED_ON = 5000


def measure(seconds: float, progress: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    """A row for each forest and number of rows: microseconds of each engine. Raises ValueError where they differ."""
    found = []
    for name, model in _models():
        executable, session = compile(model, threads=1), open_session(model, 1)
        for rows in ROWS:
            feeds = {"X": np.random.default_rng(rows).standard_normal((rows, FEATURES), dtype=np.float32)}
            runners = in_turn(executable, session, feeds)
            _require_equal(name, list(executable.run(feeds).values())[-1], np.asarray(session.run(None, feeds)[-1]))
            times = measure_in_turn(runners, seconds).statistics
            row = {"name": name, "rows": rows, **{engine: times[engine]["p50_ms"] * 1e3 for engine in runners}}
            found.append(row)
            progress(row)
    return found


def _require_equal(name: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    error = np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-30)
    if not error < 1e-4:
        raise ValueError(f"{name}: the engines differ by {error:.1e} of the largest score")


def _models() -> Iterator[tuple[str, bytes]]:
    from skl2onnx import to_onnx
    from sklearn.datasets import make_classification, make_regression
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor

    classes: Any = make_classification(_TRAINED_ON, FEATURES, n_informative=12, n_classes=3, random_state=0)
    numbers: Any = make_regression(_TRAINED_ON, FEATURES, noise=1.0, random_state=0)
    kinds: list[Any] = [(f"forest of depth {depth}", RandomForestRegressor, numbers, depth) for depth in (6, 8, 10)]
    kinds.append(("forest of depth 8, 3 classes", RandomForestClassifier, classes, 8))
    kinds.append(("boosted, depth 6, 2 classes", GradientBoostingClassifier, (classes[0], classes[1] > 0), 6))
    for name, kind, (x, y), depth in kinds:
        x = x.astype(np.float32)
        trained = kind(n_estimators=TREES, max_depth=depth, random_state=0).fit(x, y)
        options = {"zipmap": False} if hasattr(trained, "classes_") else None
        model: Any = to_onnx(trained, x[:1], options=options, target_opset={"": 20, "ai.onnx.ml": 3})
        yield name, model.SerializeToString()


def table(rows: list[dict[str, Any]]) -> Table:
    shown = Table("forest", title=f"{TREES} trees, {FEATURES} features, us on one thread")
    for column in ("rows", "Lamina", "onnxruntime", "ratio"):
        shown.add_column(column, justify="right")
    for row in rows:
        ratio = row["onnxruntime"] / row["lamina"]
        shown.add_row(
            row["name"], f"{row['rows']:,}", f"{row['lamina']:.1f}", f"{row['onnxruntime']:.1f}", f"{ratio:.2f}"
        )
    return shown
