"""The documentation tells the truth: its code runs, its IR parses, its links lead somewhere, its tables are current."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import onnx
import pytest
from lamina.benchmarks.decoders import MINIATURE, decoder
from lamina.context import CompilerContext
from xdsl.parser import Parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A block may stand in a list, indented with it.
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def load_script(name: str) -> ModuleType:
    """A script of docs/, which is no package."""
    path = ROOT / "docs" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


load_script("example_model")
GENERATE = load_script("generate")


def blocks(page: Path, language: str) -> list[str]:
    return [textwrap.dedent(text) for _, found, text in BLOCK.findall(page.read_text()) if found == language]


def with_blocks(language: str) -> list:
    return [pytest.param(page, id=page.stem) for page in PAGES if blocks(page, language)]


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all pages, so that what several of them compile is compiled once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def folder(tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader would be: with the models that the pages speak of."""
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(cache_folder))
    onnx.save(sys.modules["example_model"].linear_model(), tmp_path / "linear.onnx")
    onnx.save(sys.modules["example_model"].small_model(), tmp_path / "small.onnx")
    onnx.save(decoder(MINIATURE, "plain"), tmp_path / "decoder.onnx")
    return tmp_path


def run(command: list[str], folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", with_blocks("python"))
def test_python_runs(page: Path, folder: Path) -> None:
    run([sys.executable, "-c", "\n".join(blocks(page, "python"))], folder)


# Imports what every command would import, once, then runs each line of its arguments in a process of its own:
# forked where the line is one of our commands alone, else by a shell.
COMMANDS = """
import os, shlex, subprocess, sys
import onnx
import lamina.backend.compile_image, lamina.compiler, lamina.frontend
from lamina.cli import lamina, lamina_opt
from lamina.universe import UNIVERSE

for load in UNIVERSE.all_passes.values():
    load()
MAINS = {"lamina": lamina.main, "lamina-opt": lamina_opt.main}


def forked(words):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.argv = words
    code = 0
    try:
        MAINS[words[0]]()
    except SystemExit as exit:
        if isinstance(exit.code, str):
            print(exit.code, file=sys.stderr)
        code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


for line in sys.argv[1:]:
    words = shlex.split(line)
    is_ours = words[0] in MAINS and not set("|<>&;$*`") & set(line)
    code = forked(words) if is_ours else subprocess.run(["bash", "-c", line]).returncode
    if code:
        sys.exit(f"exit code {code}: {line}")
"""


@pytest.mark.parametrize("page", with_blocks("console"))
def test_commands_run(page: Path, folder: Path) -> None:
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    run([sys.executable, "-c", COMMANDS, *(line[2:] for line in lines if line.startswith("$ "))], folder)


@pytest.mark.parametrize("page", with_blocks("mlir"))
def test_ir_parses(page: Path) -> None:
    """Whole functions; what is an excerpt or a sketch is not parsed. One whose kernels are not there is no module."""
    for block in blocks(page, "mlir"):
        if block.startswith("func.func") and "..." not in block:
            module = Parser(CompilerContext(), block).parse_module()
            if "schedule.call" not in block:
                module.verify()


@pytest.mark.parametrize("page", [pytest.param(page, id=page.stem) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text())
    targets = [target for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in target]
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def parts() -> list:
    return [
        pytest.param(page, name, id=f"{page.stem}-{name}")
        for page in PAGES
        for _, name, _ in GENERATE.PART.findall(page.read_text())
    ]


@pytest.mark.parametrize(("page", "name"), parts())
def test_generated_part_is_current(page: Path, name: str) -> None:
    found = next(match for match in GENERATE.PART.finditer(page.read_text()) if match[2] == name)
    text = found[0].removeprefix(found[1]).removesuffix(found[3])
    if text != GENERATE.part(name):
        pytest.fail("run `make docs`", pytrace=False)
