"""Random convolutions by every algorithm that can compute them."""

from __future__ import annotations

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st


@st.composite
def convolutions(draw) -> tuple[str, list[int], list[int], dict, dict]:
    algorithm = draw(st.sampled_from(["im2col", "im2col in place", "indirect", "direct"]))
    spatial = draw(st.sampled_from([2, 2, 2, 3])) if algorithm.startswith("im2col") else 2
    groups = draw(st.sampled_from([1, 1, 2, 3])) if algorithm.startswith("im2col") else 1
    few = st.integers(1, 3)
    window = draw(st.lists(st.integers(1, 5), min_size=spatial, max_size=spatial))
    strides = draw(st.lists(st.sampled_from([1, 1, 2, 3, 6]), min_size=spatial, max_size=spatial))
    dilations = draw(st.lists(st.sampled_from([1, 1, 2]), min_size=spatial, max_size=spatial))
    pads = draw(st.lists(st.integers(0, 4), min_size=2 * spatial, max_size=2 * spatial))
    sizes = draw(st.lists(st.integers(1, 20), min_size=spatial - 1, max_size=spatial - 1)) + [draw(st.integers(1, 80))]
    channels = draw(st.integers(1, 20))
    outputs = groups * draw(st.integers(1, 40 if groups == 1 else 9))
    if algorithm == "im2col in place":
        strides[-1] = 1
    attributes = {
        "strides": strides,
        "dilations": dilations,
        "pads": pads,
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    reach = [d * (w - 1) + 1 for d, w in zip(dilations, window, strict=True)]
    padded = [s + pads[i] + pads[i + spatial] for i, s in enumerate(sizes)]
    assume(all(have >= need for have, need in zip(padded, reach, strict=True)))
    decisions = {"im2col": {"pack": True}, "im2col in place": {"pack": False}}.get(algorithm, {})
    x, w = [draw(few), groups * channels, *sizes], [outputs, channels, *window]
    return algorithm.split()[0], x, w, attributes, decisions


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(drawn=convolutions(), threads=st.integers(1, 3))
def test_random(check_convolution, convolution, drawn, threads: int) -> None:
    algorithm, x, w, attributes, decisions = drawn
    check_convolution(convolution(x, w, algorithm, **attributes), threads=threads, decisions=decisions)
