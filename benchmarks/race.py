"""``make bench``: every figure Lamina states about itself, measured here and now beside onnxruntime.

usage: python -m lamina.benchmarks.race [NETWORK ...] [--only SECTION] [--seconds S] [--json FILE]
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import onnxruntime
import typer
from rich.console import Console

from .. import __version__
from ..machines import host_target
from .networks import MODERN_NETWORKS, NETWORKS, networks
from .sections import (
    batches,
    classical,
    compile_time,
    control,
    decoders,
    few_bits,
    narrow,
    overhead,
    precision,
    products,
    quantised,
    recurrent,
    sampling,
    selections,
    speed,
    start,
    threads,
    widths,
)
from .zoo import ZOO

_COMPILED = ("resnet50", "mobilenet_v2")


@dataclass(frozen=True)
class Section:
    """A table of figures: what measures it and what shows it.

    ``networks`` are those that it runs unless others are asked for; of kernels alone there are none. A row is measured
    for ``share`` of the seconds of a network. ``doing`` is said meanwhile, of sections that tell of each row.
    """

    module: ModuleType
    doing: str = ""
    networks: Sequence[str] | None = None
    share: float = 1.0

    def measure(self, names: Sequence[str], seconds: float, console: Console) -> Any:
        raced = [] if self.networks is None else [networks(names or self.networks)]
        if not self.doing:
            return self.module.measure(*raced)
        with console.status(self.doing) as status:

            def progress(row: Mapping[str, Any]) -> None:
                status.update(f"{self.doing}: {row.get('name') or row['network']} done")

            return self.module.measure(*raced, seconds * self.share, progress)


SECTIONS = {
    "overhead": Section(overhead),
    "compile": Section(compile_time, networks=(*_COMPILED, "bert_base")),
    "start": Section(start, networks=_COMPILED),
    "widths": Section(widths),
    "products": Section(products, "multiplying", share=1 / 4),
    "narrow": Section(narrow, "multiplying", share=1 / 4),
    "few-bits": Section(few_bits, "multiplying", share=1 / 4),
    "decoders": Section(decoders, "decoding"),
    "recurrent": Section(recurrent, "walking", share=1 / 4),
    "sampling": Section(sampling, "sampling", share=1 / 8),
    "control": Section(control, "looping", share=1 / 8),
    "selections": Section(selections, "selecting", share=1 / 4),
    "classical": Section(classical, "asking trees", share=1 / 8),
    "speed": Section(speed, "racing", ()),
    "quantised": Section(quantised, "racing 8-bit networks", quantised.NETWORKS),
    "precision": Section(precision, "rounding", ZOO),
    "threads": Section(threads, "counting threads", ZOO),
    "batches": Section(batches, "racing batches", ZOO),
}


def race(
    names: Annotated[list[str] | None, typer.Argument(metavar="NETWORK", help="By default all.")] = None,
    only: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(SECTIONS)}; may be repeated.")] = None,
    seconds: Annotated[float, typer.Option(help="How long to time each network at each thread count.")] = 4.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Keep all figures in a file.")] = None,
) -> None:
    """Measure speed, compile time, overhead and memory."""
    known = {**NETWORKS, **MODERN_NETWORKS}
    unknown = sorted({*(names or ())} - known.keys()) + sorted({*(only or ())} - {*SECTIONS})
    if unknown:
        raise typer.BadParameter(f"'{unknown[0]}': expected a network ({', '.join(known)}) or a section")
    # Where the output is no terminal rich takes 80 columns, in which no table fits.
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=140)
    wanted = only or SECTIONS
    report: dict[str, Any] = {"machine": _machine()}
    console.print(", ".join(f"{key} {value}" for key, value in report["machine"].items()))
    for name, section in SECTIONS.items():
        if name in wanted:
            report[name] = section.measure(names or (), seconds, console)
            console.print(section.module.table(report[name]))
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2))


def _machine() -> dict[str, str]:
    return {
        "target": host_target().name,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "lamina": __version__,
        "onnxruntime": onnxruntime.__version__,
    }


if __name__ == "__main__":
    typer.run(race)
