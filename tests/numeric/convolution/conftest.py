"""Runs one convolution in the layouts and with the tiles that the compiler chooses, and compares it with NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import ml_dtypes
import numpy as np
import pytest
from lamina.context import CompilerContext
from lamina.dialects import kernel, schedule
from lamina.dialects.decision_fields import Decisions, DecisionValue
from lamina.dialects.decisions import kind_of
from lamina.dialects.layout import TensorType
from lamina.dialects.shape import Dim, parse_dimension, substitute
from lamina.machines import host_target
from lamina.passes.kernel.choose_layouts import KernelChooseLayoutsPass
from lamina.passes.schedule.choose_tiles import choose_tiles
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import FloatAttr, ModuleOp, bf16, f32, i8, i32
from xdsl.ir import Attribute, Block, Region, SSAValue

Size = int | str


@dataclass(frozen=True)
class Convolution:
    """A convolution to test: sizes may be symbols.

    ``epilogue`` lists the shapes of the operands that are added before a relu; "y" stands for the result's size.
    ``elements`` are those of x, of w and of the sums: u8 for bytes without a sign, s8 with one. Narrow w is constant.
    """

    x: Sequence[Size]
    w: Sequence[Size]
    algorithm: str = "im2col"
    strides: Sequence[int] = ()
    pads: Sequence[int] = ()
    dilations: Sequence[int] = ()
    groups: int = 1
    bias: bool = True
    epilogue: Sequence[Sequence[Size]] | None = None
    elements: tuple[str, str, str] = ("f32", "f32", "f32")

    @property
    def spatial(self) -> int:
        return len(self.x) - 2

    @property
    def is_narrow(self) -> bool:
        return self.elements[0] != "f32"

    def element_name(self, operand: int) -> str:
        return self.elements[min(operand, 2)]

    def element(self, operand: int) -> Attribute:
        return _ELEMENTS[self.element_name(operand)]

    def attributes(self) -> dict:
        n = self.spatial
        return {
            "strides": list(self.strides or [1] * n),
            "pads": list(self.pads or [0] * 2 * n),
            "dilations": list(self.dilations or [1] * n),
            "groups": self.groups,
        }

    def output_dims(self) -> list[Dim]:
        a, n = self.attributes(), self.spatial
        dims: list[Dim] = [_dim(self.x[0]), _dim(self.w[0])]
        for axis in range(n):
            size, window = self.x[axis + 2], self.w[axis + 2]
            padding = a["pads"][axis] + a["pads"][axis + n]
            text = f"({size} + {padding} - ({window} - 1) * {a['dilations'][axis]} - 1) // {a['strides'][axis]} + 1"
            dims.append(parse_dimension(text))
        return dims

    def operand_dims(self) -> list[list[Dim]]:
        shapes: list[Sequence[Size]] = [self.x, self.w]
        if self.bias:
            shapes.append([self.w[0]])
        return [[_dim(size) for size in shape] for shape in shapes]

    def epilogue_dims(self) -> list[list[Dim]]:
        return [
            [self.output_dims()[axis - len(shape)] if size == "y" else _dim(size) for axis, size in enumerate(shape)]
            for shape in self.epilogue or ()
        ]


_ELEMENTS: dict[str, Attribute] = {"f32": f32, "bf16": bf16, "u8": i8, "s8": i8, "s32": i32}


def _dim(size: Size) -> Dim:
    return parse_dimension(size) if isinstance(size, str) else size


def expected_output(case: Convolution, arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The definition in float64, one window tap at a time."""
    a, n = case.attributes(), case.spatial
    x, w, *rest = (array.astype(np.float64) for array in arrays)
    begin, end = a["pads"][:n], a["pads"][n:]
    padded = np.pad(x, [(0, 0), (0, 0), *zip(begin, end, strict=True)])
    extents = [
        (padded.shape[i + 2] - (w.shape[i + 2] - 1) * a["dilations"][i] - 1) // a["strides"][i] + 1 for i in range(n)
    ]
    groups, out_group, in_group = case.groups, w.shape[0] // case.groups, w.shape[1]
    y = np.zeros((x.shape[0], w.shape[0], *extents))
    grouped = y.reshape(x.shape[0], groups, out_group, *extents)
    for tap in itertools.product(*(range(size) for size in w.shape[2:])):
        window = tuple(
            slice(
                tap[i] * a["dilations"][i],
                tap[i] * a["dilations"][i] + (extents[i] - 1) * a["strides"][i] + 1,
                a["strides"][i],
            )
            for i in range(n)
        )
        pixels = padded[(slice(None), slice(None), *window)].reshape(x.shape[0], groups, in_group, *extents)
        weights = w[(slice(None), slice(None), *tap)].reshape(groups, out_group, in_group)
        grouped += np.einsum("gkc,ngc...->ngk...", weights, pixels)
    if case.bias:
        y += rest.pop(0).reshape(1, -1, *[1] * n)
    if case.epilogue is not None:
        for operand in rest:
            y = y + operand
        y = np.maximum(y, 0)
    return y


def _region(count: int) -> Region:
    """Adds ``count`` operands and takes the larger of that and 0."""
    block = Block(arg_types=[f32] * (count + 1))
    total: SSAValue = block.args[0]
    for operand in block.args[1:]:
        block.add_op(add := arith.AddfOp(total, operand))
        total = add.result
    zero = arith.ConstantOp(FloatAttr(0.0, f32))
    relu = arith.MaximumfOp(total, zero.result)
    block.add_ops([zero, relu, kernel.YieldOp(relu.result)])
    return Region(block)


def _conv(case: Convolution, values: Sequence[SSAValue], result: TensorType) -> kernel.ConvOp:
    count = 3 if case.bias else 2
    return kernel.ConvOp(
        values[:count],
        result,
        epilogue_ins=values[count:],
        epilogue=None if case.epilogue is None else _region(len(case.epilogue)),
        algorithm=case.algorithm,
        unsigned=[operand for operand in (0, 1) if case.elements[operand] == "u8"] or None,
        **case.attributes(),
    )


def laid_out(case: Convolution) -> kernel.ConvOp:
    """The convolution after kernel-choose-layouts."""
    shapes = case.operand_dims() + case.epilogue_dims()
    types = [TensorType.of(shape, case.element(operand)) for operand, shape in enumerate(shapes)]
    block = Block(arg_types=types)
    operands: list[SSAValue] = list(block.args)
    if case.is_narrow:
        block.add_op(weights := kernel.ConstantOp("w", types[1]))
        operands[1] = weights.result
    conv = _conv(case, operands, TensorType.of(case.output_dims(), case.element(2)))
    block.add_ops([conv, func.ReturnOp(conv.result)])
    function = func.FuncOp("main", ([argument.type for argument in block.args], [conv.result.type]), Region(block))
    module = ModuleOp([function])
    KernelChooseLayoutsPass().apply(CompilerContext(target="host"), module)
    return next(op for op in module.walk() if isinstance(op, kernel.ConvOp))


def _stage(case: Convolution, operands: Sequence[TensorType], result: TensorType) -> schedule.StageOp:
    body = Block(arg_types=list(operands))
    conv = _conv(case, body.args, result)
    body.add_ops([conv, schedule.YieldOp([conv.result])])
    outer = Block(arg_types=[*operands, result])
    stage = schedule.StageOp("conv", outer.args[:-1], outer.args[-1:], Region(body))
    outer.add_op(stage)
    return stage


def _numbers(generator: np.random.Generator, shape: Sequence[int], case: Convolution, operand: int) -> np.ndarray:
    """Of integers the whole range, a third of them at its ends."""
    element = case.element_name(operand)
    if element in ("f32", "bf16"):
        return np.asarray(generator.standard_normal(shape), np.float32 if element == "f32" else ml_dtypes.bfloat16)
    if element == "s32":
        return generator.integers(-(1 << 20), 1 << 20, shape, np.int32)
    limits = np.iinfo(np.uint8 if element == "u8" else np.int8)
    values = generator.integers(limits.min, limits.max, shape, limits.dtype, endpoint=True)
    ends = generator.choice(np.array([limits.min, limits.max], limits.dtype), shape)
    return np.where(generator.random(shape) < 1 / 3, ends, values)


def _signed(array: np.ndarray) -> np.ndarray:
    """Below the graph level types of integers have no sign."""
    return array.view(np.int8) if array.dtype == np.uint8 else array


@pytest.fixture(scope="session")
def check_convolution(run_kernel):
    """Compiles and runs a case; ``x_layout`` and ``y_layout`` replace what the compiler would choose."""

    def check(
        case: Convolution,
        symbols: dict[str, int] | None = None,
        threads: int = 1,
        decisions: dict[str, DecisionValue] | None = None,
        x_layout=None,
        y_layout=None,
    ) -> Decisions:
        symbols = symbols or {}
        conv = laid_out(case)
        types = [value.type for value in conv.operands]
        result = conv.type
        if x_layout is not None:
            types[0] = types[0].with_layout(x_layout)
        if y_layout is not None:
            result = result.with_layout(y_layout)
        stage = _stage(case, types, result)
        stage.decide(decisions or {})
        choose_tiles(stage, host_target())
        generator = np.random.default_rng(1)
        shapes = [[int(substitute(size, symbols)) for size in type_.dims] for type_ in types]
        arrays = [_numbers(generator, shape, case, operand) for operand, shape in enumerate(shapes)]
        (got,) = run_kernel(
            lambda values: _conv(case, values, result),
            [(_signed(array), type_) for array, type_ in zip(arrays, types, strict=True)],
            [result],
            symbols=symbols,
            threads=threads,
            decisions=stage.decisions,
        )
        want = expected_output(case, arrays)
        if case.elements[-1] == "s32":
            np.testing.assert_array_equal(got, want)
            return stage.decided(kind_of(stage.kernel))
        depth = np.prod(arrays[1].shape[1:])
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=2e-6 * float(depth) ** 0.5 * 4)
        return stage.decided(kind_of(stage.kernel))

    return check


@pytest.fixture(scope="session")
def convolution() -> type[Convolution]:
    return Convolution
