"""A wrong rewrite put into each phase is found, and named: phase, pass, stage, op and element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import lamina.pipeline as pipeline
import numpy as np
import onnx
import pytest
from lamina.context import CompilerContext
from lamina.dialects import graph, kernel
from lamina.dialects.schedule import BarrierOp, BufferOp, StageOp
from lamina.interpreters.loops import translate
from lamina.interpreters.schedule import interpret_schedule
from lamina.universe import UNIVERSE
from lamina.verification import VerificationReport, VerifyOptions, verify_model
from lamina.verification.reproduce import read_stage
from one_node import model_of
from xdsl.context import Context
from xdsl.dialects import arith, llvm, scf, vector
from xdsl.dialects.builtin import DenseArrayBase, FloatAttr, IntegerAttr, ModuleOp, i8, i32, i64
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.passes import ModulePass

FEEDS = {"x": np.random.default_rng(1).standard_normal((1, 3, 10, 10)).astype(np.float32)}


def checked(network: Path, **options: Any) -> VerificationReport:
    options = {"bisect": True, "loops_seconds": 60.0, **options}
    return verify_model(network, lambda executable: FEEDS, VerifyOptions(**options), target="avx2")


@pytest.fixture
def inject(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[ModuleOp], None]], str]:
    """Adds a pass at the end of a phase, or after a pass of it; gives the name of the added one."""

    def add(phase_name: str, change: Callable[[ModuleOp], None], after: str | None = None) -> str:
        @dataclass(frozen=True)
        class BreakPass(ModulePass):
            name = f"{phase_name}-break"

            def apply(self, ctx: Context, op: ModuleOp) -> None:
                change(op)

        phases = []
        for phase in pipeline.PHASES["cpu"]:
            if phase.name == phase_name:
                place = len(phase.passes) if after is None else phase.passes.index(after) + 1
                phase = replace(phase, passes=(*phase.passes[:place], BreakPass.name, *phase.passes[place:]))
            phases.append(phase)
        monkeypatch.setitem(cast(dict, UNIVERSE.all_passes), BreakPass.name, lambda: BreakPass)
        monkeypatch.setitem(cast(dict, pipeline.PHASES), "cpu", tuple(phases))
        return BreakPass.name

    return add


def first(module: ModuleOp, kind: type[Operation], number: int = 0) -> Any:
    return [op for op in module.walk() if isinstance(op, kind)][number]


def swap(op: Operation, replacement: Operation) -> None:
    block = op.parent
    assert block is not None
    block.insert_op_before(replacement, op)
    for old, new in zip(op.results, replacement.results, strict=True):
        new.name_hint = old.name_hint
        old.replace_all_uses_with(new)
    op.detach()
    op.erase()


def test_the_network_is_right(network: Path) -> None:
    report = checked(network)
    assert report.ok, report.first_wrong
    assert {check.phase for check in report.checks} == {*pipeline.PHASE_NAMES, "run"}
    assert all(check.status == "ok" for check in report.checks)


def test_a_wrong_converter_is_named_by_its_node(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lamina.frontend.importer import GraphImporter

    real = GraphImporter._convert

    def wrong(self: Any, node: Any) -> Any:
        return [node.b.op(graph.SubOp, *node.inputs)] if node.operator == "Add" else real(self, node)

    monkeypatch.setattr(GraphImporter, "_convert", wrong)
    found = checked(network).first_wrong
    assert found is not None
    assert (found.phase, found.operation, found.value) == ("import", "graph.sub", "sum")
    assert found.deviation is not None
    assert found.deviation.absolute == pytest.approx(1.8)
    assert found.deviation.element == (0, 9)


def test_a_wrong_pass_on_the_graph(network: Path, inject: Any) -> None:
    def subtract(module: ModuleOp) -> None:
        add = first(module, graph.AddOp)
        swap(add, graph.SubOp(list(add.operands), [result.type for result in add.results]))

    name = inject("graph", subtract, after="graph-fold-padding")
    found = checked(network).first_wrong
    assert found is not None
    assert (found.phase, found.pass_name, found.operation, found.value) == ("graph", name, "graph.sub", "sum")


def test_a_wrong_constant_in_an_epilogue(network: Path, inject: Any) -> None:
    def raise_floor(module: ModuleOp) -> None:
        conv = first(module, kernel.ConvOp)
        constant = next(op for op in conv.epilogue.walk() if isinstance(op, arith.ConstantOp))
        constant.properties["value"] = FloatAttr(0.25, constant.result.type)

    name = inject("kernel", raise_floor, after="kernel-fuse-epilogues")
    found = checked(network).first_wrong
    assert found is not None
    assert (found.phase, found.pass_name, found.operation) == ("kernel", name, "kernel.conv")
    assert found.deviation is not None
    assert (found.deviation.found, found.deviation.expected) == (0.25, 0.0)


def test_overlapping_buffers(network: Path, inject: Any) -> None:
    def put_all_at_zero(module: ModuleOp) -> None:
        for op in module.walk():
            if isinstance(op, BufferOp) and op.offset is not None:
                op.offset = IntegerAttr(0, i64)

    name = inject("schedule", put_all_at_zero)
    found = checked(network).first_wrong
    assert found is not None
    assert (found.phase, found.pass_name) == ("schedule", name)
    assert found.stage
    assert "overwrites" in found.note


def test_a_lost_barrier(network: Path, inject: Any) -> None:
    def drop(module: ModuleOp) -> None:
        barrier = first(module, BarrierOp)
        barrier.detach()
        barrier.erase()

    name = inject("schedule", drop, after="schedule-place-barriers")
    found = checked(network).first_wrong
    assert found is not None
    assert (found.phase, found.pass_name) == ("schedule", name)
    assert "a barrier is missing" in found.note


def test_stages_in_the_wrong_order(network: Path, inject: Any) -> None:
    def exchange(module: ModuleOp) -> None:
        early, late = first(module, StageOp, 1), first(module, StageOp, 2)
        block = early.parent
        early.detach()
        block.insert_op_after(early, late)

    name = inject("schedule", exchange, after="lower-kernel-to-schedule")
    found = checked(network).first_wrong
    assert found is not None
    assert (found.phase, found.pass_name) == ("schedule", name)
    assert "before any stage has surely written it" in found.note


def test_a_loop_that_ends_too_early(network: Path, inject: Any, tmp_path: Path) -> None:
    def shorten(module: ModuleOp) -> None:
        function = next(op for op in module.ops if op.sym_name.data.startswith("gemm"))
        loop = next(op for op in function.walk() if isinstance(op, scf.ForOp) and op.iter_args)
        less = arith.SubiOp(loop.ub, loop.step)
        loop.parent.insert_op_before(less, loop)
        loop.operands[1] = less.result

    name = inject("loops", shorten, after="lower-schedule-to-loops")
    report = checked(network, reproduce=tmp_path / "wrong")
    found = report.first_wrong
    assert found is not None
    assert (found.phase, found.pass_name, found.operation) == ("loops", name, "kernel.gemm")
    assert found.stage.startswith("gemm")
    assert found.function.startswith("gemm")
    written = {path.name for path in (tmp_path / "wrong").iterdir()}
    assert {"stage.mlir", "loops-0-lower-schedule-to-loops.mlir", f"loops-1-{name}.mlir"} <= written
    assert {"inputs.npz", "expected.npz", "call.json", "README.md"} <= written
    assert report.reproducer == str(tmp_path / "wrong")
    with np.load(tmp_path / "wrong" / "inputs.npz") as inputs, np.load(tmp_path / "wrong" / "expected.npz") as expected:
        tensors = [inputs[name] for name in inputs.files if name.startswith("tensor")]
        (segment,) = Parser(CompilerContext(), (tmp_path / "wrong" / "stage.mlir").read_text()).parse_module().ops
        (y,) = interpret_schedule(cast(FuncOp, segment), tensors, {})
        np.testing.assert_array_equal(y, expected["tensor0"])


def test_code_that_leaves_its_memory_among_loops(network: Path, inject: Any) -> None:
    def shift(module: ModuleOp) -> None:
        function = next(op for op in module.ops if op.sym_name.data.startswith("softmax"))
        store = next(op for op in function.walk() if isinstance(op, vector.StoreOp | vector.MaskedStoreOp))
        far = arith.ConstantOp(IntegerAttr.from_index_int_value(1 << 20))
        store.parent.insert_op_before(far, store)
        place = 2 if isinstance(store, vector.StoreOp) else 1
        store.operands[place] = far.result

    name = inject("loops", shift)
    found = checked(network).first_wrong
    assert found is not None
    assert (found.phase, found.pass_name) == ("loops", name)
    assert found.stage.startswith("softmax")
    assert "store" in found.note


def exchange_add_for_sub(module: ModuleOp) -> None:
    functions = [op for op in module.ops if isinstance(op, llvm.FuncOp) and op.sym_name.data.startswith("reduce")]
    add = next(op for function in functions for op in function.walk() if isinstance(op, llvm.FAddOp))
    swap(add, llvm.FSubOp(*add.operands))


def test_a_wrong_instruction(network: Path, inject: Any) -> None:
    name = inject("llvm", exchange_add_for_sub)
    found = checked(network).first_wrong
    assert found is not None
    assert (found.phase, found.pass_name, found.operation) == ("llvm", name, "kernel.reduce")
    assert found.function.startswith("reduce")


def test_a_wrong_instruction_is_not_blamed_on_loops_without_a_search(network: Path, inject: Any) -> None:
    inject("llvm", exchange_add_for_sub)
    found = checked(network, bisect=False, loops_seconds=0.0).first_wrong
    assert found is not None
    assert (found.phase, found.operation, found.pass_name) == ("llvm", "kernel.reduce", "")


def jump_far(module: ModuleOp) -> None:
    functions = [op for op in module.ops if isinstance(op, llvm.FuncOp) and op.sym_name.data.startswith("conv")]
    store = next(op for function in functions for op in function.walk() if isinstance(op, llvm.StoreOp))
    # 128 GiB away, where no memory of this process lies.
    properties = {"elem_type": i8, "rawConstantIndices": DenseArrayBase.from_list(i32, [(1 << 31) - 1])}
    pointer: Any = store.operands[1]
    for _ in range(1 << 6):
        step = llvm.GEPOp.create(operands=[pointer], properties=properties, result_types=[pointer.type])
        store.parent.insert_op_before(step, store)
        pointer = step.results[0]
    store.operands[1] = pointer


def test_code_that_crashes(network: Path, inject: Any) -> None:
    name = inject("llvm", jump_far)
    found = checked(network).first_wrong
    assert found is not None
    assert (found.phase, found.pass_name) == ("llvm", name)
    assert found.stage.startswith("conv")
    assert "SIGSEGV" in found.note


def test_a_checked_build_is_right_stage_by_stage(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_CHECKED", "1")
    report = checked(network)
    assert report.ok, report.first_wrong


def test_a_checked_build_tells_of_an_access_and_goes_on(
    network: Path, inject: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMINA_CHECKED", "1")
    inject("llvm", jump_far)
    found = checked(network, bisect=False).first_wrong
    assert found is not None
    assert found.phase == "llvm"
    assert found.stage.startswith("conv")
    assert f"{found.function} accesses byte" in found.note
    assert " of its argument " in found.note


def test_a_wrong_program_is_told_from_wrong_kernels(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the stages and the model stands the program: here it gives the first stage's memory to another."""
    from lamina.verification import verify

    real = verify.build_program

    def wrong(*arguments: Any) -> Any:
        program, constants = real(*arguments)
        (segment,) = program.segments.values()
        arena = [buffer for buffer in segment.buffers if buffer.kind == "arena"]
        for buffer in arena:
            buffer.offset = 0
        return program, constants

    monkeypatch.setattr(verify, "build_program", wrong)
    found = checked(network).first_wrong
    assert found is not None
    assert (found.phase, found.output) == ("run", "y")


def test_a_stage_that_reads_at_indices_runs_from_its_folder(tmp_path: Path, inject: Any) -> None:
    """With a size, and the words in which it reports indices."""

    def negate(module: ModuleOp) -> None:
        function = next(op for op in module.ops if op.sym_name.data.startswith("gather"))
        store = next(op for op in function.walk() if isinstance(op, vector.StoreOp))
        negated = arith.NegfOp(store.operands[0])
        store.parent.insert_op_before(negated, store)
        store.operands[0] = negated.result

    name = inject("loops", negate, after="lower-schedule-to-loops")
    model = model_of("Gather", {"x": ["N", 4]}, {"indices": np.array([2, 0, -1])}, axis=0)
    onnx.save(model, tmp_path / "gather.onnx")
    folder = tmp_path / "wrong"
    x = np.arange(20, dtype=np.float32).reshape(5, 4)
    options = VerifyOptions(bisect=True, reproduce=folder, loops_seconds=60.0)
    found = verify_model(tmp_path / "gather.onnx", lambda executable: {"x": x}, options).first_wrong
    assert found is not None
    assert found.pass_name == name

    for text, factor in (("loops-0-lower-schedule-to-loops.mlir", 1), (f"loops-1-{name}.mlir", -1)):
        call, expected = read_stage(folder)
        module = Parser(CompilerContext(), (folder / text).read_text()).parse_module()
        (function,) = (op for op in module.ops if isinstance(op, FuncOp) and op.sym_name.data == call.function)
        loops = translate(function)
        loops.run(loops.typed(call.arguments.in_order()))
        assert len(call.arguments.in_order()) == 5
        rows = call.outputs[0].view(np.float32)
        np.testing.assert_array_equal(rows, factor * expected[0].view(np.float32))
        np.testing.assert_array_equal(abs(rows), x[[2, 0, -1]].reshape(-1))
        assert not np.any(call.arguments.report)
