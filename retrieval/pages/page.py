"""A page that needs nothing but itself: it asks no other host, runs no script, and holds names as text only."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from unicodedata import category

_JOINERS = "\u200c\u200d"  # part of words in some scripts, and of emoji

STYLE = """
:root { color-scheme: light dark; --page: #f4f4f1; --card: #fff; --line: #dcdcd6; --ink: #1a1b1e; --quiet: #62646c; }
@media (prefers-color-scheme: dark) {
  :root { --page: #131416; --card: #1d1f22; --line: #34373c; --ink: #ececea; --quiet: #a2a5ad; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1280px; padding: 20px clamp(12px, 3vw, 32px); background: var(--page);
  color: var(--ink); font: 16px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.125rem; margin: 0 0 2px; }
p { margin: 0; } .quiet { color: var(--quiet); font-size: .9375rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px;
  margin-top: 18px; }
figure { margin: 14px 0 0; } figcaption { margin-top: 6px; }
"""


def page(title: str, body: str, style: str = "") -> str:
    """The page, to be written as UTF-8. Its content security policy lets in the style that it came with, and pictures
    inside it; nothing else, so that no element may have a style of its own."""
    whole = STYLE + style
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{_digest(whole)}'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{text(title)}</title><style>{whole}</style></head><body><h1>{text(title)}</h1>{body}</body></html>\n"
    )


def text(told: str) -> str:
    """What may stand in a page."""
    return escape(printable(told))


def _digest(told: str) -> str:
    return b64encode(sha256(told.encode()).digest()).decode()


def printable(text: str) -> str:
    """The text with nothing in it that steers a terminal or turns the direction of reading, and that UTF-8 can hold.

    File names come from strangers: they may hold escape sequences, line feeds, and bytes that are no text (which Python
    keeps as surrogates). Those are spelled out; spaces of all kinds become plain ones.
    """
    return "".join(one if one.isprintable() or one in _JOINERS else _spelled(one) for one in text)


def _spelled(letter: str) -> str:
    return " " if category(letter) == "Zs" else letter.encode("unicode_escape").decode()
