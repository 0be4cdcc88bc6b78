"""Which language a text is in, and the stems of its words.

A language is told by its function words (the, der, les), which every sentence has; a text without any, such as a list
of keywords, is taken for English. Other scripts than the Latin one tell the language by themselves, as far as stems are
concerned. Stems are those of Snowball (Porter, 2001).
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from importlib.resources import files
from itertools import chain

from indexers.words.letters import fold_accents

ENGLISH = "en"
MIN_EVIDENCE = 0.3
"""A function word counts 1 in the one language that has it, 1/3 in each of three; a letter half as much."""
MAX_SEEN = 2000
"""Words of a text that are looked at to tell its language."""
_PLURALS = """men man women woman children child people person mice mouse geese goose feet foot teeth tooth leaves leaf
    wolves wolf knives knife shoes shoe toes toe buses bus lens lens gas gas canvas canvas christmas christmas"""
IRREGULAR = dict(zip(_PLURALS.split()[::2], _PLURALS.split()[1::2], strict=True))
"""English plurals that no rule tells, and words that look like plurals, with their singulars."""
_RESPELLED = {"es": (re.compile("(?<=..)ces$"), "z"), "fr": (re.compile("(?<=..)os$"), "o")}
"""Plurals that Snowball's rules for Spanish and French leave apart from their singulars."""
_STEMMERS = {
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "sv": "swedish",
    "tr": "turkish",
}
"""Languages in Latin letters; those that are missing here (Vietnamese, Croatian ...) keep their words as they are."""
_SCRIPTS = (
    ("russian", "Ѐ-ԯ"),
    ("greek", "Ͱ-Ͽἀ-῿"),
    ("hindi", "ऀ-ॿ"),
    ("tamil", "஀-௿"),
    ("armenian", "԰-֏"),
)
"""Stemmers by the letter that a word begins with."""
_SCRIPT = re.compile("|".join(f"([{letters}])" for _, letters in _SCRIPTS))
_ARABIC, _HEBREW = re.compile("[؀-ۿݐ-ݿ]"), re.compile("[֐-׿]")
_LATIN = re.compile("[a-zÀ-ɏḀ-ỿ]")
_ARTICLE = re.compile("^(?:[وفبك]?ال|لل)(?=..)")
_ENDINGS = tuple(re.compile(f"(?<=..){ending}$") for ending in ("ها", "ان", "ات", "ون", "ين", "يه", "ه", "ي"))
"""The article of an Arabic word with what is written onto it (and, so, with, like, for), and its endings: the light
stemmer of Larkey and others (2002), which leaves an `and` that may belong to the word."""
_PREFIX = re.compile("^[הובלמשכ]+(?=.{3})")
"""And, the, in, to, from, that, like: written onto Hebrew words. Three letters stay; what is left is the same with such
letters and without them, also where they belong to the word."""


_FLEETING, _MEETING = re.compile("(..)[ое]([бвгджзклмнпрстфхцчшщ])$"), re.compile("..[бвгджзклмнпрстфхцчшщ]{2}$")
"""The vowel that Russian words lose in some of their forms (церковь, церкви), and where it may have been."""
MIN_VARIANT = 3

Evidence = tuple[tuple[str, float], ...]


@cache
def load_function_words() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Return by the code of each language the words and the accented letters that tell it, as `fold_case` has them."""
    lines = files("indexers.words").joinpath("function_words.txt").read_text("utf-8").splitlines()
    rows = [line.split(":") for line in lines if not line.startswith("#")]
    return {
        code: (frozenset(map(fold_accents, words.split())), frozenset(letters.split())) for code, letters, words in rows
    }


@cache
def _load_weights() -> tuple[dict[str, Evidence], dict[str, Evidence]]:
    """Return for each function word, and for each letter, its languages, each with its share in it."""
    by_sign: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    for code, kinds in load_function_words().items():
        for signs, codes in zip(kinds, by_sign, strict=True):
            for sign in signs:
                codes.setdefault(sign, []).append(code)
    words, letters = by_sign
    return (
        {sign: tuple((code, 1 / len(codes)) for code in codes) for sign, codes in words.items()},
        {sign: tuple((code, 0.5 / len(codes)) for code in codes) for sign, codes in letters.items()},
    )


def find_language(words: Iterable[str]) -> str | None:
    """Return the code of the language that these words of a text are in; None if too little tells.

    Of languages that are as likely, it is the first in the list of function words. Words of one letter only add to what
    longer words and accented letters tell.
    """
    by_word, by_letter = _load_weights()
    scores, single = dict.fromkeys(load_function_words(), 0.0), Counter[str]()
    for word in words:
        if word.isascii():
            signs = by_word.get(word, ())
            if len(word) == 1:
                single[word] += 1
                continue
        else:
            letters = (by_letter.get(letter, ()) for letter in set(word))
            signs = tuple(chain(by_word.get(fold_accents(word), ()), *letters)) if _LATIN.match(word) else ()
        for code, weight in signs:
            scores[code] += weight
    if max(scores.values()) < MIN_EVIDENCE:
        return None
    for letter, count in single.items():
        for code, weight in by_word.get(letter, ()):
            scores[code] += count * weight
    return max(scores, key=lambda code: round(scores[code], 6))


def has_stems(word: str) -> bool:
    """Return True if the form of a word in the index depends on the language of its text."""
    return _LATIN.match(word) is not None


def stem_word(word: str, language: str) -> str:
    """Return the stem of a word of `fold_case`, without accents. `language` counts for Latin letters alone."""
    if _LATIN.match(word):
        name = _STEMMERS.get(language)
        if language == ENGLISH:  # its accents are those of names and foreign words, which some leave out
            word = IRREGULAR.get(word) or fold_accents(word)
        elif language in _RESPELLED:
            ending, respelled = _RESPELLED[language]
            word = ending.sub(respelled, word)
        return fold_accents(_load_stemmer(name)(word) if name else word)
    match = _SCRIPT.match(word)
    if match is not None and match.lastindex is not None:
        return fold_accents(_load_stemmer(_SCRIPTS[match.lastindex - 1][0])(word))
    folded = fold_accents(word)
    if _ARABIC.match(folded):
        return _strip_arabic(folded)
    return _PREFIX.sub("", folded) if _HEBREW.match(folded) else folded


def list_variants(word: str, language: str) -> set[str]:
    """Return more stems under which the index may hold a word of `fold_case` that is looked for: texts have forms of it
    that Snowball's rules lead elsewhere."""
    stem = stem_word(word, language)
    variants = {fold_accents(word)}  # "mujeres" becomes "mujer", and that "muj"
    if language == "tr":
        soft = re.sub("ğ$", "k", word)  # of "dağların" Snowball takes "dak"
        variants |= {fold_accents(soft), stem + "li", stem + "lu"}  # with mountains, rain ...: an adjective
    if "а" <= stem[0] <= "я":
        variants |= {stem + "н", stem.removesuffix("н"), _FLEETING.sub(r"\1\2", stem)}
        variants |= {stem[:-1] + vowel + stem[-1] for vowel in "ое" if _MEETING.search(stem)}
    return {variant for variant in variants if len(variant) >= MIN_VARIANT} - {stem}


def _strip_arabic(word: str) -> str:
    word = _ARTICLE.sub("", word)
    for ending in _ENDINGS:
        word = ending.sub("", word)
    return word


@cache
def _load_stemmer(name: str) -> Callable[[str], str]:
    """Return the stemmer in Python: that of libstemmer, which `snowballstemmer.stemmer` takes where it is installed,
    is of another version, so that one machine would not find what another one has stored."""
    stemmer = getattr(import_module(f"snowballstemmer.{name}_stemmer"), f"{name.title()}Stemmer")()
    lock = threading.Lock()  # it keeps the word that it is at

    def stem(word: str) -> str:
        with lock:
            return str(stemmer.stemWord(word)) or word

    return stem
