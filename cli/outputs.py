"""What ``lamina-opt -t`` writes: exact text, the program, and of the llvm level LLVM's text, code and compiled models.

For code the module must be on the llvm level already (``--to llvm`` or ``-p lower-loops-to-llvm``). Each output of code
takes ``{machine=NAME}``; without it the target is lamina-opt's ``--machine``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.targets.mlir import MLIRTarget
from xdsl.utils.target import Target as Output

from ..dialects.exact_printer import ExactPrinter
from ..runtime.errors import LaminaError

if TYPE_CHECKING:
    from ..context import CompilerContext
    from ..machines import Target


@dataclass(frozen=True)
class ExactText(MLIRTarget):
    """The text of any level, so that it reads back as it was."""

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        if self.syntax_highlight:
            super().emit(ctx, module, output)
            return
        printer = ExactPrinter(
            stream=output,
            print_generic_format=self.print_generic_format,
            print_properties_as_attributes=self.print_properties_as_attributes,
            print_debuginfo=self.print_debuginfo,
        )
        printer.print_op(module)
        printer.print_metadata(ctx.loaded_dialects)
        output.write("\n")


@dataclass(frozen=True)
class MachineOutput(Output):
    """An output that depends on the machine compiled for."""

    machine: str | None = None

    def machine_target(self, context: Context) -> Target:
        from ..machines import target_by_name

        return cast("CompilerContext", context).target if self.machine is None else target_by_name(self.machine)

    def require_machine_level(self, module: ModuleOp) -> None:
        """Raises LaminaError for a module that holds nothing of which machine code could be made."""
        from xdsl.dialects.llvm import FuncOp

        if not any(isinstance(operation, FuncOp) for operation in module.ops):
            raise LaminaError(
                f"'{self.name}' is made of the llvm level, and nothing here is on it: lower with --to llvm"
            )


@dataclass(frozen=True)
class BinaryOutput(MachineOutput):
    """An output of bytes, which the driver writes past the text stream."""

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        raise ValueError(f"'{self.name}' is binary and cannot be written to a stream of text")

    @abstractmethod
    def emit_bytes(self, ctx: Context, module: ModuleOp) -> bytes: ...


@dataclass(frozen=True)
class ProgramOutput(Output):
    """What the runtime is told of a model beside its code, as JSON: the schedule as a list of calls."""

    name = "program"

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        require_program(self.name, module)
        import json

        from ..pipeline import build_program

        program, _ = build_program(module, cast("CompilerContext", ctx))
        json.dump(program.to_dict(), output, indent=1)
        output.write("\n")


@dataclass(frozen=True)
class NestsOutput(Output):
    """Of the schedule level the axes of each stage that multiplies and sums, and what its plan makes of them."""

    name = "nests"

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        from .nest_text import nest_text

        text = nest_text(module)
        if not text:
            raise LaminaError(f"'{self.name}' is made of the schedule level, and no stage here has axes")
        output.write(text)


@dataclass(frozen=True)
class CompiledOutput(BinaryOutput):
    """A compiled model, as ``lamina compile`` writes it."""

    name = "lamina"

    def emit_bytes(self, ctx: Context, module: ModuleOp) -> bytes:
        self.require_machine_level(module)
        require_program(self.name, module)
        from io import BytesIO

        from ..compiler import finish_module
        from ..runtime.file_format import write

        context = cast("CompilerContext", ctx)
        context.target = self.machine_target(ctx)
        stream = BytesIO()
        write(finish_module(module, context), stream)
        return stream.getvalue()


def require_program(name: str, module: ModuleOp) -> None:
    """Raises LaminaError for a module that does not say in which order what runs."""
    from xdsl.dialects.func import FuncOp

    if not any(isinstance(operation, FuncOp) and operation.sym_name.data == "main" for operation in module.ops):
        raise LaminaError(f"'{name}' is made of a whole model, and there is no function @main")
    if any(operation.name.startswith("kernel.") for function in module.ops for operation in _top_level(function)):
        raise LaminaError(f"'{name}' is made of the schedule level or one below it: lower with --to schedule")


def _top_level(function: Operation) -> Iterable[Operation]:
    return [op for region in function.regions for block in region.blocks for op in block.ops]


@dataclass(frozen=True)
class LLVMTextOutput(MachineOutput):
    """LLVM IR as text, before LLVM's own optimisations."""

    name = "ll"

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        self.require_machine_level(module)
        from ..backend.llvm_text import print_llvm

        output.write(print_llvm(module, self.machine_target(ctx)))


@dataclass(frozen=True)
class AssemblyOutput(MachineOutput):
    """The machine code, as assembly."""

    name = "asm"

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        self.require_machine_level(module)
        from ..backend.object_code import emit_assembly

        output.write(emit_assembly(module, self.machine_target(ctx)))


@dataclass(frozen=True)
class ObjectOutput(BinaryOutput):
    """The machine code, as a relocatable ELF object."""

    name = "obj"

    def emit_bytes(self, ctx: Context, module: ModuleOp) -> bytes:
        self.require_machine_level(module)
        from ..backend.object_code import emit_object

        return emit_object(module, self.machine_target(ctx))
