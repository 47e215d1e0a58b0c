"""kernel -> schedule: every kernel becomes a stage, every tensor a buffer, in the order of the text."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from ..dialects.kernel import ConcatOp, ConstantOp, KernelOp
from ..dialects.layout import VIEWS, ConvertOp, ReshapeOp, TensorType
from ..dialects.schedule import BufferOp, StageOp, YieldOp


@dataclass(frozen=True)
class LowerKernelToSchedulePass(ModulePass):
    """Turns functions of kernels into schedules.

    before::

        func.func @segment0(%x: T0) -> T2 {
          %w = kernel.constant @weight : T1
          %y = kernel.gemm(%x, %w) : T2
          func.return %y : T2
        }

    after::

        func.func @segment0(%x: T0) -> T2 {
          %y = schedule.buffer output 0 : T2
          %w = schedule.buffer constant @weight : T1
          schedule.stage @gemm0 %y = kernel.gemm(%x, %w)
          func.return %y : T2
        }
    """

    name = "lower-kernel-to-schedule"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in list(op.ops):
            if isinstance(function, func.FuncOp) and any(_is_kernel_level(inner) for inner in function.walk()):
                _FunctionLowering(function).run()


def _is_kernel_level(op: Operation) -> bool:
    return op.name.startswith(("kernel.", "layout."))


class _FunctionLowering:
    def __init__(self, function: func.FuncOp):
        self.function = function
        self.block = function.body.block
        self.stage_count: dict[str, int] = {}

    def run(self) -> None:
        terminator = self.block.last_op
        assert isinstance(terminator, func.ReturnOp)
        self.copy_returned_views(terminator)
        outputs = {self.root(value): index for index, value in enumerate(terminator.operands)}
        for op in list(self.block.ops):
            if isinstance(op, ConstantOp):
                self.replace_constant(op)
            elif isinstance(op, KernelOp | ConvertOp):
                self.replace_kernel(op, outputs)

    def root(self, value: SSAValue) -> SSAValue:
        """The value whose memory this one is a view of."""
        while isinstance(value.owner, VIEWS):
            value = value.owner.operands[0]
        return value

    def copy_returned_views(self, terminator: func.ReturnOp) -> None:
        """Returned memory must be a whole buffer of its own: copies inputs, constants, parts and second uses."""
        seen: set[SSAValue] = set()
        for index, value in enumerate(list(terminator.operands)):
            root = self.root(value)
            owned = isinstance(root.owner, KernelOp | ConvertOp)
            grows = isinstance(root.owner, ConcatOp) and root.owner.get("grows") and value is root
            if owned and root not in seen and (grows or _is_whole(value)):
                seen.add(root)
                continue
            assert isinstance(value.type, TensorType)
            copy = ConvertOp(value, value.type.layout.row_major(value.type.rank))
            self.block.insert_op_before(copy, terminator)
            terminator.operands[index] = copy.result
            seen.add(copy.result)

    def replace_constant(self, op: ConstantOp) -> None:
        assert isinstance(op.result.type, TensorType)
        self._replace(op, [BufferOp.of_constant(op.result.type, op.constant.data)])

    def replace_kernel(self, op: Operation, outputs: dict[SSAValue, int]) -> None:
        operands = list(dict.fromkeys(op.operands))
        body = Block(arg_types=[value.type for value in operands])
        inner = op.clone(dict(zip(operands, body.args, strict=True)))
        # What a choice was made by is no part of the code: kernels that differ in it alone are one.
        inner.properties.pop("error", None)
        body.add_ops([inner, YieldOp(inner.results)])
        buffers = []
        for result in op.results:
            assert isinstance(result.type, TensorType)
            index = outputs.get(result)
            buffers.append(BufferOp.arena(result.type) if index is None else BufferOp.output(result.type, index))
        for buffer, result in zip(buffers, op.results, strict=True):
            buffer.result.name_hint = result.name_hint
        _forget_names(inner)
        stage = StageOp(self.stage_name(op), operands, [b.result for b in buffers], Region(body))
        self.block.insert_ops_before([*buffers, stage], op)
        for buffer, result in zip(buffers, op.results, strict=True):
            result.replace_all_uses_with(buffer.result)
        op.detach()
        op.erase()

    def _replace(self, op: Operation, buffers: list[BufferOp]) -> None:
        self.block.insert_ops_before(buffers, op)
        for buffer, result in zip(buffers, op.results, strict=True):
            buffer.result.name_hint = result.name_hint
            result.replace_all_uses_with(buffer.result)
        op.detach()
        op.erase()

    def stage_name(self, op: Operation) -> str:
        """kind and number, unique in the function: conv3."""
        kind = op.name.split(".")[1]
        number = self.stage_count.get(kind, 0)
        self.stage_count[kind] = number + 1
        return f"{kind}{number}"


def _is_whole(value: SSAValue) -> bool:
    """Whether a value's memory is row-major without margins, under any reshape."""
    while isinstance(value.owner, ReshapeOp):
        value = value.owner.source
    return isinstance(value.type, TensorType) and value.type.layout.is_row_major and not isinstance(value.owner, VIEWS)


def _forget_names(op: Operation) -> None:
    """Drops the names of values inside a stage, so that equal stages print equally."""
    for inner in op.walk():
        for value in (*inner.results, *(a for region in inner.regions for b in region.blocks for a in b.args)):
            value.name_hint = None
