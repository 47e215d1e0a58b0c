"""``make demo``: reads a picture of text with pre-trained networks, compiled here and now, beside onnxruntime.

usage: python -m lamina.benchmarks.demo [PICTURE] [--threads N]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import onnxruntime
import typer
from rich.console import Console
from rich.table import Table

from ..cli.timing import measure_in_turn
from ..compiler import compile
from ..runtime.cpus import default_threads
from .cache import cache_folder
from .models import ModelUnavailable, real_model
from .ocr import DETECTOR, READER, Engine, Line, draw_page, load_page, read_page

TEXT = ["Graph to machine code", "Layouts, tiles, threads", "1234 + 5678 = 6912", "Runs in 9.7 ms"]


def lamina_engine(threads: int, console: Console) -> Engine:
    """Compiles both networks. Each is compiled once, for pictures and lines of any size."""
    executables = {}
    for name in (DETECTOR, READER):
        begin = time.perf_counter()
        executables[name] = compile(real_model(name), threads=threads)
        console.print(f"compiled {name} in {time.perf_counter() - begin:.1f} s, for any size of picture")
    return lambda name, pixels: next(iter(executables[name].run({"x": pixels}).values()))


def onnxruntime_engine(threads: int) -> Engine:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    sessions = {name: onnxruntime.InferenceSession(real_model(name), options) for name in (DETECTOR, READER)}
    return lambda name, pixels: np.asarray(sessions[name].run(None, {"x": pixels})[0])


def recorded_inputs(engine: Engine, calls: list[tuple[str, np.ndarray]]) -> Engine:
    """The engine, keeping what it is called on."""

    def run(name: str, pixels: np.ndarray) -> np.ndarray:
        calls.append((name, pixels))
        return engine(name, pixels)

    return run


def lines_table(lines: list[Line]) -> Table:
    table = Table("read by lamina", "confidence", "left, top, right, bottom")
    for line in lines:
        table.add_row(line.text, f"{line.confidence:.1%}", ", ".join(map(str, line.box)))
    return table


def same_letters(lines: list[Line], expected: list[str]) -> bool:
    """Whether the text is that expected but for spaces: the reader was taught on Chinese, which has none."""

    def letters(texts: list[str]) -> list[str]:
        return [text.replace(" ", "") for text in texts]

    return letters([line.text for line in lines]) == letters(expected)


def demo(
    picture: Annotated[Path | None, typer.Argument(help="A picture of text; by default one drawn now.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="By default all cores allowed.")] = None,
) -> None:
    """Reads a picture of text, by Lamina and by onnxruntime, and times both."""
    console = Console(highlight=False)
    threads = threads or default_threads()
    page = draw_page(TEXT) if picture is None else load_page(picture)
    if picture is None:
        drawn = cache_folder("demo") / "page.png"
        page.save(drawn)
        console.print(f"the picture: {drawn}")
    try:
        engines = {"lamina": lamina_engine(threads, console), "onnxruntime": onnxruntime_engine(threads)}
    except ModelUnavailable as error:
        console.print(f"[bold red]{error}[/]")
        raise typer.Exit(1) from error
    calls: list[tuple[str, np.ndarray]] = []
    lines = read_page(page, recorded_inputs(engines["lamina"], calls))
    console.print(lines_table(lines))
    agree = [line.text for line in lines] == [line.text for line in read_page(page, engines["onnxruntime"])]
    console.print(f"onnxruntime reads {'the same' if agree else '[bold red]something else[/]'}")
    right = picture is not None or same_letters(lines, TEXT)
    if not right:
        console.print(f"[bold red]expected:[/] {TEXT}")
    _print_times(engines, calls, threads, console)
    if not (agree and right):
        sys.exit(1)


def _print_times(
    engines: dict[str, Engine], calls: list[tuple[str, np.ndarray]], threads: int, console: Console
) -> None:
    """Both engines on all networks that the picture needed, in turn."""

    def runner(engine: Engine):
        return lambda: [engine(name, pixels) for name, pixels in calls]

    times = measure_in_turn({name: runner(engine) for name, engine in engines.items()}, seconds=4.0).statistics
    table = Table("engine")
    table.add_column(f"ms for the {len(calls)} network runs of this picture, on {threads} threads", justify="right")
    for name, row in times.items():
        table.add_row(name, f"{row['p50_ms']:.1f}")
    console.print(table)
    console.print(f"{times['onnxruntime']['p50_ms'] / times['lamina']['p50_ms']:.2f}x the speed of onnxruntime")


if __name__ == "__main__":
    typer.run(demo)
