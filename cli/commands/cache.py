"""``lamina cache``: what is kept between processes; clears it, and checks it."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import JsonOption, print_json, report_console

if TYPE_CHECKING:
    from ...cache.entries import Entry


class Action(StrEnum):
    SHOW = "show"
    CLEAR = "clear"
    VERIFY = "verify"


def cache(
    action: Annotated[
        Action, typer.Argument(help="'clear' removes all entries; 'verify' reads them all and removes damaged ones.")
    ] = Action.SHOW,
    as_json: JsonOption = False,
) -> None:
    """Show, clear or verify what is kept of compiled models.

    The cache lies in the user's cache folder or in $LAMINA_CACHE_DIR, has at most $LAMINA_CACHE_LIMIT bytes (such as
    2GiB), and is switched off with LAMINA_CACHE=off. 'verify' exits with 1 if an entry was damaged.

    Examples:
    lamina cache
    lamina cache clear
    """
    report = {Action.SHOW: describe, Action.CLEAR: clear, Action.VERIFY: verify}[action]()
    if as_json:
        print_json(report)
    else:
        _print(report)
    if report.get("damaged"):
        raise typer.Exit(1)


def describe() -> dict[str, Any]:
    """Where the cache is, what is on, its limit and entries; ``problems`` are what keeps it from being used."""
    from ...cache import entries, folder

    root = folder.root_folder()
    present = entries.entries()
    kinds = {kind: [entry for entry in present if entry.kind == kind] for kind in folder.KINDS}
    return {
        "folder": str(root) if root is not None else None,
        "on": [kind for kind in folder.KINDS if folder.is_on(kind)],
        "limit": folder.effective_limit_bytes(),
        "size": sum(entry.size for entry in present),
        "kinds": {kind: _describe_kind(found) for kind, found in kinds.items()},
        "problems": _problems(),
    }


def _describe_kind(found: list[Entry]) -> dict[str, Any]:
    ages = [max(0.0, time.time() - entry.used) for entry in found]
    return {
        "entries": len(found),
        "size": sum(entry.size for entry in found),
        "last_used_s": min(ages, default=None),
        "first_to_go_s": max(ages, default=None),
    }


def _problems() -> list[str]:
    from ...cache import folder

    problems = []
    try:
        folder.limit_bytes()
    except ValueError as error:
        problems.append(f"LAMINA_CACHE_LIMIT: {error}; {_size(folder.DEFAULT_LIMIT_BYTES)} is used")
    root = folder.root_folder()
    if root is None:
        problems.append("the user has no home directory: set LAMINA_CACHE_DIR")
        return problems
    for kind in folder.KINDS:
        # A folder that is not there yet is made when there is something to keep.
        place = next(path for path in ((root / kind), *(root / kind).parents) if path.exists())
        obstacle = folder.obstacle(place) if place == root / kind else folder.not_writable(place)
        if obstacle is not None:
            problems.append(f"{root / kind} is not used: {obstacle}")
    return problems


def clear() -> dict[str, Any]:
    """Removes all entries; says how many there were."""
    from ...cache import entries

    count, size = entries.clear()
    return {"removed": count, "size": size}


def verify() -> dict[str, Any]:
    """Reads all entries and removes those that are not as they were written."""
    from ...cache import entries, models, objects

    checks = {"models": models.is_intact, "objects": objects.is_intact}
    present = entries.entries()
    damaged = []
    for entry in present:
        try:
            intact = checks[entry.kind](entry.path)
        except FileNotFoundError:  # Another process has just removed it.
            continue
        if not intact:
            entries.discard(entry.path)
            damaged.append(str(entry.path))
    return {"verified": len(present), "size": sum(entry.size for entry in present), "damaged": damaged}


def _print(report: dict[str, Any]) -> None:
    console = report_console()
    if "removed" in report:
        console.print(f"removed {report['removed']} entries, {_size(report['size'])}")
        return
    if "verified" in report:
        for path in report["damaged"]:
            console.print(f"[red]damaged, removed:[/] {path}", soft_wrap=True)
        console.print(f"{report['verified']} entries read, {_size(report['size'])}, {len(report['damaged'])} damaged")
        return
    _print_contents(report)


def _print_contents(report: dict[str, Any]) -> None:
    from rich.table import Table

    console = report_console()
    console.print(f"folder  {report['folder'] or 'none'}", soft_wrap=True)
    console.print(f"on      {', '.join(report['on']) or 'nothing'}")
    console.print(f"used    {_size(report['size'])} of {_size(report['limit'])}")
    table = Table("kind", box=None)
    for column in ("entries", "size", "last used", "first to go"):
        table.add_column(column, justify="right")
    for kind, row in report["kinds"].items():
        ages = (_age(row["last_used_s"]), _age(row["first_to_go_s"]))
        table.add_row(kind, str(row["entries"]), _size(row["size"]), *ages)
    console.print(table)
    for problem in report["problems"]:
        console.print(f"[red]problem:[/] {problem}", soft_wrap=True)


def _size(count: int) -> str:
    """``3.5 MiB``."""
    amount, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return "now"
