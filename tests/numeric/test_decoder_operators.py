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
TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int32): TensorProto.INT32, np.dtype(np.int64): 7}


def floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def compare(
    operator: str,
    names: list[str],
    feeds: dict[str, np.ndarray],
    outputs: list[int],
    shapes: dict[str, list[Any]] | None = None,
    compared: int | None = None,
    **attributes: Any,
) -> None:
    """One node in both; ``shapes`` of inputs, where not their arrays'; ``outputs``: their ranks, and how many count."""
    constants = [numpy_helper.from_array(TABLES[name], name) for name in names if name in TABLES]
    results = [f"y{index}" for index in range(len(outputs))]
    node = helper.make_node(operator, names, results, domain="com.microsoft", **attributes)
    inputs = [
        helper.make_tensor_value_info(name, TYPES[array.dtype], (shapes or {}).get(name, list(array.shape)))
        for name, array in feeds.items()
    ]
    ends = [helper.make_tensor_value_info(name, 1, [None] * rank) for name, rank in zip(results, outputs)]
    graph = helper.make_graph([node], "graph", inputs, ends, constants)
    model = helper.make_model(graph, opset_imports=DOMAINS, ir_version=10)
    onnx.checker.check_model(model, full_check=False)
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
    found = list(lamina.compile(model, threads=1).run(feeds).values())
    for have, want in list(zip(found, expected, strict=True))[:compared]:
        np.testing.assert_allclose(have, want, rtol=0, atol=3e-6)


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
