"""How soon the page is of use: in headless Chromium, from asking for it to twenty thumbnails painted."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from retrieval import Collection
from tests.bench.harness import Bench
from tests.support.browsing import CHROMIUM, serve_in_thread

PICTURES = 2000
VISITS = 5
ENOUGH = 20
LONGEST = 30
WATCH = """
const shown = one => one.complete && one.naturalWidth && one.getBoundingClientRect().top < innerHeight;
const look = () => {
  if ([...document.images].filter(shown).length < ENOUGH) requestAnimationFrame(look);
  else requestAnimationFrame(() => requestAnimationFrame(() => { window.useful = performance.now(); }));
};
requestAnimationFrame(look);
""".replace("ENOUGH", str(ENOUGH))


def run(bench: Bench) -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as place, sync_playwright() as started:
        folder = fill_collection(Path(place))
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with serve_in_thread(folder) as running:
            first = visit(browser, running.address)
            times = [visit(browser, running.address) for _ in range(VISITS)]
        browser.close()
    title = f"the page's first useful view: {ENOUGH} thumbnails of {PICTURES:,} pictures, nothing cached by the browser"
    bench.add(title, median(times), "s", "1 s", limit=1.0)
    bench.add("the same, the very first time: every thumbnail is made", first, "s", "")


def visit(browser: Any, address: str) -> float:
    """Seconds, in a browser that has never been there."""
    context = browser.new_context(viewport={"width": 1440, "height": 1200})
    tab = context.new_page()
    tab.add_init_script(WATCH)
    tab.goto(address)
    try:
        for _ in range(LONGEST * 50):
            tab.wait_for_timeout(20)
            moment = tab.evaluate("window.useful ?? null")
            if moment is not None:
                return float(moment) / 1000
        raise TimeoutError(f"{ENOUGH} thumbnails did not come within {LONGEST} s")
    finally:
        context.close()


def fill_collection(place: Path) -> Path:
    """Fill a collection with photograph-sized pictures of eight by six patches, in clusters by their colour."""
    (place / "pictures").mkdir()
    draw = np.random.default_rng(0).integers
    colours = draw(0, 256, (40, 3))
    for number in range(PICTURES):
        patches = np.clip(colours[number % 40] + draw(-40, 41, (6, 8, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(patches).resize((1200, 900)).save(place / "pictures" / f"{number:04}.jpg", quality=80)
    with Collection.open(place / "c", create=True, embedder="tiny") as collection:
        collection.add(place / "pictures")
    return place / "c"
