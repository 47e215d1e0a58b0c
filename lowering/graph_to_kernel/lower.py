"""The pass that replaces the graph operations of each compiled function by kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType, ModuleOp, UnrealizedConversionCastOp, f32
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.passes import ModulePass

from ...dialects import graph
from ...errors import UnsupportedOperatorError
from .elements import SHORT_FLOATS
from .function import FunctionLowering, kernel_type
from .table import RULES, obstacle_of

if TYPE_CHECKING:
    from ...context import ConstantStore

PLAN = "main"


@dataclass(frozen=True)
class LowerGraphToKernelPass(ModulePass):
    """Graph operations -> kernels on row-major tensors, in every function but @main, which is the plan that calls them.

    ::

        func.func @segment0(%x: !graph.tensor<N x 8 x f32>) -> !graph.tensor<N x 8 x f32> {
          %y = graph.relu %x : !graph.tensor<N x 8 x f32>
          func.return %y : !graph.tensor<N x 8 x f32>
        }

    becomes::

        func.func @segment0(%x: !layout.tensor<N x 8 x f32>) -> !layout.tensor<N x 8 x f32> {
          %y = kernel.map(%x) : !layout.tensor<N x 8 x f32> each(%a) {
            %zero = arith.constant 0.0 : f32
            %r = arith.maximumf %a, %zero : f32
          }
          func.return %y : !layout.tensor<N x 8 x f32>
        }

    @main keeps its graph tensors: casts stand around its calls. Raises UnsupportedOperatorError for an
    operation that has no kernel.
    """

    name = "lower-graph-to-kernel"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        constants: ConstantStore = ctx.constants  # pyright: ignore[reportAttributeAccessIssue]
        functions = {f.sym_name.data: f for f in op.body.block.ops if isinstance(f, func.FuncOp)}
        plan = functions.pop(PLAN, None)
        for function in functions.values():
            lower_function(function, constants)
        if plan is not None:
            cast_around_calls(plan, functions)


def lower_function(function: func.FuncOp, constants: ConstantStore) -> None:
    """Replaces the body and the type of one function."""
    old = function.body.block
    lowering = FunctionLowering(constants, [_lowered_type(argument.type) for argument in old.args])
    for before, after in zip(old.args, lowering.block.args, strict=True):
        lowering.bind(before, after)
    for op in old.ops:
        if isinstance(op, func.ReturnOp):
            results = [lowering.plain(value) for value in lowering.values(op.operands)]
            lowering.block.add_op(func.ReturnOp(*results))
        elif not isinstance(op, graph.ConstantOp):
            _lower_operation(lowering, op)
    function.body.detach_block(old)
    function.body.add_block(lowering.block)
    outputs = [result.type for result in lowering.block.last_op.operands] if lowering.block.last_op else []
    function.properties["function_type"] = FunctionType.from_lists(list(lowering.block.arg_types), outputs)


def _lower_operation(lowering: FunctionLowering, op: Operation) -> None:
    obstacle = obstacle_of(op)
    if obstacle is not None:
        raise UnsupportedOperatorError(f"{op.name} cannot be compiled: {obstacle.reason}; {obstacle.advice}\n  in {op}")
    assert isinstance(op, graph.GraphOperation)
    rule = RULES[op.name]
    if rule.in_f32 and any(type_.element_type in SHORT_FLOATS for type_ in op.operand_types):
        _lower_in_f32(lowering, op)
        return
    for result, value in zip(op.results, rule.lower(lowering, op), strict=True):
        lowering.bind(result, value)


def _lower_in_f32(lowering: FunctionLowering, op: graph.GraphOperation) -> None:
    """Lowers the same operation on f32 between casts; constants are cast here and now."""
    operands = [_widened(lowering, operand) for operand in op.operands]
    wide = op.with_values(operands, [_wide_type(type_) for type_ in op.result_types])
    _lower_operation(lowering, wide)
    for narrow_result, wide_result in zip(op.results, wide.results, strict=True):
        if narrow_result.type == wide_result.type:
            lowering.bind(narrow_result, lowering.value(wide_result))
            continue
        cast = graph.CastOp([wide_result], [narrow_result.type])
        _lower_operation(lowering, cast)
        lowering.bind(narrow_result, lowering.value(cast.result))


def _widened(lowering: FunctionLowering, operand: SSAValue) -> SSAValue:
    type_ = operand.type
    assert isinstance(type_, graph.GraphTensorType)
    wide = _wide_type(type_)
    if wide == type_:
        return operand
    if operand not in lowering.widened:
        lowering.widened[operand] = _widen(lowering, operand, wide)
    return lowering.widened[operand]


def _widen(lowering: FunctionLowering, operand: SSAValue, wide: graph.GraphTensorType) -> SSAValue:
    array = lowering.array(operand)
    if array is not None:
        assert isinstance(operand.owner, graph.ConstantOp)
        name = lowering.constants.add(array.astype(np.float32), f"{operand.owner.handle}.f32")
        return graph.ConstantOp([], [wide], handle=name).result
    cast = graph.CastOp([operand], [wide])
    _lower_operation(lowering, cast)
    return cast.result


def _wide_type(type_: graph.GraphTensorType) -> graph.GraphTensorType:
    return type_.with_element(f32) if type_.element_type in SHORT_FLOATS else type_


def _lowered_type(type_: Attribute) -> Attribute:
    return kernel_type(type_) if isinstance(type_, graph.GraphTensorType) else type_


def cast_around_calls(plan: func.FuncOp, lowered: dict[str, func.FuncOp]) -> None:
    """Casts the operands and results of the calls of lowered functions between graph and layout tensors."""
    for op in list(plan.walk()):
        if not isinstance(op, func.CallOp) or (callee := lowered.get(op.callee.string_value())) is None:
            continue
        block = op.parent
        assert block is not None
        arguments = []
        for argument, type_ in zip(op.arguments, callee.function_type.inputs, strict=True):
            cast = UnrealizedConversionCastOp.get([argument], [type_])
            block.insert_op_before(cast, op)
            arguments.append(cast.results[0])
        call = func.CallOp(op.callee, arguments, callee.function_type.outputs.data)
        block.insert_op_before(call, op)
        for before, after in zip(op.results, call.results, strict=True):
            cast = UnrealizedConversionCastOp.get([after], [before.type])
            block.insert_op_before(cast, op)
            before.replace_all_uses_with(cast.results[0])
        op.detach()
        op.erase()
