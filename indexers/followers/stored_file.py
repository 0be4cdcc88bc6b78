"""The checked wrapper around any file: nothing that was damaged, mixed up or left half written gets loaded.

Each stored state has a folder of its own. `payload-<generation>` is the file that the state's own writer makes (and,
with a suffix, what it writes beside it): hnswlib loads only a path that is exactly its file, so that our header can't
be in front of it. `header` is renamed into place last: before that, a crash leaves the old generation valid; after it,
the new one.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import xxhash

from indexers.errors import StoredFileDamaged, WriteFailed
from indexers.files import move_over, sync
from indexers.types import Json

FORMAT = 1
NAME = "header"
ATTEMPTS = 20
"""How often a file is looked at again that a writer replaces while it is read."""
BLOCK = 16 * 2**20
"""Bytes that a checksum takes in at a time."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a stored payload is.

    stamp: microseconds since 1970 of the change at `position`. parts: of each file of the payload its suffix, its
    length in bytes and the XXH3-128 of its bytes.
    """

    kind: str
    collection: str
    space: int | None
    generation: int
    position: int
    stamp: int = 0
    details: Json = field(default_factory=dict)
    parts: tuple[tuple[str, int, str], ...] = ()
    format: int = FORMAT

    @property
    def length(self) -> int:
        """The bytes of the whole payload."""
        return sum(length for _, length, _ in self.parts)

    def payload(self, folder: Path) -> Path:
        """Return the path of the payload in its folder."""
        return folder / f"payload-{self.generation}"


def write(folder: Path, header: Header, writer: Callable[[Path], None]) -> Header:
    """Store what `writer` writes to the path that it gets, and the header that describes it; return that header.

    The header's generation must differ from the stored one, else ValueError. Raises WriteFailed; the old generation
    then stays valid.
    """
    path = header.payload(folder)
    with suppress(OSError, StoredFileDamaged):
        if read_header(folder).generation == header.generation:
            raise ValueError(f"{folder} already holds generation {header.generation}; give the new file another number")
    with _as_write_failed(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _remove(_list_parts(path))
        try:
            writer(path)
            header = replace(header, parts=tuple(_describe_part(path, part) for part in _list_parts(path)))
            if not header.parts or header.parts[0][0]:
                raise WriteFailed(f"nothing was written to {path}; make room on the disk and try again")
            _publish(folder, header)
        except BaseException:
            with suppress(OSError):
                _remove([*_list_parts(path), _temporary_header(folder)])
            raise
    with suppress(OSError):  # a leftover is removed the next time
        _remove_old_generations(folder, header)
    return header


@contextmanager
def _as_write_failed(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # hnswlib raises RuntimeError where its stream fails
        raise WriteFailed(
            f"{folder} can't be written: {error}. Nothing is lost, since this file is made again from the catalogue: "
            "make room on the disk, or correct the permissions of the folder"
        ) from error


def _describe_part(path: Path, part: Path) -> tuple[str, int, str]:
    """Return the suffix, length and checksum of a file, as they are read back once it has reached the disk."""
    sync(part)
    length, digest = _checksum(part)
    return part.name.removeprefix(path.name), length, digest


def _publish(folder: Path, header: Header) -> None:
    temporary = _temporary_header(folder)
    with open(temporary, "wb") as file:
        file.write(_encode_header(header))
    sync(temporary)
    sync(folder)  # the payload's name must be on disk before the header points to it
    move_over(temporary, folder / NAME)
    sync(folder)


def _temporary_header(folder: Path) -> Path:
    return folder / f"{NAME}.new"


def _list_parts(path: Path) -> list[Path]:
    """Return the files of a payload, the one without a suffix first."""
    return [part for part in sorted(path.parent.glob(f"{path.name}*")) if part.name[len(path.name) :][:1] in ("", ".")]


def _remove_old_generations(folder: Path, header: Header) -> None:
    current = set(_list_parts(header.payload(folder)))
    _remove([path for path in folder.glob("payload-*") if path not in current])


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def read_header(folder: Path) -> Header:
    """Return the header alone.

    Raises FileNotFoundError if nothing is stored, StoredFileDamaged if the header is not what was written.
    """
    path = folder / NAME
    return _decode_header(path, path.read_bytes())


def verify(folder: Path) -> tuple[Header, Path]:
    """Check every byte of a payload; return its header and its path.

    Raises FileNotFoundError if nothing is stored, StoredFileDamaged with the reason. A writer may replace both files
    between reading the one and the other: as long as the header has changed meanwhile, both are read again.
    """
    header = read_header(folder)
    for _ in range(ATTEMPTS):
        try:
            _check_parts(folder, header)
            return header, header.payload(folder)
        except (OSError, StoredFileDamaged) as error:
            current = read_header(folder)
            if current == header:
                raise StoredFileDamaged(str(error)) from error
            header = current
    raise StoredFileDamaged(f"{folder} was replaced {ATTEMPTS} times while it was read")


def _check_parts(folder: Path, header: Header) -> None:
    path = header.payload(folder)
    for suffix, length, digest in header.parts:
        part = path.with_name(path.name + suffix)
        if not part.exists():
            raise StoredFileDamaged(f"{part} is missing")
        if part.stat().st_size != length:
            raise StoredFileDamaged(f"{part} has {part.stat().st_size} bytes; {length} were written")
        if _checksum(part)[1] != digest:
            raise StoredFileDamaged(f"{part} is damaged: its checksum is not the one written")


def expect(header: Header, **expected: Any) -> None:
    """Raise StoredFileDamaged if a field differs: `expect(header, collection=..., space=..., position=...)`.

    A name that is no field of the header is looked up in its details.
    """
    for name, expected_value in expected.items():
        value = header.details.get(name) if name not in Header.__dataclass_fields__ else getattr(header, name)
        if value != expected_value:
            raise StoredFileDamaged(f"the stored {header.kind} has {name} {value!r}; {expected_value!r} was expected")


def _checksum(path: Path) -> tuple[int, str]:
    """Return the length and the XXH3-128 of a file, whose pages are mapped rather than copied."""
    digest = xxhash.xxh3_128()
    with open(path, "rb") as file:
        length = os.fstat(file.fileno()).st_size
        if length:  # an empty file can't be mapped
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages, memoryview(pages) as view:
                for start in range(0, length, BLOCK):
                    with view[start : start + BLOCK] as block:
                        digest.update(block)
    return length, digest.hexdigest()


def _encode_header(header: Header) -> bytes:
    """Return a line of JSON, and a line with its checksum."""
    text = json.dumps(asdict(header), sort_keys=True, separators=(",", ":")).encode()
    return text + b"\n" + xxhash.xxh3_128_hexdigest(text).encode() + b"\n"


def _decode_header(path: Path, data: bytes) -> Header:
    text, _, checksum = data.partition(b"\n")
    if checksum != xxhash.xxh3_128_hexdigest(text).encode() + b"\n":
        raise StoredFileDamaged(f"{path} is damaged: its checksum is not the one written")
    fields = json.loads(text)
    if fields.get("format") != FORMAT:
        raise StoredFileDamaged(f"{path} has the format {fields.get('format')!r}; this version reads {FORMAT}")
    fields["parts"] = tuple((suffix, length, digest) for suffix, length, digest in fields["parts"])
    return Header(**fields)
