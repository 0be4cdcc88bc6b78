"""`nearkin read`."""

from __future__ import annotations

from tests.pictures.test_text_reader import draw_lines
from tests.support.shell import Shell


def test_pictures_are_read_and_failures_end_with_1(shell: Shell) -> None:
    draw_lines(["Harbour office"]).save(shell.place / "page.png")
    draw_lines(["Bakery"]).save(shell.place / "second.png")
    shell("add", shell.place / "page.png", shell.place / "second.png")
    (shell.place / "second.png").write_bytes(b"no picture")
    spoken = shell("read", code=1).stdout
    assert "read 1 picture, 1 of them with text, 1 failed" in spoken
    assert "second.png: " in spoken
    assert [hit["uri"] for hit in shell.json("search", "--query", "harbour")["hits"]] == [str(shell.place / "page.png")]
    assert "read 0 pictures, 0 failed" in shell("read").stdout
