"""Runs the ``RUN:`` lines of every ``.mlir`` file under tests/filecheck, one test a file.

``lit tests/filecheck`` runs the same lines through a shell. Here ``lamina-opt``, ``filecheck`` and ``not`` run inside
this process instead, because starting Python and importing xDSL hundreds of times would take minutes; a line
that needs more of a shell than pipes gets one.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import parse_argv_options
from filecheck.parser import Parser
from lamina.cli.lamina_opt import main as lamina_opt
from xdsl.ir import Attribute

FOLDER = Path(__file__).parent / "filecheck"
FILES = sorted(FOLDER.rglob("*.mlir"))


@dataclass
class Result:
    """What a command leaves: its exit code and its two streams."""

    code: int
    output: str
    errors: str


def run_lines(path: Path) -> list[str]:
    """The commands after ``RUN:``, lines that end in a backslash joined to the next."""
    lines: list[str] = []
    continued = False
    for line in path.read_text().splitlines():
        _, marker, command = line.partition("RUN:")
        if not marker:
            continue
        command = command.strip()
        if continued:
            lines[-1] += " " + command.removesuffix("\\").strip()
        else:
            lines.append(command.removesuffix("\\").strip())
        continued = command.endswith("\\")
    return lines


def substitute(command: str, path: Path, temporary: Path) -> str:
    """The command with lit's %s, %S and %t filled in."""
    replacements = {"%s": path, "%S": path.parent, "%t": temporary / path.stem}
    for name, value in replacements.items():
        command = command.replace(name, shlex.quote(str(value)))
    return command


def run_command(words: list[str], given: str) -> Result:
    """Runs one command of a pipe on the text given, in this process."""
    match words:
        case ["not", *rest]:
            result = run_command(rest, given)
            return Result(int(result.code == 0), result.output, result.errors)
        case ["lamina-opt", *arguments]:
            return run_lamina_opt(arguments, given)
        case ["filecheck" | "FileCheck", *arguments]:
            return run_filecheck(arguments, given)
    raise LookupError(words[0])


def run_lamina_opt(arguments: list[str], given: str) -> Result:
    merge = "2>&1" in arguments
    arguments = [argument for argument in arguments if argument != "2>&1"]
    output = io.StringIO()
    errors = output if merge else io.StringIO()
    # --disable-verify replaces this for the whole process.
    post_init = Attribute.__post_init__
    standard_input = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(given.encode()))
    code: int | str | None = 0
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            lamina_opt(arguments)
    except SystemExit as exit:
        code = exit.code or 0
    finally:
        sys.stdin = standard_input
        Attribute.__post_init__ = post_init
    if isinstance(code, str):
        errors.write(code + "\n")
        code = 1
    return Result(code, output.getvalue(), "" if merge else errors.getvalue())


def run_filecheck(arguments: list[str], given: str) -> Result:
    options = parse_argv_options(["filecheck", *arguments])
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(errors):
        code = Matcher(options, FInput("<stdin>", given), Parser.from_opts(options)).run()
    return Result(code, "", errors.getvalue())


def run_pipe(command: str) -> Result:
    """Runs a pipe as a shell with ``pipefail`` does: it fails where any of its commands does."""
    commands: list[list[str]] = [[]]
    for word in shlex.split(command):
        if word == "|":
            commands.append([])
        else:
            commands[-1].append(word)
    result = Result(0, "", "")
    codes, errors = [], ""
    try:
        for words in commands:
            result = run_command(words, result.output)
            codes.append(result.code)
            errors += result.errors
    except LookupError:
        return run_shell(command)
    return Result(next(filter(None, codes), 0), result.output, errors)


def run_shell(command: str) -> Result:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'not() {{ ! "$@"; }}; {command}'],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(FOLDER)) for path in FILES])
def test_file(path: Path) -> None:
    commands = run_lines(path)
    assert commands, f"{path} has no RUN line"
    with tempfile.TemporaryDirectory() as temporary:
        for command in commands:
            result = run_pipe(substitute(command, path, Path(temporary)))
            if result.code != 0:
                pytest.fail(f"RUN: {command}\nexit code {result.code}\n{result.output}{result.errors}", pytrace=False)
