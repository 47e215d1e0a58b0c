"""More nodes of random models: what chooses, orders and scatters elements, and computed axes and shapes."""

from __future__ import annotations

import numpy as np
from random_model import FLOAT, HALF_FLOAT, RandomModel, Step
from random_steps import REDUCTIONS

ORDERED_TYPES = (FLOAT, FLOAT, np.float64, np.int32, np.int64)
MOVED_TYPES = (FLOAT, FLOAT, HALF_FLOAT, np.float64, np.int32, np.int64, np.uint8, np.bool_)


def has_nan(array: np.ndarray) -> bool:
    return bool((array != array).any())


def reverse_sequence(m: RandomModel) -> None:
    x = m.value(dtypes=MOVED_TYPES, ranks=(2, 3, 4))
    time = m.rng.choice([0, 1])
    shape = m.of(x).shape
    lengths = m.numbers.integers(1, shape[time] + 1, shape[1 - time])
    m.add("ReverseSequence", [x, m.weight(lengths)], time_axis=time, batch_axis=1 - time)


def top_k(m: RandomModel) -> None:
    x = m.value(dtypes=ORDERED_TYPES, ranks=(1, 2, 3, 4))
    if has_nan(m.of(x)) or x not in m.feeds:  # Sums that differ in their last bit may change the order.
        return
    axis = m.axis(m.of(x).ndim)
    count = np.array([m.rng.randint(0, m.of(x).shape[axis])])
    given = m.input(count, free=False) if m.rng.random() < 0.3 else m.whole(*count)
    m.add("TopK", [x, given], 2, axis=axis, largest=m.maybe(0))


def non_zero(m: RandomModel) -> None:
    m.add("NonZero", [m.value(dtypes=(FLOAT, np.int32, np.int64, np.uint8, np.bool_), ranks=(1, 2, 3, 4))])


def compress(m: RandomModel) -> None:
    x = m.value(dtypes=MOVED_TYPES)
    axis = m.maybe(m.axis(m.of(x).ndim), 0.7)
    size = m.of(x).size if axis is None else m.of(x).shape[axis]
    m.add("Compress", [x, m.weight(m.array((m.rng.randint(0, size),), np.bool_))], axis=axis)


def unique(m: RandomModel) -> None:
    x = m.value(dtypes=(FLOAT, np.float64, np.int8, np.int64))
    if not has_nan(m.of(x)) and x in m.feeds:
        m.add("Unique", [x], 4, axis=m.maybe(m.axis(m.of(x).ndim)), sorted=m.maybe(0))


def suppression(m: RandomModel) -> None:
    batch, boxes, classes = m.rng.choice([1, 2]), m.rng.choice([0, 1, 5, 17]), m.rng.choice([1, 3])
    corners = np.abs(m.array((batch, boxes, 4)))
    limits = [np.array(m.rng.choice([0, 1, 3, 100])), *[np.array(m.rng.choice([0.0, 0.3, 0.7]), FLOAT) for _ in "ab"]]
    given = [m.weight(limit) for limit in limits[: m.rng.randint(1, 3)]]
    operands = [m.weight(corners), m.weight(m.array((batch, classes, boxes))), *given]
    m.add("NonMaxSuppression", operands, center_point_box=m.maybe(1))


def reduction_of(m: RandomModel, added: int) -> str | None:
    if m.opset < added:
        return None
    return m.maybe(m.rng.choice(["add", "mul", *(["max", "min"] if m.opset >= 18 else [])]), 0.7)


def typed_scatter(m: RandomModel) -> None:
    dtype = m.rng.choice(MOVED_TYPES)
    x = m.value(dtypes=(dtype,))
    shape = m.of(x).shape
    axis = m.axis(len(shape))
    some = [m.rng.randint(0 if m.rng.random() < 0.1 else 1, size) for size in shape]
    reduction = reduction_of(m, 16)
    size = shape[axis]
    some[axis] = m.rng.randint(1, 2 * size) if reduction else some[axis]
    # Where nothing is reduced, the order of writes to one place is anybody's.
    rows = m.numbers.integers(-size, size, some[axis]) if reduction else m.numbers.permutation(size)[: some[axis]]
    index = np.broadcast_to(rows.reshape([-1 if a == axis % len(shape) else 1 for a in range(len(shape))]), some)
    operands = [x, m.weight(np.ascontiguousarray(index)), m.weight(m.array(some, dtype))]
    if m.opset >= 11:
        m.add("ScatterElements", operands, axis=axis, reduction=reduction)


def typed_scatter_nd(m: RandomModel) -> None:
    dtype = m.rng.choice(MOVED_TYPES)
    x = m.value(dtypes=(dtype,))
    shape = m.of(x).shape
    depth = m.rng.randint(1, len(shape))
    places, reduction = int(np.prod(shape[:depth])), reduction_of(m, 16)
    count = m.rng.choice([0, 1, 3, 7])
    flat = m.numbers.integers(0, places, count) if reduction else m.numbers.permutation(places)[:count]
    index = np.stack(np.unravel_index(flat, shape[:depth]), -1).astype(np.int64)
    index -= np.where(m.numbers.integers(0, 2, index.shape), np.array(shape[:depth]), 0)
    if m.opset >= 11:
        m.add("ScatterND", [x, m.weight(index), m.weight(m.array((len(flat), *shape[depth:]), dtype))],
              reduction=reduction)  # fmt: skip


def gather_nd_batches(m: RandomModel) -> None:
    x = m.value(dtypes=MOVED_TYPES, ranks=(2, 3, 4))
    shape = m.of(x).shape
    batches = m.rng.randint(0, min(2, len(shape) - 1))
    depth = m.rng.randint(1, len(shape) - batches)
    lead = (*shape[:batches], *[m.rng.choice([0, 1, 3]) for _ in range(m.rng.choice([0, 1]))])
    if not lead:
        lead = (3,)
    columns = [m.numbers.integers(-size, size, lead) for size in shape[batches : batches + depth]]
    if m.opset >= 12:
        m.add("GatherND", [x, m.weight(np.stack(columns, -1))], batch_dims=m.maybe(batches, 1 if batches else 0.5))


def typed_gather(m: RandomModel) -> None:
    x = m.value(dtypes=MOVED_TYPES)
    shape = m.of(x).shape
    axis = m.axis(len(shape))
    dtype = m.rng.choice([np.int32, np.int64])
    if m.opset < 11 or m.rng.random() < 0.5:
        index = m.numbers.integers(0, shape[axis], m.shape(m.rng.choice([0, 1, 2])))
        m.add("Gather", [x, m.weight(np.asarray(index, dtype))], axis=axis)
        return
    some = [m.rng.randint(1, size) for size in shape]
    some[axis] = m.rng.choice([0, 1, 4, 9])
    index = m.numbers.integers(-shape[axis], shape[axis], some)
    m.add("GatherElements", [x, m.weight(np.asarray(index, dtype))], axis=axis)


def running(m: RandomModel) -> None:
    x = m.value(dtypes=(FLOAT, np.float64, np.int32, np.int64))
    axis = np.array(m.axis(m.of(x).ndim), m.rng.choice([np.int32, np.int64]))
    given = m.input(axis) if m.rng.random() < 0.3 else m.weight(axis, may_be_input=False)
    operator = "CumProd" if m.opset >= 26 and m.rng.random() < 0.7 else "CumSum"
    if m.opset >= 11:
        m.add(operator, [x, given], evaluator=m.opset >= 26, exclusive=m.maybe(1), reverse=m.maybe(1))


def one_hot(m: RandomModel) -> None:
    indices = m.value(dtypes=(np.int32, np.int64), ranks=(0, 1, 2, 3))
    depth = m.weight(np.array(m.rng.choice([1, 2, 5])), may_be_input=m.rng.random() < 0.3)
    values = m.weight(m.array((2,), m.rng.choice([FLOAT, np.int64, np.int32])), may_be_input=False)
    m.add("OneHot", [indices, depth, values], axis=m.maybe(m.axis(m.of(indices).ndim + 1)))


def computed_axes(m: RandomModel) -> None:
    """Axes, bounds and amounts that only the run knows."""
    if m.opset < 18:
        return
    x = m.value(dtypes=(FLOAT, np.int64))
    shape = m.of(x).shape
    axes = m.rng.sample(range(-len(shape), 0), m.rng.randint(1, len(shape)))

    def given(*numbers: int) -> str:
        return m.input(np.array(numbers, np.int64), free=False)

    match m.rng.choice(["Reduce", "Reduce", "Slice", "Split", "Unsqueeze", "Squeeze", "Pad", "Tile", "Trilu"]):
        case "Reduce":
            m.add(f"Reduce{m.rng.choice(REDUCTIONS)}", [x, given(*axes)],
                  keepdims=m.maybe(m.rng.choice([0, 1])), noop_with_empty_axes=m.maybe(1))  # fmt: skip
        case "Slice":
            starts, ends = [[m.rng.choice([0, 1, -1, 3, -3, 100, -100]) for _ in axes] for _ in "se"]
            steps = [m.rng.choice([1, 2, -1, -2]) for _ in axes]
            m.add("Slice", [x, given(*starts), given(*ends), given(*axes), given(*steps)])
        case "Split":
            cut = m.rng.randint(0, shape[0])
            m.add("Split", [x, given(cut, shape[0] - cut)], 2, axis=0)
        case "Unsqueeze":
            m.add("Unsqueeze", [x, given(*m.rng.sample(range(len(shape) + 1), 1))])
        case "Squeeze":
            ones = [axis for axis, size in enumerate(shape) if size == 1]
            m.add("Squeeze", [x, given(*ones[:2])])
        case "Pad":
            mode = m.rng.choice(["constant", "edge", "reflect"])
            low = -1 if mode == "constant" else 0
            m.add("Pad", [x, given(*[m.rng.randint(low, 2) for _ in range(2 * len(shape))])], mode=mode)
        case "Tile":
            m.add("Tile", [x, given(*[m.rng.choice([0, 1, 1, 2, 3]) for _ in shape])])
        case _:
            if len(shape) >= 2:
                m.add("Trilu", [x, m.input(np.array(m.rng.randint(-3, 3)))], upper=m.maybe(0))


def computed_shapes(m: RandomModel) -> None:
    """The shape of one value, changed, is what another is brought to."""
    x = m.value(dtypes=(FLOAT, np.int64), ranks=(1, 2, 3))
    count = len(m.nodes)
    m.add("Shape", [x])
    if len(m.nodes) == count:
        return
    shape = m.nodes[-1].output[0]
    match m.rng.choice(["Reshape", "Expand", "ConstantOfShape", "Range", "Resize"]):
        case "Reshape":
            m.add("Concat", [m.whole(1), shape, m.whole(-1)], axis=0)
            m.add("Reshape", [x, m.nodes[-1].output[0]])
        case "Expand":
            m.add("Expand", [m.weight(m.array((1,) * m.of(x).ndim)), shape])
        case "ConstantOfShape":
            m.add("ConstantOfShape", [shape])
        case "Range":
            m.add("Gather", [shape, m.weight(np.array(0), may_be_input=False)], axis=0)
            if m.opset >= 11:
                ends = [m.weight(np.array(bound), may_be_input=False) for bound in (m.rng.choice([0, -3]), 2)]
                m.add("Range", [ends[0], m.nodes[-1].output[0], ends[1]])
        case _:
            if m.opset >= 13 and m.of(x).dtype == FLOAT:
                m.add("Mul", [shape, m.whole(2)])
                m.add("Resize", [x, "", "", m.nodes[-1].output[0]], mode=m.maybe("linear"))


SELECTION_STEPS: tuple[Step, ...] = (
    reverse_sequence, top_k, top_k, non_zero, compress, unique, suppression, typed_scatter, typed_scatter,
    typed_scatter_nd, typed_scatter_nd, gather_nd_batches, typed_gather, running, one_hot, computed_axes,
    computed_axes, computed_axes, computed_shapes, computed_shapes,
)  # fmt: skip
