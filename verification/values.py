"""Which op is the first whose result is off: the values of two modules, paired by their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue

from ..dialects.batches import BatchesOp
from ..dialects.schedule import BufferOp, StageOp
from ..frontend.builder import name_hint
from ..interpreters.kernel import as_signed
from .comparison import Deviation, Tolerance, compare_arrays

NamedArrays = dict[str, list[np.ndarray]]


@dataclass
class RecordedValues:
    """A trace for the interpreters: every value of a module, the last one where a loop gives several.

    ``by_name`` lists what has the same name hint, which many values share: hints end before a number.
    """

    arrays: dict[SSAValue, np.ndarray] = field(default_factory=dict)
    by_name: NamedArrays = field(default_factory=dict)

    def __call__(self, value: SSAValue, array: np.ndarray) -> None:
        self.arrays[value] = array
        if value.name_hint:
            self.by_name.setdefault(value.name_hint, []).append(array)


def named_arrays(arrays: dict[str, np.ndarray]) -> NamedArrays:
    """Tensors of a model by the name hints that they would have in the text."""
    named: NamedArrays = {}
    for name, array in arrays.items():
        hint = SSAValue.extract_valid_name(name_hint(name))
        if hint is not None:
            named.setdefault(hint, []).append(array)
    return named


@dataclass(frozen=True)
class Culprit:
    """The first op, in the order of evaluation, whose result differs and reaches a wrong output."""

    operation: str
    value: str
    stage: str
    deviation: Deviation


def find_culprit(
    module: ModuleOp,
    found: RecordedValues,
    expected: NamedArrays,
    wrong_outputs: set[str],
    tolerance: Tolerance,
) -> Culprit | None:
    """Walks from the wrong outputs towards the inputs, not past values that are as expected.

    A name may be given anew to another value (a convolution that has taken in its normalisation keeps its name),
    and counts only where its difference reaches a wrong output. None where no named value differs.
    """
    edges = _Edges(module)
    pending = edges.outputs(wrong_outputs)
    seen: set[SSAValue] = set(pending)
    differing: dict[SSAValue, Deviation] = {}
    while pending:
        value = pending.pop()
        deviation = _compare(value, found, expected, tolerance)
        if deviation is not None and deviation.ok:
            continue
        if deviation is not None:
            differing[value] = deviation
        for source in edges.sources(value):
            if source not in seen:
                seen.add(source)
                pending.append(source)
    first = next((value for value in found.arrays if value in differing), None)
    if first is None:
        return None
    stage = edges.writers.get(first)
    operation = first.owner if stage is None else stage.kernel
    assert isinstance(operation, Operation)
    name = "" if stage is None else stage.stage_name.data
    return Culprit(operation.name, first.name_hint or "", name, differing[first])


def _compare(value: SSAValue, found: RecordedValues, expected: NamedArrays, tolerance: Tolerance) -> Deviation | None:
    """The least deviation from what has the value's name and shape; None where nothing corresponds to it."""
    array = found.arrays.get(value)
    if array is None:
        return None
    array = as_signed(array)
    candidates = [as_signed(candidate) for candidate in expected.get(value.name_hint or "", [])]
    deviations = [
        compare_arrays(array, candidate, tolerance)
        for candidate in candidates
        if candidate.shape == array.shape and candidate.dtype == array.dtype
    ]
    return min(deviations, key=lambda deviation: (deviation.wrong, deviation.relative), default=None)


class _Edges:
    """From each value to those that it is computed from, through calls, branches and stages."""

    def __init__(self, module: ModuleOp):
        functions = [op for op in module.ops if isinstance(op, func.FuncOp)]
        self.functions = {function.sym_name.data: function for function in functions}
        self.calls: dict[func.FuncOp, list[func.CallOp]] = {}
        self.writers: dict[SSAValue, StageOp] = {}
        self.parts: dict[SSAValue, SSAValue] = {}
        """What stands inside of batches for a value that they write."""
        for op in module.walk():
            if isinstance(op, func.CallOp):
                self.calls.setdefault(self.functions[op.callee.string_value()], []).append(op)
            elif isinstance(op, StageOp):
                self.writers |= dict.fromkeys(op.outs, op)
            elif isinstance(op, BatchesOp):
                self.parts |= dict(zip(op.outs, op.written_parts, strict=True))

    def outputs(self, names: set[str]) -> list[SSAValue]:
        from ..interpreters.graph import result_names

        main = self.functions["main"]
        terminator = main.body.block.last_op
        assert terminator is not None
        return [value for value, name in zip(terminator.operands, result_names(main), strict=True) if name in names]

    def sources(self, value: SSAValue) -> Iterator[SSAValue]:
        owner = value.owner
        if isinstance(owner, Block):
            yield from self.argument_sources(value, owner)
            return
        if isinstance(owner, BufferOp):
            writer = self.writers.get(value)
            if writer is not None:
                yield from writer.ins
            elif value in self.parts:
                yield self.parts[value]
            return
        yield from owner.operands
        if isinstance(owner, func.CallOp):
            body = self.functions[owner.callee.string_value()].body.block
            assert body.last_op is not None
            yield body.last_op.operands[owner.results.index(value)]  # pyright: ignore[reportArgumentType]
        elif not isinstance(owner, StageOp) and not owner.name.startswith("kernel."):
            for region in owner.regions:
                for block in region.blocks:
                    yield from block.last_op.operands if block.last_op is not None else ()

    def argument_sources(self, value: SSAValue, block: Block) -> Iterator[SSAValue]:
        parent = block.parent_op()
        if isinstance(parent, BatchesOp):
            # A part that a stage inside has written comes from what that reads, another one from outside.
            writer = self.writers.get(value)
            outside = parent.operands[block.args.index(value)]  # pyright: ignore[reportArgumentType]
            yield from (outside,) if writer is None else writer.ins
            return
        if isinstance(parent, func.FuncOp):
            for call in self.calls.get(parent, []):
                yield call.operands[block.args.index(value)]  # pyright: ignore[reportArgumentType]
