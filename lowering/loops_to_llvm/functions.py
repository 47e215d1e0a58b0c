"""Functions: the machine ABI of kernels, and helpers that kernels call."""

from __future__ import annotations

from xdsl.dialects import func, llvm
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    MemRefType,
    UnitAttr,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region

from ...dialects.calling_convention import KERNEL_ATTRIBUTE, SHARE_PARAMETERS, SLOT_BYTES, is_kernel
from ...machines import Target
from . import (
    arithmetic,
    byte_tables,
    contractions,
    control_flow,
    floats,
    integers,
    matrix_tiles,
    memory,
    reductions,
    transfers,
    vectors,
)
from .builder import POINTER, Builder
from .index import IndexMath
from .state import Handler, State, fail, llvm_element

MAY_ALIAS_ATTRIBUTE = "lamina.may_alias"
BODY_SUFFIX = ".body"

HANDLERS: dict[type[Operation], Handler] = {
    **memory.HANDLERS,
    **transfers.HANDLERS,
    **vectors.HANDLERS,
    **contractions.HANDLERS,
    **matrix_tiles.HANDLERS,
    **reductions.HANDLERS,
    **floats.HANDLERS,
    **integers.HANDLERS,
    **arithmetic.HANDLERS,
    **byte_tables.HANDLERS,
    **control_flow.HANDLERS,
}

_EXTERNAL, _INTERNAL = llvm.LinkageAttr("external"), llvm.LinkageAttr("internal")
_NO_ALIAS = DictionaryAttr({"llvm.noalias": UnitAttr()})
_PLAIN = DictionaryAttr({})
# Inlining a body into its entry would cost compile time and gain nothing.
_KERNEL_BODY: dict[str, Attribute] = {"no_inline": UnitAttr()}


def lower_function(function: func.FuncOp, target: Target) -> list[llvm.FuncOp]:
    """Lowers one function of the loops level.

    A kernel becomes two functions: `name.body` with a parameter for each of its own, and `name`, which is called as
    every kernel is (`dialects/calling_convention.py`), reads the table and calls the body. Parameters of the body can
    be `noalias`, which pointers read from memory cannot.

    Any other function keeps its name and is visible in its module only.
    """
    if not is_kernel(function):
        return [_lower_body(function, function.sym_name.data, target, {})]
    name = function.sym_name.data
    return [_lower_body(function, name + BODY_SUFFIX, target, _KERNEL_BODY), _entry(function, name)]


def _lower_body(function: func.FuncOp, name: str, target: Target, properties: dict[str, Attribute]) -> llvm.FuncOp:
    blocks = list(function.body.blocks)
    if len(blocks) != 1:
        raise fail(function, f"expected a body of one block, got {len(blocks)}")
    source = blocks[0]
    region = Region()
    builder, state = _new_state(region, target)
    types = [piece for argument in source.args for piece in state.flat_types(argument.type)]
    entry = builder.entry
    for position, piece in enumerate(types):
        entry.insert_arg(piece, position)
    state.bind_all(source.args, list(entry.args))
    state.lower_block(source)
    terminator = source.last_op
    assert terminator is not None
    control_flow.lower_return(state, terminator)
    outputs = [piece for output in function.function_type.outputs for piece in state.flat_types(output)]
    return llvm.FuncOp(
        name,
        llvm.LLVMFunctionType(types, control_flow.result_type(outputs)),
        linkage=_INTERNAL,
        body=region,
        other_props={"arg_attrs": ArrayAttr(_parameter_attributes(function, state)), **properties},
    )


def _new_state(region: Region, target: Target) -> tuple[Builder, State]:
    entry = Block()
    region.add_block(entry)
    builder = Builder(entry, region)
    return builder, State(target, builder, IndexMath(builder), {}, HANDLERS)


def _parameter_attributes(function: func.FuncOp, state: State) -> list[DictionaryAttr]:
    given = list(function.arg_attrs) if function.arg_attrs is not None else []
    result: list[DictionaryAttr] = []
    for number, parameter in enumerate(function.function_type.inputs):
        may_alias = number < len(given) and MAY_ALIAS_ATTRIBUTE in given[number].data
        unshared = isinstance(parameter, MemRefType) and not may_alias
        result.extend([_NO_ALIAS if unshared else _PLAIN] * len(state.flat_types(parameter)))
    return result


def _entry(function: func.FuncOp, name: str) -> llvm.FuncOp:
    """The function with the uniform ABI."""
    parameters = list(function.function_type.inputs)
    if len(parameters) < SHARE_PARAMETERS:
        raise fail(function, "a kernel's last two parameters are the thread's number and how many there are")
    region = Region()
    block = Block(arg_types=[POINTER, i64, i64])
    region.add_block(block)
    builder = Builder(block, region)
    table, *share = block.args
    arguments = []
    for slot, parameter in enumerate(parameters[:-SHARE_PARAMETERS]):
        pointer = builder.advance_pointer(table, slot * SLOT_BYTES)
        arguments.append(builder.load(pointer, _slot_type(function, parameter), SLOT_BYTES))
    builder.block.add_op(llvm.CallOp(name + BODY_SUFFIX, *arguments, *share))
    builder.emit_effect(llvm.ReturnOp, ())
    entry = llvm.FuncOp(name, llvm.LLVMFunctionType([POINTER, i64, i64]), linkage=_EXTERNAL, body=region)
    written_for = function.attributes[KERNEL_ATTRIBUTE]
    if isinstance(written_for, DictionaryAttr):
        entry.attributes[KERNEL_ATTRIBUTE] = written_for
    return entry


def _slot_type(function: func.FuncOp, parameter: Attribute) -> Attribute:
    if isinstance(parameter, MemRefType):
        return POINTER
    element = llvm_element(parameter)
    size = getattr(element, "size", None)
    if size is None or size > SLOT_BYTES:
        raise fail(function, f"a parameter of type {parameter} does not fit a slot of {SLOT_BYTES} bytes")
    return element
