"""Random damage to small models: whatever comes, import and compiling end in an error on purpose, or in a model.

``LAMINA_FUZZ=20000 pytest tests/hostile/test_fuzz.py`` tries so many cases; ``LAMINA_FUZZ_SEED`` begins elsewhere. A
failing case is repeated by its seed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import lamina
import numpy as np
import onnx
import pytest
from lamina.context import CompilerContext
from lamina.frontend import import_model
from lamina.pipeline import PipelineOptions, module_text, phase_named, run_phase
from lamina.runtime.errors import LaminaError
from mutations import mutated
from small_models import MODELS, seeds
from xdsl.parser import Parser

CASES = int(os.environ.get("LAMINA_FUZZ", "300"))
FIRST = int(os.environ.get("LAMINA_FUZZ_SEED", "1"))
# Of the cases that can be imported, one in so many is compiled and run.
COMPILED = 25


@pytest.mark.parametrize("build", MODELS)
def test_the_models_are_valid(build: Callable[[], onnx.ModelProto]) -> None:
    import_model(build(), context=CompilerContext())


def damaged(seed: int) -> onnx.ModelProto | bytes:
    rng = random.Random(seed)
    return mutated(rng.choice(seeds()), rng)


def feeds_of(executable: lamina.Executable) -> dict[str, np.ndarray] | None:
    feeds = {}
    for given in executable.inputs:
        shape = [size if isinstance(size, int) else 2 for size in given.shape]
        if np.prod(shape, dtype=float) > 1e6:
            return None
        feeds[given.name] = np.ones(shape, given.dtype)
    return feeds


def attempt(seed: int) -> None:
    """Imports a damaged model; its text must be read back. Some are compiled and run."""
    model = damaged(seed)
    try:
        context = CompilerContext()
        module = import_model(model, context=context)
        module.verify()
        text = module_text(module)
        assert module_text(Parser(CompilerContext(), text).parse_module()) == text
        run_phase(module, context, phase_named("graph"), PipelineOptions(verify_each=True))
        if seed % COMPILED == 0:
            executable = lamina.compile(model, threads=1)
            feeds = feeds_of(executable)
            if feeds is not None:
                executable.run(feeds)
    except LaminaError as error:
        assert str(error).strip()


@pytest.mark.parametrize("block", range(8))
def test_damage_ends_in_an_error_on_purpose(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE", "off")
    with np.errstate(all="ignore"):
        for seed in range(FIRST + block, FIRST + CASES, 8):
            try:
                attempt(seed)
            except Exception as error:
                raise AssertionError(f"LAMINA_FUZZ_SEED={seed} LAMINA_FUZZ=1") from error
