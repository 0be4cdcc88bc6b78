"""Names of clusters: telling words of members, words near a centre, and the words they are taken from."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexers.errors import BadVector
from indexers.naming.words import extract_file_words, load_vocabulary, make_prompts, name_by_vectors, name_by_words

ROOT = Path(__file__).parents[2]
LIST = ROOT / "indexers" / "naming" / "vocabulary.txt"
WORDS = ["boat", "boats", "cat", "cherries", "cherry", "dog", "dogs", "sun", "sunset", "the", "2024", "x", "Größe"]


def many(count: int, text: str) -> list[str]:
    return [text] * count


def test_the_vocabulary_is_a_sorted_list_without_duplicates() -> None:
    lines = [line for line in LIST.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert load_vocabulary() == tuple(lines)
    assert lines == sorted(set(lines))
    assert len(lines) >= 1500
    assert all(line == line.strip().lower() and line for line in lines)
    assert load_vocabulary() is load_vocabulary()


def test_the_vocabulary_knows_what_pictures_show() -> None:
    listed = """dog|sunflower|pizza|beach|fog|bride|skiing|birthday party|umbrella|bicycle|lighthouse|screenshot|receipt
        |watercolour|red car|wood grain|close-up portrait|aerial view|night sky|handwritten note|emoji"""
    assert {word.strip() for word in listed.split("|")} <= set(load_vocabulary())


def test_the_vocabulary_is_in_the_wheel() -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="packing needs hatchling")
    packed = {file.distribution_path for file in wheel.WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {"indexers/naming/vocabulary.txt", "indexers/naming/words.py"} <= packed


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (
            "/home/anna/Pictures/Summer Holiday/beach_2023/IMG_2037_goldenRetriever.JPG",
            "summer holiday beach golden retriever",
        ),
        ("/home/anna/cat.jpg", "cat"),
        ("/Users/Eve Miller/Downloads/red-boat (2).png", "red boat"),
        (r"C:\Users\bob\Desktop\Red Boats.png", "red boats"),
        ("/mnt/c/Users/bob/Zoo/lion.jpg", "zoo lion"),
        ("/albums/home/kitchen.jpg", "albums kitchen"),
        ("/one/two/three/four.jpg", "two three four"),
        ("/cats/cats/black cat, cats.jpg", "cats black cat"),
        ("file:///home/anna/M%C3%BCller%20Hochzeit/DSC_0012.jpg", "müller hochzeit"),
        ("https://example.com/img/two%20dogs.jpeg?width=300#top", "two dogs"),
        ("zip://inner/puppy.png::/path/holiday.zip", "holiday inner puppy"),
        ("s3://bucket/dcim/100CANON/MVIMG_0001.MP.JPG", ""),
        ("/x/My Pictures/Camera Roll/IMG_E1234-edited.JPG", ""),
        ("/Photos Library.photoslibrary/Masters/2019/05/a.heic", ""),
        ("/x/google photos of dogs/1.jpg", "google of dogs"),
        ("/x/100canon/1.jpg", ""),
        ("/x/WhatsApp Image 2024-01-02 at 10.11.12 PM.jpeg", ""),
        ("/x/IMG-20240102-WA0003.jpg", ""),
        ("/x/PXL_20240102_101112.jpg", ""),
        ("/x/Screenshot 2024-01-02 at 10.11.12.png", "screenshot"),
        ("/a/3f2b8c1d-1111-4a5b-9c3d-0123456789ab.jpg", ""),
        ("/deadbeef01ab/a3f9c2d1_fox.png", "fox"),
        ("/x/facade_face2024_decade.jpg", "facade face decade"),
        ("/x/BBQParty.jpg.webp", "bbq party"),
        ("/x/北京/猫.jpg", "北京 猫"),
        ("/x/МореЗакат.jpg", "море закат"),
        ("/हिन्दी/नदी_का_पानी.jpg", "हिन्दी नदी का पानी"),
        ("/x/u\u0308ber.jpg", "über"),
        ("", ""),
        ("/", ""),
    ],
)
def test_a_path_says_words(uri: str, words: str) -> None:
    assert extract_file_words(uri) == words.split()


@given(st.text() | st.text("aF0-9/\\:._% ٣²Ⅷà", max_size=60))
def test_any_text_is_a_path_and_says_no_digits(text: str) -> None:
    for uri in (text, quote(text, errors="replace"), "file://" + text):
        words = extract_file_words(uri)
        assert len(words) == len(set(words))
        assert all(word and not any(letter.isdigit() or letter.isspace() for letter in word) for word in words)


def test_clusters_are_named_by_what_sets_them_apart_from_their_siblings() -> None:
    texts = {
        1: many(6, "a dog at the beach") + many(4, "Dogs in the sand"),
        2: many(5, "a cat on a sofa") + many(5, "cats, sand"),
        3: many(4, "cat boat harbour") + many(2, ""),
    }
    # Of ten members of 1 and sixteen others: dog 10 and 0, beach 6 and 0, sand 4 and 5 (.4 - .31). Sand is 5 of 10
    # in 2 (.25 elsewhere), cat 10 (.25), sofa 5 (0). The mean cluster has 52 / 3 words. So the scores in 2 are for
    # sofa .5 * log(1 + 17.3 / 5) = .75, for cat .75 * log(1 + 17.3 / 14) = .60, for sand .25 * log(1 + 17.3 / 9) = .27.
    # In 3, boat and harbour have .667 * log(1 + 17.3 / 4) = 1.12, and cat .167 * log(1 + 17.3 / 14) = .13.
    assert name_by_words(texts, {1: None, 2: None, 3: None}) == {
        1: "dog, beach, sand",
        2: "sofa, cat, sand",
        3: "boat, harbour, cat",
    }
    assert name_by_words(texts, {}, count=1) == {1: "dog", 2: "sofa", 3: "boat"}


def test_a_cluster_of_which_nothing_distinctive_is_said_has_no_name() -> None:
    texts = {1: many(9, "sea"), 2: [*many(9, "sea"), "fog"], 3: many(3, "the 2024 IMG a"), 4: ["", ""], 5: []}
    assert name_by_words(texts, {}) == {1: "sea", 2: "sea"}  # both say it more than 3 and 4
    assert name_by_words({1: texts[1], 2: texts[2]}, {}) == {1: "sea"}  # all, and nine in ten
    assert name_by_words({1: many(9, "sea"), 2: many(9, "sea")}, {}) == {}
    assert name_by_words({}, {}) == {}


@pytest.mark.parametrize(("members", "name"), [(10, "fox"), (11, None)])
def test_a_word_must_be_said_by_a_fifth_and_by_two(members: int, name: str | None) -> None:
    texts = {1: ["fox", "fox", *many(members - 2, "")], 2: ["owl", ""]}
    assert name_by_words(texts, {}).get(1) == name
    assert 2 not in name_by_words(texts, {})


@pytest.mark.parametrize(("mentions", "name"), [(5, "fox"), (4, None)])
def test_where_there_are_no_others_a_word_must_be_said_by_half(mentions: int, name: str | None) -> None:
    assert name_by_words({1: [*many(mentions, "fox"), *many(10 - mentions, "")]}, {}).get(1) == name


def test_chance_is_no_difference() -> None:
    texts = {1: [*many(52, "sea"), *many(48, "")], 2: [*many(50, "sea"), *many(50, "")]}
    assert name_by_words(texts, {}) == {}
    assert name_by_words({**texts, 1: [*many(60, "sea"), *many(40, "")]}, {}) == {1: "sea"}


def test_a_word_counts_once_a_member_and_with_its_plural() -> None:
    texts = {
        1: ["berry berries berry", "berries", "berries", *many(7, "leaf")],
        2: many(5, "women") + many(2, "woman and women"),
        3: [*many(2, "churches"), *many(3, "church")],
        4: [*many(2, "movie"), *many(3, "movies")],
    }
    # Berry: three members of ten, two forms; the more common one is shown.
    assert name_by_words(texts, {}) == {1: "leaf, berries", 2: "women", 3: "church", 4: "movies"}


def test_words_of_a_name_do_not_repeat_each_other() -> None:
    texts = {1: many(5, "sunset sun sea") + many(4, "sunset"), 2: many(5, "fog")}
    assert name_by_words(texts, {}) == {1: "sunset, sea", 2: "fog"}


def test_equal_words_come_by_alphabet() -> None:
    assert name_by_words({1: many(3, "zebra apple mango kiwi"), 2: many(3, "fog")}, {})[1] == "apple, kiwi, mango"


def test_children_say_what_their_siblings_do_not() -> None:
    texts = {
        1: many(6, "dog beach") + many(6, "dog snow"),
        2: many(6, "cat"),
        10: many(6, "dog beach"),
        11: many(6, "dog snow"),
    }
    assert name_by_words(texts, {1: None, 2: None, 10: 1, 11: 1}) == {
        1: "dog, beach, snow",
        2: "cat",
        10: "beach",
        11: "snow",
    }


def test_an_only_child_adds_a_word_to_the_name_of_its_parent_if_it_has_one() -> None:
    members = many(5, "dog beach sand ball")
    texts = {1: members, 2: members, 3: members, 4: many(5, "cat"), 5: many(5, "cat")}
    # An only child is compared with all that are neither inside nor around it.
    assert name_by_words(texts, {2: 1, 3: 2, 5: 4}, count=2) == {
        1: "ball, beach",
        2: "ball, dog",
        3: "ball, beach",
        4: "cat",
        5: "cat",
    }
    assert name_by_words({1: members}, {}) == {1: "ball, beach, dog"}


def test_parents_that_are_not_given_or_go_in_circles_do_no_harm() -> None:
    texts = {1: many(2, "dog"), 2: many(2, "cat")}
    names = name_by_words(texts, {1: 7, 2: 7})
    assert names == name_by_words(texts, {1: 2, 2: 1}) == name_by_words(texts, {1: 1, 2: 2})


def test_words_of_any_script_name() -> None:
    assert name_by_words({1: many(2, "猫 北京"), 2: many(2, "नदी の水"), 3: many(2, "Der Große HUND")}, {}) == {
        1: "北京, 猫",
        2: "नदी, の水",
        3: "große, hund",
    }


@given(
    st.dictionaries(
        st.integers(1, 6), st.lists(st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join), max_size=8), max_size=5
    ),
    st.dictionaries(st.integers(1, 6), st.none() | st.integers(1, 8)),
    st.integers(1, 3),
)
def test_names_depend_on_no_order_and_are_of_given_clusters(
    texts: dict[int, list[str]], parents: dict[int, int | None], count: int
) -> None:
    names = name_by_words(texts, parents, count)
    reversed_texts = {cluster_id: members[::-1] for cluster_id, members in reversed(texts.items())}
    assert name_by_words(reversed_texts, dict(reversed(parents.items())), count) == names
    assert set(names) <= set(texts)
    for cluster_id, name in names.items():
        parts = name.split(", ")
        assert 1 <= len(parts) <= count
        assert not any(a in b for a in parts for b in parts if a != b)
        assert all(sum(part in text.lower().split() for text in texts[cluster_id]) for part in parts)


@given(st.lists(st.text(), min_size=2, max_size=6))
def test_members_may_say_anything(texts: list[str]) -> None:
    name_by_words({1: texts * 2, 2: texts}, {})


# Speed, one core of the machine it was written on: 200 clusters of 500 members with 8 words each take .75 s (8 words
# drawn of 5,000; roots, in families of ten, or in a tree), and file_words takes 12 microseconds.


X, Y, Z = np.eye(3, dtype=np.float32)
NONE = np.zeros((1, 3), np.float32)


def vectors_named(centre: object, siblings: object = NONE, count: int = 2) -> str:
    words = {"dog": Y, "cat": X, "car": Z, "kitten": 0.9 * X + 0.436 * Z}  # cosine .9 to cat, .436 to car
    [name] = name_by_vectors(
        np.atleast_2d(np.asarray(centre, np.float32)),
        np.atleast_2d(np.asarray(siblings, np.float32)),
        list(words),
        np.stack(list(words.values())).astype(np.float32),
        count,
    )
    return name


def test_a_cluster_is_named_by_the_words_that_stand_out() -> None:
    assert vectors_named(Y) == "dog"
    assert vectors_named(100 * Y) == "dog"
    # Cosines of cat and dog .707, of kitten .636, of car 0; their mean .513: cat and dog .195, kitten .124.
    assert vectors_named(X + Y) == "cat, dog"
    assert vectors_named(X + Y, count=1) == "cat"
    # Cosines .776, .631, .698, 0; the mean .526: dog scores .104, less than .85 of cat's .249; kitten is a near copy.
    assert vectors_named(0.776 * X + 0.631 * Y) == "cat"


def test_what_the_siblings_are_too_counts_half() -> None:
    # Siblings like cats: there cat stands out by 1 - .475, dog by -.475. Cat: .195 - .262 < 0, dog: .195 + .237.
    assert vectors_named(X + Y, X) == "dog"


def test_a_gap_between_pictures_and_words_changes_nothing() -> None:
    words, texts = ["cat", "dog"], np.array([[1, 0, 0, 3], [0, 1, 0, 3]], np.float32)
    centres = np.array([[1, 0, 9, 0], [0, 1, 9, 0]], np.float32)
    assert name_by_vectors(centres, centres[::-1], words, texts) == ["cat", "dog"]


def test_where_no_word_stands_out_there_is_no_name() -> None:
    assert vectors_named([0, 0, 0]) == ""
    assert name_by_vectors(NONE + 1, NONE, [], np.empty((0, 3), np.float32)) == [""]
    assert name_by_vectors(NONE + 1, NONE, ["a", "b"], np.stack([X, X])) == [""]
    assert name_by_vectors(NONE[:0], NONE[:0], ["a"], X[None]) == []


@pytest.mark.parametrize(
    ("centres", "siblings", "words", "texts"),
    [
        (NONE + 1, NONE, ["a", "b"], X[None]),
        (NONE + 1, NONE[:0], ["a"], X[None]),
        (NONE[:, :2], NONE, ["a"], X[None]),
        (NONE * np.nan, NONE, ["a"], X[None]),
        (NONE + 1, NONE, ["a"], NONE),
    ],
)
def test_vectors_that_do_not_fit_are_refused(
    centres: np.ndarray, siblings: np.ndarray, words: list[str], texts: np.ndarray
) -> None:
    with pytest.raises(BadVector):
        name_by_vectors(centres, siblings, words, texts)


PROMPTS = """an apple|a dog|dogs|snow|children|glasses|a bus|a glass of water|a cup of coffee|slices of cake|an x-ray
    |an hour|a university|an umbrella|a unicorn|a close-up portrait|an aerial view|a person walking|milking a cow
    |swimming|a swimming pool|a building|the earth from space|a cookie|cookies|people at a table|a photo with text"""


@pytest.mark.parametrize("phrase", [phrase.strip() for phrase in PROMPTS.split("|")])
def test_prompts_have_sensible_articles(phrase: str) -> None:
    word = phrase.removeprefix("a ").removeprefix("an ")
    assert make_prompts([word, "dog"]) == [f"a photo of {phrase}", "a photo of a dog"]


def test_every_word_of_the_vocabulary_has_a_prompt() -> None:
    prompts = make_prompts(load_vocabulary())
    assert len(set(prompts)) == len(prompts) == len(load_vocabulary())
    assert all(prompt.startswith("a photo of ") for prompt in prompts)


def test_codes_of_unicode_are_no_words() -> None:
    assert extract_file_words("/x/emoji/deaf-person 1F9CF-200D-2640-FE0F.png") == ["emoji", "deaf", "person"]
    assert extract_file_words("/x/FACE.png") == ["face"]
