"""Random numbers by a generator that counts: each is a function of a key and of its place among the others.

So they are the same whatever the number of threads, and kernels write them as arithmetic on places.

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011: Threefry-2x32 of
20 rounds. For the normal distribution G. Box, M. Muller, "A note on the generation of random normal deviates", 1958.
"""

from __future__ import annotations

import math
import os

import numpy as np

from .elementwise import Arrays, Attributes, Operation

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
ROUNDS = 20
PARITY = 0x1BD11BDA
ROUNDS_A_KEY = 4
"""A word of the key is added after so many rounds."""

UNIFORM_BITS = {"float32": 24, "float16": 11, "bfloat16": 8}
"""Of the first word's upper bits as many as the type has for numbers below 1; a float64 is made of 53 bits of both."""
HALF_TURN_BITS, RADIUS_BITS = 24, 31
"""Of the words that an angle and a radius are made of."""
ANGLE_STEP = float(np.float32(2 * math.pi / (1 << HALF_TURN_BITS)))


def threefry(key: tuple[int, int], low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two words of 32 random bits for each pair of words (uint32) that counts."""
    words = np.array([key[0], key[1], key[0] ^ key[1] ^ PARITY], np.uint32)
    a, b = low + words[0], high + words[1]
    for number in range(ROUNDS):
        rotation = ROTATIONS[number % len(ROTATIONS)]
        a = a + b
        b = ((b << np.uint32(rotation)) | (b >> np.uint32(32 - rotation))) ^ a
        if number % ROUNDS_A_KEY == ROUNDS_A_KEY - 1:
            injection = number // ROUNDS_A_KEY + 1
            a = a + words[injection % 3]
            b = b + words[(injection + 1) % 3] + np.uint32(injection)
    return a, b


def _random(inputs: Arrays, attributes: Attributes) -> Arrays:
    shape, dtype = tuple(attributes["shape"]), np.dtype(attributes["dtype"])
    places = np.arange(math.prod(shape), dtype=np.uint64)
    first, second = (int(word) & 0xFFFFFFFF for word in inputs[0])
    key = first, second ^ attributes.get("stream", 0)
    words = threefry(key, places.astype(np.uint32), (places >> np.uint64(32)).astype(np.uint32))
    numbers = _normal(*words) if attributes.get("distribution") == "normal" else _uniform(*words, dtype.name)
    return [numbers.reshape(shape).astype(dtype)]


def _uniform(a: np.ndarray, b: np.ndarray, name: str) -> np.ndarray:
    if name == "float64":
        return ((a >> np.uint32(5)) * 2.0**26 + (b >> np.uint32(6))) * 2.0**-53
    bits = UNIFORM_BITS[name]
    return (a >> np.uint32(32 - bits)).astype(np.float32) * np.float32(2.0**-bits)


def _normal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """In float32, whatever the type: a radius that is never infinite, and the cosine of an angle."""
    share = (a >> np.uint32(32 - RADIUS_BITS)).astype(np.float32) + np.float32(0.5)
    radius = np.sqrt(np.float32(-2) * np.log(share * np.float32(2.0**-RADIUS_BITS)))
    angle = (b >> np.uint32(32 - HALF_TURN_BITS)).astype(np.float32) * np.float32(ANGLE_STEP)
    return radius * np.cos(angle)


def _entropy(inputs: Arrays, attributes: Attributes) -> Arrays:
    return [np.frombuffer(os.urandom(8), np.uint32).astype(np.int64)]


RANDOM_NUMBERS: dict[str, Operation] = {"random": _random, "entropy": _entropy}
