"""Networks of a few layers with free dims, one of each kind: they compile in a second, and run at any size.

Where people's networks are too large: for the soak, and for tests that run models in many processes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper, parser

Feeds = dict[str, np.ndarray]
Sizes = dict[str, int]


@dataclass(frozen=True)
class SmallNetwork:
    """An ONNX text without its weights, the shapes of those, and how large each free dim may become.

    ``least``: what a dim must at least be, where that is not 1.
    """

    name: str
    text: str
    weights: dict[str, tuple[int, ...]]
    largest: Sizes
    least: Sizes
    make_feeds: Callable[[np.random.Generator, Sizes], Feeds]

    def model(self) -> onnx.ModelProto:
        """The model, with the same weights each time."""
        rng = np.random.default_rng(7)
        model = parser.parse_model('<ir_version: 8, opset_import: ["" : 17]>\n' + self.text)
        for name, shape in self.weights.items():
            fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 4
            weight = (rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)
            model.graph.initializer.append(numpy_helper.from_array(weight, name))
        return model

    def sizes(self, rng: np.random.Generator) -> Sizes:
        """Random values of the free dims, small ones more often than large ones."""
        return {
            name: int(max(self.least.get(name, 1), round(largest ** rng.uniform())))
            for name, largest in self.largest.items()
        }

    def feeds(self, sizes: Sizes, seed: int = 0) -> Feeds:
        return self.make_feeds(np.random.default_rng(seed), sizes)


def _floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


CLASSIFIER = SmallNetwork(
    "classifier",
    """
classifier (float[N, 64] x) => (float[N, 10] y) {
  hidden = Gemm <transB = 1> (x, w1, b1)
  active = Relu (hidden)
  logits = Gemm <transB = 1> (active, w2, b2)
  y = Softmax <axis = 1> (logits)
}""",
    {"w1": (96, 64), "b1": (96,), "w2": (10, 96), "b2": (10,)},
    {"N": 700},
    {},
    lambda rng, sizes: {"x": _floats(rng, sizes["N"], 64)},
)

PICTURES = SmallNetwork(
    "pictures",
    """
pictures (float[N, 3, H, W] x) => (float[N, 5] y) {
  stem = Conv <strides = [2, 2], pads = [1, 1, 1, 1], kernel_shape = [3, 3]> (x, w1, b1)
  a = Relu (stem)
  deep = Conv <group = 16, pads = [1, 1, 1, 1], kernel_shape = [3, 3]> (a, w2, b2)
  b = HardSwish (deep)
  point = Conv <kernel_shape = [1, 1]> (b, w3, b3)
  sum = Add (point, a)
  c = Conv <pads = [1, 1, 1, 1], kernel_shape = [3, 3]> (sum, w4, b4)
  d = Relu (c)
  mean = GlobalAveragePool (d)
  flat = Flatten (mean)
  y = Gemm <transB = 1> (flat, w5, b5)
}""",
    {
        "w1": (16, 3, 3, 3), "b1": (16,), "w2": (16, 1, 3, 3), "b2": (16,), "w3": (16, 16, 1, 1), "b3": (16,),
        "w4": (32, 16, 3, 3), "b4": (32,), "w5": (5, 32), "b5": (5,),
    },
    {"N": 4, "H": 96, "W": 96},
    {},
    lambda rng, sizes: {"x": _floats(rng, sizes["N"], 3, sizes["H"], sizes["W"])},
)  # fmt: skip

TEXT_LINES = SmallNetwork(
    "text_lines",
    """
text_lines (float[1, 1, 16, W] x) => (float[T, 1, 20] y) {
  a = Conv <strides = [2, 2], pads = [1, 1, 1, 1], kernel_shape = [3, 3]> (x, w1, b1)
  b = Relu (a)
  c = MaxPool <kernel_shape = [8, 1], strides = [8, 1]> (b)
  axes = Constant <value_ints = [2]> ()
  d = Squeeze (c, axes)
  e = Transpose <perm = [2, 0, 1]> (d)
  all, last, cell = LSTM <hidden_size = 12> (e, wx, wh, bh)
  one = Constant <value_ints = [1]> ()
  f = Squeeze (all, one)
  g = MatMul (f, w2)
  y = Softmax <axis = 2> (g)
}""",
    {"w1": (16, 1, 3, 3), "b1": (16,), "wx": (1, 48, 16), "wh": (1, 48, 12), "bh": (1, 96), "w2": (12, 20)},
    {"W": 400},
    {},
    lambda rng, sizes: {"x": _floats(rng, 1, 1, 16, sizes["W"])},
)

SENTENCES = SmallNetwork(
    "sentences",
    """
sentences (float[B, S, 32] x) => (float[B, S, 32] y) {
  q = MatMul (x, wq)
  k = MatMul (x, wk)
  v = MatMul (x, wv)
  kt = Transpose <perm = [0, 2, 1]> (k)
  scores = MatMul (q, kt)
  scaled = Mul (scores, scale)
  share = Softmax <axis = 2> (scaled)
  mixed = MatMul (share, v)
  sum = Add (mixed, x)
  normal = LayerNormalization <axis = -1> (sum, gain, bias)
  wide = MatMul (normal, w1)
  active = Erf (wide)
  narrow = MatMul (active, w2)
  y = Add (narrow, normal)
}""",
    {
        "wq": (32, 32), "wk": (32, 32), "wv": (32, 32), "scale": (1,), "gain": (32,), "bias": (32,),
        "w1": (32, 80), "w2": (80, 32),
    },
    {"B": 5, "S": 130},
    {},
    lambda rng, sizes: {"x": _floats(rng, sizes["B"], sizes["S"], 32)},
)  # fmt: skip

STATISTICS = SmallNetwork(
    "statistics",
    """
statistics (float[R, C] x) => (float[C] mean, float total, float[1, C] dots, float[R] largest, float[K] kept) {
  mean = ReduceMean <axes = [0], keepdims = 0> (x)
  total = ReduceMean <keepdims = 0> (x)
  doubled = Mul (x, x)
  one = Constant <value_ints = [1]> ()
  norms = ReduceSum (doubled, one)
  roots = Sqrt (norms)
  across = Transpose <perm = [1, 0]> (roots)
  dots = MatMul (across, x)
  scaled = Div (x, roots)
  largest = ReduceMax <axes = [1], keepdims = 0> (scaled)
  positive = Greater (largest, limit)
  places = NonZero (positive)
  rows = Transpose <perm = [1, 0]> (places)
  found = GatherND (largest, rows)
  kept = Exp (found)
}""",
    {"limit": (1,)},
    {"R": 300, "C": 500},
    {},
    lambda rng, sizes: {"x": _floats(rng, sizes["R"], sizes["C"])},
)

SMALL_NETWORKS = {network.name: network for network in (CLASSIFIER, PICTURES, TEXT_LINES, SENTENCES, STATISTICS)}
