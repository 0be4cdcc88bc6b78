"""A page that needs nothing but itself."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import unescape

import pytest

from retrieval.pages.page import escape, make_printable, render_page


def test_the_policy_lets_in_its_own_style_and_nothing_else() -> None:
    html = render_page("a <title>", "<p>body</p>", "p { color: red; }\n")
    style = html.split("<style>")[1].split("</style>")[0]
    assert style.endswith("p { color: red; }\n")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'" in unescape(html)
    assert "<script" not in html
    assert "<h1>a &lt;title&gt;</h1><p>body</p></body></html>" in html


def test_text_can_not_steer() -> None:
    assert escape('<img src="x">\x1b[31m\u202e') == "&lt;img src=&quot;x&quot;&gt;\\x1b[31m\\u202e"


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("a\x1b[31m\nb", "a\\x1b[31m\\nb"),
        ("photo\u202egpj.exe", "photo\\u202egpj.exe"),
        ("3.14.15\u202fPM", "3.14.15\u202fPM"),
        ("\udce9", "\\udce9"),
        ("👩‍🚀 नमस्ते", "👩‍🚀 नमस्ते"),
    ],
)
def test_names_steer_no_terminal(name: str, printed: str) -> None:
    assert make_printable(name) == printed
