"""The language of a text, and the stems of its words."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from indexers.words.languages import find_language, has_stems, load_function_words, stem_word


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("a dog on the beach", "en"),
        ("zwei hunde spielen im schnee", "de"),
        ("een hond op het strand", "nl"),
        ("un chien dans la neige", "fr"),
        ("dos perros en la playa", "es"),
        ("dois cães na praia", "pt"),
        ("due cani nella neve", "it"),
        ("två hundar i snön", "sv"),
        ("kaksi koiraa ja kissa", "fi"),
        ("dwa psy na plaży", "pl"),
        ("karda iki köpek", "tr"),
        ("hai con chó trên bãi biển", "vi"),
        ("köpekler sahilde koşuyor", "tr"),
        ("łódź", "pl"),
        ("dogs", None),
        ("tromsø harbour", None),
        ("x y z", None),
        ("vista de la playa", None),
        ("", None),
    ],
)
def test_function_words_tell_the_language(text: str, language: str | None) -> None:
    assert find_language(text.split()) == language


@pytest.mark.parametrize(
    ("language", "forms", "stem"),
    [
        ("en", "boat boats", "boat"),
        ("en", "child children", "child"),
        ("es", "luz luces", "luz"),
        ("fr", "vélo vélos", "velo"),
        ("de", "haus häuser hause", "haus"),
        ("de", "münchen muenchen", "munch"),
        ("fr", "cheval chevaux", "cheval"),
        ("es", "perro perros", "perr"),
        ("en", "собака собаки собаку", "собак"),
        ("de", "كلب الكلب والكلب", "كلب"),
        ("de", "حصان الحصان والحصان", "حص"),
        ("en", "resume résumé", "resum"),
        ("en", "כלב הכלב בכלב", "כלב"),
        ("en", "कुत्ता कुत्ते", "कुत्त"),
        ("vi", "boats", "boats"),
        ("xx", "boats", "boats"),
        ("en", "2019", "2019"),
        ("en", "👍", "👍"),
    ],
)
def test_forms_of_a_word_have_one_stem(language: str, forms: str, stem: str) -> None:
    assert {stem_word(form, language) for form in forms.split()} == {stem}


def test_english_rules_are_for_english_alone() -> None:
    assert stem_word("mars", "en") == "mar"
    assert stem_word("mars", "es") == "mars"


def test_only_latin_letters_have_stems_by_language() -> None:
    assert has_stems("été")
    assert not any(map(has_stems, ("собака", "2019", "猫", "👍")))


def test_stems_are_the_same_in_all_threads() -> None:
    words = [
        f"{start}{end}" for start in ("boat", "nation", "run", "happ") for end in ("s", "al", "ning", "iness")
    ] * 50
    alone = [stem_word(word, "en") for word in words]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda word: stem_word(word, "en"), words)) == alone


def test_languages_have_function_words() -> None:
    for code, (words, letters) in load_function_words().items():
        assert len(code) == 2
        assert len(words) >= 20
        assert all(len(letter) == 1 and not letter.isascii() for letter in letters)
