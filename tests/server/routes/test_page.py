"""The page in a real browser: what a person would do with it, by mouse, keyboard and screen reader."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from retrieval import Collection
from tests.naming.test_namer import COLOURS, Reader
from tests.support import pictures

pytest.importorskip("uvicorn", reason="needs the extra server")
playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
skimage = pytest.importorskip("skimage.data", reason="the pictures are scikit-image's")
pytest.importorskip("cv2", reason="finding points without OpenCV takes half a second a picture")

from tests.support.browsing import CHROMIUM, LocalServer, serve_in_thread  # noqa: E402

SHADES = {**COLOURS, "yellow": (230, 210, 40)}
PICTURES_PER_COLOUR = 12
COPIES = 10
TOKENS = {"read_token": "reading-0123456789", "write_token": "writing-0123456789"}
VIEWS = {
    "start": "#/",
    "results": "#/search?like=item:1&less=item:3~0.5&scores=1",
    "groups": "#/search?like=item:1&group=1",
    "filtered": "#/search?where=colour+%3D+red",
    "nothing": "#/search?said=zebra",
    "item": "#/items/1",
    "coarse": "#/clusters?level=coarse",
    "clusters": "#/clusters",
    "duplicates": "#/duplicates",
    "stacks": "#/stacks",
    "outliers": "#/outliers",
    "new": "#/new",
    "path": "#/path?a=1&b=2",
    "summary": "#/summary",
    "corrections": "#/corrections",
    "map": "#/map",
    "proposals": "#/proposals",
    "learn": "#/learn",
    "add": "#/add",
}


# ---- a collection, a server, a browser


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain pictures of four colours, one of which says more than its colour, and ten cuttings of photographs with a
    copy of each."""
    place = tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(0)
    for number in range(PICTURES_PER_COLOUR):
        for name, colour in SHADES.items():
            noise = random.integers(-60, 61, (40, 40 + 8 * (number % 4), 1))
            array = np.clip(np.array(colour) + noise + random.integers(-9, 10, 3), 0, 255).astype(np.uint8)
            Image.fromarray(array).resize((200 + 40 * (number % 4), 200), 0).save(place / f"{name} {number}.png")
    cut = [getattr(skimage, name)()[top : top + 160, left : left + 160] for name, top, left in SCENES]
    for number, array in enumerate(cut):
        original = Image.fromarray(array)
        original.save(place / f"scene {number}.png")
        original.resize((120, 120)).save(place / f"scene {number} again.jpg", quality=70)
    return place


SCENES = (
    *[("astronaut", top, left) for top, left in ((0, 150), (180, 0), (180, 180), (340, 340))],
    *[("coffee", top, left) for top, left in ((0, 0), (60, 200), (220, 60), (220, 400))],
    *[("chelsea", 20, left) for left in (20, 250)],
)


def fill_collection(place: Path, photographs: Path) -> Path:
    files = sorted(photographs.iterdir())
    with Collection.open(place, create=True, embedder=Reader()) as collection:
        collection.add(files, metadata=[{"colour": file.stem.split()[0]} for file in files])
        collection.update(str(photographs / "red 3.png"), text="a harbour in Oslo")
        collection.find_parts("tiles:1")
    return place


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, photographs: Path) -> Iterator[LocalServer]:
    with serve_in_thread(fill_collection(tmp_path_factory.mktemp("library") / "c", photographs), Reader()) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"needs {CHROMIUM}")
    playwright.expect.set_options(timeout=15_000)  # five seconds are too few on a busy machine
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


Opener = Callable[..., Any]


@pytest.fixture
def opened(browser: Any) -> Iterator[Opener]:
    """Opens pages, which in the end must have logged no complaint and requested nothing from elsewhere. `expected`: a
    part of complaints that belong to the test."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_page(address: str, *, expected: str = "\0", width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 860}, **options)
        contexts.append(context)
        tab = context.new_page()
        scheme, _, host = address.partition("#")[0].partition("://")
        home = f"{scheme}://{host.partition('/')[0]}"
        tab.set_default_timeout(15_000)
        tab.on("console", lambda line: complaints.append(line.text) if expected not in line.text else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda ask: complaints.append(ask.url) if not ask.url.startswith((home, "blob:")) else None)
        tab.goto(address)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def tab(opened: Opener, running: LocalServer) -> Any:
    return opened(running.address)


def expect(locator: Any) -> Any:
    return playwright.expect(locator)


def open_view(tab: Any, view: str) -> None:
    tab.evaluate("view => { location.hash = view; }", view)


def read_names(tab: Any, count: int = 5) -> list[str]:
    """Return the names of the first results."""
    tab.wait_for_selector(".shot img")
    return [link.get_attribute("title") for link in tab.locator(".shot").all()[:count]]


def wait_until(tab: Any, condition: str) -> None:
    """Evaluate a condition from outside until it holds, since the page's policy lets nothing evaluate text in it."""
    for _ in range(200):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(50)
    raise AssertionError(f"it does not come to hold that {condition}")


def wait_for_pictures(tab: Any) -> None:
    """Wait until every picture in the window has come; none may be missing."""
    visible = "[...document.images].filter(image => image.getBoundingClientRect().top < innerHeight)"
    wait_until(tab, f"{visible}.length && {visible}.every(image => image.complete && image.naturalWidth)")


# ---- searching


def test_it_begins_with_clusters_and_pictures(tab: Any, running: LocalServer) -> None:
    expect(tab.get_by_role("heading", level=1)).to_have_text("What are you looking for?")
    expect(tab.locator("#all")).to_contain_text(str(running.collection.count()))
    expect(tab.locator(".few .name")).to_have_count(min(6, len(running.collection.clusters())))
    wait_for_pictures(tab)


def test_a_picture_is_sent_and_the_answer_is_refined(tab: Any, tmp_path: Path) -> None:
    Image.new("RGB", (60, 40), SHADES["green"]).save(tmp_path / "asked.png")
    tab.set_input_files("#file", tmp_path / "asked.png")
    expect(tab.locator(".term")).to_contain_text("your picture")
    assert all(name.startswith("green") for name in read_names(tab))
    assert "like=upload%3A" in tab.url
    tab.locator(".shot").first.hover()
    tab.get_by_role("link", name="More like").first.click()
    expect(tab.locator(".term")).to_have_count(2)
    less = tab.get_by_role("link", name="Less like green").nth(2)
    less.focus()
    less.press("Enter")
    expect(tab.locator(".term")).to_have_count(3)
    expect(tab.locator(".term output").last).to_have_text("−1")
    tab.get_by_role("button", name="less").last.click()
    expect(tab.locator(".term output").last).to_have_text("−1.5")
    tab.go_back()
    expect(tab.locator(".term output").last).to_have_text("−1")
    tab.get_by_role("button", name="Remove").last.click()
    expect(tab.locator(".term")).to_have_count(2)


def test_a_way_leads_from_the_last_picture_to_this_one(tab: Any) -> None:
    open_view(tab, "#/items/1")
    expect(tab.locator(".about-item h1")).to_be_visible()  # any h1 would be that of the view before
    expect(tab.get_by_role("link", name="Way from the last one")).to_have_count(0)
    open_view(tab, "#/items/2")
    tab.get_by_role("link", name="Way from the last one").click()
    expect(tab.locator("h1")).to_have_text("From one picture to another")
    first = tab.locator(".shot").first
    expect(first).to_have_attribute("href", "#/items/1")
    expect(tab.locator(".shot").last).to_have_attribute("href", "#/items/2")
    expect(tab.locator(".count")).to_contain_text("each a nearest neighbour of the one before")


def test_a_part_is_searched_by_its_box_and_by_one_that_is_drawn(tab: Any) -> None:
    open_view(tab, "#/items/1")
    toggle = tab.get_by_role("button", name=re.compile(r"tiles \(\d+\)"))
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    tab.locator(".stage .part:not(.drawn)").first.click()
    expect(tab.locator(".part-hits h2")).to_have_text("Pictures with tiles like it")
    expect(tab.locator(".part-hits .shot").first).to_be_visible()
    toggle.click()
    expect(tab.locator(".stage .part:not(.drawn)")).to_have_count(0)
    tab.get_by_role("button", name="Search a part").click()
    box = tab.locator(".parts").bounding_box()
    tab.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.2)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.7)
    tab.mouse.up()
    expect(tab.locator(".part-hits h2")).to_have_text("Like what is in the box")
    expect(tab.locator(".part-hits .shot").first).to_be_visible()


def test_a_summary_stands_for_all_or_for_a_cluster(tab: Any) -> None:
    open_view(tab, "#/clusters")
    tab.get_by_role("link", name="Summary").click()
    expect(tab.locator("h1")).to_have_text("Summary")
    expect(tab.locator(".shot").first).to_be_visible()
    expect(tab.locator(".cell").first).to_contain_text("% like it")
    open_view(tab, "#/clusters")
    tab.locator(".tile a, .tiles a").first.click()
    tab.get_by_role("link", name="Sum up").click()
    expect(tab.locator("h1")).to_have_text("Summary")
    expect(tab.locator(".shot").first).to_be_visible()


def test_a_picture_can_be_pasted_and_dropped(tab: Any) -> None:
    content = list(pictures.encoded(Image.new("RGB", (60, 40), SHADES["blue"]), "PNG"))
    carried = """([bytes, kind]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], "a.png", { type: "image/png" }));
      const carry = kind === "paste" ? { clipboardData: data } : { dataTransfer: data };
      const made = kind === "paste" ? new ClipboardEvent(kind, carry) : new DragEvent(kind, carry);
      document.body.dispatchEvent(Object.assign(made, {}));
      window.dispatchEvent(made);
    }"""
    for kind in ("paste", "drop"):
        open_view(tab, "#/")
        expect(tab.locator(".hero")).to_be_visible()
        tab.evaluate(carried, [content, kind])
        expect(tab.locator(".term")).to_contain_text("your picture")
        assert all(name.startswith("blue") for name in read_names(tab))


def test_words_typed_before_the_server_has_answered_are_seen_too(tab: Any) -> None:
    held: list[Any] = []
    tab.route("**/v1/info*", lambda route: held.append(route), times=1)
    tab.reload()
    tab.fill("#words", "red")
    tab.press("#words", "Enter")
    while not held:
        tab.wait_for_timeout(20)
    for route in held:
        route.continue_()
    expect(tab.locator(".term")).to_have_text([re.compile("“red”"), re.compile("in texts: “red”")])


def test_words_are_seen_or_written(tab: Any) -> None:
    tab.keyboard.press("/")
    tab.keyboard.type("red")
    tab.keyboard.press("Enter")
    expect(tab.locator(".term")).to_have_text([re.compile("“red”"), re.compile("in texts: “red”")])
    tab.select_option("#meaning", "seen")
    tab.press("#words", "Enter")
    expect(tab.locator(".term")).to_have_count(1)
    expect(tab.locator(".term")).to_contain_text("“red”")
    assert all(name.startswith("red") or "harbour" in name for name in read_names(tab))
    tab.select_option("#meaning", "said")
    tab.fill("#words", "harbours")
    tab.press("#words", "Enter")
    expect(tab.locator(".shot")).to_have_count(1)
    assert read_names(tab) == ["a harbour in Oslo"]
    tab.go_back()
    expect(tab.locator("#words")).to_have_value("red")
    tab.fill("#words", "zebra")
    tab.press("#words", "Enter")
    expect(tab.locator(".note")).to_contain_text("No text, metadata or file name contains “zebra”")


def test_scores_clusters_and_filters(opened: Opener, running: LocalServer) -> None:
    tab = opened(f"{running.address}/#/search?like=item:1", expected="400 (Bad Request)")
    read_names(tab)
    expect(tab.locator(".score").first).to_be_hidden()
    tab.get_by_role("button", name="Scores").click()
    expect(tab.locator(".score").first).to_be_visible()
    tab.get_by_role("button", name="Filter", exact=True).first.click()
    tab.get_by_role("button", name="format: JPEG").or_(tab.get_by_role("button", name="JPEG")).first.click()
    expect(tab.locator(".chip.on")).to_have_text("format = JPEG")
    expect(tab.locator(".shot")).to_have_count(COPIES)
    tab.fill("#where", 'format = JPEG and colour contains "cene" and width < 130')
    tab.press("#where", "Enter")
    expect(tab.locator(".chip.on")).to_have_count(3)
    tab.fill("#where", "width is 5")
    tab.press("#where", "Enter")
    expect(tab.locator("#where-wrong")).to_contain_text("“width is 5” is not a condition")
    tab.fill("#where", '{"width": {"$near": 5}}')
    tab.press("#where", "Enter")
    expect(tab.locator("#where-wrong")).to_contain_text("unknown operator '$near' at 'width'")
    assert tab.locator("#where").get_attribute("aria-invalid") == "true"
    open_view(tab, "#/search?like=item:1&group=1")
    expect(tab.locator(".group h2").first).to_be_visible()
    assert tab.locator(".group").count() > 1


def test_only_hits_that_are_likely_no_chance(opened: Opener, running: LocalServer) -> None:
    tab = opened(f"{running.address}/#/search?like=item:1&scores=1")
    expect(tab.locator(".score").first).to_contain_text("by chance")
    tab.get_by_role("button", name="Only likely ones").click()
    expect(tab.get_by_role("button", name="Only likely ones")).to_have_attribute("aria-pressed", "true")
    expect(tab.locator(".count")).not_to_contain_text("The best")
    for label in tab.locator(".score").all_text_contents():
        assert re.search(r" (certain|likely), (< )?1 in [\d,]+ by chance$", label), label


def test_one_picture_with_what_is_known_of_it(tab: Any, running: LocalServer, photographs: Path) -> None:
    item = running.collection.get(str(photographs / "red 3.png"))
    open_view(tab, f"#/items/{item.id}")
    expect(tab.get_by_role("heading", level=1)).to_have_text("a harbour in Oslo")
    facts = tab.locator(".facts")
    for part in ("red 3.png", "320 × 200 pixels", "PNG", "colour", "red"):
        expect(facts).to_contain_text(part)
    expect(facts.locator("dd li a").first).to_be_visible()
    similar = [name for name in read_names(tab) if name.startswith("red")]
    assert len(similar) == 5
    tab.get_by_role("link", name="More like this").first.click()
    expect(tab.locator(".term")).to_contain_text("a harbour in Oslo")
    tab.locator(".shot").nth(1).click()
    expect(tab.locator(".term")).to_contain_text("a harbour in Oslo")
    tab.locator(".facts dd li a").first.click()
    expect(tab.locator("#pictures")).to_be_visible()


# ---- clusters


def test_down_and_up_the_tree(tab: Any, running: LocalServer) -> None:
    tab.get_by_role("link", name="Clusters", exact=True).click()
    expect(tab.locator(".tile")).to_have_count(len(running.collection.clusters("medium")))
    tab.focus("#level")
    tab.keyboard.press("ArrowLeft")
    expect(tab.locator(".tile")).to_have_count(len(running.collection.clusters("coarse")))
    assert "level=coarse" in tab.url
    outer = next(cluster for cluster in running.collection.clusters("coarse") if cluster.children)
    tab.locator(f'.tile[href="#/clusters/{outer.id}"]').click()
    expect(tab.locator(".crumbs li")).to_have_count(2)
    expect(tab.locator(".cell")).not_to_have_count(0)
    inner = tab.locator("#parts ~ * .tile, #parts ~ .tiles .tile")
    if inner.count():
        inner.first.click()
        expect(tab.locator(".crumbs li")).to_have_count(3)
        tab.go_back()
        expect(tab.locator(".crumbs li")).to_have_count(2)
    tab.locator(".crumbs a").first.click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Clusters")


def test_a_cluster_is_renamed_where_it_stands(tab: Any, running: LocalServer) -> None:
    cluster = running.collection.clusters("medium")[0]
    open_view(tab, "#/clusters")
    tab.locator(f'.tile[href="#/clusters/{cluster.id}"]').click()
    tab.get_by_role("button", name="Rename this cluster").click()
    tab.keyboard.type("my <b>boats</b>")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", level=1)).to_have_text("my <b>boats</b>")
    assert running.collection.cluster(cluster.id or 0).name == "my <b>boats</b>"
    tab.go_back()
    expect(tab.locator(f'.tile[href="#/clusters/{cluster.id}"] .name')).to_have_text("my <b>boats</b>")
    tab.go_forward()
    tab.get_by_role("button", name="Rename this cluster").click()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("heading", level=1)).to_have_text("my <b>boats</b>")
    running.collection.rename(cluster.id or 0, None)


# ---- copies


def test_clusters_are_corrected_and_it_is_taken_back(tab: Any, running: LocalServer) -> None:
    open_view(tab, "#/clusters?level=fine")
    tab.locator("#main .tile").first.click()
    cluster = int(tab.url.rsplit("/", 1)[1])
    before = {item.id for item in running.collection.cluster(cluster).items().items}
    tab.get_by_role("button", name="Pick pictures").click()
    expect(tab.locator(".pick").first).to_be_focused()
    width = tab.viewport_size
    tab.set_viewport_size({**width, "width": width["width"] - 40})  # as where a scroll bar comes
    expect(tab.locator(".pick").first).to_be_focused()
    tab.set_viewport_size(width)
    tab.keyboard.press("Space")
    tab.locator(".shot").nth(4).click(modifiers=["Shift"])
    expect(tab.locator(".picking-bar b")).to_have_text("5 pictures picked")
    expect(tab.get_by_role("button", name="Keep apart")).to_be_disabled()
    tab.get_by_role("button", name="Take out").click()
    expect(tab.locator("#toast")).to_contain_text("a cluster of their own")
    (split,) = running.collection.corrections()
    assert (split.kind, len(split.groups[0])) == ("split", 5)
    assert set(split.groups[0]) <= before

    tab.locator("#toast").get_by_role("button", name="Undo").click()
    expect(tab.locator("#toast")).to_have_text("The correction was taken back")
    assert running.collection.corrections() == ()

    tab.get_by_role("button", name="Merge with…").click()
    choices = tab.get_by_role("dialog")
    expect(choices.locator("li img").first).to_be_visible()
    choices.get_by_role("searchbox").fill("no such name")
    expect(choices).to_contain_text("No cluster has such a name")
    choices.get_by_role("searchbox").fill("")
    choices.locator("li button").first.click()
    expect(tab.locator("#toast")).to_contain_text("are one now")
    open_view(tab, "#/corrections")
    expect(tab.locator(".corrections li")).to_contain_text("Two clusters were merged")
    tab.locator(".corrections").get_by_role("button", name="Undo").click()
    expect(tab.locator("#main")).to_contain_text("No corrections")
    assert running.collection.corrections() == ()


def test_a_hidden_cluster_leaves_the_list(tab: Any, running: LocalServer) -> None:
    open_view(tab, "#/clusters?level=fine")
    tiles = tab.locator("#main .tile")
    expect(tiles.first).to_be_visible()
    count = tiles.count()
    tiles.first.click()
    tab.get_by_role("button", name="Hide", exact=True).click()
    expect(tab.locator("h1")).to_have_text("Clusters")
    expect(tiles).to_have_count(count - 1)
    tab.locator("#toast").get_by_role("button", name="Undo").click()
    expect(tab.locator("#toast")).to_have_text("The correction was taken back")
    assert running.collection.corrections() == ()


def test_ten_groups_are_reviewed_by_keyboard_and_undone(tab: Any, running: LocalServer) -> None:
    tab.get_by_role("link", name="Duplicates").click()
    expect(tab.locator(".groups li")).to_have_count(COPIES, timeout=120_000)
    tab.get_by_role("link", name="Review them one by one").click()
    proofs: list[str] = []
    for number, key in enumerate(["ArrowLeft", "ArrowRight", "b", "n", *["ArrowLeft"] * 6], 1):
        expect(tab.locator(".crumbs [aria-current]")).to_have_text(f"Group {number} of {COPIES}")
        expect(tab.locator(".side img")).to_have_count(2)
        proofs.append(tab.locator(".head .count").inner_text())
        tab.keyboard.press(key)
    assert all("sure" in proof for proof in proofs)
    expect(tab.get_by_role("heading", level=1)).to_have_text("All reviewed")
    assert running.collection.duplicates() == ()
    tab.get_by_role("button", name="Undo the last one").click()
    expect(tab.locator(".crumbs [aria-current]")).to_have_text(f"Group {COPIES} of {COPIES}")
    assert len(running.collection.duplicates()) == 1
    for left in range(COPIES - 1, 0, -1):
        tab.keyboard.press("u")
        expect(tab.locator(".crumbs [aria-current]")).to_have_text(f"Group {left} of {COPIES}")
    assert len(running.collection.duplicates()) == COPIES
    tab.go_back()
    expect(tab.locator(".groups li")).to_have_count(COPIES)


def test_what_the_one_that_is_kept_takes_over_is_shown_and_chosen(tab: Any, running: LocalServer) -> None:
    collection = running.collection
    group = next(group for group in collection.duplicates() if len(group.items) == 2)
    left, right = group.items
    collection.update(left, {"tags": ["a"], "box": 1})
    collection.update(right, {"tags": ["b"], "box": 2, "rating": 4})
    before = collection.get(group.items)
    open_view(tab, f"#/duplicates?group={group.id}")
    panel = tab.get_by_role("region", name="What the one that is kept takes over")
    expect(panel.locator(".row")).to_have_count(3)
    expect(panel.locator(".row", has_text="tags").locator(".result")).to_have_text("what the one that is kept says")
    tab.keyboard.press("ArrowLeft")
    expect(tab.locator("#toast")).to_have_text("Choose what the one that is kept says under box.")
    assert collection.get(group.items) == before
    panel.get_by_role("radio").nth(1).check()
    expect(panel.locator(".row", has_text="box").locator(".result")).to_contain_text("2")
    tab.get_by_role("button", name="Keep left").click()
    wait_until(tab, f"!location.hash.endsWith('group={group.id}')")
    kept = collection.get(left).metadata
    assert (sorted(kept["tags"]), kept["box"], kept["rating"]) == (["a", "b"], 2, 4)
    tab.keyboard.press("u")
    wait_until(tab, f"location.hash.endsWith('group={group.id}')")
    expect(panel.locator(".row")).to_have_count(3)
    assert collection.get(group.items) == before
    panel.get_by_role("checkbox").uncheck()
    tab.keyboard.press("ArrowLeft")
    wait_until(tab, f"!location.hash.endsWith('group={group.id}')")
    assert collection.get(group.items) == before
    tab.keyboard.press("u")
    wait_until(tab, f"location.hash.endsWith('group={group.id}')")
    for item in before:
        collection.update(item.id, {"colour": item.metadata["colour"]}, replace=True)


def test_the_proof_is_shown(tab: Any) -> None:
    open_view(tab, "#/duplicates")
    tab.locator(".groups a").first.click()
    expect(tab.locator(".overlay")).to_be_visible()
    wait_until(tab, "document.querySelector('.overlay').naturalWidth > 300")


# ---- adding, and what others add


def test_pictures_are_added_by_dropping_and_others_show_up(
    opened: Opener, running: LocalServer, tmp_path: Path
) -> None:
    tab = opened(f"{running.address}/#/add", expected="422 (Unprocessable")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (50, 50), "purple").save(tmp_path / "purple.png")
    before = running.collection.count()
    tab.set_input_files("#more", [tmp_path / "purple.png", tmp_path / "broken.png"])
    expect(tab.locator(".report")).to_contain_text("1 picture added, 1 could not be read")
    expect(tab.locator(".report .wrong")).to_contain_text("broken.png: ")
    assert running.collection.count() == before + 1
    with Collection.open(running.folder, embedder=Reader()) as elsewhere:
        elsewhere.add([Image.new("RGB", (50, 50), "orange"), Image.new("RGB", (50, 50), "pink")], keys=["o", "p"])
        expect(tab.locator("#news")).to_contain_text("new picture", timeout=3000)
        tab.get_by_role("link", name="Look at them").click()
        expect(tab.locator('.shot[title="purple.png"]')).to_be_visible()
        is_painted = "document.querySelector('.shot[title=\"purple.png\"] img').naturalWidth === 50"
        wait_until(tab, is_painted)
        elsewhere.remove(["o", "p"])
    running.collection.remove(where={"uri": {"$contains": "purple.png"}})


def test_jobs_tell_how_far_they_are(tab: Any) -> None:
    open_view(tab, "#/add")
    expect(tab.locator(".job").first).to_contain_text("groups of duplicates")
    expect(tab.locator(".job .state").first).to_have_text("done")


# ---- tokens


def test_a_token_is_asked_for_once(opened: Opener, tmp_path: Path, folder: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder=Reader()) as collection:
        collection.add(folder)
    with serve_in_thread(tmp_path / "c", Reader(), **TOKENS) as guarded:
        tab = opened(guarded.address, expected="401 (Unauthorized)")
        expect(tab.get_by_role("dialog")).to_contain_text("A token is needed")
        tab.keyboard.type("a wrong one")
        tab.keyboard.press("Enter")
        expect(tab.get_by_role("alert")).to_contain_text("this server does not know the token")
        tab.keyboard.type(TOKENS["read_token"])
        tab.keyboard.press("Enter")
        wait_for_pictures(tab)
        expect(tab.get_by_role("link", name="Jobs")).to_be_visible()
        tab.reload()
        wait_for_pictures(tab)
        writer = opened(f"{guarded.address}/#token={TOKENS['write_token']}")
        wait_for_pictures(writer)
        assert "token" not in writer.url
        expect(writer.get_by_role("link", name="Add")).to_be_visible()
        tab.context.close()
        writer.context.close()


# ---- the REST interface


def test_the_rest_interface_is_shown_from_this_server_alone(opened: Opener, running: LocalServer) -> None:
    tab = opened(f"{running.address}/docs")
    expect(tab.get_by_role("heading", level=1)).to_contain_text("REST interface")
    paths = httpx.get(f"{running.address}/v1/openapi.json").json()["paths"]
    expect(tab.locator(".method")).to_have_count(sum(len(methods) for methods in paths.values()))
    tab.get_by_text("/v1/search", exact=True).click()
    body = tab.locator("#search")
    expect(body.get_by_role("rowheader", name="per_cluster")).to_be_visible()
    expect(body.locator("pre").first).to_contain_text(f"curl -X POST '{running.address}/v1/search' -H 'Content-Type")
    body.get_by_role("link", name="HitList").click()
    expect(tab.locator("#schema-HitList").get_by_role("rowheader", name="as_of")).to_be_visible()
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()
    assert [summarize(violation) for violation in axe.run(tab).response["violations"]] == []


def test_the_rest_interface_asks_for_a_token_where_one_is_needed(
    opened: Opener, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("documented") / "c"
    Collection.open(place, create=True, embedder=Reader()).close()
    with serve_in_thread(place, Reader(), **TOKENS) as guarded:
        tab = opened(f"{guarded.address}/docs", expected="401 (Unauthorized)")
        tab.get_by_label("The token that nearkin serve was started with").fill(TOKENS["read_token"])
        tab.keyboard.press("Enter")
        expect(tab.locator(".method").first).to_be_visible()
        tab.context.close()


# ---- errors, keyboards, screen readers, telephones


def test_errors_say_what_the_server_says(opened: Opener, running: LocalServer) -> None:
    tab = opened(f"{running.address}/#/items/99999", expected="404 (Not Found)")
    expect(tab.get_by_role("alert")).to_contain_text("There is no item with the id 99999.")
    open_view(tab, "#/clusters/99999")
    expect(tab.get_by_role("alert")).to_contain_text("There is no cluster 99999")
    open_view(tab, "#/nowhere")
    expect(tab.get_by_role("alert")).to_contain_text("There is no such view")


def test_an_empty_collection_says_what_to_do(opened: Opener, tmp_path: Path) -> None:
    Collection.open(tmp_path / "c", create=True, embedder=Reader()).close()
    with serve_in_thread(tmp_path / "c", Reader()) as empty:
        tab = opened(empty.address)
        expect(tab.locator(".note")).to_contain_text("No pictures yet")
        for view in ("#/clusters", "#/duplicates", "#/search"):
            open_view(tab, view)
            expect(tab.locator(".note h2")).to_be_visible()
        tab.context.close()


def test_the_keyboard_goes_through_pictures(tab: Any) -> None:
    open_view(tab, "#/search")
    read_names(tab)
    tab.locator(".shot").first.focus()
    at = "Number(document.activeElement.dataset.place)"
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate(at) == 1
    tab.keyboard.press("ArrowDown")
    below = tab.evaluate(at)
    assert below > 1
    tab.keyboard.press("ArrowUp")
    assert tab.evaluate(at) == 1
    tab.keyboard.press("End")
    assert tab.evaluate(at) >= 59
    tab.keyboard.press("Enter")
    expect(tab.locator(".item")).to_be_visible()
    tab.go_back()
    expect(tab.locator(".shot").first).to_be_attached()
    wait_until(tab, f"{at} >= 59")


def test_pictures_are_picked_tagged_and_removed_by_keyboard(tab: Any, running: LocalServer) -> None:
    tab.goto(f"{running.address}/#/search?where=colour+%3D+blue")
    tab.locator(".shot").first.focus()
    tab.keyboard.press("x")
    tab.keyboard.press("Shift+ArrowRight")
    tab.keyboard.press("Shift+ArrowRight")
    bar = tab.get_by_role("toolbar", name="What to do with the picked pictures")
    expect(bar).to_contain_text("3 picked")
    bar.get_by_role("button", name="All of this").click()
    expect(bar).to_contain_text(f"{PICTURES_PER_COLOUR} picked")
    bar.get_by_role("button", name="Tag and edit").click()
    tab.get_by_label("Add tags").fill("sea, <b>sky</b>")
    tab.keyboard.press("Enter")
    expect(tab.locator("#toast")).to_contain_text(f"Changed {PICTURES_PER_COLOUR} pictures")
    tagged = running.collection.items(where={"tags": {"$contains": "<b>sky</b>"}})
    assert {item.metadata["colour"] for item in tagged} == {"blue"}
    with tab.expect_download() as download:
        bar.get_by_role("button", name="Download").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert len(archive.namelist()) == PICTURES_PER_COLOUR + 1
    bar.get_by_role("button", name="Remove").click()
    expect(tab.locator("#toast")).to_contain_text("In the bin")
    assert running.collection.count(where={"colour": "blue"}) == 0
    tab.locator("#toast").get_by_role("button", name="Undo").click()
    expect(tab.locator(".cell")).to_have_count(PICTURES_PER_COLOUR)
    assert running.collection.count(where={"colour": "blue"}) == PICTURES_PER_COLOUR


def test_a_picture_is_looked_at_large_and_the_next_one(tab: Any, running: LocalServer) -> None:
    tab.goto(f"{running.address}/#/search?like=item:1")
    tab.locator(".shot").first.focus()
    tab.keyboard.press("Space")
    box = tab.get_by_role("dialog", name="Picture")
    expect(box).to_contain_text("1 of ")
    name = box.locator("h2").inner_text()
    tab.keyboard.press("ArrowRight")
    expect(box).to_contain_text("2 of ")
    tab.keyboard.press("i")
    expect(box.locator(".why")).to_contain_text("similarity ")
    box.get_by_role("button", name="Edit").click()
    box.get_by_label("Caption").fill("looked at")
    tab.keyboard.press("Enter")
    expect(box.locator(".facts").last).to_contain_text("looked at")
    assert running.collection.count(where={"caption": "looked at"}) == 1
    tab.keyboard.press("Escape")
    expect(box).to_have_count(0)
    expect(tab).to_have_url(re.compile("like=item"))
    tab.locator(".shot").first.click()
    tab.get_by_role("link", name="Look at").click()
    expect(box).to_contain_text("1 of ")
    assert box.locator("h2").inner_text() == name
    tab.go_back()
    expect(box).to_have_count(0)
    tab.keyboard.press("ArrowRight")
    expect(tab.locator("h1")).not_to_have_text(name)


def test_few_elements_for_many_pictures(tab: Any, running: LocalServer) -> None:
    open_view(tab, "#/search")
    read_names(tab)
    for _ in range(6):
        tab.mouse.wheel(0, 4000)
        tab.wait_for_timeout(60)
    wait_until(tab, f"document.querySelectorAll('.cell').length < {running.collection.count()} + 1")
    assert tab.evaluate("document.querySelectorAll('*').length") < 1500


def test_the_chosen_theme_stays(opened: Opener, running: LocalServer) -> None:
    tab = opened(running.address, color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(ground)
    tab.get_by_role("button", name="Switch to dark").click()
    dark = tab.evaluate(ground)
    assert dark != light
    tab.reload()
    assert tab.evaluate(ground) == dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_accessible(opened: Opener, running: LocalServer, tmp_path: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()
    tab = opened(running.address, color_scheme=scheme, reduced_motion="reduce")
    violations = []
    for name, view in VIEWS.items():
        settle_view(tab, view)
        take_screenshot(tab, tmp_path / f"{name}-1280-{scheme}.png")
        violations += [(name, *summarize(violation)) for violation in axe.run(tab).response["violations"]]
    tab.locator(".view").wait_for()
    settle_view(tab, "#/duplicates")
    tab.locator(".groups a").first.click()
    expect(tab.locator(".decide")).to_be_visible()
    take_screenshot(tab, tmp_path / f"review-1280-{scheme}.png")
    violations += [("review", *summarize(violation)) for violation in axe.run(tab).response["violations"]]
    assert violations == []


def summarize(violation: Any) -> tuple[str, str, str]:
    return violation["id"], violation["help"], violation["nodes"][0]["html"][:200]


def settle_view(tab: Any, view: str) -> None:
    open_view(tab, view)
    wait_until(tab, "!document.querySelector('.busy') && document.querySelector('main h1, main h2')")
    tab.wait_for_timeout(150)


def take_screenshot(tab: Any, path: Path) -> None:
    """With --slow: keep a picture of the page for people to look at."""
    if "--slow" in sys.argv:
        tab.screenshot(path=path)
        print(path)


@pytest.mark.parametrize("width", [390, 1024])
def test_nothing_is_wider_than_the_screen(opened: Opener, running: LocalServer, tmp_path: Path, width: int) -> None:
    tab = opened(running.address, width=width, has_touch=width < 500)
    for name, view in VIEWS.items():
        settle_view(tab, view)
        take_screenshot(tab, tmp_path / f"{name}-{width}-light.png")
        wide = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, name


def test_what_is_learned_is_answered_by_keyboard(tab: Any, running: LocalServer) -> None:
    collection = running.collection
    given = [collection.accept("reds", [1, 2]), collection.reject("reds", [3, 4, 5])]
    open_view(tab, "#/learn?name=reds")
    expect(tab.get_by_role("button", name="Yes (Y)")).to_be_visible()
    with collection._catalogue.snapshot() as snapshot:
        before = len(snapshot.lessons.labels("reds"))
    asked = tab.locator("figcaption").inner_text()
    tab.keyboard.press("n")
    expect(tab.locator("figcaption")).not_to_have_text(asked)
    with collection._catalogue.snapshot() as snapshot:
        labels = snapshot.lessons.labels("reds")
    assert (len(labels), labels[-1].is_accepted) == (before + 1, False)
    tab.keyboard.press("u")
    expect(tab.locator("figcaption")).to_have_text(asked)
    with collection._catalogue.snapshot() as snapshot:
        assert len(snapshot.lessons.labels("reds")) == before
    for decision in given:
        collection.undo(decision)
