"""What programs propose, on a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from retrieval.checks import ItemName, list_names
from retrieval.client.corrections import CorrectionMethods
from retrieval.client.http import to_records
from retrieval.records.codec import from_json
from retrieval.records.proposals import Proposal


class ProposalMethods(CorrectionMethods):
    """The methods about proposals; see those of a Collection."""

    def propose(
        self,
        kind: str,
        *,
        items: ItemName | Iterable[ItemName] | None = None,
        clusters: int | str | Iterable[int | str] | None = None,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        reason: str = "",
        source: str = "",
    ) -> Proposal:
        """Propose a change, for a person to accept or reject."""
        ids = [] if clusters is None else [self._find_cluster_id(cluster) for cluster in list_names(clusters)]
        body = {"items": [] if items is None else list_names(items), "clusters": ids, "name": name}
        body |= {"metadata": None if metadata is None else dict(metadata), "reason": reason, "source": source}
        return cast(Proposal, from_json(Proposal, self._post("/v1/proposals", {"kind": kind, **body})))

    def proposals(self, state: str | None = "open") -> tuple[Proposal, ...]:
        """Return what was proposed, the newest first."""
        return to_records(Proposal, self._get("/v1/proposals", state=state or "all")["proposals"])

    def accept_proposal(self, proposal: int) -> Proposal:
        """Carry out what was proposed."""
        return cast(Proposal, from_json(Proposal, self._post(f"/v1/proposals/{proposal}/accept", {})))

    def reject_proposal(self, proposal: int) -> Proposal:
        """Reject what was proposed."""
        return cast(Proposal, from_json(Proposal, self._post(f"/v1/proposals/{proposal}/reject", {})))
