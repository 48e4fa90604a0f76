"""train.py for an ONNX graph: what the graph answers is what the user's own library answers."""

import numpy as np
import pandas as pd

from python_job import COLUMNS, PythonCase, answered, made_frame

PIPELINE = """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def train(data, hyperparameters):
        numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
        model = make_pipeline(
            ColumnTransformer([
                ("words", OneHotEncoder(handle_unknown="ignore"), ["plan", "home city"]),
                ("numbers", numbers, ["age", "balance $", "visits"]),
            ]),
            LogisticRegression(C=hyperparameters["C"], max_iter=1000),
        )
        return model.fit(data.drop(columns="left"), data["left"])
"""


def fitted_by(source: str, data: pd.DataFrame, hyperparameters: dict) -> object:
    """The user's function called without the platform: the oracle."""
    import textwrap
    import types

    module = types.ModuleType("oracle")
    exec(textwrap.dedent(source), module.__dict__)
    np.random.seed(7)
    return module.train(data, hyperparameters)


class LambdaTest(PythonCase):
    def setUp(self) -> None:
        super().setUp()
        self.rows = made_frame()
        self.job.configured(user={"C": 0.5})

    def oracle(
        self,
        source: str,
        columns: dict[str, str],
        label: str = "left",
        hyperparameters: dict | None = None,
    ):
        data = self.rows[[*columns, label]]
        return fitted_by(
            source,
            data.assign(**{label: data[label].astype(int)} if label == "left" else {}),
            hyperparameters or {},
        )

    def test_a_pipeline_answers_raw_columns_as_scikit_learn_does(self) -> None:
        self.job.program(PIPELINE)
        self.job.table(self.rows, COLUMNS)
        self.job.table(self.rows[:100], COLUMNS, channel="validation")
        finished = self.job.run()
        self.assert_trained(finished)
        fresh = made_frame(500, seed=9)
        fresh.loc[:20, "plan"] = "enterprise"
        oracle = self.oracle(PIPELINE, COLUMNS, hyperparameters={"C": 0.5})
        wanted = oracle.predict_proba(fresh[list(COLUMNS)])[:, 1]
        np.testing.assert_allclose(
            answered(self.job.graph(), fresh, COLUMNS), wanted, rtol=0, atol=1e-7
        )
        inputs = [(i.name, i.type, i.shape) for i in self.job.graph().get_inputs()]
        self.assertEqual(inputs[1], ("home city", "tensor(string)", ["rows", 1]))
        self.assertEqual(inputs[2], ("age", "tensor(double)", ["rows", 1]))
        metrics = self.job.document("metrics.json")
        self.assertEqual(
            (metrics["kind"], metrics["library"], metrics["train"]["rows"]),
            ("linear", "sklearn", 600),
        )
        self.assertEqual(metrics["validation"]["rows"], 100)

    def test_parity_json_has_rows_as_a_caller_sends_them(self) -> None:
        self.job.program(PIPELINE)
        self.job.table(self.rows, COLUMNS)
        self.assert_trained(self.job.run())
        parity = self.job.document("parity.json")
        rows = pd.DataFrame(parity["input"]["columns"])
        self.assertEqual(len(rows), parity["input"]["rows"])
        self.assertEqual(parity["output"]["shape"], [600, 1])
        self.assertTrue(rows["age"].isna().any())
        self.assertTrue(all(isinstance(v, int) for v in parity["input"]["columns"]["visits"]))
        answers = answered(self.job.graph(), rows.astype({"age": float}), COLUMNS)
        wanted = np.array(parity["output"]["data"])
        self.assertTrue(
            (
                np.abs(answers - wanted)
                <= parity["tolerance"] + parity["relativeTolerance"] * wanted
            ).all()
        )

    def test_the_same_training_gives_the_same_bytes(self) -> None:
        source = PIPELINE.replace(
            'LogisticRegression(C=hyperparameters["C"], max_iter=1000)',
            "RandomForestClassifier(20)",
        )
        self.job.program(
            "from sklearn.ensemble import RandomForestClassifier\n"
            + __import__("textwrap").dedent(source)
        )
        self.job.table(self.rows, COLUMNS)
        self.assert_trained(self.job.run())
        first = self.job.model_hash()
        self.job.on_a_fresh_machine()
        self.assert_trained(self.job.run())
        self.assertEqual(self.job.model_hash(), first)

    def test_declared_features_are_one_tensor(self) -> None:
        source = """
            from sklearn.ensemble import HistGradientBoostingRegressor

            def train(data, hyperparameters):
                return HistGradientBoostingRegressor(max_iter=30).fit(data[["age", "visits"]], data["value"])
        """
        self.job.configured(task="regression", label="value")
        self.job.program(source)
        self.job.declared(self.rows, ["age", "visits"], "value")
        self.assert_trained(self.job.run())
        rows = self.rows[["age", "visits"]].to_numpy(np.float32)
        oracle = fitted_by(source, self.rows.assign(age=rows[:, 0].astype(float)), {})
        got = self.job.graph().run(["prediction"], {"features": rows})[0]
        self.assertEqual(got.shape, (600, 1))
        wanted = oracle.predict(pd.DataFrame(rows.astype(float), columns=["age", "visits"]))
        np.testing.assert_allclose(got[:, 0], wanted, rtol=1e-6)

    def test_times_and_flags_are_numbers_in_the_graph(self) -> None:
        random = np.random.default_rng(3)
        at = pd.to_datetime("2024-01-01T00:00:00Z") + pd.to_timedelta(
            random.integers(0, 10**13, 400), unit="us"
        )
        data = pd.DataFrame({"at": at, "flag": random.random(400) < 0.5})
        data["left"] = ((at > at.sort_values()[200]) ^ data["flag"]).astype(float)
        columns = {"at": "timestamp", "flag": "boolean"}
        self.job.program("""
            from sklearn.tree import DecisionTreeClassifier

            def train(data, hyperparameters):
                assert list(data.dtypes.astype(str)) == ["float64", "float64", "int64"], data.dtypes
                return DecisionTreeClassifier(max_depth=4).fit(data[["at", "flag"]], data["left"])
        """)
        self.job.table(data, columns)
        self.assert_trained(self.job.run())
        sent = self.job.document("parity.json")["input"]["columns"]
        self.assertRegex(sent["at"][0], r"^2024-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertIs(type(sent["flag"][0]), bool)
        micros = data.assign(
            at=at.asi8 // (1000 if at.unit == "ns" else 1), flag=data["flag"].astype(float)
        )
        answers = answered(self.job.graph(), micros, columns)
        self.assertGreater(np.mean((answers > 0.5) == (data["left"] == 1)), 0.9)

    def test_ten_thousand_columns_train(self) -> None:
        random = np.random.default_rng(5)
        names = {f"c{i}": "number" for i in range(10_000)}
        data = pd.DataFrame(random.normal(size=(60, 10_000)), columns=list(names))
        data["left"] = (data["c3"] > 0).astype(float)
        self.job.program("""
            from sklearn.linear_model import LogisticRegression

            def train(data, hyperparameters):
                return LogisticRegression().fit(data.drop(columns="left"), data["left"])
        """)
        self.job.table(data, names)
        self.assert_trained(self.job.run())
        self.assertEqual(len(self.job.graph().get_inputs()), 10_000)

    def test_checkpoints_survive_and_the_file_is_found_again(self) -> None:
        self.job.program("""
            import os, signal
            from sklearn.dummy import DummyRegressor
            from sklearn.linear_model import LogisticRegression

            def train(data, hyperparameters, checkpoints):
                done = checkpoints / "epoch"
                if not done.exists():
                    done.write_text("1")
                    os.kill(os.getpid(), signal.SIGTERM)
                print("continues after", done.read_text())
                return LogisticRegression().fit(data[["visits"]], data["left"])
        """)
        self.job.table(self.rows, {"visits": "integer"})
        first = self.job.run()
        self.assertEqual(first.code, 143, first.errors)
        self.assertIn("stopped while train() ran", first.output)
        second = self.job.run()
        self.assert_trained(second)
        self.assertIn("continues after 1", second.output)
