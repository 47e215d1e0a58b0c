"""Tree ensembles of ai.onnx.ml: every mode, aggregate and transformation, beside onnxruntime and the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.errors import InvalidModelError
from lamina.frontend.forests import EQ, LEQ, MEMBER, NEQ, Forest, Leaves, pack
from lamina.reference.trees import reached_leaves
from lamina.verification import VerifyOptions, verify_model
from onnx import TensorProto, helper
from random_trees import ALL_MODES, ORDERED, ensemble, leaf_lists, random_trees, rows_with_ties

ROWS = 70
"""A tile of rows in lanes, and some that are left over, whose trees are."""


def compare(model: onnx.ModelProto, x: np.ndarray, peer: onnx.ModelProto | None = None) -> None:
    """``peer``: the same on f32, where onnxruntime does not have the type."""
    session = onnxruntime.InferenceSession((peer or model).SerializeToString())
    expected = session.run(None, {"x": x.astype(np.float32) if peer else x})
    compiled = lamina.compile(model)
    for rows in (1, ROWS):
        found = list(compiled.run({"x": x[:rows]}).values())
        for have, want in zip(found, expected, strict=True):
            assert (have.dtype, have.shape[1:]) == (want.dtype, want.shape[1:])
            if have.dtype == object:
                assert (have == want[:rows]).all()
            else:
                np.testing.assert_allclose(have, want[:rows], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
@pytest.mark.parametrize(("modes", "missing"), [(ORDERED, False), (ALL_MODES, True)])
def test_regressors(modes: tuple[str, ...], missing: bool, aggregate: str) -> None:
    for targets, every in ((1, True), (3, True), (3, False)):
        trees = random_trees(targets, 5, 4, modes=modes, tracks_missing=missing)
        lists = leaf_lists(trees, "target", range(targets), every, positive=False)
        base = [0.25] * targets if every else []
        model = ensemble(
            trees, "TreeEnsembleRegressor", [("y", TensorProto.FLOAT)],
            n_targets=targets, aggregate_function=aggregate, base_values=base, **lists,
        )  # fmt: skip
        compare(model, rows_with_ties(trees.rng, ROWS, trees.features, missing))


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"])
def test_regressors_transform(transform: str) -> None:
    for targets in (1, 3):
        trees = random_trees(7, 5, 4)
        lists = leaf_lists(trees, "target", range(targets), True, positive=True)
        outputs = [("y", TensorProto.FLOAT)]
        model = ensemble(trees, "TreeEnsembleRegressor", outputs, n_targets=targets, post_transform=transform, **lists)
        compare(model, rows_with_ties(trees.rng, ROWS, trees.features))


CLASSES = [
    pytest.param(classes, used, every, positive, base, id=f"{classes}-{used}-{every}-{positive}-{base}")
    for classes, used, every, positive, base in [
        (1, [0], True, False, 1),
        (2, [0], True, False, 0),
        (2, [0], True, True, 1),
        (2, [0], True, False, 2),
        (2, [1], True, True, 0),
        (2, [1], True, False, 2),
        (2, [0, 1], True, False, 0),
        (2, [0, 1], False, True, 2),
        (3, [0, 1, 2], True, True, 0),
        (3, [0, 1, 2], False, False, 3),
        (3, [0, 2], True, False, 0),
    ]
]


@pytest.mark.parametrize(("classes", "used", "every", "positive", "base"), CLASSES)
def test_classifiers(classes: int, used: list[int], every: bool, positive: bool, base: int) -> None:
    for transform in ("NONE", "LOGISTIC", "SOFTMAX"):
        trees = random_trees(classes + base, 6, 4)
        labels: dict[str, Any] = {"classlabels_int64s": [5, 7, 9][:classes]}
        if transform == "NONE" and classes > 1:
            labels = {"classlabels_strings": ["a", "b", "c"][:classes]}
        kind = TensorProto.INT64 if "classlabels_int64s" in labels else TensorProto.STRING
        model = ensemble(
            trees, "TreeEnsembleClassifier", [("label", kind), ("scores", TensorProto.FLOAT)],
            post_transform=transform, base_values=[0.1, 0.2, 0.3][:base], **labels,
            **leaf_lists(trees, "class", used, every, positive),
        )  # fmt: skip
        compare(model, rows_with_ties(trees.rng, ROWS, trees.features))


@pytest.mark.parametrize("kind", [np.float64, np.int64, np.int32])
def test_other_types_of_features(kind: type) -> None:
    trees = random_trees(3, 5, 4)
    model = ensemble(
        trees, "TreeEnsembleRegressor", [("y", TensorProto.FLOAT)],
        n_targets=2, **leaf_lists(trees, "target", [0, 1], True, positive=False),
    )  # fmt: skip
    other = onnx.ModelProto()
    other.CopyFrom(model)
    other.graph.input[0].type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    x = (rows_with_ties(trees.rng, ROWS, trees.features) * 2).astype(kind)
    compare(other, x, None if kind is np.float64 else model)


def test_every_phase_means_the_same(tmp_path: Path) -> None:
    trees = random_trees(5, 5, 3, modes=ALL_MODES, tracks_missing=True)
    model = ensemble(
        trees, "TreeEnsembleRegressor", [("y", TensorProto.FLOAT)],
        n_targets=2, **leaf_lists(trees, "target", [0, 1], True, positive=False),
    )  # fmt: skip
    onnx.save(model, tmp_path / "model.onnx")
    x = rows_with_ties(trees.rng, ROWS, trees.features, missing=True)
    options = VerifyOptions(loops_seconds=60.0)
    report = verify_model(tmp_path / "model.onnx", lambda executable: {"x": x}, options)
    assert report.ok, report.first_wrong
    assert [check for check in report.checks if check.status == "skipped"] == []


def test_trees_that_fill_no_short_word() -> None:
    """So many features that a place in a tile needs 64 bits."""
    trees = random_trees(4, 20, 6, features=1 << 20)
    model = ensemble(
        trees, "TreeEnsembleRegressor", [("y", TensorProto.FLOAT)],
        n_targets=1, **leaf_lists(trees, "target", [0], True, positive=False),
    )  # fmt: skip
    compiled = lamina.compile(model)
    x = trees.rng.standard_normal((2, trees.features), dtype=np.float32)
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(compiled.run({"x": x})["y"], expected, rtol=1e-5, atol=1e-5)


def _one_test(mode: int, members: list[float], nan_is_true: bool) -> Forest:
    return Forest(
        roots=np.array([0]),
        modes=np.array([mode, 0, 0]),
        features=np.zeros(3, np.int64),
        thresholds=np.array([members[0], 0, 0], np.float32),
        true=np.array([1, 0, 0]),
        false=np.array([2, 0, 0]),
        nan_is_true=np.array([nan_is_true, False, False]),
        is_leaf=np.array([False, True, True]),
        members={0: np.array(members, np.float32)} if mode == MEMBER else {},
    )


@pytest.mark.parametrize("nan_is_true", [False, True])
@pytest.mark.parametrize(
    ("mode", "members"),
    [(MEMBER, [3, -1, 0, 7.5, 7.5]), (MEMBER, [-np.inf, np.inf]), (EQ, [2]), (NEQ, [0]), (LEQ, [1])],
)
def test_searches_find_members_only(mode: int, members: list[float], nan_is_true: bool) -> None:
    leaves = Leaves(np.array([1, 2]), np.array([0, 0]), np.array([1, 0], np.float32))
    packed = pack(_one_test(mode, members, nan_is_true), leaves, 1, "sum")
    near = [np.nextafter(np.float32(m), np.float32(side)) for m in members for side in (-np.inf, np.inf) if m]
    x = np.array([*members, *near, -2, 0.5, np.inf, -np.inf, np.nan], np.float32)
    found = packed.weights[
        reached_leaves(x[:, np.newaxis], packed.thresholds, packed.features, packed.children, packed.roots[0])
    ].reshape(-1)
    holds = {MEMBER: np.isin(x, members), EQ: x == members[0], NEQ: x != members[0], LEQ: x <= members[0]}[mode]
    np.testing.assert_array_equal(found == 1, holds | (np.isnan(x) & nan_is_true))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"nodes_truenodeids": [9, 0, 0]}, "child 9 of tree 0 is not among its nodes"),
        ({"nodes_truenodeids": [0, 0, 0]}, "a tree has no root"),
        ({"nodes_featureids": [5, 0, 0]}, "the number of features"),
        ({"nodes_modes": ["BRANCH_LIKE", "LEAF", "LEAF"]}, "the mode of a node is 'BRANCH_LIKE'"),
        ({"target_ids": [0, 1]}, "target_ids has 0 to 1"),
        ({"nodes_values": [0.0]}, "nodes_values has 1 entries, expected 3"),
    ],
)
def test_broken_trees_are_refused(change: dict[str, Any], complaint: str) -> None:
    attributes: dict[str, Any] = {
        "nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [0, 0, 0],
        "nodes_values": [0.5, 0.0, 0.0], "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0], "target_treeids": [0, 0],
        "target_nodeids": [1, 2], "target_ids": [0, 0], "target_weights": [1.0, 2.0], "n_targets": 1,
    }  # fmt: skip
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **(attributes | change))
    graph = helper.make_graph(
        [node],
        "broken",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    with pytest.raises(InvalidModelError, match=complaint):
        lamina.compile(helper.make_model(graph, opset_imports=opsets, ir_version=9))
