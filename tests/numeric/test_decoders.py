"""Small decoders in both forms that exporters write, token by token, beside onnxruntime."""

from __future__ import annotations

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.benchmarks.decoders import MINIATURE, decoder, empty_past, feeds

PROMPT, STEPS = 9, 20


def follow(model: onnx.ModelProto, batch: int, run) -> list[np.ndarray]:
    """Logits of a prompt and of each token after it, which are the same for all who run."""
    rng = np.random.default_rng(batch)
    results, length = [], 0
    for count in (PROMPT, *[1] * STEPS):
        words = rng.integers(0, MINIATURE.words, (batch, count))
        results.append(run(feeds(model, words, length)))
        length += count
    return results


def plain_runs(model: onnx.ModelProto, batch: int, run) -> list[np.ndarray]:
    past = empty_past(model, batch)

    def step(given: dict[str, np.ndarray]) -> np.ndarray:
        outputs = run(given | past)
        for name in past:
            past[name] = outputs[name.replace("past_key_values", "present")]
        return outputs["logits"]

    return follow(model, batch, step)


@pytest.mark.parametrize(
    ("form", "bits", "batch", "fixed"), [("plain", 32, 2, None), ("fused", 4, 1, 1), ("fused", 32, 2, None)]
)
def test_tokens_are_onnxruntimes(form: str, bits: int, batch: int, fixed: int | None) -> None:
    """And the same to the bit with a cache, which grows in place where rows need not be placed one by one."""
    model = decoder(MINIATURE, form, bits)
    executable = lamina.compile(model, shapes=fixed and {"batch_size": fixed}, threads=1)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    ours = plain_runs(model, batch, executable.run)
    theirs = plain_runs(model, batch, lambda given: dict(zip(names, session.run(None, given), strict=True)))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=0.1 if bits == 4 else 1e-4)
    cache = executable.cache()
    assert cache.grows_in_place == (form == "plain" or fixed == 1)
    kept = follow(model, batch, lambda given: executable.run(given, cache=cache)["logits"])
    for mine, other in zip(ours, kept, strict=True):
        np.testing.assert_array_equal(other, mine)
    assert cache.length == (PROMPT + STEPS if cache.grows_in_place else 0)
