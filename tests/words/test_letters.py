"""Letters that readers take for the same have one form, whatever they are written with."""

from __future__ import annotations

import unicodedata

import pytest

from indexers.words.letters import fold_accents, fold_case


def fold(text: str) -> str:
    return " ".join(map(fold_accents, fold_case(text).split()))


@pytest.mark.parametrize(
    ("forms", "folded"),
    [
        ("Zürich ZÜRICH zürich zu\u0308rich Zurich", "zurich"),
        ("Straße STRASSE strasse straſse", "strasse"),
        ("Tromsø TROMSØ Tromso", "tromso"),
        ("Łódź ŁÓDŹ lodz", "lodz"),
        ("ёлка ЕЛКА е\u0308лка", "елка"),
        ("Ĳmuiden IJmuiden ijmuiden", "ijmuiden"),
        ("İstanbul ISTANBUL istanbul ıstanbul I\u0307stanbul", "istanbul"),
        ("Đà đa DA", "da"),
        ("Ægir ægir aegir", "aegir"),
        ("Œuvre œuvre oeuvre", "oeuvre"),
        ("Ὀδυσσεύς ΟΔΥΣΣΕΎΣ οδυσσευσ", "οδυσσευσ"),
        ("Қазақ казак", "казак"),
        ("ｶﾞｷﾞ ガギ がぎ か\u3099き\u3099", "がぎ"),
        ("ＡＢＣ１ abc1 𝐀𝐛𝐜𝟏", "abc1"),
        ("서울 \u1109\u1165\u110b\u116e\u11af", "서울"),
        ("٢٠١٩ २०१९ 2019 ๒๐๑๙", "2019"),
        ("أحمد احمد أَحْمَد ا\u0654حمد", "احمد"),
        ("کتاب كتاب كــتاب", "كتاب"),
        ("फ़ोटो फोटो", "फोटो"),
        ("soft\u00adly softly so\u200bftly", "softly"),
        ("ﬁne fine", "fine"),
    ],
)
def test_forms_of_a_word_are_one(forms: str, folded: str | None) -> None:
    found = {fold(form) for form in forms.split()}
    assert folded is None or found == {folded}


@pytest.mark.parametrize(("a", "b"), [("が", "か"), ("ไม้", "ไม"), ("की", "कि"), ("ab", "ba"), ("ö", "u")])
def test_other_words_stay_apart(a: str, b: str) -> None:
    assert fold(a) != fold(b)


def test_hebrew_is_read_without_vowel_signs() -> None:
    assert fold("שָׁלוֹם") == fold("שלום") == "שלומ"


def test_signs_stand_apart_from_words() -> None:
    assert fold("Word™ x² note① 5㎏ 20℃ ½ m\u2019y don't") == "word x 2 note 1 5 kg 20 c 1 2 m y don t"


def test_nothing_is_too_odd() -> None:
    every = "".join(map(chr, (*range(0x3400), *range(0xD700, 0x20000), *range(0xE0000, 0xE0200))))
    folded = fold_case(every)
    assert "\0" not in folded
    assert not any(unicodedata.category(letter) in ("Cs", "Cc") for letter in folded)
