"""The constants and the context that passes are handed."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lamina.context import CompilerContext, ConstantStore

DTYPES = st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_, ml_dtypes.bfloat16])


@given(st.dictionaries(st.text(max_size=10), st.tuples(DTYPES, hnp.array_shapes(min_dims=0, min_side=0)), max_size=4))
def test_save_and_load_keep_names_types_shapes_and_bits(tmp_path_factory, specification) -> None:
    rng = np.random.default_rng(0)
    store = ConstantStore()
    for name, (dtype, shape) in specification.items():
        store[name] = (rng.standard_normal(shape) * 100).astype(dtype)
    path: Path = tmp_path_factory.mktemp("constants") / "constants.npz"
    store.save(path)
    loaded = ConstantStore.load(path)
    assert list(loaded) == list(store)
    for name, array in store.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.tobytes()


def test_a_name_keeps_its_contents() -> None:
    store = ConstantStore({"w": np.ones(2)})
    store["w"] = store["w"]
    with pytest.raises(ValueError, match="'w' has contents already"):
        store["w"] = np.zeros(2)


def test_add_finds_a_free_name() -> None:
    store = ConstantStore({"w": np.ones(1), "w_2": np.ones(1)})
    assert [store.add(np.zeros(1), "w") for _ in range(3)] == ["w_1", "w_3", "w_4"]
    assert store.nbytes == 5 * 8


def test_unknown_name_says_what_may_be_wrong() -> None:
    with pytest.raises(KeyError, match=r"no constant is called 'w'.*constants\.npz"):
        ConstantStore()["w"]


def test_another_archive_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", x=np.ones(1))
    with pytest.raises(ValueError, match="holds no constants"):
        ConstantStore.load(tmp_path / "other.npz")


def test_clones_add_constants_separately() -> None:
    context = CompilerContext(target="avx2", constants=ConstantStore({"w": np.ones(1)}))
    duplicate = context.clone()
    duplicate.constants.add(np.zeros(1), "v")
    assert "v" not in context.constants
    assert duplicate.constants["w"] is context.constants["w"]
    assert duplicate.target.name == "avx2"


def test_unknown_target_lists_those_known() -> None:
    with pytest.raises(ValueError, match=r"unknown target 'z80': expected host or one of .*avx2"):
        CompilerContext(target="z80").target  # noqa: B018 - examined on first use
