"""What every trainer shares: SageMaker's container contract, checkpoints, ONNX and the documents.

`contract`, `hyperparameters`, `checkpoints`, `documents` and `entry` need the standard library only.
"""
