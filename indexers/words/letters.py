"""One form for the letters that readers take for the same: composed and decomposed, large and small, with accents and
without, full and half width.

There are two steps, since stemmers read accents: `fold_case` is applied to a text before it is split, `fold_accents` to
each word after it was stemmed. Both look at one character at a time; the tables learn a character when it first comes.
"""

from __future__ import annotations

import re
from unicodedata import category, combining, decimal, decomposition, lookup, name, normalize

JOINER = "\u200d"
"""Joins emoji to one picture, and letters of some scripts to one shape."""
_TAGS = range(0xE0020, 0xE0080)  # letters of the flags of regions, such as Scotland's
_SYMBOLS = (
    (0x2190, 0x21FF),
    (0x2300, 0x23FF),
    (0x25A0, 0x27BF),
    (0x2900, 0x297F),
    (0x2B00, 0x2BFF),
    (0x3030, 0x3030),
    (0x303D, 0x303D),
    (0x1F000, 0x1FAFF),
)
"""Arrows, technical and geometric signs, dingbats, emoji."""
SYMBOL = "".join(f"{chr(low)}-{chr(high)}" for low, high in _SYMBOLS)
"""For a class of a regular expression."""
_IS_SYMBOL = re.compile(f"[{SYMBOL}]")
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_SPELLED_APART = ("<super>", "<sub>", "<circle>", "<square>", "<fraction>")
"""What stands for letters or digits of its own: a footnote's number is no part of the word."""
_DROPPED = "\u0640\u20e3\u034f\u30fb" + "".join(map(chr, range(0xFE00, 0xFE10)))
"""The stroke that stretches Arabic words, the key around a digit, marks of how an emoji is drawn, the dot within names
that Japanese writes in katakana."""
_SEPARATE = "\u02bb\u02bc\u2122\u2120"
"""Apostrophes that Unicode has as letters, and the signs of trade marks."""

_LONE = dict(zip("æœþðıĸŋəǝȷ", ("ae", "oe", "th", "d", "i", "k", "n", "e", "e", "j"), strict=True))
_ALIKE = dict(zip("ةىیےکھہךםןףץ", "هيييكههכמנפצ", strict=True)) | {"ۀ": "ه", "ە": "ه"}
"""Letters that Arabic, Persian, Urdu and Hebrew write in several forms, by place or habit."""
_ACCENTS = (*range(1, 2), 7, *range(10, 37), *range(202, 241))
"""Unicode's combining classes of accents in European scripts, of vowel signs in Hebrew and Arabic, and of the dot below
letters in Indian scripts. Vowels of Indian, tones of Thai and voicing marks of Japanese have others, and stay."""


class _CaseTable(dict[int, str]):
    """What each character, by code point, becomes before a text is split."""

    def __missing__(self, code: int) -> str:
        self[code] = text = _fold_character(chr(code))
        return text


class _AccentTable(dict[int, str]):
    """What each character of a decomposed word becomes after it was stemmed."""

    def __missing__(self, code: int) -> str:
        self[code] = text = _drop_accent(chr(code))
        return text


_case_table, _accent_table = _CaseTable(), _AccentTable()


def fold_case(text: str) -> str:
    """Return a text in small, composed letters (NFC) and plain digits, with blanks for all that is no word.

    Letters, digits, marks and symbols (emoji among them) stay, with the joiners between them. Any text is taken.
    """
    return normalize("NFC", text.translate(_case_table))


def fold_accents(word: str) -> str:
    """Return a word of `fold_case` without accents: é is e, ø is o, ё is е, ł is l."""
    if word.isascii():
        return word
    return normalize("NFC", normalize("NFD", word).translate(_accent_table))


def _fold_character(letter: str) -> str:
    kind, code = category(letter), ord(letter)
    if letter in _DROPPED or code in _SKIN_TONES:
        return ""
    if letter == JOINER or code in _TAGS or _IS_SYMBOL.match(letter):
        return _spell_out(letter) if decomposition(letter).startswith("<") else letter
    if kind == "Cf":  # what can't be seen: soft hyphens, marks of direction, breaks that are allowed
        return ""
    if letter in _SEPARATE:
        return " "
    if decomposition(letter).startswith(_SPELLED_APART) or (kind == "So" and decomposition(letter)):
        return _spell_out(letter)
    if kind == "Nd":
        return str(decimal(letter))
    # also letters that this Python does not know yet
    return _fold_letter(letter) if kind[0] in "LMN" or kind in ("Cn", "Co") else " "


def _spell_out(letter: str) -> str:
    """Return the letters or digits that a sign stands for, apart from what is beside it."""
    return " " + "".join(_case_table[ord(part)] for part in normalize("NFKD", letter)) + " "


def _fold_letter(letter: str) -> str:
    plain = normalize("NFKD", letter)
    if plain != letter and not plain[0].isspace():
        return "".join(_case_table[ord(part)] for part in plain)
    small = letter.casefold()
    code = ord(small[0])
    if 0x30A1 <= code <= 0x30F6 or code in (0x30FD, 0x30FE):
        return chr(code - 0x60)  # katakana as hiragana
    return "i" if small == "i\u0307" else small


def _drop_accent(letter: str) -> str:
    if combining(letter) in _ACCENTS:
        return ""
    if letter in _LONE or letter in _ALIKE:
        return _LONE.get(letter) or _ALIKE[letter]
    script, _, with_mark = name(letter, "").partition(" WITH ")
    if with_mark and script.startswith(("LATIN SMALL LETTER ", "CYRILLIC SMALL LETTER ")):
        try:
            return _drop_accent(lookup(script))
        except KeyError:
            return letter
    return letter
