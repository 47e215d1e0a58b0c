"""A folder with what is needed to look at one wrong pass or stage: texts, constants, inputs, and how to go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region, SSAValue

from ..dialects.schedule import BufferOp
from ..interpreters.kernel import KernelInterpreter
from ..interpreters.schedule import StageRun, tensor_type, unpack_tensor
from ..pipeline import module_text
from ..runtime.arrays import write_npz
from .reference import Arrays
from .report import PhaseCheck
from .stages import StageCall

if TYPE_CHECKING:
    from .bisect import StageFiles, WrongPass


def write_pass(folder: Path, found: WrongPass, feeds: Arrays, expected: Arrays) -> str:
    """before.mlir, after.mlir, constants.npz, inputs.npz, expected.npz, README.md; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "before.mlir").write_text(module_text(found.before.module))
    (folder / "after.mlir").write_text(module_text(found.after.module))
    found.before.context.constants.save(folder / "constants.npz")
    write_npz(folder / "inputs.npz", feeds)
    write_npz(folder / "expected.npz", expected)
    command = f"lamina-opt before.mlir --constants constants.npz -p '{found.check.pass_name}'"
    _write_readme(folder, found.check, [command, "diff before.mlir after.mlir"])
    return str(folder)


def write_stage(folder: Path, run: StageRun, check: PhaseCheck, files: StageFiles) -> str:
    """stage.mlir, its function after each pass, inputs.npz, expected.npz (tensors, and memory as bytes), README.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stage.mlir").write_text(module_text(stage_module(run)))
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
        write_npz(folder / name, arrays)
    others = {
        "function": call.function,
        "scratch_bytes": call.scratch_bytes,
        "reports": call.arguments.report is not None,
        "sizes": list(call.arguments.sizes),
    }
    (folder / "call.json").write_text(json.dumps(others, indent=2) + "\n")
    commands = ["lamina-opt stage.mlir --from schedule --to loops", "lamina-opt stage.mlir --from schedule -t asm"]
    commands += [f"lamina-opt {name} -t ll" for name in files.texts if name.startswith("llvm")]
    _write_readme(folder, check, commands)
    return str(folder)


def read_stage(folder: Path, threads: int = 1) -> tuple[StageCall, list[np.ndarray]]:
    """What ``write_stage`` wrote: the call of the stage's function, and what its outputs should be, both as bytes."""
    inputs, expected = (_memories(folder / name) for name in ("inputs.npz", "expected.npz"))
    others = json.loads((folder / "call.json").read_text())
    return StageCall.on(inputs, expected, **others, threads=threads), expected


def _memories(path: Path) -> list[np.ndarray]:
    with np.load(path) as arrays:
        return [arrays[f"memory{number}"] for number in range(len(arrays.files) // 2)]


def stage_module(run: StageRun) -> ModuleOp:
    """A schedule of this stage alone, its inputs as arguments and its outputs as results."""
    inputs = [value.type for value in run.stage.ins]
    outputs = [BufferOp.output(tensor_type(value), index) for index, value in enumerate(run.stage.outs)]
    block = Block(arg_types=inputs)
    values: dict[SSAValue, SSAValue] = dict(
        zip([*run.stage.ins, *run.stage.outs], [*block.args, *(buffer.result for buffer in outputs)])
    )
    for old, new in values.items():
        new.name_hint = old.name_hint
    results = [buffer.result for buffer in outputs]
    block.add_ops([*outputs, run.stage.clone(values), func.ReturnOp(*results)])
    type_ = (inputs, [result.type for result in results])
    return ModuleOp([func.FuncOp("segment0", type_, Region(block))])


def _write_readme(folder: Path, check: PhaseCheck, commands: list[str]) -> None:
    lines = [f"# {check.place}", "", check.note, "" if check.deviation is None else str(check.deviation), ""]
    lines += ["```console", *(f"$ {command}" for command in commands), "```", ""]
    (folder / "README.md").write_text("\n".join(lines))
