"""The llvm dialect as LLVM IR text, written directly: no second IR is built on the way.

Supported are the ops that `lower-loops-to-llvm` makes; another op raises `UnsupportedOperationError`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from xdsl.dialects import llvm
from xdsl.dialects.builtin import (
    BFloat16Type,
    DenseIntOrFPElementsAttr,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    ModuleOp,
    VectorType,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue

from ..dialects import llvm_extension as llvmx
from ..machines import Target

LOOP_ATTRIBUTE = "llvmx.loop"


class UnsupportedOperationError(Exception):
    """The llvm-level module holds something that has no text; a defect of the compiler, not of the model."""


def print_llvm(module: ModuleOp, target: Target) -> str:
    """LLVM IR of all functions of a module, compiled for `target`."""
    return print_functions([op for op in module.body.block.ops if isinstance(op, llvm.FuncOp)], target)


def print_functions(functions: Sequence[llvm.FuncOp], target: Target) -> str:
    """LLVM IR of some functions of a module, which must contain what they call."""
    declarations: dict[str, str] = {}
    body = "\n".join(_FunctionText(function, declarations).text() for function in functions)
    header = f'target triple = "{target.triple}"\n'
    declared = "\n".join(declarations.values())
    return f"{header}\n{body}\n{declared}\n{_attributes(target)}{_LOOP_METADATA}"


def _attributes(target: Target) -> str:
    """The attribute groups: #0 for visible functions, #1 for bodies, which stay out of line, #2 for helpers."""
    pairs = {
        "target-cpu": target.cpu,
        "tune-cpu": target.tune,
        "target-features": target.feature_string,
        "prefer-vector-width": str(target.vector_bytes * 8),
        "no-builtins": None,
        "no-trapping-math": "true",
        "frame-pointer": "none",
    }
    words = [f'"{name}"' if value is None else f'"{name}"="{value}"' for name, value in pairs.items() if value != ""]
    common = " ".join(words)
    kinds = ("nounwind", "nounwind noinline", "nounwind alwaysinline")
    return "".join(f"attributes #{number} = {{ {kind} {common} }}\n" for number, kind in enumerate(kinds))


_LOOP_METADATA = """
!0 = distinct !{!0, !1, !2}
!1 = !{!"llvm.loop.unroll.disable"}
!2 = !{!"llvm.loop.vectorize.enable", i1 false}
"""


# --- types and constants

_TYPE_TEXTS: dict[Attribute, str] = {}
_FLOAT_TYPES: tuple[tuple[type[Attribute], str], ...] = (
    (Float32Type, "float"),
    (Float64Type, "double"),
    (Float16Type, "half"),
    (BFloat16Type, "bfloat"),
)


def type_text(attribute: Attribute) -> str:
    """How LLVM writes a type."""
    text = _TYPE_TEXTS.get(attribute)
    if text is None:
        text = _TYPE_TEXTS[attribute] = _new_type_text(attribute)
    return text


def _new_type_text(attribute: Attribute) -> str:
    if isinstance(attribute, IntegerType):
        return f"i{attribute.width.data}"
    if isinstance(attribute, VectorType):
        (lanes,) = attribute.get_shape()
        return f"<{lanes} x {type_text(attribute.element_type)}>"
    if isinstance(attribute, llvm.LLVMPointerType):
        return "ptr"
    if isinstance(attribute, llvm.LLVMVoidType):
        return "void"
    if isinstance(attribute, llvmx.MatrixType):
        return "x86_amx"
    if isinstance(attribute, llvm.LLVMArrayType):
        return f"[{attribute.size.data} x {type_text(attribute.type)}]"
    if isinstance(attribute, llvm.LLVMStructType):
        return "{ " + ", ".join(type_text(member) for member in attribute.types) + " }"
    for float_type, text in _FLOAT_TYPES:
        if isinstance(attribute, float_type):
            return text
    raise UnsupportedOperationError(f"type {attribute} has no LLVM IR text")


def _number_text(value: int | float, element: Attribute) -> str:
    """A number as LLVM writes it: integers in decimal, floats by their bits."""
    if isinstance(element, IntegerType):
        if element.width.data == 1:
            return "true" if value else "false"
        return str(int(value))
    if isinstance(element, Float16Type):
        return f"0xH{struct.unpack('<H', struct.pack('<e', value))[0]:04X}"
    if isinstance(element, BFloat16Type):
        return f"0xR{_bfloat_bits(value):04X}"
    return f"0x{struct.unpack('<Q', struct.pack('<d', _as_f32(value, element)))[0]:016X}"


def _as_f32(value: float, element: Attribute) -> float:
    if not isinstance(element, Float32Type):
        return value
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _bfloat_bits(value: float) -> int:
    """To nearest even."""
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    if value != value:
        return 0x7FC0
    return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16


def _constant_text(value: Attribute, value_type: Attribute) -> str:
    if isinstance(value, IntegerAttr | FloatAttr):
        element = value_type.element_type if isinstance(value_type, VectorType) else value_type
        text = _number_text(value.value.data, element)
        return f"splat ({type_text(element)} {text})" if isinstance(value_type, VectorType) else text
    if isinstance(value, DenseIntOrFPElementsAttr) and isinstance(value_type, VectorType):
        element = value_type.element_type
        numbers = list(value.get_values())
        if len(set(map(repr, numbers))) == 1:
            return f"splat ({type_text(element)} {_number_text(numbers[0], element)})"
        items = (f"{type_text(element)} {_number_text(number, element)}" for number in numbers)
        return f"<{', '.join(items)}>"
    raise UnsupportedOperationError(f"constant {value} has no LLVM IR text")


# --- functions

_FAST_MATH_ORDER = ("reassoc", "nnan", "ninf", "nsz", "arcp", "contract", "afn")


def _fast_math_text(op: Operation) -> str:
    """The flags with a space after each."""
    flags = op.properties.get("fastmathFlags")
    if not isinstance(flags, llvm.FastMathAttr) or not flags.data:
        return ""
    given = {flag.value for flag in flags.data}
    if len(given) == len(_FAST_MATH_ORDER):
        return "fast "
    return "".join(f"{flag} " for flag in _FAST_MATH_ORDER if flag in given)


class _FunctionText:
    """Writes one function, and a declaration for every intrinsic that it calls."""

    def __init__(self, function: llvm.FuncOp, declarations: dict[str, str]):
        self._function = function
        self.declarations = declarations
        # By identity, which is quicker than by value: most ops share their types.
        self._types: dict[int, str] = {}
        self._names: dict[SSAValue, str] = {}
        self._labels: dict[Block, str] = {}
        self._lines: list[str] = []

    def text(self) -> str:
        """The definition."""
        blocks = list(self._function.body.blocks)
        for number, block in enumerate(blocks):
            self._labels[block] = f"b{number}"
            for position, argument in enumerate(block.args):
                self._names[argument] = f"%b{number}.{position}"
        # Values are named before any line is written, since phis may refer to later blocks.
        counter = 0
        for block in blocks:
            for op in block.ops:
                if not op.results:
                    continue
                result = op.results[0]
                if type(op) is llvm.ConstantOp:
                    self._names[result] = _constant_text(op.value, result.type)
                elif type(op) is llvmx.PoisonOp:
                    self._names[result] = "poison"
                else:
                    self._names[result] = f"%v{counter}"
                    counter += 1
        incoming = self._incoming(blocks)
        for block in blocks:
            self._write_block(block, incoming.get(block, ()))
        return f"{self._header()} {{\n" + "\n".join(self._lines) + "\n}\n"

    def _header(self) -> str:
        function = self._function
        linkage = "internal " if function.linkage.linkage.data == "internal" else ""
        result = type_text(function.function_type.output)
        entry = function.body.blocks.first
        assert entry is not None
        given = list(function.arg_attrs) if function.arg_attrs is not None else []
        parameters: list[str] = []
        for number, argument in enumerate(entry.args):
            noalias = number < len(given) and "llvm.noalias" in given[number].data
            words = [type_text(argument.type), "noalias" if noalias else "", self._names[argument]]
            parameters.append(" ".join(word for word in words if word))
        group = "#1" if function.no_inline is not None else "#2" if linkage else "#0"
        return f'define {linkage}{result} @"{function.sym_name.data}"({", ".join(parameters)}) {group}'

    @staticmethod
    def _edges(block: Block) -> list[tuple[Block, Sequence[SSAValue]]]:
        last = block.last_op
        if isinstance(last, llvm.BrOp):
            return [(last.successor, last.arguments)]
        if isinstance(last, llvm.CondBrOp):
            if last.then_block is last.else_block and last.then_block.args:
                raise UnsupportedOperationError("both ways of a branch lead to one block with arguments")
            return [(last.then_block, last.then_arguments), (last.else_block, last.else_arguments)]
        return []

    def _incoming(self, blocks: Sequence[Block]) -> dict[Block, list[tuple[str, Sequence[SSAValue]]]]:
        result: dict[Block, list[tuple[str, Sequence[SSAValue]]]] = {}
        for block in blocks:
            for successor, arguments in self._edges(block):
                result.setdefault(successor, []).append((self._labels[block], tuple(arguments)))
        return result

    def _write_block(self, block: Block, incoming: Sequence[tuple[str, Sequence[SSAValue]]]) -> None:
        lines, names = self._lines, self._names
        lines.append(f"{self._labels[block]}:")
        if incoming:
            for position, argument in enumerate(block.args):
                sources = ", ".join(f"[ {names[values[position]]}, %{label} ]" for label, values in incoming)
                lines.append(f"  {names[argument]} = phi {self.type_of(argument)} {sources}")
        for op in block.ops:
            writer = _WRITERS.get(type(op))
            if writer is None:
                raise UnsupportedOperationError(f"{op.name} has no LLVM IR text")
            line = writer(self, op)
            if line is None:
                continue
            lines.append(f"  {names[op.results[0]]} = {line}" if op.results else f"  {line}")

    # --- operands

    def typed(self, value: SSAValue) -> str:
        """`float %3`."""
        return f"{self.type_of(value)} {self._names[value]}"

    def type_of(self, value: SSAValue) -> str:
        """`float`."""
        attribute = value.type
        text = self._types.get(id(attribute))
        if text is None:
            text = self._types[id(attribute)] = type_text(attribute)
        return text

    def name(self, value: SSAValue) -> str:
        """`%3`, or the text of a constant."""
        return self._names[value]

    def label(self, block: Block) -> str:
        """`label %b2`."""
        return f"label %{self._labels[block]}"


Writer = Callable[[_FunctionText, Operation], str | None]


def _no_line(function: _FunctionText, op: Operation) -> None:
    """Constants appear in the operands that use them."""


def _binary(word: str) -> Writer:
    def write(function: _FunctionText, op: Operation) -> str:
        lhs, rhs = op.operands
        flags = op.properties.get("overflowFlags")
        wrap = ""
        if isinstance(flags, IntegerAttr):
            wrap = ("nuw " if flags.value.data & 2 else "") + ("nsw " if flags.value.data & 1 else "")
        exact = "exact " if "isExact" in op.properties else ""
        disjoint = "disjoint " if "isDisjoint" in op.properties else ""
        return f"{word} {wrap}{exact}{disjoint}{_fast_math_text(op)}{function.typed(lhs)}, {function.name(rhs)}"

    return write


def _cast(word: str) -> Writer:
    def write(function: _FunctionText, op: Operation) -> str:
        return f"{word} {function.typed(op.operands[0])} to {function.type_of(op.results[0])}"

    return write


def _call_intrinsic(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvm.CallIntrinsicOp)
    name, operands = op.intrin.data, list(op.operands)
    result = function.type_of(op.results[0]) if op.results else "void"
    if name not in function.declarations:
        function.declarations[name] = f"declare {result} @{name}({', '.join(map(function.type_of, operands))})"
    return f"call {_fast_math_text(op)}{result} @{name}({', '.join(map(function.typed, operands))})"


def _call(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvm.CallOp)
    if op.callee is None:
        raise UnsupportedOperationError("indirect calls have no LLVM IR text")
    result = type_text(op.results[0].type) if op.results else "void"
    arguments = ", ".join(function.typed(operand) for operand in op.operands)
    return f'call {result} @"{op.callee.root_reference.data}"({arguments})'


def _load(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvm.LoadOp)
    alignment = f", align {op.alignment.value.data}" if op.alignment is not None else ""
    return f"load {function.type_of(op.results[0])}, {function.typed(op.operands[0])}{alignment}"


def _store(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvm.StoreOp)
    value, pointer = op.operands
    alignment = f", align {op.alignment.value.data}" if op.alignment is not None else ""
    return f"store {function.typed(value)}, {function.typed(pointer)}{alignment}"


def _getelementptr(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvm.GEPOp)
    dynamic = iter(op.ssa_indices)
    indices = [
        function.typed(next(dynamic)) if index == llvm.GEP_USE_SSA_VAL else f"i64 {index}"
        for index in op.rawConstantIndices.get_values()
    ]
    inbounds = "inbounds " if op.inbounds is not None else ""
    return f"getelementptr {inbounds}{type_text(op.elem_type)}, {function.typed(op.ptr)}, {', '.join(indices)}"


def _element_pointers(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvmx.ElementPointersOp)
    return f"getelementptr {type_text(op.elem_type)}, {function.typed(op.base)}, {function.typed(op.places)}"


def _alloca(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvm.AllocaOp)
    alignment = f", align {op.alignment.value.data}" if op.alignment is not None else ""
    return f"alloca {type_text(op.elem_type)}, {function.typed(op.size)}{alignment}"


def _icmp(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvm.ICmpOp)
    predicate = llvm.ICmpPredicateFlag.from_int(op.predicate.value.data).value
    return f"icmp {predicate} {function.typed(op.lhs)}, {function.name(op.rhs)}"


def _scalar_fcmp(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvm.FCmpOp)
    predicate = llvm.FCmpPredicateFlag.from_int(op.predicate.value.data).value.strip("_")
    return f"fcmp {_fast_math_text(op)}{predicate} {function.typed(op.lhs)}, {function.name(op.rhs)}"


def _fcmp(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvmx.FCmpOp)
    return f"fcmp {_fast_math_text(op)}{op.predicate.data} {function.typed(op.lhs)}, {function.name(op.rhs)}"


def _select(function: _FunctionText, op: Operation) -> str:
    condition, lhs, rhs = op.operands
    return f"select {function.typed(condition)}, {function.typed(lhs)}, {function.typed(rhs)}"


def _splat(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvmx.SplatOp)
    vector = function.type_of(op.result)
    lanes = op.result.type.get_shape()[0]  # pyright: ignore[reportAttributeAccessIssue]
    first = f"{function.name(op.results[0])}.first"
    function._lines.append(f"  {first} = insertelement {vector} poison, {function.typed(op.scalar)}, i64 0")
    return f"shufflevector {vector} {first}, {vector} poison, <{lanes} x i32> zeroinitializer"


def _shuffle(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvm.ShuffleVectorOp)
    lanes = list(op.mask.get_values())
    mask = ", ".join("i32 poison" if lane < 0 else f"i32 {lane}" for lane in lanes)
    return f"shufflevector {function.typed(op.v1)}, {function.typed(op.v2)}, <{len(lanes)} x i32> <{mask}>"


def _extract_element(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvmx.ExtractElementOp)
    return f"extractelement {function.typed(op.vector)}, i64 {op.position.value.data}"


def _insert_element(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvmx.InsertElementOp)
    return f"insertelement {function.typed(op.vector)}, {function.typed(op.scalar)}, i64 {op.position.value.data}"


def _extract_value(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvm.ExtractValueOp)
    position = ", ".join(str(index) for index in op.position.get_values())
    return f"extractvalue {function.typed(op.operands[0])}, {position}"


def _insert_value(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvm.InsertValueOp)
    position = ", ".join(str(index) for index in op.position.get_values())
    return f"insertvalue {function.typed(op.operands[0])}, {function.typed(op.operands[1])}, {position}"


def _negate(function: _FunctionText, op: Operation) -> str:
    return f"fneg {_fast_math_text(op)}{function.typed(op.operands[0])}"


def _branch(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvm.BrOp)
    return f"br {function.label(op.successor)}{_loop(op)}"


def _conditional_branch(function: _FunctionText, op: Operation) -> str:
    assert isinstance(op, llvm.CondBrOp)
    targets = f"{function.label(op.then_block)}, {function.label(op.else_block)}"
    return f"br {function.typed(op.cond)}, {targets}{_loop(op)}"


def _loop(op: Operation) -> str:
    return ", !llvm.loop !0" if LOOP_ATTRIBUTE in op.attributes else ""


def _return(function: _FunctionText, op: Operation) -> str:
    return f"ret {function.typed(op.operands[0])}" if op.operands else "ret void"


_WRITERS: dict[type[Operation], Writer] = {
    llvm.ConstantOp: _no_line,
    llvmx.PoisonOp: _no_line,
    llvm.AddOp: _binary("add"),
    llvm.SubOp: _binary("sub"),
    llvm.MulOp: _binary("mul"),
    llvm.SDivOp: _binary("sdiv"),
    llvm.UDivOp: _binary("udiv"),
    llvm.SRemOp: _binary("srem"),
    llvm.URemOp: _binary("urem"),
    llvm.AndOp: _binary("and"),
    llvm.OrOp: _binary("or"),
    llvm.XOrOp: _binary("xor"),
    llvm.ShlOp: _binary("shl"),
    llvm.LShrOp: _binary("lshr"),
    llvm.AShrOp: _binary("ashr"),
    llvm.FAddOp: _binary("fadd"),
    llvm.FSubOp: _binary("fsub"),
    llvm.FMulOp: _binary("fmul"),
    llvm.FDivOp: _binary("fdiv"),
    llvm.FRemOp: _binary("frem"),
    llvm.FNegOp: _negate,
    llvm.TruncOp: _cast("trunc"),
    llvm.ZExtOp: _cast("zext"),
    llvm.SExtOp: _cast("sext"),
    llvm.BitcastOp: _cast("bitcast"),
    llvm.SIToFPOp: _cast("sitofp"),
    llvm.FPExtOp: _cast("fpext"),
    llvm.FPTruncOp: _cast("fptrunc"),
    llvm.PtrToIntOp: _cast("ptrtoint"),
    llvmx.UIToFPOp: _cast("uitofp"),
    llvmx.FPToSIOp: _cast("fptosi"),
    llvmx.FPToUIOp: _cast("fptoui"),
    llvm.ICmpOp: _icmp,
    llvm.FCmpOp: _scalar_fcmp,
    llvmx.FCmpOp: _fcmp,
    llvm.SelectOp: _select,
    llvmx.SelectOp: _select,
    llvmx.SplatOp: _splat,
    llvm.ShuffleVectorOp: _shuffle,
    llvmx.ExtractElementOp: _extract_element,
    llvmx.InsertElementOp: _insert_element,
    llvm.ExtractValueOp: _extract_value,
    llvm.InsertValueOp: _insert_value,
    llvm.GEPOp: _getelementptr,
    llvmx.ElementPointersOp: _element_pointers,
    llvm.AllocaOp: _alloca,
    llvm.LoadOp: _load,
    llvm.StoreOp: _store,
    llvm.CallIntrinsicOp: _call_intrinsic,
    llvm.CallOp: _call,
    llvm.BrOp: _branch,
    llvm.CondBrOp: _conditional_branch,
    llvm.ReturnOp: _return,
}
