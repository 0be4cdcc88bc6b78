"""Which words name a cluster of pictures: those that tell its members from others, or those near its centre."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple
from unicodedata import category, name, normalize

import numpy as np

from indexers.arrays import scale_to_unit
from indexers.errors import BadVector
from indexers.types import Vectors
from indexers.vectors.base import check_vectors
from indexers.words.languages import IRREGULAR
from indexers.words.paths import split_humps, split_path, strip_suffix

MEMBERS_PER_MENTION, MIN_EXCESS = 5, 0.05
"""A word can name a cluster if one in so many of its members mentions it, at least two do, and the share of members
that mention it is larger than elsewhere by MIN_EXCESS."""
SHARE_WITHOUT_OTHERS = 0.5
"""The share of members that have to mention a word where there are no others to compare with."""
SIBLING_DISCOUNT, MIN_SHARE_OF_BEST, MAX_WORD_COSINE = 0.5, 0.85, 0.85
"""See `name_by_vectors`."""

_LISTS = {
    "noise": """jpg jpeg jpe png gif webp avif heic tif tiff bmp svg pdf zip img imgp mg dsc dscn dscf pxl mvimg mvi
        gopr dji dcim vid wa mp fb whatsapp copy kopie image images photo photos picture pictures pic pics bild foto
        edit edited bearbeitet pano burst received msdcf""",
    "folders": """pictures picture images image photos photo fotos foto bilder bild my camera roll dcim downloads
        download desktop schreibtisch bureau escritorio documents dokumente home users user root tmp temp var mnt media
        data upload uploads instantupload google takeout icloud dropbox onedrive nextcloud backup backups export exports
        import imports raw original originals master masters library photoslibrary lightroom new neuer folder ordner
        untitled misc sdcard phone iphone ipad android from of the archive sync images img imgs all""",
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
_PLURAL = re.compile("(?<=ch|sh|ss|to|ro)es$|(?<=x)es$|(?<=[^sui'])s$")
_REST = re.compile(r"\s(?:an?|the|of|in|on|at|with|from|over|under|through|to|by|behind|out|for|after)\s.*")
_FOLDER = re.compile(r"\d{3}[A-Z0-9_]{5}")  # such as 100CANON, in the standard for cameras (DCF)
# A UUID, or six or more hexadecimal digits, mixed: `face2024` and `2024face` may be words beside a year.
_HEX = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[0-9a-f]{6})(?:[0-9]+[a-f]+[0-9]|[a-f]+[0-9]+[a-f])[0-9a-f]*"
_NAMELESS = re.compile(rf"(?<![^\W_])(?:{_HEX})(?![^\W_])|whatsapp image|(?<=\d) at (?=\d)|(?<=\d)\s?[ap]m\b", re.I)
_CODE = re.compile(r"(?<![^\W_])(?=[A-F]*[0-9])[0-9A-F]{4,}(?![^\W_])")  # such as 1F9CF and FE0F, of Unicode


@cache
def load_vocabulary() -> tuple[str, ...]:
    """Return English words and short phrases for what pictures show, sorted; from `vocabulary.txt` beside this file."""
    lines = files("indexers.naming").joinpath("vocabulary.txt").read_text("utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


def extract_file_words(uri: str, folders: int = 2) -> list[str]:
    """Return the words in the names of a file and its last folders, from left to right, lower case, each once.

    Left out is what tells nothing: digits, single letters (not single Chinese characters), suffixes, names that cameras
    give, hexadecimal ids, usual folders (`Pictures`), the owner of `/home/...` or `/Users/...`. `uri` may be any text.
    """
    *parents, file = split_path(uri) or [""]
    names = [folder for folder in parents[-folders:] if not _is_usual_folder(folder)]
    names = [_CODE.sub(" ", _NAMELESS.sub(" ", text)) for text in [*names, strip_suffix(file)]]
    return [word for word in dict.fromkeys(split_words(split_humps(" ".join(names)))) if word not in _NOISE]


@lru_cache(2**12)
def _is_usual_folder(name: str) -> bool:
    """Return True for a folder that a camera made, or whose name has usual words alone: `Camera Uploads`."""
    return bool(_FOLDER.fullmatch(name.upper())) or all(word in _FOLDERS for word in split_words(split_humps(name)))


@cache
def _clean_letter(letter: str) -> str:
    """Keep letters and marks (such as vowels in Hindi), drop what can't be seen, replace all else by a space."""
    kind = category(letter)
    return letter if kind[0] in "LM" else "" if kind == "Cf" else " "


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case, without single letters; a single Chinese character is a word."""
    words = "".join(map(_clean_letter, text)).lower().split()
    return [word for word in words if len(word) > 1 or name(word, "").startswith(("CJK UNIFIED", "HANGUL SYLLABLE"))]


class _Counts(NamedTuple):
    """The number of members in some clusters that mention each word.

    `forms` counts words as they are, `roots` singular and plural as one; `total` is the sum of `roots`.
    """

    clusters: int
    members: int
    total: int
    roots: Counter[str]
    forms: Counter[str]


def name_by_words(
    texts: Mapping[int, Sequence[str]], parents: Mapping[int, int | None], count: int = 3
) -> dict[int, str]:
    """Return names made of at most `count` words from the texts of members, the most telling first: "dog, beach".

    `texts`: for each cluster id one string per member, which may be empty. `parents`: the cluster that each lies in, or
    None.

    The words are chosen by class-based TF-IDF (Grootendorst, 2022, "BERTopic"): a cluster is one document, compared
    with its siblings or, if it has none, with all clusters but those inside and around it. A word scores (share of
    members that mention it in the cluster - elsewhere) * log(1 + words in a mean cluster / members that mention it
    anywhere); see MEMBERS_PER_MENTION for the words that can be chosen. A cluster without such a word gets no name. If
    all words are those of its parent's name, the last one gives way to the next best.
    """
    counts = {cluster_id: _count_words(texts[cluster_id]) for cluster_id in sorted(texts)}
    ancestors = {cluster_id: _find_ancestors(cluster_id, parents) for cluster_id in counts}
    ranked = _rank_all(counts, ancestors)
    names: dict[int, dict[str, str]] = {}
    for cluster_id in sorted(counts, key=lambda cluster_id: (len(ancestors[cluster_id]), cluster_id)):
        parent_name = names.get(ancestors[cluster_id][0], {}) if ancestors[cluster_id] else {}
        names[cluster_id] = _pick_words(ranked[cluster_id], count, parent_name)
    return {cluster_id: ", ".join(names[cluster_id].values()) for cluster_id in counts if names[cluster_id]}


def _count_words(texts: Sequence[str]) -> _Counts:
    """Count the words in the texts of one cluster, each once a text."""
    word_sets = [set(split_words(normalize("NFKC", text))) - _STOP - _NOISE for text in texts]
    roots = Counter(root for words in word_sets for root in {_find_root(word) for word in words})
    forms = Counter(word for words in word_sets for word in words)
    return _Counts(1, len(texts), roots.total(), roots, forms)


@lru_cache(2**17)
def _find_root(word: str) -> str:
    """Return what singular and plural share, by simple rules."""
    if word in IRREGULAR or len(word) < 4:
        return IRREGULAR.get(word, word)
    root = _PLURAL.sub("", word)
    return root[:-2] + "y" if len(root) > 4 and root.endswith("ie") else root  # cherries, but movies too


def _find_ancestors(cluster_id: int, parents: Mapping[int, int | None]) -> list[int]:
    """Return the clusters around a cluster, the nearest first."""
    ancestors: list[int] = []
    while (parent := parents.get(ancestors[-1] if ancestors else cluster_id)) is not None:
        if parent in ancestors:  # parents may go in circles
            break
        ancestors.append(parent)
    return ancestors


def _rank_all(counts: Mapping[int, _Counts], ancestors: Mapping[int, list[int]]) -> dict[int, dict[str, str]]:
    """Return for each cluster the words that set it apart, by `_rank_words`."""
    siblings: dict[tuple[int, ...], list[int]] = {}
    descendants: dict[int, list[int]] = {cluster_id: [] for cluster_id in counts}
    for cluster_id in counts:
        siblings.setdefault(tuple(ancestors[cluster_id][:1]), []).append(cluster_id)
        for ancestor in counts.keys() & ancestors[cluster_id]:
            descendants[ancestor].append(cluster_id)
    all_counts = _sum_counts(counts.values())
    ranked = {}
    for cluster_ids in siblings.values():
        is_only_child = len(cluster_ids) == 1
        whole = all_counts if is_only_child else _sum_counts([counts[cluster_id] for cluster_id in cluster_ids])
        for cluster_id in cluster_ids:
            excluded = {cluster_id}
            if is_only_child:
                excluded |= {*descendants[cluster_id], *(counts.keys() & ancestors[cluster_id])}
            ranked[cluster_id] = _rank_words(counts[cluster_id], whole, [counts[own] for own in excluded])
    return ranked


def _sum_counts(counts: Collection[_Counts]) -> _Counts:
    """Return the sum; its `forms` are left empty, since nothing reads them."""
    roots = Counter[str]()
    for cluster in counts:
        roots.update(cluster.roots)
    return _Counts(len(counts), sum(cluster.members for cluster in counts), roots.total(), roots, Counter())


def _rank_words(cluster: _Counts, whole: _Counts, excluded: list[_Counts]) -> dict[str, str]:
    """Return the roots of the words that set the cluster apart from `whole` less `excluded`, best first.

    Each root comes with its most common form. The cluster itself is among the excluded.
    """
    others = whole.members - sum(counts.members for counts in excluded)
    members, share = max(1, others), 1 / MEMBERS_PER_MENTION if others else SHARE_WITHOUT_OTHERS
    total = whole.total - sum(counts.total for counts in excluded) + cluster.total
    mean = total / (whole.clusters - len(excluded) + 1)
    scores: dict[str, float] = {}
    for root, count in cluster.roots.items():
        if count >= max(2, cluster.members * share):
            elsewhere = whole.roots[root] - sum(counts.roots[root] for counts in excluded)
            excess = count / cluster.members - elsewhere / members
            if excess >= MIN_EXCESS:
                scores[root] = excess * np.log1p(mean / (count + elsewhere))
    forms = sorted((-count, form) for form, count in cluster.forms.items() if _find_root(form) in scores)
    usual = {_find_root(form): form for _, form in reversed(forms)}
    return {root: usual[root] for root in sorted(scores, key=lambda root: (-scores[root], usual[root]))}


def _pick_words(ranked: Mapping[str, str], count: int, parent_name: Mapping[str, str]) -> dict[str, str]:
    """Return the best words that don't repeat each other, by root; not just the words of the parent's name."""
    roots: list[str] = []
    for root, form in ranked.items():
        is_repeated = any(
            root in better or better in root or form in ranked[better] or ranked[better] in form for better in roots
        )
        if not is_repeated and len(roots) <= count:
            roots.append(root)
    if parent_name and set(roots[:count]) == set(parent_name) and len(roots) > count:
        del roots[count - 1]
    return {root: ranked[root] for root in roots[:count]}


def name_by_vectors(
    centres: Vectors, sibling_means: Vectors, words: Sequence[str], word_vectors: Vectors, count: int = 2
) -> list[str]:
    """Return for each of n clusters a name of at most `count` words near its centre, in a space of pictures and words.

    - `centres`: float32 (n, d), the means of the clusters;
    - `sibling_means`: float32 (n, d), the means of their siblings' centres, zeros where there are none;
    - `word_vectors`: float32 (m, d), of the `words`.

    A word stands out by its cosine to the centre less the mean of the cosines of all words: pictures and words lie
    apart in such spaces (the modality gap; Liang et al., 2022), so that a cosine by itself tells little. It scores by
    how much it stands out for the cluster, less SIBLING_DISCOUNT times how much it does for the siblings. The best word
    names the cluster, and further ones with at least MIN_SHARE_OF_BEST of its score, unless their cosine to a better
    one is MAX_WORD_COSINE or more. Without a word of positive score the name is "".

    Raises BadVector if arrays don't fit, numbers aren't finite, or a word's vector is zero.
    """
    if len(word_vectors) != len(words) or len(centres) != len(sibling_means):
        lengths = f"{len(words)} words with {len(word_vectors)} vectors, "
        lengths += f"{len(centres)} centres with {len(sibling_means)} means"
        raise BadVector(f"got {lengths}; give one vector for each word, and one mean of siblings for each centre")
    if not len(words) or not len(centres):
        return [""] * len(centres)
    units = scale_to_unit(check_vectors(word_vectors))
    directions = _scale_rows(centres, units) - SIBLING_DISCOUNT * _scale_rows(sibling_means, units)
    scores = directions @ (units - units.mean(axis=0)).T
    return [_join_best_words(row, words, units, count) for row in np.round(scores, 6)]  # the rest is rounding


def _scale_rows(means: Vectors, units: Vectors) -> Vectors:
    """Scale rows to unit length, but keep rows of zeros. Raises BadVector if they don't fit the words' vectors."""
    lengths = np.linalg.norm(check_vectors(means, units.shape[1], "ip"), axis=1, keepdims=True)
    return np.asarray(means / np.where(lengths, lengths, 1), np.float32)


def _join_best_words(scores: Vectors, words: Sequence[str], units: Vectors, count: int) -> str:
    good = np.flatnonzero((scores >= MIN_SHARE_OF_BEST * scores.max()) & (scores > 0)).tolist()
    best: list[int] = []
    for index in sorted(good, key=lambda index: (-scores[index], words[index])):
        if len(best) < count and (units[best] @ units[index] < MAX_WORD_COSINE).all():
            best.append(index)
    return ", ".join(words[index] for index in best)


def make_prompts(words: Iterable[str]) -> list[str]:
    """Return a sentence to embed for each word: "a photo of an apple", "a photo of dogs", "a photo of snow"."""
    return [f"a photo of {_choose_article(word)}{word}" for word in words]


def _choose_article(phrase: str) -> str:
    """Return an article or nothing, by the noun that a phrase is about: `cup` in "cup of coffee"."""
    first, *_, noun = (_REST.sub("", phrase).split() or [""]) * 2
    is_activity = noun.endswith("ing") and noun not in _COUNTED and first not in ("person", "dog")
    may_be_plural = noun[-1:] == "s" or noun in IRREGULAR
    is_plural = may_be_plural and _find_root(noun) != noun
    if is_activity or noun in _MASS or first in ("a", "an", "the", "two") or is_plural:
        return ""
    return "an " if re.match("(?!uni|ukul|use|euro|one)[aeiou]|hour|x-", phrase) else "a "
