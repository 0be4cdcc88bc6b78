from __future__ import annotations

import random
from pathlib import Path

import pytest

from indexers.errors import UnreadablePicture
from indexers.pictures import films, images, media
from indexers.pictures.stills import Sampling
from tests.support.media import write_film

pytest.importorskip("av", reason="films need PyAV: pip install 'nearkin[video]'")
COLOURS = ["red", "lime", "blue"]


@pytest.mark.parametrize(("suffix", "kind"), [("mp4", "MP4"), ("mkv", "MATROSKA"), ("avi", "AVI"), ("ts", "MPEG")])
def test_frames_come_at_a_steady_rate_and_at_cuts(tmp_path: Path, suffix: str, kind: str) -> None:
    data = write_film(tmp_path / f"a.{suffix}", COLOURS, seconds=1.7).read_bytes()
    picture = images.decode(data)
    assert (picture.facts.format, picture.image.size) == (kind, (96, 64))
    stills = list(media.extract(data, Sampling(48, 1.0)))
    assert all(still.image.size == (48, 32) for still in stills)
    starts = [still.start for still in stills]
    assert all(any(abs((start or 0) - cut) <= 0.11 for start in starts) for cut in (0, 1.7, 3.4))
    assert 6 <= len(stills) <= 8
    assert [still.end for still in stills][:-1] == starts[1:]
    for still in stills:
        colour = still.image.getpixel((2, 2))
        assert colour.index(max(colour)) == min(int(((still.start or 0) + 0.05) / 1.7), 2)


def test_a_film_that_stands_still_has_one_frame(tmp_path: Path) -> None:
    data = write_film(tmp_path / "a.mp4", ["red"], seconds=1).read_bytes()
    faster = list(media.extract(data, Sampling(48, 5.0)))
    assert len(faster) >= 4
    still = write_film(tmp_path / "b.mp4", ["white"], seconds=3).read_bytes()
    assert len(list(media.extract(still, Sampling(48)))) == 1


def test_damaged_films_end_in_an_error_of_ours_or_in_frames(tmp_path: Path) -> None:
    whole = write_film(tmp_path / "a.mp4", COLOURS, seconds=0.5).read_bytes()
    chance = random.Random(0)
    outcomes = set()
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 60)):
            data[chance.randrange(12, len(data))] = chance.randrange(256)
        damaged = bytes(data[: chance.randrange(20, len(data))]) if chance.random() < 0.4 else bytes(data)
        try:
            assert images.decode(damaged).image.size
            assert len(list(media.extract(damaged, Sampling(48)))) <= 20
            outcomes.add("read")
        except UnreadablePicture:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_a_film_opens_no_other_file(tmp_path: Path) -> None:
    playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    assert media.find_format(playlist) is None
    with pytest.raises(UnreadablePicture):
        films.decode_cover(playlist, "MPEG", 0)
