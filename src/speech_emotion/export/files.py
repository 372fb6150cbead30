"""Names of what the export step writes."""

FP32 = "fp32.onnx"
INT8 = "int8.onnx"  # for TensorRT
INT8_CPU = "int8-cpu.onnx"
PRUNED = "pruned-"  # before these names: forms with filters removed, where export.prune asks for them
CHECK = "check.json"
BUNDLE = "bundle.json"
CARD = "MODEL_CARD.md"
OUT_OF_DISTRIBUTION = "out_of_distribution.json"
CALIBRATION = "calibration.cache"
OPERATORS, OPERATORS_CARD = "operators.json", "OPERATORS.md"
