"""``make bench``: every figure Lamina states about itself, measured here and now beside onnxruntime.

usage: python -m lamina.benchmarks.race [NETWORK ...] [--only SECTION] [--seconds S] [--json FILE]
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Annotated, Any

import onnxruntime
import typer
from rich.console import Console

from .. import __version__
from ..machines import host_target
from .networks import NETWORKS, networks
from .sections import (
    batches,
    classical,
    compile_time,
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

SECTIONS = (
    "overhead", "compile", "start", "widths", "products", "narrow", "few-bits", "decoders", "recurrent", "sampling",
    "selections",
    "classical", "speed", "quantised", "precision", "threads", "batches",
)  # fmt: skip
_COMPILED = ("resnet50", "mobilenet_v2")


def race(
    names: Annotated[list[str] | None, typer.Argument(metavar="NETWORK", help="By default all.")] = None,
    only: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(SECTIONS)}; may be repeated.")] = None,
    seconds: Annotated[float, typer.Option(help="How long to time each network at each thread count.")] = 4.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Keep all figures in a file.")] = None,
) -> None:
    """Measure speed, compile time, overhead and memory."""
    unknown = sorted({*(names or ())} - NETWORKS.keys()) + sorted({*(only or ())} - {*SECTIONS})
    if unknown:
        raise typer.BadParameter(f"'{unknown[0]}': expected a network ({', '.join(NETWORKS)}) or a section")
    # Where the output is no terminal rich takes 80 columns, in which no table fits.
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=140)
    wanted = only or SECTIONS
    report: dict[str, Any] = {"machine": _machine()}
    console.print(", ".join(f"{key} {value}" for key, value in report["machine"].items()))
    if "overhead" in wanted:
        report["overhead"] = overhead.measure()
        console.print(overhead.table(report["overhead"]))
    if "compile" in wanted:
        report["compile"] = compile_time.measure(networks(names or _COMPILED))
        console.print(compile_time.table(report["compile"]))
    if "start" in wanted:
        report["start"] = start.measure(networks(names or _COMPILED))
        console.print(start.table(report["start"]))
    if "widths" in wanted:
        report["widths"] = widths.measure()
        console.print(widths.table(report["widths"]))
    if "products" in wanted:
        with console.status("multiplying") as status:
            report["products"] = products.measure(
                seconds / 4, lambda row: status.update(f"multiplying: {row['name']} done")
            )
        console.print(products.table(report["products"]))
    if "narrow" in wanted:
        with console.status("multiplying") as status:
            report["narrow"] = narrow.measure(
                seconds / 4, lambda row: status.update(f"multiplying: {row['name']} done")
            )
        console.print(narrow.table(report["narrow"]))
    if "few-bits" in wanted:
        with console.status("multiplying") as status:
            report["few-bits"] = few_bits.measure(
                seconds / 4, lambda row: status.update(f"multiplying: {row['name']} done")
            )
        console.print(few_bits.table(report["few-bits"]))
    if "decoders" in wanted:
        with console.status("decoding") as status:
            report["decoders"] = decoders.measure(seconds, lambda row: status.update(f"decoding: {row['name']} done"))
        console.print(decoders.table(report["decoders"]))
    if "recurrent" in wanted:
        with console.status("walking") as status:
            report["recurrent"] = recurrent.measure(
                seconds / 4, lambda row: status.update(f"walking: {row['name']} done")
            )
        console.print(recurrent.table(report["recurrent"]))
    if "sampling" in wanted:
        with console.status("sampling") as status:
            report["sampling"] = sampling.measure(
                seconds / 8, lambda row: status.update(f"sampling: {row['name']} done")
            )
        console.print(sampling.table(report["sampling"]))
    if "selections" in wanted:
        with console.status("selecting") as status:
            report["selections"] = selections.measure(
                seconds / 4, lambda row: status.update(f"selecting: {row['name']} done")
            )
        console.print(selections.table(report["selections"]))
    if "classical" in wanted:
        with console.status("asking trees") as status:
            report["classical"] = classical.measure(
                seconds / 8, lambda row: status.update(f"asking trees: {row['name']} done")
            )
        console.print(classical.table(report["classical"]))
    if "speed" in wanted:
        with console.status("racing") as status:
            report["speed"] = speed.measure(
                networks(names or ()), seconds, lambda row: status.update(f"racing: {row['network']} done")
            )
        console.print(speed.table(report["speed"]))
    if "quantised" in wanted:
        with console.status("racing 8-bit networks") as status:
            report["quantised"] = quantised.measure(
                networks(names or ()), seconds, lambda row: status.update(f"racing: {row['network']} done")
            )
        console.print(quantised.table(report["quantised"]))
    if "precision" in wanted:
        with console.status("rounding") as status:
            report["precision"] = precision.measure(
                networks(names or ZOO), seconds, lambda row: status.update(f"rounding: {row['network']} done")
            )
        console.print(precision.table(report["precision"]))
    if "threads" in wanted:
        with console.status("counting threads") as status:
            report["threads"] = threads.measure(
                networks(names or ZOO), seconds, lambda row: status.update(f"counting threads: {row['network']} done")
            )
        console.print(threads.table(report["threads"]))
    if "batches" in wanted:
        with console.status("racing batches") as status:
            report["batches"] = batches.measure(
                networks(names or ZOO), seconds, lambda row: status.update(f"racing batches: {row['network']} done")
            )
        console.print(batches.table(report["batches"]))
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
