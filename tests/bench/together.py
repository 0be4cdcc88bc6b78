"""Pictures put together: crops stitched back, marks fused away, noise removed; measured against the originals.

The photographs are scikit-image's and scikit-learn's samples.
"""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio
from sklearn.datasets import load_sample_images

from indexers.errors import UsageError
from indexers.matching.denoising import remove_noise
from indexers.matching.fusing import fuse_pictures
from indexers.matching.registration import apply_matrix, list_corners
from indexers.matching.stitching import stitch_pictures
from tests.bench.harness import Bench

SAMPLES = """astronaut coffee chelsea rocket camera brick grass gravel hubble_deep_field immunohistochemistry retina
    coins page moon"""
OVERLAP = 0.3
NOISE = (8, 15, 30)


def run(bench: Bench) -> None:
    photographs = load_photographs()
    measure_stitching(bench, photographs)
    measure_fusing(bench, photographs[:6])
    measure_denoising(bench, photographs[:6])


def load_photographs() -> list[Image.Image]:
    samples = [Image.fromarray(getattr(data, name)()).convert("RGB") for name in SAMPLES.split()]
    return samples + [Image.fromarray(array) for array in load_sample_images().images]


def measure_stitching(bench: Bench, photographs: list[Image.Image]) -> None:
    """Cut each photograph in two with an overlap, once in each direction, and put them together again."""
    right, seconds, tried = 0, [], 0
    for photograph in photographs:
        width, height = photograph.size
        across, down = round(width / (2 - OVERLAP)), round(height / (2 - OVERLAP))
        for boxes in (
            [(0, 0, across, height), (width - across, 0, width, height)],
            [(0, 0, width, down), (0, height - down, width, height)],
        ):
            tried += 1
            start = time.process_time()
            try:
                mosaic = stitch_pictures([photograph.crop(box) for box in boxes])
            except UsageError:
                continue
            seconds.append(time.process_time() - start)
            off = 0.0
            for matrix, (left, top, *end) in zip(mosaic.matrices, boxes, strict=False):
                corners = list_corners((end[0] - left, end[1] - top))
                off = max(off, float(np.abs(apply_matrix(matrix, corners) - corners - np.array([left, top])).max()))
            right += len(mosaic.matrices) == 2 and off <= 1
    bench.add(
        "together: crops with 30 % overlap put back within 1 pixel",
        right / tried,
        "",
        "19 of 20",
        limit=0.95,
        more=True,
        note=f"{right} of {tried}, {np.median(seconds):.2f} s of processor time each",
    )
    strangers = wrong = 0
    for first, second in pairwise(photographs):
        strangers += 1
        try:
            stitch_pictures([first, second])
            wrong += 1
        except UsageError:
            pass
    bench.add("together: pairs of other photographs that are stitched", wrong, "", "none", limit=0)
    bench.add("together: pairs of other photographs", strangers, "", "")


def measure_fusing(bench: Bench, photographs: list[Image.Image]) -> None:
    """Fuse three copies, each with another mark and frame, and measure where the marks were."""
    before, after = [], []
    for seed, photograph in enumerate(photographs):
        random = np.random.default_rng(seed)
        copies, width, height = [], *photograph.size
        boxes = []
        for place in range(3):
            copy = photograph.copy()
            left = int((0.15 + 0.25 * place) * width)
            top = int(random.uniform(0.2, 0.6) * height)
            boxes.append((left, top, left + width // 6, top + height // 6))
            copy.paste((255, 0, 0), boxes[-1])
            frame = copy.crop((0, 0, width - 5 * place, height - 3 * place))
            scale = 1 - 0.05 * place  # each of another size
            copies.append(frame.resize((round(frame.width * scale), round(frame.height * scale))))
        fused = fuse_pictures(copies)
        parts = [(fused, box) for box in boxes]
        after += [compare(picture.crop(box), photograph.crop(box)) for picture, box in parts]
        before.append(compare(copies[0].crop(boxes[0]), photograph.crop(boxes[0])))
    title = "together: PSNR where one of three copies has a mark"
    bench.add(title, float(np.mean(after)), "dB", "", peer=float(np.mean(before)))


def measure_denoising(bench: Bench, photographs: list[Image.Image]) -> None:
    """Remove noise of known strength that the filter has to measure."""
    for sigma in NOISE:
        before, after = [], []
        for photograph in photographs:
            clean = photograph.crop((0, 0, 256, 256))
            random = np.random.default_rng(0)
            pixels = np.asarray(clean) + random.normal(0, sigma, (clean.height, clean.width, 3))
            noisy = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            before.append(compare(noisy, clean))
            after.append(compare(remove_noise(noisy), clean))
        title = f"together: PSNR after noise of {sigma} grey levels was removed"
        bench.add(title, float(np.mean(after)), "dB", "above the noisy one", peer=float(np.mean(before)))


def compare(picture: Image.Image, original: Image.Image) -> float:
    return float(peak_signal_noise_ratio(np.asarray(original), np.asarray(picture)))
