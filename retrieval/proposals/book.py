"""Enter proposals, list them, accept and reject them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.metadata import check_metadata
from indexers.catalogue.proposals import ACCEPTED, OPEN, REJECTED, STATES
from indexers.catalogue.rows import format_time
from indexers.errors import BadQuery, NotFound, UsageError
from indexers.matching.verification import SAME
from indexers.types import ProposalRow
from retrieval.checks import ItemName, list_names
from retrieval.clusters.browser import ClusterBrowser
from retrieval.clusters.correcting import ClusterCorrector
from retrieval.duplicates.decisions import DuplicateDecisions
from retrieval.duplicates.finder import DuplicateFinder
from retrieval.items.items import Items
from retrieval.proposals.kinds import check_content, find_kind
from retrieval.records.duplicates import DuplicateGroup
from retrieval.records.proposals import Proposal

MAX_OPEN = 1000
"""Proposals that may await a decision at once."""
MAX_REASON, MAX_SOURCE = 1000, 100
"""Characters of what a program says for itself."""


class ProposalBook:
    """The proposals of a collection. The methods are those of `Collection`, which documents them."""

    def __init__(
        self,
        catalogue: Catalogue,
        items: Items,
        browser: ClusterBrowser,
        corrector: ClusterCorrector,
        duplicates: DuplicateFinder,
        decisions: DuplicateDecisions,
    ) -> None:
        self._catalogue, self._items, self._browser = catalogue, items, browser
        self._corrector, self._duplicates, self._decisions = corrector, duplicates, decisions

    def propose(
        self,
        kind: str,
        items: ItemName | Iterable[ItemName] | None,
        clusters: int | str | Iterable[int | str] | None,
        name: str | None,
        metadata: Mapping[str, Any] | None,
        reason: str,
        source: str,
    ) -> Proposal:
        """Enter a proposal. Raises UsageError, BadMetadata, ItemNotFound, ClusterNotFound."""
        item_names = [] if items is None else list_names(items)
        cluster_names = [] if clusters is None else list_names(clusters)
        checked = check_metadata(metadata or {})
        check_content(kind, len(item_names), len(cluster_names), name, checked)
        for text, most, noun in ((reason, MAX_REASON, "reason"), (source, MAX_SOURCE, "source")):
            if len(text) > most:
                raise UsageError(f"{noun} is at most {most:,} characters long; got {len(text):,}")
        cluster_ids = [self._browser.read_cluster(cluster, None).id for cluster in cluster_names]
        with self._catalogue.transaction() as transaction:
            if transaction.proposals.count_open() >= MAX_OPEN:
                raise UsageError(f"{MAX_OPEN:,} proposals are open; accept or reject some first (nearkin proposals)")
            content = {"items": transaction.resolve(item_names), "clusters": cluster_ids}
            more = {"name": name} if name else {}
            proposal_id = transaction.proposals.add(
                kind, content | more | ({"metadata": checked} if checked else {}), reason, source
            )
        return self.read(proposal_id)

    def read(self, proposal_id: int) -> Proposal:
        """Return a proposal. Raises UsageError."""
        with self._catalogue.snapshot() as snapshot:
            row = snapshot.proposals.find(proposal_id)
        if row is None:
            raise UsageError(f"there is no proposal {proposal_id}; `proposals` lists them")
        return _to_record(row)

    def list_proposals(self, state: str | None) -> tuple[Proposal, ...]:
        """Return proposals of a state, or all. Raises BadQuery."""
        if state is not None and state not in STATES:
            raise BadQuery(f"state is one of {', '.join(STATES)}; got {state!r}")
        with self._catalogue.snapshot() as snapshot:
            return tuple(map(_to_record, snapshot.proposals.rows(state)))

    def accept(self, proposal_id: int) -> Proposal:
        """Carry a proposal out. It is open again if that fails, with what the change itself raises."""
        proposal = self.read(proposal_id)
        self._settle(proposal, ACCEPTED)
        try:
            decisions = find_kind(proposal.kind).act(self, proposal)
        except BaseException as error:
            with self._catalogue.transaction() as transaction:
                transaction.proposals.reopen(proposal_id)
            if isinstance(error, NotFound):
                raise UsageError(f"the proposal {proposal_id} can't be carried out any more: {error}") from error
            raise
        with self._catalogue.transaction() as transaction:
            transaction.proposals.note_decisions(proposal_id, decisions)
        return self.read(proposal_id)

    def reject(self, proposal_id: int) -> Proposal:
        """Reject a proposal. Raises UsageError."""
        self._settle(self.read(proposal_id), REJECTED)
        return self.read(proposal_id)

    def _settle(self, proposal: Proposal, state: str) -> None:
        with self._catalogue.transaction() as transaction:
            is_settled = transaction.proposals.settle(proposal.id, state)
        if not is_settled:
            raise UsageError(f"the proposal {proposal.id} is not {OPEN} any more: {self.read(proposal.id).state}")

    # ---- what carries proposals out

    def find_group(self, items: tuple[int, ...]) -> DuplicateGroup:
        """Return the group of duplicates that these items are in. Raises UsageError."""
        for group in self._duplicates.find(SAME, rule="kept", prefer=None, compare=False, progress=None):
            if set(items) <= set(group.items):
                return group
        raise UsageError(f"the items {', '.join(map(str, items))} are not duplicates of each other, or not any more")

    def keep(self, group: DuplicateGroup, name: ItemName) -> tuple[int, ...]:
        """Keep one item of a group."""
        return self._decisions.keep(group, name, False)

    def decide(self, verdict: str, a: int, b: int) -> int:
        """Decide about two items."""
        return self._decisions.decide(verdict, a, b)

    def correct(self, kind: str, items: tuple[int, ...], clusters: tuple[int, ...]) -> int:
        """Correct clusters."""
        corrector = self._corrector
        match kind:
            case "merge":
                return corrector.merge(*clusters)
            case "move":
                return corrector.move(items, clusters[0])
            case "together":
                return corrector.keep_together(items)
            case "apart":
                return corrector.keep_apart(*items)
        return corrector.hide(clusters[0])

    def rename(self, cluster: int, name: str | None) -> object:
        """Name a cluster."""
        return self._browser.rename(cluster, name)

    def update(self, items: tuple[int, ...], metadata: Mapping[str, object]) -> object:
        """Merge metadata into that of items."""
        self._items.read(items)  # of items that are gone nothing is changed
        return self._items.update_all(metadata, {"id": {"$in": list(items)}})

    def remove(self, items: tuple[int, ...]) -> object:
        """Remove items, which can be restored."""
        return self._items.remove(list(items), None, False)


def _to_record(row: ProposalRow) -> Proposal:
    content = row.content
    return Proposal(
        id=row.id,
        kind=row.kind,
        items=tuple(content.get("items", ())),
        clusters=tuple(content.get("clusters", ())),
        name=content.get("name"),
        metadata=content.get("metadata", {}),
        reason=row.reason,
        source=row.source,
        state=row.state,
        at=format_time(row.at),
        decided_at=None if row.decided is None else format_time(row.decided),
        decisions=row.decisions,
    )
