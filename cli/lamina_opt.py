"""``lamina-opt``: runs passes and phases on text, as ``mlir-opt`` and ``xdsl-opt`` do.

lamina-opt model.onnx --to schedule --dump-phases out/
lamina-opt out/3-schedule.mlir --constants out/constants.npz --from schedule --to llvm -t asm
lamina-opt test.mlir -p graph-fold-constants,graph-dead-code
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass, PassPipeline
from xdsl.universe import Universe
from xdsl.utils.arg_spec import parse_spec
from xdsl.utils.exceptions import ArgSpecParseError, DiagnosticException, ParseError
from xdsl.xdsl_opt_main import xDSLOptMain

from ..context import CompilerContext, ConstantStore
from ..pipeline import (
    PHASE_NAMES,
    IllegalOperationError,
    PassTiming,
    PipelineOptions,
    compile_through,
    module_text,
    phase_range,
)
from ..runtime.errors import LaminaError
from ..universe import UNIVERSE
from .options import name_the_only_input, onnx_input_names, parse_constants, parse_dims, parse_shapes
from .outputs import BinaryOutput


class LaminaOptMain(xDSLOptMain):
    """xDSL's driver, with phases before the passes of ``-p``, ONNX input, constants and a target machine."""

    version_format = "lamina-opt on xdsl {xdsl_version}"

    def __init__(self, args: Sequence[str] | None = None) -> None:
        super().__init__("Lamina's modular optimizer driver", args)
        # xDSL makes a context of its own before it reads the arguments.
        context = CompilerContext(target=self.args.machine, allow_unregistered=self.args.allow_unregistered_dialect)
        for name, factory in self._plugin_dialects.items():
            context.register_dialect(name, factory)
        self.ctx: Context = context
        self.given_constants = self._read_constants()
        self.timings: list[PassTiming] = []

    @property
    def context(self) -> CompilerContext:
        return cast(CompilerContext, self.ctx)

    # --- what is there to run -----------------------------------------------------------------------------

    def register_all_dialects(self) -> None:
        # CompilerContext registers xDSL's and ours; what other packages plug into xDSL comes on top.
        known = set(CompilerContext().registered_dialect_names)
        plugged = Universe.get_multiverse().all_dialects
        self._plugin_dialects = {name: factory for name, factory in plugged.items() if name not in known}

    def register_all_passes(self) -> None:
        self.available_passes = Universe.get_multiverse().all_passes | UNIVERSE.all_passes

    def register_all_targets(self) -> None:
        self.available_targets = {**Universe.get_multiverse().all_targets, **UNIVERSE.all_targets}

    def register_all_frontends(self) -> None:
        super().register_all_frontends()
        self.available_frontends["onnx"] = self._import_onnx

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        super().register_all_arguments(arg_parser)
        group = arg_parser.add_argument_group("lamina")
        phases = ", ".join(PHASE_NAMES)
        group.add_argument(
            "--from",
            dest="start",
            metavar="PHASE",
            choices=PHASE_NAMES,
            help=f"the phase whose output the input is ({phases}); runs the phases after it",
        )
        group.add_argument("--to", dest="stop", metavar="PHASE", choices=PHASE_NAMES, help="the last phase to run")
        group.add_argument(
            "--dump-phases",
            type=Path,
            metavar="DIR",
            help="write N-PHASE.mlir after each phase, and constants.npz, to a folder",
        )
        group.add_argument(
            "--verify-each",
            action="store_true",
            help="verify after every pass, and after every phase that only its dialects are left",
        )
        group.add_argument("--constants", type=Path, metavar="FILE.npz", help="arrays that the text refers to by name")
        group.add_argument(
            "--constant",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="one such array as text, e.g. --constant 'w=dense<[1.0, 2.0]> : tensor<2xf32>'; may be repeated",
        )
        group.add_argument(
            "--shape",
            action="append",
            default=[],
            metavar="[NAME=]DIMS",
            help="fix the dims of an ONNX input, e.g. --shape 1x3x224x224; may be repeated",
        )
        group.add_argument(
            "--dim",
            action="append",
            default=[],
            metavar="NAME=SIZE",
            help="fix a free dim of an ONNX model by its name, e.g. --dim N=1; may be repeated",
        )
        group.add_argument(
            "--machine", default="host", metavar="NAME", help="the target to compile for (default: this machine)"
        )

    def _read_constants(self) -> ConstantStore:
        constants = ConstantStore() if self.args.constants is None else ConstantStore.load(self.args.constants)
        for name, array in parse_constants(self.args.constant).items():
            constants[name] = array
        return constants

    def _import_onnx(self, stream: IO[bytes]) -> ModuleOp:
        from ..frontend import import_model

        path = self.args.input_file
        shapes: dict[str, Any] = parse_dims(self.args.dim)
        given = parse_shapes(self.args.shape)
        if path is None:
            return import_model(stream.read(), shapes=shapes | given, context=self.context)
        # By path where there is one: weights may lie in files beside the model.
        if given:
            shapes |= name_the_only_input(given, onnx_input_names(Path(path)))
        return import_model(Path(path), shapes=shapes, context=self.context)

    # --- running -----------------------------------------------------------------------------------------

    def parse_chunk(self, chunk: IO[bytes], file_extension: str, start_offset: int = 0) -> ModuleOp | None:
        # Chunks of a split file are separate models.
        self.context.constants = self.given_constants.copy()
        return super().parse_chunk(chunk, file_extension, start_offset)

    def setup_pipeline(self) -> None:
        if self.args.start is not None and self.args.stop is not None:
            phase_range(self.args.start, self.args.stop)
        self.pipeline = PassPipeline.parse_spec(self.available_passes, self.args.passes, self._between_passes)

    def apply_passes(self, prog: ModuleOp) -> None:
        if not self.args.disable_verify:
            prog.verify()
        if self.args.start is not None or self.args.stop is not None:
            self._run_phases(prog)
        self._pass_start = time.perf_counter()
        self.pipeline.apply(self.ctx, prog)
        if self.args.time_passes:
            self._print_timings()

    def _run_phases(self, module: ModuleOp) -> None:
        options = PipelineOptions(
            verify_each=self.args.verify_each, dump_folder=self.args.dump_phases, timings=self.timings
        )
        compile_through(module, self.context, start=self.args.start, stop=self.args.stop, options=options)
        if not self.args.disable_verify:
            module.verify()

    def _between_passes(self, previous: ModulePass | None, module: ModuleOp, following: ModulePass | None) -> None:
        if previous is None:
            return
        self.timings.append(PassTiming("", str(previous), time.perf_counter() - self._pass_start))
        if not self.args.disable_verify:
            module.verify()
        if self.args.print_between_passes and following is not None:
            print(f"// IR after {previous}:\n{module_text(module)}")
        self._pass_start = time.perf_counter()

    def _print_timings(self) -> None:
        from rich.console import Console

        from .tables import timings_table

        # On the error stream, so that the text on the output stays one that can be read back.
        Console(stderr=True).print(timings_table(self.timings))
        self.timings.clear()

    def output_resulting_program(self, prog: ModuleOp) -> str:
        spec = parse_spec(self.args.target)
        factory = UNIVERSE.all_targets.get(spec.name)
        if factory is None or not issubclass(factory(), BinaryOutput):
            return super().output_resulting_program(prog)
        output = cast(BinaryOutput, factory().from_spec(spec))
        data = output.emit_bytes(self.context, prog)
        if self.args.output_file is None:
            sys.stdout.buffer.write(data)
        else:
            Path(self.args.output_file).write_bytes(data)
        return ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. What is wrong with the input is said in a line or a quoted place, and the exit code is 1."""
    try:
        LaminaOptMain(arguments).run()
    except (DiagnosticException, IllegalOperationError, ParseError, LaminaError) as error:
        sys.exit(f"{error}".strip())
    except BrokenPipeError:
        sys.exit(1)
    except (ArgSpecParseError, OSError, ValueError) as error:
        sys.exit(f"lamina-opt: {error}")


if __name__ == "__main__":
    main()
