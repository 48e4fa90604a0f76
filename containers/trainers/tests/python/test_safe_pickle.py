"""Of a pickle or joblib file only what fitted estimators are made of is ever called."""

import io
import os
import pickle
import re
import sys
import warnings

import catboost
import joblib
import lightgbm
import numpy as np
import pandas as pd
import torch
import xgboost
from pandas.core.computation.expr import Expr
from scipy.stats import rv_continuous
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_files
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    PowerTransformer,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVC

from import_case import ImportCase
from python_job import COLUMNS, SOURCE

sys.path.insert(0, str(SOURCE))

from slipway_import.safe_pickle import RefusedGlobal, load  # noqa: E402
from slipway_trainer.errors import TrainingInputError  # noqa: E402

NUMBERS = {"age": "number", "visits": "integer"}


class Harm:
    """What a pickle of it calls, and with what, when it is loaded."""

    def __init__(self, function: object, *arguments: object):
        self.called = function, arguments

    def __reduce__(self) -> tuple:
        return self.called


class SafePickleTest(ImportCase):
    def test_a_malicious_file_is_refused_by_name_and_does_nothing(self) -> None:
        command = f"touch {self.marker}"
        write = f"open({str(self.marker)!r}, 'w').close()"
        harms = {
            f"{os.system.__module__}.system": Harm(os.system, command),
            "builtins.eval": Harm(eval, write),
            "builtins.exec": Harm(exec, write),
            "builtins.getattr": Harm(getattr, Harm(__import__, "os"), "system"),
            "builtins.__import__": Harm(__import__, "os"),
            "numpy.memmap": Harm(np.memmap, str(self.marker), "uint8", "w+", 0, (1,)),
            "pandas.io.pickle.read_pickle": Harm(pd.read_pickle, "x"),
            "pandas.core.computation.expr.Expr": Harm(Expr, "@pd.io.common.os.system('true')"),
            "pandas.io.pytables.HDFStore": Harm(pd.HDFStore, str(self.marker), "w"),
            "scipy.stats._distn_infrastructure.rv_continuous": Harm(rv_continuous),
            "torch.fx.graph_module.GraphModule": Harm(torch.fx.GraphModule, {}, None),
            "sklearn.datasets._base.load_files": Harm(load_files, "/"),
            "xgboost.core.DMatrix": Harm(xgboost.DMatrix, str(self.marker)),
            "joblib.numpy_pickle.load": Harm(joblib.load, "x"),
        }
        for name, harm in harms.items():
            nested = make_pipeline(StandardScaler(), LogisticRegression())
            nested.extra = {"deep": [np.array([harm, 1], object)]}
            for kind, dump in (("pkl", pickle.dump), ("joblib", joblib.dump)):
                for held in (harm, nested):
                    with self.subTest(f"{name} in {kind} {type(held).__name__}"):
                        path = self.job.base / f"m.{kind}"
                        with open(path, "wb") as file:
                            dump(held, file)
                        with self.assertRaisesRegex(RefusedGlobal, re.escape(f"names {name},")):
                            load(path)
                        self.assertFalse(self.marker.exists())
        compressed = io.BytesIO()
        joblib.dump(nested, compressed, compress=3)
        self.fails(
            self.take("m.joblib", compressed.getvalue(), COLUMNS),
            "RefusedGlobal",
            "joblib.numpy_pickle.load",
        )

    def test_names_are_judged_by_where_they_come_from(self) -> None:
        stolen = [
            b"csklearn.utils._joblib\n_store_backends\n(tR.",
            b"cnumpy.testing._private.utils\nrunstring\n(Vx\ntR.",
            b"csklearn.externals._packaging.version\nos\n(tR.",
            b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.tofile\x93)R.",
            b"\x80\x02\x82\x01.",
        ]
        for data in stolen:
            with self.subTest(data):
                path = self.job.base / "m.pkl"
                path.write_bytes(data)
                with self.assertRaises(TrainingInputError):
                    load(path)
        self.fails(
            self.take("m.pkl", b"c__main__\nMyModel\n(tR.", COLUMNS),
            "__main__.MyModel",
            "put it into train.py",
        )

    def test_estimators_of_every_library_are_taken(self) -> None:
        data, label = self.rows[["age", "visits"]].fillna(0), self.rows["left"].astype(int)
        models = [
            RandomForestClassifier(5), HistGradientBoostingClassifier(max_iter=5), GradientBoostingClassifier(n_estimators=5),
            KNeighborsClassifier(), SVC(), MLPClassifier(max_iter=5), CalibratedClassifierCV(LogisticRegression()),
            GridSearchCV(LogisticRegression(), {"C": [1, 2]}), make_pipeline(PowerTransformer(), SplineTransformer(), SGDClassifier()),
            xgboost.XGBClassifier(n_estimators=3), lightgbm.LGBMClassifier(n_estimators=3, verbose=-1),
            catboost.CatBoostClassifier(iterations=3, verbose=0, allow_writing_files=False), IsolationForest(n_estimators=5),
        ]  # fmt: skip
        for model in models:
            for dump in (pickle.dump, joblib.dump):
                with (
                    self.subTest(f"{type(model).__name__} {dump.__module__}"),
                    warnings.catch_warnings(),
                ):
                    warnings.simplefilter("ignore")
                    model.fit(data, label)
                    path = self.job.base / "m"
                    with open(path, "wb") as file:
                        dump(
                            {
                                "model": model,
                                "table": data,
                                "when": pd.Timestamp("2024-01-01", tz="UTC"),
                            },
                            file,
                        )
                    loaded = load(path)
                    np.testing.assert_array_equal(
                        loaded["model"].predict(data), model.predict(data)
                    )
                    pd.testing.assert_frame_equal(loaded["table"], data)
