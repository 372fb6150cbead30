"""Recognises emotion in speech on a small device; needs numpy, onnxruntime or TensorRT, and Python 3.8 or later."""

__version__ = "0.1.0"
