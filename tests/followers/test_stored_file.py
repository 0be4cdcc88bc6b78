"""Nothing damaged, mixed up or half written gets through; a failed write leaves the old generation."""

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xxhash

from indexers.errors import StoredFileDamaged, StoredFileForeign, WriteFailed
from indexers.followers import stored_file as storage
from indexers.followers.stored_file import Header, expect, verify
from indexers.vectors.hnsw import Hnsw

HEADER = Header("hnsw", "6e1f", 1, generation=1, position=40, stamp=1_700_000_000_000_000, details={"dimension": 8})
WANTED = {"collection": "6e1f", "space": 1, "position": 40, "generation": 1}


def make_index(seed: int = 0) -> Hnsw:
    index = Hnsw(8)
    index.add(np.arange(60), np.random.default_rng(seed).standard_normal((60, 8)))
    return index


def store(folder: Path, header: Header = HEADER, seed: int = 0) -> Header:
    return storage.write(folder, header, make_index(seed).save)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def put(folder: Path, content: dict[str, bytes]) -> None:
    for path in folder.iterdir():
        path.unlink()
    for name, data in content.items():
        (folder / name).write_bytes(data)


def test_what_was_written_can_be_verified_and_loaded(tmp_path: Path) -> None:
    written = store(tmp_path)
    header, path = verify(tmp_path)
    assert header == written
    assert header == storage.read_header(tmp_path)
    assert header.length == sum(len(data) for name, data in files(tmp_path).items() if name != "header")
    expect(header, kind="hnsw", dimension=8, **WANTED)
    loaded = Hnsw(8)
    loaded.load(path)
    assert len(loaded) == 60


def test_a_new_generation_replaces_the_old(tmp_path: Path) -> None:
    store(tmp_path)
    store(tmp_path, replace(HEADER, generation=2))
    assert set(files(tmp_path)) == {"header", "payload-2", "payload-2.ids"}
    with pytest.raises(ValueError, match="generation 2"):
        store(tmp_path, replace(HEADER, generation=2))
    verify(tmp_path)


def damages(rng: np.random.Generator, good: dict[str, bytes]) -> dict[str, bytes]:
    """One random damage: a flipped bit, a cut, an emptied, a lengthened or a missing file."""
    name = sorted(good)[rng.integers(len(good))]
    data = bytearray(good[name])
    at = int(rng.integers(len(data)))
    match rng.integers(8):
        case 0:
            del data[at:]
        case 1:
            data.clear()
        case 2:
            data += b"\0"
        case 3:
            return {key: value for key, value in good.items() if key != name or name == "header"} | (
                {"header": bytes(data[:at])} if name == "header" else {}
            )
        case _:
            data[at] ^= 1 << int(rng.integers(8))
    return good | {name: bytes(data)}


def test_500_damages_are_all_noticed(tmp_path: Path) -> None:
    good = files(tmp_path) if store(tmp_path) else {}
    rng = np.random.default_rng(0)
    for _ in range(500):
        put(tmp_path, damages(rng, good))
        with pytest.raises(StoredFileDamaged):
            verify(tmp_path)
    put(tmp_path, good)
    verify(tmp_path)


def test_every_byte_of_the_header_counts(tmp_path: Path) -> None:
    store(tmp_path)
    good = (tmp_path / "header").read_bytes()
    for at in range(len(good)):
        (tmp_path / "header").write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
        with pytest.raises(StoredFileDamaged):
            storage.read_header(tmp_path)


def test_payloads_of_others_are_noticed(tmp_path: Path) -> None:
    left, right = tmp_path / "left", tmp_path / "right"
    store(left)
    store(right, replace(HEADER, collection="another", space=2), seed=1)
    mixed = files(right) | {"header": files(left)["header"]}
    whole = files(right)
    put(left, mixed)
    with pytest.raises(StoredFileDamaged, match=r"checksum|bytes"):
        verify(left)
    put(left, whole)
    header, _ = verify(left)
    with pytest.raises(StoredFileDamaged, match="collection 'another'; '6e1f' was expected"):
        expect(header, **WANTED)
    with pytest.raises(StoredFileDamaged, match="space 2"):
        expect(header, space=1)


def test_an_older_copy_is_noticed(tmp_path: Path) -> None:
    store(tmp_path)
    old = files(tmp_path)
    store(tmp_path, replace(HEADER, generation=2, position=41))
    put(tmp_path, files(tmp_path) | {"header": old["header"]})
    with pytest.raises(StoredFileDamaged, match="missing"):
        verify(tmp_path)
    put(tmp_path, old)
    with pytest.raises(StoredFileDamaged, match="position 40; 41 was expected"):
        expect(verify(tmp_path)[0], position=41)


def test_another_format_is_refused(tmp_path: Path) -> None:
    storage.write(tmp_path, replace(HEADER, format=2), make_index().save)
    with pytest.raises(StoredFileDamaged, match="format 2"):
        verify(tmp_path)


def test_nothing_stored_is_not_damage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "none")


def test_leftovers_of_a_killed_writer_are_overwritten(tmp_path: Path) -> None:
    store(tmp_path)
    for name in ("header.new", "payload-2", "payload-2.ids", "payload-3.ids"):
        (tmp_path / name).write_bytes(b"left by a killed writer")
    store(tmp_path, replace(HEADER, generation=2))
    assert set(files(tmp_path)) == {"header", "payload-2", "payload-2.ids"}
    verify(tmp_path)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("stream"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_generation(tmp_path: Path, error: BaseException) -> None:
    store(tmp_path)
    before = files(tmp_path)

    def half(path: Path) -> None:
        path.write_bytes(b"half")
        raise error

    with pytest.raises(WriteFailed if isinstance(error, Exception) else KeyboardInterrupt):
        storage.write(tmp_path, replace(HEADER, generation=2), half)
    assert files(tmp_path) == before


def test_a_writer_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WriteFailed, match="nothing was written"):
        storage.write(tmp_path, HEADER, lambda path: None)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_generation(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path)
    before = files(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(storage.os, step, fail)
    with pytest.raises(WriteFailed, match="Input/output error"):
        store(tmp_path, replace(HEADER, generation=2))
    assert files(tmp_path) == before


@pytest.mark.parametrize("limit", [100, 2000, 5000])
@pytest.mark.parametrize("member", ["hnsw:Hnsw", "exact:Exact"])
def test_a_full_disk_is_an_error_of_ours(tmp_path: Path, limit: int, member: str) -> None:
    """hnswlib itself says nothing when its stream fails."""
    module, name = member.split(":")
    code = f"""
        import resource, signal
        from pathlib import Path
        import numpy as np
        from indexers.errors import WriteFailed
        from indexers.followers import stored_file as storage
        from indexers.vectors.{module} import {name}
        index, folder = {name}(64), Path({str(tmp_path)!r})
        index.add(np.arange(60), np.random.default_rng(0).standard_normal((60, 64)))
        header = storage.Header("m", "c", 1, 1, 1)
        storage.write(folder, header, index.save)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        try:
            storage.write(folder, storage.Header("m", "c", 1, 2, 2), index.save)
        except WriteFailed as error:
            assert "make room" in str(error), error
            assert storage.verify(folder)[0].generation == 1
            print("refused", sorted(path.name for path in folder.iterdir() if "2" in path.name))
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=os.getcwd())
    assert run.stdout == "refused []\n", run.stderr


def test_a_reader_beside_a_writer_always_sees_a_whole_generation(tmp_path: Path) -> None:
    def save(number: int) -> None:
        def writer(path: Path) -> None:
            path.write_bytes(bytes([number % 256]) * 20_000)

        storage.write(tmp_path, replace(HEADER, generation=number, position=number), writer)

    save(1)
    stop = threading.Event()

    def writing() -> None:
        number = 2
        while not stop.is_set():
            save(number)
            number += 1

    writer = threading.Thread(target=writing)
    writer.start()
    try:
        seen, deadline = set[int](), time.monotonic() + 20
        while len(seen) < 30 and time.monotonic() < deadline:
            seen.add(verify(tmp_path)[0].generation)
    finally:
        stop.set()
        writer.join()
    assert len(seen) == 30


def forge(folder: Path, suffix: str = "") -> None:
    """Change a payload, and compute the checksums anew as anybody can."""
    header = storage.read_header(folder)
    path = header.payload(folder).with_name(header.payload(folder).name + suffix)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x7F
    path.write_bytes(data)
    parts = tuple(storage._describe_part(header.payload(folder), part) for part in header.list_paths(folder))
    (folder / "header").write_bytes(storage._encode_header(replace(header, parts=parts)))


@pytest.mark.parametrize("suffix", ["", ".ids"])
def test_a_forged_payload_with_new_checksums_is_noticed(tmp_path: Path, suffix: str) -> None:
    store(tmp_path)
    forge(tmp_path, suffix)
    with pytest.raises(StoredFileDamaged, match="forged signature"):
        verify(tmp_path)


def test_a_signature_holds_for_its_own_header_only(tmp_path: Path) -> None:
    written = store(tmp_path)
    (tmp_path / "header").write_bytes(storage._encode_header(replace(written, position=41)))
    with pytest.raises(StoredFileDamaged, match="forged signature"):
        verify(tmp_path)


def test_unsigned_and_foreign_files_are_told_from_damaged_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = store(tmp_path)
    (tmp_path / "header").write_bytes(storage._encode_header(replace(written, signatures={})))
    with pytest.raises(StoredFileForeign) as unsigned:
        verify(tmp_path)
    assert not unsigned.value.signed
    (tmp_path / "header").write_bytes(storage._encode_header(written))
    monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(tmp_path / "other"))
    with pytest.raises(StoredFileForeign) as foreign:
        verify(tmp_path)
    assert foreign.value.signed
    assert storage.trust(tmp_path)
    assert not storage.trust(tmp_path)
    header, _ = verify(tmp_path)
    assert len(header.signatures) == 2


HOSTILE_FIELDS = {
    "generation": ["../../x", -1, 2**70, 1.5, True, None, [1]],
    "position": [2**64, "0", -5],
    "parts": [[["/../../../etc/passwd", 1, "a"]], [["", -1, "a"]], [[1, 2, 3]], 7, [[]], [["", 1]]],
    "details": [[], "text", None],
    "format": [2, "1", None],
    "unknown": [1],
}


@pytest.mark.parametrize("name", HOSTILE_FIELDS)
def test_headers_that_nobody_writes_are_refused(tmp_path: Path, name: str) -> None:
    store(tmp_path)
    good = json.loads((tmp_path / "header").read_bytes().split(b"\n")[0])
    for value in HOSTILE_FIELDS[name]:
        write_raw_header(tmp_path, json.dumps(good | {name: value}).encode())
        with pytest.raises(StoredFileDamaged):
            storage.read_header(tmp_path)
        with pytest.raises(StoredFileDamaged):
            storage.trust(tmp_path)


def write_raw_header(folder: Path, text: bytes) -> None:
    (folder / "header").write_bytes(text + b"\n" + xxhash.xxh3_128_hexdigest(text).encode() + b"\n")


@pytest.mark.parametrize(
    "text", [b"[" * 60_000, b'{"details":' * 5000, b"1", b"null", b"{}", b"\xff\xfe", b"1" * 5000, b""]
)
def test_what_is_no_header_is_refused(tmp_path: Path, text: bytes) -> None:
    store(tmp_path)
    write_raw_header(tmp_path, text)
    with pytest.raises(StoredFileDamaged):
        verify(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="pipes and links of POSIX")
@pytest.mark.parametrize("name", ["header", "payload-1", "payload-1.ids"])
def test_pipes_links_and_devices_are_not_opened(tmp_path: Path, name: str) -> None:
    folder, copy = tmp_path / "index", tmp_path / "copy"
    store(folder)
    (folder / name).rename(copy)
    (folder / name).symlink_to(copy)
    with pytest.raises(StoredFileDamaged, match="link"):
        verify(folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(StoredFileDamaged):
        verify(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    with pytest.raises(StoredFileDamaged):
        verify(folder)
