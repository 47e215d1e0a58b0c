"""More nodes of random models: every element type, and operators that quantise, contract and normalise."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto
from random_layers import LAYER_STEPS
from random_model import FLOAT, HALF_FLOAT, RandomModel, Step
from random_selections import SELECTION_STEPS
from random_steps import STEPS, other_operand

INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
FLOATS = (HALF_FLOAT, FLOAT, np.float64)
FLOAT_UNARY = ("Abs", "Neg", "Sign", "Relu", "Exp", "Sqrt", "Erf", "Tanh", "Sigmoid", "Floor", "Ceil", "Round",
               "Reciprocal", "Log", "Softplus", "Softsign", "HardSigmoid", "LeakyRelu", "Elu", "Selu", "Sin", "Cos",
               "IsNaN", "Softmax", "LogSoftmax")  # fmt: skip
EQUATIONS = ("ij,jk->ik", "ij,kj->ki", "ij,ij->", "ij->ji", "ij->j", "ii->i", "ij,j->i", "i,j->ij", "bij,bjk->bik",
             "bij,bkj->bik", "bi,bj->bij", "...ij,...jk->...ik", "abc->cab", "abc,abc->ac")  # fmt: skip


def typed_unary(m: RandomModel) -> None:
    dtype = m.rng.choice([*FLOATS, HALF_FLOAT])
    m.add(m.rng.choice(FLOAT_UNARY), [m.value(dtypes=(dtype,))])


def typed_binary(m: RandomModel) -> None:
    dtype = m.rng.choice([*FLOATS, *INTEGERS])
    x = m.value(dtypes=(dtype,), ranks=(0, 1, 2, 3, 4))
    y = other_operand(m, x, dtype)
    operators = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"]
    operator = m.rng.choice(operators)
    if operator == "Div" and np.dtype(dtype).kind in "iu" and not m.of(y).all():
        return
    m.add(operator, [x, y])


def bits(m: RandomModel) -> None:
    dtype = m.rng.choice(INTEGERS)
    x = m.value(dtypes=(dtype,))
    operators = ["BitwiseAnd", "BitwiseOr", "BitwiseXor"] if m.opset >= 18 else []
    if np.dtype(dtype).kind == "u":
        operators.append("BitShift")
    if not operators:
        return
    operator = m.rng.choice(operators)
    direction = m.rng.choice(["LEFT", "RIGHT"]) if operator == "BitShift" else None
    m.add(operator, [x, other_operand(m, x, dtype)], direction=direction)


def typed_reduce(m: RandomModel) -> None:
    dtype = m.rng.choice([HALF_FLOAT, np.float64, np.int32, np.int64, np.int8, np.uint8])
    x = m.value(dtypes=(dtype,))
    rank = m.of(x).ndim
    kind = m.rng.choice(["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSumExp"])
    axes = m.rng.sample(range(rank), m.rng.randint(1, rank))
    if m.opset >= (13 if kind == "Sum" else 18):
        m.add(f"Reduce{kind}", [x, m.whole(*axes)], keepdims=m.maybe(0))
    else:
        m.add(f"Reduce{kind}", [x], axes=axes, keepdims=m.maybe(0))


def typed_cast(m: RandomModel) -> None:
    x = m.value(dtypes=(*FLOATS, *INTEGERS, np.bool_))
    if np.dtype(m.of(x).dtype).kind == "f" and not np.isfinite(m.of(x)).all():
        return
    targets = [TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.BOOL, TensorProto.INT64]
    if np.dtype(m.of(x).dtype).kind in "iub":
        targets += [TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16, TensorProto.INT32,
                    TensorProto.UINT32, TensorProto.UINT64]  # fmt: skip
    m.add("Cast", [x], to=m.rng.choice(targets))


def short_float(m: RandomModel) -> None:
    """There and back: onnxruntime rounds to bfloat16, but computes nothing in it."""
    m.cast_twice(m.value(), m.rng.choice([TensorProto.FLOAT16, TensorProto.BFLOAT16]))


def quantize(m: RandomModel) -> None:
    x = m.value(ranks=(1, 2, 3, 4))
    dtype = m.rng.choice([np.uint8, np.int8])
    axis, channels = None, ()
    if m.opset >= 13 and m.rng.random() < 0.5:
        axis = m.axis(m.of(x).ndim)
        channels = (m.of(x).shape[axis],)
    scale = m.weight(np.abs(m.array(channels)) + np.float32(0.05), may_be_input=False)
    zero = m.weight(m.array(channels, dtype), may_be_input=False)
    count = len(m.nodes)
    m.add("QuantizeLinear", [x, scale, zero], axis=axis)
    if len(m.nodes) > count:
        m.add("DequantizeLinear", [m.nodes[-1].output[0], scale, zero], axis=axis)


def einsum(m: RandomModel) -> None:
    equation = m.rng.choice(EQUATIONS)
    sizes = {letter: m.rng.choice([1, 2, 3, 5, 9]) for letter in "abcijk"}
    operands = []
    for text in equation.partition("->")[0].split(","):
        batch = [1, 2] if text.startswith("...") and m.rng.random() < 0.5 else []
        shape = batch + [sizes[letter] for letter in text.removeprefix("...")]
        operands.append(m.input(m.array(shape)) if m.rng.random() < 0.6 else m.weight(m.array(shape)))
    if m.opset >= 12:
        m.add("Einsum", operands, equation=equation)


def scatter_nd(m: RandomModel) -> None:
    x = m.value(dtypes=(FLOAT, np.int64), ranks=(1, 2, 3))
    array = m.of(x)
    rows = m.numbers.permutation(array.shape[0])[: m.rng.randint(1, array.shape[0])]
    updates = m.array((len(rows), *array.shape[1:]), array.dtype)
    if m.opset >= 11:
        m.add("ScatterND", [x, m.weight(rows.reshape(-1, 1).astype(np.int64)), m.weight(updates)])


def typed_norm(m: RandomModel) -> None:
    dtype = m.rng.choice([HALF_FLOAT, FLOAT, np.float64])
    x = m.value(dtypes=(dtype,), ranks=(2, 3, 4))
    shape = m.of(x).shape
    if len(shape) > 2 and m.rng.random() < 0.5:
        parts = [m.weight(m.array((shape[1],), dtype)) for _ in range(2)]
        if m.opset >= 21 and m.rng.random() < 0.5:
            groups = m.rng.choice([g for g in range(1, shape[1] + 1) if shape[1] % g == 0])
            m.add("GroupNormalization", [x, *parts], num_groups=groups)
        else:
            m.add("InstanceNormalization", [x, *parts])
    elif m.opset >= 17:
        m.add("LayerNormalization", [x, *[m.weight(m.array(shape[-1:], dtype)) for _ in range(2)]], axis=-1)


def typed_product(m: RandomModel) -> None:
    dtype: Any = m.rng.choice([HALF_FLOAT, np.float64, np.int32, np.uint32, np.int64])
    x = m.value(dtypes=(dtype,), ranks=(1, 2, 3))
    inner = m.of(x).shape[-1]
    m.add("MatMul", [x, m.weight(m.array((inner, m.rng.choice([1, 3, 17])), dtype))])


def typed_movement(m: RandomModel) -> None:
    dtype = m.rng.choice([*INTEGERS, HALF_FLOAT, np.float64, np.bool_])
    x = m.value(dtypes=(dtype,))
    rank = m.of(x).ndim
    match m.rng.choice(["Transpose", "Concat", "Gather", "Expand", "Pad"]):
        case "Transpose":
            m.add("Transpose", [x], perm=m.rng.sample(range(rank), rank))
        case "Concat":
            m.add("Concat", [x, x], axis=m.rng.randrange(rank))
        case "Gather":
            size = m.of(x).shape[0]
            m.add("Gather", [x, m.weight(m.numbers.integers(0, size, (3,)).astype(np.int64))], axis=0)
        case "Expand":
            m.add("Expand", [x, m.whole(2, *m.of(x).shape)])
        case _:
            amounts = [m.rng.choice([0, 1, 2]) for _ in range(2 * rank)]
            if m.opset >= 11:
                m.add("Pad", [x, m.whole(*amounts)], mode=m.rng.choice(["constant", "edge"]))


ALL_STEPS: tuple[Step, ...] = (
    *STEPS, *SELECTION_STEPS, *LAYER_STEPS,
    typed_unary, typed_unary, typed_binary, typed_binary, typed_binary, bits, typed_reduce, typed_reduce,
    typed_cast, typed_cast, short_float, quantize, quantize, einsum, einsum, scatter_nd, typed_norm, typed_norm,
    typed_product, typed_movement, typed_movement,
)  # fmt: skip
