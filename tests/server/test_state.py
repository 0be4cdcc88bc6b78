"""What the routes share: made from a collection and its settings, and ended with the app."""

from __future__ import annotations

import logging
import select

import pytest

from retrieval import Collection
from retrieval.server import ServerSettings
from retrieval.server.budget import TooBusy
from retrieval.server.metrics import Metrics
from retrieval.server.state import State
from tests.support.serving import make_png, wait_until


def test_everything_lies_beside_the_collection(filled: Collection) -> None:
    state = State.create(filled, ServerSettings(), Metrics())
    upload_id, _ = state.uploads.save(make_png("red"))
    assert (filled.path / "uploads" / f"{upload_id}.png").is_file()
    [path] = state.added_files.save([make_png("red")], ["a.png"], None)
    assert path.is_relative_to(filled.path / "pictures")
    state.thumbnails.get(filled.get(1), 160)
    assert list((filled.path / "thumbnails").rglob("*.webp"))
    state.jobs.start()
    job = state.jobs.add("duplicates", {})
    wait_until(lambda: state.jobs.get(job.id).state == "done")
    assert (filled.path / "jobs" / f"{job.id}.json").is_file()
    state.close()


def test_limits_are_those_of_the_settings(filled: Collection) -> None:
    state = State.create(filled, ServerSettings(max_pixels=1000, max_upload=2000), Metrics())
    assert (state.decoder.limits.max_pixels, state.decoder.limits.max_bytes) == (1000, 2000)
    state.close()


def test_stopping_tells_whatever_waits(filled: Collection) -> None:
    state = State.create(filled, ServerSettings(), Metrics())
    assert not state.stopping.is_set()
    state.stop()
    assert state.stopping.is_set()
    assert state.stopped.is_set()
    with state.large.take(1), pytest.raises(TooBusy), state.large.take(1):
        pass
    assert not state.jobs.start()
    state.close()


def test_where_pictures_cannot_be_isolated_the_server_decodes_them_itself(
    filled: Collection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(select, "poll")  # as on Windows
    with caplog.at_level(logging.WARNING, "nearkin"):
        state = State.create(filled, ServerSettings(), Metrics())
    assert "decoded in the server's own process" in caplog.text
    assert state.thumbnails.get(filled.get(1), 160).startswith(b"RIFF")
    [path] = state.added_files.save([make_png("teal")], ["con.png"], None)
    assert path.name == "picture con.png"  # "con" is a device there
    assert filled.add(path).added == 1
    state.close()
