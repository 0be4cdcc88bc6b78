"""The words that `lite0` knows: python -m tests.bench.class_words WHEEL NAMES writes class_words.bin for its embedder.

WHEEL is that of wordllama 0.4.0.post1 (pip download --no-deps wordllama), NAMES the npm package
cldr-annotations-full 48.2.0 (npm pack cldr-annotations-full). Also needed are timm and Debian's wordnet-base; see
`word_sources`. Nothing of it is needed where the file is used.

A noun of WordNet means the classes that are below it ("dog": 118 breeds) or, if there are none, those around it, less
the further away they are; what the tree leaves open, word vectors fill: the classes whose names and definitions are
near. A word of another language means what the emoji mean that it names, or what the English word means that describes
the same emoji or, if there is none, what all these mean; so does an English word that the tree says nothing of ("to
eat"), if it describes several.
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
from indexers.embedders.class_words import CLASSES, MAX_WORDS, fold_words, list_forms
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
# - Unicode CLDR 48, names of emoji, Copyright 2004-2026 Unicode, Inc. (Unicode-3.0: permission is granted free of
#   charge, provided that this notice appears with all copies.) https://www.unicode.org/license.txt
# - wordllama 0.4.0, static word vectors, Copyright 2024 D. Lee Miller (MIT)
# - timm, the order of ImageNet's classes, Copyright 2019 Ross Wightman (Apache-2.0)
"""
LANGUAGES = """de fr es it pt nl sv da no fi pl cs sk hu ro hr sl tr ca id vi et lt lv el ru uk bg sr he ar fa hi th ja
    ko zh zh-Hant"""
MAX_STEPS, MAX_AROUND, MAX_ANIMALS, MAX_TOLD, DECAY = 2, 60, 130, 0.8, 0.7
"""How far above a noun classes are looked for, and how many may be there (of an animal more: there are 118 dogs); how
much the tree tells at most, and what it tells less with each step."""
ANIMALS, THINGS, MIN_BELOW = 5, 6, 3
"""Two of WordNet's fields, and how many classes below a thing are enough."""
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
MAX_EMOJI, MIN_AGREEMENT, MIN_SIGNS = 120, 0.45, 2
"""A word describes at most so many emoji, and the mean of their directions is at least so long; an English one
describes a few at least: "justice" is no scale."""

MIN_SHARED, MIN_ALIKE = 3, 0.5
"""Two words mean the same if they describe so many emoji together, and agree so well in these (cosine)."""

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
            found = self._find_around(synset, may_be_seen)
            for below, weight in found:
                groups[below] += share * MAX_TOLD * found[0][1] * weight / sum(weight for _, weight in found)
        return groups, sum(groups.values()), is_seen

    def _find_around(self, synset: int, may_be_seen: bool) -> list[tuple[frozenset[int], float]]:
        """Return the classes below a synset or the nearest one above it, and what that tells. Of a thing that is no
        class itself, a few may be below by chance: "clothes" are not jeans alone, so that those around count too."""
        field, found = self._wordnet.field[synset], list[tuple[frozenset[int], float]]()
        most = MAX_ANIMALS if field == ANIMALS else MAX_AROUND
        for above, steps in self._wordnet.measure_distances(synset).items():
            below = self.below(above)
            if steps > MAX_STEPS or (steps and (len(below) > most or not may_be_seen)):
                break
            if below:
                found.append((below, DECAY**steps))
                if field != THINGS or len(below) >= MIN_BELOW or self._is_class_or_parent(synset):
                    break
        return found

    def _is_class_or_parent(self, synset: int) -> bool:
        return any(child in self._number for child in (synset, *self._wordnet.below[synset]))


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


def read_emoji_groups(archive: Path, english: dict[str, Groups]) -> dict[str, Groups]:
    """Return what each emoji means, by its English name: all of it, or else the last words that are known."""
    ignored = load_function_words()["en"][0]
    meanings = {}
    for emoji, name in read_emoji(archive, "en")[0].items():
        words = [word for word in fold_words(name).split() if word not in ignored]
        if words[-1:] == ["face"]:
            words = words[:-1]
        for start in range(len(words)):
            if " ".join(words[start:]) in english:
                meanings[emoji] = english[" ".join(words[start:])]
                break
    return meanings


def list_described(
    archive: Path, language: str, emoji: dict[str, Groups], directions: dict[str, np.ndarray], least: int = 1
) -> dict[str, Groups]:
    """Return what the words of a language mean that name or describe emoji, `least` at least, of which `directions` are
    unit vectors."""
    names, keywords = read_emoji(archive, language)
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
        if not is_short(word) or len(signs) > MAX_EMOJI or len(seen) * 2 <= len(signs) or len(seen) < least:
            continue
        if np.linalg.norm(np.mean([directions[sign] for sign in seen], axis=0)) >= MIN_AGREEMENT:
            known[word] = merge([emoji[sign] for sign in seen])
    return known


def list_named(archive: Path, language: str, emoji: dict[str, Groups]) -> dict[str, Groups]:
    """Return what the words of a language mean that name emoji which mean something."""
    names = read_emoji(archive, language)[0].items()
    named = {fold_case(name).strip(): emoji[sign] for sign, name in names if sign in emoji}
    return {word: groups for word, groups in named.items() if is_short(word)}


def is_short(word: str) -> bool:
    return 0 < len(word.split()) <= MAX_WORDS and len(word) > (1 if word.isascii() else 0)


class Translator:
    """Finds for words that describe several emoji the English word that describes mostly the same ones."""

    def __init__(self, archive: Path, english: dict[str, Groups]) -> None:
        self._archive = archive
        self._meanings: dict[str, Groups] = {}
        self._signs: dict[str, set[str]] = {}
        for word, signs in self._read("en").items():
            known = next((form for form in list_forms(fold_words(word)) if form in english), None)
            if known is not None:
                self._meanings[word], self._signs[word] = english[known], signs

    def _read(self, language: str) -> dict[str, set[str]]:
        signs: dict[str, set[str]] = defaultdict(set)
        for sign, words in read_emoji(self._archive, language)[1].items():
            for word in words:
                signs[fold_case(word).strip()].add(sign)
        return signs

    def __call__(self, language: str) -> dict[str, Groups]:
        """Return what these words of a language mean; those that name an emoji say it better themselves."""
        named = {fold_case(name).strip() for name in read_emoji(self._archive, language)[0].values()}
        found = {}
        for word, signs in self._read(language).items():
            if word in named or len(signs) < MIN_SHARED or len(word.split()) > MAX_WORDS:
                continue
            alike = {
                english: len(signs & own) / (len(signs) * len(own)) ** 0.5
                for english, own in self._signs.items()
                if len(signs & own) >= MIN_SHARED
            }
            best = max(alike, key=lambda english: (alike[english], english), default="")
            if best and alike[best] >= MIN_ALIKE:
                found[word] = self._meanings[best]
        return found


def merge(meanings: list[Groups]) -> Groups:
    total: Groups = defaultdict(float)
    for groups in meanings:
        for group, weight in groups.items():
            total[group] += weight / len(meanings)
    return total


def collect(
    archive: Path, english: dict[str, Groups], others: dict[str, int], emoji: dict[str, Groups]
) -> dict[str, Groups]:
    """Return all words, as the file has them. `others`: English words that mean nothing here, and how often they are
    used; without their language they mean nothing else either, unless they are rare."""
    rows = np.array([spread(groups) for groups in emoji.values()]) @ make_directions(load_weights(), "inner")
    directions = dict(zip(emoji, rows / np.linalg.norm(rows, axis=1, keepdims=True), strict=True))
    described = list_described(archive, "en", emoji, directions, MIN_SIGNS).items()
    told = {fold_words(words): groups for words, groups in described}
    english = {
        word: groups for word, groups in told.items() if word.isalpha() and not english.keys() & {*list_forms(word)}
    } | english
    known, stems = dict(english), {}
    for sign, groups in emoji.items():
        known.setdefault(fold_words(sign), groups)
    translate = Translator(archive, english)
    for language in LANGUAGES.split():
        code = language.partition("-")[0]
        sure = list_named(archive, language, emoji) | translate(language)
        roots = {stem_word(word, code): groups for word, groups in reversed(sure.items())}
        for words, groups in (list_described(archive, language, emoji, directions) | sure).items():
            word, stem = fold_words(words), stem_word(words, code)
            groups = groups if words in sure else roots.get(stem, groups)
            if word.isascii() and not word[:1].isalpha():
                continue
            is_english = word in others or english.keys() & {*list_forms(word)}
            if not is_english or (word in others and others[word] < COMMON):
                known.setdefault(word, groups)
            if is_english or known[word] != groups:
                known[f"{code}:{word}"] = groups
            if " " not in word and stem != word:
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


def list_others(archive: Path, wordnet: WordNet, english: dict[str, Groups]) -> dict[str, int]:
    """Return the English words of which nothing is known, and how often they are used."""
    uses = {fold_words(lemma): sum(wordnet.uses[lemma, kind] for kind in (False, True)) for lemma in read_english()}
    for words in read_emoji(archive, "en")[1].values():  # "Claus" is no word of WordNet's
        uses = dict.fromkeys(filter(None, map(fold_words, words)), COMMON) | uses
    return {word: count for word, count in uses.items() if word.isalpha() and not english.keys() & {*list_forms(word)}}


def main() -> None:
    wordnet, archive = WordNet(), Path(sys.argv[2])
    english = list_english(wordnet, Mixtures(wordnet, WordVectors(Path(sys.argv[1]))))
    others = list_others(archive, wordnet, english)
    known = collect(archive, english, others, read_emoji_groups(archive, english))
    content = HEAD.encode() + b"\n" + zlib.compress(encode(known).encode(), 9)
    Path(class_words.__file__).with_name(class_words.FILE).write_bytes(content)
    print(f"{len(english)} English words, {len(known)} in all, {len(content)} bytes: {sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
