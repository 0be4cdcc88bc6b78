"""The checked wrapper around any member's file: nothing that was damaged, mixed up or left half written gets loaded.

One folder for each stored thing. `payload-<generation>` is the member's own file (and, with a suffix, what it writes
beside it): hnswlib loads only a path that is exactly its file, so our header can't be in front of it. `header` is
renamed into place last; before that, a crash leaves the old generation valid, after it, the new one.
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
from indexers.types import Json

FORMAT = 1
NAME = "header"
ATTEMPTS = 20
BLOCK = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Header:
    """What a stored payload is. `stamp`: microseconds since 1970 of the change at `position`.

    `parts`: for each file of the payload its suffix, its length in bytes and the XXH3-128 of all of them.
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
        """Bytes of the whole payload."""
        return sum(length for _, length, _ in self.parts)

    def payload(self, folder: Path) -> Path:
        return folder / f"payload-{self.generation}"


def write(folder: Path, header: Header, writer: Callable[[Path], None]) -> Header:
    """Store what `writer` writes to the path it is given, and the header that describes it.

    `generation` must differ from that of what is stored. Raises WriteFailed; the old generation then stays valid.
    """
    path = header.payload(folder)
    with suppress(OSError, StoredFileDamaged):
        if read_header(folder).generation == header.generation:
            raise ValueError(f"generation {header.generation} is what {folder} holds; a new one needs another number")
    with _translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _remove(_parts(path))
        try:
            writer(path)
            header = replace(header, parts=tuple(_described(path, part) for part in _parts(path)))
            if not header.parts or header.parts[0][0]:
                raise WriteFailed(f"nothing was written to {path}; make room on the disk and try again")
            _publish(folder, header)
        except BaseException:
            with suppress(OSError):
                _remove([*_parts(path), _temporary(folder)])
            raise
    with suppress(OSError):  # a leftover is removed the next time
        _sweep(folder, header)
    return header


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # hnswlib raises RuntimeError where its stream fails
        raise WriteFailed(
            f"{folder} can't be written: {error}. The catalogue holds everything that was acknowledged, and this file "
            "is made again from it: make room on the disk, or mend the permissions of its folder"
        ) from error


def _described(path: Path, part: Path) -> tuple[str, int, str]:
    """Checked as it will be read, after it has reached the disk."""
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    length, digest = _checksum(part)
    return part.name.removeprefix(path.name), length, digest


def _publish(folder: Path, header: Header) -> None:
    temporary = _temporary(folder)
    with open(temporary, "wb") as file:
        file.write(_encode(header))
        file.flush()
        os.fsync(file.fileno())
    _sync(folder)  # the payload's name must be on disk before the header points to it
    os.replace(temporary, folder / NAME)
    _sync(folder)


def _temporary(folder: Path) -> Path:
    return folder / f"{NAME}.new"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _parts(path: Path) -> list[Path]:
    """The payload's files, the one without suffix first."""
    return [part for part in sorted(path.parent.glob(f"{path.name}*")) if part.name[len(path.name) :][:1] in ("", ".")]


def _sweep(folder: Path, header: Header) -> None:
    current = set(_parts(header.payload(folder)))
    _remove([path for path in folder.glob("payload-*") if path not in current])


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Remove what is stored, and anything a killed writer left; the header first, so that nobody is sent astray."""
    with _translated(folder):
        _remove([folder / NAME, _temporary(folder), *folder.glob("payload-*")])


def read_header(folder: Path) -> Header:
    """The header alone. Raises FileNotFoundError where nothing is stored, StoredFileDamaged if it is not as written."""
    path = folder / NAME
    return _decode(path, path.read_bytes())


def verify(folder: Path) -> tuple[Header, Path]:
    """The header, and the path of a payload of which every byte has been checked.

    Raises FileNotFoundError where nothing is stored, StoredFileDamaged with the reason. A writer may replace both
    between our two looks: as long as the header has changed meanwhile, look again.
    """
    header = read_header(folder)
    for _ in range(ATTEMPTS):
        try:
            _check(folder, header)
            return header, header.payload(folder)
        except (OSError, StoredFileDamaged) as error:
            again = read_header(folder)
            if again == header:
                raise StoredFileDamaged(str(error)) from error
            header = again
    raise StoredFileDamaged(f"{folder} was replaced {ATTEMPTS} times while it was read")


def _check(folder: Path, header: Header) -> None:
    path = header.payload(folder)
    for suffix, length, digest in header.parts:
        part = path.with_name(path.name + suffix)
        if not part.exists():
            raise StoredFileDamaged(f"{part} is missing")
        if part.stat().st_size != length:
            raise StoredFileDamaged(f"{part} has {part.stat().st_size} bytes; {length} were written")
        if _checksum(part)[1] != digest:
            raise StoredFileDamaged(f"{part} is damaged: its checksum is not the one written")


def expect(header: Header, **wanted: Any) -> None:
    """Raise StoredFileDamaged if a field differs: `expect(header, collection=..., space=..., position=...)`."""
    for name, value in wanted.items():
        found = header.details.get(name) if name not in Header.__dataclass_fields__ else getattr(header, name)
        if found != value:
            raise StoredFileDamaged(f"the stored {header.kind} has {name} {found!r}; {value!r} was expected")


def _checksum(path: Path) -> tuple[int, str]:
    """Length and XXH3-128 of a file; its pages are mapped, not copied."""
    digest = xxhash.xxh3_128()
    with open(path, "rb") as file:
        length = os.fstat(file.fileno()).st_size
        if length:  # an empty mapping is refused
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages, memoryview(pages) as view:
                for start in range(0, length, BLOCK):
                    with view[start : start + BLOCK] as block:
                        digest.update(block)
    return length, digest.hexdigest()


def _encode(header: Header) -> bytes:
    """One line of JSON, and a line with its checksum."""
    text = json.dumps(asdict(header), sort_keys=True, separators=(",", ":")).encode()
    return text + b"\n" + xxhash.xxh3_128_hexdigest(text).encode() + b"\n"


def _decode(path: Path, data: bytes) -> Header:
    text, _, rest = data.partition(b"\n")
    if rest != xxhash.xxh3_128_hexdigest(text).encode() + b"\n":
        raise StoredFileDamaged(f"{path} is damaged: its checksum is not the one written")
    fields = json.loads(text)
    if fields.get("format") != FORMAT:
        raise StoredFileDamaged(f"{path} has the format {fields.get('format')!r}; this version reads {FORMAT}")
    fields["parts"] = tuple((suffix, length, digest) for suffix, length, digest in fields["parts"])
    return Header(**fields)
