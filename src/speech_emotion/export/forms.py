"""Exports a trained system in its forms for devices."""

from collections.abc import Sequence

import numpy as np

from speech_emotion.export.classifier import UtteranceClassifier, WindowClassifier
from speech_emotion.export.files import FP32, INT8, INT8_CPU
from speech_emotion.export.graph import Graph, export_graph
from speech_emotion.export.quantise import quantise
from speech_emotion.export.quantise_cpu import quantise_cpu
from speech_emotion.export.spectra import Spectra
from speech_emotion.systems.network import NetworkSystem


def exported_models(system: NetworkSystem, opset: int, calibration: Sequence[np.ndarray]) -> dict[str, Graph]:
    """Exports and quantises a trained system.

    Args:
        system: trained.
        opset: of ONNX's default domain.
        calibration: windows (window_samples,) of its own training speech.

    Returns:
        file name -> graph.

    Raises:
        UserError: a layer cannot be exported or quantised.
    """
    window = export_graph(WindowClassifier(system), system.window_samples, opset, Spectra)
    utterance = export_graph(UtteranceClassifier(system), system.window_samples, opset, Spectra, many=True)
    return {
        FP32: window,
        INT8: Graph(quantise(window, calibration), window.front_end),
        INT8_CPU: Graph(quantise_cpu(utterance, calibration), utterance.front_end),
    }
