"""The page of clusters, as a reader and as a browser see it."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from indexers.types import LEVELS
from retrieval.pages.album import Album, Tile
from retrieval.pages.clusters import render_clusters
from tests.support.albums import ALBUM, CAPTIONS, EVIL, TILES

CHROMIUM = "/usr/bin/chromium"


def thumbnail(item: int) -> bytes | None:
    """Return a picture in a colour of its own; that of item 99 is gone."""
    if item == 99:
        return None
    stream = io.BytesIO()
    Image.new("RGB", (16, 12), (item * 30, 200 - item * 20, 90)).save(stream, "WEBP" if item % 2 else "JPEG")
    return stream.getvalue()


# ---- the page, read


class Reader(HTMLParser):
    """What a page holds."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {}
        self._open = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        self.inside.setdefault(self._open, []).append(data)

    @property
    def data(self) -> Any:
        [text] = [text for text in self.inside["script"] if text.startswith("{")]
        return json.loads(text)

    def all(self, name: str) -> list[str]:
        return [str(facts[name]) for _, facts in self.tags if name in facts]


@pytest.fixture(scope="module")
def page() -> str:
    note = "OpenMoji @@data {} $note & “others”"
    return render_clusters(replace(ALBUM, title=f"Holidays {EVIL}", note=note), thumbnail)


def test_the_page_is_whole_in_itself(page: str) -> None:
    assert page.encode("utf-8")
    assert "http://" not in page
    assert "https://" not in page
    read = Reader(page)
    assert not read.all("src")
    assert read.all("href") == ["data:,"]
    assert "@import" not in page
    assert "url(" not in page


def test_every_id_is_there_once(page: str) -> None:
    read = Reader(page)
    assert len(set(read.all("id"))) == len(read.all("id"))
    assert [tile["id"] for tile in read.data["tiles"]] == [tile.id for tile in TILES]


def test_names_from_strangers_become_no_elements(page: str) -> None:
    read = Reader(page)
    kinds = [tag for tag, _ in read.tags]
    assert kinds.count("script") == 2
    assert "img" not in kinds
    assert "".join(read.inside["title"]) == f"Holidays {EVIL}"
    assert read.data["tiles"][6]["name"] == EVIL
    assert read.data["captions"]["3"] == CAPTIONS[3]
    assert read.data["captions"]["5"] == "caf\\udce9.jpg"
    assert read.data["captions"]["99"] == "item 99"
    assert "OpenMoji @@data {} $note &amp; “others”" in page


def test_the_policy_lets_run_our_script_and_style_and_nothing_else(page: str) -> None:
    [policy] = [str(facts["content"]) for _, facts in Reader(page).tags if "http-equiv" in facts]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "img-src data:;" in policy
    assert "unsafe" not in policy
    assert policy.count("'sha256-") == 2


def test_each_picture_is_there_once_and_says_its_kind(page: str) -> None:
    thumbnails = Reader(page).data["thumbnails"]
    assert sorted(map(int, thumbnails)) == [1, 2, 3, 4, 5, 6, 7]
    for uri in thumbnails.values():
        kind, data = re.fullmatch(r"data:image/(webp|jpeg);base64,(\S+)", uri).groups()  # type: ignore[union-attr]
        assert Image.open(io.BytesIO(base64.b64decode(data))).format == kind.upper()
        assert page.count(data) == 1


def test_thumbnails_are_asked_for_once() -> None:
    item_ids: list[int] = []
    render_clusters(ALBUM, lambda item: item_ids.append(item))  # type: ignore[func-returns-value]
    assert sorted(item_ids) == [1, 2, 3, 4, 5, 6, 7, 99]


def test_a_cluster_without_a_name_has_that_of_one_that_holds_the_same(page: str) -> None:
    names = {tile["id"]: tile["name"] for tile in Reader(page).data["tiles"]}
    assert names[5] == "colours"
    assert names[3] is None


def test_without_scripts_there_is_a_list(page: str) -> None:
    outline = page.split("<noscript>")[1].split("</noscript>")[0]
    assert "<li><b>animals</b> (120 pictures, 3 new)" in outline
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in outline
    assert outline.count("<ul>") == outline.count("</ul>") == 4
    assert all(outline.count(f"#{tile.id}<") == (tile.id != 5) for tile in TILES)


def test_numbers_out_of_arrays_are_taken() -> None:
    numpy = pytest.importorskip("numpy")
    tile = Tile(numpy.int64(1), "fine", "a", numpy.int64(2), None, numpy.float32("nan"), 0, tuple(numpy.arange(3)))
    read = Reader(render_clusters(Album("t", (tile,), 0, 2, {}, 1), lambda item: None)).data
    assert read["tiles"][0]["tightness"] == 0
    assert read["tiles"][0]["pictures"] == [0, 1, 2]


# ---- the page, in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"needs {CHROMIUM}")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser: Any, page: str, tmp_path: Path) -> Iterator[Any]:
    """Yield the page, opened from a disk; at the end its console must be empty."""
    file = tmp_path / "album.html"
    file.write_text(page, encoding="utf-8")
    tab, messages = browser.new_page(viewport={"width": 1000, "height": 700}), []
    tab.set_default_timeout(5000)
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda error: messages.append(str(error)))
    tab.on("dialog", lambda dialog: (messages.append(dialog.message), dialog.dismiss()))
    tab.on(
        "request",
        lambda request: messages.append(request.url) if not request.url.startswith(("file:", "data:")) else 0,
    )
    tab.goto(file.as_uri())
    yield tab
    assert messages == []
    tab.close()


def shows(tab: Any, names: list[str]) -> None:
    """Wait until the page shows these tiles in this order."""
    from playwright.sync_api import expect

    expect(tab.locator(".tile .name")).to_have_text(names)


def focused(tab: Any) -> str:
    return str(tab.evaluate("document.activeElement.querySelector?.('.name')?.textContent ?? ''"))


def test_it_opens_on_the_medium_level_with_pictures(tab: Any) -> None:
    shows(tab, ["cats", "unnamed", "colours"])
    tab.wait_for_selector(".mosaic img")
    assert tab.locator(".mosaic").first.locator("img").count() == 2
    assert tab.evaluate("[...document.images].every(image => image.complete && image.naturalWidth)")


def test_a_click_opens_a_cluster_and_back_returns(tab: Any) -> None:
    tab.click("label >> text=Coarse")
    shows(tab, ["animals", "colours"])
    tab.click(".tile >> text=animals")
    tab.wait_for_selector("h2 >> text=animals")
    shows(tab, ["cats", "unnamed"])
    assert tab.locator("h3").first.inner_text() == "2 subclusters3 pictures in no subcluster"
    assert tab.locator("figcaption").all_inner_texts() == [CAPTIONS[1], CAPTIONS[3], CAPTIONS[4]]
    tab.click(".tile >> text=cats")
    tab.wait_for_selector("h2 >> text=cats")
    assert tab.locator("nav li").all_inner_texts() == ["All clusters", "animals", "cats"]
    tab.go_back()
    tab.wait_for_selector("h2 >> text=animals")
    assert focused(tab) == "cats"
    tab.go_back()
    tab.wait_for_selector("h2", state="detached")
    shows(tab, ["animals", "colours"])
    tab.go_back()
    shows(tab, ["cats", "unnamed", "colours"])


def test_one_that_holds_the_same_is_passed_over(tab: Any) -> None:
    tab.evaluate("location.hash = '#cluster=5'")
    tab.wait_for_selector("h2 >> text=colours")
    shows(tab, [EVIL, "blue"])
    tab.click(".tile >> text=blue")
    tab.wait_for_selector("h2 >> text=blue")
    assert tab.locator("nav li").all_inner_texts() == ["All clusters", "colours", "blue"]
    assert tab.locator(".gone").inner_text() == "picture not available"


def test_the_levels_are_those_that_there_are(tab: Any) -> None:
    labels = tab.locator("#levels label").all_inner_texts()
    assert [text.rstrip("0123456789") for text in labels] == [level.capitalize() for level in LEVELS]
    tab.click("label >> text=Fine")
    shows(tab, ["unnamed", EVIL, "blue"])
    assert tab.evaluate("location.hash") == "#level=fine"


def test_the_filter_looks_at_names_captions_and_what_lies_inside(tab: Any) -> None:
    tab.fill("#find", "PERSIAN")
    shows(tab, ["cats"])
    assert tab.inner_text("#count") == "1 of 3 clusters"
    tab.click("label >> text=Coarse")
    shows(tab, ["animals"])
    tab.fill("#find", "nowhere")
    assert "No matches for “nowhere”." in tab.inner_text("main")
    tab.click("text=Show all")
    shows(tab, ["animals", "colours"])


def test_what_is_looked_for_is_found_step_by_step(tab: Any) -> None:
    tab.click("label >> text=Coarse")
    tab.fill("#find", "persian")
    tab.click(".tile >> text=animals")
    shows(tab, ["cats"])
    assert tab.locator("figure").count() == 0
    tab.click(".tile >> text=cats")
    tab.wait_for_selector("h2 >> text=cats")
    assert tab.locator("figcaption").all_inner_texts() == ["persian.jpg"]
    tab.fill("#find", "")
    assert tab.locator("figure").count() == 2
    tab.keyboard.press("Escape")
    tab.keyboard.press("Escape")
    tab.wait_for_selector("h2 >> text=animals")
    tab.fill("#find", "cats")
    tab.click(".tile >> text=cats")
    tab.wait_for_selector("h2 >> text=cats")
    assert tab.input_value("#find") == ""


def test_clusters_are_sorted(tab: Any) -> None:
    tab.click("label >> text=Fine")
    tab.select_option("#sort", "tightness")
    shows(tab, ["blue", EVIL, "unnamed"])
    assert "mean similarity 0.99" in tab.inner_text(".tile >> nth=0")
    tab.select_option("#sort", "new")
    shows(tab, ["unnamed", EVIL, "blue"])
    assert tab.inner_text(".tile .badge") == "+1 new"


def test_the_keyboard_is_enough(tab: Any) -> None:
    tab.keyboard.press("ArrowDown")
    assert focused(tab) == "cats"
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    assert focused(tab) == "colours"
    tab.keyboard.press("Home")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    tab.wait_for_selector("h2 >> text=cats")
    tab.keyboard.press("Escape")
    tab.wait_for_selector("h2 >> text=animals")
    assert focused(tab) == "cats"
    tab.keyboard.press("Backspace")
    tab.wait_for_selector("h2", state="detached")
    tab.keyboard.press("/")
    tab.keyboard.type("blue")
    shows(tab, ["colours"])
    tab.keyboard.press("Escape")
    shows(tab, ["cats", "unnamed", "colours"])


def test_an_address_that_means_nothing_shows_the_overview(tab: Any) -> None:
    tab.evaluate("location.hash = '#cluster=77&level=none&sort=constructor&find='")
    tab.wait_for_function("location.hash.includes('77')")
    shows(tab, ["cats", "unnamed", "colours"])


def test_without_scripts_the_list_is_read(browser: Any, page: str, tmp_path: Path) -> None:
    file = tmp_path / "album.html"
    file.write_text(page, encoding="utf-8")
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(file.as_uri())
    assert "cats (80 pictures, 3 new)" in plain.inner_text("main")
    assert not plain.is_visible("#bar")


def test_a_phone_needs_no_scrolling_sideways(tab: Any) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    for address in ("#level=fine", "#cluster=1", "#cluster=8"):
        tab.evaluate(f"location.hash = '{address}'")
        tab.wait_for_timeout(50)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
