"""Links in a collection's folder that lead out of it are refused, before anything is read or written."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.links import check_folder, check_links
from indexers.catalogue.rescue import rescue_catalogue
from indexers.catalogue.upgrade import upgrade_catalogue
from indexers.errors import LeadsOutside

NAMES = (
    *("catalogue.sqlite", "catalogue.sqlite-wal", "catalogue.sqlite-shm", "writer.lock", "writer.json"),
    *("nearkin.toml", "spaces", "jobs", "uploads", "pictures", "thumbnails", "rescue.ready", "rescue.part"),
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", ["file", "missing"])
def test_what_a_collection_uses_may_not_lead_out_of_it(tmp_path: Path, name: str, target: str) -> None:
    place = tmp_path / "c"
    Catalogue.create(place).close()
    (tmp_path / "file").write_text("precious")
    (place / name).unlink(missing_ok=True)
    (place / name).symlink_to(tmp_path / target)
    for use in (Catalogue.open, Catalogue.create, rescue_catalogue, upgrade_catalogue):
        with pytest.raises(LeadsOutside, match=name):
            use(place)
    assert (tmp_path / "file").read_text() == "precious"
    assert not (tmp_path / "missing").exists()


def test_links_that_stay_inside_and_names_of_others_are_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "c"
    Catalogue.create(place).close()
    (place / "elsewhere").symlink_to(tmp_path)
    (place / "on").mkdir()
    (place / "thumbnails").symlink_to(place / "on")
    (tmp_path / "alias").symlink_to(place)
    Catalogue.open(tmp_path / "alias").close()
    check_folder(tmp_path / "nowhere")


def test_links_below_are_found_when_their_path_is_checked(tmp_path: Path) -> None:
    (tmp_path / "c" / "spaces" / "1").mkdir(parents=True)
    (tmp_path / "c-beside").mkdir()
    (tmp_path / "c" / "spaces" / "1" / "flat").symlink_to(tmp_path / "c-beside")
    with pytest.raises(LeadsOutside, match="c-beside"):
        check_links(tmp_path / "c", [tmp_path / "c" / "spaces" / "1" / "flat" / "header"])
