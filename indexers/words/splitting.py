"""A text as words.

Most scripts put blanks between words. Chinese, Japanese, Thai, Lao, Khmer and Burmese don't, and Korean writes
particles onto them: of these, each two neighbouring letters are a word of the index, so that whatever is looked for is
found wherever it stands (overlapping bigrams; Nie and Ren, 1999, compare them with dictionaries). A letter comes with
its marks. Each emoji is a word, of however many code points.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from unicodedata import category

from indexers.words.letters import JOINER, SYMBOL, fold_case

MAX_LETTERS = 100
"""Longer words are cut off: they are keys and data, and databases limit the length of a word."""
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1100, 0x11FF),  # Korean letters
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3031, 0x3035),
    (0x3041, 0x312F),  # Japanese syllables, Chinese ones
    (0x3131, 0x318E),
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Chinese characters
    (0x4E00, 0x9FFF),
    (0xA000, 0xA4CF),  # Yi
    (0xA960, 0xA97F),
    (0xA980, 0xA9FF),  # Javanese, Burmese
    (0xAA60, 0xAADF),
    (0xAC00, 0xD7FF),  # Korean syllables
    (0xF900, 0xFAFF),
    (0x16FE0, 0x18CFF),
    (0x1AFF0, 0x1B2FF),
    (0x20000, 0x3FFFF),
)
_LETTER = "".join(f"{chr(low)}-{chr(high)}" for low, high in _UNSPACED)
_MARK = "".join(
    chr(code) for low, high in _UNSPACED if high < 0x3100 for code in range(low, high) if category(chr(code))[0] == "M"
)
_STACKERS = "\u17d2\u1039\u1a60\u1b44\ua9c0"
"""Marks after which a letter is written below the one before."""
_UNIT = f"[{_LETTER}][{_MARK}]*(?:(?<=[{_STACKERS}])[{_LETTER}][{_MARK}]*)*"
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
_EMOJI = f"(?:{_FLAG}|[{SYMBOL}][\U000e0020-\U000e007f]*)"
_WORD = re.compile(f"(?P<emoji>{_EMOJI}(?:{JOINER}{_EMOJI})*)|(?P<run>[{_LETTER}]+)|(?P<word>[^ {_LETTER}{SYMBOL}]+)")
_units = re.compile(_UNIT)
_INVISIBLE = re.compile(f"[{JOINER}\U000e0020-\U000e007f]")
_PLAIN = re.compile("[a-z0-9]+")
_LONG_VOWEL = re.compile("(?<=[ぁ-ゖー]{3})ー(?![ぁ-ゖー])")
"""The stroke at the end of loan words in Japanese, which some write and some don't."""


class Word(NamedTuple):
    """A word of a text. `is_part`: it is two neighbouring letters, or the last letter, of a script without blanks."""

    text: str
    is_part: bool = False
    ends_run: bool = False


def split_text(text: str) -> Iterator[Word]:
    """Yield the words of any text, in order."""
    if text.isascii():
        for match in _PLAIN.finditer(text.lower()):
            yield Word(match[0][:MAX_LETTERS])
        return
    for match in _WORD.finditer(_LONG_VOWEL.sub("", fold_case(text))):
        if match.lastgroup == "run":
            yield from _split_run(match[0])
        elif match.lastgroup == "emoji":
            yield Word(match[0])
        elif word := _INVISIBLE.sub("", match[0][:MAX_LETTERS]):
            yield Word(word)


def _split_run(run: str) -> Iterator[Word]:
    """Yield each two neighbouring letters and the last letter alone, by which a single letter is found: all words that
    hold it begin with it."""
    before = ""
    for unit in _units.finditer(run):
        if before:
            yield Word(before + unit[0], is_part=True)
        before = unit[0]
    yield Word(before, is_part=True, ends_run=True)
