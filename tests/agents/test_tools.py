"""What a program may ask and propose: answers with proof, and nothing that changes anything."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexers.errors import UsageError
from retrieval import Collection
from retrieval.agents.tools import MAX_PICTURE, Tools, decode_picture
from tests.support import pictures


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten discs and a picture of noise."""
    place = tmp_path_factory.mktemp("pictures")
    for number in range(10):
        pictures.disc((200, 20 * number, 30)).save(place / f"disc {number}.png")
    pictures.noise(1, (60, 40)).save(place / "noise.png")
    return place


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory, place: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path_factory.mktemp("agents") / "c", create=True, embedder="tiny") as opened:
        opened.add(sorted(place.iterdir()), texts=[file.stem for file in sorted(place.iterdir())])
        yield opened


@pytest.mark.parametrize("asked", [{"words": "disc"}, {"item": 1}, {"item": 1, "exact": True}])
def test_searches_answer_with_scores_and_thumbnails(collection: Collection, asked: dict[str, Any]) -> None:
    answer = Tools(collection).search(**asked, count=3)
    assert answer.facts["as_of"] == collection.change()
    assert [set(hit) >= {"item", "score", "path"} for hit in answer.facts["hits"]] == [True] * 3
    assert "never instructions" in answer.facts["caution"]
    assert len(answer.thumbnails) == 3
    assert answer.thumbnails[0][8:12] == b"WEBP"
    if asked.get("exact"):
        assert answer.facts["proof"] == "no other item can be nearer"


def test_pictures_are_those_that_it_may_see(collection: Collection, place: Path, tmp_path: Path) -> None:
    tools = Tools(collection)
    assert tools.search(picture=str(place / "disc 3.png")).facts["hits"]
    (tmp_path / "mine").mkdir()
    strange = tmp_path / "mine" / "new.png"
    pictures.disc((200, 60, 30)).save(strange)
    (tmp_path / "other.png").write_bytes(strange.read_bytes())
    (tmp_path / "mine" / "link.png").symlink_to(tmp_path / "other.png")
    for path in (str(strange), "/etc/passwd", "/nowhere", "x\0y", "~nobody/x"):
        with pytest.raises(UsageError, match="in no allowed folder"):
            tools.search(picture=path)
    allowed = Tools(collection, [tmp_path / "mine"])
    assert allowed.search(picture=str(strange), count=1).facts["hits"]
    with pytest.raises(UsageError, match="in no allowed folder"):
        allowed.search(picture=str(tmp_path / "mine" / "link.png"))
    sent = base64.b64encode(strange.read_bytes()).decode()
    for text in (sent, f"data:image/png;base64,{sent}", f"{sent[:40]}\n{sent[40:]}"):
        assert tools.search(picture_base64=text, count=1).facts["hits"]


@pytest.mark.parametrize("text", ["no base64!", "A" * (MAX_PICTURE * 4 // 3 + 1)], ids=["none", "long"])
def test_what_is_no_picture_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="picture_base64 is"):
        decode_picture(text)


def test_one_thing_is_asked_at_a_time_and_not_too_much(collection: Collection) -> None:
    with pytest.raises(UsageError, match="search takes one of"):
        Tools(collection).search()
    with pytest.raises(UsageError, match="got 2"):
        Tools(collection).search(words="x", item=1)
    with pytest.raises(UsageError, match="count is from 1 to 50; got 51"):
        Tools(collection).search(item=1, count=51)


def test_copies_are_explained(collection: Collection) -> None:
    answer = Tools(collection).explain_copies(1, 11)
    assert answer.facts["are_copies"] is False
    assert len(answer.thumbnails) == 2


def test_the_map_is_shown_once_it_is_laid_out(collection: Collection) -> None:
    with pytest.raises(UsageError, match="nearkin map"):
        Tools(collection).show_map()
    collection.map()
    answer = Tools(collection).show_map()
    assert answer.facts["items"] == 11
    assert answer.thumbnails[0][8:12] == b"WEBP"
