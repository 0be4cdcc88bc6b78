"""What words mean, as shares of the 1,000 classes of ImageNet: for classifiers that know classes and no words.

This is ConSE (Norouzi et al., ICLR 2014) from the other end: there, a picture becomes a mixture of the names of
classes; here, a word becomes a mixture of classes. `class_words.bin` holds these mixtures for words of many languages,
each ready to look up: a head that says where they come from, an empty line, and the rest, which zlib has compressed:

- a line for each group of classes, by their numbers: "151-268"; groups are numbered from 1,000 on;
- an empty line;
- a line for each mixture: classes and groups, each with its weight, a tab, and the words that mean it, tabs between.

A word stands as `fold_words` writes it. One with a language before it ("fr:chat") counts in texts of that language, and
takes the place of the same letters in English; "de~lowen" is the stem of words in such a language. Without a mixture
are the English words that name nothing of the kind, so that no other language is tried for them.
`python -m tests.bench.class_words` writes the file.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

import numpy as np

from indexers.errors import WeightsUnavailable
from indexers.types import Vectors
from indexers.words.languages import ENGLISH, IRREGULAR, find_language, load_function_words, stem_word
from indexers.words.letters import fold_accents, fold_case

FILE = "class_words.bin"
SHA256 = "65489402eb9dbddafb9f3d649772fcedc14c0d890acb3d9e7487c823148d0456"
CLASSES = 1000
MAX_WORDS = 4
"""The most words in a row that are looked up as one: "polar bear"."""
MIN_STEM = 4
"""The fewest letters of a stem that may be a word of any other language than that of the text."""
MAX_LETTERS = 2000
"""The rest of a longer text is not read."""
_LISTS = {
    "stemmed": "en de fr es it pt nl sv da no fi pl cs hu ro tr ca id lt et ru uk bg sr el hi ar fa he",
    "pictures": """photo photos photograph photographs picture pictures pic pics image images snapshot drawing drawings
        painting illustration icon foto fotos bild bilder zeichnung aufnahme dessin imagen imagenes dibujo immagine
        immagini imagem afbeelding tekening kuva obraz zdjecie rysunek фото картинка рисунок изображение 写真 照片 图片
        图像 圖片 사진""",
}
STEMMED, PICTURE_WORDS = (tuple(words.split()) for words in _LISTS.values())
"""Languages whose stems are tried, in this order, and words for what pictures are: these count only where nothing else
in a text is known."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known about a text.

    mixture: the share of each class, float32 (1000,); zeros if nothing is known. known, unknown: its words, in order,
    without articles, prepositions and the like; those that are unknown as they are written in the text.
    """

    mixture: Vectors
    known: tuple[str, ...]
    unknown: tuple[str, ...]


def read_words(text: str) -> Reading:
    """Return what is known about a text of any language: the mean of what its known words mean."""
    lexicon, tokens = load_lexicon(), fold_words(text[:MAX_LETTERS]).split()
    accented = fold_case(text[:MAX_LETTERS]).split()  # accents tell languages apart
    is_telling = len(accented) > 1 or not all(map(str.isascii, accented))  # alone, a bag is no Danish preposition
    language = (is_telling and find_language(accented)) or ENGLISH
    known: dict[str, Vectors] = {}
    unknown: dict[str, None] = {}
    for words, mixture in _find_all(lexicon, tokens, language):
        if mixture is None:
            unknown[words] = None
        else:
            known[words] = mixture
    if known.keys() - {*PICTURE_WORDS}:
        known = {words: mixture for words, mixture in known.items() if words not in PICTURE_WORDS}
    spelled = {folded: word for word in reversed(text[:MAX_LETTERS].split()) for folded in fold_words(word).split()}
    mixture = np.mean([*known.values()], axis=0) if known else np.zeros(CLASSES, np.float32)
    return Reading(mixture, tuple(known), tuple(spelled[word] for word in unknown if word not in PICTURE_WORDS))


def fold_words(text: str) -> str:
    """Return a text in small letters without accents and signs, a blank between words."""
    return " ".join(map(fold_accents, fold_case(text).split()))


def _find_all(lexicon: Lexicon, tokens: list[str], language: str) -> Iterator[tuple[str, Vectors | None]]:
    """Yield the words of a text, as many together as mean something, with their mixture, or None if none is known."""
    ignored = load_function_words()[ENGLISH][0] | load_function_words().get(language, (frozenset(),))[0]
    start = 0
    while start < len(tokens):
        for end in range(min(start + MAX_WORDS, len(tokens)), start, -1):
            words = " ".join(tokens[start:end])
            if end == start + 1 and words in ignored:
                break
            if (mixture := lexicon.find(words, language)) is not None:
                yield words, mixture
                break
        else:
            end = start + 1
            token = tokens[start]
            parts = [] if _has_blanks(token) else list(_find_in_run(lexicon, token))
            yield from parts
            if not parts and not any(token in words for words, _ in load_function_words().values()):
                yield token, None
        start = end


def _find_in_run(lexicon: Lexicon, run: str) -> Iterator[tuple[str, Vectors]]:
    """Yield the longest known words, from left to right, of a text without blanks, or with particles written on."""
    start = 0
    while start < len(run):
        for end in range(min(start + 12, len(run)), start, -1):
            if (mixture := lexicon.get(run[start:end])) is not None:
                yield run[start:end], mixture
                break
        else:
            end = start + 1
        start = end


def _has_blanks(word: str) -> bool:
    """Return True for a word of a script that puts blanks between words, and nothing onto them."""
    return all(letter < "\u0e00" or "\u1e00" <= letter < "\u2000" for letter in word)


class Lexicon:
    """The words of the file, and the mixture that each means."""

    def __init__(self, body: str) -> None:
        groups, _, mixtures = body.partition("\n\n")
        self._groups = [_parse_group(line) for line in groups.splitlines()]
        self._mixtures: list[str] = []
        self._places: dict[str, int] = {}
        for place, line in enumerate(mixtures.splitlines()):
            mixture, *words = line.split("\t")
            self._mixtures.append(mixture)
            self._places.update(dict.fromkeys(words, place))

    def __len__(self) -> int:
        return len(self._places)

    def find(self, words: str, language: str) -> Vectors | None:
        """Return the mixture of words or, if there is none, of their singular or stem; None if nothing is known."""
        if language != ENGLISH and (mixture := self.get(f"{language}:{words}")) is not None:
            return mixture
        if words in self._places and not self._mixtures[self._places[words]]:
            return None  # an English word for what can't be seen: in no other language either
        *before, last = words.split(" ")
        for form in list_forms(last):
            if (mixture := self.get(" ".join([*before, form]))) is not None:
                return mixture
        stems = [] if before else [(code, stem_word(words, code)) for code in dict.fromkeys((language, *STEMMED))]
        names = [name for code, stem in stems for name in (f"{code}:{stem}", f"{code}~{stem}")]
        names += [stem for code, stem in stems if len(stem) >= MIN_STEM or code == language != ENGLISH]
        return next((mixture for name in names if (mixture := self.get(name)) is not None), None)

    def get(self, word: str) -> Vectors | None:
        """Return the mixture of a word as it stands in the file."""
        place = self._places.get(word)
        if place is None or not self._mixtures[place]:
            return None
        mixture = np.zeros(CLASSES, np.float32)
        numbers = self._mixtures[place].split()
        for name, weight in zip(map(int, numbers[::2]), map(int, numbers[1::2]), strict=True):
            members = [name] if name < CLASSES else self._groups[name - CLASSES]
            mixture[members] += weight / len(members)
        mixture /= mixture.sum()
        return mixture


def _parse_group(line: str) -> list[int]:
    bounds = [[int(number) for number in part.split("-")] for part in line.split()]
    return [number for each in bounds for number in range(each[0], each[-1] + 1)]


def suggest(word: str) -> str | None:
    """Return a known word that differs from another one in one letter, or in the order of two; None without any."""
    lexicon, letters = load_lexicon(), "abcdefghijklmnopqrstuvwxyz"
    word = fold_words(word)
    if not MIN_STEM <= len(word) <= 30 or not word.isascii():
        return None
    pairs = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    near = [left + right[1] + right[0] + right[2:] for left, right in pairs if len(right) > 1]
    near += [left + right[1:] for left, right in pairs if right]
    near += [left + letter + right[1:] for left, right in pairs if right for letter in letters]
    near += [left + letter + right for left, right in pairs for letter in letters]
    return next((other for other in near if lexicon.get(other) is not None), None)


def list_forms(word: str) -> Iterator[str]:
    """Yield a word, and what may be its singular in English."""
    yield word
    if word in IRREGULAR:
        yield IRREGULAR[word]
    if len(word) > 3 and word.endswith("s"):
        yield word[:-1]
        if word.endswith("es"):
            yield word[:-2]
        if word.endswith("ies"):
            yield word[:-3] + "y"
        if word.endswith("ves"):
            yield from (word[:-3] + "f", word[:-3] + "fe")


@cache
def load_lexicon() -> Lexicon:
    """Return the words of the file. Raises WeightsUnavailable if its content is not what it should be."""
    path = files("indexers.embedders") / FILE
    content = path.read_bytes()
    if sha256(content).hexdigest() != SHA256:
        raise WeightsUnavailable(
            f"{path} is damaged, so that words can't be searched for; install it again: "
            "pip install --force-reinstall --no-deps nearkin"
        )
    return Lexicon(zlib.decompress(content.partition(b"\n\n")[2]).decode())
