"""Models that are a weighted sum, or layers of them."""

import numpy as np

from slipway_exporters.errors import ExportError
from slipway_exporters.graph import Frame, Graph


def _sum(graph: Graph, step: object, frame: Frame) -> str:
    weights = np.asarray(step.coef_, np.float64).reshape(-1, frame.width)
    intercept = np.broadcast_to(
        np.asarray(step.intercept_, np.float64).reshape(-1), (len(weights),)
    )
    product = graph.add("MatMul", frame.matrix(graph), graph.constant(weights.T))
    return graph.add("Add", product, graph.constant([intercept]))


def regressor(graph: Graph, step: object, frame: Frame, path: str) -> str:
    """Everything that predicts `X @ coef_ + intercept_`."""
    if np.asarray(step.coef_).reshape(-1, frame.width).shape[0] != 1:
        raise ExportError(path, "it predicts several numbers a row")
    return _sum(graph, step, frame)


def generalised(graph: Graph, step: object, frame: Frame, path: str) -> str:
    """Poisson, Gamma and Tweedie regression: the sum, or its exponential."""
    margin = _sum(graph, step, frame)
    return (
        margin
        if type(step._base_loss.link).__name__ == "IdentityLink"
        else graph.add("Exp", margin)
    )


def classifier(graph: Graph, step: object, frame: Frame, path: str) -> str:
    """LogisticRegression and its kind: the logistic function of the sum."""
    margin = _sum(graph, step, frame)
    # Until release 1.8 one could ask for two opposite sums instead of one.
    if getattr(step, "multi_class", "auto") == "multinomial":
        margin = graph.add("Mul", margin, graph.constant(2.0))
    return graph.add("Sigmoid", margin)


def stochastic_classifier(graph: Graph, step: object, frame: Frame, path: str) -> str:
    """SGDClassifier with a loss that has probabilities."""
    margin = _sum(graph, step, frame)
    if step.loss == "modified_huber":
        clipped = graph.add("Clip", margin, graph.constant(-1.0), graph.constant(1.0))
        return graph.add("Div", graph.add("Add", clipped, graph.constant(1.0)), graph.constant(2.0))
    return graph.add("Sigmoid", margin)


ACTIVATIONS = {"identity": None, "logistic": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}


def perceptron(graph: Graph, step: object, frame: Frame, path: str) -> str:
    """MLPClassifier of two classes, and MLPRegressor of one number."""
    if step.n_outputs_ != 1:
        raise ExportError(path, f"it has {step.n_outputs_} outputs and a prediction is one number")
    layer = frame.matrix(graph)
    for index, (weights, bias) in enumerate(zip(step.coefs_, step.intercepts_, strict=True)):
        product = graph.add("MatMul", layer, graph.constant(weights))
        layer = graph.add("Add", product, graph.constant([bias]))
        last = index == len(step.coefs_) - 1
        operator = ACTIVATIONS[step.out_activation_ if last else step.activation]
        layer = graph.add(operator, layer) if operator else layer
    return layer
