"""The front-ends of a classifier as one computation: frames are cut once and share one Fourier transform.

features/frontend.py defines the features; this module computes the same with a fraction of the operations. A transform
of N = P Q points is computed in two steps (Cooley & Tukey 1965): with n = Q n1 + n2 and k = k1 + P k2,

    X[k] = sum_n2 W_N^(n2 k1) W_Q^(n2 k2) sum_n1 W_P^(n1 k1) x[Q n1 + n2],    W_N = exp(-2 pi i / N)

The inner sum is one matrix for all n2, the outer one a matrix for each k1, twiddle factors included. Samples are real,
so k1 = 0 .. P / 2 covers every bin, as itself or as its mirror image N - k.

Shapes: B batch, N samples, T frames, D dimensions of a feature.
"""

from collections.abc import Mapping
from math import gcd

import numpy as np
import scipy.signal
import torch
from torch import Tensor, nn

from speech_emotion.features.frontend import LOG_FLOOR, FrontEnd
from speech_emotion.params import Feature


class Spectra(nn.Module):
    """Samples (B, N) -> {name: (B, T, D)}, with T whole frames of each feature in N samples.

    Args:
        features: name -> definition; derivatives are not applied here.
        front_ends: name -> its FrontEnd, which computes energy, and has the filters of all other kinds.
    """

    def __init__(self, features: Mapping[str, Feature], front_ends: Mapping[str, FrontEnd]):
        super().__init__()
        self.names = list(features)
        groups: dict[tuple, dict[str, Feature]] = {}
        for name, feature in features.items():
            if feature.kind != "energy":
                key = (feature.frame, feature.hop, feature.window, feature.preemphasis)
                groups.setdefault(key, {})[name] = feature
        self.groups = nn.ModuleList(_Group(group, front_ends) for group in groups.values())
        self.others = nn.ModuleDict({name: front_ends[name] for name in features if features[name].kind == "energy"})

    def forward(self, samples: Tensor) -> dict[str, Tensor]:
        found = {name: front_end(samples) for name, front_end in self.others.items()}
        for group in self.groups:
            found |= group(samples)
        return {name: found[name] for name in self.names}


class _Group(nn.Module):
    """Features of the same frames: one transform with the most points; shorter transforms are every n-th bin of it."""

    def __init__(self, features: Mapping[str, Feature], front_ends: Mapping[str, FrontEnd]):
        super().__init__()
        first = next(iter(features.values()))
        self.frame, self.hop, self.preemphasis = first.frame, first.hop, first.preemphasis
        self.front_ends = nn.ModuleDict({name: front_ends[name] for name in features})
        points = int(np.lcm.reduce([feature.n_fft for feature in features.values()]))
        window = scipy.signal.get_window(first.window, self.frame, fftbins=False)
        self.first_counts = bool(window[0] != 0.0)

        # A spectrum and the cepstrum computed from it share their bands.
        bands: list[np.ndarray] = []
        self.places: dict[str, tuple[int, int]] = {}  # name -> columns of the bands
        for name, feature in features.items():
            own = np.zeros((points // 2 + 1, front_ends[name].bands.shape[1]), np.float32)
            own[:: points // feature.n_fft] = front_ends[name].bands.numpy()
            at = next((n for n, known in enumerate(bands) if np.array_equal(known, own)), len(bands))
            if at == len(bands):
                bands.append(own)
            start = sum(known.shape[1] for known in bands[:at])
            self.places[name] = (start, start + own.shape[1])
        gathered = np.concatenate(bands, axis=1)  # (points / 2 + 1, D of all)

        self.inner = _inner_points(points, self.frame)
        rows = -(-self.frame // self.inner)
        first_step, second_step, order = _two_steps(points, self.inner, rows, gathered.any(axis=1))
        self._keep("window", np.pad(window, (0, rows * self.inner - self.frame)))
        self._keep("first_step", first_step)
        self._keep("second_step", second_step)
        self._keep("bands", np.where(order[:, np.newaxis] >= 0, gathered[order], 0.0))

    def _keep(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values, np.float32)), persistent=False)

    def forward(self, samples: Tensor) -> dict[str, Tensor]:
        frames = self._frames(samples) * self.window  # (B, T, frame)
        batch = frames.shape[0]
        columns, bins = self.second_step.shape[0], self.second_step.shape[2] // 2
        framed = frames.reshape(batch, -1, self.first_step.shape[1], self.inner)
        partly = self.first_step @ framed  # (B, T, 2 (P / 2 + 1), Q): for each k1 the real, then the imaginary parts
        partly = partly.reshape(batch, -1, columns, 2 * self.inner).transpose(1, 2)  # (B, k1, T, 2 Q)
        parts = partly @ self.second_step  # (B, k1, T, 2 bins)
        squares = parts * parts
        power = (squares[..., :bins] + squares[..., bins:]).transpose(1, 2)
        power = power.reshape(batch, -1, columns * bins) @ self.bands  # (B, T, D of all)
        found = {}
        for name, (start, end) in self.places.items():
            feature, front_end = power[:, :, start:end], self.front_ends[name]
            if front_end.log:
                feature = torch.log(torch.clamp(feature, min=LOG_FLOOR))
            found[name] = feature @ front_end.cosines if front_end.kind == "mfcc" else feature
        return found

    def _frames(self, samples: Tensor) -> Tensor:
        """Frames (B, T, frame), pre-emphasised, and padded with zeros to the length of the window."""
        emphasised = samples
        if self.preemphasis:
            before = torch.cat([samples[:, :1], samples[:, :-1]], dim=1)
            emphasised = samples - self.preemphasis * before
        frames = _cut(emphasised, self.frame, self.hop)
        if self.preemphasis and self.first_counts:  # the first sample of a frame has no predecessor
            first = (1.0 - self.preemphasis) * _cut(samples, self.frame, self.hop)[:, :, :1]
            frames = torch.cat([first, frames[:, :, 1:]], dim=2)
        more = self.window.shape[0] - self.frame
        return nn.functional.pad(frames, (0, more)) if more else frames


def _cut(samples: Tensor, frame: int, hop: int) -> Tensor:
    """Frames (B, T, frame) of samples (B, N), by slices whose number does not depend on N."""
    size = gcd(frame, hop)
    count, step = frame // size, hop // size
    frames = (samples.shape[1] - frame) // hop + 1
    used = samples[:, : (frames - 1) * hop + frame]
    rows = used.reshape(used.shape[0], -1, size)
    ends = [rows.shape[1] - count + 1 + place for place in range(count)]
    return torch.stack([rows[:, place : ends[place] : step] for place in range(count)], dim=2).flatten(2)


def _inner_points(points: int, frame: int) -> int:
    """Q with the fewest operations; those of the first step count 1.5 times, since its narrow matrices are slower."""
    found = [q for q in range(1, points) if points % q == 0 and points // q % 2 == 0]
    return min(found, key=lambda q: (points // q // 2 + 1) * (1.5 * 2 * -(-frame // q) * q + 4 * q * q))


def _two_steps(points: int, q: int, rows: int, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrices of both steps.

    Args:
        points: N.
        q: Q.
        rows: number of values of n1 that have samples.
        wanted: (points / 2 + 1,) whether a bin is needed; others are left out.

    Returns:
        (2 (P / 2 + 1), rows); (P / 2 + 1, 2 Q, 2 bins); and the bin of each result, (P / 2 + 1) * bins, -1 for padding.
    """
    p = points // q
    firsts = p // 2 + 1
    angle = -2 * np.pi * np.outer(np.arange(firsts), np.arange(rows)) / p
    first = np.stack([np.cos(angle), np.sin(angle)], axis=1).reshape(2 * firsts, rows)
    taken: set[int] = set()
    columns: list[list[tuple[int, int]]] = []  # for each k1: (k2, bin)
    for k1 in range(firsts):
        columns.append([])
        for k2 in range(q):
            k = k1 + p * k2
            bin = min(k, points - k)
            if wanted[bin] and bin not in taken:
                taken.add(bin)
                columns[-1].append((k2, bin))
    width = max(map(len, columns))
    second = np.zeros((firsts, 2 * q, 2 * width))
    order = np.full((firsts, width), -1)
    places = np.arange(q)
    for k1, found in enumerate(columns):
        for column, (k2, bin) in enumerate(found):
            angle = -2 * np.pi * (places * k1 / points + places * k2 / q)
            real, imaginary = np.cos(angle), np.sin(angle)
            second[k1, :q, column], second[k1, q:, column] = real, -imaginary
            second[k1, :q, width + column], second[k1, q:, width + column] = imaginary, real
            order[k1, column] = bin
    return first, second, order.ravel()
