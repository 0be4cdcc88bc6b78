"""One update of a cluster tree, round by round.

The tree before is `old`, the tree in the making `new`. In a round, a node is *dirty* if it is alive in the new tree and
was not in the old one, *gone* if it is the other way round; all others are *clean*: they are alive in both, with the
same content. What a clean node does can differ from before only if a dirty neighbour is more similar than the one that
it linked to, or if that one is gone, or the edge to it is. So a round examines

- the pairs of which one node is dirty (carried from round to round with their similarities), and
- the groups of the old tree in which a node is gone or has a dirty neighbour.

These groups are put together again; what comes out different is dirty or gone in the next round, and what comes out the
same is clean again. A full run is the update of an empty tree: everything is dirty.

From the first round of at most `limit` nodes on, all pairs are neighbours and one group takes in everything: the
`crown`. Where a stage of rounds ends with more, the next one begins with other edges (see `rounds`): which of these
appear and vanish is worked out from the nodes that are dirty and gone, and the update goes on as it began.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, contains, sort_unique
from indexers.tree.crown import Crown
from indexers.tree.fixed_point import UNIT
from indexers.tree.groups import GroupMerges, Groups, choose_best_links, find_components, merge_groups
from indexers.tree.nodes import NEVER, Nodes
from indexers.tree.parts import Parts
from indexers.tree.rounds import STAGE, STAGES, THRESHOLDS, NodeChanges, Rounds, height_limit, is_stage_start
from indexers.tree.storage import EdgeTable
from indexers.tree.watched_pairs import WatchedPairs


class HotPairs(NamedTuple):
    """The watched pairs that are similar enough for a round: their nodes, similarities, and all nodes once, sorted."""

    a: Ints
    b: Ints
    similarity: NDArray[np.float64]
    ends: Ints


class OldGroups(NamedTuple):
    """Groups of the old tree: their numbers, all their members, and the node that each member linked to (-1: none)."""

    number: Ints
    member: Ints
    link: Ints


class NewGroups(NamedTuple):
    """Groups of the new tree: members one group after another, sorted by key, their links, and the groups' lengths."""

    member: Ints
    link: Ints
    length: Ints


class Update:
    """One update; see the module.

    After `run`, `created` and `dead_slots` are the slots of nodes that appeared and vanished (the latter still readable
    until `commit`), `rounds` those of the new tree, and `examined` the number of nodes whose links were examined.
    """

    def __init__(
        self, nodes: Nodes, groups: Groups, crown: Crown, rounds: Rounds, parts: list[Parts], limit: int
    ) -> None:
        self.nodes, self.groups, self.crown, self.parts, self.limit = nodes, groups, crown, parts, limit
        self.before = rounds
        self.rounds = Rounds(rounds.counts.copy(), rounds.crown_round)
        self.full = bool(rounds.counts[0] == 0)
        self.touched: list[Ints] = []
        self.created: list[Ints] = []
        self.dead_seams: list[Ints] = []
        self.dead_groups: list[Ints] = []
        self.new_groups: list[Ints] = []
        self.examined = 0

    # ---- rounds -----------------------------------------------------------------------------------------------------

    def run(self, leaves: NodeChanges) -> None:
        """Go through the rounds, and the crown."""
        nodes, counts = self.nodes, self.rounds.counts
        self.dirty, self.gone = leaves.dirty, leaves.gone
        self.touched += [leaves.dirty, leaves.gone]
        self.created.append(leaves.dirty)
        nodes.dirty[self.dirty] = True
        counts[0] += len(self.dirty) - len(self.gone)
        self.pairs = WatchedPairs(nodes, leaves, self.full)
        for round_index in range(len(THRESHOLDS)):
            if counts[round_index] <= self.limit:
                return self._run_crown(round_index)
            if not (len(self.dirty) or len(self.gone) or len(self.pairs.edged) or len(self.pairs.cut)):
                return None
            if is_stage_start(round_index):
                self._start_stage(round_index)
            self._run_round(round_index)
        return None

    def _start_stage(self, round_index: int) -> None:
        """Replace the edges of the stage before by those between the parts that it has left."""
        stage = round_index // STAGE
        parts = self.parts[stage]
        if self.before.crown_round > round_index:
            stays = ~contains(np.sort(self.gone), parts.slots)
            alive = np.sort(np.concatenate([parts.slots[stays], self.dirty]))
        else:  # there was no such stage
            alive = self.nodes.new.find_alive(round_index)
        edged, new, cut = parts.update(self.nodes, alive)
        self.nodes.links[stage] = parts.link(self.nodes.capacity)
        self.pairs.release()
        changes = NodeChanges(self.dirty, self.gone, edged, new, cut)
        self.pairs = WatchedPairs(self.nodes, changes, self.full, round_index)

    def _run_round(self, round_index: int) -> None:
        old, counts = self.nodes.old, self.before.counts
        if (
            round_index < self.before.crown_round
            and counts[round_index] == counts[round_index + 1]
            and self.pairs.similarity.max(initial=-np.inf) < THRESHOLDS[round_index] * UNIT
        ):
            # Nothing merged in this round before, and nothing does now.
            self.rounds.counts[round_index + 1] += len(self.dirty) - len(self.gone)
            return
        hot = self._select_hot_pairs(round_index)
        old_groups = self._find_old_groups(round_index, hot.ends)
        born = single = joints_before = NO_INTS
        has_changes = len(hot.ends) > 0 or len(old_groups.member) > 0
        if has_changes:
            members, new_groups = self._regroup(round_index, hot, old_groups)
            joints_before = sort_unique(old.above[members[old.death[members] == round_index]].astype(np.int64))
            joints_before = joints_before[joints_before >= 0]
            born, single = self._merge_groups(round_index, joints_before, new_groups)
        maybe_gone = np.concatenate([joints_before, self.met if has_changes else NO_INTS])
        self._start_round(round_index + 1, born, single, maybe_gone)

    def _select_hot_pairs(self, round_index: int) -> HotPairs:
        hot = np.flatnonzero(self.pairs.similarity >= THRESHOLDS[round_index] * UNIT)
        a, b, similarity = self.pairs.a[hot], self.pairs.b[hot], self.pairs.similarity[hot]
        return HotPairs(a, b, similarity, sort_unique(np.concatenate([a, b])))

    def _find_old_groups(self, round_index: int, ends: Ints) -> OldGroups:
        """Return the old groups that may come out different."""
        if round_index == self.before.crown_round:  # all were in the crown, and nothing is known of their links
            return OldGroups(NO_INTS, self.crown.base, np.full(len(self.crown.base), -1))
        if self.full:
            return OldGroups(NO_INTS, NO_INTS, NO_INTS)
        met = np.concatenate([ends[~self.nodes.dirty[ends]], self.gone, self.pairs.cut.ravel()])
        number = self.groups.find_groups(self.nodes, met, round_index)
        return OldGroups(number, *self.groups.read(number))

    def _regroup(self, round_index: int, hot: HotPairs, old: OldGroups) -> tuple[Ints, NewGroups]:
        """Put groups together again; return the members of all old groups that this takes apart, and the new groups.

        Leaves in `met` the nodes whose links were examined.
        """
        nodes = self.nodes
        sources, targets, similarities = [hot.a, hot.b], [hot.b, hot.a], [hot.similarity, hot.similarity]
        member, group = old.member, old.number
        is_clean = self._are_clean(member, round_index)
        keeps_link = is_clean & self._are_clean(old.link, round_index) & ~self.pairs.are_cut(member, old.link)
        source, target = member[keeps_link], old.link[keeps_link]
        seeking = member[is_clean & ~keeps_link]
        met = sort_unique(np.concatenate([hot.ends, member[is_clean]]))
        if len(seeking):
            owner, near = nodes.find_neighbours(seeking, round_index)
            value = nodes.similarity(seeking[owner], near)
            is_enough = value >= THRESHOLDS[round_index] * UNIT
            sources.append(seeking[owner[is_enough]])
            targets.append(near[is_enough])
            similarities.append(value[is_enough])
        sources.append(source)
        targets.append(target)
        similarities.append(nodes.similarity(source, target))
        source, target = choose_best_links(
            nodes, np.concatenate(sources), np.concatenate(targets), np.concatenate(similarities)
        )
        # A link into a group that nothing else has touched brings all of it along, with the links that it has.
        missing = sort_unique(target[~contains(met, target)])
        if len(missing):
            further = self.groups.find_groups(nodes, missing, round_index)
            further_member, further_link = self.groups.read(further)
            member, group = np.concatenate([member, further_member]), np.concatenate([group, further])
            source, target = np.concatenate([source, further_member]), np.concatenate([target, further_link])
            met = sort_unique(np.concatenate([met, further_member]))
        self.dead_groups.append(group)
        self.met = met
        self.examined += len(met)
        return member, self._make_groups(met, source, target)

    def _make_groups(self, met: Ints, source: Ints, target: Ints) -> NewGroups:
        """Return the groups of more than one node that links connect."""
        root = find_components(met, source, target)
        link = np.full(len(met), -1)
        link[np.searchsorted(met, source)] = target
        length = np.bincount(root, minlength=len(root))
        grouped = np.flatnonzero(length[root] > 1)
        order = grouped[np.lexsort((self.nodes.key[met[grouped]], root[grouped]))]
        return NewGroups(met[order], link[order], length[length > 1])

    def _are_clean(self, slots: Ints, round_index: int) -> NDArray[np.bool_]:
        are_alive = (slots >= 0) & self.nodes.new.are_alive(slots, round_index)
        are_clean: NDArray[np.bool_] = are_alive & ~self.nodes.dirty[slots]
        return are_clean

    def _merge_groups(self, round_index: int, joints_before: Ints, groups: NewGroups) -> tuple[Ints, Ints]:
        """Merge the new groups.

        joints_before: what the members of the old groups became part of. Returns the joints that come out, and the
        clean nodes that live on alone although they became part of a joint before.
        """
        nodes, old, new = self.nodes, self.nodes.old, self.nodes.new
        ended = joints_before[new.birth[joints_before] > round_index]
        self._take_apart(ended)
        new.birth[ended] = NEVER
        new.death[ended] = -1
        met, member = self.met, groups.member
        single = met[(old.death[met] == round_index) & ~nodes.dirty[met]]
        new.death[single] = len(THRESHOLDS)
        new.above[single] = -1
        threshold, cap = float(THRESHOLDS[round_index] * UNIT), height_limit(round_index)
        merges = merge_groups(nodes, member, groups.length, threshold, cap)
        joint, place, owner = self._write_joints(member, merges)
        nodes.write_sums(joint, member[place], owner)
        was_alive = old.are_alive(joint, round_index + 1)
        new.birth[joint] = round_index + 1
        new.death[joint] = np.where(was_alive, old.death[joint], len(THRESHOLDS))
        new.above[joint] = np.where(was_alive, old.above[joint], -1)
        new.death[member[place]] = round_index
        new.above[member[place]] = joint[owner]
        if len(groups.length):
            self.new_groups.append(self.groups.add(round_index, groups.length, member, groups.link))
        self.touched += [joints_before, met, joint]
        return joint, single[new.death[single] > round_index]

    def _write_joints(self, member: Ints, merges: GroupMerges) -> tuple[Ints, Ints, Ints]:
        """Write merges to slots; return the joints, and of each member that was merged its place and its joint's."""
        nodes, count, total = self.nodes, len(member), len(member) + len(merges.left)
        if not len(merges.left):
            return NO_INTS, NO_INTS, NO_INTS
        above = np.arange(total)
        inner = np.arange(count, total)
        above[merges.left] = inner
        above[merges.right] = inner
        is_joint = above[count:] == inner
        slot = np.full(len(inner), -1)
        if not self.full:
            slot[is_joint] = nodes.find_joints(merges.least[is_joint], merges.size[is_joint], merges.content[is_joint])
        self._take_apart(slot[slot >= 0])
        fresh = np.flatnonzero(slot < 0)
        slot[fresh] = nodes.allocate(len(fresh))
        self.created.append(slot[fresh])
        self._write_merges(np.concatenate([member, slot]), slot, merges)
        nodes.seam[slot] = ~is_joint
        while True:
            further = above[above]
            if np.array_equal(further, above):
                break
            above = further
        place = np.flatnonzero(above[:count] >= count)
        order = place[np.argsort(above[place], kind="stable")]
        joint_place, owner = np.unique(above[order], return_inverse=True)
        return slot[joint_place - count], order, owner

    def _write_merges(self, slot_at: Ints, slot: Ints, merges: GroupMerges) -> None:
        """Write merges to their slots; `slot_at` are the slots of the places that they name."""
        nodes = self.nodes
        left, right = slot_at[merges.left], slot_at[merges.right]
        nodes.left[slot], nodes.right[slot] = left, right
        nodes.parent[left] = nodes.parent[right] = slot
        nodes.size[slot], nodes.content[slot] = merges.size, merges.content
        nodes.least[slot], nodes.height[slot] = merges.least, merges.height
        nodes.key[slot] = nodes.key[merges.least]

    def _take_apart(self, joints: Ints) -> None:
        """Remove the merges that joints consist of; a joint may be made again, of other members."""
        joints = joints[self.nodes.left[joints] >= 0]
        self.dead_seams.append(self.nodes.find_seams(joints))
        self.nodes.left[joints] = self.nodes.right[joints] = -1

    # ---- from one round to the next ---------------------------------------------------------------------------------

    def _start_round(self, round_index: int, born: Ints, single: Ints, maybe_gone: Ints) -> None:
        """Find which nodes are dirty and gone at the beginning of a round."""
        nodes, old, new = self.nodes, self.nodes.old, self.nodes.new
        gone = sort_unique(np.concatenate([self.gone, maybe_gone]))
        self.gone = gone[old.are_alive(gone, round_index) & ~new.are_alive(gone, round_index)]
        nodes.dirty[self.dirty] = False
        stay = self.dirty[new.death[self.dirty] >= round_index]
        was_alive = old.are_alive(stay, round_index)
        healed, stay = stay[was_alive], stay[~was_alive]
        new.death[healed], new.above[healed] = old.death[healed], old.above[healed]
        fresh = np.concatenate([born[~old.are_alive(born, round_index)], single])
        self.dirty = np.concatenate([stay, fresh])
        nodes.dirty[self.dirty] = True
        self.rounds.counts[round_index] += len(self.dirty) - len(self.gone)
        if self.rounds.counts[round_index] > self.limit and not is_stage_start(round_index):
            # The crown needed no neighbour lists of its nodes.
            unlisted = self.crown.base if round_index == self.before.crown_round else NO_INTS
            self.pairs.advance(round_index, born, fresh, unlisted)

    # ---- the crown --------------------------------------------------------------------------------------------------

    def _run_crown(self, round_index: int) -> None:
        """Let the crown begin in this round, over all nodes that are alive."""
        nodes, old, new = self.nodes, self.nodes.old, self.nodes.new
        base = self.crown.base
        gone, fresh = self.gone, self.dirty
        if round_index != self.before.crown_round:
            alive = old.find_alive(round_index) if round_index < self.before.crown_round else NO_INTS
            top = np.concatenate([alive[~contains(np.sort(self.gone), alive)], self.dirty])
            gone, fresh = np.setdiff1d(base, top), np.setdiff1d(top, base)
            if round_index < self.before.crown_round:
                self._drop_rounds(round_index)
            new.death[top], new.above[top] = round_index, -1
            self.touched.append(top)
        elif not len(gone) and not len(fresh):
            return
        new.death[fresh], new.above[fresh] = round_index, -1
        created, dead = self.crown.update(nodes, gone, fresh, height_limit(round_index))
        self.created.append(created)
        self.dead_seams.append(dead)
        self.rounds.crown_round = round_index
        self.rounds.counts[round_index + 1 :] = 0

    def _drop_rounds(self, round_index: int) -> None:
        """Drop what the old tree had of this round and later ones, since the crown takes their place."""
        old, new = self.nodes.old, self.nodes.new
        later = np.flatnonzero((old.birth > round_index) & (old.birth < NEVER))
        later = later[new.birth[later] > round_index]
        self._take_apart(later)
        new.birth[later] = NEVER
        new.death[later] = -1
        self.touched.append(later)
        group = np.flatnonzero(self.groups.round >= round_index)
        own = np.concatenate([NO_INTS, *self.new_groups])
        self.dead_groups.append(group[~np.isin(group, own)])

    # ---- afterwards -------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Make the new tree the old one, and release what only the old one had."""
        nodes, old, new = self.nodes, self.nodes.old, self.nodes.new
        nodes.dirty[self.dirty] = False
        self.pairs.release()
        touched = sort_unique(np.concatenate([self.dirty, *self.touched]))
        old.birth[touched] = new.birth[touched]
        old.death[touched] = new.death[touched]
        old.above[touched] = new.above[touched]
        self._commit_groups()
        for stage in range(1 + (self.rounds.crown_round - 1) // STAGE, STAGES):
            self.parts[stage], nodes.links[stage] = Parts(), EdgeTable(NO_INTS, NO_INTS)
        nodes.release(self.dead_slots)

    @property
    def dead_slots(self) -> Ints:
        """The slots of nodes that vanished."""
        touched = sort_unique(np.concatenate([NO_INTS, *self.touched]))
        return np.concatenate([touched[self.nodes.new.birth[touched] == NEVER], *self.dead_seams])

    def _commit_groups(self) -> None:
        """Enter the new groups in the lists of their members, and release the dead ones."""
        nodes, groups = self.nodes, self.groups
        dead = sort_unique(np.concatenate([NO_INTS, *self.dead_groups]))
        born = np.concatenate([NO_INTS, *self.new_groups])
        old_member = groups.read(dead)[0]
        owner, entry = groups.lists.get(born)
        length = groups.lists.length[born].astype(np.int64)
        is_member = np.arange(len(entry)) - (np.cumsum(length) - length)[owner] < length[owner] // 2
        member, group = entry[is_member], born[owner[is_member]]
        changed = sort_unique(np.concatenate([old_member, member]))
        owner, old_group = nodes.groups.get(changed)
        stays = ~contains(dead, old_group)
        owner = np.concatenate([owner[stays], np.searchsorted(changed, member)])
        group = np.concatenate([old_group[stays], group])
        order = np.lexsort((groups.round[group], owner))
        nodes.groups.write(changed, np.bincount(owner, minlength=len(changed)), group[order])
        groups.release(dead)
