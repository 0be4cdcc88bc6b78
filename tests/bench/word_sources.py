"""What the words of `class_words.bin` are taken from: WordNet, static word vectors, and the names of emoji.

Debian's wordnet-base is read where it is installed; the 1,000 classes come with timm; the vectors, and the tokens that
they belong to, are files in the wheel of wordllama, which need not be installed. The names of emoji, and words that
describe them, are those of the npm package cldr-annotations-full.
"""

from __future__ import annotations

import json
import tarfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load

WORDNET = Path("/usr/share/wordnet")
TABLE = "wordllama/weights/l2_supercat_256.safetensors"
TOKENS = "wordllama/tokenizers/l2_supercat_tokenizer_config.json"


class WordNet:
    """The nouns of WordNet 3.0. A synset is named by its offset.

    lemmas, gloss, field: of each synset; the field is the number of its lexicographer's file, such as 5 for animals.
    senses: the synsets of each lemma in lower case, the most frequent first.
    """

    def __init__(self) -> None:
        self.lemmas: dict[int, list[str]] = {}
        self.gloss: dict[int, str] = {}
        self.field: dict[int, int] = {}
        self.instances: set[int] = set()
        self.above: dict[int, list[int]] = defaultdict(list)
        self.below: dict[int, list[int]] = defaultdict(list)
        for line in _read_rows(WORDNET / "data.noun"):
            self._add_synset(line)
        self.senses = {
            fields[0].replace("_", " "): [int(offset) for offset in fields[-int(fields[2]) :]]
            for fields in map(str.split, _read_rows(WORDNET / "index.noun"))
        }
        self.counts: Counter[tuple[str, int]] = Counter()
        """How often a noun has the sense of that number, in the texts that were tagged."""
        self.uses: Counter[tuple[str, bool]] = Counter()
        """How often a lemma is a noun, and how often anything else, in these texts."""
        for line in _read_rows(WORDNET / "cntlist.rev"):
            key, number, count = line.split()
            lemma, _, rest = key.partition("%")
            lemma, is_noun = lemma.replace("_", " "), rest.startswith("1:")
            self.uses[lemma, is_noun] += int(count)
            if is_noun:
                self.counts[lemma, int(number)] += int(count)

    def _add_synset(self, line: str) -> None:
        body, _, gloss = line.partition(" | ")
        fields = body.split()
        synset, count = int(fields[0]), int(fields[3], 16)
        self.field[synset], self.gloss[synset] = int(fields[1]), gloss.strip()
        self.lemmas[synset] = [lemma.replace("_", " ") for lemma in fields[4 : 4 + 2 * count : 2]]
        pointers = fields[5 + 2 * count :]
        for sign, target, kind in zip(pointers[::4], pointers[1::4], pointers[2::4], strict=False):
            if sign in ("@", "@i") and kind == "n":
                self.above[synset].append(int(target))
                self.below[int(target)].append(synset)
            if sign == "@i":
                self.instances.add(synset)

    def measure_distances(self, synset: int) -> dict[int, int]:
        """Return the synsets above one, itself among them, the nearest first, with the number of steps to each."""
        distances, waiting = {synset: 0}, [synset]
        for current in waiting:
            for parent in self.above[current]:
                if parent not in distances:
                    distances[parent] = distances[current] + 1
                    waiting.append(parent)
        return distances


def _read_rows(path: Path) -> Iterable[str]:
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}; install wordnet-base")
    return (line for line in path.read_text("utf-8").splitlines() if not line.startswith("  "))


def read_english() -> set[str]:
    """Return the lemmas of all kinds of words, in lower case."""
    kinds = ("noun", "verb", "adj", "adv")
    return {line.split()[0].replace("_", " ") for kind in kinds for line in _read_rows(WORDNET / f"index.{kind}")}


def read_exceptions() -> dict[str, str]:
    """Return the nouns whose plural no rule tells, with their singulars."""
    rows = (line.split() for line in _read_rows(WORDNET / "noun.exc"))
    return {row[0].replace("_", " "): row[1].replace("_", " ") for row in rows}


def read_classes() -> list[int]:
    """Return the synset of each of the 1,000 classes, as timm has them."""
    spec = find_spec("timm")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("timm is not installed")
    path = Path(spec.origin).parent / "data" / "_info" / "imagenet_synsets.txt"
    return [int(synset[1:]) for synset in path.read_text("ascii").split()]


class WordVectors:
    """Static vectors of tokens, and the byte pairs (Sennrich et al., 2016) that make tokens of a text."""

    def __init__(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as files:
            [table] = load(files.read(TABLE)).values()
            model = json.loads(files.read(TOKENS))["model"]
        self._table = table.astype(np.float32)
        self._tokens: dict[str, int] = model["vocab"]
        pairs = (tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in model["merges"])
        self._ranks = {pair: rank for rank, pair in enumerate(pairs)}
        self._split = cache(self._split_word)

    def embed(self, texts: Iterable[str]) -> np.ndarray:
        """Return the mean of the vectors of each text's tokens, as unit vectors, float32 (n, 256)."""
        rows = [self._table[[token for word in text.split() for token in self._split(word)]].mean(0) for text in texts]
        means = np.array(rows)
        return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)

    def _split_word(self, word: str) -> list[int]:
        parts = list(f"▁{word}")
        while len(parts) > 1:
            ranks = [self._ranks.get(pair, len(self._ranks)) for pair in pairwise(parts)]
            place = int(np.argmin(ranks))
            if ranks[place] == len(self._ranks):
                break
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        tokens = []
        for part in parts:
            tokens += [self._tokens[part]] if part in self._tokens else _spell(part, self._tokens)
        return tokens


def _spell(part: str, tokens: dict[str, int]) -> list[int]:
    return [tokens[f"<0x{byte:02X}>"] for byte in part.encode()]


def read_emoji(archive: Path, language: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the name of each emoji in a language, and the words that describe it. `archive`: the npm package."""
    entries = _read_archive(archive)[f"package/annotations/{language}/annotations.json"]["annotations"]["annotations"]
    return (
        {emoji: entry["tts"][0].strip() for emoji, entry in entries.items() if entry.get("tts")},
        {emoji: [word.strip() for word in entry.get("default", ())] for emoji, entry in entries.items()},
    )


@cache
def _read_archive(archive: Path) -> dict[str, Any]:
    with tarfile.open(archive) as files:
        members = [member for member in files if member.name.endswith("annotations.json")]
        return {member.name: json.load(files.extractfile(member)) for member in members}  # type: ignore[arg-type]
