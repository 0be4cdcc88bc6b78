"""What an index of words stores of the texts of an item, and what it is asked.

A token is a word's stem; in Latin letters with the language of its text, unless that is English: `hund@de`. So a word
that is looked for is stemmed by the rules of each language, and its stem is found in texts of that language alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import NamedTuple

from indexers.words.languages import ENGLISH, MAX_SEEN, find_language, has_stems, list_variants, stem_word
from indexers.words.paths import describe_path
from indexers.words.splitting import Word, split_text

MARK = "@"
"""Between a stem and its language. No word holds it."""
CHUNK = 50_000


class Document(NamedTuple):
    """The tokens of an item, separated by blanks, in the order of its texts: of what is said of it, of the names of its
    files, and of the text in its picture. `languages`: those that tokens are marked with."""

    body: str
    path: str
    seen: str
    languages: frozenset[str]

    @property
    def columns(self) -> tuple[str, str, str]:
        """What the index holds."""
        return self.body, self.path, self.seen


def build_document(texts: Iterable[str], uris: Iterable[str], seen: str = "") -> Document:
    """Return the tokens of an item with these texts and files, and with the text `seen` in its picture.

    Each text is in a language of its own. One that does not tell it, such as a keyword, is in that of the others.
    """
    body, main, marks = _tokenize_texts(texts)
    names = chain.from_iterable(split_text(describe_path(uri)) for uri in uris)
    path = _join(build_token(word, main) for word in names)
    seen_tokens, _, seen_marks = _tokenize_texts([seen] if seen else [])
    return Document(body, path, seen_tokens, marks | seen_marks)


def _tokenize_texts(texts: Iterable[str]) -> tuple[str, str, frozenset[str]]:
    """Return the tokens of texts, the language of most of them, and the languages that tokens are marked with."""
    heads = [(list(islice(words, MAX_SEEN)), words) for words in map(split_text, dict.fromkeys(texts))]
    main = find_language(word.text for head, _ in heads for word in head) or ENGLISH
    languages = [find_language(word.text for word in head) if len(heads) > 1 else main for head, _ in heads]
    tokens = (
        build_token(word, language or main)
        for (head, rest), language in zip(heads, languages, strict=True)
        for word in chain(head, rest)
    )
    marks = frozenset(language for language in {main, *languages} if language and language != ENGLISH)
    return _join(tokens), main, marks


def build_token(word: Word, language: str) -> str:
    """Return what the index holds for a word of a text in that language."""
    return word.text if word.is_part else _mark_stem(word.text, language)


@lru_cache(2**17)
def _mark_stem(word: str, language: str) -> str:
    stem = stem_word(word, language)
    return f"{stem}{MARK}{language}" if language != ENGLISH and has_stems(word) else stem


def _join(tokens: Iterator[str]) -> str:
    """Join tokens by blanks, some at a time: a text of 10 MB has millions."""
    return " ".join(iter(lambda: " ".join(islice(tokens, CHUNK)), ""))


class Wanted(NamedTuple):
    """Tokens that stand one after the other. `is_prefix`: the last one may go on."""

    tokens: tuple[str, ...]
    is_prefix: bool = False


def list_forms(words: Sequence[Word], languages: Sequence[str]) -> list[Wanted]:
    """Return what the index may hold of words that stand one after the other, in texts of English and these languages.

    The last letter of a script without blanks may be anywhere in a word: by itself it is the beginning of tokens, after
    another letter it is in the token of both.
    """
    *before, last = words
    is_letter = last.ends_run
    if is_letter and before and before[-1].is_part and not before[-1].ends_run:
        words, is_letter = before, False
    forms: dict[tuple[str, ...], list[str]] = {}
    for language in dict.fromkeys((ENGLISH, *languages)):
        tokens = tuple(build_token(word, language) for word in words)
        forms.setdefault(tuple(token.partition(MARK)[0] for token in tokens), []).append(language)
    wanted: dict[Wanted, None] = {}
    for stems, shared in forms.items():
        marked = [language for language in shared if language != ENGLISH]
        if len(words) == 1 and len(marked) > 1 and has_stems(words[0].text):  # one range of the index for all of them
            wanted[Wanted((f"{stems[0]}{MARK}",), is_prefix=True)] = None
            shared = [language for language in shared if language == ENGLISH]
        for language in shared:
            wanted[Wanted(tuple(build_token(word, language) for word in words), is_letter)] = None
    if len(words) == 1 and not words[0].is_part:
        wanted |= dict.fromkeys(_list_variants(words[0].text, [*languages]))
    return list(wanted)


def _list_variants(word: str, languages: Sequence[str]) -> list[Wanted]:
    """Return what else the index may hold of a word: other stems of it."""
    if not has_stems(word):
        return [Wanted((variant,)) for variant in sorted(list_variants(word, ENGLISH))]
    by_variant: dict[str, list[str]] = {}
    for language in languages:
        for variant in list_variants(word, language) if language != ENGLISH else ():
            by_variant.setdefault(variant, []).append(language)
    return [
        Wanted((f"{variant}{MARK}",), is_prefix=True) if len(marked) > 1 else Wanted((f"{variant}{MARK}{marked[0]}",))
        for variant, marked in sorted(by_variant.items())
    ]
