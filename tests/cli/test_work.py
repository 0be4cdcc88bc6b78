"""`nearkin add --no-work` and `nearkin work`."""

from __future__ import annotations

from pathlib import Path

from tests.support.shell import Shell


def test_what_was_only_queued_is_added_by_a_worker(shell: Shell, folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    spoken = shell("add", folder, "--no-work", "--metadata", '{"album": "discs"}', "--embedder", "tiny").stdout
    assert "6 queued, 0 known, 0 failed" in spoken
    assert "6 waiting; 0 workers" in shell("info").stdout
    spoken = shell("work", "--kinds", "embed", code=1).stdout
    assert "5 done, 1 failed" in spoken
    assert "broken.png: not a picture" in spoken
    assert "1 failed; 0 workers" in shell("info").stdout
    assert shell.json("items", "--where", '{"album": "discs"}')["count"] == 5
    assert "0 done, 0 failed" in shell("work").stdout


def test_what_can_not_be_queued_is_wrong_usage(full: Shell, folder: Path) -> None:
    assert "--no-work queues files, folders and URLs" in full("add", "--no-work", "--retry-failed", code=2).stderr
    assert "there is no work of the kind 'sleep'" in full("work", "--kinds", "sleep", code=2).stderr
    assert "1 failed" in full("add", folder / "nowhere.png", "--no-work", code=1).stdout
