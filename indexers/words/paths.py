"""The names in the path of a file."""

from __future__ import annotations

import re
from unicodedata import normalize
from urllib.parse import unquote

_WEB = re.compile(r"https?://[^/?#]*/*([^?#]*).*", re.I | re.DOTALL)
_OWNER = re.compile(r"^(?:/+(?:mnt/[a-z]/+)?|/*[a-z]:/+)(?:home|users)/+[^/]*(?=/)", re.I)
_SUFFIX = re.compile(r"\.[a-z][a-z0-9]{0,3}$", re.I)
_SMALL, _LARGE = ("".join(filter(kind, map(chr, range(0x600)))) for kind in (str.islower, str.isupper))
_HUMP = re.compile(f"(?<=[{_SMALL}])(?=[{_LARGE}])|(?<=[{_LARGE}])(?=[{_LARGE}][{_SMALL}])")
_DIGITS = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def split_path(uri: str) -> list[str]:
    """Return the folders and the file, without the owner of `/home/...` or `/Users/...`. `uri` may be any text.

    A file in an archive (`zip://inner.png::/outer.zip`) comes after the archive.
    """
    web = _WEB.fullmatch(uri)
    links = [web[1]] if web else [link.split("://", 1)[-1] for link in reversed(uri.split("::"))]
    path = normalize("NFKC", unquote("/".join(links))).replace("\\", "/")
    return [step for step in _OWNER.sub("", path).split("/") if step]


def strip_suffix(name: str) -> str:
    """Return the name of a file without `.jpg` or the like."""
    return _SUFFIX.sub("", name)


def split_humps(name: str) -> str:
    """Return a name with blanks where a capital begins a word: `RomeTrip` is `Rome Trip`."""
    return _HUMP.sub(" ", name)


def describe_path(uri: str) -> str:
    """Return the names in a path as a text to be searched: the folders, and the file without its suffix.

    Names that are written together come twice, whole and in parts: `RomeTrip2019` and `Rome Trip 2019`.
    """
    *folders, file = split_path(uri) or [""]
    text = " ".join([*folders, strip_suffix(file)])
    parts = _DIGITS.sub(" ", split_humps(text))
    return text if parts == text else f"{text} {parts}"
