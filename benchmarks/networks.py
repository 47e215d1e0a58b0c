"""Every network that is raced and tested: where it is, and inputs for it at several shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from .models import REAL_MODELS, real_model
from .zoo import MODERN, ZOO, zoo_model

Feeds = dict[str, np.ndarray]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """A model and how to feed it.

    shapes: what its free dims are given in turn; the first is the one that is timed. A network without free dims has
    one. feeds: random inputs for one of the shapes.
    """

    name: str
    locate: Callable[[], Path]
    shapes: tuple[Shape, ...]
    make_feeds: Callable[[np.random.Generator, Shape], Feeds]

    def feeds(self, shape: Shape | None = None, seed: int = 0) -> Feeds:
        return self.make_feeds(np.random.default_rng(seed), self.shapes[0] if shape is None else shape)


def _floats(name: str, rng: np.random.Generator, shape: Shape) -> Feeds:
    return {name: rng.standard_normal(shape, dtype=np.float32)}


def _page(name: str, rng: np.random.Generator, shape: Shape) -> Feeds:
    """White paper with lines of dark strokes: a text detector answers noise with nothing at all."""
    pages = np.ones(shape, np.float32)
    height, width = shape[2:]
    for top in range(16, height - 24, 32):
        for left in range(16, width - 16, 5):
            if rng.random() < 0.7:
                pages[..., top + rng.integers(0, 6) : top + 16 - rng.integers(0, 6), left : left + 2] = -1
    return {name: pages}


def _audio(name: str, rng: np.random.Generator, shape: Shape) -> Feeds:
    return {name: rng.uniform(-0.5, 0.5, shape).astype(np.float32)}


def _tokens(rng: np.random.Generator, shape: Shape) -> Feeds:
    mask = np.ones(shape, np.int64)
    # The later rows are shorter texts, padded.
    for row in range(1, shape[0]):
        mask[row, shape[1] // (row + 1) :] = 0
    return {"input_ids": rng.integers(0, 30522, shape), "attention_mask": mask}


def _sentences(rng: np.random.Generator, shape: Shape) -> Feeds:
    return {**_tokens(rng, shape), "token_type_ids": np.zeros(shape, np.int64)}


def _picture(name: str, rng: np.random.Generator, shape: Shape) -> Feeds:
    return {name: rng.random(shape, np.float32)}


def _bytes(rng: np.random.Generator, shape: Shape) -> Feeds:
    return {"bytes": rng.integers(0, 257, shape, dtype=np.int32)}


def _speech(rng: np.random.Generator, shape: Shape) -> Feeds:
    batch = shape[0]
    return {
        **_audio("input", rng, shape),
        "state": np.zeros((2, batch, 128), np.float32),
        "sr": np.array(16000, np.int64),
    }


def _zoo_network(name: str) -> Network:
    if name == "bert_base":
        return Network(name, partial(zoo_model, name), ((1, 128), (2, 37), (1, 5)), _tokens)
    return Network(name, partial(zoo_model, name), ((1, 3, 224, 224),), partial(_floats, "x"))


_SPEECH_SHAPES = ((1, 576), (3, 576))
_REAL_INPUTS: dict[str, tuple[tuple[Shape, ...], Callable[[np.random.Generator, Shape], Feeds]]] = {
    "ppocr_v4_det": (((1, 3, 320, 320), (1, 3, 96, 224), (2, 3, 64, 160)), partial(_page, "x")),
    "ppocr_v4_rec": (((1, 3, 48, 320), (1, 3, 48, 57), (3, 3, 48, 190)), partial(_floats, "x")),
    "ppocr_v2_cls": (((1, 3, 48, 192), (4, 3, 48, 192)), partial(_floats, "x")),
    "basic_pitch": (((1, 43844, 1), (2, 43844, 1)), partial(_audio, "serving_default_input_2:0")),
    "magika": (((1, 2048), (5, 2048)), _bytes),
    "silero_vad": (_SPEECH_SHAPES, _speech),
    "silero_vad_16k_op15": (_SPEECH_SHAPES, _speech),
    "silero_vad_op18_ifless": (_SPEECH_SHAPES, _speech),
}


def _real_network(name: str) -> Network:
    shapes, make_feeds = _REAL_INPUTS[name]
    return Network(name, partial(real_model, name), shapes, make_feeds)


NETWORKS: dict[str, Network] = {
    network.name: network for network in [*map(_zoo_network, ZOO), *map(_real_network, REAL_MODELS)]
}


_MODERN_INPUTS: dict[str, tuple[tuple[Shape, ...], Callable[[np.random.Generator, Shape], Feeds]]] = {
    "minilm_l6": (((1, 128), (2, 37)), _sentences),
    "yolov8n": (((1, 3, 640, 640),), partial(_picture, "images")),
}


def _modern_network(name: str) -> Network:
    shapes, make_feeds = _MODERN_INPUTS[name]
    return Network(name, partial(zoo_model, name), shapes, make_feeds)


MODERN_NETWORKS: dict[str, Network] = {network.name: network for network in map(_modern_network, MODERN)}
"""Networks that single tables have besides."""


def networks(names: Iterable[str]) -> list[Network]:
    """The networks of those names, of ``NETWORKS`` all where there are none. Raises ValueError for an unknown one."""
    names, known = list(names), NETWORKS | MODERN_NETWORKS
    for name in names:
        if name not in known:
            raise ValueError(f"no network is called '{name}': expected one of {', '.join(known)}")
    return [known[name] for name in names or NETWORKS]
