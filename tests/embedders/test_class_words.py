"""Words as shares of classes: one word, several, other forms and languages, and words that nothing is known about."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from indexers.embedders import class_words
from indexers.embedders.class_words import CLASSES, Lexicon, Reading, fold_words, load_lexicon, read_words, suggest
from indexers.errors import WeightsUnavailable

DOGS, CATS = range(151, 269), range(281, 286)
"""The numbers of the breeds among ImageNet's classes."""


def measure_share(text: str, classes: range) -> float:
    return float(read_words(text).mixture[classes].sum())


LANGUAGES = ["🐶", "Hund", "viele Hunde", "un chien", "perro", "犬の写真", "狗", "собака", "강아지"]


@pytest.mark.parametrize("text", ["dog", "a photo of a dog", "Dogs", "ＤＯＧ", *LANGUAGES])
def test_dogs_in_several_languages_mean_breeds_of_dogs(text: str) -> None:
    assert measure_share(text, DOGS) > 0.75


def test_several_words_count_alike_and_the_rest_is_named() -> None:
    reading = read_words("zxqv cats and dogs")
    assert (reading.known, reading.unknown) == (("cats", "dogs"), ("zxqv",))
    assert reading.mixture[DOGS].sum() == pytest.approx(reading.mixture[CATS].sum(), abs=0.1)
    assert reading.mixture.sum() == pytest.approx(1)


def test_unknown_words_are_told_as_they_are_written() -> None:
    assert read_words("Zxqv-dog \u05e9\u05dc\u05d5\u05dd Vqxz").unknown == (
        "Zxqv-dog",
        "\u05e9\u05dc\u05d5\u05dd",
        "Vqxz",
    )


def test_a_word_alone_is_no_function_word_of_another_language() -> None:
    assert read_words("bag").known == ("bag",)


def test_the_longest_name_is_taken() -> None:
    assert read_words("two polar bears").known == ("polar bears",)
    assert np.argmax(read_words("polar bear").mixture) == 296


@pytest.mark.parametrize("text", ["zxqv", "justice", "happy", "", "the", "%%%", "10", "\ud800", "غغغغ"])
def test_of_what_cannot_be_seen_nothing_is_known(text: str) -> None:
    reading = read_words(text)
    assert not reading.known
    assert not reading.mixture.any()


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("shoes", range(770, 771)),
        ("puppies", DOGS),
        ("something to eat", range(923, 970)),
        ("clothes", range(400, 912)),
    ],
)
def test_words_of_every_day_are_known(text: str, share: range) -> None:
    assert measure_share(text, share) > 0.2


def test_names_of_persons_are_no_words_of_other_languages() -> None:
    assert read_words("santa claus").known == ()


def test_a_word_that_is_misspelt_is_guessed() -> None:
    assert [suggest(word) for word in ("elephnat", "elephantt", "elephaant", "elephent", "zxqv", "猫猫猫猫")] == [
        *["elephant"] * 4,
        None,
        None,
    ]


def test_irregular_plurals_are_known() -> None:
    for plural, singular in (("wolves", "wolf"), ("mice", "mouse"), ("buses", "bus"), ("cherries", "cherry")):
        np.testing.assert_array_equal(read_words(plural).mixture, read_words(singular).mixture)


def test_a_language_decides_between_words_of_the_same_letters() -> None:
    lexicon = Lexicon("1-2\n\n3 50\tchat\n1000 50\tfr:chat\tfr~chatt\n\tnothing\n")
    assert np.flatnonzero(lexicon.find("chat", "en")).tolist() == [3]  # type: ignore[arg-type]
    assert np.flatnonzero(lexicon.find("chat", "fr")).tolist() == [1, 2]  # type: ignore[arg-type]
    assert lexicon.find("nothing", "fr") is None
    assert len(lexicon) == 4
    fishes = range(389, 398)  # in Czech a "balík" is a parcel
    assert measure_share("balık", range(0, 7)) + measure_share("balık", fishes) > 0.4


def test_a_text_of_any_length_is_read_at_once() -> None:
    assert read_words("dog " * 10**6).known == ("dog",)


def test_every_line_of_the_file_can_be_read() -> None:
    lexicon = load_lexicon()
    words = [*lexicon._places][:: len(lexicon) // 3000]
    mixtures = [mixture for word in words if (mixture := lexicon.get(word)) is not None]
    assert len(mixtures) > 1000
    assert all(mixture.shape == (CLASSES,) and abs(mixture.sum() - 1) < 1e-4 for mixture in mixtures)
    assert all(word == fold_words(word) for word in words if ":" not in word and "~" not in word)


def test_a_damaged_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_words, "SHA256", "0" * 64)
    with pytest.raises(WeightsUnavailable, match=r"class_words\.bin is damaged.*install it again"):
        load_lexicon.__wrapped__()


def test_the_file_is_small_and_says_where_it_comes_from() -> None:
    content = Path(class_words.__file__).with_name(class_words.FILE).read_bytes()
    assert len(content) < 3_000_000
    for source in (b"WordNet 3.0, Copyright 2006", b"Unicode CLDR 48", b"wordllama", b"timm"):
        assert source in content.partition(b"\n\n")[0]


def test_nothing_is_read_before_the_first_word() -> None:
    script = (
        "import sys; from indexers.embedders import class_words, lite0; lite0.Lite0()\n"
        "assert not class_words.load_lexicon.cache_info().currsize\n"
        "class_words.read_words('dog')\n"
        "assert not {'timm', 'torch', 'wordllama'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_reading_holds_what_it_says() -> None:
    reading = read_words("dog")
    assert isinstance(reading, Reading)
    assert reading.mixture.dtype == np.float32
