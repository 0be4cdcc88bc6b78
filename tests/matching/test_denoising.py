from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from indexers.matching.denoising import measure_noise, remove_noise


def test_noise_is_removed_as_far_as_it_is_measured() -> None:
    clean = np.asarray(Image.fromarray(data.astronaut()).resize((160, 160)))
    noisy = Image.fromarray(
        np.clip(clean + np.random.default_rng(0).normal(0, 20, clean.shape), 0, 255).astype(np.uint8)
    )
    assert measure_noise(noisy) == pytest.approx(20, rel=0.25)
    before, after = (peak_signal_noise_ratio(clean, np.asarray(image)) for image in (noisy, remove_noise(noisy)))
    assert after > before + 3


def test_a_clean_one_stays() -> None:
    clean = Image.new("RGB", (50, 50), "teal")
    assert remove_noise(clean).tobytes() == clean.tobytes()
    assert measure_noise(Image.new("RGB", (1, 1))) == 0
