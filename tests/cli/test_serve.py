"""The command `serve`: what it hides, what it needs."""

from __future__ import annotations

from importlib import util

import pytest

from indexers.errors import MissingPackage
from retrieval import server
from retrieval.cli.serve import _hide_tokens


def test_tokens_are_hidden_in_what_others_may_see() -> None:
    assert _hide_tokens("--write-token=abcdef", "abcdef", None) == "--write-token=***"
    assert _hide_tokens("serve", None, None) == "serve"


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"pip install 'nearkin\[server\]'"):
        _ = server.serve
