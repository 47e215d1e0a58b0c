"""Writes reference pages from the program itself while the site is built, so that they cannot go stale.

A page asks for a part with ``<!-- built: NAME -->``:

- ``commands``: every command of ``lamina`` with its arguments and options, and the help of ``lamina-opt``
- ``operations DIALECT``: every op with its docstring, operands, fields, results and regions
"""

from __future__ import annotations

import inspect
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

from sphinx.application import Sphinx

PART = re.compile(r"<!-- built: (\w+) ?([\w ]*) -->")


def fill_in(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replaces each mark of a page by the text that it asks for. Raises KeyError for an unknown one."""
    source[0] = PART.sub(lambda match: "\n".join(WRITERS[match[1]](match[2])), source[0])


# --- commands -----------------------------------------------------------------------------------------------


def commands(_: str) -> Iterator[str]:
    import typer
    from lamina.cli.lamina import app

    root: Any = typer.main.get_command(app)
    yield from _options(root)
    yield from _commands_below(root, "lamina")
    yield from ["## lamina-opt", "", "```text", _lamina_opt_help().rstrip(), "```", ""]


def _commands_below(group: Any, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        full_name = f"{path} {name}"
        yield from [f"## {full_name}", "", *_help(command), ""]
        if hasattr(command, "commands"):
            yield from _options(command)
            yield from (line.replace("## ", "### ", 1) for line in _commands_below(command, full_name))
            continue
        arguments = " ".join(_metavar(parameter) for parameter in command.params if not _is_option(parameter))
        yield from ["```text", f"{full_name} [OPTIONS] {arguments}".rstrip(), "```", ""]
        yield from _options(command)


def _help(command: Any) -> Iterator[str]:
    """The examples, as something to copy, and the text of ``--help``."""
    examples = getattr(command, "examples", [])
    if examples:
        # Not `console`, which would make it part of what the tests of the pages run.
        yield from ["```sh", *examples, "```", ""]
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield from [_prose(" ".join(paragraph.split())), ""]


def _options(command: Any) -> Iterator[str]:
    yield from ["| argument or option | what it does |", "|---|---|"]
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue
        text = _prose(parameter.help or "")
        yield f"| {_spelling(parameter)} | {text}{_default(parameter)} |"
    yield ""


def _spelling(parameter: Any) -> str:
    if not _is_option(parameter):
        return f"`{_metavar(parameter)}`"
    names = [f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts)]
    value = "" if parameter.is_flag or parameter.metavar is None else f" `{parameter.metavar}`"
    return ", ".join(names) + value


def _default(parameter: Any) -> str:
    if any(parameter.default is nothing for nothing in (None, False, "")) or not parameter.show_default:
        return ""
    return f" Default: `{parameter.default}`."


def _is_option(parameter: Any) -> bool:
    return any(name.startswith("-") for name in parameter.opts)


def _metavar(parameter: Any) -> str:
    return parameter.metavar or parameter.name.upper()


def _prose(text: str) -> str:
    """Text for a terminal as Markdown: without rich's markup, options and variables as code."""
    from rich.text import Text

    plain = _escaped(Text.from_markup(text).plain)
    return re.sub(r"(?<![\w-])(--[a-z][\w-]*|\$?LAMINA_\w+(?:=\w+)?)", r"`\1`", plain)


def _lamina_opt_help() -> str:
    import argparse

    from lamina.cli.lamina_opt import LaminaOptMain

    parser = argparse.ArgumentParser(
        "lamina-opt", formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=28, width=96)
    )
    tool = LaminaOptMain([])
    tool.register_all_arguments(parser)
    text = io.StringIO()
    parser.print_help(text)
    return text.getvalue()


# --- operations ---------------------------------------------------------------------------------------------


def operations(dialect: str) -> Iterator[str]:
    from lamina.universe import UNIVERSE

    for operation in UNIVERSE.all_dialects[dialect]().operations:
        # An anchor by the op's name, because the site's own would lose the dots.
        yield from [f"### {operation.name}", ""]
        yield from [_docstring_as_markdown(inspect.getdoc(operation) or ""), ""]
        rows = list(_definition_rows(operation))
        if rows:
            yield from ["| | |", "|---|---|", *rows, ""]


def _definition_rows(operation: Any) -> Iterator[str]:
    definition = operation.get_irdl_definition()
    parts = {
        "operands": definition.operands,
        "fields": definition.properties.items(),
        "results": definition.results,
        "regions": definition.regions,
    }
    for title, entries in parts.items():
        names = ", ".join(
            # A field with a default is stored only where it differs, which says nothing to a reader.
            f"`{name}`{'' if title == 'fields' else _multiplicity(entry)}"
            for name, entry in entries
            if name != "operandSegmentSizes"
        )
        if names:
            yield f"| {title} | {names} |"


def _multiplicity(entry: Any) -> str:
    kind = type(entry).__name__
    if kind.startswith("Opt"):
        return " (optional)"
    return " (any number)" if kind.startswith("Var") else ""


def _docstring_as_markdown(text: str) -> str:
    """Literal blocks after ``::`` as fenced code, ``name`` as `name`."""
    output: list[str] = []
    fenced = False
    for line in text.splitlines():
        if fenced and line and not line.startswith(" "):
            output += ["```", ""]
            fenced = False
        if not fenced and line.endswith("::"):
            output += [line[:-1].removesuffix(":") + ":" if line != "::" else "", "", "```mlir"]
            fenced = True
            continue
        output.append(line.removeprefix("    ") if fenced else _outside_code(line.replace("``", "`")))
    return "\n".join([*output, "```"] if fenced else output)


def _outside_code(line: str) -> str:
    """The line with what Markdown would take for HTML escaped, except in `code`."""
    parts = line.split("`")
    return "`".join(part if index % 2 else part.replace("<", "\\<") for index, part in enumerate(parts))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<").replace("[", "\\[").replace("*", "\\*")


WRITERS: dict[str, Callable[[str], Iterator[str]]] = {"commands": commands, "operations": operations}


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", fill_in)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
