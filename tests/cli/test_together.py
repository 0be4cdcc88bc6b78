"""stitch, align, fuse and denoise in the shell."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from tests.support.shell import Shell


@pytest.fixture
def parts(shell: Shell, tmp_path: Path) -> None:
    whole = Image.fromarray(data.coffee())
    whole.crop((0, 0, 360, 400)).save(tmp_path / "left.png")
    whole.crop((240, 0, 600, 400)).save(tmp_path / "right.png")
    shell("add", tmp_path / "left.png", tmp_path / "right.png", "--embedder", "tiny")


def read_size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


@pytest.mark.usefixtures("parts")
def test_pictures_are_written(shell: Shell, tmp_path: Path) -> None:
    assert "wrote 2 pictures as one of 600 x 400 pixels" in shell("stitch", 1, 2, "whole.png").stdout
    assert read_size(tmp_path / "whole.png") == (600, 400)
    aligned = shell("align", "right.png", "left.png", "--picture", "difference.jpg").stdout
    assert "both show 33.3% of the smaller one" in aligned
    assert read_size(tmp_path / "difference.jpg") == (360, 400)
    assert "as one" in shell("fuse", 1, 2, "fused.webp").stdout
    shell("denoise", 1, "quiet.png")
    assert read_size(tmp_path / "quiet.png") == (360, 400)
    assert shell.json("stitch", 1, 2, "again.png")["kind"] == "flat"


@pytest.mark.usefixtures("parts")
def test_wrong_use_is_told(shell: Shell) -> None:
    assert "where FILE ends with one of .jpg" in shell("stitch", 1, 2, code=2).stderr
    assert "where FILE ends with one of .jpg" in shell("denoise", 1, "quiet.txt", code=2).stderr


@pytest.mark.usefixtures("parts")
def test_no_picture_is_overwritten_by_who_forgets_to_name_the_file(shell: Shell, tmp_path: Path) -> None:
    before = (tmp_path / "right.png").read_bytes()
    for command in (("stitch", "left.png"), ("fuse", "left.png"), ("denoise",)):
        assert "right.png exists; use:" in shell(*command, "left.png", "right.png", code=2).stderr.replace("\n", " ")
    shell("align", 1, 2, "--picture", "right.png", code=2)
    assert (tmp_path / "right.png").read_bytes() == before
