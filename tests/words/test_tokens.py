"""What the index holds of texts, and what it is asked: the same for the same words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexers.words.splitting import split_text
from indexers.words.tokens import Wanted, build_document, list_forms

LANGUAGES = ("de", "fr", "nl")


def find(query: str, text: str) -> bool:
    """Look for the words of a query, one after the other, in the tokens of a text, as an index does."""
    document = build_document([text], [])
    tokens = document.body.split()
    for wanted in list_forms(list(split_text(query)), sorted(document.languages)):
        for place in range(len(tokens) - len(wanted.tokens) + 1):
            part = tokens[place : place + len(wanted.tokens)]
            last_fits = part[-1].startswith(wanted.tokens[-1]) if wanted.is_prefix else part[-1] == wanted.tokens[-1]
            if part[:-1] == list(wanted.tokens[:-1]) and last_fits:
                return True
    return False


def test_stems_are_marked_with_the_language_of_their_text() -> None:
    document = build_document(["Die Kinder mit dem Ball am Strand", "boats of the lake", "Kinder", "2019 \u732b"], [])
    words = "die@de kind@de mit@de dem@de ball@de am@de strand@de boat of the lake kind@de 2019 \u732b"
    assert document.body.split() == words.split()
    assert document.languages == {"de"}


def test_paths_are_apart_from_texts() -> None:
    document = build_document(["boats"], ["/x/Boats.jpg"])
    assert document[:2] == ("boat", "x boat")


def test_texts_that_are_said_twice_count_once() -> None:
    assert build_document(["a boat", "a boat"], []).body == "a boat"


@pytest.mark.parametrize(
    ("query", "text", "is_found"),
    [
        ("boat", "two boats", True),
        ("hunde", "der Hund im Schnee", True),
        ("mujer", "tres mujeres bailan en la plaza", True),
        ("dağ", "karlı dağların arasında bir göl", True),
        ("yağmur", "bir yağmurlu günde sokak", True),
        ("церковь", "купола церкви на холме", True),
        ("церкви", "белая церковь на холме", True),
        ("зима", "долгая зимняя ночь", True),
        ("кот", "два стола", False),
        ("mars", "un mar azul y una playa con mucho sol", False),
        ("猫", "一只猫在", True),
        ("沙发", "在沙发上", True),
        ("沙上", "在沙发上", False),
        ("iPhone手", "我的iPhone手机", True),
        ("的iPhone", "我的iPhone手机", True),
        ("コンピューター", "コンピュータの", True),
        ("コンピュータ", "コンピューターの", True),
        ("서울", "서울의 야경", True),
        ("แมว", "แมวนอน", True),
        ("नमस्ते", "नमस्ते दुनिया", True),
        ("👍", "👍🏽", True),
        ("🇫🇷", "🇩🇪🇫🇷", True),
        ("🇪🇫", "🇩🇪🇫🇷", False),
    ],
)
def test_what_a_reader_finds_is_found(query: str, text: str, is_found: bool) -> None:
    assert find(query, text) == is_found


def test_languages_that_share_a_stem_are_one_range() -> None:
    words = list(split_text("hunde"))
    assert list_forms(words, LANGUAGES)[:2] == [Wanted(("hund@",), True), Wanted(("hund",))]
    assert list_forms(words, ["de"])[:2] == [Wanted(("hund",)), Wanted(("hund@de",))]
    assert list_forms(list(split_text("\u6c99\u53d1")), LANGUAGES) == [Wanted(("\u6c99\u53d1",))]


@given(st.text(max_size=40), st.text(max_size=8), st.text(max_size=40))
def test_a_word_between_blanks_is_found_whatever_it_is(before: str, word: str, after: str) -> None:
    if list(split_text(word)):
        assert find(word, f"{before} {word} {after}")
