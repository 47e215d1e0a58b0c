"""What a compiled model depends on besides the model."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from lamina.cache import identity

ROOT = Path(__file__).parents[3]
COMPILER_IDENTITY = identity.compiler_identity.__wrapped__


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    for name in ("__init__.py", "pipeline.py", "passes/__init__.py", "passes/graph/fold.py", "cli/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    monkeypatch.setattr(identity, "PACKAGE", tmp_path)
    return tmp_path


def test_every_package_of_the_compiler_counts() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {ROOT.joinpath(*name.split(".")[1:]) for name in packages}
    counted = {path.parent for path in identity.source_files() if path.name == "__init__.py"}
    assert counted >= {folder for folder in folders if folder.relative_to(ROOT).parts[:1] != ("cli",)}
    assert any(path.suffix == ".ll" for path in identity.source_files())


@pytest.mark.parametrize("name", ["pipeline.py", "passes/graph/fold.py", "passes/graph/new.py", "passes/support.ll"])
def test_an_edited_or_new_source_is_another_compiler(package: Path, name: str) -> None:
    before = COMPILER_IDENTITY()
    (package / name).write_text("# edited\n")
    assert before is not None and COMPILER_IDENTITY() not in (before, None)


def test_a_moved_line_is_another_compiler(package: Path) -> None:
    """Of the same size and time, as reproducible installations have it."""
    fold = package / "passes/graph/fold.py"
    fold.write_text("tile = 4\n")
    os.utime(fold, (0, 0))
    before = COMPILER_IDENTITY()
    fold.write_text("tile = 8\n")
    os.utime(fold, (0, 0))
    assert COMPILER_IDENTITY() != before


def test_what_does_not_compile_does_not_count(package: Path) -> None:
    before = COMPILER_IDENTITY()
    os.utime(package / "pipeline.py", (0, 0))
    (package / "cli" / "__init__.py").write_text("# edited\n")
    (package / "tests").mkdir()
    (package / "tests" / "test_fold.py").write_text("")
    assert COMPILER_IDENTITY() == before


def test_versions_of_libraries_count(monkeypatch) -> None:
    before = COMPILER_IDENTITY()
    monkeypatch.setattr(identity, "_version", lambda name: "9.9" if name == "llvmlite" else "1.0")
    assert COMPILER_IDENTITY() != before


def test_sources_that_cannot_be_read_have_no_identity(package: Path, monkeypatch) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda self: (_ for _ in ()).throw(PermissionError(str(self))))
    assert COMPILER_IDENTITY() is None


def test_the_machine_is_the_same_a_moment_later() -> None:
    assert identity.machine_identity() is not None
    assert identity.machine_identity.__wrapped__() == identity.machine_identity()
