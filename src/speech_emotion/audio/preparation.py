"""Preprocessing: from the samples of a file to the waveform from which features are computed."""

from typing import Any

import numpy as np

from speech_emotion.audio.activity import remove_silence
from speech_emotion.audio.denoising import spectral_subtraction, wavelet_shrinkage
from speech_emotion.audio.levels import set_level
from speech_emotion.audio.reading import resample
from speech_emotion.errors import UserError
from speech_emotion.params import Preprocess, Recipe

# Raise it when waveforms change (by more than 1e-4): it is in the keys of finished trainings.
VERSION = 1


def recipe_identity(recipe: Recipe, params: Preprocess) -> dict[str, Any]:
    """All settings that decide the waveform which a recipe makes from given samples, as JSON values.

    Settings of operations that the recipe does not use are left out.
    """
    used: list[str] = ["sample_rate"]
    if recipe.level != "none":
        used.append("level_dbfs")
    if recipe.denoise == "spectral-subtraction":
        used += ["oversubtraction", "spectral_floor"]
    if recipe.denoise == "wavelet":
        used += ["wavelet", "wavelet_levels"]
    if recipe.vad:
        used += ["vad_threshold_db", "vad_hang_ms"]
    return {
        "version": VERSION,
        **recipe.model_dump(exclude_defaults=True),
        **{name: getattr(params, name) for name in used},
    }


def prepare(samples: np.ndarray, rate: int, recipe: Recipe, params: Preprocess) -> np.ndarray:
    """Checks the samples, mixes them to mono, resamples them and applies the recipe.

    The order is: check, mono (mean of the channels), `params.sample_rate`, noise reduction, silence removal, level.
    Noise reduction and silence removal do not depend on the level, which comes last, so it is that of the remaining
    speech.

    Args:
        samples: (n,) or (n, channels), full scale 1.
        rate: Hz of the samples.
        recipe: the operations to apply.
        params: section preprocess: their settings.

    Returns:
        (m,) float32 at `params.sample_rate`, m at least 1; never clipped, so it may exceed full scale.

    Raises:
        UserError: there are no samples, or some are not finite.
    """
    samples = np.asarray(samples, dtype=np.float64)
    if samples.ndim == 2:
        samples = samples.mean(axis=1)
    if samples.size == 0:
        raise UserError("samples = none: remove the file or let ingest reject it")
    if not np.isfinite(samples).all():
        raise UserError("samples = not finite (NaN or infinite): remove the file or let ingest reject it")
    samples = resample(samples.astype(np.float32), rate, params.sample_rate)
    if recipe.denoise == "spectral-subtraction":
        samples = spectral_subtraction(samples, params.sample_rate, params.oversubtraction, params.spectral_floor)
    elif recipe.denoise == "wavelet":
        samples = wavelet_shrinkage(samples, params.wavelet, params.wavelet_levels)
    if recipe.vad:
        samples = remove_silence(samples, params.sample_rate, params.vad_threshold_db, params.vad_hang_ms)
    return set_level(samples, recipe.level, params.level_dbfs).astype(np.float32)
