"""Models that scikit-learn trains and skl2onnx exports: labels and scores beside onnxruntime and the library itself."""

from __future__ import annotations

import warnings
from typing import Any

import lamina
import numpy as np
import onnxruntime
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

ROWS = 300
CLASSIFIERS = {
    "logistic": LogisticRegression(),
    "stochastic": SGDClassifier(loss="log_loss", random_state=0),
    "naive_bayes": GaussianNB(),
    "tree": DecisionTreeClassifier(max_depth=5, random_state=0),
    "forest": RandomForestClassifier(20, max_depth=6, random_state=0),
    "extra_trees": ExtraTreesClassifier(20, max_depth=6, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=8, random_state=0),
    "vectors": SVC(random_state=0),
    "linear_vectors": LinearSVC(random_state=0),
    "neighbours": KNeighborsClassifier(),
    "perceptron": MLPClassifier((16,), max_iter=20, random_state=0),
    "vote": VotingClassifier(
        [("a", LogisticRegression()), ("b", GaussianNB())], voting="soft", flatten_transform=False
    ),
    "scaled": make_pipeline(StandardScaler(), Normalizer(), PolynomialFeatures(2), LogisticRegression()),
    "clipped": make_pipeline(MinMaxScaler(), Binarizer(threshold=0.5), LogisticRegression()),
}
REGRESSORS = {
    "linear": LinearRegression(),
    "tree": DecisionTreeRegressor(max_depth=5, random_state=0),
    "forest": RandomForestRegressor(20, max_depth=6, random_state=0),
    "boosting": GradientBoostingRegressor(n_estimators=8, random_state=0),
    "vectors": SVR(),
}


def outputs(model: Any, feeds: dict[str, np.ndarray]) -> list[Any]:
    """The outputs here, after they were found to be those of onnxruntime."""
    data = model.SerializeToString()
    expected = onnxruntime.InferenceSession(data).run(None, feeds)
    found = lamina.InferenceSession(data).run(None, feeds)
    for have, want in zip(found, expected, strict=True):
        if isinstance(want, list):
            assert [list(row) for row in have] == [list(row) for row in want]
            have, want = (np.array([list(row.values()) for row in rows]) for rows in (have, want))
        if have.dtype == object or have.dtype.kind == "i":
            assert (have == want).mean() > 0.99  # Scores may be equal but for their last digits.
        else:
            np.testing.assert_allclose(have, want, rtol=1e-3, atol=1e-4)
    return found


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name: str, classes: int) -> None:
    x, y = make_classification(ROWS, 8, n_informative=6, n_classes=classes, random_state=classes)
    x = x.astype(np.float32)
    words = np.array(["no", "yes", "maybe"])[y] if name == "forest" else y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = CLASSIFIERS[name].fit(x, words)
        exported = to_onnx(model, x[:1], target_opset={"": 20, "ai.onnx.ml": 3})
    labels = outputs(exported, {"X": x})[0]
    assert (labels == model.predict(x)).mean() > 0.98


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name: str) -> None:
    x, y = make_regression(ROWS, 8, random_state=0)
    x, y = x.astype(np.float32), y / 100
    model = REGRESSORS[name].fit(x, y)
    (found,) = outputs(to_onnx(model, x[:1], target_opset={"": 20, "ai.onnx.ml": 3}), {"X": x})
    np.testing.assert_allclose(found.reshape(-1), model.predict(x), rtol=1e-3, atol=1e-3)


def test_outliers() -> None:
    x = np.random.default_rng(0).standard_normal((ROWS, 4)).astype(np.float32)
    model = IsolationForest(n_estimators=10, random_state=0).fit(x)
    labels = outputs(to_onnx(model, x[:1], target_opset={"": 20, "ai.onnx.ml": 3}), {"X": x})[0]
    assert (labels.reshape(-1) == model.predict(x)).mean() > 0.98


@pytest.mark.parametrize("encoder", [OneHotEncoder(handle_unknown="ignore"), OrdinalEncoder()])
def test_columns_of_text_and_numbers(encoder: Any) -> None:
    """Numbers that are missing are filled in, text is encoded, both are scaled and classified."""
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((ROWS, 2)).astype(np.float32)
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    words = rng.choice(["red", "green", "blue"], (ROWS, 1)).astype(object)
    y = (np.nan_to_num(numbers[:, 0]) + (words[:, 0] == "red") > 0.3).astype(int)
    table = np.concatenate([numbers.astype(object), words], axis=1)
    columns = ColumnTransformer(
        [("numbers", make_pipeline(SimpleImputer(), StandardScaler()), [0, 1]), ("words", encoder, [2])]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(table, y)
    types = [("a", FloatTensorType([None, 1])), ("b", FloatTensorType([None, 1])), ("c", StringTensorType([None, 1]))]
    exported = to_onnx(model, initial_types=types, target_opset={"": 20, "ai.onnx.ml": 3})
    labels = outputs(exported, {"a": numbers[:, :1], "b": numbers[:, 1:], "c": words})[0]
    assert (labels == model.predict(table)).all()
