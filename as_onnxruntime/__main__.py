"""Runs a program that uses onnxruntime on Lamina, without a change to it.

    python -m lamina.as_onnxruntime script.py arguments ...
    python -m lamina.as_onnxruntime -m module arguments ...

or, for processes that others start:

    python -m lamina.as_onnxruntime --install      # once in the environment
    LAMINA_AS_ONNXRUNTIME=1 program ...
    python -m lamina.as_onnxruntime --uninstall
"""

from __future__ import annotations

import os
import runpy
import sys
import sysconfig
from pathlib import Path

from ..replacement import VARIABLE, replace_onnxruntime

_HOOK = "lamina_as_onnxruntime.pth"
_LINE = (
    f'import os; os.environ.get("{VARIABLE}", "0") in ("", "0") or '
    '__import__("lamina.replacement", fromlist=["replacement"]).replace_onnxruntime()\n'
)


def main(arguments: list[str]) -> int:
    """Runs what the arguments say. Returns 2 for none that make sense; the program itself may leave in its own way."""
    match arguments:
        case ["--install"]:
            hook = _hook()
            hook.write_text(_LINE)
            print(f"{hook}: programs started with {VARIABLE}=1 now run on Lamina where they import onnxruntime")
        case ["--uninstall"]:
            _hook().unlink(missing_ok=True)
        case ["-m", module, *rest]:
            _prepare([module, *rest], os.getcwd())
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [script, *rest] if not script.startswith("-") and Path(script).exists():
            _prepare([script, *rest], str(Path(script).resolve().parent))
            runpy.run_path(script, run_name="__main__")
        case [script, *_] if not script.startswith("-"):
            print(f"no program '{script}'", file=sys.stderr)
            return 2
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def _prepare(arguments: list[str], folder: str) -> None:
    """As the program would find the process, were it started by itself."""
    replace_onnxruntime()
    os.environ[VARIABLE] = "1"  # For the processes that it starts.
    sys.argv[:] = arguments
    sys.path[0] = folder


def _hook() -> Path:
    return Path(sysconfig.get_path("purelib")) / _HOOK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
