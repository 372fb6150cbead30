"""Compares the probabilities of an exported graph with those of the trained model."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from speech_emotion.errors import UserError
from speech_emotion.export.graph import INPUT, OUTPUT, STARTS, session
from speech_emotion.learning.sequences import utterance_means


def trained_probabilities(classifier: nn.Module, windows: Sequence[np.ndarray]) -> np.ndarray:
    """Probabilities (windows, classes) of the torch model.

    Args:
        classifier: (1, window_samples) -> (1, classes); put into evaluation mode.
        windows: (window_samples,) each.
    """
    classifier.eval()
    with torch.no_grad():
        rows = [classifier(torch.from_numpy(np.array(window, dtype=np.float32)[np.newaxis])) for window in windows]
    return torch.cat(rows).numpy()


def exported_probabilities(model: bytes, windows: Sequence[np.ndarray]) -> np.ndarray:
    """Probabilities (windows, classes) of an ONNX model, on the CPU.

    Args:
        model: bytes of the ONNX file; of the form for one window or for many.
        windows: (window_samples,) each.
    """
    with session(model) as running:
        more = {STARTS: np.zeros(1, np.int64)} if len(running.get_inputs()) > 1 else {}
        rows = [
            running.run([OUTPUT], {INPUT: np.array(window, dtype=np.float32)[np.newaxis], **more})[0]
            for window in windows
        ]
    return np.concatenate(rows)


def utterance_probabilities(model: bytes, utterances: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Probabilities (N, classes) of an ONNX model: for each utterance the mean over its windows.

    Args:
        model: bytes of the ONNX file.
        utterances: the windows of each, (window_samples,) each.
    """
    said = exported_probabilities(model, [window for windows in utterances for window in windows])
    owners = np.repeat(np.arange(len(utterances)), [len(windows) for windows in utterances])
    return utterance_means(said.astype(np.float64), owners, len(utterances))


def compare(trained: np.ndarray, exported: np.ndarray) -> dict[str, float | int]:
    """Compares probabilities.

    Args:
        trained: (windows, classes), of the trained model.
        exported: (windows, classes), of the exported one.

    Returns:
        "windows"; "max_difference" and "mean_difference" of a probability; and "agreement", the share of windows for
        which both name the same class.

    Raises:
        UserError: a probability of the exported model is NaN or infinite.
    """
    if not np.isfinite(exported).all():
        raise UserError("exported model = NaN or infinite probabilities: a layer overflows: check the trained weights")
    difference = np.abs(trained.astype(np.float64) - exported)
    return {
        "windows": len(trained),
        "max_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
        "agreement": float(np.mean(trained.argmax(1) == exported.argmax(1))),
    }
