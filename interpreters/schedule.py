"""Runs a schedule in NumPy on real memory: buffers at their offsets in one arena of bytes, stage by stage.

The memory starts as ones in every bit, NaN for floats. What lies between two barriers may run in any order, so it
is run backwards. A buffer read before it is written, or overwritten while it is needed, gives wrong numbers as it
would on the machine; beyond that, `MemoryHazard` says which stage is to blame. A stage that has become a call of its
kernel is run by the interpreter of loops, on the same memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects import func
from xdsl.ir import Block, Operation, SSAValue
from xdsl.traits import SymbolTable

from ..dialects.batches import BatchesOp
from ..dialects.calling_convention import Arguments
from ..dialects.growth import rooms_of
from ..dialects.kernel_call import CallOp
from ..dialects.layout import ReshapeOp, TensorType, TransposeOp, WindowOp
from ..dialects.layout_algebra import Layout
from ..dialects.schedule import BarrierOp, BufferOp, StageOp
from ..dialects.storage import buffer_bytes
from ..runtime.arena import LiveRange, barrier_epochs, plan
from ..runtime.program import INDEX_REPORT_BYTES
from .kernel import KernelInterpreter, Trace, as_signed
from .loops import LoopsFunction, translate
from .scalar import NoMeaningError, scalar_dtype

Stage = StageOp | CallOp | BatchesOp

POISON = 0xFF
LOOP_THREADS = 2
"""Interpreted loops run the shares of so many threads one after the other, so that a wrong split shows."""


@dataclass(frozen=True)
class ScheduleRules:
    """What a schedule promises already; while it is being made, barriers and the places of buffers come last.

    Without ``barriers`` stages run in the order of the text. Without ``arena`` every buffer has memory of its own.
    """

    barriers: bool = True
    arena: bool = True


class MemoryHazard(ValueError):
    """A stage reads memory that does not hold what it should: never written yet, or overwritten since.

    ``stage`` is the reader.
    """

    def __init__(self, message: str, stage: str):
        super().__init__(message)
        self.stage = stage


@dataclass(frozen=True)
class StageRun:
    """One stage as it was interpreted. ``memory`` holds the bytes of its ins, then of its outs, as they were before
    and after it; ``symbols`` the sizes."""

    function: func.FuncOp
    number: int
    stage: StageOp
    symbols: Mapping[str, int]
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]


StageObserver = Callable[[StageRun], None]


def interpret_schedule(
    function: func.FuncOp,
    arguments: Sequence[np.ndarray],
    constants: Mapping[str, np.ndarray],
    symbols: Mapping[str, int] | None = None,
    *,
    trace: Trace | None = None,
    rules: ScheduleRules | None = None,
    observe: StageObserver | None = None,
) -> list[np.ndarray]:
    """Results of a scheduled function for these arguments.

    ``trace`` is told of each buffer when a stage has written it, ``observe`` of each stage with the bytes it read and
    wrote. Raises MemoryHazard where a stage reads what it should not.
    """
    interpreter = _ScheduleInterpreter(function, constants, dict(symbols or {}), rules or ScheduleRules())
    interpreter.trace, interpreter.observe = trace, observe
    return interpreter.run(arguments)


class _ScheduleInterpreter:
    def __init__(
        self,
        function: func.FuncOp,
        constants: Mapping[str, np.ndarray],
        symbols: dict[str, int],
        rules: ScheduleRules,
    ):
        self.function = function
        self.constants = constants
        self.rules = rules
        self.kernels = KernelInterpreter(constants, symbols)
        self.trace: Trace | None = None
        self.observe: StageObserver | None = None
        self.memory: dict[SSAValue, np.ndarray] = {}
        """The bytes of each input and buffer."""
        self.written: dict[SSAValue, tuple[str, int]] = {}
        """Who wrote a buffer of the arena last, and a digest of what."""
        self.numbers = {op: number for number, op in enumerate(o for o in function.walk() if isinstance(o, StageOp))}
        self.steps: dict[SSAValue, list[np.ndarray]] | None = None
        """Inside of batches, what each value was in the steps so far."""
        self.loops: dict[str, LoopsFunction] = {}
        self.observed: set[StageOp] = set()

    def run(self, arguments: Sequence[np.ndarray]) -> list[np.ndarray]:
        block = self.function.body.block
        self.kernels.symbols |= rooms_of(self.function)
        for parameter, array in zip(block.args, arguments, strict=True):
            self.kernels.bind(tensor_type(parameter), array)
            self.memory[parameter] = pack_tensor(tensor_type(parameter), as_signed(array), self.kernels)
        self.run_block(block)
        terminator = block.last_op
        assert isinstance(terminator, func.ReturnOp)
        return [self.read(value) for value in terminator.operands]

    def run_block(self, block: Block) -> None:
        """A function's stages, or those of one step of a batch."""
        self.place_buffers(block)
        for stages in self.epochs(block):
            if self.rules.barriers:
                check_apart(stages, self.memory)
            for stage in stages:
                for value in stage.ins:
                    self.check_contents(stage, memory_root(value))
                if isinstance(stage, BatchesOp):
                    self.run_batches(stage)
                elif isinstance(stage, CallOp):
                    self.run_call(stage)
                else:
                    self.run_stage(stage)

    def run_batches(self, batches: BatchesOp) -> None:
        """Each step on the memory of its images. What a value is for all of them is told when all have run."""
        (images,) = self.kernels.sizes([batches.images.data])
        self.steps = {}
        for begin in range(0, images, batches.images_at_once):
            taken = min(batches.images_at_once, images - begin)
            if batches.symbol is not None:
                self.kernels.symbols[batches.symbol.data] = taken
            for value, part in zip((*batches.ins, *batches.outs), batches.body.block.args, strict=True):
                whole = self.memory[memory_root(value)]
                each = whole.size // images
                self.memory[part] = whole[begin * each : (begin + taken) * each]
            for part in batches.written_parts:
                self.written.pop(part, None)
            self.run_block(batches.body.block)
        steps, self.steps = self.steps, None
        for value in batches.outs:
            self.note_written(batches, value)
        for value, arrays in steps.items():
            if self.trace is not None:
                self.trace(value, np.concatenate(arrays))

    def tell(self, value: SSAValue, array: np.ndarray) -> None:
        """Tells of a value, or keeps it until all images have theirs."""
        if self.steps is not None:
            self.steps.setdefault(value, []).append(array)
        elif self.trace is not None:
            self.trace(value, array)

    def epochs(self, block: Block) -> list[list[Stage]]:
        """The stages between barriers, each time backwards; before barriers are placed all of them in order."""
        if not self.rules.barriers:
            return [[op for op in block.ops if isinstance(op, Stage)]]
        epochs: list[list[Stage]] = [[]]
        for op in block.ops:
            if isinstance(op, BarrierOp):
                epochs.append([])
            elif isinstance(op, Stage):
                epochs[-1].insert(0, op)
        return epochs

    # --- memory ---------------------------------------------------------------------------------

    def place_buffers(self, block: Block) -> None:
        in_arena = []
        for buffer in [op for op in block.ops if isinstance(op, BufferOp)]:
            self.written.pop(buffer.result, None)
            if buffer.constant is not None:
                array = np.ascontiguousarray(self.constants[buffer.constant.data])
                self.memory[buffer.result] = array.reshape(-1).view(np.uint8)
            elif buffer.kind.data == "arena" and self.rules.arena:
                in_arena.append(buffer)
            else:
                self.memory[buffer.result] = np.full(self.bytes_of(buffer.type), POISON, np.uint8)
        offsets, total = self.plan_arena(in_arena, self.barriers_after(block))
        arena = np.full(total, POISON, np.uint8)
        for buffer, offset in zip(in_arena, offsets, strict=True):
            self.memory[buffer.result] = arena[offset : offset + self.bytes_of(buffer.type)]

    def plan_arena(self, buffers: list[BufferOp], barriers: list[bool]) -> tuple[Sequence[int], int]:
        """Offsets as the runtime finds them: those in the text, and all others planned for these sizes."""
        epochs = barrier_epochs(barriers)
        ranges = []
        for buffer in buffers:
            first, last = (epochs[stage] for stage in buffer.lives)
            offset = None if buffer.offset is None else buffer.offset.value.data
            ranges.append(LiveRange(self.bytes_of(buffer.type), first, last, offset))
        arena = plan(ranges)
        return arena.offsets, arena.total

    def barriers_after(self, block: Block) -> list[bool]:
        barriers: list[bool] = []
        for op in block.ops:
            if isinstance(op, Stage):
                barriers.append(False)
            elif isinstance(op, BarrierOp) and barriers:
                barriers[-1] = True
        return barriers

    def bytes_of(self, type_: TensorType) -> int:
        return self.kernels.sizes([buffer_bytes(type_)])[0]

    def read(self, value: SSAValue) -> np.ndarray:
        return unpack_tensor(tensor_type(value), self.memory[memory_root(value)], self.kernels)

    def write(self, value: SSAValue, array: np.ndarray) -> None:
        root = memory_root(value)
        if value is root:
            self.memory[root][:] = pack_tensor(tensor_type(value), array, self.kernels)
            return
        elements = self.memory[root].view(array.dtype)
        numbers = np.arange(elements.size)
        places = _bound_layout(tensor_type(value), self.kernels).unpack(numbers, array.shape)
        elements[places] = array

    # --- stages ---------------------------------------------------------------------------------

    def run_call(self, call: CallOp) -> None:
        signature = call.signature
        own = None if signature.scratch is None else self.kernels.sizes([signature.scratch])[0]
        arguments = Arguments(
            [self.memory[memory_root(value)] for value in (*call.ins, *call.outs)],
            None if own is None else np.full(own * LOOP_THREADS, POISON, np.uint8),
            np.zeros(INDEX_REPORT_BYTES, np.uint8) if signature.reports else None,
            [self.kernels.symbols[symbol] for symbol in signature.sizes],
        )
        loops = self.loops_of(call)
        loops.run(loops.typed(arguments.in_order()), LOOP_THREADS)
        for target in call.outs:
            self.note_written(call, target)
            if self.trace is not None:
                self.tell(target, self.read(target))

    def loops_of(self, call: CallOp) -> LoopsFunction:
        name = call.signature.function
        if name not in self.loops:
            kernel = SymbolTable.lookup_symbol(call, call.callee)
            if not isinstance(kernel, func.FuncOp):
                raise NoMeaningError(f"@{name} is no function of loops, which alone are interpreted below the schedule")
            self.loops[name] = translate(kernel)
        return self.loops[name]

    def note_written(self, stage: Stage, target: SSAValue) -> None:
        root = memory_root(target)
        self.written[root] = (stage.stage_name.data, hash(self.memory[root].tobytes()))

    def run_stage(self, stage: StageOp) -> None:
        inputs = [self.memory[memory_root(value)].copy() for value in stage.ins]
        values = self.kernels.values = {
            argument: unpack_tensor(tensor_type(argument), memory, self.kernels)
            for argument, memory in zip(stage.body.block.args, inputs, strict=True)
        }
        self.kernels.evaluate(stage.kernel)
        terminator = stage.body.block.last_op
        assert terminator is not None
        for target, result in zip(stage.outs, terminator.operands, strict=True):
            self.write(target, values[result])
            self.note_written(stage, target)
            if self.trace is not None:
                self.tell(target, values[result])
        outputs = [self.memory[memory_root(target)].copy() for target in stage.outs]
        # Of a batch, the first step is like the others.
        if self.observe is not None and stage not in self.observed:
            self.observed.add(stage)
            self.observe(
                StageRun(self.function, self.numbers[stage], stage, dict(self.kernels.symbols), inputs, outputs)
            )

    def check_contents(self, stage: Stage, root: SSAValue) -> None:
        """That a buffer of the arena, or an output, holds what its writer left."""
        if not _is_written(root):
            return
        name, buffer = stage.stage_name.data, f"%{root.name_hint or 'buffer'}"
        if root not in self.written:
            raise MemoryHazard(
                f"stage @{name} reads {buffer} before any stage has surely written it: "
                "a barrier is missing or the order is wrong",
                name,
            )
        writer, digest = self.written[root]
        if hash(self.memory[root].tobytes()) != digest:
            raise MemoryHazard(
                f"stage @{name} reads {buffer}, which @{writer} wrote, after another stage has written over it in the "
                f"arena{self.describe_overlaps(root)}",
                name,
            )

    def describe_overlaps(self, root: SSAValue) -> str:
        overlapping = [
            f"%{other.name_hint or 'buffer'} of @{writer}"
            for other, (writer, _) in self.written.items()
            if other is not root and np.shares_memory(self.memory[other], self.memory[root])
        ]
        return f" (it shares bytes with {', '.join(overlapping)})" if overlapping else ""


def check_apart(stages: Sequence[Stage], memory: Mapping[SSAValue, np.ndarray]) -> None:
    """That no stage writes over what it, or another stage that runs at the same time, reads or writes."""
    touched = {memory_root(value): stage for stage in stages for value in (*stage.ins, *stage.outs)}
    for stage in stages:
        for written in map(memory_root, stage.outs):
            for other, owner in touched.items():
                if other is not written and np.may_share_memory(memory[written], memory[other]):
                    name, user = stage.stage_name.data, owner.stage_name.data
                    lost, kept = (f"%{value.name_hint or 'buffer'}" for value in (other, written))
                    raise MemoryHazard(
                        f"stage @{name} overwrites {lost} with {kept} while @{user} uses it: "
                        "they share bytes of the arena",
                        name,
                    )


def _is_written(root: SSAValue) -> bool:
    """Whether stages write it: neither a constant nor what the function, or a step of a batch, is given."""
    owner = root.owner
    if isinstance(owner, Block):
        batches = owner.parent_op()
        return isinstance(batches, BatchesOp) and root in batches.written_parts
    return isinstance(owner, BufferOp) and owner.constant is None


def memory_root(value: SSAValue) -> SSAValue:
    """The buffer or input whose memory a value is a view of."""
    owner: Operation | object = value.owner
    while isinstance(owner, ReshapeOp | TransposeOp | WindowOp):
        value = owner.source
        owner = value.owner
    return value


def tensor_type(value: SSAValue) -> TensorType:
    assert isinstance(value.type, TensorType)
    return value.type


def _bound_layout(type_: TensorType, kernels: KernelInterpreter) -> Layout:
    """The layout with its margins as numbers."""
    layout = type_.layout
    return layout.with_margins(kernels.sizes(layout.lower), kernels.sizes(layout.upper), layout.halo)


def pack_tensor(type_: TensorType, array: np.ndarray, kernels: KernelInterpreter) -> np.ndarray:
    """The bytes of a tensor in its layout; margins and padding lanes are zero."""
    layout = _bound_layout(type_, kernels)
    return np.ascontiguousarray(layout.pack(array)).reshape(-1).view(np.uint8)


def unpack_tensor(type_: TensorType, memory: np.ndarray, kernels: KernelInterpreter) -> np.ndarray:
    """The tensor that bytes hold in a layout."""
    sizes = kernels.sizes(type_.dims)
    return _bound_layout(type_, kernels).unpack(memory.view(scalar_dtype(type_.element_type)), sizes)
