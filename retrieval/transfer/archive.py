"""Pictures as one zip file, made while it is sent: no more of it is in memory than a picture."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import NamedTuple

from indexers.errors import PictureError, Unavailable
from indexers.pictures.addresses import is_remote
from retrieval.records.items import Item

DATE = (1980, 1, 1, 0, 0, 0)
"""The time of every entry, so that the same pictures are the same file."""
LIST = "items.jsonl"
MAX_NAME = 120


class Entry(NamedTuple):
    """A name in the archive, and the item whose picture it is."""

    name: str
    item: Item


class _Outlet(io.RawIOBase):
    """What is written and not yet taken. It can't be sought in, so that zipfile writes sizes behind each entry."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        content = bytes(data)  # type: ignore[call-overload]
        self._chunks.append(content)
        return len(content)

    def take(self) -> bytes:
        content, self._chunks = b"".join(self._chunks), []
        return content


def write_archive(items: Iterable[Item], read: Callable[[Item], bytes]) -> Iterator[bytes]:
    """Yield a zip file of the items' pictures, and a list of what is known of them (`items.jsonl`).

    read: returns the file of an item. Those that can't be read are left out; the list says why.
    """
    outlet, taken = _Outlet(), {LIST}
    lines: list[str] = []
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:
        for item in items:
            name, problem = choose_name(item, taken), None
            try:
                content = read(item)
            except (PictureError, Unavailable) as error:
                problem = str(error)
            else:
                taken.add(name.casefold())
                archive.writestr(zipfile.ZipInfo(name, DATE), content)
                yield outlet.take()
            fact = {"file": None if problem else name, **item.to_dict(), **({"problem": problem} if problem else {})}
            lines.append(json.dumps(fact, ensure_ascii=False))
        info = zipfile.ZipInfo(LIST, DATE)
        archive.writestr(info, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"), zipfile.ZIP_DEFLATED)
    yield outlet.take()


def choose_name(item: Item, taken: set[str]) -> str:
    """Return a file name for an item that no other has, whichever system unpacks it. taken: names, in small letters."""
    path = (item.uri or "").split("::")[0] if is_remote(item.uri or "") else item.uri or ""
    name = PureWindowsPath(PurePosixPath(path).name).name or f"item {item.id}.{(item.format or 'bin').lower()}"
    clean = "".join("_" if letter in '<>:"/\\|?*' or not letter.isprintable() else letter for letter in name)
    stem, dot, suffix = clean.strip(" .")[-MAX_NAME:].rpartition(".")
    stem, suffix = (stem, dot + suffix) if stem else (suffix, "")
    name = f"{stem or 'item'}{suffix}"
    return name if name.casefold() not in taken else f"{stem} ({item.id}){suffix}"
