"""The nodes of random models: operators with attributes drawn from their whole range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto
from random_model import FLOAT, HALF_FLOAT, RandomModel, Step

UNARY = (
    "Abs", "Neg", "Sign", "Relu", "Exp", "Sqrt", "Erf", "Tanh", "Sigmoid", "Sin", "Cos", "Atan", "Sinh",
    "Asinh", "Floor", "Ceil", "Round", "LeakyRelu", "Elu", "Selu", "Softplus", "Softsign", "HardSigmoid",
    "ThresholdedRelu", "Reciprocal", "Log", "Identity", "Shrink", "Celu", "HardSwish", "Mish", "Gelu", "IsNaN",
    "IsInf",
)  # fmt: skip
INTEGER_UNARY = ("Abs", "Neg", "Sign", "Identity")
ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Mod", "PRelu", "Equal", "Less", "Greater")
CASTS = (TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT8, TensorProto.INT8,
         TensorProto.BOOL, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT16)  # fmt: skip
REDUCTIONS = ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp")
AUTO_PAD = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


def unary(m: RandomModel) -> None:
    operator = m.rng.choice(UNARY)
    attributes = {}
    if operator in ("LeakyRelu", "Elu", "Selu", "HardSigmoid", "ThresholdedRelu", "Celu"):
        attributes["alpha"] = m.maybe(m.rng.choice([0.1, 1.0, 2.0, 0.5, -0.5]))
    if operator == "Gelu":
        attributes["approximate"] = m.maybe("tanh")
    if operator == "Shrink":
        attributes |= {"bias": m.maybe(0.3), "lambd": m.maybe(1.0)}
    if operator == "IsInf":
        attributes |= {"detect_positive": m.maybe(0), "detect_negative": m.maybe(0)}
    dtypes = (np.int32, np.int64, np.int8) if operator in INTEGER_UNARY and m.rng.random() < 0.3 else (FLOAT,)
    m.add(operator, [m.value(dtypes=dtypes)], **attributes)


def other_operand(m: RandomModel, x: str, dtype: Any) -> str:
    """Something that broadcasts with x."""
    shape = [m.rng.choice([1, size]) if m.rng.random() < 0.5 else size for size in m.of(x).shape]
    same = [name for name, array in m.values.items() if array.shape == tuple(shape) and array.dtype == dtype]
    if same and m.rng.random() < 0.5:
        return m.rng.choice(same)
    if m.rng.random() < 0.5:
        shape = shape[m.rng.randint(0, len(shape)) :]
    elif m.rng.random() < 0.2 and len(shape) < 4:
        shape = [m.rng.choice([1, 2]), *shape]
    return m.weight(m.array(shape, dtype))


def binary(m: RandomModel) -> None:
    dtype = m.rng.choice([FLOAT, FLOAT, FLOAT, np.int32, np.int64, np.uint8, np.int8, np.float64])
    x = m.value(dtypes=(dtype,), ranks=(0, 1, 2, 3, 4))
    operands = [x, other_operand(m, x, dtype)]
    operator = m.rng.choice(ARITHMETIC)
    if m.rng.random() < 0.5 and operator != "PRelu":
        operands.reverse()
    integer = np.dtype(dtype).kind in "iu"
    if integer and operator in ("Div", "Mod") and not m.of(operands[1]).all():
        return
    fmod = m.maybe(1) if operator == "Mod" else None
    if operator == "Mod" and not integer:
        fmod = 1
    m.add(operator, operands, fmod=fmod)


def logic(m: RandomModel) -> None:
    x = m.value(dtypes=(np.bool_,))
    if m.rng.random() < 0.3:
        m.add("Not", [x])
    else:
        m.add(m.rng.choice(["And", "Or", "Xor", "Equal"]), [x, other_operand(m, x, np.bool_)])


def where(m: RandomModel) -> None:
    dtype = m.rng.choice([FLOAT, FLOAT, np.int64, np.uint8])
    x = m.value(dtypes=(dtype,))
    m.add("Where", [other_operand(m, x, np.bool_), x, other_operand(m, x, dtype)])


def cast(m: RandomModel) -> None:
    x = m.value(dtypes=(FLOAT, np.int64, np.int32, np.bool_, np.uint8, np.float64, HALF_FLOAT))
    m.add("Cast", [x], to=m.rng.choice(CASTS))


def clip(m: RandomModel) -> None:
    dtype = m.rng.choice([FLOAT, FLOAT, np.int32, np.int64, np.uint8, np.int8]) if m.opset >= 12 else FLOAT
    bounds = [None if m.rng.random() < 0.3 else m.array((), dtype) for _ in range(2)]
    x = m.value(dtypes=(dtype,))
    if m.opset < 11:
        m.add("Clip", [x], min=bounds[0] if bounds[0] is None else float(bounds[0]),
              max=bounds[1] if bounds[1] is None else float(bounds[1]))  # fmt: skip
    else:
        m.add("Clip", [x, *["" if bound is None else m.weight(bound) for bound in bounds]])


def variadic(m: RandomModel) -> None:
    x = m.value()
    m.add(m.rng.choice(["Sum", "Mean", "Max", "Min"]), [x, *[other_operand(m, x, FLOAT) for _ in range(2)]])


def window(m: RandomModel, spatial: Sequence[int], *, dilated: bool = True) -> dict[str, Any]:
    rank = len(spatial)
    kernel = [m.rng.choice([1, 2, 3, 3, 5, size]) for size in spatial]
    fields: dict[str, Any] = {
        "kernel_shape": kernel,
        "strides": m.maybe([m.rng.choice([1, 1, 2, 3]) for _ in range(rank)]),
        "dilations": m.maybe([m.rng.choice([1, 1, 2, 3]) for _ in range(rank)], 0.3) if dilated else None,
    }
    if m.rng.random() < 0.4:
        fields["auto_pad"] = m.rng.choice(AUTO_PAD)
    if fields.get("auto_pad", "").startswith("SAME"):
        # With dilations onnxruntime refuses, or gives other sizes than ONNX says.
        fields["dilations"] = None
    if fields.get("auto_pad", "NOTSET") == "NOTSET" and m.rng.random() < 0.7:
        fields["pads"] = [m.rng.choice([0, 0, 1, 1, 2, 3]) for _ in range(2 * rank)]
    return fields


def conv(m: RandomModel) -> None:
    x = m.value(ranks=(3, 4, 4, 5))
    channels, *spatial = m.of(x).shape[1:]
    groups = m.rng.choice([g for g in range(1, channels + 1) if channels % g == 0])
    outputs = groups * m.rng.choice([1, 1, 2, 3, 5, 8, 16])
    fields = window(m, spatial)
    weights = m.weight(m.array((outputs, channels // groups, *fields["kernel_shape"])))
    bias = [m.weight(m.array((outputs,)))] if m.rng.random() < 0.6 else []
    if m.rng.random() < 0.3:
        del fields["kernel_shape"]
    m.add("Conv", [x, weights, *bias], group=m.maybe(groups) if groups == 1 else groups, **fields)


def conv_transpose(m: RandomModel) -> None:
    x = m.value(ranks=(3, 4))
    channels, *spatial = m.of(x).shape[1:]
    groups = m.rng.choice([g for g in range(1, channels + 1) if channels % g == 0])
    outputs = m.rng.choice([1, 2, 3])
    fields = window(m, spatial)
    strides = fields["strides"] or [1] * len(spatial)
    if any(size < stride for size, stride in zip(fields["kernel_shape"], strides, strict=True)):
        # Where windows leave gaps, onnxruntime does not give the size that ONNX says for SAME.
        fields.pop("auto_pad", None)
    if m.rng.random() < 0.3:
        fields["output_padding"] = [m.rng.randrange(stride) for stride in strides]
    if m.rng.random() < 0.2:
        fields["output_shape"] = [size * stride + m.rng.choice([0, 0, 1]) for size, stride in zip(spatial, strides)]
    weights = m.weight(m.array((channels, outputs, *fields["kernel_shape"])))
    bias = [m.weight(m.array((outputs * groups,)))] if m.rng.random() < 0.5 else []
    m.add("ConvTranspose", [x, weights, *bias], group=groups, **fields)


def pool(m: RandomModel) -> None:
    x = m.value(ranks=(3, 4, 4, 5))
    operator = m.rng.choice(["MaxPool", "MaxPool", "AveragePool", "AveragePool", "LpPool"])
    fields = window(m, m.of(x).shape[2:], dilated=operator == "MaxPool" or m.opset >= 19)
    if m.opset >= 10 and (operator != "LpPool" or m.opset >= 18):
        fields["ceil_mode"] = m.maybe(1, 0.4) if "auto_pad" not in fields else None
    if operator == "AveragePool":
        fields["count_include_pad"] = m.maybe(1)
    if operator == "LpPool":
        fields["p"] = m.maybe(m.rng.choice([1, 2, 3]))
    two = operator == "MaxPool" and m.rng.random() < 0.2
    m.add(operator, [x], 2 if two else 1, **fields)


def global_pool(m: RandomModel) -> None:
    m.add(m.rng.choice(["GlobalAveragePool", "GlobalMaxPool"]), [m.value(ranks=(3, 4))])


def gemm(m: RandomModel) -> None:
    x = m.value(ranks=(2,))
    transposed = m.maybe(1), m.maybe(1)
    rows, inner = m.of(x).shape[::-1] if transposed[0] else m.of(x).shape
    columns = m.rng.choice([1, 2, 3, 8, 17])
    weights = m.weight(m.array((columns, inner) if transposed[1] else (inner, columns)))
    addend = [m.weight(m.array(m.rng.choice([(), (1,), (columns,), (rows, 1), (1, columns), (rows, columns)])))]
    scales = {"alpha": m.maybe(m.rng.choice([0.5, 0.0, 2.0])), "beta": m.maybe(m.rng.choice([0.5, 0.0, 2.0]))}
    m.add("Gemm", [x, weights, *(addend if m.rng.random() < 0.7 or m.opset < 11 else [])],
          transA=transposed[0], transB=transposed[1], **scales)  # fmt: skip


def matmul(m: RandomModel) -> None:
    x = m.value(ranks=(1, 2, 3, 4))
    *batch, inner = m.of(x).shape
    columns = m.rng.choice([1, 2, 3, 8, 17])
    shapes = [(inner,), (inner, columns)]
    if len(batch) > 1:
        shapes += [(*[m.rng.choice([1, size]) for size in batch[:-1]], inner, columns)]
    shapes.append((m.rng.choice([1, 2]), *[1] * max(len(batch) - 1, 0), inner, columns))
    m.add("MatMul", [x, m.weight(m.array(m.rng.choice(shapes)))])


def reduce(m: RandomModel) -> None:
    kind = m.rng.choice(REDUCTIONS)
    dtype = m.rng.choice([FLOAT, FLOAT, FLOAT, np.int32, np.int64])
    x = m.value(dtypes=(dtype,))
    rank = m.of(x).ndim
    axes = None
    if m.rng.random() < 0.8:
        axes = [axis - m.rng.choice([0, rank]) for axis in m.rng.sample(range(rank), m.rng.randint(1, rank))]
    as_input = m.opset >= (13 if kind == "Sum" else 18)
    if as_input and m.rng.random() < 0.15:
        axes = []
    keepdims = m.maybe(m.rng.choice([0, 1]))
    if as_input:
        noop = m.maybe(1, 0.3)
        m.add(f"Reduce{kind}", [x, *([] if axes is None else [m.whole(*axes)])],
              keepdims=keepdims, noop_with_empty_axes=noop)  # fmt: skip
    else:
        m.add(f"Reduce{kind}", [x], axes=axes, keepdims=keepdims)


def arg_reduce(m: RandomModel) -> None:
    x = m.value(dtypes=(FLOAT, np.int32))
    if np.isnan(m.of(x)).any():  # Every engine finds another one.
        return
    last = m.maybe(1, 0.3) if m.opset >= 12 else None
    m.add(m.rng.choice(["ArgMax", "ArgMin"]), [x], axis=m.axis(m.of(x).ndim) if m.opset >= 11 else None,
          keepdims=m.maybe(0), select_last_index=last)  # fmt: skip


def softmax(m: RandomModel) -> None:
    x = m.value()
    axis = m.maybe(m.axis(m.of(x).ndim)) if m.opset >= 11 else m.maybe(m.rng.randrange(m.of(x).ndim))
    m.add(m.rng.choice(["Softmax", "Softmax", "LogSoftmax", "Hardmax"]), [x], axis=axis)


def reshape(m: RandomModel) -> None:
    x = m.value(dtypes=(FLOAT, np.int64))
    count, dims = m.of(x).size, []
    while count > 1 and len(dims) < 3:
        dims.append(m.rng.choice([size for size in range(1, count + 1) if count % size == 0]))
        count //= dims[-1]
    dims.append(count)
    if m.rng.random() < 0.5:
        dims[m.rng.randrange(len(dims))] = -1
    shape = m.of(x).shape
    for axis, size in enumerate(dims):
        if axis < len(shape) and size == shape[axis] and m.rng.random() < 0.3:
            dims[axis] = 0
    m.add("Reshape", [x, m.whole(*dims)])


def transpose(m: RandomModel) -> None:
    x = m.value(dtypes=(FLOAT, np.int64, np.uint8, np.bool_))
    rank = m.of(x).ndim
    m.add("Transpose", [x], perm=m.maybe(m.rng.sample(range(rank), rank), 0.8))


def flatten(m: RandomModel) -> None:
    x = m.value()
    axis = m.rng.randint(-m.of(x).ndim if m.opset >= 11 else 0, m.of(x).ndim)
    m.add("Flatten", [x], axis=m.maybe(axis, 0.7))


def squeeze(m: RandomModel) -> None:
    x = m.value()
    ones = [axis for axis, size in enumerate(m.of(x).shape) if size == 1]
    rank = m.of(x).ndim
    if m.rng.random() < 0.5 and ones:
        axes = [axis - (m.rng.choice([0, rank]) if m.opset >= 11 else 0) for axis in ones[: m.rng.randint(1, 2)]]
        operator = "Squeeze"
    else:
        axes = m.rng.sample(range(rank + 1), m.rng.randint(1, min(2, rank + 1)))
        operator = "Unsqueeze"
        if rank + len(axes) > 5:
            return
    if m.opset >= 13:
        m.add(operator, [x, m.whole(*axes)])
    else:
        m.add(operator, [x], axes=axes)


BOUNDS = (0, 1, 2, 3, 5, -1, -2, -3, -5, 100, -100, 2**31 - 1, 2**63 - 1, -(2**63), -(2**31))


def slice_(m: RandomModel) -> None:
    x = m.value(dtypes=(FLOAT, np.int64))
    rank = m.of(x).ndim
    axes = m.rng.sample(range(rank), m.rng.randint(1, rank))
    starts = [m.rng.choice(BOUNDS) for _ in axes]
    ends = [m.rng.choice(BOUNDS) for _ in axes]
    if m.opset < 10:
        m.add("Slice", [x], axes=axes, starts=starts, ends=ends)
        return
    axes = [axis - m.rng.choice([0, rank]) for axis in axes]
    steps = [m.rng.choice([1, 1, 2, 3, -1, -2, -3, 100]) for _ in axes]
    # onnxruntime takes the largest numbers to mean the beginning for a step below 0; ONNX does not.
    ends = [min(end, 1000) if step < 0 else end for end, step in zip(ends, steps)]
    operands = [x, m.whole(*starts), m.whole(*ends), m.whole(*axes)]
    m.add("Slice", operands + ([m.whole(*steps)] if m.rng.random() < 0.7 else []))


def split(m: RandomModel) -> None:
    x = m.value()
    axis = m.axis(m.of(x).ndim) if m.opset >= 11 else m.rng.randrange(m.of(x).ndim)
    size = m.of(x).shape[axis]
    parts = m.rng.randint(1, min(size, 3))
    if m.rng.random() < 0.5:
        cuts = sorted(m.rng.randint(0, size) for _ in range(parts - 1))
        sizes = [int(d) for d in np.diff([0, *cuts, size])]
        if m.opset >= 13:
            m.add("Split", [x, m.whole(*sizes)], parts, axis=axis)
        else:
            m.add("Split", [x], parts, axis=axis, split=sizes)
    else:
        m.add("Split", [x], parts, axis=axis, num_outputs=parts if m.opset >= 18 else None)


def concat(m: RandomModel) -> None:
    x = m.value(dtypes=(FLOAT, np.int64))
    array = m.of(x)
    axis = m.axis(array.ndim) if m.opset >= 11 else m.rng.randrange(array.ndim)
    parts = [x]
    for _ in range(m.rng.randint(0, 2)):
        shape = list(array.shape)
        shape[axis] = m.rng.choice([0, 1, 2, shape[axis]])
        same = [name for name, other in m.values.items() if other.shape == array.shape and other.dtype == array.dtype]
        parts.append(m.rng.choice(same) if m.rng.random() < 0.5 else m.weight(m.array(shape, array.dtype)))
    m.rng.shuffle(parts)
    m.add("Concat", parts, axis=axis)


def pad(m: RandomModel) -> None:
    x = m.value()
    rank = m.of(x).ndim
    mode = m.rng.choice(["constant", "constant", "reflect", "edge"] + (["wrap"] if m.opset >= 19 else []))
    axes = list(range(rank))
    if m.opset >= 18 and m.rng.random() < 0.4:
        axes = m.rng.sample(axes, m.rng.randint(1, rank))
    choices = [0, 0, 1, 2, 3, -1] if mode == "constant" else [0, 0, 1, 2, 3]
    amounts = [m.rng.choice(choices) for _ in range(2 * len(axes))]
    mode_given = m.maybe(mode) if mode == "constant" else mode
    if m.opset < 11:
        m.add("Pad", [x], pads=amounts, mode=mode_given, value=m.maybe(1.5))
        return
    operands = [x, m.whole(*amounts)]
    if m.rng.random() < 0.5:
        operands.append(m.weight(m.array(())))
    if len(axes) < rank or (m.opset >= 18 and m.rng.random() < 0.2):
        axes = [axis - m.rng.choice([0, rank]) for axis in axes]
        operands += [""] * (3 - len(operands)) + [m.whole(*axes)]
    m.add("Pad", operands, mode=mode_given)


def expand(m: RandomModel) -> None:
    x = m.value(dtypes=(FLOAT, np.int64))
    shape = [m.rng.choice([2, 3]) if size == 1 else m.rng.choice([1, size]) for size in m.of(x).shape]
    shape = [1, 2][: m.rng.randint(0, 2)] + shape[m.rng.choice([0, 0, 1]) :]
    if len(shape) < 6:
        m.add("Expand", [x, m.whole(*shape)])


def tile(m: RandomModel) -> None:
    x = m.value(dtypes=(FLOAT, np.int64))
    m.add("Tile", [x, m.whole(*[m.rng.choice([1, 1, 2, 3]) for _ in m.of(x).shape])])


def resize(m: RandomModel) -> None:
    x = m.value(ranks=(3, 4, 4))
    shape = m.of(x).shape
    mode = m.rng.choice(["nearest", "nearest", "linear", "cubic"])
    if mode == "cubic" and len(shape) != 4:
        mode = "linear"
    scales = [1.0, 1.0, *[m.rng.choice([1.0, 2.0, 0.5, 1.5, 3.0, 0.7, 0.6]) for _ in shape[2:]]]
    given = m.weight(np.array(scales, np.float32), may_be_input=False)
    if m.opset < 10:
        m.add("Upsample", [x, given], mode=m.maybe(mode) if mode != "cubic" else "linear")
        return
    if m.opset == 10:
        m.add("Resize", [x, given], mode=m.maybe(mode) if mode != "cubic" else "linear")
        return
    coordinates = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]
    fields: dict[str, Any] = {
        "mode": mode,
        "coordinate_transformation_mode": m.maybe(m.rng.choice(coordinates), 0.8),
        "nearest_mode": m.maybe(m.rng.choice(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])),
        "cubic_coeff_a": m.maybe(-0.5, 0.3) if mode == "cubic" else None,
        "exclude_outside": m.maybe(1, 0.3) if mode == "cubic" else None,
        "antialias": m.maybe(1, 0.2) if mode != "nearest" and m.opset >= 18 else None,
    }
    empty = "" if m.opset >= 13 else m.weight(np.zeros(0, np.float32), may_be_input=False)
    if m.rng.random() < 0.4:
        sizes = [*shape[:2], *[m.rng.choice([1, 2, 3, 5, 8, size]) for size in shape[2:]]]
        m.add("Resize", [x, empty, empty, m.whole(*sizes)], **fields)
    else:
        m.add("Resize", [x, empty, given], **fields)


def gather(m: RandomModel) -> None:
    x = m.value(dtypes=(FLOAT, np.int64))
    axis = m.axis(m.of(x).ndim)
    size = m.of(x).shape[axis]
    kind = m.rng.choice(["Gather", "Gather", "GatherElements"] if m.opset >= 11 else ["Gather"])
    low = -size if m.opset >= 11 else 0
    shape = m.shape(m.rng.choice([0, 1, 2]))
    if kind == "GatherElements":
        shape = [m.rng.randint(1, other) for other in m.of(x).shape]
        shape[axis] = m.rng.randint(1, 4)
    indices = m.numbers.integers(low, size, shape).astype(m.rng.choice([np.int64, np.int32]))
    m.add(kind, [x, m.weight(np.asarray(indices))], axis=m.maybe(axis, 0.9) if kind == "Gather" and axis == 0 else axis)


def gather_nd(m: RandomModel) -> None:
    x = m.value()
    shape = m.of(x).shape
    depth = m.rng.randint(1, len(shape))
    columns = [m.numbers.integers(-size, size, (3, 2)) for size in shape[:depth]]
    m.add("GatherND", [x, m.weight(np.stack(columns, -1).astype(np.int64))])


def scatter(m: RandomModel) -> None:
    x = m.value()
    shape = m.of(x).shape
    axis = m.axis(len(shape))
    some = [m.rng.randint(1, size) for size in shape]
    rows = m.numbers.permutation(shape[axis])[: some[axis]]
    index = np.broadcast_to(rows.reshape([-1 if a == axis % len(shape) else 1 for a in range(len(shape))]), some)
    index = np.where(m.numbers.integers(0, 2, some), index, index - shape[axis]).astype(np.int64)
    reduction = m.maybe(m.rng.choice(["add", "mul"] + (["max", "min"] if m.opset >= 18 else []))) \
        if m.opset >= 16 else None  # fmt: skip
    m.add("ScatterElements", [x, m.weight(index), m.weight(m.array(some))], axis=axis, reduction=reduction)


def layer_norm(m: RandomModel) -> None:
    x = m.value(ranks=(2, 3, 4))
    axis = m.axis(m.of(x).ndim)
    shape = m.of(x).shape[axis % m.of(x).ndim :]
    bias = [m.weight(m.array(shape))] if m.rng.random() < 0.6 else []
    m.add("LayerNormalization", [x, m.weight(m.array(shape)), *bias],
          axis=axis, epsilon=m.maybe(m.rng.choice([1e-3, 0.1])))  # fmt: skip


def normalization(m: RandomModel) -> None:
    x = m.value(ranks=(3, 4, 4))
    channels = m.of(x).shape[1]
    parts = [m.weight(m.array((channels,))) for _ in range(3)]
    operator = m.rng.choice(
        ["BatchNormalization", "BatchNormalization", "InstanceNormalization", "LRN", "LpNormalization"]
    )
    if operator == "BatchNormalization":
        variance = m.weight(np.abs(m.array((channels,))) + np.float32(0.5))
        m.add(operator, [x, *parts, variance], epsilon=m.maybe(0.01))
    elif operator == "InstanceNormalization":
        m.add(operator, [x, *parts[:2]], epsilon=m.maybe(0.01))
    elif operator == "LRN":
        m.add(operator, [x], size=m.rng.choice([1, 2, 3, 5]), alpha=m.maybe(0.1), beta=m.maybe(0.5), bias=m.maybe(2.0))
    else:
        m.add(operator, [x], axis=m.maybe(m.axis(m.of(x).ndim)), p=m.maybe(1))


def recurrent(m: RandomModel) -> None:
    x = m.value(ranks=(3,))
    steps, batch, inputs = m.of(x).shape
    operator, gates = m.rng.choice([("LSTM", 4), ("GRU", 3), ("RNN", 1)])
    direction = m.rng.choice([None, "forward", "reverse", "bidirectional"])
    count = 2 if direction == "bidirectional" else 1
    hidden = m.rng.choice([1, 3, 4, 8])
    operands = [
        x,
        m.weight(m.array((count, gates * hidden, inputs))),
        m.weight(m.array((count, gates * hidden, hidden))),
    ]
    operands.append(m.weight(m.array((count, 2 * gates * hidden))) if m.rng.random() < 0.5 else "")
    lengths = m.numbers.integers(1, steps + 1, batch).astype(np.int32)
    operands.append(m.weight(lengths) if m.rng.random() < 0.4 else "")
    operands.append(m.weight(m.array((count, batch, hidden))) if m.rng.random() < 0.5 else "")
    if operator == "LSTM":
        operands.append(m.weight(m.array((count, batch, hidden))) if m.rng.random() < 0.5 else "")
        if m.rng.random() < 0.2:
            operands.append(m.weight(m.array((count, 3 * hidden))))
    fields: dict[str, Any] = {"hidden_size": hidden, "direction": direction, "clip": m.maybe(1.0, 0.2)}
    if operator == "GRU":
        fields["linear_before_reset"] = m.maybe(1)
    m.add(operator, operands, 3 if operator == "LSTM" else 2, **fields)


def misc(m: RandomModel) -> None:
    operator = m.rng.choice(["DepthToSpace", "SpaceToDepth", "CumSum", "TopK", "OneHot", "Trilu", "Shape"])
    if operator in ("DepthToSpace", "SpaceToDepth"):
        x = m.value(ranks=(4,))
        mode = m.maybe("CRD") if operator == "DepthToSpace" and m.opset >= 11 else None
        m.add(operator, [x], blocksize=m.rng.choice([1, 2, 3]), mode=mode)
    elif operator == "CumSum":
        x = m.value(dtypes=(FLOAT, np.int64))
        axis = m.weight(np.array(m.axis(m.of(x).ndim), np.int64), may_be_input=False)
        m.add(operator, [x, axis], exclusive=m.maybe(1), reverse=m.maybe(1))
    elif operator == "TopK":
        x = m.value()
        axis = m.axis(m.of(x).ndim)
        count = m.whole(m.rng.randint(1, m.of(x).shape[axis]))
        if m.opset >= 11:
            m.add(operator, [x, count], 2, axis=axis, largest=m.maybe(0))
    elif operator == "OneHot":
        indices = m.value(dtypes=(np.int64, np.int32), ranks=(1, 2))
        depth = m.weight(np.array(5, np.int64), may_be_input=False)
        m.add(operator, [indices, depth, m.weight(m.array((2,)))], axis=m.maybe(m.axis(m.of(indices).ndim + 1)))
    elif operator == "Trilu":
        diagonal = m.weight(np.array(m.rng.randint(-3, 3), np.int64), may_be_input=False)
        m.add(operator, [m.value(ranks=(2, 3)), diagonal], upper=m.maybe(0))
    else:
        ends = {"start": m.maybe(m.rng.choice([0, 1, -1, -9])), "end": m.maybe(m.rng.choice([1, -1, 9, -9]))}
        m.add(operator, [m.value()], **(ends if m.opset >= 15 else {}))


STEPS: tuple[Step, ...] = (
    unary, unary, binary, binary, binary, logic, where, cast, clip, variadic, conv, conv, conv, conv_transpose, pool,
    pool, global_pool, gemm, matmul, matmul, reduce, reduce, arg_reduce, softmax, reshape, reshape, transpose, flatten,
    squeeze, slice_, slice_, split, concat, pad, expand, tile, resize, resize, gather, gather, gather_nd, scatter,
    layer_norm, normalization, recurrent, misc, misc,
)  # fmt: skip
