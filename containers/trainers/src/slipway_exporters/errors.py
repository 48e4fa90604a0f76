"""What cannot become a graph, and what to do about it."""

from slipway_trainer.errors import TrainingInputError

WAYS_OUT = (
    "Two ways out: declare what it computes as `features: { declared: … }` in model.ts, or serve the "
    "fitted object itself with `serving: { target: 'container', memoryMb: 2048 }`."
)


class ExportError(TrainingInputError):
    """A step of the fitted object has no exact form in an ONNX graph."""

    def __init__(self, path: str, reason: str, fix: str = WAYS_OUT):
        super().__init__(f"step '{path}' cannot go into the ONNX graph: {reason}. {fix}")
