"""The clusters as a tree in the terminal."""

from __future__ import annotations

from dataclasses import replace

from retrieval.cli.cluster_tree import render_tree
from retrieval.pages.album import Album, Tile
from tests.support.albums import ALBUM


def test_the_tree_line_by_line() -> None:
    assert render_tree(ALBUM, width=72).splitlines() == [
        "Holidays: 131 items, 8 clusters (change 1042)",
        "",
        '├ 120  animals: tabby.jpg, </script><img src=x one…, quote"…  +3 new  #1',
        "│ ├ 80  cats: tabby.jpg, persian.jpg            1 subcluster  +3 new  #2",
        '│ └ 37  </script><img src=x one…, quote".jpg, caf\\udce9.jpg           #3',
        "└   9  colours: red.png, blue.png                                     #6",
        "  ├ 5  <script>alert(1)</script>: red.png                             #7",
        "  └ 4  blue: blue.png                                                 #8",
        "",
        "2 unclustered items",
    ]


def test_the_tree_ends_where_it_is_told_and_says_what_lies_deeper() -> None:
    lines = render_tree(ALBUM, width=72, depth=1).splitlines()
    assert [line.split("#")[-1] for line in lines if "#" in line] == ["1", "6"]
    assert "2 subclusters  +3 new  #1" in lines[2]
    assert "#4" in render_tree(ALBUM, depth=3)


def test_clusters_that_hold_the_same_are_one_line() -> None:
    lines = render_tree(ALBUM, depth=3)
    assert "#5" not in lines
    assert lines.count("colours") == 1


def test_names_are_cut_to_the_width_and_ids_are_not() -> None:
    wide = Tile(123456, "coarse", "猫の写真" * 40, 1234567, None, 0.5, 1000, (1,))
    for width in (40, 60, 100):
        for tile in (wide, replace(wide, name=None), replace(wide, name="x" * 500)):
            line = render_tree(Album("t" * 300, (tile,), 1, 1, {1: "y" * 300}, 1), width).splitlines()[2]
            assert len(line) + sum(ord(letter) > 0x3000 for letter in line) == width
            assert line.startswith("└ 1,234,567  ")
            assert line.endswith("  #123456")


def test_a_tree_of_nothing_says_so() -> None:
    assert render_tree(Album("Empty", (), 1, 1, {}, 0)).splitlines()[-1] == "1 unclustered item"
    assert "└ 3  unnamed " in render_tree(Album("Bare", (Tile(1, "fine", None, 3, None, 1.0, 0, (8,)),), 0, 3, {}, 0))


def test_the_note_stands_above_the_loose_items() -> None:
    assert render_tree(replace(ALBUM, note="by\nA")).splitlines()[-2:] == ["by\\nA", "2 unclustered items"]


def test_parents_that_are_missing_or_go_in_circles_are_no_parents() -> None:
    tiles = tuple(Tile(number, "medium", "n", 4, 3 - number, 1.0, 0, ()) for number in (1, 2))
    orphan = Tile(3, "fine", "n", 2, 77, 1.0, 0, ())
    lines = render_tree(Album("t", (*tiles, orphan), 0, 10, {}, 1)).splitlines()
    assert [line[0] for line in lines[2:5]] == ["├", "├", "└"]
