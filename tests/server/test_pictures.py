"""Pictures beside the collection: thumbnails, uploads, pictures that were added by sending them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from indexers.errors import UnreadablePicture
from indexers.pictures import images
from indexers.types import Limits
from retrieval import Collection
from retrieval.server import pictures
from retrieval.server.pictures import AddedFiles, Decoder, Thumbnails, Uploads
from tests.support.pictures import encoded
from tests.support.serving import make_png, open_client


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(Limits())
    yield decoder
    decoder.close()


def test_uploads_are_kept_small_and_found_by_their_id(tmp_path: Path, decoder: Decoder) -> None:
    uploads = Uploads(tmp_path, decoder)
    upload_id, image = uploads.save(encoded(Image.new("RGB", (4096, 4096), "red"), "JPEG"))
    assert uploads.get(upload_id).size == image.size == (1024, 1024)
    for unknown in ("", "../a", "x" * 22, upload_id + "\n"):
        with pytest.raises(pictures.UploadNotFound, match="send the picture again"):
            uploads.get(unknown)


def test_uploads_are_forgotten(discs: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_UPLOADS", 2)
    with open_client(discs) as client:
        names = [
            client.post("/v1/uploads", files={"picture": make_png(colour)}).json()["upload"]
            for colour in ("red", "blue", "tan")
        ]
        codes = [client.get(f"/v1/uploads/{name}/thumbnail").status_code for name in names]
        assert sorted(codes) == [200, 200, 404]
        monkeypatch.setattr(pictures, "UPLOAD_SECONDS", -1.0)
        assert client.get(f"/v1/uploads/{names[-1]}/thumbnail").status_code == 404


def test_only_so_many_wait_to_be_decoded(discs: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_WAITING", 0)
    monkeypatch.setattr(pictures, "WAIT_SECONDS", 0.05)
    with open_client(discs) as client:
        response = client.post("/v1/uploads", files={"picture": make_png("red")})
        assert (response.status_code, response.json()["type"]) == (503, "urn:nearkin:too-busy")


def test_added_files_keep_what_their_names_tell_and_no_path(tmp_path: Path, decoder: Decoder) -> None:
    added = AddedFiles(tmp_path, decoder)
    names = ["../../up/holiday 1.JPG", "C:\\a\\b?.png", "...", ""]
    paths = added.save([make_png(colour) for colour in ("red", "blue", "tan", "pink")], names, None)
    assert [path.name for path in paths] == ["holiday 1.png", "b.png", "picture.png", "picture.png"]
    assert all(path.parent.parent == tmp_path for path in paths)
    assert paths[0].read_bytes() == make_png("red")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("U\u0308bung.jpg", "\u00dcbung"),  # as macOS sends it
        ("\u0939\u093f\u0928\u094d\u0926\u0940.png", "\u0939\u093f\u0928\u094d\u0926\u0940"),
        (
            "\U0001f431 \U0001f468\u200d\U0001f469\u200d\U0001f467.png",
            "\U0001f431 \U0001f468\u200d\U0001f469\u200d\U0001f467",
        ),
        ("holiday", "holiday"),
        ("a\u202egnp\n\x1b[31m|<>*.png", "a_gnp_31m"),
        ("con.jpg", "picture con"),
        ("..", "picture"),
        (".png", "png"),
        ("\U0001f431" * 300 + ".png", "\U0001f431" * 60),
    ],
)
def test_names_of_every_script_are_kept(tmp_path: Path, decoder: Decoder, name: str, kept: str) -> None:
    [path] = AddedFiles(tmp_path, decoder).save([make_png("red")], [name], None)
    assert path.name == f"{kept}.png"


@pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")
def test_added_files_may_be_read_by_whom_the_umask_lets(tmp_path: Path, decoder: Decoder) -> None:
    before = os.umask(0o027)
    try:
        path = AddedFiles(tmp_path / "pictures", decoder).save([make_png("red")], ["a.png"], None)[0]
    finally:
        os.umask(before)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o640, 0o750)


def test_one_content_under_two_keys_has_two_files(tmp_path: Path, decoder: Decoder) -> None:
    added = AddedFiles(tmp_path, decoder)
    first, second = added.save([make_png("red")] * 2, ["a.png", "a.png"], ["one", "two"])
    assert first != second
    assert first.read_bytes() == second.read_bytes()


def test_a_thumbnail_has_at_most_its_edge_and_is_made_once(filled: Collection, folder: Path, decoder: Decoder) -> None:
    thumbnails, item = Thumbnails(filled, decoder), filled.get(1)
    content = thumbnails.get(item, 160)
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, max(image.size) <= 160) == ("WEBP", True)
    (folder / "black.png").unlink()
    assert thumbnails.get(item, 160) == content
    with pytest.raises(UnreadablePicture):
        thumbnails.get(item, 320)


def test_the_original_is_what_was_added_and_says_whether_browsers_show_it(
    filled: Collection, folder: Path, decoder: Decoder
) -> None:
    thumbnails = Thumbnails(filled, decoder)
    original = thumbnails.get_original(filled.get(1))
    assert original == ((folder / "black.png").read_bytes(), "image/png", True)
    Image.new("RGB", (8, 8), "red").save(folder / "red.tiff")
    [item_id] = filled.add(folder / "red.tiff").items
    original = thumbnails.get_original(filled.get(item_id))
    assert (original.media_type, original.inline) == ("application/octet-stream", False)
    (folder / "black.png").write_bytes(make_png("white"))
    with pytest.raises(UnreadablePicture):
        thumbnails.get_original(filled.get(1))


def test_nothing_that_was_sent_is_decoded_here(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_client(collection) as client:

        def refuse(*_: Any, **__: Any) -> Any:
            raise AssertionError("decoded in the server's process")

        monkeypatch.setattr(images, "decode", refuse)
        files = [("pictures", make_png("red")), ("pictures", make_png("red", (80, 60)))]
        added = client.post("/v1/items", files=files)
        assert added.status_code == 201, added.text
        upload = client.post("/v1/uploads", files={"picture": make_png("red")}).json()["upload"]
        assert client.post("/v1/search", json={"upload": upload}).json()["hits"]
        mix = [{"upload": upload, "weight": 1.0}, {"item": 1, "weight": -0.5}]
        assert client.post("/v1/search", json={"mix": mix}).json()["hits"]
        assert client.get("/v1/items/1/thumbnail").status_code == 200
        assert client.get("/v1/duplicates").status_code == 200
        assert client.get("/v1/duplicates/overlay", params={"a": 1, "b": 2}).status_code == 200


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP"])
def test_uploads_are_kept_small_whatever_their_format(tmp_path: Path, decoder: Decoder, kind: str) -> None:
    uploads = Uploads(tmp_path, decoder)
    upload_id, image = uploads.save(encoded(Image.new("RGB", (4000, 2000), "red"), kind))
    assert uploads.get(upload_id).size == image.size == (1024, 512)
    assert decoder.decode(make_png("red", (640, 480)), 64).image.size == (64, 48)
