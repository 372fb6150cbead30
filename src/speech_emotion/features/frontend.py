"""The front-end: spectrogram, log-mel (MSPEC), MFCC and energy as one torch module, for the graph.

The features step computes the same values with `spectral`, which is faster on a CPU.

All linear operations on a frame (pre-emphasis, window, Fourier transform) are one bank of filters, so that the graph
needs only a strided convolution. Frame t is samples [t * hop, t * hop + frame), neither centred nor padded.

Notation for shapes: B batch, N samples, T frames, K = n_fft / 2 + 1 bins, D dimensions.
"""

import numpy as np
import scipy.fft
import scipy.signal
import torch
from torch import Tensor, nn

from speech_emotion.compiled import librosa
from speech_emotion.errors import UserError
from speech_emotion.params import FRONT_END_KINDS, Feature

LOG_FLOOR = 1e-10  # lower power is raised to it; full scale is 1. librosa's power_to_db has the same `amin`


def frame_count(samples: int, frame: int, hop: int) -> int:
    """The number of whole frames in a number of samples."""
    return 0 if samples < frame else 1 + (samples - frame) // hop


def sample_count(frames: int, frame: int, hop: int) -> int:
    """The number of samples that a number of frames span."""
    return (frames - 1) * hop + frame


class FrontEnd(nn.Module):
    """Maps samples (B, N) to features (B, T, D) in `dtype`.

    Kinds, with P the power spectrum |FFT(w * preemphasised frame)|^2 of full-scale 1:
        spectrogram: the mean of P in each of `n_bands` bands of equally many bins, from DC up to but excluding the bin
            at `fmax` (by default the Nyquist frequency); its natural logarithm if `log`; D = n_bands.
        mspec: natural logarithm of the energies of `n_mels` triangular filters on P (librosa.filters.mel: Slaney's
            scale and area norm) up to `fmax`; D = n_mels.
        mfcc: the first `n_mfcc` coefficients of the orthonormal DCT-II of MSPEC; D = n_mfcc.
        energy: natural logarithm of the mean square of the windowed frame; D = 1.
    Logarithms have the floor LOG_FLOOR. Pre-emphasis y[n] = x[n] - a x[n-1] within the frame, y[0] = (1 - a) x[0],
    as in HTK. Windows are symmetric: Hamming 0.54 - 0.46 cos(2 pi n / (N - 1)).

    Args:
        feature: the definition; its `deltas` are not applied here.
        sample_rate: Hz of the samples.
        dtype: of the samples, the computation and the result; the filters are always computed in float64.

    Raises:
        UserError: the front-end does not have the feature's kind.
    """

    def __init__(self, feature: Feature, sample_rate: int, dtype: torch.dtype = torch.float32):
        super().__init__()
        if feature.kind not in FRONT_END_KINDS:
            raise UserError(f"feature kind = {feature.kind}: the front-end only has {', '.join(FRONT_END_KINDS)}")
        self.kind = feature.kind
        self.frame = feature.frame
        self.hop = feature.hop
        self.log = self.kind != "spectrogram" or bool(feature.log)
        window = scipy.signal.get_window(feature.window, feature.frame, fftbins=False)
        if self.kind == "energy":
            self.dims = 1
            bank = (window**2 / feature.frame)[np.newaxis]
        else:
            bank = _fourier_bank(window, feature.preemphasis, feature.n_fft)
            bands = band_weights(feature, sample_rate)
            self.dims = bands.shape[1]
            self.register_buffer("bands", torch.from_numpy(bands), persistent=False)  # (K, D)
        self.register_buffer("bank", torch.from_numpy(bank[:, np.newaxis, np.newaxis]), persistent=False)
        if self.kind == "mfcc":
            cosines = scipy.fft.dct(np.eye(feature.n_mels), type=2, norm="ortho", axis=1)[:, : feature.n_mfcc]
            self.dims = feature.n_mfcc
            self.register_buffer("cosines", torch.from_numpy(cosines), persistent=False)  # (n_mels, n_mfcc)
        self.to(dtype)  # a later .double() would keep the rounding of the filters to float32

    def forward(self, samples: Tensor) -> Tensor:
        framed = samples[:, None, None, :]  # (B, 1, 1, N)
        if self.kind == "energy":
            power = self._filter(framed * framed)  # (B, T, 1)
        else:
            parts = self._filter(framed)  # (B, T, 2 K): real parts, then imaginary ones
            bins = parts.shape[2] // 2
            real, imaginary = parts[:, :, :bins], parts[:, :, bins:]
            power = (real * real + imaginary * imaginary) @ self.bands  # (B, T, D)
        if self.log:
            power = torch.log(torch.clamp(power, min=LOG_FLOOR))
        return power @ self.cosines if self.kind == "mfcc" else power

    def _filter(self, framed: Tensor) -> Tensor:
        filtered = nn.functional.conv2d(framed, self.bank, stride=(1, self.hop))  # (B, filters, 1, T)
        return filtered.squeeze(2).transpose(1, 2)  # (B, T, filters)


def _fourier_bank(window: np.ndarray, preemphasis: float, n_fft: int) -> np.ndarray:
    """Filters (2 K, frame): the real parts, then the imaginary parts, of FFT(window * preemphasise(frame))."""
    frame = len(window)
    emphasis = np.eye(frame) - preemphasis * np.eye(frame, k=-1)
    emphasis[0, 0] = 1.0 - preemphasis
    transform = np.fft.rfft(window[:, np.newaxis] * emphasis, n=n_fft, axis=0)  # (K, frame)
    return np.concatenate([transform.real, transform.imag])


def band_weights(feature: Feature, sample_rate: int) -> np.ndarray:
    """The matrix (K, D) from bins to bands."""
    bins = feature.n_fft // 2 + 1
    if feature.kind == "spectrogram":
        width = round(feature.top(sample_rate) * feature.n_fft / sample_rate) // feature.n_bands
        bands = np.zeros((bins, feature.n_bands))
        for band in range(feature.n_bands):
            bands[band * width : (band + 1) * width, band] = 1.0 / width
        return bands
    top = feature.top(sample_rate)
    filters = librosa().filters.mel(
        sr=sample_rate, n_fft=feature.n_fft, n_mels=feature.n_mels, fmax=top, dtype=np.float64
    )
    return filters.T


def deltas(features: Tensor, reach: int) -> Tensor:
    """d_t = sum_{n=1..N} n (c_{t+n} - c_{t-n}) / (2 sum_n n^2) over time, edges repeated.

    Source: kth-rnn-emodb, eq. 1.

    Args:
        features: (..., T, D).
        reach: N; 1 for the first derivative, 2 for the second, which is computed from the first.

    Returns:
        (..., T, D).
    """
    frames = features.shape[-2]
    first, last = features[..., :1, :], features[..., -1:, :]
    padded = torch.cat([first] * reach + [features] + [last] * reach, dim=-2)
    total = torch.zeros_like(features)
    for n in range(1, reach + 1):
        ahead = padded[..., reach + n : reach + n + frames, :]
        behind = padded[..., reach - n : reach - n + frames, :]
        total = total + n * (ahead - behind)
    return total / (2 * sum(n * n for n in range(1, reach + 1)))


def append_deltas(features: Tensor, orders: int) -> Tensor:
    """(..., T, D) with its first `orders` derivatives (0, 1 or 2) appended: (..., T, D * (1 + orders))."""
    parts = [features]
    for order in range(1, orders + 1):
        parts.append(deltas(parts[-1], reach=order))
    return torch.cat(parts, dim=-1)
