"""A text of any language as words: what stands between blanks, pairs of letters, emoji."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from indexers.words.splitting import MAX_LETTERS, split_text


def split(text: str) -> list[str]:
    return [word.text for word in split_text(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A red-blue boat, 3.14!", "a red blue boat 3 14"),
        ("snake_case l'eau", "snake case l eau"),
        ("猫", "猫"),
        ("沙发上", "沙发 发上 上"),
        ("我的iPhone手机", "我的 的 iphone 手机 机"),
        ("東京タワー", "東京 京た たわ わー ー"),
        ("サーバー サーバ", "さー ーば ば さー ーば ば"),
        ("서울의 야경", "서울 울의 의 야경 경"),
        ("แมวนอน", "แม มว วน นอ อน น"),
        ("ກ້ອນຫີນ", "ກ້ອ ອນ ນຫີ ຫີນ ນ"),
        ("ខ្មែរ", "ខ្មែរ រ"),
        ("မြန်မာ", "မြန် န်မာ မာ"),
        ("北京。上海", "北京 京 上海 海"),
        ("😀😀 I ❤️ NY", "😀 😀 i ❤ ny"),
        ("👩‍🚀👍🏽👍", "👩‍🚀 👍 👍"),
        ("🇩🇪🇫🇷", "🇩🇪 🇫🇷"),
        ("🏴󠁧󠁢󠁳󠁣󠁴󠁿🏴", "🏴󠁧󠁢󠁳󠁣󠁴󠁿 🏴"),
        ("cat🐈dog", "cat 🐈 dog"),
        ("1️⃣ ☀ ☀️", "1 ☀ ☀"),
        ("שלום world عالم", "שלום world عالم"),
        ("می\u200cروم ක්\u200dෂ", "میروم ක්ෂ"),
        ("a\0b \ud800c\udfff", "a b c"),
        ("?!… ─── °", ""),
        ("", ""),
    ],
)
def test_texts_are_split(text: str, words: str) -> None:
    assert split(text) == words.split()


def test_parts_and_ends_are_told() -> None:
    assert [(word.is_part, word.ends_run) for word in split_text("沙发 a")] == [
        (True, False),
        (True, True),
        (False, False),
    ]


@pytest.mark.parametrize("unit", ["a", "a b ", "é", "一只猫", "🇩🇪", "👩‍🚀", "ก้", "\u0301", "\u200d", "\0"])
def test_a_long_text_takes_little_time_and_memory(unit: str) -> None:
    text = unit * (300_000 // len(unit.encode()))
    tracemalloc.start()
    start = time.process_time()
    assert all(len(word.text) <= MAX_LETTERS for word in split_text(text))
    assert time.process_time() - start < 5
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
