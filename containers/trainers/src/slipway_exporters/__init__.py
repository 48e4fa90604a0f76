"""Fitted objects of other libraries as ONNX graphs that predict what the library predicts.

Everything is computed in double precision, as the libraries compute, because a converter that works in
single precision moves rows across thresholds.
"""
