"""scikit-learn's pipelines, step by step."""

from collections.abc import Callable

import numpy as np

from slipway_exporters import boosters, categories, linear, other_steps, scalers, sklearn_trees
from slipway_exporters.errors import WAYS_OUT, ExportError
from slipway_exporters.graph import Frame, Graph, Part

# Class name in scikit-learn → what writes it. A subclass of the user's is none of these.
TRANSFORMERS: dict[str, Callable[[Graph, object, Frame, str], Frame]] = {
    "SimpleImputer": scalers.imputer,
    "MissingIndicator": scalers.indicator,
    "StandardScaler": scalers.standard,
    "MinMaxScaler": scalers.min_max,
    "MaxAbsScaler": scalers.max_abs,
    "RobustScaler": scalers.robust,
    "Binarizer": scalers.binarizer,
    "PolynomialFeatures": scalers.polynomial,
    "FunctionTransformer": scalers.function_transformer,
    "PowerTransformer": scalers.power,
    "PCA": scalers.principal_components,
    "TruncatedSVD": scalers.principal_components,
    "OneHotEncoder": categories.encoder,
    "OrdinalEncoder": categories.encoder,
    "TargetEncoder": categories.encoder,
    "KBinsDiscretizer": categories.bins,
}

LINEAR = (
    "LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "BayesianRidge",
    "ARDRegression", "HuberRegressor", "QuantileRegressor", "SGDRegressor", "LinearSVR", "TheilSenRegressor",
    "Lars", "LassoLars", "OrthogonalMatchingPursuit",
)  # fmt: skip
FORESTS = (
    "DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor",
    "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor",
)  # fmt: skip
BOOSTINGS = ("GradientBoostingClassifier", "GradientBoostingRegressor")
HISTOGRAM_BOOSTINGS = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")

PREDICTORS: dict[str, Callable[[Graph, object, Frame, str], str]] = {
    **dict.fromkeys(LINEAR, linear.regressor),
    **dict.fromkeys(("PoissonRegressor", "GammaRegressor", "TweedieRegressor"), linear.generalised),
    **dict.fromkeys(
        ("LogisticRegression", "LogisticRegressionCV", "LinearDiscriminantAnalysis"),
        linear.classifier,
    ),
    "SGDClassifier": linear.stochastic_classifier,
    **dict.fromkeys(("MLPClassifier", "MLPRegressor"), linear.perceptron),
    **dict.fromkeys(FORESTS, sklearn_trees.tree_or_forest),
    **dict.fromkeys(BOOSTINGS, sklearn_trees.gradient_boosting),
    **dict.fromkeys(HISTOGRAM_BOOSTINGS, sklearn_trees.hist_gradient_boosting),
}

BOOSTERS = {
    "xgboost": boosters.xgboost,
    "lightgbm": boosters.lightgbm,
    "catboost": boosters.catboost,
}

# What is only a way to find another estimator, and where that one is.
WRAPPERS = {
    "GridSearchCV": "best_estimator_",
    "RandomizedSearchCV": "best_estimator_",
    "HalvingGridSearchCV": "best_estimator_",
    "HalvingRandomSearchCV": "best_estimator_",
    "TunedThresholdClassifierCV": "estimator_",
    "FixedThresholdClassifier": "estimator_",
}


def unwrapped(step: object) -> object:
    """The estimator that predicts, out of a search."""
    while type(step).__name__ in WRAPPERS:
        step = getattr(step, WRAPPERS[type(step).__name__])
    return step


def last_step(step: object) -> object:
    """The estimator at the end of a pipeline: what kind of model this is."""
    step = unwrapped(step)
    while _is_pipeline(step) or type(step).__name__ == "TransformedTargetRegressor":
        step = unwrapped(step.steps[-1][1] if _is_pipeline(step) else step.regressor_)
    return step


def _library(step: object) -> str:
    return type(step).__module__.split(".")[0]


def _is_pipeline(step: object) -> bool:
    # imbalanced-learn's is one with steps that only work in training.
    return type(step).__name__ == "Pipeline" and _library(step) in ("sklearn", "imblearn")


def predict(graph: Graph, step: object, frame: Frame, path: str) -> str:
    """double [rows, 1]: the probability of class 1, or the value."""
    step = unwrapped(step)
    name = type(step).__name__
    if _is_pipeline(step):
        for place, (label, each) in enumerate(step.steps):
            last = place == len(step.steps) - 1
            inner = f"{path} → {label}" if path else label
            if last:
                return predict(graph, each, frame, inner)
            if hasattr(each, "fit_resample"):
                continue
            frame = transform(graph, each, frame, inner)
    path = f"{path} ({name})" if path else name
    if _library(step) in BOOSTERS:
        return _told(BOOSTERS[_library(step)], graph, step, frame, path)
    if _library(step) == "sklearn":
        _check_classes(step, path)
        if name == "TransformedTargetRegressor":
            return _transformed_target(graph, step, frame, path)
        return _told(PREDICTORS.get(name, other_steps.predictor), graph, step, frame, path)
    raise ExportError(path, f"{type(step).__module__}.{name} is a class that is not known here")


def _told(writer: Callable, graph: Graph, step: object, frame: Frame, path: str):
    try:
        return writer(graph, step, frame, path)
    except (ValueError, AttributeError, TypeError, KeyError, IndexError) as error:
        raise ExportError(path, f"{error}") from error


def _check_classes(step: object, path: str) -> None:
    classes = getattr(step, "classes_", None)
    if classes is not None and set(classes) != {0, 1}:
        raise ExportError(
            path,
            f"it knows the classes {list(classes)}, and a binary label is 0 or 1",
            "Make the label 0 or 1.",
        )


def _transformed_target(graph: Graph, step: object, frame: Frame, path: str) -> str:
    inner = predict(graph, step.regressor_, frame, path)
    transformer = step.transformer_
    if type(transformer).__name__ == "FunctionTransformer":
        return scalers.numpy_function(graph, transformer.inverse_func, inner, path)
    if type(transformer).__name__ == "StandardScaler":
        scaled = graph.add("Mul", inner, graph.constant([transformer.scale_]))
        return graph.add("Add", scaled, graph.constant([transformer.mean_]))
    raise ExportError(path, f"its target is transformed by {type(transformer).__name__}")


def transform(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    """The columns that a fitted transformer makes of others."""
    name = type(step).__name__
    if step == "passthrough" or step is None:
        return frame
    if _is_pipeline(step):
        for label, each in step.steps:
            frame = transform(graph, each, frame, f"{path} → {label}")
        return frame
    path = f"{path} ({name})"
    if _library(step) != "sklearn":
        raise ExportError(path, f"{type(step).__module__}.{name} is a class that is not known here")
    if name == "ColumnTransformer":
        made = _column_transformer(graph, step, frame, path)
    elif name == "FeatureUnion":
        made = _union(graph, step, frame, path)
    elif hasattr(step, "get_support"):
        made = scalers.selector(graph, step, frame, path)
    elif "Vectorizer" in name:
        raise ExportError(
            path,
            "text is split into words by Python's regular expressions",
            WAYS_OUT.partition(": ")[2],
        )
    else:
        made = _told(TRANSFORMERS.get(name, other_steps.transformer), graph, step, frame, path)
    return Frame(made.parts, _frame_names(step, made))


def _frame_names(step: object, made: Frame) -> list[str] | None:
    """A next step may ask for columns by name only where this one was told to give a DataFrame."""
    chosen = getattr(step, "_sklearn_output_config", {}).get("transform")
    if chosen not in ("pandas", "polars"):
        return made.names if type(step).__name__ == "FunctionTransformer" else None
    names = list(step.get_feature_names_out())
    return names if len(names) == made.width else None


def _column_transformer(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    parts: list[Part] = []
    for label, each, columns in step.transformers_:
        if isinstance(each, str) and each == "drop":
            continue
        positions = _positions(step, columns, frame, path)
        if positions:
            chosen = frame.select(graph, positions)
            parts.extend(transform(graph, each, chosen, f"{path} → {label}").parts)
    return Frame(_weighted(graph, parts, getattr(step, "transformer_weights", None), path))


def _weighted(graph: Graph, parts: list[Part], weights: object, path: str) -> list[Part]:
    if weights:
        raise ExportError(
            path,
            "it has transformer_weights",
            "Leave them out: the model learns weights of its own.",
        )
    return parts


def _positions(step: object, columns: object, frame: Frame, path: str) -> list[int]:
    if callable(columns):
        raise ExportError(path, "its columns are chosen by a function that was not run")
    chosen = [columns] if isinstance(columns, (str, int, np.integer)) else columns
    if isinstance(chosen, slice):
        if isinstance(chosen.start, str) or isinstance(chosen.stop, str):
            names = frame.names or []
            first = names.index(chosen.start) if chosen.start is not None else 0
            last = names.index(chosen.stop) if chosen.stop is not None else len(names) - 1
            return list(range(first, last + 1))
        return list(range(frame.width))[chosen]
    listed = list(chosen)
    if listed and all(isinstance(each, (bool, np.bool_)) for each in listed):
        return [place for place, each in enumerate(listed) if each]
    if all(isinstance(each, str) for each in listed):
        # A DataFrame that came without names at this place has those of the fit.
        names = frame.names or [str(name) for name in getattr(step, "feature_names_in_", [])]
        if any(each not in names for each in listed):
            raise ExportError(
                path,
                f"it asks for the column {next(e for e in listed if e not in names)!r} of a table without names",
            )
        return [names.index(each) for each in listed]
    return [int(each) % frame.width for each in listed]


def _union(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    parts: list[Part] = []
    for label, each in step.transformer_list:
        if isinstance(each, str) and each == "drop":
            continue
        parts.extend(transform(graph, each, frame, f"{path} → {label}").parts)
    return Frame(_weighted(graph, parts, step.transformer_weights, path))
