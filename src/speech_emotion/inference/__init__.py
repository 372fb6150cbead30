"""Inference: an exported model asked about a waveform or a file. Needs onnxruntime, numpy, soundfile and soxr alone."""

from speech_emotion.inference.recogniser import Prediction, Recogniser, Window

__all__ = ["Prediction", "Recogniser", "Window"]
