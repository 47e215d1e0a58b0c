"""Types, fields, inference and the interpreter of the graph level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lamina.context import CompilerContext
from lamina.dialects import graph
from lamina.dialects.graph.broadcasting import BroadcastError, broadcast_shapes, broadcasts_to
from lamina.dialects.graph.types import GraphTensorType, element_type_of, f32, i1, i64, ui8
from lamina.dialects.shape import parse_dimension, print_dimension, substitute, to_python_expression
from lamina.frontend.contents import known_result
from lamina.frontend.values import objects
from lamina.interpreters.graph import GraphExecutionError, interpret_graph
from lamina.reference.elementwise import erf
from lamina.reference.operations import REFERENCE, evaluate
from lamina.runtime import expressions
from xdsl.dialects import test
from xdsl.ir import SSAValue
from xdsl.parser import Parser
from xdsl.utils.exceptions import VerifyException

N = parse_dimension("N")


def value(*dims: object, element: object = f32) -> SSAValue:
    """Some tensor of a type."""
    return test.TestOp(result_types=[GraphTensorType.of(dims, element)]).results[0]  # pyright: ignore


# --- types ------------------------------------------------------------------------------------------


def test_a_type_knows_its_shape() -> None:
    tensor = GraphTensorType.of([N, 3, parse_dimension("2 * N")], f32)
    assert (tensor.rank, tensor.is_static) == (3, False)
    assert str(tensor.element_count) == "6*N**2"
    assert tensor.with_dims([1]).dims == (1,)
    assert tensor.with_element(i64).element_type == i64
    assert tensor.same_shape(GraphTensorType.of([N, 3, parse_dimension("N + N")], i1))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bool", "int8", "int16", "int32", "int64", "uint8"])
def test_element_types_are_numpys(dtype: str) -> None:
    assert GraphTensorType.of_array(np.zeros(2, dtype)).dtype == np.dtype(dtype)


def test_a_type_without_meaning_is_refused() -> None:
    with pytest.raises(VerifyException, match="C2: a dimension cannot be negative, got -1"):
        GraphTensorType.of([-1], f32)
    with pytest.raises(KeyError):
        element_type_of(np.dtype("complex64"))


# --- fields and inference -----------------------------------------------------------------------------


def test_fields_read_as_python_values_with_defaults() -> None:
    conv = graph.ConvOp([value(N, 4, 9, 9), value(8, 2, 3, 3)], strides=[2, 2], group=2)
    assert conv.strides == (2, 2)
    assert conv.pads == (0, 0, 0, 0)
    assert conv.values == {"strides": (2, 2), "pads": (0, 0, 0, 0), "dilations": (1, 1), "group": 2}
    assert set(conv.properties) == {"strides", "group"}
    assert conv.result_types[0] == GraphTensorType.of([N, 8, 4, 4], f32)


def test_a_field_at_its_default_is_not_stored() -> None:
    conv = graph.ConvOp([value(1, 4, 9), value(8, 4, 3)], strides=[1], pads=[0, 0], group=1)
    assert not conv.properties


def test_unknown_and_missing_fields_are_refused() -> None:
    with pytest.raises(TypeError, match=r"graph\.softmax has no field 'axes'"):
        graph.SoftmaxOp([value(2)], axes=[0])
    with pytest.raises(TypeError, match=r"graph\.softmax needs the field 'axis'"):
        graph.SoftmaxOp([value(2)])


def test_with_values_keeps_the_fields() -> None:
    conv = graph.ConvOp([value(1, 4, 9), value(8, 4, 3)], strides=[2])
    moved = conv.with_values([value(5, 4, 20), value(8, 4, 3)])
    assert moved.strides == (2,)
    assert moved.result_types[0].dims == (5, 8, 9)


@pytest.mark.parametrize(
    ("start", "end", "step", "size"), [(0, 10, 3, 4), (9, -1, -1, 10), (8, 1, -3, 3), (5, 5, 1, 0), (1, N, 2, "N")]
)
def test_sizes_of_slices(start: int, end: object, step: int, size: object) -> None:
    sliced = graph.SliceOp([value(10)], axes=[0], starts=[start], ends=[end], steps=[step])
    (dimension,) = sliced.result_types[0].dims
    if size == "N":
        assert [substitute(dimension, {"N": n}) for n in (2, 3, 10)] == [len(range(1, n, 2)) for n in (2, 3, 10)]
    else:
        assert dimension == size


# --- broadcasting -----------------------------------------------------------------------------------

shapes = st.lists(st.sampled_from([1, 1, 2, 3]), max_size=4).map(tuple)


@given(shapes, shapes)
def test_static_broadcasting_is_numpys(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    try:
        expected = np.broadcast_shapes(left, right)
    except ValueError:
        with pytest.raises(BroadcastError):
            broadcast_shapes(left, right)
        return
    assert broadcast_shapes(left, right) == expected
    assert broadcasts_to(left, right) == (expected == right)


def test_a_symbol_gives_way_to_a_number_but_not_to_1() -> None:
    assert broadcast_shapes([N, 3], [1, 1]) == (N, 3)
    assert broadcast_shapes([N], [7]) == (7,)
    assert broadcasts_to([1, N], [N, N])
    assert not broadcasts_to([N], [1])


# --- symbolic contents --------------------------------------------------------------------------------

numbers = st.lists(st.integers(-20, 20), min_size=3, max_size=3).map(lambda values: np.array(values, np.int64))


@given(
    st.sampled_from(["add", "sub", "mul", "div", "maximum", "minimum", "equal", "less", "greater_equal"]),
    numbers,
    numbers,
)
def test_known_numbers_are_computed_as_the_reference_does(name: str, left: np.ndarray, right: np.ndarray) -> None:
    right = np.where(right == 0, 1, right) if name == "div" else right
    (expected,) = evaluate(name, [left, right], {})
    known = known_result(name, [objects(left), objects(right)], {}, GraphTensorType.of_array(expected))
    assert known is not None
    np.testing.assert_array_equal(known.astype(expected.dtype), expected)


# --- reference and interpreter ------------------------------------------------------------------------


def test_every_operation_has_reference_semantics() -> None:
    without = {"graph.constant", "graph.if", "graph.loop", "graph.yield"}
    names = {operation.name for operation in graph.Graph.operations} - without
    assert {name.removeprefix("graph.") for name in names} == REFERENCE.keys()


def test_erf_to_the_last_bits() -> None:
    import math

    x = np.linspace(-7, 7, 20001)
    np.testing.assert_allclose(erf(x), [math.erf(v) for v in x], rtol=1e-15, atol=1e-300)
    assert np.isnan(erf(np.array([np.nan])))[0]
    np.testing.assert_array_equal(erf(np.array([-np.inf, np.inf])), [-1, 1])


def parsed(text: str):
    return Parser(CompilerContext(), text).parse_module()


def test_the_interpreter_names_what_does_not_fit() -> None:
    module = parsed("""
      func.func @main(%x: !graph.tensor<N x 2 x f32>, %y: !graph.tensor<N x f32>) -> !graph.tensor<N x 2 x f32> {
        %0 = graph.relu %x : !graph.tensor<N x 2 x f32>
        func.return %0 : !graph.tensor<N x 2 x f32>
      }
    """)
    x = np.ones((3, 2), np.float32)
    assert interpret_graph(module, {"0": x, "1": x[:, 0]}, {})["0"].shape == (3, 2)
    with pytest.raises(GraphExecutionError, match="N is 3"):
        interpret_graph(module, {"0": x, "1": np.ones(4, np.float32)}, {})
    with pytest.raises(GraphExecutionError, match="got int64"):
        interpret_graph(module, {"0": np.ones((3, 2), np.int64), "1": x[:, 0]}, {})


def test_the_interpreter_binds_what_depends_on_data() -> None:
    module = parsed("""
      func.func @main(%x: !graph.tensor<N x f32>) -> !graph.tensor<2 x i64> {
        %0 = graph.nonzero %x : (!graph.tensor<N x f32>) -> !graph.tensor<1 x found x i64>
        %1 = graph.dim_values [found, N] : !graph.tensor<2 x i64>
        func.return %1 : !graph.tensor<2 x i64>
      }
    """)
    results = interpret_graph(module, {"0": np.array([0, 1, 0, 2, 3], np.float32)}, {})
    np.testing.assert_array_equal(results["0"], [3, 5])


def test_unsigned_types_print_as_such() -> None:
    assert str(GraphTensorType.of([1], ui8)) == "!graph.tensor<1 x ui8>"


@pytest.mark.parametrize(
    "text",
    ["(7 * N) floordiv (H * W)", "N floordiv (2 * H)", "(N + 1) floordiv (H * H)", "scaled(N + H, 11744051, 16777216)"],
)
def test_a_dimension_is_read_back(text: str) -> None:
    dimension = parse_dimension(text)
    sizes = {"N": 31, "H": 2, "W": 3}
    assert parse_dimension(print_dimension(dimension)) == dimension
    assert expressions.evaluate(to_python_expression(dimension), sizes) == substitute(dimension, sizes)
