"""The frame of a self-contained page: it loads nothing from elsewhere, runs no script, and shows names as text only."""

from __future__ import annotations

import html
from base64 import b64encode
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


def render_page(title: str, body: str, style: str = "") -> str:
    """Return the page, to be written as UTF-8.

    Its content security policy allows the page's own style and images inside the page, and nothing else. Elements can
    therefore have no `style` attributes.
    """
    styles = STYLE + style
    policy = f"default-src 'none'; img-src data:; style-src '{hash_source(styles)}'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{styles}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )


def hash_source(source: str) -> str:
    """Return the name by which a content security policy knows a script or a style."""
    from hashlib import sha256  # OpenSSL is behind it, and every command imports this module

    return f"sha256-{b64encode(sha256(source.encode()).digest()).decode()}"


def make_data_uri(data: bytes, kind: str) -> str:
    """Return an image as a URI that holds all of it. `kind`: webp or jpeg."""
    return f"data:image/{kind};base64,{b64encode(data).decode()}"


def escape(text: str) -> str:
    """Return the text as HTML that shows it and does nothing else."""
    return html.escape(make_printable(text))


def make_printable(text: str) -> str:
    """Return the text without anything that controls a terminal, changes the reading direction or is not UTF-8.

    File names come from strangers: they may hold escape sequences, line feeds, and bytes that are not text (which
    Python keeps as surrogates). These are spelled out; spaces of all kinds stay.
    """
    return "".join(letter if _is_printable(letter) else letter.encode("unicode_escape").decode() for letter in text)


def _is_printable(letter: str) -> bool:
    return letter.isprintable() or letter in _JOINERS or category(letter) == "Zs"


def format_count(count: int, noun: str) -> str:
    """Return `1 item` or `1,200 items`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
