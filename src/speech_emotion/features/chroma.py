"""Energy by pitch class."""

import numpy as np
import scipy.signal

from speech_emotion.compiled import librosa


def chroma(samples: np.ndarray, rate: int, frame: int, hop: int, n_fft: int, window: str) -> np.ndarray:
    """Power of the twelve pitch classes from C to B, each frame divided by its largest (librosa.feature.chroma_stft).

    Tuning is A = 440 Hz: nothing is estimated from the utterance. The window is symmetric, as in the front-end.

    Args:
        samples: (n,), n at least `frame`.
        rate: Hz.
        frame: samples, at most `n_fft`.
        window: a name that scipy.signal.get_window knows.

    Returns:
        (frames, 12), 0..1; all 0 in silent frames.
    """
    weights = scipy.signal.get_window(window, frame, fftbins=False)
    frames = librosa().util.frame(samples, frame_length=frame, hop_length=hop, axis=0)
    power = np.abs(np.fft.rfft(frames * weights, n=n_fft)).T ** 2  # (bins, frames)
    return librosa().feature.chroma_stft(S=power, sr=rate, n_fft=n_fft, tuning=0.0).T
