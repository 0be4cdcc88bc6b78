from __future__ import annotations

from pathlib import Path

import pytest

from indexers.errors import WriteFailed
from indexers.files import whole


def test_a_file_is_there_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with whole(path) as partial:
        partial.write_text("first")
    with pytest.raises(UnicodeEncodeError), whole(path) as partial, open(partial, "w", encoding="ascii") as file:
        file.writelines(["half", "é"])
    assert path.read_text() == "first"
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(WriteFailed, match="can't be written: No such file"), whole(tmp_path / "no" / "a") as partial:
        partial.write_text("x")
