"""The checked wrapper around any file: nothing that was damaged, mixed up, left half written or forged gets loaded.

Each stored state has a folder of its own. `payload-<generation>` is the file that the state's own writer makes (and,
with a suffix, what it writes beside it): hnswlib loads only a path that is exactly its file, so that our header can't
be in front of it. `header` is renamed into place last: before that, a crash leaves the old generation valid; after it,
the new one.

The header bears checksums, which find damages, and signatures, which show who wrote it (see `signing`). Until one of
them has been checked, nothing in a header is believed.
"""

from __future__ import annotations

import json
import mmap
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import xxhash

from indexers import signing
from indexers.errors import StoredFileDamaged, StoredFileForeign, WriteFailed
from indexers.files import move_over, open_regular_file, read_regular_file, sync
from indexers.types import Json

FORMAT = 1
NAME = "header"
ATTEMPTS = 20
"""How often a file is looked at again that a writer replaces while it is read."""
BLOCK = 16 * 2**20
"""Bytes that a checksum takes in at a time."""
MAX_HEADER_BYTES = 2**16
MAX_NUMBER = 2**53
"""Generations, positions and lengths are below it."""
MAX_SIGNATURES = 16
"""Signatures that a header keeps, the newest."""
SUFFIX = re.compile(r"(\.[a-z0-9]{1,16})?")
SIGNATURE = re.compile(r"[0-9a-f]{16}:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Header:
    """What a stored payload is.

    stamp: microseconds since 1970 of the change at `position`. parts: of each file of the payload its suffix, its
    length in bytes and the XXH3-128 of its bytes. signatures: name of a key -> signature of the rest and of all bytes.
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
    signatures: dict[str, str] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """The bytes of the whole payload."""
        return sum(length for _, length, _ in self.parts)

    def payload(self, folder: Path) -> Path:
        """Return the path of the payload in its folder."""
        return folder / f"payload-{self.generation}"

    def list_paths(self, folder: Path) -> list[Path]:
        """Return the paths of the payload's files in its folder."""
        path = self.payload(folder)
        return [path.with_name(path.name + suffix) for suffix, _, _ in self.parts]


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
            header = _sign(folder, header)
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


def _sign(folder: Path, header: Header) -> Header:
    """Return the header with this user's signature, which the newest of the others stand before."""
    key = signing.get_key()
    signature = signing.sign(key, _encode_text(header), header.list_paths(folder))
    others = [pair for pair in header.signatures.items() if pair[0] != key.name][1 - MAX_SIGNATURES :]
    return replace(header, signatures=dict([*others, (key.name, signature)]))


def trust(folder: Path) -> bool:
    """Sign what another user or an older version has stored, if it is undamaged; return False if this user has signed
    it already. Signatures of others stay.

    Raises FileNotFoundError if nothing is stored, StoredFileDamaged, WriteFailed.
    """
    header = read_header(folder)
    if signing.get_key().name in header.signatures:
        verify(folder)
        return False
    _check_parts(folder, header)
    with _as_write_failed(folder):
        _publish(folder, _sign(folder, header))
    return True


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
    try:
        return _decode_header(path, read_regular_file(path, MAX_HEADER_BYTES))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoredFileDamaged(f"{path} can't be read: {error.strerror or error}") from error


def verify(folder: Path) -> tuple[Header, Path]:
    """Check every byte of a payload; return its header and its path.

    Raises FileNotFoundError if nothing is stored, StoredFileForeign if this user has not signed it, StoredFileDamaged
    with the reason. A writer may replace both files
    between reading the one and the other: as long as the header has changed meanwhile, both are read again.
    """
    header = read_header(folder)
    for _ in range(ATTEMPTS):
        try:
            _check_signature(folder, header)
            return header, header.payload(folder)
        except (OSError, StoredFileDamaged) as error:
            current = read_header(folder)
            if current == header:
                raise error if isinstance(error, StoredFileDamaged) else StoredFileDamaged(str(error)) from error
            header = current
    raise StoredFileDamaged(f"{folder} was replaced {ATTEMPTS} times while it was read")


def _check_signature(folder: Path, header: Header) -> None:
    key = signing.get_key()
    signature = header.signatures.get(key.name)
    if signature is None:
        whose = "another user's" if header.signatures else "no"
        raise StoredFileForeign(f"{folder} bears {whose} signature", bool(header.signatures))
    _check_lengths(folder, header)
    if not signing.matches(signature, signing.sign(key, _encode_text(header), header.list_paths(folder))):
        _check_parts(folder, header)  # says which part was damaged
        raise StoredFileDamaged(f"{folder} bears a forged signature: it is not what this user has signed")


def _check_lengths(folder: Path, header: Header) -> None:
    for part, (_, length, _) in zip(header.list_paths(folder), header.parts, strict=True):
        if not part.exists():
            raise StoredFileDamaged(f"{part} is missing")
        if part.stat().st_size != length:
            raise StoredFileDamaged(f"{part} has {part.stat().st_size} bytes; {length} were written")


def _check_parts(folder: Path, header: Header) -> None:
    """Raise StoredFileDamaged for the first part that is not as it was written, whoever wrote it."""
    _check_lengths(folder, header)
    for part, (_, _, digest) in zip(header.list_paths(folder), header.parts, strict=True):
        try:
            checksum = _checksum(part)[1]
        except OSError as error:
            raise StoredFileDamaged(f"{part} can't be read: {error.strerror or error}") from error
        if checksum != digest:
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
    with open_regular_file(path) as file:
        length = os.fstat(file.fileno()).st_size
        if length:  # an empty file can't be mapped
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages, memoryview(pages) as view:
                for start in range(0, length, BLOCK):
                    with view[start : start + BLOCK] as block:
                        digest.update(block)
    return length, digest.hexdigest()


def _encode_text(header: Header) -> bytes:
    """Return what is signed: everything but the signatures, as a line of JSON."""
    fields = {name: value for name, value in asdict(header).items() if name != "signatures"}
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _encode_header(header: Header) -> bytes:
    """Return a line of JSON, a line of signatures, and a line with the checksum of both."""
    text = _encode_text(header) + b"\n" + " ".join(map(":".join, header.signatures.items())).encode()
    return text + b"\n" + xxhash.xxh3_128_hexdigest(text).encode() + b"\n"


def _decode_header(path: Path, data: bytes) -> Header:
    """Return the header in a file's content; one of an older version has no line of signatures."""
    text, _, checksum = data.removesuffix(b"\n").rpartition(b"\n")
    if not data.endswith(b"\n") or checksum != xxhash.xxh3_128_hexdigest(text).encode():
        raise StoredFileDamaged(f"{path} is damaged: its checksum is not the one written")
    line, _, signatures = text.partition(b"\n")
    try:
        fields = json.loads(line)
        if fields.get("format") != FORMAT:
            raise StoredFileDamaged(f"{path} has the format {fields.get('format')!r}; this version reads {FORMAT}")
        fields["parts"] = tuple((suffix, length, digest) for suffix, length, digest in fields["parts"])
        pairs = signatures.decode("ascii").split()
        header = Header(**fields, signatures=dict(pair.split(":") for pair in pairs))
        _encode_text(header)  # which fails for what is nested too deeply
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoredFileDamaged(f"{path} is no header: {error}") from error
    numbers = (header.generation, header.position, header.stamp, *(length for _, length, _ in header.parts))
    if not (
        all(type(number) is int and 0 <= number < 2 * MAX_NUMBER for number in numbers)
        and header.generation < MAX_NUMBER
        and isinstance(header.details, dict)
        and all(isinstance(text, str) for part in header.parts for text in (part[0], part[2]))
        and all(SUFFIX.fullmatch(suffix) for suffix, _, _ in header.parts)
        and all(SIGNATURE.fullmatch(pair) for pair in pairs)
    ):
        raise StoredFileDamaged(f"{path} is no header: a field has a value that nobody writes")
    return header
