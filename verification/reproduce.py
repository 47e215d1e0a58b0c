"""A folder with what is needed to look at one wrong pass or stage: texts, constants, inputs, and how to go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..interpreters.kernel import KernelInterpreter
from ..interpreters.schedule import StageRun, tensor_type, unpack_tensor
from ..pipeline import module_text
from .reference import Arrays
from .report import Check
from .stages import StageCall

if TYPE_CHECKING:
    from .bisect import StageFiles, WrongPass


def write_pass(folder: Path, found: WrongPass, feeds: Arrays, expected: Arrays) -> str:
    """before.mlir, after.mlir, constants.npz, inputs.npz, expected.npz, README.md; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "before.mlir").write_text(module_text(found.before.module))
    (folder / "after.mlir").write_text(module_text(found.after.module))
    found.before.context.constants.save(folder / "constants.npz")
    _save(folder / "inputs.npz", feeds)
    _save(folder / "expected.npz", expected)
    command = f"lamina-opt before.mlir --constants constants.npz -p '{found.check.pass_name}'"
    _write_readme(folder, found.check, [command, "diff before.mlir after.mlir"])
    return str(folder)


def write_stage(folder: Path, run: StageRun, check: Check, files: StageFiles) -> str:
    """The function after each pass, inputs.npz and expected.npz (tensors, and memory as bytes), README.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stage.mlir").write_text(f"{run.stage}\n")
    for name, text in files.texts.items():
        (folder / name).write_text(text)
    kernels = KernelInterpreter({}, run.symbols)
    call = StageCall.of(run)
    for name, values, memories in (
        ("inputs.npz", run.stage.ins, run.inputs),
        ("expected.npz", run.stage.outs, run.outputs),
    ):
        arrays: Arrays = {}
        for number, (value, memory) in enumerate(zip(values, memories, strict=True)):
            arrays[f"memory{number}"] = memory
            arrays[f"tensor{number}"] = unpack_tensor(tensor_type(value), memory, kernels)
        _save(folder / name, arrays)
    sizes = {"function": call.function, "scratch_bytes": call.scratch_bytes, "sizes": call.sizes}
    (folder / "call.json").write_text(json.dumps(sizes, indent=2) + "\n")
    loops = [name for name in files.texts if name.startswith("loops")]
    llvm = [name for name in files.texts if name.startswith("llvm")]
    commands = [f"lamina-opt {loops[-1]} -p 'lower-loops-to-llvm' -t asm"] if loops else []
    _write_readme(folder, check, [*commands, *(f"lamina-opt {name} -t ll" for name in llvm[-1:])])
    return str(folder)


def _save(path: Path, arrays: Arrays) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]


def _write_readme(folder: Path, check: Check, commands: list[str]) -> None:
    lines = [f"# {check.place}", "", check.note, "" if check.deviation is None else str(check.deviation), ""]
    lines += ["```console", *(f"$ {command}" for command in commands), "```", ""]
    (folder / "README.md").write_text("\n".join(lines))
