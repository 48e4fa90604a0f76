"""Errors that a person can mend; each message says what is wrong, the value, and the fix."""


class TrainingInputError(Exception):
    """The job's configuration or data cannot be trained on."""


class HyperparameterError(TrainingInputError):
    """A hyperparameter is unknown, missing or out of its range."""


class ParityError(Exception):
    """The exported ONNX graph does not predict what the trained model predicts."""
