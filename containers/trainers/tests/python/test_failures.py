"""The user's own mistakes are told with their file and line first, and every other with its fix."""

import json

import numpy as np

from python_job import COLUMNS, PythonCase, made_frame

GOOD = """
    from sklearn.linear_model import LogisticRegression

    def train(data, hyperparameters):
        return LogisticRegression().fit(data[["visits"]], data["left"])
"""


class FailureTest(PythonCase):
    def setUp(self) -> None:
        super().setUp()
        self.rows = made_frame(200)
        self.job.table(self.rows, COLUMNS)
        self.job.configured()

    def refused(self, train: str, *words: str, **others: str) -> str:
        self.job.program(train, **others)
        return self.fails(self.job.run(), *words)

    def test_an_error_in_the_users_code_begins_with_their_line(self) -> None:
        first = self.refused(
            """
            import helper

            def train(data, hyperparameters):
                return helper.column(data, "plann")
            """,
            'train.py:4 in train\n    return helper.column(data, "plann")',
            helper="def column(data, name):\n    return data[name]\n",
        )
        self.assertEqual(first, "helper.py:2 in column: KeyError: 'plann'")

    def test_a_file_that_cannot_be_read_is_named_with_its_line(self) -> None:
        self.assertRegex(
            self.refused("def train(data, hyperparameters)\n    return 1\n"),
            r"^train\.py:1: SyntaxError: expected ':'",
        )
        self.assertEqual(
            self.refused("x = 1\nimport nowhere\n"),
            "train.py:2: ModuleNotFoundError: No module named 'nowhere'; add the package to the model's requirements.txt, pinned with ==",
        )

    def test_what_train_must_be_and_give_is_said(self) -> None:
        cases = [
            ("x = 1\n", ("train.py has no function train", "def train(data, hyperparameters)")),
            ("def train(data):\n    return 1\n", ("takes 1 parameters",)),
            ("def train(data, hyperparameters):\n    pass\n", ("train() returned None",)),
            (
                "def train(data, hyperparameters):\n    return 3\n",
                ("int has no predict", "def predict(fitted, data)"),
            ),
            (
                GOOD + "\n    def predict(fitted, data):\n        return [0.5]\n",
                ("predict() returned 1 numbers for 200 rows",),
            ),
            (
                GOOD + "\n    def predict(fitted, data):\n        return data['visits']\n",
                ("is the probability of class 1, from 0 to 1",),
            ),
            (
                GOOD + "\n    def predict(fitted, data):\n        return data['age'] / 1000\n",
                ("nan for", "finite number"),
            ),
            (
                GOOD + "\n    def predict(fitted, data):\n        return ['high'] * len(data)\n",
                ("predict() returned list", "one number per row"),
            ),
            (
                GOOD.replace("LogisticRegression", "LinearSVC").replace("linear_model", "svm"),
                ("LinearSVC has no predict_proba",),
            ),
        ]
        for train, words in cases:
            with self.subTest(words):
                self.refused(train, *words)

    def test_a_prediction_that_the_graph_does_not_make_is_refused_with_the_row(self) -> None:
        self.refused(
            GOOD + "\n    def predict(fitted, data):\n        return fitted.predict_proba(data[['visits']])[:, 1].round(2)\n",
            "ParityError", "visits=",
        )  # fmt: skip

    def test_steps_that_no_graph_has_are_named_with_both_ways_out(self) -> None:
        cases = [
            (
                "FunctionTransformer(lambda x: x * 2)",
                ("functiontransformer", "<lambda> is Python", "declared", "target: 'container'"),
            ),
            ("OneHotEncoder()", ("handle_unknown='error'", "handle_unknown='ignore'")),
        ]
        for step, words in cases:
            with self.subTest(step):
                self.job.table(self.rows, {"visits": "integer"})
                self.refused(
                    f"""
                    from sklearn.linear_model import LogisticRegression
                    from sklearn.pipeline import make_pipeline
                    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

                    def train(data, hyperparameters):
                        return make_pipeline({step}, LogisticRegression()).fit(data[["visits"]], data["left"])
                    """,
                    "ExportError", *words,
                )  # fmt: skip

    def test_text_in_the_graph_is_refused(self) -> None:
        self.job.table(self.rows, {"plan": "string"})
        self.refused(
            """
            from sklearn.compose import ColumnTransformer
            from sklearn.feature_extraction.text import TfidfVectorizer
            from sklearn.linear_model import LogisticRegression
            from sklearn.pipeline import make_pipeline

            def train(data, hyperparameters):
                steps = ColumnTransformer([("words", TfidfVectorizer(), "plan")])
                return make_pipeline(steps, LogisticRegression()).fit(data[["plan"]].fillna("none"), data["left"])

            def predict(fitted, data):
                return fitted.predict_proba(data.fillna("none"))[:, 1]
            """,
            "words (TfidfVectorizer)", "target: 'container'",
        )  # fmt: skip

    def test_a_model_that_was_fitted_on_its_label_is_refused(self) -> None:
        self.refused(
            """
            from sklearn.linear_model import LogisticRegression

            def train(data, hyperparameters):
                return LogisticRegression().fit(data[["visits", "left"]], data["left"])

            def predict(fitted, data):
                return data["visits"] / 30
            """,
            "fitted on the column 'left'", "the label is in there too",
        )  # fmt: skip

    def test_features_py_has_no_place_in_a_graph(self) -> None:
        self.refused(
            GOOD,
            "features.py is Python",
            "target: 'container'",
            features="def features(data):\n    return data\n",
        )

    def test_labels_and_hyperparameters_are_checked(self) -> None:
        self.job.program(GOOD)
        self.job.table(self.rows.assign(left=1.0), COLUMNS)
        self.fails(self.job.run(), "'__label' is 1 in all 200 rows", "both classes")
        self.job.table(self.rows.assign(left=self.rows["left"] * 2), COLUMNS)
        self.fails(self.job.run(), "'__label' holds 2", "0 or 1")
        self.job.configured(user="[1]")
        self.fails(self.job.run(), "'user'", "JSON object")
        self.job.configured(serving="pigeon")
        self.fails(self.job.run(), "'serving'", "one of lambda, container")

    def test_values_of_sensitive_columns_are_not_told(self) -> None:
        path = self.job.base / "input/data/features/features.json"
        document = json.loads(path.read_text())
        document["columns"][1]["sensitive"] = True
        path.write_text(json.dumps(document))
        self.job.program("""
            def train(data, hyperparameters):
                return float(data["home city"].iloc[0])
        """)
        finished = self.job.run()
        first = self.fails(
            finished, "train.py:2 in train: ValueError: could not convert string to float"
        )
        for city in self.rows["home city"].unique():
            self.assertNotIn(city, first + finished.errors)

    def test_a_column_of_another_type_is_named(self) -> None:
        self.job.program(GOOD)
        self.job.table(self.rows.assign(visits=np.arange(200)), {"visits": "integer"})
        path = self.job.base / "input/data/features/features.json"
        path.write_text(path.read_text().replace('"integer"', '"integr"'))
        self.fails(self.job.run(), "'visits'", "'integr'", "string, integer, number")
