"""One update of a cluster tree, round by round.

The tree before is `old`, the tree in the making `new`. In a round, a node is *dirty* if it is alive in the new tree and
was not in the old one, *gone* if it is the other way round; all others are *clean*: they are alive in both, with the
same content. What a clean node does can differ from before only if a dirty neighbour is more similar than the one that
it linked to, or if that one is gone, or the edge to it is. So a round looks at

- the pairs of which one node is dirty (kept from round to round, their similarities with them), and
- the groups of the old tree in which something is gone or is met by a dirty node.

These groups are put together again; what comes out different is dirty or gone in the next round, and what comes out as
it was is clean again. A full run is the update of an empty tree: everything is dirty.

From the first round of at most `limit` nodes on, all pairs are neighbours and one group takes in everything: the
`crown`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, contains, sort_unique
from indexers.tree.crown import Crown
from indexers.tree.fixed_point import UNIT
from indexers.tree.groups import GroupMerges, Groups, choose_best_links, find_components, merge_groups
from indexers.tree.nodes import NEVER, Nodes
from indexers.tree.rounds import THRESHOLDS, LeafChanges, Rounds, height_limit
from indexers.tree.watched_pairs import WatchedPairs


class Update:
    """See the module. After `run`, `born` and `died` are the slots that came and went (the latter still readable until
    `commit`), and `looked` counts the nodes whose links were looked at."""

    def __init__(self, nodes: Nodes, groups: Groups, crown: Crown, rounds: Rounds, limit: int) -> None:
        self.nodes, self.groups, self.crown, self.limit = nodes, groups, crown, limit
        self.before = rounds
        self.rounds = Rounds(rounds.counts.copy(), rounds.crown_round)
        self.first = rounds.counts[0] == 0
        self.touched: list[Ints] = []
        self.created: list[Ints] = []
        self.dead_seams: list[Ints] = []
        self.dead_groups: list[Ints] = []
        self.new_groups: list[Ints] = []
        self.examined = 0

    # ---- rounds -----------------------------------------------------------------------------------------------------

    def run(self, leaves: LeafChanges) -> None:
        nodes, count = self.nodes, self.rounds.counts
        self.dirty, self.gone = leaves.dirty, leaves.gone
        self.touched += [leaves.dirty, leaves.gone]
        self.created.append(leaves.dirty)
        nodes.dirty[self.dirty] = True
        count[0] += len(self.dirty) - len(self.gone)
        self.pairs = WatchedPairs(nodes, leaves, self.first)
        for at in range(len(THRESHOLDS)):
            if count[at] <= self.limit:
                return self._crown(at)
            if not (len(self.dirty) or len(self.gone) or len(self.pairs.edged) or len(self.pairs.cut)):
                return None
            self._round(at)
        self._no_crown()

    def _round(self, at: int) -> None:
        old, count = self.nodes.old, self.before.counts
        if (
            at < self.before.crown_round
            and count[at] == count[at + 1]
            and self.pairs.similarity.max(initial=-np.inf) < THRESHOLDS[at] * UNIT
        ):
            # Nothing merged in this round before, and nothing does now.
            self.rounds.counts[at + 1] += len(self.dirty) - len(self.gone)
            return
        hot = np.flatnonzero(self.pairs.similarity >= THRESHOLDS[at] * UNIT)
        a, b, similarity = self.pairs.a[hot], self.pairs.b[hot], self.pairs.similarity[hot]
        ends = sort_unique(np.concatenate([a, b]))
        group, member, link = self._groups_met(at, ends)
        born = single = was = NO_INTS
        changed = len(ends) > 0 or len(member) > 0
        if changed:
            met, links = self._links(at, ends, group, member, link, a, b, similarity)
            was = sort_unique(old.above[met[old.death[met] == at]].astype(np.int64))
            was = was[was >= 0]
            born, single = self._joined(at, was, *links)
        self._next(at + 1, born, single, np.concatenate([was, self.looked_at if changed else NO_INTS]))

    def _groups_met(self, at: int, ends: Ints) -> tuple[Ints, Ints, Ints]:
        """The old groups that may come out different; their members, and whom they linked to."""
        if at == self.before.crown_round:  # all were in the crown, and nothing is known of their links
            return NO_INTS, self.crown.base, np.full(len(self.crown.base), -1)
        if self.first:
            return NO_INTS, NO_INTS, NO_INTS
        met = np.concatenate([ends[~self.nodes.dirty[ends]], self.gone, self.pairs.cut.ravel()])
        group = self.groups.find_groups(self.nodes, met, at)
        return group, *self.groups.read(group)

    def _links(
        self,
        at: int,
        ends: Ints,
        group: Ints,
        member: Ints,
        link: Ints,
        a: Ints,
        b: Ints,
        similarity: NDArray[np.float64],
    ) -> tuple[Ints, tuple[Ints, Ints, Ints]]:
        """The members of all old groups that are put together again; and the new ones: members one group after another,
        their links, the lengths."""
        nodes = self.nodes
        sources, targets, similarities = [a, b], [b, a], [similarity, similarity]
        clean = self._clean(member, at)
        known = clean & self._clean(link, at) & ~self.pairs.are_cut(member, link)
        source, target = member[known], link[known]
        look = member[clean & ~known]
        looked_at = sort_unique(np.concatenate([ends, member[clean]]))
        if len(look):
            owner, near = nodes.find_neighbours(look, at)
            value = nodes.similarity(look[owner], near)
            enough = value >= THRESHOLDS[at] * UNIT
            sources.append(look[owner[enough]])
            targets.append(near[enough])
            similarities.append(value[enough])
        sources.append(source)
        targets.append(target)
        similarities.append(nodes.similarity(source, target))
        source, target = choose_best_links(
            nodes, np.concatenate(sources), np.concatenate(targets), np.concatenate(similarities)
        )
        # A link into a group that nothing else has touched brings all of it along, with the links that it has.
        missing = sort_unique(target[~contains(looked_at, target)])
        if len(missing):
            more = self.groups.find_groups(nodes, missing, at)
            further, link = self.groups.read(more)
            member, group = np.concatenate([member, further]), np.concatenate([group, more])
            source, target = np.concatenate([source, further]), np.concatenate([target, link])
            looked_at = sort_unique(np.concatenate([looked_at, further]))
        self.dead_groups.append(group)
        self.looked_at = looked_at
        self.examined += len(looked_at)
        root = find_components(looked_at, source, target)
        linked = np.full(len(looked_at), -1)
        linked[np.searchsorted(looked_at, source)] = target
        length = np.bincount(root, minlength=len(root))
        grouped = np.flatnonzero(length[root] > 1)
        order = grouped[np.lexsort((nodes.key[looked_at[grouped]], root[grouped]))]
        return member, (looked_at[order], linked[order], length[length > 1])

    def _clean(self, slots: Ints, at: int) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (slots >= 0) & self.nodes.new.are_alive(slots, at) & ~self.nodes.dirty[slots]
        return found

    def _joined(self, at: int, was: Ints, member: Ints, link: Ints, lengths: Ints) -> tuple[Ints, Ints]:
        """Merge the groups. The joints that come out, and the clean nodes that live on although they did not before."""
        nodes, old, new = self.nodes, self.nodes.old, self.nodes.new
        ended = was[new.birth[was] > at]
        self._clear(ended)
        new.birth[ended] = NEVER
        new.death[ended] = -1
        looked_at = self.looked_at
        single = looked_at[(old.death[looked_at] == at) & ~nodes.dirty[looked_at]]
        new.death[single] = len(THRESHOLDS)
        new.above[single] = -1
        result = merge_groups(nodes, member, lengths, float(THRESHOLDS[at] * UNIT), height_limit(at))
        joint, place, owner = self._make(member, result)
        self._sum(joint, place, owner, member)
        back = old.are_alive(joint, at + 1)
        new.birth[joint] = at + 1
        new.death[joint] = np.where(back, old.death[joint], len(THRESHOLDS))
        new.above[joint] = np.where(back, old.above[joint], -1)
        new.death[member[place]] = at
        new.above[member[place]] = joint[owner]
        if len(lengths):
            self.new_groups.append(self.groups.add(at, lengths, member, link))
        self.touched += [was, looked_at, joint]
        return joint, single[new.death[single] > at]

    def _make(self, member: Ints, result: GroupMerges) -> tuple[Ints, Ints, Ints]:
        """Slots for merges. The joints, and for each member that was merged its place and its joint's."""
        nodes, count, total = self.nodes, len(member), len(member) + len(result.left)
        if not len(result.left):
            return NO_INTS, NO_INTS, NO_INTS
        above = np.arange(total)
        inner = np.arange(count, total)
        above[result.left] = inner
        above[result.right] = inner
        last = above[count:] == inner
        slot = np.full(len(inner), -1)
        if not self.first:
            slot[last] = nodes.find_joints(result.least[last], result.size[last], result.content[last])
        self._clear(slot[slot >= 0])
        fresh = np.flatnonzero(slot < 0)
        slot[fresh] = nodes.allocate(len(fresh))
        self.created.append(slot[fresh])
        self._write(np.concatenate([member, slot]), slot, result)
        nodes.seam[slot] = ~last
        while True:
            further = above[above]
            if np.array_equal(further, above):
                break
            above = further
        place = np.flatnonzero(above[:count] >= count)
        order = place[np.argsort(above[place], kind="stable")]
        joint_place, owner = np.unique(above[order], return_inverse=True)
        return slot[joint_place - count], order, owner

    def _write(self, at_place: Ints, slot: Ints, result: GroupMerges) -> None:
        nodes = self.nodes
        left, right = at_place[result.left], at_place[result.right]
        nodes.left[slot], nodes.right[slot] = left, right
        nodes.parent[left] = nodes.parent[right] = slot
        nodes.size[slot], nodes.content[slot] = result.size, result.content
        nodes.least[slot], nodes.height[slot] = result.least, result.height
        nodes.key[slot] = nodes.key[result.least]

    def _sum(self, joint: Ints, place: Ints, owner: Ints, member: Ints, step: int = 512) -> None:
        """Sums of the new joints: those of their members added up."""
        nodes = self.nodes
        missing = nodes.row[joint] < 0
        lengths = np.bincount(owner, minlength=len(joint))
        starts = np.cumsum(lengths) - lengths
        wanted = np.flatnonzero(missing)
        for begin in range(0, len(wanted), step):
            part = wanted[begin : begin + step]
            length = lengths[part]
            ends = np.cumsum(length)
            index = np.repeat(starts[part] - (ends - length), length) + np.arange(int(ends[-1]))
            rows = nodes.sums.get(nodes.row[member[place[index]]], "i8")
            nodes.row[joint[part]] = nodes.sums.add(np.add.reduceat(rows, ends - length, axis=0))

    def _clear(self, joints: Ints) -> None:
        """Take joints apart; they may be made again, of other members."""
        joints = joints[self.nodes.left[joints] >= 0]
        self.dead_seams.append(self.nodes.find_seams(joints))
        self.nodes.left[joints] = self.nodes.right[joints] = -1

    # ---- from one round to the next ---------------------------------------------------------------------------------

    def _next(self, at: int, born: Ints, single: Ints, maybe_gone: Ints) -> None:
        """Who is dirty and gone at the beginning of round `at`."""
        nodes, old, new = self.nodes, self.nodes.old, self.nodes.new
        gone = sort_unique(np.concatenate([self.gone, maybe_gone]))
        self.gone = gone[old.are_alive(gone, at) & ~new.are_alive(gone, at)]
        nodes.dirty[self.dirty] = False
        stay = self.dirty[new.death[self.dirty] >= at]
        again = old.are_alive(stay, at)
        healed, stay = stay[again], stay[~again]
        new.death[healed], new.above[healed] = old.death[healed], old.above[healed]
        fresh = np.concatenate([born[~old.are_alive(born, at)], single])
        self.dirty = np.concatenate([stay, fresh])
        nodes.dirty[self.dirty] = True
        self.rounds.counts[at] += len(self.dirty) - len(self.gone)
        if self.rounds.counts[at] > self.limit:
            # The crown needed no lists of its nodes.
            self.pairs.advance(at, born, fresh, self.crown.base if at == self.before.crown_round else NO_INTS)

    # ---- the crown --------------------------------------------------------------------------------------------------

    def _crown(self, at: int) -> None:
        nodes, old, new = self.nodes, self.nodes.old, self.nodes.new
        base = self.crown.base
        gone, fresh = self.gone, self.dirty
        if at != self.before.crown_round:
            alive = old.find_alive(at) if at < self.before.crown_round else NO_INTS
            top = np.concatenate([alive[~contains(np.sort(self.gone), alive)], self.dirty])
            gone, fresh = np.setdiff1d(base, top), np.setdiff1d(top, base)
            if at < self.before.crown_round:
                self._drop_rounds(at)
            new.death[top], new.above[top] = at, -1
            self.touched.append(top)
        elif not len(gone) and not len(fresh):
            return
        new.death[fresh], new.above[fresh] = at, -1
        created, dead = self.crown.update(nodes, gone, fresh, height_limit(at))
        self.created.append(created)
        self.dead_seams.append(dead)
        self.rounds.crown_round = at
        self.rounds.counts[at + 1 :] = 0

    def _drop_rounds(self, at: int) -> None:
        """The old tree had rounds from here on: nothing of them remains."""
        old, new = self.nodes.old, self.nodes.new
        later = np.flatnonzero((old.birth > at) & (old.birth < NEVER))
        later = later[new.birth[later] > at]
        self._clear(later)
        new.birth[later] = NEVER
        new.death[later] = -1
        self.touched.append(later)
        group = np.flatnonzero(self.groups.round >= at)
        own = np.concatenate([NO_INTS, *self.new_groups])
        self.dead_groups.append(group[~np.isin(group, own)])

    def _no_crown(self) -> None:
        """More than `limit` parts that no edge joins: a forest."""
        self.dead_seams.append(self.crown.seams)
        self.crown.clear()
        self.rounds.crown_round = len(THRESHOLDS)
        roots = np.concatenate([self.dirty, *self.touched])
        self.nodes.parent[roots[self.nodes.new.are_alive(roots, len(THRESHOLDS))]] = -1

    # ---- afterwards -------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """The new tree becomes the old one, and what only the old one had is given back."""
        nodes, old, new = self.nodes, self.nodes.old, self.nodes.new
        nodes.dirty[self.dirty] = False
        self.pairs.release()
        touched = sort_unique(np.concatenate([self.dirty, *self.touched]))
        old.birth[touched] = new.birth[touched]
        old.death[touched] = new.death[touched]
        old.above[touched] = new.above[touched]
        self._commit_groups()
        nodes.release(self.died)

    @property
    def died(self) -> Ints:
        touched = sort_unique(np.concatenate([NO_INTS, *self.touched]))
        return np.concatenate([touched[self.nodes.new.birth[touched] == NEVER], *self.dead_seams])

    def _commit_groups(self) -> None:
        nodes, groups = self.nodes, self.groups
        dead = sort_unique(np.concatenate([NO_INTS, *self.dead_groups]))
        born = np.concatenate([NO_INTS, *self.new_groups])
        was = groups.read(dead)[0]
        owner, entry = groups.lists.get(born)
        length = groups.lists.length[born].astype(np.int64)
        first = np.arange(len(entry)) - (np.cumsum(length) - length)[owner] < length[owner] // 2
        member, group = entry[first], born[owner[first]]
        changed = sort_unique(np.concatenate([was, member]))
        owner, old_group = nodes.groups.get(changed)
        stays = ~contains(dead, old_group)
        owner = np.concatenate([owner[stays], np.searchsorted(changed, member)])
        group = np.concatenate([old_group[stays], group])
        order = np.lexsort((groups.round[group], owner))
        nodes.groups.put(changed, np.bincount(owner, minlength=len(changed)), group[order])
        groups.release(dead)
