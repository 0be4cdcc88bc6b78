"""Addresses of pictures: which are allowed, and what they consist of.

An address is `SCHEME://...`, or fsspec's chain of such: `zip://*.png::/path/holiday.zip`.
"""

from __future__ import annotations

import os
import re

from indexers.errors import UnreadablePicture

_SCHEMES = """
    file local memory zip tar libarchive simplecache filecache blockcache
    s3 s3a gs gcs az abfs abfss adl oci oss obs cos tos dropbox gdrive box
"""
SCHEMES = frozenset(_SCHEMES.split())
"""Schemes that are opened through fsspec: files, archives, caches and buckets. Not those that connect to whatever host
a URI names (ftp, webhdfs ...) or that list such URIs (reference): they would get past the rule for the web."""
ARCHIVES = frozenset({"zip", "tar", "libarchive"})
LOCAL = ("file", "local")
_REMOTE = re.compile(r"\s*([a-z][a-z0-9+.-]*)(://|::)", re.IGNORECASE)


def is_remote(source: object) -> bool:
    """Return True for a URI, False for a path of this machine. A file may be called `a::b.jpg`."""
    match = _REMOTE.match(source) if isinstance(source, str) else None
    if not match or match[0].lower() == "file://":
        return False
    return match[2] == "://" or match[1].lower() in SCHEMES


def is_web(uri: str) -> bool:
    return uri.strip().lower().startswith(("http://", "https://"))


def parse_chain(uri: str) -> list[str]:
    """Return the links of a chain, outermost last: each is `SCHEME://...` with a scheme of SCHEMES, but for the last,
    which may be the absolute path of a file.

    fsspec takes a link without `://` for a scheme if it is a plain word. Here none is left for it to guess at. Raises
    UnreadablePicture for any other scheme, and for what is no file.
    """
    *links, last = uri.strip().split("::")
    parsed = [_parse_link(link if "://" in link else f"{link}://", uri) for link in links]
    if "://" in last:
        parsed.append(_parse_link(last, uri))
    elif last or not links:
        parsed.append(os.path.abspath(os.path.expanduser(last)))
    if parsed[0].partition("://")[0] in ARCHIVES and len(parsed) == 1:
        raise UnreadablePicture(f"the archive is missing: {parsed[0]}::/path/of/an/archive")
    scheme, _, place = parsed[-1].rpartition("://")
    if scheme in ("", *LOCAL):  # reading a pipe would block
        if len(parsed) > 1 and not os.path.isfile(place):
            raise UnreadablePicture(f"there is no archive {place!r}")
        if os.path.exists(place) and not (os.path.isfile(place) or os.path.isdir(place)):
            raise UnreadablePicture("not a file: a pipe or a device")
    return parsed


def _parse_link(link: str, uri: str) -> str:
    """Return a link with its scheme in lower case. Raises UnreadablePicture unless it is one of SCHEMES."""
    scheme, _, place = link.partition("://")
    scheme = scheme.lower()
    if scheme in ("http", "https"):
        raise UnreadablePicture(f"{uri!r} leads to the web through an archive or a cache; download it first")
    if scheme not in SCHEMES:
        raise UnreadablePicture(f"{scheme}:// is not supported; give one of: {', '.join(sorted(SCHEMES))}")
    return f"{scheme}://{place}"
