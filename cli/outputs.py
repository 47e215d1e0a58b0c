"""What ``lamina-opt -t`` writes below the llvm level: LLVM's text, assembly and object code.

The module must be on the llvm level already (``--to llvm`` or ``-p lower-loops-to-llvm``). Each output takes
``{machine=NAME}``; without it the target is lamina-opt's ``--machine``.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.targets.mlir import MLIRTarget
from xdsl.utils.target import Target as Output

from ..dialects.exact_printer import ExactPrinter
from ..runtime.errors import LaminaError

if TYPE_CHECKING:
    from ..backend.targets import Target
    from ..context import CompilerContext


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
        from ..backend.targets import target_by_name

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
