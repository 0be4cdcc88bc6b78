"""Which settings are refused, and which host names a server answers to."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexers.errors import BadSetting
from retrieval.server import ServerSettings
from retrieval.server.settings import is_ip_address, is_loopback
from tests.support.serving import READ, WRITE


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("example.org", False),
        ("::", False),
    ],
)
def test_what_is_this_machine(host: str, local: bool) -> None:
    assert is_loopback(host) is local


@pytest.mark.parametrize(
    ("host", "number"), [("10.0.0.1", True), ("[::1]", True), ("fe80::1", True), ("10.0.0", False), ("", False)]
)
def test_addresses_are_told_from_names(host: str, number: bool) -> None:
    assert is_ip_address(host) is number


def test_settings_that_are_refused(tmp_path: Path) -> None:
    wrong: dict[str, ServerSettings] = {
        "no token is set": ServerSettings("0.0.0.0"),
        "shorter than 16": ServerSettings(write_token="short"),
        "plain letters": ServerSettings(read_token="ä" * 20),
        "is not a folder": ServerSettings(allow=(tmp_path / "none",)),
        "the collection lies in": ServerSettings(watch=(tmp_path / "collection",)),
        "keep it in a folder of its own": ServerSettings(allow=(tmp_path / "collection",)),
    }
    (tmp_path / "collection").mkdir()
    for reason, settings in wrong.items():
        with pytest.raises(BadSetting, match=reason):
            settings.check(tmp_path / "collection")
    ServerSettings("0.0.0.0", write_token=WRITE).check(tmp_path)
    ServerSettings(watch=(tmp_path,), allow=(tmp_path,)).check(tmp_path / "collection")


def test_tokens_are_not_shown() -> None:
    assert WRITE not in repr(ServerSettings(read_token=WRITE, write_token=WRITE))


def test_one_token_is_enough_to_need_tokens() -> None:
    assert not ServerSettings().has_tokens
    assert ServerSettings(read_token=READ).has_tokens
    assert ServerSettings(write_token=WRITE).has_tokens


def test_beyond_this_machine_it_may_be_asked_for_by_number_and_by_names_of_ours() -> None:
    settings = ServerSettings("0.0.0.0", write_token=WRITE, hosts=("photos.example",))
    assert settings.allows_host("192.168.1.7")
    assert settings.allows_host("[fe80::1]")
    assert settings.allows_host("photos.example")
    assert not settings.allows_host("evil.example")
    assert not ServerSettings().allows_host("192.168.1.7")
