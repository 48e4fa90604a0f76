"""What has no exact form in a graph is refused, and the message names it."""

import sys
import unittest

import catboost
import lightgbm
import xgboost
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from python_job import SOURCE, made_frame

sys.path.insert(0, str(SOURCE))

from slipway_exporters.errors import ExportError  # noqa: E402
from slipway_exporters.export import export_columns  # noqa: E402

NUMBERS = ["age", "balance $", "visits"]
TRAINING = made_frame(800)


def logistic():
    return LogisticRegression(max_iter=2000)


class RefusalTest(unittest.TestCase):
    def test_what_has_no_exact_form_is_refused_by_name(self) -> None:
        data, label = TRAINING[NUMBERS].fillna(0), TRAINING["left"].astype(int)
        categories = data.assign(visits=data["visits"].astype(int).astype("category"))

        class Doubled(StandardScaler):
            def transform(self, x):
                return 2 * super().transform(x)

        own = make_pipeline(Doubled(), logistic()).fit(data, label)
        own.steps[0][1].__class__.__module__ = "train"
        cases = [
            (
                lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, min_child_samples=5).fit(
                    categories, label
                ),
                "sets of categories",
            ),
            (
                lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, zero_as_missing=True).fit(
                    data, label
                ),
                "zero_as_missing",
            ),
            (
                catboost.CatBoostClassifier(
                    iterations=5, verbose=0, grow_policy="Depthwise", allow_writing_files=False
                ).fit(data, label),
                "not symmetric",
            ),
            (xgboost.XGBClassifier(n_estimators=5, booster="dart").fit(data, label), "dart"),
            (own, "Doubled is a class that is not known"),
            (
                make_pipeline(StandardScaler(), logistic()).fit(data, label + 1),
                "a binary label is 0 or 1",
            ),
        ]
        for model, words in cases:
            with self.subTest(words), self.assertRaisesRegex(ExportError, words):
                export_columns(model, [{"name": n, "type": "number"} for n in NUMBERS])
        with self.assertRaisesRegex(ExportError, "a column is called 'prediction'"):
            export_columns(
                logistic().fit(data, label),
                [{"name": n, "type": "number"} for n in ("prediction", "a", "b")],
            )
