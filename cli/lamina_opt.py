"""``lamina-opt``: runs passes and phases on text, as ``mlir-opt`` and ``xdsl-opt`` do."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn, cast

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass, PassPipeline
from xdsl.universe import Universe
from xdsl.utils.arg_spec import parse_spec
from xdsl.utils.exceptions import ArgSpecParseError
from xdsl.xdsl_opt_main import xDSLOptMain

from ..context import CompilerContext, ConstantStore
from ..machines import target_by_name
from ..passes.schedule.pack_constants import pack_constants
from ..pipeline import (
    PHASE_NAMES,
    PassTiming,
    PipelineOptions,
    check_legality,
    check_rules,
    compile_through,
    module_text,
    phase_named,
    phase_range,
)
from ..runtime.files import replaced_file
from ..universe import UNIVERSE
from .failures import UsageError, run_tool
from .level_text import load_constants
from .located_parser import Spans, read_text
from .options import name_the_only_input, onnx_input_names, parse_constants, parse_dims, parse_shapes
from .outputs import BinaryOutput, ExactText, MachineOutput
from .progress import shown_progress
from .text_checks import check_order, check_schedules
from .text_errors import text_errors

_HELP = """\
 $ lamina-opt model.onnx --to schedule --dump-phases phases
 $ lamina-opt phases/2-kernel.mlir --constants phases/constants.npz --from kernel --to llvm -t asm
 $ lamina-opt test.mlir -p graph-fold-constants,graph-dead-code

"""


class LaminaOptMain(xDSLOptMain):
    """xDSL's driver, with phases before the passes of ``-p``, ONNX input, constants and a target machine."""

    version_format = "lamina-opt on xdsl {xdsl_version}"

    def __init__(self, args: Sequence[str] | None = None) -> None:
        super().__init__("Runs phases and passes on the text of any level.", args)
        self._check_machines()
        # xDSL makes a context of its own before it reads the arguments.
        context = CompilerContext(target=self.args.machine, allow_unregistered=self.args.allow_unregistered_dialect)
        for name, factory in self._plugin_dialects.items():
            context.register_dialect(name, factory)
        self.ctx: Context = context
        self.given_constants = self._read_constants()
        self.timings: list[PassTiming] = []
        self._spans: Spans = {}
        self._destination = None if self.args.output_file in (None, "-") else Path(self.args.output_file)

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
        self.available_targets["mlir"] = lambda: ExactText

    def register_all_frontends(self) -> None:
        super().register_all_frontends()
        self.available_frontends["mlir"] = self._parse_text
        self.available_frontends["onnx"] = self._import_onnx

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        super().register_all_arguments(arg_parser)
        _open_help_with_examples(arg_parser)
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
        constants = ConstantStore() if self.args.constants is None else load_constants(self.args.constants)
        with usage_errors("--constant"):
            given = parse_constants(self.args.constant)
        for name, array in given.items():
            constants[name] = array
        return constants

    def _check_machines(self) -> None:
        with usage_errors("--machine"):
            target_by_name(self.args.machine)
        spec = parse_spec(self.args.target)
        factory = UNIVERSE.all_targets.get(spec.name)
        if factory is None:
            return
        with usage_errors("--target"):
            output = factory().from_spec(spec)
            if isinstance(output, MachineOutput) and output.machine is not None:
                target_by_name(output.machine)

    def _parse_text(self, stream: IO[bytes]) -> ModuleOp:
        content, name = stream.read(), self.get_input_name()
        module, self._spans = read_text(self.ctx, content, name, not self.args.no_implicit_module)
        return module

    def _import_onnx(self, stream: IO[bytes]) -> ModuleOp:
        from ..frontend import import_model

        path = self.args.input_file
        with usage_errors("--dim"):
            shapes: dict[str, Any] = parse_dims(self.args.dim)
        with usage_errors("--shape"):
            given = parse_shapes(self.args.shape)
        if path is None:
            return import_model(stream.read(), shapes=shapes | given, context=self.context)
        # By path where there is one: weights may lie in files beside the model.
        if given:
            names = onnx_input_names(Path(path))
            with usage_errors("--shape"):
                shapes |= name_the_only_input(given, names)
        return import_model(Path(path), shapes=shapes, context=self.context)

    # --- running -----------------------------------------------------------------------------------------

    def parse_chunk(self, chunk: IO[bytes], file_extension: str, start_offset: int = 0) -> ModuleOp | None:
        # Chunks of a split file are separate models.
        self.context.constants = self.given_constants.copy()
        return super().parse_chunk(chunk, file_extension, start_offset)

    def setup_pipeline(self) -> None:
        with usage_errors("--to"):
            if self.args.start is not None and self.args.stop is not None:
                phase_range(self.args.start, self.args.stop)
        with usage_errors("--passes"):
            self._check_pass_names()
            self.pipeline = PassPipeline.parse_spec(self.available_passes, self.args.passes, self._between_passes)

    def _check_pass_names(self) -> None:
        from xdsl.utils.arg_spec import parse_pipeline

        for spec in parse_pipeline(self.args.passes):
            if spec.name not in self.available_passes:
                close = difflib.get_close_matches(spec.name, self.available_passes, n=1)
                hint = f": did you mean '{close[0]}'?" if close else "; --help lists them all"
                raise ValueError(f"no pass is called '{spec.name}'{hint}")

    def run(self) -> None:
        if self._destination is None:
            super().run()
            return
        with replaced_file(self._destination) as self._partial:
            super().run()

    def prepare_input(self) -> tuple[list[tuple[IO[bytes], int]], str]:
        with usage_errors("input"):
            return super().prepare_input()  # An extension that nothing reads is a ValueError.

    def prepare_output(self) -> IO[str]:
        return sys.stdout if self._destination is None else self._partial.open("w")

    def apply_passes(self, prog: ModuleOp) -> None:
        # What is expected to go wrong is compared as it is raised, and an ONNX model has no text.
        as_raised = self.args.verify_diagnostics or not self._spans
        name = self.get_input_name()
        with contextlib.nullcontext() if as_raised else text_errors(name, prog, self._spans):
            if not self.args.disable_verify:
                prog.verify()
                check_order(prog)
                if self.args.start is None:
                    check_schedules(prog, self.context, [type(one).name for one in self.pipeline.passes])
            if self.args.start is not None:
                phase = phase_named(self.args.start, self.context.machine_class)
                check_legality(prog, phase)
                check_rules(prog, self.context, phase)
            if self.given_constants:
                pack_constants(prog, self.context.constants, need_all=self.args.start is not None)
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
        with shown_progress() as options.progress:
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
        if self._destination is None:
            sys.stdout.buffer.write(data)
        else:
            self._partial.write_bytes(data)
        return ""


@contextlib.contextmanager
def usage_errors(option: str) -> Iterator[None]:
    """Makes a ValueError inside, or a pass that cannot be read, wrong usage of the option."""
    try:
        yield
    except (ArgSpecParseError, ValueError) as error:
        raise UsageError(f"{option}: {str(error).strip()}", "lamina-opt --help") from error


def _open_help_with_examples(parser: argparse.ArgumentParser) -> None:
    """Puts the examples first, the forty flags out of the usage line, and errors in the hands of ``run_tool``."""
    parser.usage = "lamina-opt [FILE] [--from PHASE] [--to PHASE] [-p PASSES] [-t FORMAT] [-o FILE] ..."
    format_help = parser.format_help

    def refuse(message: str) -> NoReturn:
        raise UsageError(message, "lamina-opt --help")

    parser.format_help = lambda: _HELP + format_help()
    parser.error = refuse


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point."""
    run_tool("lamina-opt", list(sys.argv[1:] if arguments is None else arguments), _run)


def _run(arguments: list[str]) -> None:
    LaminaOptMain(arguments).run()


if __name__ == "__main__":
    main()
