"""`make soak` in miniature, and that it sees what it is there to see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from lamina.benchmarks import soak as soak_module
from lamina.benchmarks.soak import MEGABYTE, Footprint, Soak, SoakError, prepared
from lamina.runtime.threads import POOL


@pytest.fixture(scope="module")
def soak() -> Iterator[Soak]:
    with prepared(runs=300, seed=1, real=False, cases=5) as ready:
        yield ready


def test_a_few_hundred_runs(soak: Soak) -> None:
    warm, end = soak.run(quiet=True)
    assert soak.done >= 300 and soak.concurrent > 0 and len(soak.shapes) > 15
    assert warm.growth_to(end) == []
    assert POOL.participants == 0


def test_other_bits_are_seen(soak: Soak) -> None:
    subject = soak.subjects[0]
    case = subject.cases[0]
    outputs = subject.executable.run(case.feeds)
    subject.check(case, outputs)
    name = next(iter(outputs))
    outputs[name].reshape(-1)[0] = np.nextafter(outputs[name].reshape(-1)[0], np.float32(9))
    with pytest.raises(SoakError, match=r"classifier at \{'N': .*other bits"):
        subject.check(case, outputs)


def test_a_wrong_first_answer_is_seen(soak: Soak) -> None:
    subject = soak.subjects[0]
    case = replace(subject.cases[0], bits=None)
    with pytest.raises(SoakError, match="not what ONNX's reference implementation gives"):
        subject.check(case, {name: array + 1 for name, array in subject.executable.run(case.feeds).items()})


def test_growth_is_seen() -> None:
    before = Footprint(100 * MEGABYTE, 5, 10, 20)
    assert before.growth_to(before) == []
    assert before.growth_to(Footprint(130 * MEGABYTE, 5, 10, 20)) == ["memory grew by 30.0 MB, 24 are allowed"]
    found = before.growth_to(Footprint(90 * MEGABYTE, 105, 20, 90))
    assert [problem.split(" grew")[0] for problem in found] == ["threads", "open files", "mappings of code"]


def test_it_says_where_it_failed(soak: Soak, monkeypatch, capsys) -> None:
    def fail(*_, **__) -> None:
        raise SoakError("pictures at here: wrong")

    monkeypatch.setattr(Soak, "run", fail)
    monkeypatch.setattr(soak_module, "small_subjects", lambda *_: [])
    assert soak_module.main(["--no-real"]) == 1
    assert "FAILED after 0 runs: pictures at here: wrong" in capsys.readouterr().out
