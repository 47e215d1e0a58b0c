"""Language models that are built here, from public configurations with seeded weights, in both forms of exporters.

``plain``: ONNX's own operators, keys and values concatenated (``past_key_values.N.key``, ``present.N.key``), heads of
keys repeated, an additive mask, as optimum writes them. ``fused``: com.microsoft's GroupQueryAttention, which turns
queries and keys itself, and (Skip)SimplifiedLayerNormalization, as onnxruntime-genai's builder does. Products by
weights are of f32, or of 4 bits in blocks of 32.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
BLOCK = 32
FORMS = ("plain", "fused")


@dataclass(frozen=True)
class DecoderSizes:
    """Of a decoder of the Llama family."""

    layers: int
    width: int
    heads: int
    shared_heads: int
    """Heads of keys and values."""
    inner: int
    words: int
    base: float = 10_000.0
    head: int = 64

    @property
    def kept(self) -> int:
        return self.shared_heads * self.head


SMOLLM2_135M = DecoderSizes(layers=30, width=576, heads=9, shared_heads=3, inner=1536, words=49152, base=100_000.0)
QWEN2_HALF_B = DecoderSizes(layers=24, width=896, heads=14, shared_heads=2, inner=4864, words=151936, base=1_000_000.0)
MINIATURE = DecoderSizes(layers=2, width=64, heads=4, shared_heads=2, inner=96, words=80, head=16)
POSITIONS = 2048


def decoder(sizes: DecoderSizes, form: str, bits: int = 32) -> onnx.ModelProto:
    """The model. ``bits``: 32, or 4 for MatMulNBits that multiplies rows rounded to 8 bits."""
    writer = _Writer(sizes, bits)
    (writer.plain if form == "plain" else writer.fused)()
    return writer.model(form)


def feeds(model: onnx.ModelProto, words: np.ndarray, length: int) -> dict[str, np.ndarray]:
    """What a run takes beside keys and values, for words [B, S] after ``length`` others."""
    batch, count = words.shape
    given = {
        "input_ids": words.astype(np.int64),
        "attention_mask": np.ones((batch, length + count), np.int64),
        "position_ids": np.tile(np.arange(length, length + count), (batch, 1)),
    }
    names = {value.name for value in model.graph.input}
    return {name: array for name, array in given.items() if name in names}


def empty_past(model: onnx.ModelProto, batch: int) -> dict[str, np.ndarray]:
    """Keys and values of no tokens."""
    past = [value for value in model.graph.input if value.name.startswith("past")]
    sizes = [[dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in past]
    return {v.name: np.zeros((batch, heads, 0, head), np.float32) for v, (_, heads, _, head) in zip(past, sizes)}


@dataclass
class _Writer:
    sizes: DecoderSizes
    bits: int
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    def add(
        self, kind: str, inputs: Sequence[str], output: str | Sequence[str], domain: str = "", **fields: Any
    ) -> str:
        outputs = [output] if isinstance(output, str) else list(output)
        self.nodes.append(helper.make_node(kind, inputs, outputs, outputs[0], domain=domain, **fields))
        return outputs[0]

    def constant(self, name: str, value: Any, dtype: Any = np.int64) -> str:
        self.weights[name] = np.asarray(value, dtype)
        return name

    def random(self, name: str, shape: tuple[int, ...], scale: float) -> np.ndarray:
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        return rng.standard_normal(shape, np.float32) * np.float32(scale)

    def product(self, x: str, name: str, depth: int, columns: int) -> str:
        matrix = self.random(name, (depth, columns), depth**-0.5)
        if self.bits == 32:
            self.weights[name] = matrix
            return self.add("MatMul", [x, name], f"{name}.y")
        blocks = matrix.T.reshape(columns, depth // BLOCK, BLOCK)
        scales = np.abs(blocks).max(-1) / 7
        numbers = (np.rint(blocks / scales[..., None]) + 8).astype(np.uint8)
        self.weights[f"{name}.q"] = numbers[..., ::2] | numbers[..., 1::2] << 4
        self.weights[f"{name}.scales"] = scales
        inputs, facts = [x, f"{name}.q", f"{name}.scales"], {"K": depth, "N": columns, "bits": 4, "block_size": BLOCK}
        return self.add("MatMulNBits", inputs, f"{name}.y", MICROSOFT, accuracy_level=4, **facts)

    def scale(self, name: str) -> str:
        self.weights[name] = 1 + self.random(name, (self.sizes.width,), 0.1)
        return name

    def words(self) -> str:
        self.weights["embedding"] = self.random("embedding", (self.sizes.words, self.sizes.width), 1.0)
        return self.add("Gather", ["embedding", "input_ids"], "x0")

    def angles(self) -> tuple[np.ndarray, np.ndarray]:
        """Cosines and sines, [positions, half a head]."""
        half = self.sizes.head // 2
        angles = np.arange(POSITIONS)[:, None] * self.sizes.base ** (-np.arange(half) / half)
        return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    def gated(self, x: str, layer: str) -> str:
        width, inner = self.sizes.width, self.sizes.inner
        gate, up = (self.product(x, f"{layer}.{name}", width, inner) for name in ("gate", "up"))
        self.add("Sigmoid", [gate], f"{layer}.sigmoid")
        self.add("Mul", [gate, f"{layer}.sigmoid"], f"{layer}.silu")
        return self.product(self.add("Mul", [f"{layer}.silu", up], f"{layer}.gated"), f"{layer}.down", inner, width)

    # --- ONNX's own operators -----------------------------------------------------------------------------

    def plain(self) -> None:
        sizes = self.sizes
        x = self.words()
        for name, table in zip(("cos", "sin"), self.angles(), strict=True):
            self.weights[f"{name}_table"] = np.concatenate([table, table], 1)
            self.add("Gather", [f"{name}_table", "position_ids"], f"{name}_of_words")
            self.add("Unsqueeze", [f"{name}_of_words", self.constant("one", [1])], name)
        self.mask()
        for number in range(sizes.layers):
            layer = f"layers.{number}"
            attended = self.attention(self.normed(x, f"{layer}.norm1"), number)
            x = self.add("Add", [x, attended], f"{layer}.x1")
            x = self.add("Add", [x, self.gated(self.normed(x, f"{layer}.norm2"), layer)], f"{layer}.x2")
        self.logits(self.normed(x, "norm"))

    def logits(self, x: str) -> None:
        self.add("Identity", [self.product(x, "head", self.sizes.width, self.sizes.words)], "logits")

    def normed(self, x: str, name: str) -> str:
        self.add("Pow", [x, self.constant("two", 2.0, np.float32)], f"{name}.squares")
        self.add("ReduceMean", [f"{name}.squares", self.constant("last", [-1])], f"{name}.mean")
        self.add("Add", [f"{name}.mean", self.constant("epsilon", 1e-5, np.float32)], f"{name}.above")
        self.add("Sqrt", [f"{name}.above"], f"{name}.root")
        self.add("Div", [x, f"{name}.root"], f"{name}.normal")
        return self.add("Mul", [f"{name}.normal", self.scale(f"{name}.scale")], f"{name}.y")

    def mask(self) -> None:
        """Less than any score where a word comes later, or is none; [B, 1, S, T]."""
        self.add("Unsqueeze", ["position_ids", self.constant("rows", [1, 3])], "own")
        self.add("Shape", ["attention_mask"], "mask_shape")
        self.add("Gather", ["mask_shape", self.constant("axis_1", 1)], "total")
        self.add("Range", [self.constant("zero", 0), "total", self.constant("step", 1)], "places")
        self.add("LessOrEqual", ["places", "own"], "earlier")
        self.add("Unsqueeze", ["attention_mask", self.constant("middle", [1, 2])], "mask_4d")
        self.add("Cast", ["mask_4d"], "exists", to=TensorProto.BOOL)
        self.add("And", ["earlier", "exists"], "reads")
        inputs = ["reads", self.constant("nothing", 0.0, np.float32), self.constant("never", -3.4e38, np.float32)]
        self.add("Where", inputs, "mask")

    def attention(self, x: str, number: int) -> str:
        sizes, layer = self.sizes, f"layers.{number}"
        groups = sizes.heads // sizes.shared_heads
        self.constant("heads_shape", [0, 0, -1, sizes.head])
        parts = {}
        for name, heads in (("q", sizes.heads), ("k", sizes.shared_heads), ("v", sizes.shared_heads)):
            y = self.product(x, f"{layer}.{name}", sizes.width, heads * sizes.head)
            self.add("Reshape", [y, "heads_shape"], f"{layer}.{name}.heads")
            parts[name] = self.add("Transpose", [f"{layer}.{name}.heads"], f"{layer}.{name}.by_head", perm=[0, 2, 1, 3])
        query, key = self.turned(parts["q"], f"{layer}.q"), self.turned(parts["k"], f"{layer}.k")
        repeated = []
        for name, new in (("key", key), ("value", parts["v"])):
            both = self.add("Concat", [f"past_key_values.{number}.{name}", new], f"present.{number}.{name}", axis=2)
            self.add("Unsqueeze", [both, self.constant("group_axis", [2])], f"{layer}.{name}.one")
            self.constant("group", [1, 1, groups, 1, 1])
            self.add("Expand", [f"{layer}.{name}.one", "group"], f"{layer}.{name}.many")
            self.constant("many_shape", [0, sizes.heads, -1, sizes.head])
            repeated.append(self.add("Reshape", [f"{layer}.{name}.many", "many_shape"], f"{layer}.{name}.all"))
        self.add("Transpose", [repeated[0]], f"{layer}.keys", perm=[0, 1, 3, 2])
        self.add("MatMul", [query, f"{layer}.keys"], f"{layer}.products")
        scale = self.constant("scale", sizes.head**-0.5, np.float32)
        self.add("Mul", [f"{layer}.products", scale], f"{layer}.scaled")
        self.add("Add", [f"{layer}.scaled", "mask"], f"{layer}.scores")
        self.add("Softmax", [f"{layer}.scores"], f"{layer}.weights", axis=-1)
        self.add("MatMul", [f"{layer}.weights", repeated[1]], f"{layer}.attended")
        self.add("Transpose", [f"{layer}.attended"], f"{layer}.by_word", perm=[0, 2, 1, 3])
        self.add("Reshape", [f"{layer}.by_word", self.constant("joined", [0, 0, -1])], f"{layer}.joined")
        return self.product(f"{layer}.joined", f"{layer}.o", sizes.heads * sizes.head, sizes.width)

    def turned(self, x: str, name: str) -> str:
        half = self.constant("half", [self.sizes.head // 2] * 2)
        self.add("Split", [x, half], [f"{name}.first", f"{name}.second"], axis=-1)
        self.add("Neg", [f"{name}.second"], f"{name}.minus")
        self.add("Concat", [f"{name}.minus", f"{name}.first"], f"{name}.crossed", axis=-1)
        self.add("Mul", [x, "cos"], f"{name}.along")
        self.add("Mul", [f"{name}.crossed", "sin"], f"{name}.across")
        return self.add("Add", [f"{name}.along", f"{name}.across"], f"{name}.turned")

    # --- com.microsoft's ----------------------------------------------------------------------------------

    def fused(self) -> None:
        sizes = self.sizes
        x = self.words()
        self.weights["cos_cache"], self.weights["sin_cache"] = self.angles()
        self.add("ReduceSum", ["attention_mask", self.constant("one", [1])], "words_of_rows", keepdims=0)
        self.add("Sub", ["words_of_rows", self.constant("step", 1)], "last_words")
        self.add("Cast", ["last_words"], "seqlens_k", to=TensorProto.INT32)
        self.add("Shape", ["attention_mask"], "mask_shape")
        self.add("Gather", ["mask_shape", self.constant("axis_1", 1)], "total_64")
        self.add("Cast", ["total_64"], "total", to=TensorProto.INT32)
        name, root = "SimplifiedLayerNormalization", x
        normal = self.add(name, [x, self.scale("layers.0.norm1.scale")], "layers.0.normal1", axis=-1, epsilon=1e-5)
        for number in range(sizes.layers):
            layer = f"layers.{number}"
            parts = [("q", sizes.heads * sizes.head), ("k", sizes.kept), ("v", sizes.kept)]
            inputs = [self.product(normal, f"{layer}.{name}", sizes.width, columns) for name, columns in parts]
            inputs += [f"past_key_values.{number}.{kind}" for kind in ("key", "value")]
            inputs += ["seqlens_k", "total", "cos_cache", "sin_cache"]
            outputs = [f"{layer}.attended", *(f"present.{number}.{kind}" for kind in ("key", "value"))]
            heads = {"num_heads": sizes.heads, "kv_num_heads": sizes.shared_heads}
            self.add("GroupQueryAttention", inputs, outputs, MICROSOFT, do_rotary=1, scale=sizes.head**-0.5, **heads)
            o = self.product(f"{layer}.attended", f"{layer}.o", sizes.heads * sizes.head, sizes.width)
            normal, root = self.skip(root, o, f"{layer}.norm2")
            after = f"layers.{number + 1}.norm1" if number + 1 < sizes.layers else "norm"
            normal, root = self.skip(root, self.gated(normal, layer), after)
        self.logits(normal)

    def skip(self, root: str, x: str, name: str) -> tuple[str, str]:
        """The normalised sum, and the sum."""
        outputs = [f"{name}.y", "", "", f"{name}.sum"]
        inputs = [root, x, self.scale(f"{name}.scale")]
        self.add("SkipSimplifiedLayerNormalization", inputs, outputs, MICROSOFT, epsilon=1e-5)
        return outputs[0], outputs[3]

    # --- the whole ------------------------------------------------------------------------------------------

    def model(self, form: str) -> onnx.ModelProto:
        sizes = self.sizes
        names = ["input_ids", "attention_mask", *(["position_ids"] if form == "plain" else [])]
        total = "total_sequence_length"
        shapes = {name: ["batch_size", total if name == "attention_mask" else "sequence_length"] for name in names}
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in shapes.items()]
        outputs = [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch_size", "sequence_length", sizes.words])
        ]
        for number in range(sizes.layers):
            for kind in ("key", "value"):
                for stem, length, listed in (
                    ("past_key_values", "past_sequence_length", inputs),
                    ("present", total, outputs),
                ):
                    shape = ["batch_size", sizes.shared_heads, length, sizes.head]
                    listed.append(helper.make_tensor_value_info(f"{stem}.{number}.{kind}", TensorProto.FLOAT, shape))
        weights = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        graph = helper.make_graph(self.nodes, f"decoder_{form}", inputs, outputs, weights)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)
