"""Builds lamina-runtime out of the repository: `runtime/`, `reference/`, and what lies above them for users."""

from __future__ import annotations

import tomllib
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parents[2]


class BuildRuntime(build_py):
    """Leaves out the compiler, of which modules lie beside those that a runtime has."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        modules = super().find_package_modules(package, package_dir)
        return [module for module in modules if package != "lamina" or module[1] in ("__init__", "replacement")]


setup(
    version=tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"],
    cmdclass={"build_py": BuildRuntime},
)
