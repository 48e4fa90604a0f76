"""Each library's own `predict` is the oracle: on fresh rows, at its thresholds, with missing and unseen values."""

import sys
import unittest
import warnings

import catboost
import lightgbm
import numpy as np
import onnxruntime
import pandas as pd
import torch
import xgboost
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
)
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)  # fmt: skip
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)  # fmt: skip
from sklearn.tree import DecisionTreeClassifier

from python_job import COLUMNS, SOURCE, answered, made_frame

sys.path.insert(0, str(SOURCE))

from slipway_exporters.export import export_columns, export_features, kind_of  # noqa: E402

NUMBERS = ["age", "balance $", "visits"]
WORDS = ["plan", "home city"]
TRAINING = made_frame(800)
FRESH = made_frame(2000, seed=11)
FRESH.loc[:50, "plan"] = "never seen"
ALL = [{"name": name, "type": kind} for name, kind in COLUMNS.items()]
ONLY_NUMBERS = {name: COLUMNS[name] for name in NUMBERS}


def logistic():
    return LogisticRegression(max_iter=2000)


def prepared(*more: tuple, scaler: object = None):
    numbers = make_pipeline(SimpleImputer(strategy="median"), scaler or StandardScaler())
    return ColumnTransformer(
        [
            ("words", OneHotEncoder(handle_unknown="ignore"), WORDS),
            ("numbers", numbers, NUMBERS),
            *more,
        ]
    )


def library(model: object, rows: pd.DataFrame) -> np.ndarray:
    if hasattr(model, "predict_proba"):
        return model.predict_proba(rows)[:, list(model.classes_).index(1)]
    return np.asarray(model.predict(rows)).ravel()


def graph_of(model: object, columns: dict[str, str]):
    made = export_columns(model, [{"name": n, "type": t} for n, t in columns.items()])
    return made, onnxruntime.InferenceSession(made.model)


class ExporterTest(unittest.TestCase):
    def holds(
        self,
        model: object,
        columns: dict[str, str] = COLUMNS,
        label: str = "left",
        atol: float = 1e-6,
    ) -> object:
        """Fits, exports, and compares fresh rows in float32."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target = TRAINING[label].astype(int) if label == "left" else TRAINING[label]
            model.fit(TRAINING[list(columns)], target)
            made, session = graph_of(model, columns)
            wanted = library(model, FRESH[list(columns)]).astype(np.float32)
        np.testing.assert_allclose(answered(session, FRESH, columns), wanted, rtol=1e-6, atol=atol)
        return made

    def test_linear_models_and_the_steps_before_them(self) -> None:
        steps = {
            "logistic": make_pipeline(prepared(), logistic()),
            "stochastic": make_pipeline(prepared(), SGDClassifier(loss="log_loss", random_state=1)),
            "huber": make_pipeline(prepared(), SGDClassifier(loss="modified_huber", random_state=1)),
            "robust": make_pipeline(prepared(scaler=make_pipeline(RobustScaler(), MinMaxScaler(clip=True))), logistic()),
            "power": make_pipeline(prepared(scaler=PowerTransformer()), logistic()),
            "products": make_pipeline(prepared(scaler=make_pipeline(StandardScaler(), PolynomialFeatures(3))), logistic()),
            "ordinal": make_pipeline(
                prepared(("o", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2), WORDS)),
                logistic(),
            ),
            "target": make_pipeline(prepared(("t", TargetEncoder(random_state=1), WORDS)), logistic()),
            "rare": make_pipeline(
                ColumnTransformer([("c", OneHotEncoder(max_categories=3, handle_unknown="infrequent_if_exist"), [*WORDS, "visits"])]),
                logistic(),
            ),
            "first dropped": make_pipeline(
                ColumnTransformer([("c", OneHotEncoder(drop="first", handle_unknown="ignore"), WORDS)], remainder="passthrough"),
                SimpleImputer(add_indicator=True), StandardScaler(), logistic(),
            ),
            "most frequent text": make_pipeline(
                ColumnTransformer([
                    ("c", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), make_column_selector(dtype_include=object)),
                    ("n", SimpleImputer(), make_column_selector(dtype_include=float)),
                ]),
                StandardScaler(), logistic(),
            ),
            "bins": make_pipeline(
                prepared(("b", make_pipeline(SimpleImputer(), KBinsDiscretizer(5, quantile_method="averaged_inverted_cdf")), ["age"])),
                logistic(),
            ),
            "functions": make_pipeline(
                prepared(("f", make_pipeline(SimpleImputer(), FunctionTransformer(np.abs), FunctionTransformer(np.log1p)), ["age"])), logistic()
            ),
            "union": make_pipeline(
                ColumnTransformer([("n", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS)]),
                FeatureUnion([("same", "passthrough"), ("turned", PCA(2, whiten=True))]), logistic(),
            ),
            "search": GridSearchCV(make_pipeline(prepared(), SelectKBest(k=4), logistic()), {"logisticregression__C": [0.1, 1]}, cv=3),
        }  # fmt: skip
        for name, model in steps.items():
            with self.subTest(name):
                self.holds(model, atol=1e-7)

    def test_regressions(self) -> None:
        self.holds(make_pipeline(prepared(), Ridge()), label="value")
        logs = TransformedTargetRegressor(
            make_pipeline(prepared(), Ridge()), func=np.log1p, inverse_func=np.expm1
        )
        self.holds(logs, label="visits")
        self.holds(make_pipeline(prepared(), PoissonRegressor()), label="left")

    def test_trees_and_forests(self) -> None:
        models = {
            "forest": make_pipeline(prepared(), RandomForestClassifier(60, random_state=1)),
            "extra trees": make_pipeline(prepared(), ExtraTreesClassifier(40, random_state=1)),
            "boosting": make_pipeline(prepared(), GradientBoostingClassifier(random_state=1)),
            "exponential": make_pipeline(
                prepared(), GradientBoostingClassifier(loss="exponential", random_state=1)
            ),
            "histogram": make_pipeline(prepared(), HistGradientBoostingClassifier(random_state=1)),
        }
        for name, model in models.items():
            with self.subTest(name):
                self.holds(model)
                self.assertEqual(kind_of(model), "trees")
        for model in (
            RandomForestRegressor(30, random_state=1),
            GradientBoostingRegressor(),
            HistGradientBoostingRegressor(),
        ):
            with self.subTest(type(model).__name__):
                self.holds(make_pipeline(prepared(), model), label="value")

    def test_boosters_in_a_pipeline_and_alone(self) -> None:
        def models(regression: bool) -> list:
            kind = "Regressor" if regression else "Classifier"
            return [
                getattr(xgboost, f"XGB{kind}")(n_estimators=40, random_state=1),
                getattr(lightgbm, f"LGBM{kind}")(n_estimators=40, verbose=-1, random_state=1),
                getattr(catboost, f"CatBoost{kind}")(
                    iterations=60, verbose=0, random_seed=1, allow_writing_files=False
                ),
            ]

        for model in models(regression=False):
            with self.subTest(type(model).__name__):
                self.holds(make_pipeline(prepared(), model))
        for model in models(regression=False) + models(regression=True):
            with self.subTest(f"{type(model).__name__} alone"):
                label = "left" if "Classifier" in type(model).__name__ else "value"
                self.holds(model, ONLY_NUMBERS, label)

    def test_every_threshold_and_its_neighbours_fall_on_the_librarys_side(self) -> None:
        data, label = TRAINING[NUMBERS], TRAINING["left"].astype(int)
        models = [
            xgboost.XGBClassifier(n_estimators=15), lightgbm.LGBMClassifier(n_estimators=15, verbose=-1),
            catboost.CatBoostClassifier(iterations=30, verbose=0, allow_writing_files=False),
            HistGradientBoostingClassifier(max_iter=15), DecisionTreeClassifier(max_depth=6, random_state=1),
            make_pipeline(SimpleImputer(), RandomForestClassifier(10, random_state=1)),
        ]  # fmt: skip
        random = np.random.default_rng(4)
        for model in models:
            with self.subTest(type(model).__name__):
                made, session = graph_of(model.fit(data, label), ONLY_NUMBERS)
                self.assertGreater(sum(map(len, made.thresholds.values())), 20)
                rows = []
                for name, values in made.thresholds.items():
                    narrow = np.array(values, np.float32)
                    near = [
                        narrow,
                        np.nextafter(narrow, np.float32(-np.inf)),
                        np.nextafter(narrow, np.float32(np.inf)),
                    ]
                    exact = [
                        np.array(values),
                        np.nextafter(values, -np.inf),
                        np.nextafter(values, np.inf),
                        [np.nan],
                    ]
                    everything = np.concatenate([*[n.astype(float) for n in near], *exact])
                    rows.append(
                        FRESH[NUMBERS]
                        .iloc[random.integers(len(FRESH), size=len(everything))]
                        .assign(**{name: everything})
                    )
                probes = pd.concat(rows, ignore_index=True)
                wanted = model.predict_proba(probes)[:, 1].astype(np.float32)
                np.testing.assert_allclose(
                    answered(session, probes, ONLY_NUMBERS), wanted, rtol=0, atol=1e-6
                )

    def test_early_stopping_counts_as_the_library_counts(self) -> None:
        data, label = TRAINING[NUMBERS], TRAINING["left"].astype(int)
        watched = [(FRESH[NUMBERS], FRESH["left"].astype(int))]
        model = xgboost.XGBClassifier(
            n_estimators=300, early_stopping_rounds=3, learning_rate=0.5
        ).fit(data, label, eval_set=watched, verbose=False)
        self.assertLess(model.best_iteration, 250)
        _, session = graph_of(model, ONLY_NUMBERS)
        np.testing.assert_allclose(
            answered(session, FRESH, ONLY_NUMBERS),
            model.predict_proba(FRESH[NUMBERS])[:, 1],
            atol=1e-6,
        )

    def test_steps_of_sklearn_onnx_are_within_the_linear_tolerance(self) -> None:
        self.holds(
            make_pipeline(SimpleImputer(), StandardScaler(), GaussianNB()), ONLY_NUMBERS, atol=1e-5
        )

    def test_networks(self) -> None:
        torch.manual_seed(3)
        module = torch.nn.Sequential(
            torch.nn.Linear(3, 16),
            torch.nn.BatchNorm1d(16),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.5),
            torch.nn.Linear(16, 1),
            torch.nn.Sigmoid(),
        )
        rows = FRESH[NUMBERS].fillna(0).to_numpy(np.float32)
        made = export_features(module, NUMBERS)
        got = onnxruntime.InferenceSession(made.model).run(["prediction"], {"features": rows})[0]
        module.eval()
        with torch.no_grad():
            np.testing.assert_allclose(
                got, module(torch.tensor(rows)).numpy(), rtol=1e-3, atol=1e-5
            )
        self.assertEqual((got.shape, kind_of(module)), ((2000, 1), "network"))
        self.holds(
            make_pipeline(prepared(), MLPClassifier((8,), max_iter=50, random_state=1)), atol=1e-6
        )

    def test_equal_models_give_equal_bytes(self) -> None:
        graphs = {export_columns(self.fitted(), ALL).model for _ in range(2)}
        self.assertEqual(len(graphs), 1)

    def fitted(self) -> object:
        model = make_pipeline(
            prepared(),
            lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, random_state=1, n_jobs=1),
        )
        return model.fit(TRAINING[list(COLUMNS)], TRAINING["left"].astype(int))
