"""Inference: the emotion of a waveform or a file by an exported model, with the device's runtime (jetson/).

It needs onnxruntime, numpy, soundfile and soxr.
"""

from speech_emotion.inference.recogniser import Recogniser

__all__ = ["Recogniser"]
