"""Embedding with large models, random weights: the setting that we choose ourselves, beside torch in full precision.

`add` with `clip` is measured as in `adding`: wall time beside the processor time that its pictures need.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from indexers.devices import count_cores
from indexers.embedders.clip import Clip
from indexers.embedders.engines import compute_least_cosine
from indexers.embedders.network import NetworkEmbedder
from indexers.embedders.torchvision import ResNet50
from indexers.pictures import images
from retrieval.config import Config
from tests.bench import adding
from tests.bench.harness import Bench, time_in_turns

TURNS = 7


def run(bench: Bench) -> None:
    folder = bench.work / "weights"
    folder.mkdir(exist_ok=True)
    clip = once(folder / "clip.safetensors", random_clip)
    resnet = once(folder / "resnet50.safetensors", random_resnet)
    pictures = [image.resize((448, 448)) for image in adding.samples()]
    compare(
        bench,
        "CLIP ViT-B-32 image tower",
        lambda **options: Clip(pretrained=str(clip), device="cpu", **options),
        pictures,
        3,
    )
    compare(bench, "ResNet-50", lambda **options: ResNet50(weights=str(resnet), device="cpu", **options), pictures, 1.8)
    embedder = Clip(pretrained=str(clip), device="cpu")
    photographs = adding.make_files(bench.work / "photographs-300", int(300 * bench.scale), adding.photograph, 20)
    measure_adding(bench, "12-megapixel JPEG photographs", photographs, 64, embedder)
    small = adding.make_files(bench.work / "small-1500", int(1500 * bench.scale), adding.thumbnail, 0)
    measure_adding(bench, "small pictures", small, 256, embedder)


def compare(
    bench: Bench, title: str, make: Callable[..., NetworkEmbedder], pictures: list[Image.Image], goal: float
) -> None:
    """Measure the forward pass as `add` runs it, a thread for each core: pictures per second, and the least cosine."""
    ours, plain = make(), make(precision="fp32")
    batch = (([ours.prepare(picture) for picture in pictures]) * ours.batch_size)[: ours.batch_size]
    pixels = ours.transform.normalise(batch)
    network = plain.make_network().eval()  # as its makers give it: nothing folded, their layout
    cores = count_cores()
    with ThreadPoolExecutor(cores, initializer=ours.limit_threads, initargs=(1,)) as pool:

        def all_cores(job: Callable[[], Any]) -> Callable[[int], Any]:
            return lambda _: list(pool.map(lambda _: job(), range(cores)))

        times = time_in_turns(
            TURNS,
            all_cores(lambda: ours.forward(batch)),
            all_cores(lambda: torch_fp32(network, pixels)),
            all_cores(lambda: plain.forward(batch)),
            warm=1,
        )
    quick, peer, folded = (cores * len(batch) / seconds for seconds in times)
    near = compute_least_cosine(ours.forward(batch), torch_fp32(network, pixels))
    label, start = ours.engine().label, time.perf_counter()
    make().engine()
    bench.add(
        f"{title}, {cores} cores",
        quick,
        "pictures/s",
        f"{goal} x torch fp32",
        peer=peer,
        limit=goal * peer,
        more=True,
        note=f"{label}; our fp32 {folded:.0f}; ready after {time.perf_counter() - start:.1f} s",
    )
    bench.add(f"{title}: cosine to fp32", near, "", "at least .999", limit=0.999, more=True)


def measure_adding(bench: Bench, description: str, folder: Path, sample: int, embedder: NetworkEmbedder) -> None:
    """Compare the wall time of `add` with the processor time of decoding and the forward pass, shared by the cores."""
    paths, cores = sorted(folder.iterdir()), Config().cores
    sample = min(sample, len(paths))
    embedder.engine()
    need: list[tuple[float, float]] = []
    walls = adding.time_additions(bench, folder, embedder, lambda: need.append(busy(embedder, paths[:sample], cores)))
    wall, share = float(np.median(walls)), len(paths) / sample
    peer, bare = (float(seconds) * share for seconds in np.median(need, axis=0) / [cores, 1])
    bench.add(
        f"add of {len(paths):,} {description} with clip, {cores} cores",
        wall,
        "s",
        "1.15 x (decoding + forward pass) / cores",
        peer=peer,
        limit=1.15 * peer,
        note=f"{len(paths) / wall:.0f} a second; by the clock, threads that only decode and embed take {bare:.3g} s",
    )


def busy(embedder: NetworkEmbedder, paths: Sequence[Path], cores: int) -> tuple[float, float]:
    """Return the processor time of the whole process to decode and embed files, and the wall time, in seconds.

    Every core works on its share; engines have their own threads. The wall time is longer if other processes use the
    cores too.
    """

    def work(core: int) -> None:
        own, size = paths[core::cores], embedder.batch_size
        for place in range(0, len(own), size):
            embedder.embed([images.decode(path, embedder.input_size).image for path in own[place : place + size]])

    with ThreadPoolExecutor(cores, initializer=embedder.limit_threads, initargs=(1,)) as pool:
        start, clock = time.process_time(), time.perf_counter()
        list(pool.map(work, range(cores)))
        return time.process_time() - start, time.perf_counter() - clock


def torch_fp32(network: Any, pixels: np.ndarray) -> np.ndarray:
    import torch

    with torch.inference_mode():
        vectors: np.ndarray = network(torch.from_numpy(pixels)).numpy()
    return vectors


def once(path: Path, make: Callable[[], Any]) -> Path:
    """Save the state of a model with random weights, unless the file exists."""
    if not path.exists():
        import torch
        from safetensors.torch import save_file

        torch.manual_seed(0)
        save_file(make().state_dict(), path)
    return path


def random_clip() -> Any:
    from open_clip import CLIP, get_model_config

    return CLIP(**get_model_config("ViT-B-32"))


def random_resnet() -> Any:
    from torchvision.models import resnet50

    return resnet50(weights=None)
