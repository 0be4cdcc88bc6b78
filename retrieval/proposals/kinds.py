"""The kinds of proposals: what each is about, and how it is carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from indexers.errors import UsageError
from retrieval.checks import ItemName
from retrieval.records.duplicates import DuplicateGroup
from retrieval.records.proposals import Proposal

MOST = 10_000
"""Items or clusters of one proposal, at most."""


class Actions(Protocol):
    """What carries proposals out; the methods are those of `Collection`."""

    def find_group(self, items: tuple[int, ...]) -> DuplicateGroup:
        """Return the group of duplicates that these items are in. Raises UsageError."""

    def keep(self, group: DuplicateGroup, name: ItemName) -> tuple[int, ...]:
        """Keep one item of a group."""

    def decide(self, verdict: str, a: int, b: int) -> int:
        """Decide about two items."""

    def correct(self, kind: str, items: tuple[int, ...], clusters: tuple[int, ...]) -> int:
        """Correct clusters."""

    def rename(self, cluster: int, name: str | None) -> object:
        """Name a cluster."""

    def update(self, items: tuple[int, ...], metadata: Mapping[str, object]) -> object:
        """Merge metadata into that of items."""

    def remove(self, items: tuple[int, ...]) -> object:
        """Remove items, which can be restored."""


Act = Callable[[Actions, Proposal], tuple[int, ...]]
"""Carries a proposal out, and returns the ids of the decisions."""


class Kind(NamedTuple):
    """What a kind of proposal is about: the least and the largest number of items and of clusters."""

    items: tuple[int, int]
    clusters: tuple[int, int]
    act: Act
    takes_name: bool = False
    takes_metadata: bool = False


def _keep(actions: Actions, proposal: Proposal) -> tuple[int, ...]:
    return actions.keep(actions.find_group(proposal.items), proposal.items[0])


def _decide(actions: Actions, proposal: Proposal) -> tuple[int, ...]:
    return (actions.decide(proposal.kind, *proposal.items),)


def _correct(actions: Actions, proposal: Proposal) -> tuple[int, ...]:
    return (actions.correct(proposal.kind, proposal.items, proposal.clusters),)


def _rename(actions: Actions, proposal: Proposal) -> tuple[int, ...]:
    actions.rename(proposal.clusters[0], proposal.name)
    return ()


def _update(actions: Actions, proposal: Proposal) -> tuple[int, ...]:
    actions.update(proposal.items, proposal.metadata)
    return ()


def _remove(actions: Actions, proposal: Proposal) -> tuple[int, ...]:
    actions.remove(proposal.items)
    return ()


NONE = (0, 0)
KINDS: dict[str, Kind] = {
    "keep": Kind((2, MOST), NONE, _keep),
    "not duplicates": Kind((2, 2), NONE, _decide),
    "keep both": Kind((2, 2), NONE, _decide),
    "merge": Kind(NONE, (2, 2), _correct),
    "move": Kind((1, MOST), (1, 1), _correct),
    "together": Kind((2, MOST), NONE, _correct),
    "apart": Kind((2, 2), NONE, _correct),
    "hide": Kind(NONE, (1, 1), _correct),
    "rename": Kind(NONE, (1, 1), _rename, takes_name=True),
    "metadata": Kind((1, MOST), NONE, _update, takes_metadata=True),
    "remove": Kind((1, MOST), NONE, _remove),
}


def find_kind(name: str) -> Kind:
    """Return a kind by its name. Raises UsageError."""
    if name not in KINDS:
        raise UsageError(f"kind is one of {', '.join(KINDS)}; got {name!r}")
    return KINDS[name]


def check_content(kind: str, items: int, clusters: int, name: str | None, metadata: Mapping[str, object]) -> None:
    """Raise UsageError unless a proposal of this kind may be about so many items and clusters, a name and metadata."""
    rule = find_kind(kind)
    for count, (least, most), noun in ((items, rule.items, "items"), (clusters, rule.clusters, "clusters")):
        if not least <= count <= most:
            wanted = str(least) if least == most else f"{least} to {most:,}"
            raise UsageError(f"{kind!r} takes {wanted} {noun}; got {count:,}")
    if rule.takes_name != bool(name and name.strip()):
        raise UsageError(f"{kind!r} takes {'a' if rule.takes_name else 'no'} name; got {name!r}")
    if rule.takes_metadata != bool(metadata):
        raise UsageError(f"{kind!r} takes {'' if rule.takes_metadata else 'no '}metadata; got {len(metadata)} keys")
