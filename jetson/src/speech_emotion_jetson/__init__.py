"""Names the emotion of speech on a small device: numpy and onnxruntime or TensorRT, Python 3.8 and later."""

__version__ = "0.1.0"
