"""The one builder of loop nests that every kernel's lowering uses.

A ``LoopNest`` builds one function, with the parameters that ``dialects/calling_convention.py`` says. Indices are
Python integers for as long as they are known (``Index``); arithmetic on known ones folds at once and makes no op.
Loops that run once make no loop. A register tile is one n-D vector.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from xdsl.dialects import arith, func, math, memref, scf, vector
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AffineMapAttr,
    ArrayAttr,
    BoolAttr,
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    FloatAttr,
    IndexType,
    IntegerType,
    MemRefType,
    Signedness,
    UnitAttr,
    UnrealizedConversionCastOp,
    VectorType,
    f32,
    i1,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.ir.affine import AffineMap

from ...dialects import vector_extension as vectorx
from ...dialects.calling_convention import KERNEL_ATTRIBUTE, Signature
from ...dialects.contraction import ContractOp
from ...dialects.index_arithmetic import INDEX, Index, IndexArithmetic
from ...dialects.layout import TensorType
from ...dialects.parallel import THREAD_SPACE, FirstTurnOp, ForallOp, InParallelOp, OwnPartOp
from ...dialects.prefetch import PrefetchOp
from ...dialects.shape import Dim, broadcast_function, scaled_function
from ...dialects.shared_attributes import integer, integers, strided_view, vector_type
from ...dialects.storage import element_bytes
from ...machines.atoms import GENERAL_ATOM

if TYPE_CHECKING:
    import sympy


@dataclass
class Loop:
    """A loop under construction: its index and the values it carries; ``yield_`` says what the next turn carries."""

    index: Index
    carried: list[SSAValue]
    results: list[SSAValue] = field(default_factory=list)
    yielded: list[SSAValue] | None = None

    def yield_(self, *values: SSAValue) -> None:
        self.yielded = list(values)


@dataclass(frozen=True)
class Tensor:
    """A kernel's operand in memory: its type, the flat memref, and the element where its window begins."""

    type: TensorType
    memory: SSAValue
    origin: Index
    strides: tuple[Index, ...]
    """Elements between neighbours along each physical dimension of the layout."""

    @property
    def dims(self) -> tuple[Dim, ...]:
        return self.type.dims

    @property
    def element_type(self) -> Attribute:
        return self.type.element_type


class LoopNest(IndexArithmetic):
    """Builds the function of one kernel, op by op, at the current place in the current block."""

    def __init__(self, signature: Signature):
        """Begins the function with the parameters that its signature says."""
        inputs = signature.parameter_types()
        self._entry = Block(arg_types=inputs)
        self.block = self._entry
        self.function = func.FuncOp(signature.function, (inputs, []), Region(self._entry))
        self.function.attributes[KERNEL_ATTRIBUTE] = signature.attribute()
        arguments, thread, threads = signature.split(self._entry.args)
        self.symbols: dict[str, SSAValue] = dict(zip(signature.sizes, arguments.sizes, strict=True))
        for symbol, argument in self.symbols.items():
            argument.name_hint = symbol
        thread.name_hint, threads.name_hint = "thread", "threads"
        self.threads = threads
        self._scratch_bytes = signature.scratch
        self._scratch, self._report = arguments.scratch, arguments.report
        self._constants: dict[tuple[object, Attribute], SSAValue] = {}
        self._last_hoisted: Operation | None = None
        self._own_scratch: SSAValue | None = None
        self._dims: dict[sympy.Expr, SSAValue] = {}
        self.operands = [
            self._tensor(type_, memory) for type_, memory in zip(signature.operands, arguments.memory, strict=True)
        ]

    def finish(self) -> func.FuncOp:
        self.insert(func.ReturnOp())
        return self.function

    def _tensor(self, type_: TensorType, memory: SSAValue) -> Tensor:
        strides = tuple(self.dim(stride) for stride in type_.layout.physical_strides(type_.dims))
        return Tensor(type_, memory, self.dim(type_.layout.origin(type_.dims)), strides)

    def insert(self, op: Operation) -> SSAValue:
        """Adds an op at the current place; gives its first result (the op's own if it has none)."""
        self.block.add_op(op)
        return op.results[0] if op.results else op  # pyright: ignore[reportReturnType]

    # --- constants and indices ----------------------------------------------------------------------

    def constant(self, value: float | int | bool, type_: Attribute = INDEX) -> SSAValue:
        """A constant of a scalar or vector type, made once at the top of the function."""
        key = (repr(value), type_)
        if key in self._constants:
            return self._constants[key]
        element = type_.element_type if isinstance(type_, VectorType) else type_
        if isinstance(element, IntegerType) and element.signedness.data == Signedness.UNSIGNED:
            # Constants of arith have no sign to tell of.
            plain = IntegerType(element.width.data)
            same = self.constant(
                value, vector_type(plain, type_.get_shape()) if isinstance(type_, VectorType) else plain
            )
            cast = UnrealizedConversionCastOp.get([same], [type_])
            self._insert_at_top(cast)
            self._constants[key] = cast.results[0]
            return self._constants[key]
        number = int(value) if isinstance(element, IntegerType | IndexType) else float(value)
        if isinstance(type_, VectorType):
            attribute: Attribute = DenseIntOrFPElementsAttr.from_list(type_, [number])  # pyright: ignore[reportArgumentType, reportCallIssue]
        elif isinstance(number, int):
            attribute = integer(number, element)
        else:
            attribute = FloatAttr(number, element)  # pyright: ignore[reportCallIssue, reportArgumentType]
        op = arith.ConstantOp.create(properties={"value": attribute}, result_types=[type_])
        self._insert_at_top(op)
        self._constants[key] = op.result
        return op.result

    def index_constant(self, value: int) -> SSAValue:
        return self.constant(value)

    def _insert_at_top(self, op: Operation) -> None:
        """After the constants and dimensions that the function already begins with."""
        if self._last_hoisted is not None:
            self._entry.insert_op_after(op, self._last_hoisted)
        elif self._entry.first_op is not None:
            self._entry.insert_op_before(op, self._entry.first_op)
        else:
            self._entry.add_op(op)
        self._last_hoisted = op

    @staticmethod
    def vector_type(element: Attribute, shape: Sequence[int]) -> VectorType:
        return vector_type(element, shape)

    def dim(self, dimension: Dim) -> Index:
        """A dimension as an index, computed from the function's symbols, once, at the top of the function."""
        if isinstance(dimension, int):
            return dimension
        if dimension not in self._dims:
            # Computed in a loose block, whose ops then go to the top of the function, before any loop.
            here, self.block = self.block, Block()
            self._dims[dimension] = self.value(self._evaluate(dimension))
            self._hoist(self.block)
            self.block = here
        return self._dims[dimension]

    def _hoist(self, loose: Block) -> None:
        for op in list(loose.ops):
            op.detach()
            self._insert_at_top(op)

    def _evaluate(self, expression: Any) -> Index:
        if isinstance(expression, int) or expression.is_Integer:
            return int(expression)
        import sympy

        match expression:
            case sympy.Symbol():
                return self.symbols[expression.name]
            case sympy.Add() | sympy.Mul():
                combine = self.add if isinstance(expression, sympy.Add) else self.mul
                total = self._evaluate(expression.args[0])
                for argument in expression.args[1:]:
                    total = combine(total, self._evaluate(argument))
                return total
            case sympy.Pow():
                total = base = self._evaluate(expression.base)
                for _ in range(int(expression.exp) - 1):
                    total = self.mul(total, base)
                return total
            case sympy.Max() | sympy.Min():
                combine = self.maximum if isinstance(expression, sympy.Max) else self.minimum
                total = self._evaluate(expression.args[0])  # pyright: ignore[reportArgumentType]
                for argument in expression.args[1:]:
                    total = combine(total, self._evaluate(argument))  # pyright: ignore[reportArgumentType]
                return total
        if isinstance(expression, broadcast_function()):
            # The largest of sizes that are equal or 1, but for one of 0.
            return self._evaluate(sympy.Max(*expression.args) * sympy.Min(1, *expression.args))
        if isinstance(expression, scaled_function()):
            return self._scaled(*expression.args)
        if isinstance(expression, sympy.floor):
            numerator, denominator = sympy.fraction(sympy.together(expression.args[0]))
            # Shapes are never negative, but a numerator such as H - 5 can be: divide rounding down. Machines stop at
            # a division by 0, which the runtime refuses where a size depends on it.
            divisor = self.maximum(self._evaluate(denominator), 1)
            return self._binary(arith.FloorDivSIOp, self._evaluate(sympy.expand(numerator)), divisor)
        raise ValueError(f"no code for the dimension {expression}")

    def _scaled(self, size: Any, numerator: Any, denominator: Any) -> Index:
        """A size times a fraction, in f32, rounded down."""
        whole = self.insert(arith.IndexCastOp(self.value(self._evaluate(size)), i64))
        factor = self.constant(int(numerator) / int(denominator), f32)
        product = self.insert(arith.MulfOp(self.insert(arith.SIToFPOp(whole, f32)), factor))
        rounded = self.insert(arith.FPToSIOp(self.insert(math.FloorOp(product)), i64))
        return self.insert(arith.IndexCastOp(rounded, INDEX))

    # --- control flow ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def loop(
        self, lower: Index, upper: Index, step: int = 1, carried: Sequence[SSAValue] = (), unroll: int = 1
    ) -> Iterator[Loop]:
        """``with nest.loop(0, n, carried=[acc]) as loop``: results in ``loop.results`` afterwards."""
        if isinstance(lower, int) and isinstance(upper, int) and lower >= upper:
            # Built and dropped: a loop that never runs.
            outer, self.block = self.block, Block()
            loop = Loop(lower, list(carried))
            yield loop
            self.block = outer
            loop.results = list(carried)
            return
        if isinstance(lower, int) and isinstance(upper, int) and upper <= lower + step:
            loop = Loop(lower, list(carried))
            yield loop
            loop.results = loop.yielded or []
            return
        body = Block(arg_types=[INDEX, *[value.type for value in carried]])
        loop = Loop(body.args[0], list(body.args[1:]))
        bounds = self.values([lower, upper, step])
        outer, self.block = self.block, body
        yield loop
        self.insert(scf.YieldOp.create(operands=loop.yielded or []))
        self.block = outer
        types = [value.type for value in carried]
        op = scf.ForOp.create(operands=[*bounds, *carried], result_types=types, regions=[Region(body)])
        if unroll > 1:
            op.attributes["lamina.unroll"] = integer(unroll, INDEX)
        self.insert(op)
        loop.results = list(op.results)

    @contextlib.contextmanager
    def while_(self, carried: Sequence[SSAValue], goes_on: Callable[[list[SSAValue]], SSAValue]) -> Iterator[Loop]:
        """A loop for as long as ``goes_on`` holds of what it carries; results in ``loop.results`` afterwards."""
        types = [value.type for value in carried]
        before, body = Block(arg_types=types), Block(arg_types=types)
        outer, self.block = self.block, before
        self.insert(scf.ConditionOp(goes_on(list(before.args)), *before.args))
        self.block = body
        loop = Loop(0, list(body.args))
        yield loop
        self.insert(scf.YieldOp.create(operands=loop.yielded or []))
        self.block = outer
        op = scf.WhileOp(list(carried), types, Region(before), Region(body))
        self.insert(op)
        loop.results = list(op.results)

    @contextlib.contextmanager
    def loops(self, bounds: Sequence[Index]) -> Iterator[list[Index]]:
        """Nested loops from 0 to each bound; gives all indices."""
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(self.loop(0, bound)).index for bound in bounds]

    @contextlib.contextmanager
    def when(self, condition: SSAValue) -> Iterator[None]:
        """Runs its body only where the condition holds."""
        body = Block()
        outer, self.block = self.block, body
        yield
        self.insert(scf.YieldOp())
        self.block = outer
        self.insert(scf.IfOp(condition, [], Region(body)))

    def choose(self, condition: SSAValue, then: Callable[[], SSAValue], otherwise: Callable[[], SSAValue]) -> SSAValue:
        """One of two values; only the chosen one is computed."""
        outer = self.block
        regions: list[Region] = []
        result_type: Attribute | None = None
        for make in (then, otherwise):
            self.block = Block()
            value = make()
            result_type = value.type
            self.insert(scf.YieldOp(value))
            regions.append(Region(self.block))
        self.block = outer
        return self.insert(scf.IfOp(condition, [result_type], *regions))  # pyright: ignore[reportArgumentType]

    @contextlib.contextmanager
    def forall(self, bounds: Sequence[Index]) -> Iterator[list[Index]]:
        """Turns of a loop nest that threads share among them, from 0 to each bound; gives the indices."""
        # A loop of one turn has no index; the last stays, since one thread alone must take a single turn.
        kept = [place for place, bound in enumerate(bounds) if bound != 1] or [len(bounds) - 1]
        body = Block(arg_types=[INDEX] * len(kept))
        indices: list[Index] = [0] * len(bounds)
        for place, argument in zip(kept, body.args, strict=True):
            indices[place] = argument
        outer, self.block = self.block, body
        yield indices
        self.insert(InParallelOp.create())
        self.block = outer
        self.insert(ForallOp([bounds[place] for place in kept], Region(body)))

    def is_new(self, innermost: Index) -> SSAValue:
        """Whether the outer indices of the forall around here, whose last is ``innermost``, are new to this thread."""
        return self.insert(arith.OrIOp(self.insert(FirstTurnOp()), self.compare("eq", innermost, 0)))

    # --- memory --------------------------------------------------------------------------------------------

    def view(self, memory: SSAValue, offset: Index, sizes: Sequence[Index], strides: Sequence[Index]) -> SSAValue:
        """A strided memref over flat memory; sizes and strides in elements."""
        element = memory.type.element_type  # pyright: ignore[reportAttributeAccessIssue]
        space = memory.type.memory_space  # pyright: ignore[reportAttributeAccessIssue]
        type_, properties = strided_view(element, space, *_known([offset]), _known(sizes), _known(strides))
        operands = [memory, *(index for index in (offset, *sizes, *strides) if not isinstance(index, int))]
        return self.insert(
            memref.ReinterpretCastOp.create(operands=operands, result_types=[type_], properties=properties)
        )

    def prefetch(self, memory: SSAValue, *place: Index) -> None:
        """Brings the cache line of an element nearer; there may be no such element."""
        self.insert(PrefetchOp(memory, self.values(place)))

    def typed(self, tensor: Tensor, element: Attribute) -> Tensor:
        """A tensor of bytes as one of other elements of a byte."""
        size = self.dim(tensor.type.layout.element_count(tensor.dims))
        type_ = MemRefType(element, [DYNAMIC_INDEX])
        memory = self.insert(memref.ViewOp(tensor.memory, self.value(0), [self.value(size)], type_))
        return replace(tensor, type=tensor.type.with_element(element), memory=memory)

    def physical_view(self, tensor: Tensor) -> SSAValue:
        """A memref with one dimension for each physical dimension of the tensor's layout."""
        type_ = tensor.type
        sizes = [self.dim(size) for size in type_.layout.without_margins().physical_shape(type_.dims)]
        return self.view(tensor.memory, tensor.origin, sizes, tensor.strides)

    def scratch_memory(self, element: Attribute, byte_offset: Index, size: Index) -> SSAValue:
        """A flat memref of ``size`` elements in this thread's private scratch memory.

        Raises ValueError where the stage has less than that.
        """
        assert self._scratch is not None and self._scratch_bytes is not None, "the kernel asked for no scratch memory"
        if isinstance(byte_offset, int) and isinstance(size, int) and isinstance(self._scratch_bytes, int):
            end = byte_offset + size * (8 if element == INDEX else element_bytes(element))
            if end > self._scratch_bytes:
                raise ValueError(f"the decisions take {end} bytes of scratch, the stage has {self._scratch_bytes}")
        if self._own_scratch is None:
            size_of_own = self.value(self.dim(self._scratch_bytes))
            own = OwnPartOp(self._scratch, size_of_own)
            self._insert_at_top(own)
            self._own_scratch = own.result
        type_ = MemRefType(element, [DYNAMIC_INDEX], memory_space=THREAD_SPACE)
        return self.insert(memref.ViewOp(self._own_scratch, self.value(byte_offset), [self.value(size)], type_))

    def scratch_array(self, element: Attribute, byte_offset: Index, sizes: Sequence[Index]) -> SSAValue:
        """A row-major memref in this thread's private scratch memory."""
        strides: list[Index] = [1]
        for size in reversed(sizes):
            strides.append(self.mul(strides[-1], size))
        memory = self.scratch_memory(element, byte_offset, strides[-1])
        return self.view(memory, 0, sizes, list(reversed(strides[:-1])))

    def report_index(self, index: Index, size: Index) -> None:
        """Tells that a computed index is out of range for an axis of that size; see runtime/violations.py."""
        assert self._report is not None, "the kernel asked for no words to report in"
        for place, word in enumerate((self.add(size, 1), index)):
            self.store(self.insert(arith.IndexCastOp(self.value(word), i64)), self._report, [place])

    def reach_scratch_through(self, memory: SSAValue) -> None:
        """Says that scratch memory is also read at offsets from this operand, so that they count as one memory."""
        shared = (memory, self._scratch)
        plain, may_alias = DictionaryAttr({}), DictionaryAttr({"lamina.may_alias": UnitAttr()})
        attributes = [may_alias if argument in shared else plain for argument in self._entry.args]
        self.function.arg_attrs = ArrayAttr(attributes)

    def load(self, memory: SSAValue, indices: Sequence[Index]) -> SSAValue:
        return self.insert(memref.LoadOp.get(memory, self.values(indices)))

    def store(self, value: SSAValue, memory: SSAValue, indices: Sequence[Index]) -> None:
        self.insert(memref.StoreOp.get(value, memory, self.values(indices)))

    def load_vector(
        self, memory: SSAValue, indices: Sequence[Index], shape: Sequence[int], mask: SSAValue | None = None
    ) -> SSAValue:
        """An n-D vector from the trailing dimensions of a memref; lanes that the mask leaves out are zero."""
        type_ = vector_type(memory.type.element_type, shape)  # pyright: ignore[reportAttributeAccessIssue]
        if mask is None:
            return self.insert(vector.LoadOp.create(operands=[memory, *self.values(indices)], result_types=[type_]))
        if len(shape) > 1:
            return self.transfer_read(memory, indices, shape, mask)
        return self.insert(vector.MaskedLoadOp(memory, self.values(indices), mask, self.constant(0, type_), type_))

    def transfer_read(
        self, memory: SSAValue, indices: Sequence[Index], shape: Sequence[int], mask: SSAValue | None = None
    ) -> SSAValue:
        """As ``load_vector``, from a memref of any strides."""
        element = memory.type.element_type  # pyright: ignore[reportAttributeAccessIssue]
        bounds, permutation = _transfer_properties(len(indices), len(shape))
        zero = self.constant(0, element)
        type_ = vector_type(element, shape)
        return self.insert(vector.TransferReadOp(memory, self.values(indices), zero, type_, bounds, permutation, mask))

    def part(self, value: SSAValue, *position: int) -> SSAValue:
        """What lies at a position along the leading axes of an n-D vector."""
        have = value.type
        assert isinstance(have, VectorType)
        type_ = vector_type(have.element_type, have.get_shape()[len(position) :])
        properties = {"static_position": integers(*position)}
        return self.insert(vector.ExtractOp.create(operands=[value], result_types=[type_], properties=properties))

    def with_part(self, value: SSAValue, part: SSAValue, *position: int) -> SSAValue:
        """The vector with another part at that position."""
        properties = {"static_position": integers(*position)}
        return self.insert(
            vector.InsertOp.create(operands=[part, value], result_types=[value.type], properties=properties)
        )

    def store_vector(
        self, value: SSAValue, memory: SSAValue, indices: Sequence[Index], mask: SSAValue | None = None
    ) -> None:
        if mask is None:
            self.insert(vector.StoreOp.create(operands=[value, memory, *self.values(indices)]))
            return
        rank = value.type.get_num_dims()  # pyright: ignore[reportAttributeAccessIssue]
        if rank == 1:
            self.insert(vector.MaskedStoreOp(memory, self.values(indices), mask, value))
            return
        bounds, permutation = _transfer_properties(len(indices), rank)
        self.insert(
            vector.TransferWriteOp(value, memory, self.values(indices), bounds, mask, permutation_map=permutation)
        )

    def mask(self, shape: Sequence[int], counts: Sequence[Index]) -> SSAValue:
        """Lanes below ``counts`` along each axis of a vector of that shape."""
        return self.insert(
            vector.CreateMaskOp.create(operands=self.values(counts), result_types=[vector_type(i1, shape)])
        )

    def broadcast(self, value: SSAValue, shape: Sequence[int]) -> SSAValue:
        """A scalar, or a vector whose axes are trailing or of length 1, repeated to an n-D vector."""
        have = value.type
        element = have.element_type if isinstance(have, VectorType) else have
        if isinstance(have, VectorType) and tuple(have.get_shape()) == tuple(shape):
            return value
        return self.insert(vector.BroadcastOp.create(operands=[value], result_types=[vector_type(element, shape)]))

    def contract(self, column: SSAValue, row: SSAValue, sums: SSAValue, atom: str = GENERAL_ATOM) -> SSAValue:
        """The sums plus the products of a column [rows, 1] and a row [1, columns ...], as many as the atom takes."""
        return self.insert(ContractOp(column, row, sums, atom))

    def dot(self, left: SSAValue, right: SSAValue, sums: SSAValue, atom: str) -> SSAValue:
        """The sums plus the products of what words hold, lane by lane."""
        return self.insert(vectorx.DotOp(atom, left, right, sums))

    def fma(self, left: SSAValue, right: SSAValue, addend: SSAValue) -> SSAValue:
        """left * right + addend: of floats in one rounding."""
        if isinstance(addend.type.element_type, IntegerType):  # pyright: ignore[reportAttributeAccessIssue]
            return self.insert(arith.AddiOp(self.insert(arith.MuliOp(left, right)), addend))
        return self.insert(vector.FMAOp.create(operands=[left, right, addend], result_types=[addend.type]))

    def call_region(self, region: Region, arguments: Sequence[SSAValue]) -> SSAValue:
        """Copies the scalar ops of a kernel's region here, on vectors of the arguments' shape; gives what it yields."""
        shape = next((tuple(a.type.get_shape()) for a in arguments if isinstance(a.type, VectorType)), None)
        values: dict[SSAValue, SSAValue] = dict(zip(region.block.args, arguments, strict=True))
        for op in region.block.ops:
            operands = [values[operand] for operand in op.operands]
            if op.name == "kernel.yield":
                return operands[0]
            if isinstance(op, arith.ConstantOp):
                values[op.result] = self._scalar_or_splat(op, shape)
                continue
            if isinstance(op, _DIVISIONS) and not isinstance(op.operands[1].owner, arith.ConstantOp):
                operands[1] = self._nonzero(operands[1])
            if shape is not None and type(op) in _VECTOR_OPS:
                values[op.results[0]] = self.insert(_VECTOR_OPS[type(op)](operands, op))
                continue
            results = [result.type if shape is None else vector_type(result.type, shape) for result in op.results]
            kind = type(op) if shape is None else vectorx.VECTOR_CASTS.get(type(op), type(op))
            copy = kind.create(
                operands=operands, result_types=results, properties=op.properties, attributes=op.attributes
            )
            self.block.add_op(copy)
            values.update(zip(op.results, copy.results, strict=True))
        raise ValueError("the region does not end in kernel.yield")

    def _nonzero(self, divisor: SSAValue) -> SSAValue:
        """1 in place of 0, which stops the machine: lanes that no one will see can hold it."""
        zero, one = self.constant(0, divisor.type), self.constant(1, divisor.type)
        if isinstance(divisor.type, VectorType):
            is_zero = self.insert(vectorx.CmpiOp(divisor, zero, "eq"))  # pyright: ignore[reportCallIssue]
            return self.insert(vectorx.SelectOp(is_zero, one, divisor))
        return self.insert(arith.SelectOp(self.insert(arith.CmpiOp(divisor, zero, "eq")), one, divisor))

    def _scalar_or_splat(self, op: arith.ConstantOp, shape: Sequence[int] | None) -> SSAValue:
        number = op.value.value.data  # pyright: ignore[reportAttributeAccessIssue]
        type_ = op.result.type
        return self.constant(number, type_ if shape is None else vector_type(type_, shape))


def _known(indices: Sequence[Index]) -> tuple[int | None, ...]:
    """None for an index that is known at run time only."""
    return tuple(index if isinstance(index, int) else None for index in indices)


def _transfer_properties(memory_rank: int, rank: int) -> tuple[ArrayAttr[BoolAttr], AffineMapAttr]:
    """What a transfer of the trailing dimensions of a memref says: all in bounds, in order."""
    return ArrayAttr([BoolAttr.from_bool(True)] * rank), AffineMapAttr(AffineMap.minor_identity(memory_rank, rank))


_DIVISIONS = (
    arith.DivSIOp,
    arith.DivUIOp,
    arith.RemSIOp,
    arith.RemUIOp,
    arith.FloorDivSIOp,
    arith.CeilDivSIOp,
    arith.CeilDivUIOp,
)


def _vector_comparison(
    kind: type[vectorx.CmpfOp | vectorx.CmpiOp],
    operands: list[SSAValue],
    op: Operation,  # pyright: ignore
) -> Operation:  # pyright: ignore
    predicate = op.properties["predicate"]
    result = vector_type(i1, operands[0].type.get_shape())  # pyright: ignore[reportAttributeAccessIssue]
    return kind.create(operands=operands, properties={"predicate": predicate}, result_types=[result])


# Ops that take or give an i1, which xDSL's arith dialect allows on scalars only.
_VECTOR_OPS: dict[type[Operation], Callable[[list[SSAValue], Operation], Operation]] = {
    arith.SelectOp: lambda operands, _: vectorx.SelectOp(*operands),
    arith.CmpfOp: functools.partial(_vector_comparison, vectorx.CmpfOp),
    arith.CmpiOp: functools.partial(_vector_comparison, vectorx.CmpiOp),
}
