"""What a text of a level must be as a whole, beside what each operation verifies of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.irdl.dominance import DominanceInfo

from ..dialects import kernel
from ..dialects.calling_convention import CHECKED_ATTRIBUTE, KERNEL_ATTRIBUTE, WORK_ATTRIBUTE
from ..dialects.graph.constants import ConstantOp
from ..dialects.growth import GROWS_ATTRIBUTE
from ..dialects.operand_layouts import layout_mistake
from ..dialects.schedule import BufferOp
from ..dialects.storage import dtype_name
from ..errors import OperationError
from ..lowering.loops_to_llvm import TARGET_ATTRIBUTE
from ..passes.schedule.check_memory import ScheduleCheckMemoryPass
from ..passes.schedule.pack_constants import pack_constants
from ..pipeline import check_rules, illegal_operations, phase_named

_NAME = "lamina.name"
_OF_ENDS = (_NAME, "lamina.vanishing")
_ATTRIBUTES = (
    CHECKED_ATTRIBUTE,
    GROWS_ATTRIBUTE,
    KERNEL_ATTRIBUTE,
    TARGET_ATTRIBUTE,
    WORK_ATTRIBUTE,
    "lamina.checks",
    "lamina.may_alias",
    "lamina.unroll",
)

if TYPE_CHECKING:
    from ..context import CompilerContext


def check_order(module: ModuleOp) -> None:
    """Raises OperationError for a value that is used where it has no contents yet."""
    positions: dict[Block, dict[Operation, int]] = {}
    for operation in module.walk():
        for operand in operation.operands:
            if not _is_defined_before(operand, operation, positions):
                name = f"%{operand.name_hint}" if operand.name_hint else f"operand {operand.type}"
                raise OperationError(f"{name} is used here before it is defined", operation)


def _is_defined_before(value: SSAValue, user: Operation, positions: dict[Block, dict[Operation, int]]) -> bool:
    block = value.owner if isinstance(value.owner, Block) else value.owner.parent
    if block is None or block.parent is None:
        return False
    here = user
    while here.parent is not None and here.parent.parent is not block.parent:
        outer = here.parent_op()
        if outer is None:
            return False
        here = outer
    if here.parent is not block:
        return here.parent is not None and DominanceInfo(block.parent).dominates(block, here.parent)
    if isinstance(value.owner, Block):
        return True
    if block not in positions:
        positions[block] = {operation: number for number, operation in enumerate(block.ops)}
    return positions[block][value.owner] < positions[block][here]


def check_schedules(module: ModuleOp, context: CompilerContext, passes: Sequence[str]) -> None:
    """That the schedules of a text keep to the rules of memory, as far as none of the passes will see to them.

    The text may be of any level, and a schedule in the making or a piece of one. Raises OperationError.
    """
    barriers, arena = (name not in passes for name in ("schedule-place-barriers", "schedule-plan-arena"))
    ScheduleCheckMemoryPass(whole=False, barriers=barriers, arena=arena).apply(context, module)


def check_program(module: ModuleOp, context: CompilerContext, phase: str) -> None:
    """That a text which ``phase`` wrote can be compiled on as a model. Raises OperationError."""
    functions = {function.sym_name.data: function for function in module.ops if isinstance(function, FuncOp)}
    main = functions.get("main")
    if main is None:
        raise OperationError("there is no function @main, which every model begins with", module)
    for operation in illegal_operations(module, phase_named(phase, context.machine_class)):
        raise OperationError(f"{operation.name} is none of the operations that phase '{phase}' writes", operation)
    pack_constants(module, context.constants)
    for operation in module.walk():
        if isinstance(operation, CallOp):
            _check_call(operation, functions)
        _check_constant(operation, context)
        _check_attributes(operation)
        # Stages verify it; a kernel alone may not have its algorithm yet while passes are at work.
        if phase == "kernel" and (wrong := layout_mistake(operation)):
            raise OperationError(wrong, operation)
    _check_names(main)
    check_rules(module, context, phase_named(phase, context.machine_class))


def _check_call(call: CallOp, functions: dict[str, FuncOp]) -> None:
    name = call.callee.string_value()
    function = functions.get(name)
    if function is None:
        known = ", ".join(f"@{known}" for known in functions)
        raise OperationError(f"no function is called @{name}: there are {known}", call)
    type_ = function.function_type
    for what, given, expected in (
        ("arguments", [value.type for value in call.arguments], list(type_.inputs)),
        ("results", [value.type for value in call.results], list(type_.outputs)),
    ):
        if given != expected:
            raise OperationError(f"@{name} has {what} ({_listed(expected)}), this call ({_listed(given)})", call)


def _listed(types: list[Any]) -> str:
    return ", ".join(map(str, types))


def _check_constant(operation: Operation, context: CompilerContext) -> None:
    found = _constant_of(operation)
    if found is None:
        return
    name, type_ = found
    try:
        array = context.constants[name]
    except LookupError as error:
        raise OperationError(str(error), operation) from error
    wanted = dtype_name(type_.element_type)
    # Below the graph integers have no sign.
    fits = array.dtype.name in (wanted, f"u{wanted}")
    # Below it, arrays lie as their layout says.
    fits &= not isinstance(operation, ConstantOp) or list(array.shape) == list(type_.dims)
    if not fits:
        stored = f"the array '{name}' is {array.dtype}{list(array.shape)}"
        raise OperationError(f"{stored}, which does not fit {type_}", operation)


def _constant_of(operation: Operation) -> tuple[str, Any] | None:
    """Name and type of the array that an operation names."""
    match operation:
        case ConstantOp():
            return operation.handle, operation.result.type
        case kernel.ConstantOp():
            return operation.constant.data, operation.result.type
        case BufferOp() if operation.constant is not None:
            return operation.constant.data, operation.type
    return None


def _check_names(main: FuncOp) -> None:
    """That the model's inputs, and its outputs, are named by what is there for it, each by a name of its own."""
    for attribute, what in (("arg_attrs", "inputs"), ("res_attrs", "outputs")):
        entries: Any = main.properties.get(attribute)
        unknown = [key for entry in entries or () for key in entry.data if key not in _OF_ENDS]
        if unknown:
            known = " or ".join(_OF_ENDS)
            raise OperationError(f"{what} of the model have no attribute '{unknown[0]}': expected {known}", main)
        names = [entry.data[_NAME].data for entry in entries or () if isinstance(entry.data.get(_NAME), StringAttr)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise OperationError(f"two {what} of the model are called '{twice[0]}'", main)


def _check_attributes(operation: Operation) -> None:
    unknown = [key for key in operation.attributes if key.startswith("lamina.") and key not in _ATTRIBUTES]
    if unknown:
        raise OperationError(
            f"no attribute is called '{unknown[0]}': expected one of {', '.join(_ATTRIBUTES)}", operation
        )
