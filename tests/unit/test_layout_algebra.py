"""The algebra of layouts: notation, addresses and packing agree with one another and with NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lamina.dialects import shape as dims
from lamina.dialects.layout import TensorType, transposed_type, window_type
from lamina.dialects.layout_algebra import Layout, parse_order, print_order
from xdsl.dialects.builtin import f32


@st.composite
def orders(draw: st.DrawFn, rank: int) -> str:
    """Any order of axes, some of them in blocks whose inside lies further in."""
    pieces: list[str] = []
    for axis in range(rank):
        letter, block = chr(97 + axis), draw(st.sampled_from([0, 0, 2, 3, 4]))
        pieces += [letter.upper(), f"{block}{letter}"] if block else [letter]
    shuffled = list(draw(st.permutations(pieces)))
    for inside in [piece for piece in pieces if len(piece) > 1]:
        here, outside = shuffled.index(inside), shuffled.index(inside[1].upper())
        if outside > here:
            shuffled[here], shuffled[outside] = shuffled[outside], shuffled[here]
    return "".join(shuffled)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[Layout, tuple[int, ...]]:
    """A layout with margins that cut no block, and a shape for it."""
    rank = draw(st.integers(1, 4))
    layout = Layout(draw(orders(rank)))
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=rank, max_size=rank)))
    lower, upper = [], []
    for axis in range(rank):
        lower.append(draw(st.integers(0, 2)) * (layout.block_of(axis) or 1))
        upper.append(draw(st.integers(0, 3)))
    return layout.with_margins(lower, upper, halo=draw(st.booleans())), shape


def numbered(shape: tuple[int, ...]) -> np.ndarray:
    """An array whose elements are all different, none of them zero."""
    return np.arange(1, int(np.prod(shape)) + 1, dtype=np.int64).reshape(shape)


def address(layout: Layout, shape: tuple[int, ...], index: tuple[int, ...]) -> int:
    """Where an element lies, from the origin and the physical strides."""
    place = int(layout.origin(shape))
    for piece, stride in zip(layout.pieces, layout.physical_strides(shape), strict=True):
        position = index[piece.axis]
        if piece.block:
            position = position // piece.block if piece.is_outer else position % piece.block
        place += position * int(stride)
    return place


@settings(max_examples=200, deadline=None)
@given(layouts())
def test_unpack_inverts_pack(case: tuple[Layout, tuple[int, ...]]) -> None:
    layout, shape = case
    array = numbered(shape)
    memory = layout.pack(array)
    assert memory.shape == layout.physical_shape(shape)
    assert memory.size == layout.element_count(shape)
    np.testing.assert_array_equal(layout.unpack(memory, shape), array)


@settings(max_examples=200, deadline=None)
@given(layouts())
def test_origin_and_strides_find_every_element_in_packed_memory(case: tuple[Layout, tuple[int, ...]]) -> None:
    layout, shape = case
    array = numbered(shape)
    memory = layout.pack(array).reshape(-1)
    for index in itertools.product(*map(range, shape)):
        assert memory[address(layout, shape, index)] == array[index]


@settings(max_examples=100, deadline=None)
@given(layouts())
def test_padding_and_margins_are_zero(case: tuple[Layout, tuple[int, ...]]) -> None:
    layout, shape = case
    memory = layout.pack(numbered(shape))
    assert np.count_nonzero(memory) == np.prod(shape)


@settings(max_examples=100, deadline=None)
@given(layouts(), st.randoms(use_true_random=False))
def test_a_permuted_layout_is_the_same_memory(case: tuple[Layout, tuple[int, ...]], random) -> None:
    layout, shape = case
    permutation = list(range(len(shape)))
    random.shuffle(permutation)
    array = numbered(shape)
    memory = layout.pack(array)
    permuted_shape = tuple(shape[axis] for axis in permutation)
    permuted = layout.permuted(permutation)
    np.testing.assert_array_equal(permuted.unpack(memory, permuted_shape), array.transpose(permutation))
    inverse = [permutation.index(axis) for axis in range(len(shape))]
    assert permuted.permuted(inverse) == layout


@settings(max_examples=100, deadline=None)
@given(layouts())
def test_symbolic_sizes_agree_with_numbers(case: tuple[Layout, tuple[int, ...]]) -> None:
    layout, shape = case
    symbols = [dims.symbol(f"S{axis}") for axis in range(len(shape))]
    bindings = {f"S{axis}": size for axis, size in enumerate(shape)}

    def bound(values: tuple[dims.Dim, ...]) -> tuple[int, ...]:
        return tuple(int(dims.substitute(value, bindings)) for value in values)

    assert bound(layout.physical_shape(symbols)) == layout.physical_shape(shape)
    assert bound(layout.physical_strides(symbols)) == layout.physical_strides(shape)
    assert bound((layout.origin(symbols), layout.element_count(symbols))) == (
        layout.origin(shape),
        layout.element_count(shape),
    )


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5).flatmap(orders))
def test_order_is_read_back(order: str) -> None:
    assert parse_order(print_order(order)) == order


@pytest.mark.parametrize(
    ("order", "text"),
    [("abcd", "NCHW"), ("acdb", "NHWC"), ("aBcd16b", "NCHW16c"), ("aBcd8b", "NCHW8c"), ("ABcd16b32a", "ABcd16b32a")],
)
def test_names_of_orders(order: str, text: str) -> None:
    assert print_order(order) == text
    assert parse_order(text) == order


@pytest.mark.parametrize("order", ["ac", "aa", "Ab", "a2a", "A2b3ab"])
def test_orders_that_make_no_sense(order: str) -> None:
    with pytest.raises(ValueError, match="layout"):
        Layout(order)


def test_a_margin_must_not_cut_a_block() -> None:
    layout = Layout("aB4b").with_margins((0, 2), (0, 0))
    with pytest.raises(ValueError, match="cuts a block of 4"):
        layout.origin((3, 8))


def test_row_major_and_channel_blocks() -> None:
    assert Layout.row_major(3).is_row_major
    assert not Layout.row_major(3).with_margins((1, 0, 0), (0, 0, 0)).is_row_major
    assert Layout.channel_blocked(4, 16).order == "aBcd16b"
    assert Layout.channel_blocked(4, 16).block_of(1) == 16
    assert Layout("ba").axis_strides((3, 5)) == (1, 3)
    assert Layout("aB4b").axis_strides((3, 8)) is None


@st.composite
def whole_axes(draw: st.DrawFn) -> tuple[Layout, tuple[int, ...]]:
    """A layout without blocks, with margins, and a shape with many equal factors and axes of length 1."""
    rank = draw(st.integers(1, 4))
    order = "".join(draw(st.permutations([chr(97 + axis) for axis in range(rank)])))
    shape = tuple(draw(st.lists(st.sampled_from([1, 1, 2, 3, 4, 6]), min_size=rank, max_size=rank)))
    margins = [draw(st.lists(st.sampled_from([0, 0, 0, 1, 2]), min_size=rank, max_size=rank)) for _ in range(2)]
    return Layout(order).with_margins(*margins), shape


@st.composite
def factorisations(draw: st.DrawFn, count: int) -> tuple[int, ...]:
    shape: list[int] = []
    while count > 1 or (len(shape) < 5 and draw(st.booleans())):
        size = draw(st.sampled_from([size for size in range(1, count + 1) if count % size == 0]))
        if len(shape) >= 5:
            size = count
        shape.append(size)
        count //= size
    return tuple(shape)


@settings(max_examples=500, deadline=None)
@given(whole_axes(), st.data())
def test_a_reshaped_layout_finds_the_same_elements(case: tuple[Layout, tuple[int, ...]], data: st.DataObject) -> None:
    layout, shape = case
    new_shape = data.draw(factorisations(int(np.prod(shape))))
    reshaped = layout.reshaped(shape, new_shape)
    if reshaped is None:
        return
    assert reshaped.element_count(new_shape) == layout.element_count(shape)
    old_indices = itertools.product(*map(range, shape))
    for old, new in zip(old_indices, itertools.product(*map(range, new_shape)), strict=True):
        assert address(reshaped, new_shape, new) == address(layout, shape, old)


@pytest.mark.parametrize(
    ("order", "shape", "new_shape", "expected"),
    [
        ("abc", (2, 3, 4), (6, 4), "ab"),
        # Attention: splitting heads off a transposed tensor, dropping and adding unit axes.
        ("bac", (4, 3, 6), (4, 3, 2, 3), "bacd"),
        ("dbcae", (3, 7, 1, 1, 5), (3, 7, 5), "bac"),
        ("bac", (4, 3, 6), (1, 4, 3, 6), "cabd"),
        # Axes that are apart in memory do not merge.
        ("bac", (4, 3, 6), (12, 6), None),
        ("bac", (4, 3, 6), (4, 18), None),
        ("aB4b", (2, 8), (16,), None),
    ],
)
def test_reshaped_layouts(order: str, shape: tuple, new_shape: tuple, expected: str | None) -> None:
    reshaped = Layout(order).reshaped(shape, new_shape)
    assert reshaped == (None if expected is None else Layout(expected))


def test_the_margin_of_a_dropped_axis_goes_inside() -> None:
    """The second of three matrices, seen without its axis."""
    layout = Layout("abc").with_margins((1, 0, 0), (1, 0, 0))
    assert layout.reshaped((1, 5, 6), (5, 6)) == Layout("ab").with_margins((5, 0), (5, 0))
    assert layout.reshaped((1, 5, 6), (30,)) == Layout("a").with_margins((30,), (30,))
    halo = Layout("abc").with_margins((0, 1, 1), (0, 1, 1), halo=True)
    assert halo.reshaped((2, 5, 6), (10, 6)) is None


def test_symbolic_shapes_reshape() -> None:
    batch, steps = dims.symbol("N"), dims.symbol("T")
    layout = Layout("bac")
    assert layout.reshaped((steps, batch, 24), (steps, batch, 3, 8)) == Layout("bacd")
    assert layout.reshaped((steps, batch, 24), (steps * batch, 24)) is None
    window = Layout("bac").with_margins((0, 1, 0), (0, 2, 0))
    split = window.reshaped((steps, batch, 24), (steps, batch, 1, 24))
    assert split == Layout("bacd").with_margins((0, 1, 0, 0), (0, 2, 0, 0))
    assert Layout("ba").reshaped((2 * steps, 6), (steps, 2, 6)) == Layout("cab")


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_window_sees_its_part(data: st.DataObject) -> None:
    """Through window_type and transposed_type together: views of views address the right elements."""
    rank = data.draw(st.integers(1, 4))
    shape = tuple(data.draw(st.lists(st.integers(2, 6), min_size=rank, max_size=rank)))
    starts = tuple(data.draw(st.integers(0, size - 1)) for size in shape)
    part = tuple(data.draw(st.integers(1, size - start)) for size, start in zip(shape, starts, strict=True))
    permutation = data.draw(st.permutations(range(rank)))
    array = numbered(shape)
    window = window_type(TensorType.of(shape, f32), starts, part)
    view = transposed_type(window, permutation)
    expected = array[tuple(slice(start, start + size) for start, size in zip(starts, part, strict=True))]
    expected = expected.transpose(permutation)
    sizes = tuple(int(size) for size in view.dims)
    assert sizes == expected.shape
    memory = array.reshape(-1)
    for index in itertools.product(*map(range, sizes)):
        assert memory[address(view.layout, sizes, index)] == expected[index]
