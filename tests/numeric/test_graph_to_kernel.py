"""Every graph operation that is compiled, run before and after its lowering to kernels and the passes on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lamina.context import CompilerContext, ConstantStore
from lamina.dialects import graph
from lamina.dialects import kernel as kernels
from lamina.dialects.graph.types import ui8
from lamina.dialects.shape import symbol
from lamina.errors import UnsupportedOperatorError
from lamina.interpreters.graph import interpret_graph
from lamina.interpreters.kernel import interpret_kernels
from lamina.lowering.graph_to_kernel import LowerGraphToKernelPass, is_compiled, obstacle_of
from lamina.passes.kernel.dead_code import KernelDeadCodePass
from lamina.passes.kernel.fold_constants import KernelFoldConstantsPass
from lamina.passes.kernel.fold_scales import KernelFoldScalesPass
from lamina.passes.kernel.fuse_epilogues import KernelFuseEpiloguesPass
from lamina.passes.kernel.fuse_maps import KernelFuseMapsPass
from lamina.passes.kernel.simplify_layouts import KernelSimplifyLayoutsPass
from lamina.passes.kernel.sink_views import KernelSinkViewsPass
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr, f16, f32, i1, i8, i32, i64
from xdsl.ir import Block, Region, SSAValue

PASSES = (
    KernelSimplifyLayoutsPass,
    KernelSinkViewsPass,
    KernelSimplifyLayoutsPass,
    KernelFoldConstantsPass,
    KernelFuseMapsPass,
    KernelFoldScalesPass,
    KernelFuseEpiloguesPass,
    KernelSimplifyLayoutsPass,
    KernelFoldConstantsPass,
    KernelDeadCodePass,
)


class Model:
    """A function under construction; ``constant`` and operators add to it."""

    def __init__(self) -> None:
        self.store = ConstantStore()
        self.block = Block()

    def argument(self, array: np.ndarray, symbolic: Sequence[int] = ()) -> SSAValue:
        dims = [symbol(f"S{axis}") if axis in symbolic else int(size) for axis, size in enumerate(array.shape)]
        type_ = graph.TensorType.of(dims, graph.TensorType.of_array(array).element_type)
        return self.block.insert_arg(type_, len(self.block.args))

    def constant(self, array: Any) -> SSAValue:
        array = np.asarray(array)
        name = self.store.add(array, "c")
        return self.add(graph.ConstantOp([], [graph.TensorType.of_array(array)], handle=name))

    def add(self, op: graph.GraphOperation) -> SSAValue:
        self.block.add_op(op)
        return op.results[0]

    def finish(self, results: Sequence[SSAValue], name: str = "segment0") -> ModuleOp:
        self.block.add_op(func.ReturnOp(*results))
        types = ([argument.type for argument in self.block.args], [result.type for result in results])
        return ModuleOp([func.FuncOp(name, types, Region(self.block))])


def check(
    build: Callable[..., Any], *arrays: np.ndarray, symbolic: Sequence[int] = (), tolerance: float = 2e-6
) -> ModuleOp:
    """Lowers what ``build(model, *arguments)`` makes, runs it at each stage, and gives the module in the end."""
    model = Model()
    results = build(model, *[model.argument(array, symbolic) for array in arrays])
    module = model.finish(results if isinstance(results, list | tuple) else [results], "main")
    module.verify()
    feeds = {str(index): array for index, array in enumerate(arrays)}
    expected = list(interpret_graph(module, feeds, model.store).values())
    compiled_function(module).sym_name = StringAttr("segment0")
    context = CompilerContext(constants=model.store, target="generic")
    for compiler_pass in (LowerGraphToKernelPass, *PASSES):
        compiler_pass().apply(context, module)
        module.verify()
        actual = interpret_kernels(compiled_function(module), arrays, context.constants)
        for have, want in zip(actual, expected, strict=True):
            assert have.shape == want.shape
            if want.dtype.kind == "f":
                np.testing.assert_allclose(have.astype(np.float64), want.astype(np.float64), tolerance, tolerance)
            else:
                np.testing.assert_array_equal(have.view(want.dtype), want)
    return module


def compiled_function(module: ModuleOp) -> func.FuncOp:
    function = module.body.block.first_op
    assert isinstance(function, func.FuncOp)
    return function


def kernels_in(module: ModuleOp) -> list[str]:
    """Names of all kernel and layout ops but constants, in order."""
    names = [op.name for op in compiled_function(module).body.block.ops]
    return [name for name in names if name not in ("kernel.constant", "func.return")]


def random(*shape: int, dtype: Any = np.float32, low: int = -3, high: int = 4) -> np.ndarray:
    generator = np.random.default_rng(sum(shape) + len(shape))
    if np.dtype(dtype) == np.bool_:
        return generator.random(shape) < 0.5
    if np.dtype(dtype).kind in "iu":
        return generator.integers(max(low, np.iinfo(dtype).min), high, shape).astype(dtype)
    return (generator.random(shape) * (high - low) + low).astype(dtype)


# --- elementwise ----------------------------------------------------------------------------------------------

FLOAT_UNARY = (
    "abs", "neg", "sign", "relu", "exp", "sqrt", "reciprocal", "erf", "tanh", "sigmoid", "sin", "cos", "tan", "floor",
    "ceil", "round", "is_nan", "log", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh",
)  # fmt: skip


def operation(name: str) -> type[graph.ElementwiseOp]:
    return next(op for op in graph.ELEMENTWISE_OPERATIONS if op.name == f"graph.{name}")


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("name", FLOAT_UNARY)
def test_unary_floats(name: str, dtype: type) -> None:
    x = random(3, 17, dtype=dtype)
    x[0, :4] = [0.0, -0.0, np.nan, np.inf]
    if name in ("log", "sqrt"):
        x = np.abs(x)
    tolerance = 2e-6 if dtype == np.float32 else 2e-3
    check(lambda m, x: m.add(operation(name)([x])), x, tolerance=tolerance)


@pytest.mark.parametrize("name", ["abs", "neg", "sign", "relu"])
@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8])
def test_unary_integers(name: str, dtype: type) -> None:
    check(lambda m, x: m.add(operation(name)([x])), random(5, 6, dtype=dtype))


ARITHMETIC = ("add", "sub", "mul", "div", "maximum", "minimum")
COMPARISONS = ("equal", "less", "less_equal", "greater", "greater_equal")


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8, np.int64])
@pytest.mark.parametrize("name", [*ARITHMETIC, *COMPARISONS])
def test_binary(name: str, dtype: type) -> None:
    a, b = random(4, 1, 5, dtype=dtype), random(3, 1, dtype=dtype)
    if name == "div":
        b[b == 0] = 2
    check(lambda m, a, b: m.add(operation(name)([a, b])), a, b)


@pytest.mark.parametrize("divisor", [-5, -1, 1, 3, 0])
def test_integer_division_never_traps(divisor: int) -> None:
    x = np.array([np.iinfo(np.int32).min, -7, 0, 7], np.int32)

    def run(dividend: np.ndarray, by: np.ndarray) -> np.ndarray:
        model = Model()
        result = model.add(graph.DivOp([model.argument(dividend), model.argument(by)]))
        module = model.finish([result])
        LowerGraphToKernelPass().apply(CompilerContext(constants=model.store), module)
        (divide,) = [op for op in module.walk() if op.name == "arith.divsi"]
        assert divide.operands[1].owner.name == "arith.select"
        return interpret_kernels(compiled_function(module), [dividend, by], model.store)[0]

    expected = {0: x, -1: -x}[divisor] if divisor in (0, -1) else np.trunc(x / divisor).astype(np.int32)
    np.testing.assert_array_equal(run(x, np.array([divisor], np.int32)), expected)


@pytest.mark.parametrize("fmod", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8])
def test_mod(fmod: bool, dtype: type) -> None:
    a, b = random(40, dtype=dtype, low=-30, high=30), random(40, dtype=dtype, low=-7, high=8)
    b[b == 0] = 3
    if dtype == np.float32:
        b[:2] = [np.inf, -np.inf]
    check(lambda m, a, b: m.add(graph.ModOp([a, b], fmod=fmod)), a, b, tolerance=1e-5)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, 5.0, -1.0, -2.0, 0.5, -0.5, 2.7])
def test_pow_by_constant(exponent: float) -> None:
    x = np.abs(random(3, 5)) + np.float32(0.1)
    module = check(lambda m, x: m.add(graph.PowOp([x, m.constant(np.float32(exponent))])), x, tolerance=1e-5)
    has_powf = any(op.name == "math.powf" for op in module.walk())
    assert has_powf == (exponent == 2.7)


def test_pow_with_integer_exponents() -> None:
    x, y = random(3, 5), random(3, 5, dtype=np.int64)
    check(lambda m, x, y: m.add(graph.PowOp([x, y])), x, y, tolerance=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
@pytest.mark.parametrize("name", ["and", "or", "xor", "shift_left", "shift_right"])
def test_bits(name: str, dtype: type) -> None:
    a, b = random(3, 5, dtype=dtype, low=-200, high=200), random(3, 5, dtype=dtype, low=0, high=40)
    check(lambda m, a, b: m.add(operation(name)([a, b])), a, b)


@pytest.mark.parametrize("name", ["and", "or", "xor"])
def test_truth_values(name: str) -> None:
    a, b = random(3, 5, dtype=bool), random(5, dtype=bool)
    check(lambda m, a, b: m.add(graph.NotOp([m.add(operation(name)([a, b]))])), a, b)


def test_where_broadcasts_three_ways() -> None:
    arrays = random(3, 1, dtype=bool), random(5), random(2, 1, 1)
    check(lambda m, c, a, b: m.add(graph.WhereOp([c, a, b])), *arrays)


DTYPES = (np.float32, np.float16, np.bool_, np.int8, np.uint8, np.int32, np.int64)


@pytest.mark.parametrize("to", [f32, f16, i1, i8, ui8, i32, i64], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_cast(dtype: type, to: Any) -> None:
    x = random(4, 7, dtype=dtype)
    if np.dtype(dtype).kind == "f" and to == ui8:
        x = np.abs(x)

    def build(m: Model, x: SSAValue) -> SSAValue:
        return m.add(graph.CastOp([x], [x.type.with_element(to)]))

    check(build, x)


def test_saturating_cast() -> None:
    x = np.array([-1e9, -200, -3.7, 0, 3.7, 300, 1e9], np.float32)
    for to in (i8, ui8, i32):
        check(lambda m, x, to=to: m.add(graph.CastOp([x], [x.type.with_element(to)], saturate=True)), x)


def test_constants_of_one_element_go_inside_the_map() -> None:
    module = check(lambda m, x: m.add(graph.MulOp([m.constant(np.full((1, 1, 1), 2, np.float32)), x])), random(3, 4))
    (op,) = [op for op in module.walk() if isinstance(op, kernels.MapOp)]
    assert len(op.ins) == 1 and not any(isinstance(op, kernels.ConstantOp) for op in module.walk())


def test_chain_with_shared_values_becomes_one_map() -> None:
    """Mish: x * tanh(log(1 + exp(x)))."""

    def build(m: Model, x: SSAValue) -> SSAValue:
        one = m.constant(np.float32(1))
        softplus = m.add(graph.LogOp([m.add(graph.AddOp([one, m.add(graph.ExpOp([x]))]))]))
        return m.add(graph.MulOp([x, m.add(graph.TanhOp([softplus]))]))

    assert kernels_in(check(build, random(2, 3, 4), symbolic=[0])) == ["kernel.map"]


def test_a_result_that_is_broadcast_is_not_computed_again() -> None:
    def build(m: Model, x: SSAValue, y: SSAValue) -> SSAValue:
        return m.add(graph.AddOp([m.add(graph.ExpOp([x])), y]))

    assert kernels_in(check(build, random(3, 1), random(3, 4))) == ["kernel.map", "kernel.map"]


# --- contractions ---------------------------------------------------------------------------------------------

CONVOLUTIONS = (
    ((2, 6, 9, 7), (8, 6, 3, 3), {"pads": (1, 1, 1, 1)}),
    ((1, 6, 9, 7), (8, 3, 3, 2), {"group": 2, "strides": (2, 1)}),
    ((1, 4, 9, 7), (4, 1, 3, 3), {"group": 4, "dilations": (2, 2), "pads": (2, 0, 1, 3)}),
    ((2, 6, 20), (8, 6, 5), {"pads": (2, 1), "strides": (3,)}),
)


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("x_shape, w_shape, fields", CONVOLUTIONS)
def test_conv(x_shape: tuple, w_shape: tuple, fields: dict, has_bias: bool) -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        operands = [x, m.constant(random(*w_shape))]
        if has_bias:
            operands.append(m.constant(random(w_shape[0])))
        return m.add(graph.ConvOp(operands, **fields))

    check(build, random(*x_shape), symbolic=[0, 2], tolerance=1e-4)


def test_conv_takes_bias_swish_and_residual() -> None:
    def build(m: Model, x: SSAValue, skip: SSAValue) -> SSAValue:
        y = m.add(graph.ConvOp([x, m.constant(random(4, 3, 1, 1))]))
        y = m.add(graph.AddOp([y, m.constant(random(1, 4, 1, 1))]))
        y = m.add(graph.MulOp([y, m.add(graph.SigmoidOp([y]))]))
        return m.add(graph.AddOp([y, skip]))

    module = check(build, random(2, 3, 5, 5), random(2, 4, 5, 5), tolerance=1e-5)
    (conv,) = [op for op in module.walk() if isinstance(op, kernels.ConvOp)]
    assert kernels_in(module) == ["kernel.conv"] and len(conv.ins) == 3 and len(conv.epilogue_ins) == 1


def test_one_dimensional_convolutions_meet_without_reshapes() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        y = m.add(graph.ConvOp([x, m.constant(random(4, 3, 3))]))
        y = m.add(graph.ReluOp([m.add(graph.AddOp([y, m.constant(random(4, 1))]))]))
        return m.add(graph.ConvOp([y, m.constant(random(2, 4, 1))]))

    module = check(build, random(2, 3, 9), symbolic=[2], tolerance=1e-5)
    assert kernels_in(module) == ["layout.reshape", "kernel.conv", "kernel.conv", "layout.reshape"]


def test_residual_of_two_convolutions_goes_to_the_later_one() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        one = m.add(graph.ConvOp([x, m.constant(random(4, 3, 1, 1))]))
        two = m.add(graph.ConvOp([x, m.constant(random(4, 3, 3, 3))], pads=(1, 1, 1, 1)))
        return m.add(graph.ReluOp([m.add(graph.AddOp([one, two]))]))

    module = check(build, random(1, 3, 6, 6), tolerance=1e-5)
    first, second = [op for op in module.walk() if isinstance(op, kernels.ConvOp)]
    assert not first.has_epilogue and list(second.epilogue_ins) == [first.result]


MATRICES = (
    ((4, 6), (6, 5), {}),
    ((6, 4), (5, 6), {"transpose_a": True, "transpose_b": True}),
    ((2, 3, 4, 6), (3, 6, 5), {}),
    ((7, 4, 6), (6, 5), {}),
)


@pytest.mark.parametrize("a_shape, b_shape, fields", MATRICES)
def test_matmul(a_shape: tuple, b_shape: tuple, fields: dict) -> None:
    arrays = random(*a_shape), random(*b_shape)
    check(lambda m, a, b: m.add(graph.MatmulOp([a, b], **fields)), *arrays, tolerance=1e-5)


def test_matmul_with_bias_and_activation() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        y = m.add(graph.MatmulOp([x, m.constant(random(6, 5))]))
        return m.add(graph.ReluOp([m.add(graph.AddOp([m.constant(random(5)), y]))]))

    module = check(build, random(2, 4, 6), symbolic=[0, 1], tolerance=1e-5)
    (gemm,) = [op for op in module.walk() if isinstance(op, kernels.GemmOp)]
    assert kernels_in(module) == ["kernel.gemm"] and len(gemm.ins) == 3 and not gemm.epilogue_ins


def test_scaled_operands_scale_the_product() -> None:
    def build(m: Model, a: SSAValue, b: SSAValue) -> SSAValue:
        scaled = m.add(graph.MulOp([a, m.constant(np.float32(0.3))]))
        divided = m.add(graph.DivOp([b, m.constant(np.float32(7))]))
        return m.add(graph.ExpOp([m.add(graph.MatmulOp([scaled, divided]))]))

    module = check(build, random(4, 6), random(6, 5), tolerance=1e-5)
    assert kernels_in(module) == ["kernel.gemm"]


def test_attention_needs_no_copies() -> None:
    """Heads are split by transposes, which the products read where they are."""

    def build(m: Model, x: SSAValue) -> SSAValue:
        batch, length, _ = x.type.dims

        def heads(y: SSAValue, permutation: tuple[int, ...]) -> SSAValue:
            split = m.add(graph.ReshapeOp([y], [y.type.with_dims([batch, length, 2, 4])]))
            return m.add(graph.TransposeOp([split], permutation=permutation))

        query, key, value = (m.add(graph.MatmulOp([x, m.constant(random(8, 8))])) for _ in range(3))
        scores = m.add(graph.MatmulOp([heads(query, (0, 2, 1, 3)), heads(key, (0, 2, 3, 1))]))
        scaled = m.add(graph.DivOp([scores, m.constant(np.float32(2))]))
        weights = m.add(graph.SoftmaxOp([scaled], axis=3))
        mixed = m.add(graph.MatmulOp([weights, heads(value, (0, 2, 1, 3))]))
        merged = m.add(graph.TransposeOp([mixed], permutation=(0, 2, 1, 3)))
        return m.add(graph.ReshapeOp([merged], [x.type]))

    module = check(build, random(2, 5, 8), symbolic=[0, 1], tolerance=1e-5)
    assert "layout.convert" not in kernels_in(module)


# --- reductions and normalisations ------------------------------------------------------------------------------


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("kind", ["sum", "mean", "max", "min", "prod"])
@pytest.mark.parametrize("axes", [(0,), (1, 2), (2, 0), ()])
def test_reduce(kind: str, axes: tuple, keepdims: bool) -> None:
    x = random(3, 4, 5)
    check(lambda m, x: m.add(graph.ReduceOp([x], kind=kind, axes=axes, keepdims=keepdims)), x, tolerance=1e-5)


def test_activation_behind_a_pooled_and_flattened_tensor_fuses() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        return m.add(graph.SigmoidOp([m.add(graph.ReduceOp([x], kind="mean", axes=(2, 3)))]))

    module = check(build, random(2, 4, 5, 5), symbolic=[2, 3])
    assert kernels_in(module) == ["kernel.reduce", "layout.reshape"]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("op", [graph.ArgMaxOp, graph.ArgMinOp])
def test_arg_reduce(op: type, last: bool) -> None:
    x = random(3, 9, dtype=np.int32)
    check(lambda m, x: m.add(op([x], axis=1, select_last=last)), x)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax(axis: int) -> None:
    check(lambda m, x: m.add(graph.SoftmaxOp([x], axis=axis)), random(3, 4, 5), symbolic=[0])


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("axis", [1, 2])
def test_layer_norm(axis: int, has_bias: bool) -> None:
    x = random(3, 4, 5)
    parameters = [random(*x.shape[axis:]) for _ in range(1 + has_bias)]

    def build(m: Model, x: SSAValue) -> SSAValue:
        return m.add(graph.LayerNormOp([x, *map(m.constant, parameters)], axis=axis, epsilon=1e-5))

    check(build, x, symbolic=[0], tolerance=1e-5)


@pytest.mark.parametrize("exclusive, reverse", [(False, False), (True, False), (False, True), (True, True)])
def test_cumsum(exclusive: bool, reverse: bool) -> None:
    x = random(3, 4, 5)
    check(lambda m, x: m.add(graph.CumsumOp([x], axis=1, exclusive=exclusive, reverse=reverse)), x)


# --- pools and resizing -----------------------------------------------------------------------------------------

POOLS = (
    ((2, 3, 8, 7), {"kernel": (3, 2), "strides": (2, 2), "pads": (1, 0, 1, 1)}),
    ((2, 3, 9), {"kernel": (3,), "pads": (1, 1)}),
)


@pytest.mark.parametrize("shape, fields", POOLS)
def test_max_pool(shape: tuple, fields: dict) -> None:
    check(lambda m, x: m.add(graph.MaxPoolOp([x], **fields)), random(*shape), symbolic=[2])


@pytest.mark.parametrize("shape, fields", POOLS)
@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize("overhang", [False, True])
def test_avg_pool(shape: tuple, fields: dict, count_include_pad: bool, overhang: bool) -> None:
    over = fields["pads"][len(fields["kernel"]) :] if overhang else (0,) * len(fields["kernel"])
    extra = {"count_include_pad": count_include_pad, "overhang": over}
    check(lambda m, x: m.add(graph.AvgPoolOp([x], **fields, **extra)), random(*shape), tolerance=1e-5)


@pytest.mark.parametrize(
    "mode, coordinates", [("nearest", "asymmetric"), ("linear", "half_pixel"), ("linear", "align_corners")]
)
@pytest.mark.parametrize("scales", [(), (1.0, 1.0, 2.0, 2.0)])
def test_resize(mode: str, coordinates: str, scales: tuple) -> None:
    x = random(1, 2, 5, 4)

    def build(m: Model, x: SSAValue) -> SSAValue:
        result = x.type.with_dims([1, 2, 10, 8])
        return m.add(graph.ResizeOp([x], [result], mode=mode, coordinates=coordinates, nearest="floor", scales=scales))

    check(build, x, tolerance=1e-5)


# --- movement -----------------------------------------------------------------------------------------------------


def test_transpose_and_reshape() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        swapped = m.add(graph.TransposeOp([x], permutation=(2, 0, 1)))
        flat = m.add(graph.ReshapeOp([swapped], [x.type.with_dims([5, 12])]))
        return m.add(graph.NegOp([flat]))

    check(build, random(3, 4, 5))


def test_residual_behind_a_transpose_joins_the_product() -> None:
    """A block of ConvNeXt: the product is in rows of channels, the residual in planes."""

    def build(m: Model, x: SSAValue) -> SSAValue:
        rows = m.add(graph.TransposeOp([x], permutation=(0, 2, 3, 1)))
        mixed = m.add(graph.MatmulOp([rows, m.constant(random(3, 3))]))
        planes = m.add(graph.TransposeOp([mixed], permutation=(0, 3, 1, 2)))
        scaled = m.add(graph.MulOp([planes, m.constant(random(3, 1, 1))]))
        return m.add(graph.AddOp([scaled, x]))

    module = check(build, random(2, 3, 4, 5), symbolic=[0, 2], tolerance=1e-5)
    assert kernels_in(module) == [
        "layout.transpose",
        "layout.transpose",
        "kernel.gemm",
        "layout.transpose",
        "layout.convert",
    ]


def test_transpose_of_unit_axes_is_a_reshape() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        swapped = m.add(graph.TransposeOp([x], permutation=(0, 2, 1, 3)))
        return m.add(graph.ReshapeOp([swapped], [x.type.with_dims([3, 5])]))

    assert kernels_in(check(build, random(3, 1, 5, 1))) == ["layout.reshape"]


def test_transposed_twice_is_not_transposed() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        there = m.add(graph.TransposeOp([x], permutation=(0, 2, 1)))
        back = m.add(graph.TransposeOp([there], permutation=(0, 2, 1)))
        return m.add(graph.ReluOp([back]))

    assert kernels_in(check(build, random(2, 3, 4))) == ["kernel.map"]


def test_slices() -> None:
    x = random(4, 6, 5)

    def part(m: Model, x: SSAValue) -> SSAValue:
        return m.add(graph.SliceOp([x], axes=(1, 2), starts=(2, 1), ends=(5, 4)))

    module = check(lambda m, x: m.add(graph.ExpOp([part(m, x)])), x, symbolic=[0], tolerance=1e-5)
    assert kernels_in(module) == ["layout.window", "kernel.map"]
    check(lambda m, x: part(m, x), x)
    check(lambda m, x: m.add(graph.SliceOp([part(m, x)], axes=(1,), starts=(1,), ends=(3,))), x)
    check(lambda m, x: m.add(graph.SliceOp([x], axes=(1,), starts=(5,), ends=(-1,), steps=(-2,))), x)


def test_concat_and_broadcast() -> None:
    def build(m: Model, x: SSAValue, y: SSAValue) -> SSAValue:
        wide = m.add(graph.BroadcastToOp([y], [y.type.with_dims([3, 2, 4])]))
        return m.add(graph.ConcatOp([x, wide, x], axis=1))

    check(build, random(3, 5, 4), random(1, 2, 1))


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
def test_pad(mode: str) -> None:
    x = random(4, 5)
    pads = (1, 0, 2, -1) if mode == "constant" else (1, 0, 2, 1)
    value = np.float32(7)
    check(lambda m, x: m.add(graph.PadOp([x, m.constant(value)], mode=mode, pads=pads)), x)


@pytest.mark.parametrize("upper", [False, True])
def test_trilu(upper: bool) -> None:
    check(lambda m, x: m.add(graph.TriluOp([x], upper=upper, diagonal=1)), random(2, 5, 4), symbolic=[1, 2])


def test_dim_values_and_iota() -> None:
    def build(m: Model, x: SSAValue) -> list[SSAValue]:
        length = x.type.dims[0]
        return [
            m.add(graph.DimValuesOp([], [graph.TensorType.of([2], i64)], dimensions=(length, 2 * length))),
            m.add(graph.IotaOp([], [graph.TensorType.of([length], f32)])),
        ]

    check(build, random(6, 2), symbolic=[0])


# --- indexing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("indices", [[[0, 2], [-1, 1]], [1, 2, 3], -1, [-3, -2]])
def test_gather(axis: int, constant: bool, indices: Any) -> None:
    x, where = random(5, 4, 3), np.array(indices, np.int64)
    if constant:
        check(lambda m, x: m.add(graph.GatherOp([x, m.constant(where)], axis=axis)), x, symbolic=[0])
    else:
        check(lambda m, x, i: m.add(graph.GatherOp([x, i], axis=axis)), x, where)


def test_gather_elements_and_positions() -> None:
    x, indices = random(5, 4), np.array([[0, -1, 2], [4, 0, 1]], np.int64)
    check(lambda m, x, i: m.add(graph.GatherElementsOp([x, i], axis=0)), x, indices)
    check(lambda m, x, i: m.add(graph.GatherNdOp([x, i])), x, indices[..., None])


@pytest.mark.parametrize("axis", [0, 2])
def test_one_hot(axis: int) -> None:
    indices = np.array([[0, -1, 2], [4, 9, 1]], np.int32)

    def build(m: Model, i: SSAValue) -> SSAValue:
        shape = list(indices.shape)
        shape.insert(axis, 5)
        operands = [i, m.constant(np.array([-1.0, 2.0], np.float32))]
        return m.add(graph.OneHotOp(operands, [graph.TensorType.of(shape, f32)], axis=axis))

    check(build, indices)


# --- recurrent ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_lstm(direction: str, constant: bool) -> None:
    steps, batch, inputs, hidden = 4, 2, 3, 5
    count = 2 if direction == "bidirectional" else 1
    weights = [random(count, 4 * hidden, inputs), random(count, 4 * hidden, hidden), random(count, 8 * hidden)]
    state = [random(count, batch, hidden), random(count, batch, hidden)]

    def build(m: Model, x: SSAValue, h: SSAValue, c: SSAValue, *given: SSAValue) -> list[SSAValue]:
        parameters = given or [m.constant(array) for array in weights]
        op = graph.LstmOp([x, *parameters, h, c], direction=direction)
        m.add(op)
        return list(op.results)

    extra = [] if constant else weights
    check(build, random(steps, batch, inputs), *state, *extra, tolerance=1e-5)


# --- what is not compiled ---------------------------------------------------------------------------------------------


def test_an_operation_without_kernel_is_named() -> None:
    model = Model()
    x = model.argument(random(3, 4))
    op = graph.NonzeroOp([x], [graph.TensorType.of([2, symbol("K")], i64)])
    module = model.finish([model.add(op)])
    assert not is_compiled(op)
    with pytest.raises(UnsupportedOperatorError, match=r"graph\.nonzero cannot be compiled"):
        LowerGraphToKernelPass().apply(CompilerContext(constants=model.store), module)


def test_short_floats_are_computed_with_in_f32() -> None:
    def build(m: Model, x: SSAValue) -> SSAValue:
        weights = m.constant(random(3, 2, 1, 1, dtype=np.float16))
        pooled = m.add(graph.ReduceOp([m.add(graph.ConvOp([x, weights]))], kind="mean", axes=(2, 3)))
        return m.add(graph.SoftmaxOp([pooled], axis=1))

    module = check(build, random(1, 2, 4, 4, dtype=np.float16), symbolic=[2], tolerance=2e-3)
    assert all(op.type.element_type == f32 for op in module.walk() if isinstance(op, kernels.ConvOp))


def test_obstacles_depend_on_types_and_fields() -> None:
    model = Model()
    double = model.argument(random(4, dtype=np.float64))
    image = model.argument(random(1, 2, 3, 3, dtype=np.float64))
    weights = model.constant(random(2, 2, 1, 1, dtype=np.float64))
    assert not is_compiled(graph.ConvOp([image, weights]))
    assert not is_compiled(graph.ErfOp([double]))
    assert is_compiled(graph.ExpOp([double]))
    assert is_compiled(graph.AddOp([double, double]))
    assert not is_compiled(graph.PadOp([double, model.argument(np.float64(0))], pads=(1, 1)))


def test_an_obstacle_says_why_and_what_to_do() -> None:
    model = Model()
    image = model.argument(random(1, 2, 3, 3, dtype=np.float64))
    obstacle = obstacle_of(graph.ConvOp([image, model.constant(random(2, 2, 1, 1, dtype=np.float64))]))
    assert obstacle is not None
    assert "float64 arithmetic" in obstacle.reason
    assert obstacle.advice == "cast the model to float32"


# --- random models ----------------------------------------------------------------------------------------------------


class RandomModel:
    """Draws operations one after another; each reads values that are there already."""

    def __init__(self, data: st.DataObject, model: Model, arguments: Sequence[SSAValue]):
        self.draw, self.model, self.values = data.draw, model, list(arguments)
        self.numbers = np.random.default_rng(0)

    def step(self) -> None:
        x = self.draw(st.sampled_from(self.values))
        steps = [self.unary, self.binary, self.transpose, self.reshape, self.slice, self.reduce, self.matmul, self.pick]
        self.values.append(self.draw(st.sampled_from(steps))(x))

    def constant(self, shape: Sequence[int]) -> SSAValue:
        return self.model.constant(self.numbers.uniform(-1, 1, shape).astype(np.float32))

    def unary(self, x: SSAValue) -> SSAValue:
        op = self.draw(st.sampled_from([graph.NegOp, graph.TanhOp, graph.SigmoidOp, graph.ReluOp]))
        return self.model.add(op([x]))

    def binary(self, x: SSAValue) -> SSAValue:
        """With another value of the same shape, or with a constant that broadcasts."""
        same = [value for value in self.values if value.type == x.type]
        other = self.draw(st.sampled_from(same))
        if self.draw(st.booleans()):
            shape = [self.draw(st.sampled_from([1, size])) for size in x.type.dims]
            other = self.constant(shape[self.draw(st.integers(0, len(shape))) :])
        return self.model.add(self.draw(st.sampled_from([graph.AddOp, graph.MulOp]))([x, other]))

    def transpose(self, x: SSAValue) -> SSAValue:
        return self.model.add(graph.TransposeOp([x], permutation=self.draw(st.permutations(range(x.type.rank)))))

    def reshape(self, x: SSAValue) -> SSAValue:
        count, shape = int(np.prod(x.type.dims)), []
        while count > 1 and len(shape) < 4:
            shape.append(self.draw(st.sampled_from([size for size in range(1, count + 1) if count % size == 0])))
            count //= shape[-1]
        return self.model.add(graph.ReshapeOp([x], [x.type.with_dims([*shape, count])]))

    def slice(self, x: SSAValue) -> SSAValue:
        axis = self.draw(st.integers(0, x.type.rank - 1))
        size = x.type.dims[axis]
        start = self.draw(st.integers(0, size - 1))
        end = self.draw(st.integers(start + 1, size))
        return self.model.add(graph.SliceOp([x], axes=(axis,), starts=(start,), ends=(end,)))

    def reduce(self, x: SSAValue) -> SSAValue:
        """Or a softmax, or a concatenation with itself."""
        axis = self.draw(st.integers(0, x.type.rank - 1))
        kind = self.draw(st.sampled_from(["reduce", "softmax", "concat"]))
        if kind == "softmax":
            return self.model.add(graph.SoftmaxOp([x], axis=axis))
        if kind == "concat" and int(np.prod(x.type.dims)) < 500:
            return self.model.add(graph.ConcatOp([x, x], axis=axis))
        return self.model.add(graph.ReduceOp([x], kind="max", axes=(axis,), keepdims=x.type.rank == 1))

    def matmul(self, x: SSAValue) -> SSAValue:
        if x.type.rank < 2:
            return self.unary(x)
        weights = self.constant([x.type.dims[-1], self.draw(st.integers(1, 4))])
        return self.model.add(graph.MatmulOp([x, weights]))

    def pick(self, x: SSAValue) -> SSAValue:
        if x.type.rank < 2:
            return self.unary(x)
        axis = self.draw(st.integers(0, x.type.rank - 1))
        index = self.model.constant(np.int64(self.draw(st.integers(0, x.type.dims[axis] - 1))))
        return self.model.add(graph.GatherOp([x, index], axis=axis))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_random_models_mean_the_same_after_each_pass(data: st.DataObject) -> None:
    arrays = [random(2, 3, 4), random(1, 4, 6)]

    def build(m: Model, *arguments: SSAValue) -> list[SSAValue]:
        drawn = RandomModel(data, m, arguments)
        for _ in range(data.draw(st.integers(3, 12))):
            drawn.step()
        return drawn.values[-2:]

    check(build, *arrays, tolerance=1e-4)
