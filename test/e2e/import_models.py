"""Makes a model's file as somebody elsewhere would, and tells what the model itself predicts.

    python import_models.py {xgboost|sklearn|malicious} FILE ROWS

ROWS is a JSON list of rows. Prints a JSON list with one probability for each.
"""

import json
import os
import pickle
import sys

import numpy


def people(count: int = 2_000):
    """Age, income and whether they left: the older and the poorer do."""
    random = numpy.random.default_rng(7)
    age = random.uniform(18, 90, count)
    income = random.uniform(10_000, 90_000, count)
    odds = (age - 50) / 10 - (income - 50_000) / 20_000
    return age, income, (random.uniform(size=count) < 1 / (1 + numpy.exp(-odds))).astype(int)


def xgboost(path: str, rows: list) -> list:
    import xgboost

    age, income, left = people()
    data = xgboost.DMatrix(numpy.column_stack([age, income]), label=left)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 3, "seed": 7}, data, 20)
    booster.save_model(path)
    asked = numpy.array([[row["age"], row["income"]] for row in rows], dtype=float)
    return booster.predict(xgboost.DMatrix(asked)).tolist()


def sklearn(path: str, rows: list) -> list:
    import joblib
    import pandas
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    age, income, left = people()
    plans = numpy.where(income > 50_000, "gold", "basic").astype(object)
    data = pandas.DataFrame({"plan": plans, "age": age, "income": income})
    columns = ColumnTransformer(
        [("plan", OneHotEncoder(handle_unknown="ignore"), ["plan"]), ("numbers", StandardScaler(), ["age", "income"])]
    )
    fitted = Pipeline([("columns", columns), ("model", LogisticRegression())]).fit(data, left)
    joblib.dump(fitted, path)
    return fitted.predict_proba(pandas.DataFrame(rows)[["plan", "age", "income"]])[:, 1].tolist()


class Harm:
    """Whoever unpickles it runs a command."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def malicious(path: str, _rows: list) -> list:
    with open(path, "wb") as file:
        pickle.dump({"model": Harm(f"touch {path}.ran")}, file)
    return []


if __name__ == "__main__":
    kind, target, text = sys.argv[1:]
    made = {"xgboost": xgboost, "sklearn": sklearn, "malicious": malicious}[kind](target, json.loads(text))
    print(json.dumps(made))
