"""More nodes of random models: attention, recurrences, images, transforms, short floats and classical models."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto
from random_model import FLOAT, HALF_FLOAT, RandomModel, Step
from random_selections import has_nan
from random_trees import ORDERED, leaf_lists, random_trees

CLASSICAL = "ai.onnx.ml"
SHORTEST = (TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E4M3FNUZ, TensorProto.FLOAT8E5M2, TensorProto.FLOAT8E5M2FNUZ)
# Softplus of what is large overflows in onnxruntime.
ACTIVATIONS = ("Tanh", "Sigmoid", "Relu", "LeakyRelu", "HardSigmoid", "Softsign", "Elu")


def attention(m: RandomModel) -> None:
    if m.opset < 23:
        return
    dtype = m.rng.choice([FLOAT, FLOAT, FLOAT, HALF_FLOAT, np.float64])
    batch, groups, shared = m.rng.choice([1, 2]), m.rng.choice([1, 2]), m.rng.choice([1, 1, 2])
    rows, columns, past = m.rng.choice([1, 3, 9]), m.rng.choice([1, 3, 9]), m.rng.choice([0, 0, 0, 2])
    width, values = m.rng.choice([1, 4, 8]), m.rng.choice([1, 4, 8])
    packed, heads = m.rng.random() < 0.4, groups * shared

    def operand(count: int, steps: int, size: int) -> str:
        shape = (batch, steps, count * size) if packed else (batch, count, steps, size)
        return m.input(m.array(shape, dtype))

    operands = [operand(heads, rows, width), operand(groups, columns, width), operand(groups, columns, values)]
    total = columns + past
    if m.rng.random() < 0.5:
        lead = m.rng.choice([(), (1, 1), (batch, 1), (batch, heads), (1, heads), (heads,)])
        mask = m.array((*lead, rows, total), m.rng.choice([np.bool_, dtype]))
        operands.append(m.weight(mask | (np.arange(total) == 0) if mask.dtype == bool else mask))
    if past:
        operands += [""] * (4 - len(operands))
        operands += [m.input(m.array((batch, groups, past, size), dtype)) for size in (width, values)]
    fields: dict[str, Any] = {
        "is_causal": m.maybe(1, 0.4),
        "scale": m.maybe(0.3, 0.3),
        "softcap": m.maybe(2.0, 0.2),
        "q_num_heads": heads if packed else None,
        "kv_num_heads": groups if packed else None,
        "softmax_precision": m.maybe(TensorProto.FLOAT, 0.2),
    }
    outputs = 3 if past else 1
    if m.rng.random() < 0.2:
        outputs, fields["qk_matmul_output_mode"] = 4, m.rng.choice([0, 1, 2, 3])
    m.add("Attention", operands, outputs, **fields)


def rotary(m: RandomModel) -> None:
    if m.opset < 23:
        return
    batch, heads, steps, size = m.rng.choice([1, 2]), m.rng.choice([1, 3]), m.rng.choice([1, 5]), m.rng.choice([4, 8])
    packed, turned = m.rng.random() < 0.4, m.maybe(2, 0.3)
    x = m.input(m.array((batch, steps, heads * size) if packed else (batch, heads, steps, size)))
    by_place = m.rng.random() < 0.5
    shape = ((7,) if by_place else (batch, steps)) + ((turned or size) // 2,)
    caches = [m.weight(m.array(shape)) for _ in "cs"]
    places = [m.weight(m.numbers.integers(0, 7, (batch, steps)))] if by_place else []
    m.add("RotaryEmbedding", [x, *caches, *places], interleaved=m.maybe(1),
          rotary_embedding_dim=turned, num_heads=heads if packed else None)  # fmt: skip


def root_norm(m: RandomModel) -> None:
    x = m.value(ranks=(2, 3, 4), dtypes=(FLOAT, HALF_FLOAT, np.float64))
    axis = m.axis(m.of(x).ndim)
    shape = m.of(x).shape[axis % m.of(x).ndim :]
    if m.opset >= 23:
        m.add("RMSNormalization", [x, m.weight(m.array(shape, m.of(x).dtype))], axis=axis, epsilon=m.maybe(0.1))


def recurrent_options(m: RandomModel) -> None:
    """Activations of one's own, coupled gates, and weights that the graph is given."""
    operator, gates, functions = m.rng.choice([("LSTM", 4, 3), ("GRU", 3, 2), ("RNN", 1, 1)])
    count, hidden = m.rng.choice([1, 2]), m.rng.choice([1, 3, 8])
    steps, batch, inputs = m.rng.choice([1, 2, 7]), m.rng.choice([1, 2, 5]), m.rng.choice([1, 4])
    operands = [
        m.input(m.array((steps, batch, inputs))),
        *[m.weight(m.array((count, gates * hidden, size))) for size in (inputs, hidden)],
        m.weight(m.array((count, 2 * gates * hidden))) if m.rng.random() < 0.5 else "",
        m.weight(m.numbers.integers(0, steps + 1, batch).astype(np.int32)) if m.rng.random() < 0.4 else "",
    ]
    fields: dict[str, Any] = {
        "hidden_size": hidden,
        "direction": "bidirectional" if count == 2 else m.rng.choice(["forward", "reverse"]),
        "activations": m.maybe([m.rng.choice(ACTIVATIONS) for _ in range(count * functions)]),
        "clip": m.maybe(0.5, 0.2),
        "input_forget": m.maybe(1, 0.2) if operator == "LSTM" else None,
        "linear_before_reset": m.maybe(1) if operator == "GRU" else None,
    }
    m.add(operator, operands, 3 if operator == "LSTM" else 2, **fields)


def grid_sample(m: RandomModel) -> None:
    if m.opset < 16:
        return
    x = m.value(ranks=(4, 4, 5) if m.opset >= 20 else (4,), dtypes=(FLOAT, FLOAT, np.float64))
    shape = m.of(x).shape
    spatial = [m.rng.choice([1, 2, 5]) for _ in shape[2:]]
    grid = np.asarray(m.numbers.uniform(-1.3, 1.3, (shape[0], *spatial, len(spatial))), m.of(x).dtype)
    names = ["linear", "nearest", "cubic"] if m.opset >= 20 else ["bilinear", "nearest", "bicubic"]
    mode = m.rng.choice(names if len(shape) == 4 else names[:2])
    padding = m.maybe(m.rng.choice(["zeros", "border", "reflection"]))
    m.add("GridSample", [x, m.weight(grid)], mode=mode, padding_mode=padding, align_corners=m.maybe(1))


def roi_align(m: RandomModel) -> None:
    x = m.value(ranks=(4,))
    count = m.rng.choice([0, 1, 3])
    starts = m.numbers.uniform(-1, 6, (count, 2))
    boxes = np.concatenate([starts, starts + m.numbers.uniform(0, 8, (count, 2))], 1).astype(FLOAT)
    batches = m.numbers.integers(0, m.of(x).shape[0], count)
    # onnxruntime takes the greatest product of a weight and a pixel, ONNX the greatest sample.
    fields: dict[str, Any] = {
        "output_height": m.rng.choice([1, 2, 3]),
        "output_width": m.rng.choice([1, 2, 3]),
        "sampling_ratio": m.rng.choice([0, 1, 2]),
        "spatial_scale": m.rng.choice([0.5, 1.0]),
    }
    if m.opset >= 16:
        fields["coordinate_transformation_mode"] = m.maybe(m.rng.choice(["half_pixel", "output_half_pixel"]))
    if m.opset >= 10:
        m.add("RoiAlign", [x, m.weight(boxes), m.weight(batches)], **fields)


def unpool(m: RandomModel) -> None:
    x = m.value(ranks=(3, 4))
    if has_nan(m.of(x)):
        return
    spatial = len(m.of(x).shape) - 2
    sizes = {"kernel_shape": [m.rng.choice([1, 2, 3]) for _ in range(spatial)]}
    sizes["strides"] = sizes["kernel_shape"] if m.rng.random() < 0.7 else [1] * spatial
    count = len(m.nodes)
    m.add("MaxPool", [x], 2, **sizes)
    if len(m.nodes) > count:
        given = [m.whole(*m.of(x).shape)] if m.rng.random() < 0.6 else []
        m.add("MaxUnpool", [*m.nodes[-1].output, *given], **sizes)


def typed_resize(m: RandomModel) -> None:
    if m.opset < 13:
        return
    x = m.value(ranks=(2, 3, 4), dtypes=(FLOAT, FLOAT, HALF_FLOAT, np.uint8, np.int8))
    shape = m.of(x).shape
    axes = m.rng.sample(range(len(shape)), min(2, len(shape))) if m.opset >= 18 and m.rng.random() < 0.5 else None
    count = len(shape) if axes is None else len(axes)
    mode = m.rng.choice(["nearest", "linear", "cubic"])
    places = ["half_pixel", "asymmetric", "align_corners", "tf_crop_and_resize"]
    places += ["half_pixel_symmetric"] if m.opset >= 19 else []
    place, region = m.rng.choice(places), ""
    keeps = range(len(shape) - 2) if axes is None else ()
    # Antialiased integers are rounded by every engine in its own way.
    may_antialias = m.opset >= 18 and m.of(x).dtype.kind == "f"
    if place == "tf_crop_and_resize":
        # Parts of 16, of which no product is rounded: onnxruntime computes places in float32.
        ends = m.rng.choice([0.8125, 1.4375])
        region = [
            [0.0 if a in keeps else 0.125 for a in range(count)],
            [1.0 if a in keeps else ends for a in range(count)],
        ]
        region = m.weight(np.array(region, FLOAT).reshape(-1), may_be_input=False)
    fields: dict[str, Any] = {
        "mode": mode,
        "coordinate_transformation_mode": place,
        "axes": axes,
        "antialias": m.maybe(1) if may_antialias and mode != "nearest" and not region else None,
        "exclude_outside": m.maybe(1) if mode == "cubic" else None,
        "extrapolation_value": m.maybe(2.5),
    }
    # Of a region by scales onnxruntime makes as much as of the whole image; ONNX's size is that of the region.
    if not region and m.rng.random() < 0.5:
        scales = [1.0 if axis in keeps else m.rng.choice([0.4, 0.5, 1.0, 1.7, 2.0]) for axis in range(count)]
        m.add("Resize", [x, region, m.weight(np.array(scales, FLOAT), may_be_input=False)], **fields)
        return
    old = shape if axes is None else [shape[axis] for axis in axes]
    sizes = [size if axis in keeps else m.rng.choice([1, 2, 5, 8]) for axis, size in enumerate(old)]
    if region and mode == "nearest":  # Of an axis that keeps its size onnxruntime takes all, whatever the region.
        same = [after == before and axis not in keeps for axis, (after, before) in enumerate(zip(sizes, old))]
        sizes = [size + is_same for size, is_same in zip(sizes, same)]
    if m.opset >= 18 and axes is not None:
        fields["keep_aspect_ratio_policy"] = m.maybe(m.rng.choice(["stretch", "not_larger", "not_smaller"]))
    given = m.input(np.array(sizes), free=False) if m.rng.random() < 0.3 else m.whole(*sizes)
    m.add("Resize", [x, region, "", given], **fields)


def fourier(m: RandomModel) -> None:
    if m.opset < 17:
        return
    size, parts = m.rng.choice([1, 2, 5, 8, 12, 16]), m.rng.choice([1, 2])
    dtype = m.rng.choice([FLOAT, np.float64])
    axis = m.rng.choice([1, 2])
    shape = [m.rng.choice([1, 2]), m.rng.choice([1, 3]), m.rng.choice([1, 4]), parts]
    shape[axis] = size
    x = m.input(m.array(shape, dtype))
    length = m.maybe(np.array(m.rng.choice([1, 4, 6, 9, size])), 0.4)
    operands = [x] if length is None else [x, m.weight(length, may_be_input=m.rng.random() < 0.3)]
    sided = m.maybe(1) if parts == 1 else None
    inverse = m.maybe(1) if parts == 2 else None
    if m.opset < 20:
        m.add("DFT", operands, axis=axis, onesided=sided, inverse=inverse)
        return
    operands += [""] * (2 - len(operands)) + [m.weight(np.array(axis), may_be_input=m.rng.random() < 0.2)]
    m.add("DFT", operands, onesided=sided, inverse=inverse)


def short_fourier(m: RandomModel) -> None:
    if m.opset < 17:
        return
    frame, step, length = m.rng.choice([2, 5, 8]), m.rng.choice([1, 3]), m.rng.choice([8, 9, 20])
    signal = m.input(m.array((m.rng.choice([1, 2]), length, 1)))
    operands = [signal, m.weight(np.array(step), may_be_input=False), m.weight(np.abs(m.array((frame,))))]
    m.add("STFT", [*operands, m.weight(np.array(frame), may_be_input=False)], onesided=m.maybe(m.rng.choice([0, 1])))


def strided_transpose(m: RandomModel) -> None:
    """Windows several strides long: every phase of the output sums other taps."""
    x = m.value(ranks=(3, 4), dtypes=(FLOAT,))
    channels, *spatial = m.of(x).shape[1:]
    strides = [m.rng.choice([2, 3, 4, 8]) for _ in spatial]
    kernel = [stride * m.rng.choice([1, 2]) + m.rng.choice([-1, 0, 0, 1]) for stride in strides]
    pads = [m.rng.randint(0, size // 2) for size in kernel]
    weights = m.weight(m.array((channels, m.rng.choice([1, 3, 16]), *kernel)))
    m.add("ConvTranspose", [x, weights], strides=strides, pads=[*pads, *pads],
          output_padding=m.maybe([m.rng.randrange(stride) for stride in strides], 0.3))  # fmt: skip


def deformed(m: RandomModel) -> None:
    if m.opset < 19:
        return
    batch, channels, rows, columns = m.rng.choice([1, 2]), m.rng.choice([2, 4]), m.rng.choice([3, 6]), 5
    group, offsets, kernel = m.rng.choice([1, 2]), m.rng.choice([1, 2]), m.rng.choice([1, 2, 3])
    pads, stride, dilation = m.rng.choice([0, 1]), m.rng.choice([1, 2]), m.rng.choice([1, 1, 2])
    reach = dilation * (kernel - 1) + 1
    outer = [(size + 2 * pads - reach) // stride + 1 for size in (rows, columns)]
    if min(outer) < 1:
        return
    operands = [
        m.input(m.array((batch, channels, rows, columns))),
        m.weight(m.array((4, channels // group, kernel, kernel))),
        m.weight(m.array((batch, offsets * 2 * kernel**2, *outer))),
    ]
    operands.append(m.weight(m.array((4,))) if m.rng.random() < 0.5 else "")
    if m.rng.random() < 0.5:
        operands.append(m.weight(m.array((batch, offsets * kernel**2, *outer))))
    m.add("DeformConv", operands, group=group, offset_group=offsets, pads=[pads] * 4, strides=[stride] * 2,
          dilations=[dilation] * 2)  # fmt: skip


def columns_to_image(m: RandomModel) -> None:
    if m.opset < 18:
        return
    image, block = [m.rng.choice([3, 5]), m.rng.choice([4, 6])], [m.rng.choice([1, 2, 3]) for _ in "hw"]
    pads, stride = m.rng.choice([0, 1]), m.rng.choice([1, 2])
    blocks = [(size + 2 * pads - width) // stride + 1 for size, width in zip(image, block, strict=True)]
    x = m.input(m.array((m.rng.choice([1, 2]), 2 * block[0] * block[1], blocks[0] * blocks[1])))
    m.add("Col2Im", [x, m.whole(*image), m.whole(*block)], pads=[pads] * 4, strides=[stride] * 2)


def shortest_float(m: RandomModel) -> None:
    """There and back: onnxruntime rounds to the floats of eight bits, but computes nothing in them."""
    if m.opset < 19:
        return
    m.cast_twice(m.value(dtypes=(FLOAT, HALF_FLOAT)), m.rng.choice(SHORTEST), saturate=m.maybe(0))


def bit_cast(m: RandomModel) -> None:
    types = {FLOAT: TensorProto.INT32, np.int64: TensorProto.DOUBLE, HALF_FLOAT: TensorProto.INT16,
             np.uint8: TensorProto.INT8, np.int32: TensorProto.UINT32}  # fmt: skip
    x = m.value(dtypes=tuple(types))
    if m.opset >= 26:
        m.add("BitCast", [x], evaluator=True, to=types[np.dtype(m.of(x).dtype.str).type])


def trees(m: RandomModel) -> None:
    features, targets = m.rng.choice([1, 3]), m.rng.choice([[0], [0, 1, 2]])
    grown = random_trees(m.rng.randrange(999), m.rng.choice([1, 4]), m.rng.choice([0, 2, 4]), features, modes=ORDERED,
                         tracks_missing=m.rng.random() < 0.3)  # fmt: skip
    x = m.input(np.round(m.array((m.rng.choice([1, 3, 40]), features)) * 2) / 2)
    transform = m.rng.choice(["NONE", "NONE", "LOGISTIC", "SOFTMAX"])
    if m.rng.random() < 0.5:
        lists = leaf_lists(grown, "target", targets, m.rng.random() < 0.5, False)
        aggregate = m.rng.choice(["SUM", "AVERAGE", "MIN", "MAX"])
        m.add("TreeEnsembleRegressor", [x], domain=CLASSICAL, n_targets=len(targets), post_transform=transform,
              aggregate_function=aggregate, **grown.attributes(), **lists)  # fmt: skip
    else:
        lists = leaf_lists(grown, "class", targets, True, len(targets) == 1)
        m.add("TreeEnsembleClassifier", [x], 2, domain=CLASSICAL, classlabels_int64s=[5, 7, 9][: max(len(targets), 2)],
              post_transform=transform, **grown.attributes(), **lists)  # fmt: skip


def linear_models(m: RandomModel) -> None:
    dtype = m.rng.choice([FLOAT, np.float64, np.int64])
    features, targets = m.rng.choice([1, 3, 17]), m.rng.choice([1, 3])
    x = m.input(m.array((m.rng.choice([1, 5]), features), dtype))
    weights, biases = [m.array((count,)).tolist() for count in (features * targets, targets)]
    match m.rng.choice(["Scaler", "Normalizer", "Binarizer", "LinearRegressor", "LinearClassifier"]):
        case "Scaler":
            m.add("Scaler", [x], domain=CLASSICAL, offset=m.array((features,)).tolist(),
                  scale=m.array((features,)).tolist())  # fmt: skip
        case "Normalizer":
            m.add("Normalizer", [x], domain=CLASSICAL, norm=m.rng.choice(["MAX", "L1", "L2"]))
        case "Binarizer":
            m.add("Binarizer", [x], domain=CLASSICAL, threshold=m.maybe(0.5))
        case "LinearRegressor":
            m.add("LinearRegressor", [x], domain=CLASSICAL, coefficients=weights, intercepts=m.maybe(biases),
                  targets=targets)  # fmt: skip
        case _:
            labels = [4, 6, 8][: max(targets, 2)]
            m.add("LinearClassifier", [x], 2, domain=CLASSICAL, coefficients=weights, intercepts=biases,
                  classlabels_ints=labels, post_transform=m.rng.choice(["NONE", "LOGISTIC", "SOFTMAX"]))  # fmt: skip


def quantized_product(m: RandomModel) -> None:
    kinds = [m.rng.choice([np.uint8, np.int8]) for _ in "ab"]
    x = m.value(dtypes=(kinds[0],), ranks=(2, 3, 4))
    inner, columns = m.of(x).shape[-1], m.rng.choice([1, 3, 17])
    zeros = [m.weight(m.array((), kind), may_be_input=False) for kind in kinds]
    m.add("MatMulInteger", [x, m.weight(m.array((inner, columns), kinds[1])), *zeros[: m.rng.choice([0, 1, 2])]])


LAYER_STEPS: tuple[Step, ...] = (
    attention, attention, attention, rotary, root_norm, recurrent_options, recurrent_options, grid_sample, roi_align,
    unpool, typed_resize, typed_resize, fourier, short_fourier, strided_transpose, deformed, columns_to_image,
    shortest_float, bit_cast, trees, linear_models, quantized_product,
)  # fmt: skip
