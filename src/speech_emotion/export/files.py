"""Names of what the export step writes."""

FP32 = "fp32.onnx"
INT8 = "int8.onnx"
CHECK = "check.json"
BUNDLE = "bundle.json"
