"""Operators of onnxruntime's decoders, against it."""

from __future__ import annotations

from typing import Any

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(0)
DOMAINS = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
HALF, LONGEST = 8, 40
ANGLES = np.arange(LONGEST)[:, None] / 10.0 ** np.linspace(0, 3, HALF)
TABLES = {"cos": np.cos(ANGLES).astype(np.float32), "sin": np.sin(ANGLES).astype(np.float32)}


def floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def compare(
    operator: str,
    names: list[str],
    feeds: dict[str, np.ndarray],
    outputs: list[int],
    shapes: dict[str, list[Any]] | None = None,
    compared: int | None = None,
    constants: dict[str, np.ndarray] | None = None,
    within: float = 3e-6,
    **attributes: Any,
) -> None:
    """One node in both; ``shapes`` of inputs, where not their arrays'; ``outputs``: their ranks, and how many count."""
    known = {**TABLES, **(constants or {})}
    initializers = [numpy_helper.from_array(known[name], name) for name in names if name in known]
    results = [f"y{index}" for index in range(len(outputs))]
    node = helper.make_node(operator, names, results, domain="com.microsoft", **attributes)
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), (shapes or {}).get(name, list(array.shape))
        )
        for name, array in feeds.items()
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name, rank in zip(results, outputs)
    ]
    graph = helper.make_graph([node], "graph", inputs, ends, initializers)
    model = helper.make_model(graph, opset_imports=DOMAINS, ir_version=10)
    onnx.checker.check_model(model, full_check=False)
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
    found = list(lamina.compile(model, threads=1).run(feeds).values())
    for have, want in list(zip(found, expected, strict=True))[:compared]:
        np.testing.assert_allclose(have, want, rtol=0, atol=within)


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("form", ["rows", "heads", "first position", "part of a head"])
def test_rotary_embedding(form: str, interleaved: int) -> None:
    x = floats(2, 3, 5, 16) if form == "heads" else floats(2, 5, 60 if form == "part of a head" else 48)
    positions = np.array([4]) if form == "first position" else RNG.integers(0, LONGEST, (2, 5))
    more = {"num_heads": 3, "rotary_embedding_dim": 16} if form == "part of a head" else {}
    feeds = {"x": x, "positions": positions}
    compare("RotaryEmbedding", ["x", "positions", "cos", "sin"], feeds, [x.ndim], interleaved=interleaved, **more)


# batch, tokens before, new tokens, attributes
ATTENTION = {
    "prompt": (1, 0, 7, {}),
    "token": (1, 9, 1, {"do_rotary": 1}),
    "tokens": (1, 6, 4, {"do_rotary": 1, "rotary_interleaved": 1}),
    "window": (1, 9, 3, {"do_rotary": 1, "local_window_size": 4}),
    "cap": (1, 5, 2, {"softcap": 2.0, "scale": 0.5}),
    "packed": (1, 9, 1, {"do_rotary": 1}),
    "sequences": (2, 6, 1, {"do_rotary": 1}),
}


@pytest.mark.parametrize("is_free", [False, True], ids=["known", "free"])
@pytest.mark.parametrize("name", ATTENTION)
def test_group_query_attention(name: str, is_free: bool) -> None:
    batch, past, sequence, attributes = ATTENTION[name]
    heads, few, size = 6, 2, 16
    rows = {"q": floats(batch, sequence, heads * size), "k": floats(batch, sequence, few * size)}
    rows["v"] = floats(*rows["k"].shape)
    if name == "packed":
        rows = {"q": np.concatenate(list(rows.values()), 2)}
    feeds = {
        **rows,
        "past_k": floats(batch, few, past, size),
        "past_v": floats(batch, few, past, size),
        "lengths": np.full(batch, past + sequence - 1, np.int32),
        "total": np.array([past + sequence], np.int32),
    }
    if batch > 1:
        feeds["lengths"][1] -= 2
    shapes: dict[str, list[Any]] = {}
    if is_free:
        shapes = {key: [batch, "S", rows[key].shape[2]] for key in rows}
        shapes |= {key: [batch, few, "P", size] for key in ("past_k", "past_v")}
    names = ["q", "k" if "k" in rows else "", "v" if "v" in rows else "", "past_k", "past_v", "lengths", "total"]
    names += ["cos", "sin"] if "do_rotary" in attributes else []
    sizes = {"num_heads": heads, "kv_num_heads": few}
    # Of sequences of several lengths the rest of what is kept is anything.
    compared = None if batch == 1 else 1
    compare("GroupQueryAttention", names, feeds, [3, 4, 4], shapes, compared, **sizes, **attributes)


# batch, tokens before, new tokens, mask, attributes
PROJECTED = {
    "plain": (2, 0, 5, None, {}),
    "causal, with past": (2, 3, 4, None, {"unidirectional": 1}),
    "lengths": (2, 0, 5, "lengths", {}),
    "mask": (2, 3, 4, "mask", {"unidirectional": 1}),
}


@pytest.mark.parametrize("operator", ["Attention", "QAttention"])
@pytest.mark.parametrize("name", PROJECTED)
def test_projected_attention(name: str, operator: str) -> None:
    batch, past, sequence, masking, attributes = PROJECTED[name]
    heads, size, width = 3, 8, 20
    x, w = (
        RNG.integers(0, 256, (batch, sequence, width), np.uint8),
        RNG.integers(-127, 128, (width, 72)).astype(np.int8),
    )
    feeds: dict[str, np.ndarray] = {"x": x, "w": w, "bias": floats(72)}
    if operator == "QAttention":
        feeds |= {"sx": np.float32([0.02]), "sw": np.float32([0.004])}
        names = ["x", "w", "bias", "sx", "sw", "mask", "zx", "zw", "past"]
        feeds |= {"zx": np.array([117], np.uint8), "zw": np.array([3], np.int8)}
    else:
        feeds |= {"x": floats(*x.shape), "w": floats(*w.shape) / 4}
        names = ["x", "w", "bias", "mask", "past"]
    if past:
        feeds["past"] = floats(2, batch, heads, past, size)
    if masking == "lengths":
        feeds["mask"] = np.array([5, 3], np.int32)
    elif masking == "mask":
        feeds["mask"] = np.array([[1, 1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1, 0]], np.int32)
    names = [name if name in feeds else "" for name in names]
    compare(operator, names, feeds, [3, 5] if past else [3], num_heads=heads, **attributes)


@pytest.mark.parametrize("columns", [False, True])
def test_dynamic_quantize_lstm(columns: bool) -> None:
    """It rounds what it multiplies to 8 bits, and here is what that costs it."""
    steps, batch, width, hidden = 4, 2, 10, 6
    shape = (1, 4 * hidden) if columns else (1,)
    feeds = {"x": floats(steps, batch, width)}
    weights = {"w": (1, width, 4 * hidden), "r": (1, hidden, 4 * hidden)}
    constants = {name: RNG.integers(-127, 128, size).astype(np.int8) for name, size in weights.items()}
    constants["b"] = floats(1, 8 * hidden)
    for name in weights:
        constants[f"{name}_scale"] = (RNG.random(shape).astype(np.float32) + 0.5) / 200
        constants[f"{name}_zero"] = np.zeros(shape, np.int8)
    names = ["x", "w", "r", "b", "", "", "", "", "w_scale", "w_zero", "r_scale", "r_zero"]
    compare("DynamicQuantizeLSTM", names, feeds, [4, 3, 3], constants=constants, within=2e-2, hidden_size=hidden)


def decoder_layer(level: int) -> onnx.ModelProto:
    """A layer as onnxruntime's exporter of decoders writes it; how many tokens there are follows from the mask."""
    heads, few, size, width, hidden, block = 4, 2, 16, 64, 96, 32
    constants: dict[str, np.ndarray] = {name: floats(width) * 0.1 + 1 for name in ("n0", "n1")}
    constants |= {"one": np.array([1], np.int64), "at": np.array(1, np.int64), **TABLES}

    def product(x: str, y: str, depth: int, columns: int) -> onnx.NodeProto:
        constants[f"{y}_b"] = RNG.integers(0, 256, (columns, depth // block, block // 2), np.uint8)
        constants[f"{y}_s"] = (RNG.random((columns, depth // block), np.float32) + 0.5) / 40
        return helper.make_node(
            "MatMulNBits", [x, f"{y}_b", f"{y}_s"], [y], domain="com.microsoft",
            K=depth, N=columns, bits=4, block_size=block, accuracy_level=level,
        )  # fmt: skip

    def own(operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> onnx.NodeProto:
        domain = "" if operator == "SimplifiedLayerNormalization" else "com.microsoft"
        return helper.make_node(operator, inputs, outputs, domain=domain, **attributes)

    attention = ["qkv", "", "", "past_k", "past_v", "lengths", "total", "cos", "sin"]
    nodes = [
        helper.make_node("ReduceSum", ["mask", "one"], ["counts"], keepdims=0),
        helper.make_node("Sub", ["counts", "one"], ["less"]),
        helper.make_node("Cast", ["less"], ["lengths"], to=TensorProto.INT32),
        helper.make_node("Shape", ["mask"], ["shape"]),
        helper.make_node("Gather", ["shape", "at"], ["all"]),
        helper.make_node("Cast", ["all"], ["total"], to=TensorProto.INT32),
        own("SimplifiedLayerNormalization", ["x", "n0"], ["x0"], axis=-1, epsilon=1e-5),
        product("x0", "qkv", width, (heads + 2 * few) * size),
        own("GroupQueryAttention", attention, ["a", "k", "v"], num_heads=heads, kv_num_heads=few, do_rotary=1),
        product("a", "o", width, width),
        own("SkipSimplifiedLayerNormalization", ["x", "o", "n1"], ["x1", "", "", "r"], epsilon=1e-5),
        product("x1", "gate", width, hidden),
        product("x1", "up", width, hidden),
        helper.make_node("Sigmoid", ["gate"], ["s"]),
        helper.make_node("Mul", ["gate", "s"], ["silu"]),
        helper.make_node("Mul", ["silu", "up"], ["both"]),
        product("both", "down", hidden, width),
        helper.make_node("Add", ["r", "down"], ["y"]),
    ]
    kept = [(name, [1, few, axis, size]) for name, axis in (("past_k", "P"), ("past_v", "P"), ("k", "T"), ("v", "T"))]
    inputs = [helper.make_tensor_value_info("mask", TensorProto.INT64, [1, "T"])]
    inputs += [helper.make_tensor_value_info(*info) for info in ordered([("x", [1, "S", width]), *kept[:2]])]
    outputs = [helper.make_tensor_value_info(*info) for info in ordered([("y", [1, "S", width]), *kept[2:]])]
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "layer", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=DOMAINS, ir_version=10)


def ordered(infos: list[tuple[str, list[Any]]]) -> list[tuple[str, int, list[Any]]]:
    return [(name, TensorProto.FLOAT, shape) for name, shape in infos]


# By accuracy level: at 4 a number may round to the other neighbour, a 254th of the largest in its block away.
@pytest.mark.parametrize(("level", "within"), [(0, 1e-5), (4, 2e-2)])
def test_decoder_layer(level: int, within: float) -> None:
    """A prompt, then two tokens with what is kept of those before: one compile serves all."""
    model = decoder_layer(level)
    compiled, session = lamina.compile(model, threads=1), onnxruntime.InferenceSession(model.SerializeToString())
    kept = [np.zeros((1, 2, 0, 16), np.float32)] * 2
    for count in (7, 1, 1):
        total = kept[0].shape[2] + count
        feeds = {"mask": np.ones((1, total), np.int64), "x": floats(1, count, 64), "past_k": kept[0], "past_v": kept[1]}
        expected = session.run(None, feeds)
        for have, want in zip(compiled.run(feeds).values(), expected, strict=True):
            np.testing.assert_allclose(have, want, rtol=0, atol=within * np.abs(want).max())
        kept = expected[1:]
