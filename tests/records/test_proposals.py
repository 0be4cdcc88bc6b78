"""The record of a proposal."""

from __future__ import annotations

import json

from retrieval import Proposal


def test_a_proposal_is_json() -> None:
    row = Proposal(1, "rename", (), (4,), "boats", {}, "", "mcp", "open", "2024-06-01T18:30:00Z", None, ())
    assert json.loads(json.dumps(row.to_dict()))["clusters"] == [4]
    assert hash(row) == hash(Proposal(**{name: getattr(row, name) for name in row._list_fields()}))
