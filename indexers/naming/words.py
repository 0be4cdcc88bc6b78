"""What a cluster of pictures is called: by what its members say of themselves, or by words near its centre."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple
from unicodedata import category, name, normalize
from urllib.parse import unquote

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.errors import BadVector
from indexers.types import Vectors
from indexers.vectors.base import check_vectors

MEMBERS_PER_MENTION, MARGIN = 5, 0.05
"""A word names a cluster if one member in SAID_BY says it (at least two do), by MARGIN more than elsewhere."""
SIBLING_DISCOUNT, MIN_SHARE_OF_BEST, MAX_WORD_COSINE = 0.5, 0.85, 0.85
"""What siblings take off, what further words must score beside the first, the cosine of near copies: `by_vectors`."""

_LISTS = {
    "noise": """jpg jpeg jpe png gif webp avif heic tif tiff bmp svg pdf zip img imgp mg dsc dscn dscf pxl mvimg mvi
        gopr dji dcim vid wa mp fb whatsapp copy kopie image images photo photos picture pictures pic pics bild foto""",
    "folders": """pictures images photos fotos bilder my_pictures camera camera_roll dcim downloads download desktop
        schreibtisch bureau escritorio documents dokumente home users user root tmp temp var mnt media data uploads""",
    "stop": """a about after all also an and are as at be before being but by can for from had has have he her here his
        how i if in into is it its just me my no not of off on or our out over she so some that the their them then
        there they this through to too under up very was we were what when where which while who will with you your www
        http https com true false none null aber als am auch auf aus bei bis das dem den der des die du durch ein eine
        einem einen einer es für ich im ist mit nach nicht oder ohne sich sie sind um und uns vom von vor wie wir zu zum
        zur au aux avec ce ces cette dans de elle en est et il ils je la le les mais mes ne ou par pas pour que qui
        sans ses sur un une al como con del donde el entre era esta este las lo los más para pero por sin sus y""",
    "mass": """art bread butter cheese chess clothing coffee fire fog food fruit golf graffiti grass hair hay ice
        juice meat milk music paper pasta photography rain rice sand smoke snow soup sport tea text water wine wood""",
    "counted": "building ceiling clearing drawing king meeting painting ring seedling spring swing wedding wing",
}
_NOISE, _FOLDERS, _STOP, _MASS, _COUNTED = (frozenset(words.split()) for words in _LISTS.values())
_PLURALS = """men man women woman children child people person mice mouse geese goose feet foot teeth tooth leaves leaf
    wolves wolf knives knife shoes shoe toes toe buses bus lens lens gas gas canvas canvas christmas christmas"""
_SINGULAR = dict(zip(_PLURALS.split()[::2], _PLURALS.split()[1::2], strict=True))
_PLURAL = re.compile("(?<=ch|sh|ss|to|ro)es$|(?<=x)es$|(?<=[^sui'])s$")
_REST = re.compile(r"\s(?:an?|the|of|in|on|at|with|from|over|under|through|to|by|behind|out|for|after)\s.*")
_FOLDER = re.compile(rf"(?i:{'|'.join(_FOLDERS).replace('_', ' ')})|\d{{3}}[A-Z0-9_]{{5}}")  # such as 100CANON
_WEB = re.compile(r"https?://[^/?#]*/*([^?#]*).*", re.I | re.DOTALL)
_OWNER = re.compile(r"^(?:/+(?:mnt/[a-z]/+)?|/*[a-z]:/+)(?:home|users)/+[^/]*(?=/)", re.I)
_SUFFIX = re.compile(r"\.[a-z][a-z0-9]{0,3}$", re.I)
# A UUID, or six or more hexadecimal digits, mixed: `face2024` and `2024face` may be words beside a year.
_HEX = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[0-9a-f]{6})(?:[0-9]+[a-f]+[0-9]|[a-f]+[0-9]+[a-f])[0-9a-f]*"
_NAMELESS = re.compile(rf"(?<![^\W_])(?:{_HEX})(?![^\W_])|whatsapp image|(?<=\d) at (?=\d)|(?<=\d)\s?[ap]m\b", re.I)
_CODE = re.compile(r"(?<![^\W_])(?=[A-F]*[0-9])[0-9A-F]{4,}(?![^\W_])")  # such as 1F9CF and FE0F, of Unicode
_SMALL, _LARGE = ("".join(filter(kind, map(chr, range(0x600)))) for kind in (str.islower, str.isupper))
_HUMP = re.compile(f"(?<=[{_SMALL}])(?=[{_LARGE}])|(?<=[{_LARGE}])(?=[{_LARGE}][{_SMALL}])")


@cache
def load_vocabulary() -> tuple[str, ...]:
    """English words and short phrases for what pictures show, sorted; from `vocabulary.txt` beside this file."""
    lines = files("indexers.naming").joinpath("vocabulary.txt").read_text("utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


def extract_file_words(uri: str) -> list[str]:
    """The words in the names of a file and of its last two folders, from left to right, lower case, each once.

    Left out is what says nothing: digits, single letters (not single Chinese characters), suffixes, names that cameras
    give, hexadecimal ids, usual folders (`Pictures`), the owner of `/home/...` or `/Users/...`. Any text will do.
    """
    *folders, file = _split_path(uri) or [""]
    telling = [one for one in folders[-2:] if not _FOLDER.fullmatch(one)]
    bare = [_CODE.sub(" ", _NAMELESS.sub(" ", step)) for step in [*telling, _SUFFIX.sub("", file)]]
    return [word for word in dict.fromkeys(_split_words(_HUMP.sub(" ", " ".join(bare)))) if word not in _NOISE]


def _split_path(uri: str) -> list[str]:
    """Folders and the file; what lies in an archive (`zip://inner.png::/outer.zip`) comes after the archive."""
    web = _WEB.fullmatch(uri)
    links = [web[1]] if web else [link.split("://", 1)[-1] for link in reversed(uri.split("::"))]
    path = normalize("NFKC", unquote("/".join(links))).replace("\\", "/")
    return [step for step in _OWNER.sub("", path).split("/") if step]


@cache
def _clean_letter(letter: str) -> str:
    """Letters and marks (such as vowels in Hindi) stay, what can't be seen goes, all else parts words."""
    kind = category(letter)
    return letter if kind[0] in "LM" else "" if kind == "Cf" else " "


def _split_words(text: str) -> list[str]:
    """Its words in lower case, without single letters: a single Chinese character is a word."""
    found = "".join(map(_clean_letter, text)).lower().split()
    return [one for one in found if len(one) > 1 or name(one, "").startswith(("CJK UNIFIED", "HANGUL SYLLABLE"))]


class _Counts(NamedTuple):
    """How many members of how many clusters say a word (`forms`), or its plural too (`roots`; `spoken`: their sum)."""

    clusters: int
    members: int
    total: int
    roots: Counter[str]
    forms: Counter[str]


def name_by_words(
    said: Mapping[int, Sequence[str]], parents: Mapping[int, int | None], words: int = 3
) -> dict[int, str]:
    """Names from what members say: at most so many words, the most telling first, as in "dog, beach".

    `said`: of each cluster one string per member (it may be empty). `parents`: the cluster that each lies in, or None.
    By class-based TF-IDF (Grootendorst, 2022, "BERTopic"): a cluster is one document, compared with its siblings or, if
    there are none, with all clusters but those inside and around it. A word scores (share of members that say it here
    - elsewhere) * log(1 + words in a mean cluster / members that say it anywhere); see SAID_BY for which are used. If
    none is, there is no name; if all are its parent's, the last one gives way to the next best.
    """
    heard = {one: _count_words(said[one]) for one in sorted(said)}
    above = {one: _find_ancestors(one, parents) for one in heard}
    ranked = _rank_all(heard, above)
    picked: dict[int, dict[str, str]] = {}
    for one in sorted(heard, key=lambda one: (len(above[one]), one)):
        picked[one] = _pick_words(ranked[one], words, picked.get(above[one][0], {}) if above[one] else {})
    return {one: ", ".join(picked[one].values()) for one in heard if picked[one]}


def _count_words(members: Sequence[str]) -> _Counts:
    said = [set(_split_words(normalize("NFKC", text))) - _STOP - _NOISE for text in members]
    roots = Counter(root for one in said for root in {_find_root(word) for word in one})
    return _Counts(1, len(members), roots.total(), roots, Counter(word for one in said for word in one))


@lru_cache(2**17)
def _find_root(word: str) -> str:
    """What singular and plural share, by simple rules."""
    if word in _SINGULAR or len(word) < 4:
        return _SINGULAR.get(word, word)
    one = _PLURAL.sub("", word)
    return one[:-2] + "y" if len(one) > 4 and one.endswith("ie") else one  # cherries, but movies too


def _find_ancestors(one: int, parents: Mapping[int, int | None]) -> list[int]:
    """The clusters around it, the nearest first."""
    found: list[int] = []
    while (up := parents.get(found[-1] if found else one)) is not None and up not in found:  # never in circles
        found.append(up)
    return found


def _rank_all(heard: Mapping[int, _Counts], above: Mapping[int, list[int]]) -> dict[int, dict[str, str]]:
    families: dict[tuple[int, ...], list[int]] = {}
    below: dict[int, list[int]] = {one: [] for one in heard}
    for one in heard:
        families.setdefault(tuple(above[one][:1]), []).append(one)
        for up in heard.keys() & above[one]:
            below[up].append(one)
    everything = _sum_counts(heard.values())
    ranked = {}
    for family in families.values():
        whole = _sum_counts([heard[one] for one in family]) if len(family) > 1 else everything
        for one in family:
            line = [] if len(family) > 1 else below[one] + [up for up in above[one] if up in heard]
            ranked[one] = _rank_words(heard[one], whole, [heard[two] for two in {one, *line}])
    return ranked


def _sum_counts(heard: Collection[_Counts]) -> _Counts:
    roots = Counter[str]()
    for one in heard:
        roots.update(one.roots)
    return _Counts(len(heard), sum(one.members for one in heard), roots.total(), roots, Counter())


def _rank_words(here: _Counts, whole: _Counts, own: list[_Counts]) -> dict[str, str]:
    """Roots of the words that set it apart from the `whole` without its `own`, best first, and their usual forms."""
    members = max(1, whole.members - sum(one.members for one in own))
    mean = (whole.total - sum(one.total for one in own) + here.total) / (whole.clusters - len(own) + 1)
    scores: dict[str, float] = {}
    for root, count in here.roots.items():
        if count >= max(2, here.members / MEMBERS_PER_MENTION):
            elsewhere = whole.roots[root] - sum(one.roots[root] for one in own)
            more = count / here.members - elsewhere / members
            if more >= MARGIN:
                scores[root] = more * np.log1p(mean / (count + elsewhere))
    forms = sorted((-count, form) for form, count in here.forms.items() if _find_root(form) in scores)
    shown = {_find_root(form): form for _, form in reversed(forms)}
    return {root: shown[root] for root in sorted(scores, key=lambda root: (-scores[root], shown[root]))}


def _pick_words(ranked: Mapping[str, str], words: int, around: Mapping[str, str]) -> dict[str, str]:
    """The best that don't repeat each other, by root."""
    apart: list[str] = []
    for root, form in ranked.items():
        repeated = any(root in one or one in root or form in ranked[one] or ranked[one] in form for one in apart)
        if not repeated and len(apart) <= words:
            apart.append(root)
    if around and set(apart[:words]) == set(around) and len(apart) > words:
        del apart[words - 1]
    return {root: ranked[root] for root in apart[:words]}


def name_by_vectors(
    centres: Vectors, siblings_mean: Vectors, words: Sequence[str], vectors: Vectors, count: int = 2
) -> list[str]:
    """Names from a space of pictures and words: of each of n clusters the words that set it apart, "" if none does.

    `centres` float32 (n, d): means of clusters; `siblings_mean` (n, d): of their siblings, zeros where there are none;
    `vectors` (m, d): of `words`. Raises BadVector if they don't fit, aren't finite, or if a word has only zeros.
    A word stands out by its cosine to the centre less the mean of that over all words: pictures and words lie apart in
    such spaces (the modality gap; Liang et al., 2022), so that a cosine says little by itself. It scores by how much it
    stands out for the cluster, less SHARED of how much it does for the siblings. At most `count` of the best make the
    name: each further one scores SECOND of the first at least, and is no NEAR_COPY of those before.
    """
    if len(vectors) != len(words) or len(centres) != len(siblings_mean):
        got = f"{len(words)} words with {len(vectors)} vectors, {len(centres)} centres with {len(siblings_mean)} means"
        raise BadVector(f"got {got}; give one vector for each word, and one mean of siblings for each centre")
    if not len(words) or not len(centres):
        return [""] * len(centres)
    texts = scale_to_unit(check_vectors(vectors))
    scores = (_normalise(centres, texts) - SIBLING_DISCOUNT * _normalise(siblings_mean, texts)) @ (
        texts - texts.mean(axis=0)
    ).T
    return [_join_best_words(row, words, texts, count) for row in np.round(scores, 6)]  # the rest is rounding


def _normalise(pictures: Vectors, texts: Vectors) -> Vectors:
    lengths = np.linalg.norm(check_vectors(pictures, texts.shape[1], "ip"), axis=1, keepdims=True)
    return np.asarray(pictures / np.where(lengths, lengths, 1), np.float32)  # zeros stay


def _join_best_words(scores: Vectors, words: Sequence[str], texts: Vectors, count: int) -> str:
    good = np.flatnonzero((scores >= MIN_SHARE_OF_BEST * scores.max()) & (scores > 0)).tolist()
    picked: list[int] = []
    for one in sorted(good, key=lambda one: (-scores[one], words[one])):
        if len(picked) < count and (texts[picked] @ texts[one] < MAX_WORD_COSINE).all():
            picked.append(one)
    return ", ".join(words[one] for one in picked)


def make_prompts(words: Iterable[str]) -> list[str]:
    """One sentence to embed for each word: "a photo of an apple", "a photo of dogs", "a photo of snow"."""
    return [f"a photo of {_choose_article(word)}{word}" for word in words]


def _choose_article(phrase: str) -> str:
    """An article or nothing, by the noun that a phrase is about: `cup` of "cup of coffee"."""
    first, *_, noun = (_REST.sub("", phrase).split() or [""]) * 2
    doing = noun.endswith("ing") and noun not in _COUNTED and first not in ("person", "dog")
    many = noun[-1:] == "s" or noun in _SINGULAR
    if doing or noun in _MASS or first in ("a", "an", "the", "two") or (many and _find_root(noun) != noun):
        return ""
    return "an " if re.match("(?!uni|ukul|use|euro|one)[aeiou]|hour|x-", phrase) else "a "
