"""The words that `lite0` knows: python -m tests.bench.class_words WHEEL writes indexers/embedders/class_words.bin.

WHEEL is that of wordllama 0.4.0.post1 (pip download --no-deps wordllama). Also needed are timm, and Debian's
wordnet-base and unicode-cldr-core; see `word_sources`. Nothing of it is needed where the file is used.

A noun of WordNet means the classes that are below it ("dog": 118 breeds) or, if there are none, those around it, less
the further away they are; what the tree leaves open, word vectors fill: the classes whose names and definitions are
near. A word of another language means what the emoji mean that it names or describes.
"""

from __future__ import annotations

import sys
import zlib
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from indexers.embedders import class_words
from indexers.embedders.class_words import CLASSES, MAX_WORDS, fold_words
from indexers.embedders.lite0 import load_weights
from indexers.embedders.lite0_words import make_directions
from indexers.words.languages import load_function_words, stem_word
from indexers.words.letters import fold_case
from tests.bench.word_sources import WordNet, WordVectors, read_classes, read_emoji, read_english, read_exceptions

HEAD = """\
# Words as shares of the 1,000 classes of ImageNet; see class_words.py, which reads this file.
# Written by: python -m tests.bench.class_words. It contains facts of, and is derived from:
# - WordNet 3.0, Copyright 2006 by Princeton University. All rights reserved. (WordNet License: permission to use, copy,
#   modify and distribute for any purpose and without fee or royalty is granted, provided that this notice appears on
#   all copies. THIS DATABASE IS PROVIDED "AS IS" AND PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES,
#   EXPRESS OR IMPLIED.) https://wordnet.princeton.edu/license-and-commercial-use
# - Unicode CLDR 41, names of emoji, Copyright 1991-2022 Unicode, Inc. (Unicode-DFS-2016: permission is granted free of
#   charge, provided that this notice appears with all copies.) https://www.unicode.org/copyright.html
# - wordllama 0.4.0, static word vectors, Copyright 2024 D. Lee Miller (MIT)
# - timm, the order of ImageNet's classes, Copyright 2019 Ross Wightman (Apache-2.0)
"""
LANGUAGES = """de fr es it pt nl sv da no fi pl cs sk hu ro hr sl tr ca id vi et lt lv el ru uk bg sr he ar fa hi th ja
    ko zh zh_Hant"""
MAX_STEPS, MAX_AROUND, MAX_TOLD, DECAY = 2, 60, 0.8, 0.7
"""How far above a noun classes are looked for, and how many may be there; how much the tree tells at most, and what it
tells less with each step."""
NEAREST, SHARPNESS = 16, 8.0
"""The classes that word vectors add, and how fast their weights fall with the cosine."""
MIN_KNOWN, MIN_COSINE = 0.25, 0.5
"""A word is known if the tree tells so much of it, or if the vector of a class is so near to its own."""
SEEN = {4, 5, 6, 8, 11, 13, 15, 17, 18, 19, 20, 25, 27}
"""WordNet's fields of what may be seen: acts, animals, artefacts, bodies, events, food, places, objects, persons,
phenomena, plants, shapes, substances. Only in these do word vectors alone count."""
MAX_ENTRIES, MAX_WEIGHT = 16, 50
"""Of a mixture in the file."""
COMMON = 4
"""An English word that is used so often is not taken for one of another language: "red" is a net in Spanish."""
MAX_EMOJI, MIN_AGREEMENT = 120, 0.45
"""A word describes at most so many emoji, and the mean of their directions is at least so long."""

Groups = dict[frozenset[int], float]
"""Classes that a word means, each with its weight, those of a group together."""


class Mixtures:
    """What English words mean, float64 (1000,) of sum 1."""

    def __init__(self, wordnet: WordNet, vectors: WordVectors) -> None:
        self._wordnet, self._vectors = wordnet, vectors
        classes = read_classes()
        self._number = {synset: number for number, synset in enumerate(classes)}
        self._texts = vectors.embed(f"{', '.join(wordnet.lemmas[each])}. {wordnet.gloss[each]}" for each in classes)
        self.below = cache(self._find_below)

    def _find_below(self, synset: int) -> frozenset[int]:
        """Return the numbers of the classes at and below a synset."""
        own = {self._number[synset]} if synset in self._number else set()
        return frozenset(own.union(*(self.below(child) for child in self._wordnet.below[synset])))

    def mix(self, lemma: str) -> Groups:
        """Return groups of classes with their weights, of sum 1; {} if too little is known."""
        groups, known, is_seen = self._climb(lemma)
        uses = self._wordnet.uses
        is_noun = uses[lemma, False] < 2 * uses[lemma, True] + 2
        is_known = known >= (MIN_KNOWN if is_noun else 0.5)
        if not is_known and not (is_seen and is_noun):
            return {}
        cosines = self._texts @ self._vectors.embed([lemma])[0]
        if not is_known and cosines.max() < MIN_COSINE:
            return {}
        nearest = np.argsort(-cosines)[:NEAREST]
        weights = np.exp(SHARPNESS * cosines[nearest])
        for number, weight in zip(nearest.tolist(), (1 - known) * weights / weights.sum(), strict=True):
            group = frozenset([number])
            groups[group] = groups.get(group, 0) + float(weight)
        return groups

    def _climb(self, lemma: str) -> tuple[Groups, float, bool]:
        """Return the classes that the tree tells, how much that is, and whether a usual sense may be seen."""
        synsets = self._wordnet.senses.get(lemma, [])
        uses = [(self._wordnet.counts[lemma, place] + 1) / place for place in range(1, len(synsets) + 1)]
        groups: Groups = defaultdict(float)
        is_seen = False
        for synset, use in zip(synsets, uses, strict=True):
            if synset in self._wordnet.instances:
                continue
            share = use / sum(uses)
            may_be_seen = self._wordnet.field[synset] in SEEN
            is_seen = is_seen or (may_be_seen and share > 0.3)
            for above, steps in self._wordnet.measure_distances(synset).items():
                below = self.below(above)
                if steps > MAX_STEPS or (steps and (len(below) > MAX_AROUND or not may_be_seen)):
                    break
                if below:
                    groups[below] += share * MAX_TOLD * DECAY**steps
                    break
        return groups, sum(groups.values()), is_seen


def spread(groups: Groups) -> np.ndarray:
    mixture = np.zeros(CLASSES)
    for group, weight in groups.items():
        mixture[list(group)] += weight / len(group)
    return mixture / mixture.sum()


def list_english(wordnet: WordNet, mixtures: Mixtures) -> dict[str, Groups]:
    """Return what each known noun means."""
    known: dict[str, Groups] = {}
    function_words = load_function_words()["en"][0] - {"of"}
    written = {lemma for lemmas in wordnet.lemmas.values() for lemma in lemmas}
    for lemma in wordnet.senses:
        parts = fold_words(lemma).split()
        is_abbreviation = len(lemma) < 4 and lemma not in written
        is_fit = 0 < len(parts) <= MAX_WORDS and lemma[0].isalpha() and not function_words.intersection(parts)
        if is_fit and not is_abbreviation and (groups := mixtures.mix(lemma)):
            known.setdefault(" ".join(parts), groups)
    for plural, singular in read_exceptions().items():
        if fold_words(singular) in known:
            known.setdefault(fold_words(plural), known[fold_words(singular)])
    return known


def read_emoji_groups(english: dict[str, Groups]) -> dict[str, Groups]:
    """Return what each emoji means, by its English name: all of it, or else the last words that are known."""
    ignored = load_function_words()["en"][0]
    meanings = {}
    for emoji, name in read_emoji("en")[0].items():
        words = [word for word in fold_words(name).split() if word not in ignored]
        if words[-1:] == ["face"]:
            words = words[:-1]
        for start in range(len(words)):
            if " ".join(words[start:]) in english:
                meanings[emoji] = english[" ".join(words[start:])]
                break
    return meanings


def list_foreign(language: str, emoji: dict[str, Groups], directions: dict[str, np.ndarray]) -> dict[str, Groups]:
    """Return what the words of a language mean that name or describe emoji, of which `directions` are unit vectors."""
    names, keywords = read_emoji(language)
    named: dict[str, list[str]] = defaultdict(list)
    described: dict[str, list[str]] = defaultdict(list)
    for sign, name in names.items():
        named[fold_case(name).strip()].append(sign)
    for sign, words in keywords.items():
        for word in words:
            described[fold_case(word).strip()].append(sign)
    known = {}
    for word in {**named, **described}:
        signs = named.get(word) or described[word]
        seen = [sign for sign in signs if sign in emoji]
        is_short = 0 < len(word.split()) <= MAX_WORDS and len(word) > (1 if word.isascii() else 0)
        if not is_short or len(signs) > MAX_EMOJI or len(seen) * 2 <= len(signs):
            continue
        if np.linalg.norm(np.mean([directions[sign] for sign in seen], axis=0)) >= MIN_AGREEMENT:
            known[word] = merge([emoji[sign] for sign in seen])
    return known


def merge(meanings: list[Groups]) -> Groups:
    total: Groups = defaultdict(float)
    for groups in meanings:
        for group, weight in groups.items():
            total[group] += weight / len(meanings)
    return total


def collect(english: dict[str, Groups], others: dict[str, int], emoji: dict[str, Groups]) -> dict[str, Groups]:
    """Return all words, as the file has them. `others`: English words that mean nothing here, and how often they are
    used; without their language they mean nothing else either, unless they are rare."""
    rows = np.array([spread(groups) for groups in emoji.values()]) @ make_directions(load_weights(), "inner")
    directions = dict(zip(emoji, rows / np.linalg.norm(rows, axis=1, keepdims=True), strict=True))
    known, stems = dict(english), {}
    for sign, groups in emoji.items():
        known.setdefault(fold_words(sign), groups)
    for language in LANGUAGES.split():
        code = language.partition("_")[0]
        for word, groups in list_foreign(language, emoji, directions).items():
            folded = fold_words(word)
            if folded.isascii() and not folded[:1].isalpha():
                continue
            if folded in english or folded in others:
                known[f"{code}:{folded}"] = groups
            if others.get(folded, 0) < COMMON:
                known.setdefault(folded, groups)
            if " " not in folded and (stem := stem_word(word, code)) != folded:
                stems.setdefault(f"{code}~{stem}", groups)
    return dict.fromkeys(others, Groups()) | known | stems


def encode(known: dict[str, Groups]) -> str:
    """Return the body of the file."""
    numbers: dict[frozenset[int], int] = {}
    lines: dict[str, list[str]] = {}
    for word, groups in sorted(known.items()):
        parts = []
        best = sorted(groups.items(), key=lambda entry: (-entry[1], min(entry[0]), len(entry[0])))[:MAX_ENTRIES]
        for group, weight in best:
            number = min(group) if len(group) == 1 else numbers.setdefault(group, CLASSES + len(numbers))
            if (share := round(MAX_WEIGHT * weight / best[0][1])) > 0:
                parts.append(f"{number} {share}")
        lines.setdefault(" ".join(parts), []).append(word)
    return "\n".join(
        [*(describe_group(group) for group in numbers), "", *("\t".join([key, *lines[key]]) for key in lines)]
    )


def describe_group(group: Iterable[int]) -> str:
    """Return the numbers of classes as ranges: "151-268 270"."""
    ranges: list[list[int]] = []
    for number in sorted(group):
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], number]
        else:
            ranges.append([number])
    return " ".join("-".join(map(str, bounds)) for bounds in ranges)


def main() -> None:
    wordnet = WordNet()
    english = list_english(wordnet, Mixtures(wordnet, WordVectors(Path(sys.argv[1]))))
    uses = {fold_words(lemma): sum(wordnet.uses[lemma, kind] for kind in (False, True)) for lemma in read_english()}
    others = {word: count for word, count in uses.items() if word not in english and word.isalpha()}
    known = collect(english, others, read_emoji_groups(english))
    content = HEAD.encode() + b"\n" + zlib.compress(encode(known).encode(), 9)
    Path(class_words.__file__).with_name(class_words.FILE).write_bytes(content)
    print(f"{len(english)} English words, {len(known)} in all, {len(content)} bytes: {sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
