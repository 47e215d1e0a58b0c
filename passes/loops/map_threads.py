"""The pass `loops-map-threads`."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from ...dialects.calling_convention import SHARE_PARAMETERS, is_kernel
from ...dialects.index_arithmetic import INDEX, Index, IndexArithmetic
from ...dialects.parallel import FirstTurnOp, ForallOp, OwnPartOp


@dataclass(frozen=True)
class LoopsMapThreadsPass(ModulePass):
    """Gives each thread its run of the turns of every scf.forall, split statically, and its part of scratch memory.

    before::

        %own = threads.own_part %scratch of %bytes bytes
        scf.forall (%i, %j) in (%n, 4) {
          %new = threads.first_turn
          ...
        } {mapping = [#threads.share, #threads.share]}

    after::

        %own = memref.view %scratch[%thread * %bytes][%bytes]
        %begin = %n * 4 * %thread / %threads
        %end = %n * 4 * (%thread + 1) / %threads
        scf.for %turn = %begin to %end {
          %i = %turn / 4
          %j = %turn mod 4
          %new = %turn == %begin
          ...
        }
    """

    name = "loops-map-threads"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.body.block.ops:
            if isinstance(function, func.FuncOp) and is_kernel(function):
                _Mapping(function).run()


@dataclass
class _Share:
    """This thread's turns: from ``begin`` up to, not including, ``end``."""

    begin: Index
    end: Index


class _Mapping(IndexArithmetic):
    """The mapping of one function to threads."""

    def __init__(self, function: func.FuncOp):
        self.entry = function.body.block
        self.thread, self.threads = self.entry.args[-SHARE_PARAMETERS:]
        self.operations = list(function.walk())
        # Where ops are inserted: before this one.
        self.place = self.operations[0]
        # By the number of turns, of loops outside of all others: their shares hold for the rest of the function.
        self.shares: dict[Index, _Share] = {}
        self.turns: dict[Block, tuple[SSAValue, _Share]] = {}
        self.constants: dict[int, SSAValue] = {}

    def run(self) -> None:
        for operation in self.operations:
            self.place = operation
            if isinstance(operation, ForallOp):
                self.map_loop(operation)
            elif isinstance(operation, FirstTurnOp):
                turn, share = self.turns[_loop_around(operation, self.turns)]
                self.replace(operation, self.compare("eq", turn, share.begin))
            elif isinstance(operation, OwnPartOp):
                offset = self.value(self.mul(self.thread, operation.size))
                type_ = operation.result.type
                view = memref.ViewOp(operation.memory, offset, [operation.size], type_)  # pyright: ignore[reportArgumentType]
                self.replace(operation, self.insert(view))

    def insert(self, op: Operation) -> SSAValue:
        block = self.place.parent
        assert block is not None
        block.insert_op_before(op, self.place)
        return op.results[0] if op.results else op  # pyright: ignore[reportReturnType]

    def replace(self, operation: Operation, value: SSAValue) -> None:
        operation.results[0].replace_all_uses_with(value)
        operation.detach()
        operation.erase()

    def index_constant(self, value: int) -> SSAValue:
        if not self.constants:
            self.constants = dict(known for op in self.entry.ops if (known := _number(op)) is not None)
        if value not in self.constants:
            constant = arith.ConstantOp.create(properties={"value": IntegerAttr(value, INDEX)}, result_types=[INDEX])
            assert self.entry.first_op is not None
            self.entry.insert_op_before(constant, self.entry.first_op)
            self.constants[value] = constant.result
        return self.constants[value]

    def map_loop(self, loop: ForallOp) -> None:
        """The loop's own body becomes that of the loop over this thread's turns."""
        share = self.share(loop)
        bounds, body = self.values([share.begin, share.end, 1]), loop.body.block
        indices = list(body.args)
        turn = body.insert_arg(INDEX, 0)
        assert body.first_op is not None and body.last_op is not None
        self.place = body.first_op
        for argument, index in zip(indices, self.split_index(turn, loop.bounds), strict=True):
            argument.replace_all_uses_with(self.value(index))
            body.erase_arg(argument)
        terminator = body.last_op
        terminator.detach()
        terminator.erase()
        body.add_op(scf.YieldOp())
        self.turns[body] = turn, share
        self.place = loop
        self.insert(scf.ForOp(*bounds, [], loop.detach_region(loop.body)))  # pyright: ignore[reportCallIssue]
        loop.detach()
        loop.erase()

    def share(self, loop: ForallOp) -> _Share:
        total: Index = 1
        for bound in loop.bounds:
            total = self.mul(total, bound)
        is_outermost = loop.parent is self.entry
        if is_outermost and total in self.shares:
            return self.shares[total]
        begin = self.floordiv(self.mul(total, self.thread), self.threads)
        end = self.floordiv(self.mul(total, self.add(self.thread, 1)), self.threads)
        share = _Share(begin, end)
        if is_outermost:
            self.shares[total] = share
        return share


def _number(op: Operation) -> tuple[int, SSAValue] | None:
    """The number that an op makes a constant index of, and the constant."""
    if not isinstance(op, arith.ConstantOp) or op.result.type != INDEX or not isinstance(op.value, IntegerAttr):
        return None
    return op.value.value.data, op.result


def _loop_around(op: Operation, loops: dict[Block, tuple[SSAValue, _Share]]) -> Block:
    """The innermost block around an op that is the body of a mapped loop."""
    block = op.parent
    while block is not None and block not in loops:
        outer = block.parent_op()
        block = None if outer is None else outer.parent
    if block is None:
        raise ValueError("threads.first_turn outside of scf.forall")
    return block
