"""``lamina doctor``: whether Lamina can work on this machine, and what it found."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import typer

from ..common import JsonOption, print_json

_MIB = 1 << 20

# Without these the compiler does not work; each with what to do.
_NEEDED = ("numpy", "xdsl", "llvmlite", "onnx")


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``ok`` is None where there is nothing to pass or fail; ``advice`` is for what failed.

    ``details`` are the same facts for programs.
    """

    subject: str
    ok: bool | None
    text: str
    advice: str = ""
    details: dict[str, Any] = field(default_factory=dict)


class _Failed(Exception):
    """A check found something wrong: in words, what to do, and the facts."""

    def __init__(self, text: str, advice: str, details: dict[str, Any] | None = None):
        super().__init__(text)
        self.finding_text, self.advice, self.details = text, advice, details or {}


_REPORT_IT = "report it, with the output of `lamina doctor --json`"


def doctor(as_json: JsonOption = False) -> None:
    """Example: [bold]lamina doctor[/]

    Look at the machine and the installation, and compile, run, save and load small models.

    Says what the processor offers and which target it is compiled for, which cores may be used, versions, where
    the cache is. Each thing that is wrong comes with what to do. Exits with 1 if something is wrong.
    """
    findings = [_examined(*examination) for examination in (*_EXAMINATIONS, *_trials())]
    ok = all(finding.ok is not False for finding in findings)
    if as_json:
        print_json({"ok": ok, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings, ok)
    if not ok:
        raise typer.Exit(1)


Facts = tuple[bool | None, str, dict[str, Any]]
"""Whether it is as it should be (None: nothing to say), in words, and for programs."""
_Examination = tuple[str, Callable[[], Facts], str]
"""A subject, what looks at it, and what to do where that fails."""


def _examined(subject: str, examination: Callable[[], Facts], advice: str) -> Finding:
    try:
        ok, text, details = examination()
    except _Failed as failure:
        return Finding(subject, False, failure.finding_text, failure.advice, failure.details)
    except Exception as error:  # Whatever is wrong is the finding.
        return Finding(subject, False, f"{type(error).__name__}: {error}", advice)
    return Finding(subject, ok, text, "", details)


# --- facts ----------------------------------------------------------------------------------------------


def _versions() -> Facts:
    from ..machine_facts import versions

    found = versions()
    missing = [name for name in _NEEDED if found[name] is None]
    text = ", ".join(f"{name} {version}" for name, version in found.items() if version is not None)
    if missing:
        absent = " and ".join(missing)
        advice = f"to compile models: pip install --force-reinstall lamina (or pip install {' '.join(missing)})"
        raise _Failed(f"{absent} not installed; {text}", advice, found)
    broken = [f"{name} cannot be imported ({error})" for name in _NEEDED if (error := _import_error(name))]
    if broken:
        raise _Failed(f"{'; '.join(broken)}; {text}", "reinstall what cannot be imported", found)
    return True, text, found


def _import_error(name: str) -> str | None:
    try:
        importlib.import_module(name)
    except Exception as error:  # A broken extension module raises what it likes.
        return f"{type(error).__name__}: {error}"
    return None


def _system() -> Facts:
    from ..machine_facts import system

    return None, system(), {"system": system()}


def _processor() -> Facts:
    from ..machine_facts import processor_name, relevant_features

    name, features = processor_name(), relevant_features()
    present = [feature for feature, there in features.items() if there]
    absent = [feature for feature, there in features.items() if not there]
    text = f"{name}; has {' '.join(present) or 'no features of interest'}"
    if absent:
        text += f"; lacks {' '.join(absent)}"
    return None, text, {"name": name, "features": features}


def _target() -> Facts:
    import platform

    import llvmlite.binding as llvm

    from ...machines import host_target
    from ...machines.cpu.host import passed_over, usable_features

    target = host_target()
    better = passed_over(platform.machine(), usable_features(llvm.get_host_cpu_features()))
    rows, columns = target.gemm_tile
    caches = " / ".join(f"{size >> 10} KiB" for size in (target.l1_bytes, target.l2_bytes, target.l3_bytes))
    why = "the most capable one for this architecture"
    if better:
        name, missing = next(reversed(better.items()))
        why = f"for {name} the processor lacks {', '.join(missing)}"
    text = f"{target.name}, {why}; {target.vector_bytes * 8}-bit vectors, "
    text += f"register tile {rows} x {columns}, caches {caches}"
    return True, text, {"passed_over": better, **target.to_dict()}


def _cores() -> Facts:
    from ..machine_facts import cores

    found = cores()
    quota = "no cgroup quota" if found["cgroup_quota"] is None else f"cgroup quota of {found['cgroup_quota']}"
    text = (
        f"{found['physical']} cores, {found['logical']} hardware threads; affinity allows {len(found['affinity'])}, "
        f"{quota} (cgroup {found['cgroup_version']}): {found['default_threads']} threads by default"
    )
    if found["LAMINA_THREADS"]:
        text += f" (LAMINA_THREADS={found['LAMINA_THREADS']})"
    return None, text, found


def _memory() -> Facts:
    from ..machine_facts import memory

    found = memory()
    text = ", ".join(f"{size / _MIB:.0f} MiB {name}" for name, size in found.items())
    return None, text or "not known", found


def _environment() -> Facts:
    from ..machine_facts import environment

    found = environment()
    return None, ", ".join(f"{name}={value}" for name, value in found.items()) or "nothing set", found


def _cache() -> Facts:
    from .cache import describe

    found = describe()
    on = " and ".join(found["on"])
    text = f"{found['folder'] or 'no folder'}, {on} on, " if on else "off (LAMINA_CACHE), "
    text += f"{found['size'] / _MIB:.1f} of {found['limit'] / _MIB:.0f} MiB used"
    if found["problems"] and on:
        advice = "set LAMINA_CACHE_DIR to a folder that can be written; without it everything works, and starts slower"
        raise _Failed("; ".join(found["problems"]), advice, found)
    return True if on else None, text, found


# --- checks -----------------------------------------------------------------------------------------------


def _executable_memory() -> Facts:
    from ...runtime.memory import map_code, unmap_pages

    size = 64
    unmap_pages(map_code(bytes(size)), size)
    return True, "may be mapped", {}


_EXAMINATIONS: tuple[_Examination, ...] = (
    ("versions", _versions, "reinstall: pip install --force-reinstall lamina"),
    ("system", _system, _REPORT_IT),
    ("processor", _processor, _REPORT_IT),
    ("target", _target, "reinstall llvmlite, or use a machine of x86-64 or AArch64 with Linux"),
    ("cores", _cores, "set LAMINA_THREADS to a positive number, or unset it"),
    ("memory", _memory, _REPORT_IT),
    ("environment", _environment, _REPORT_IT),
    ("cache", _cache, "set LAMINA_CACHE=off to do without"),
    (
        "executable memory",
        _executable_memory,
        "this system forbids memory that was written to be executed (SELinux execmem, a seccomp or PaX rule): "
        "allow it for Python; without it no compiled model can run here",
    ),
)


def _trials() -> list[_Examination]:
    """Compiling and running; each takes up what the one before has compiled."""
    from ..self_test import SelfTest

    test = SelfTest()
    return [
        ("run on 1 thread", lambda: (True, test.run(1), {}), f"if the lines above are fine, {_REPORT_IT}"),
        ("run on 2 threads", lambda: (True, test.run(2), {}), f"LAMINA_THREADS=1 may help meanwhile; {_REPORT_IT}"),
        (
            "save and load",
            lambda: (True, test.save_and_load(), {}),
            f"see that the folder for temporary files ($TMPDIR) has space; else {_REPORT_IT}",
        ),
    ]


# --- for people -------------------------------------------------------------------------------------------


def _print(findings: list[Finding], ok: bool) -> None:
    from rich.markup import escape

    from ..common import report_console
    from ..tables import print_facts

    marks = {True: "[green]ok[/]", False: "[bold red]failed[/]", None: ""}
    rows = []
    for finding in findings:
        rows.append((f"[bold]{finding.subject}[/]", marks[finding.ok], escape(finding.text)))
        if finding.advice:
            rows.append(("", "", f"[yellow]what to do:[/] {escape(finding.advice)}"))
    console = report_console()
    print_facts(console, rows)
    console.print()
    verdict = "[green]Lamina works on this machine.[/]" if ok else "[bold red]Something is wrong, see above.[/]"
    console.print(f"{verdict} With a bug report send the output of `lamina doctor --json`.", highlight=False)
