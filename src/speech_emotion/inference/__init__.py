"""Inference: an exported model asked about a waveform or a file, by the device's runtime (jetson/).

It needs onnxruntime, numpy, soundfile and soxr.
"""

from speech_emotion.inference.recogniser import Recogniser

__all__ = ["Recogniser"]
