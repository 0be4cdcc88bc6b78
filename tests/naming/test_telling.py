"""What items tell for names: not their cameras and files, nor what the whole collection says; else when and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers.naming.telling import describe_occasion, find_common_words, list_telling_words
from indexers.types import ItemRow
from retrieval import Collection


def build_row(uri: str = "", taken_at: str | None = None, text: str | None = None, **metadata: Any) -> ItemRow:
    uris = (uri,) if uri else ()
    return ItemRow(1, "k", None, 9, 9, "JPEG", 9, text, taken_at, 0, metadata, uris, False)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (build_row(camera="OLYMPUS IMAGING CORP. E-M1", format="JPEG", text="Boats"), "Boats"),
        (build_row("/x/Canon EOS/harbour.jpg", camera="Canon EOS 5D"), "harbour"),
        (build_row(Make="Canon", Model="EOS 5D", Software="Adobe Photoshop"), ""),
        (build_row(make="BMW", model="X5 touring", colour="red"), "BMW X5 touring red"),
        (build_row(exif={"Make": "NIKON CORPORATION", "ImageDescription": "x"}), ""),
        (build_row(**{"EXIF:LensModel": "Nikkor 50mm", "Caption": "A Nikkor lens on snow"}), "lens on snow"),
        (build_row(creator="Anna Adams", copyright="(c) Adams", tags=["sea", {"place": "Oslo"}]), "sea Oslo"),
        (build_row(location="Oslo harbour", url="https://example.org/a", iso=200, rating=5), "Oslo harbour"),
        (build_row("/media/DCIM/100CANON/IMG_1234.JPG"), ""),
        (build_row("/data/Camera Uploads/IMG_1234 (2)-edited.jpg"), ""),
        (build_row("/takeout/Google Photos/Photos from 2019/PXL_2019.jpg"), ""),
        (build_row("/data/2019-05 Rome/DSC_0001.JPG"), "rome"),
    ],
)
def test_facts_of_the_file_and_the_camera_tell_nothing(row: ItemRow, words: str) -> None:
    assert list_telling_words(row).split() == words.split()


def test_words_that_most_paths_have_tell_nothing() -> None:
    uris = [f"/disk/Family Archive/album {n}/{'beach' if n % 3 else 'zoo'} family/{n}.jpg" for n in range(30)]
    common = find_common_words([*uris, None])
    assert common == {"disk", "family", "archive", "album"}
    assert list_telling_words(build_row(uris[1], text="family"), common) == "family beach"
    assert find_common_words(uris[:4]) == frozenset()
    assert find_common_words([]) == frozenset()


@pytest.mark.parametrize(
    ("dates", "name"),
    [
        (["2019-05-12T10:00:00", "2019-05-12T23:00:00"], "12 May 2019"),
        (["2019-05-12T10:00:00", "2019-05-01T10:00:00"], "May 2019"),
        (["2019-05-12T10:00:00", "2019-12-01T10:00:00"], "2019"),
        (["2019-05-12T10:00:00", "2020-05-12T10:00:00"], None),
        (["2019-05-12T10:00:00", None], None),
        ([None], None),
        ([], None),
    ],
)
def test_an_occasion_is_as_narrow_as_its_items_agree(dates: list[str | None], name: str | None) -> None:
    assert describe_occasion([build_row(taken_at=date) for date in dates]) == name


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("/x/2019-05 Rome/a.jpg", "May 2019"),
        ("/x/2019/IMG_20190512_101112.jpg", "12 May 2019"),
        ("/x/2019.05.12/a.jpg", "12 May 2019"),
        ("/x/120190512/a.jpg", None),
        ("/x/2019-13/1920x1080.jpg", None),
        ("", None),
    ],
)
def test_a_date_comes_from_the_path_where_the_picture_has_none(uri: str, name: str | None) -> None:
    assert describe_occasion([build_row(uri)]) == name


def test_a_place_comes_before_the_date() -> None:
    rows = [build_row(taken_at="2019-05-12", city="Rome", country="Italy")] * 4 + [build_row(country="Italy")]
    assert describe_occasion(rows) == "Rome, 12 May 2019"
    assert describe_occasion([build_row(country="Italy"), build_row(country="Italy", city="Rome")]) == "Italy"


def test_clusters_of_cameras_are_named_by_folder_or_date(tmp_path: Path) -> None:
    places = {
        "DCIM/100CANON": ("Canon", "EOS 5D", "2019:05"),
        "Camera Uploads": ("OLYMPUS IMAGING CORP.", "E-M1", "2021:08"),
        "2019-05 Rome": ("Apple", "iPhone 12", "2019:05"),
    }
    random = np.random.default_rng(0)
    for number, (place, (make, model, month)) in enumerate(places.items()):
        folder = tmp_path / "pictures" / place
        folder.mkdir(parents=True)
        for n in range(12):
            colour = np.eye(3)[number] * 200 + random.integers(0, 20, (8, 8, 3))
            exif = Image.Exif()
            exif[0x010F], exif[0x0110], exif[0x0132] = make, model, f"{month}:{n + 1:02} 10:00:00"
            Image.fromarray(colour.astype(np.uint8)).save(folder / f"IMG_{n:04}.jpg", exif=exif)
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        collection.add(tmp_path / "pictures")
        assert {cluster.name for cluster in collection.clusters("medium")} == {"rome", "August 2021", "May 2019"}
