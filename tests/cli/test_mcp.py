"""The command for agents. What they ask of it: tests/agents."""

from __future__ import annotations

import pytest

from tests.cli.test_corrections import fill
from tests.support.shell import Shell


def test_it_says_what_is_wrong(shell: Shell) -> None:
    pytest.importorskip("mcp", reason="needs the extra mcp")
    assert "no collection" in shell("mcp", code=1).stderr
    fill(shell)
    said = shell("mcp", "--http", "--host", "0.0.0.0", code=2)
    assert "0.0.0.0 can be reached from other machines, and no token is set; set NEARKIN_MCP_TOKEN" in said.stderr
    assert "shorter than 16" in shell("mcp", "--http", code=2, NEARKIN_MCP_TOKEN="short").stderr
    assert "add --http" in shell("mcp", "--host", "0.0.0.0", code=2).stderr
