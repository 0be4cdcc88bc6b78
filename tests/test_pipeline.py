"""From pictures to the catalogue: what is known is skipped, what fails is entered, what was finished stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from PIL.Image import Image

from indexers.catalogue.catalogue import Catalogue
from indexers.embedders.tiny import Tiny
from indexers.errors import BadVector, ItemNotFound
from indexers.pictures import images, isolation, turns
from indexers.pictures.scan import find_pictures
from indexers.pipeline import Batch, Run, Source
from indexers.progress import Progress
from indexers.types import Arrival, FoundFile, Space, Vectors
from retrieval import Collection
from tests.support import pictures


class Counting(Tiny):
    """Tiny, which counts what it sees and may be told to act before it does."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.before: Any = lambda: None

    def prepare(self, image: Image) -> Any:
        self.seen += 1
        self.before()
        return super().prepare(image)


@pytest.fixture
def space(catalogue: Catalogue) -> Space:
    tiny = Tiny()
    with catalogue.transaction() as writing:
        return writing.add_space("tiny", "tiny", {}, tiny.fingerprint(), tiny.dimension, "cosine")


def make_run(catalogue: Catalogue, space: Space, embedder: Tiny | None = None, **options: Any) -> Run:
    return Run(catalogue, space, embedder or Counting(), **({"batch_size": 2, "workers": 2} | options))


def add(run: Run, *paths: Path, metadata: Any = None) -> Any:
    return run.add_files(find_pictures([str(path) for path in paths]), metadata or {})


def test_a_known_file_is_not_even_read(
    catalogue: Catalogue, space: Space, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(make_run(catalogue, space), folder)
    monkeypatch.setattr(Run, "_read", lambda run, uri: pytest.fail(f"{uri} was read"))
    again = add(make_run(catalogue, space), folder)
    assert (len(again.added), again.known, again.failures) == (0, 5, [])


def test_a_file_that_changed_at_equal_size_and_time_is_read(catalogue: Catalogue, space: Space, folder: Path) -> None:
    add(make_run(catalogue, space), folder)
    for path in folder.iterdir():
        stat = path.stat()
        path.write_bytes(b"x" * stat.st_size)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again = add(make_run(catalogue, space), folder)
    assert (again.known, len(again.failures)) == (0, 5)
    with catalogue.snapshot() as snapshot:
        rows = snapshot.items(snapshot.ids().tolist())
        assert all(row.missing for row in rows)  # what they held can't be shown any more
        assert not any(hit.missing is False for hit in snapshot.hits([row.id for row in rows]).values())


def test_known_files_are_read_again_to_check_them(catalogue: Catalogue, space: Space, folder: Path) -> None:
    add(make_run(catalogue, space), folder)
    embedder = Counting()
    again = add(make_run(catalogue, space, embedder, check=True), folder)
    assert (embedder.seen, len(again.added), again.known, again.failures) == (0, 0, 5, [])


def test_known_bytes_are_not_decoded(catalogue: Catalogue, space: Space, folder: Path) -> None:
    add(make_run(catalogue, space), folder)
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    embedder = Counting()
    again = add(make_run(catalogue, space, embedder), folder)
    assert (embedder.seen, len(again.added), again.known) == (0, 0, 5)
    assert add(make_run(catalogue, space), folder).known == 5  # the new times are remembered


def test_what_lacks_its_vector_is_embedded(catalogue: Catalogue, space: Space, folder: Path) -> None:
    add(make_run(catalogue, space), folder)
    with catalogue.transaction() as writing:
        writing.drop_vectors(1)
    embedder = Counting()
    again = add(make_run(catalogue, space, embedder), folder)
    assert (embedder.seen, again.known) == (1, 5)
    with catalogue.snapshot() as snapshot:
        assert snapshot.vector_counts() == {space.id: 5}


def test_ids_follow_the_order_of_files_whoever_is_done_first(
    catalogue: Catalogue, space: Space, tmp_path: Path
) -> None:
    for n in range(40):
        pictures.noise(n, (20, 20) if n % 4 else (900, 900)).save(tmp_path / f"{n:02}.png")
    tally = add(make_run(catalogue, space, workers=4), tmp_path)
    with catalogue.snapshot() as snapshot:
        names = [os.path.basename(row.uris[0]) for row in snapshot.items(tally.added)]
    assert tally.added == sorted(tally.added)
    assert names == [f"{n:02}.png" for n in range(40)]


def test_vectors_are_those_of_their_pictures(catalogue: Catalogue, space: Space, tmp_path: Path) -> None:
    images = [pictures.noise(n, (16, 16)) for n in range(30)]
    for n, picture in enumerate(images):
        picture.save(tmp_path / f"{n:02}.png")
    tally = add(make_run(catalogue, space, batch_size=7), tmp_path)
    with catalogue.snapshot() as snapshot:
        np.testing.assert_array_equal(snapshot.vectors(space.id, tally.added)[1], Tiny().embed(images))


def test_failures_do_not_stop_the_rest(catalogue: Catalogue, space: Space, folder: Path) -> None:
    for name, content in {"a.png": b"", "m.jpg": b"\xff\xd8\xff\xe0", "z.png": pictures.bomb()}.items():
        (folder / name).write_bytes(content)
    (folder / "cut.png").write_bytes(pictures.encoded(pictures.noise(), "PNG")[:1000])
    tally = add(make_run(catalogue, space), folder)
    assert (len(tally.added), len(tally.failures)) == (5, 4)
    assert all(one.reason for one in tally.failures)
    with catalogue.snapshot() as snapshot:
        assert {os.path.basename(one.uri) for one in snapshot.failures()} == {"a.png", "m.jpg", "z.png", "cut.png"}
        assert snapshot.table_counts()["items"] == 5


def test_a_failure_is_tried_again_only_when_it_changed_or_when_told(
    catalogue: Catalogue, space: Space, folder: Path
) -> None:
    broken = folder / "broken.png"
    broken.write_bytes(b"nothing")
    add(make_run(catalogue, space), folder)

    def attempts() -> list[int]:
        with catalogue.snapshot() as snapshot:
            return [one.attempts for one in snapshot.failures()]

    tally = add(make_run(catalogue, space), folder)
    assert (tally.failed_before, len(tally.failures), attempts()) == (1, 1, [1])
    add(make_run(catalogue, space, retry_failed=True), folder)
    assert attempts() == [2]
    broken.write_bytes(b"nothing else")
    add(make_run(catalogue, space), folder)
    assert attempts() == [3]
    pictures.disc("pink").save(broken)
    assert len(add(make_run(catalogue, space), folder).added) == 1
    assert attempts() == []


def test_a_known_picture_that_breaks_stays_and_is_a_failure(catalogue: Catalogue, space: Space, folder: Path) -> None:
    add(make_run(catalogue, space), folder)
    (folder / "red.png").write_bytes(b"broken now")
    tally = add(make_run(catalogue, space), folder)
    assert (tally.known, len(tally.failures)) == (4, 1)
    with catalogue.snapshot() as snapshot:
        assert snapshot.count() == 5


def test_progress_counts_to_the_end(catalogue: Catalogue, space: Space, folder: Path) -> None:
    add(make_run(catalogue, space), folder / "red.png")
    (folder / "broken.png").write_bytes(b"nothing")
    seen: list[Progress] = []
    add(make_run(catalogue, space, progress=seen.append), folder)
    assert [one.total for one in seen] == [5] * len(seen)
    assert (seen[0].done, seen[0].known) == (0, 1)
    assert seen[-1].done == 5
    assert (seen[-1].added, seen[-1].known, seen[-1].failed) == (4, 1, 1)
    assert seen[-1].left == 0
    assert all(one.rate >= 0 for one in seen)
    assert Progress(5, 0, 0, 0, 0, 0.0).left is None


def test_each_batch_is_recorded_as_it_is_done(catalogue: Catalogue, space: Space, folder: Path) -> None:
    counts: list[int] = []

    def recorded() -> None:
        with catalogue.snapshot() as snapshot:
            counts.append(snapshot.vector_counts()[space.id])

    add(make_run(catalogue, space, on_recorded=recorded), folder)
    assert counts[-1] == 5
    assert counts == sorted(set(counts))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_keeps_what_was_finished(
    catalogue: Catalogue, space: Space, tmp_path: Path, error: type[BaseException]
) -> None:
    for n in range(60):
        pictures.noise(n, (16, 16)).save(tmp_path / f"{n:02}.png")

    def interrupt(state: Progress) -> None:
        if state.done >= 20:
            raise error

    with pytest.raises(error):
        add(make_run(catalogue, space, progress=interrupt), tmp_path)
    with catalogue.snapshot() as snapshot:
        count = snapshot.count()
        assert snapshot.vector_counts() == {space.id: count}
    assert 20 <= count < 60
    embedder = Counting()
    again = add(make_run(catalogue, space, embedder), tmp_path)
    assert (again.known, len(again.added), embedder.seen) == (count, 60 - count, 60 - count)


def test_an_embedder_that_gives_nonsense_ends_the_run_unwritten(
    catalogue: Catalogue, space: Space, folder: Path
) -> None:
    class Faulty(Tiny):
        def forward(self, batch: Sequence[Any]) -> Vectors:
            return np.full((len(batch), 13), np.nan, np.float32)

    with pytest.raises(BadVector, match="the embedder 'tiny' returned unusable vectors: vector 0 holds nan"):
        add(make_run(catalogue, space, Faulty()), folder)
    with catalogue.snapshot() as snapshot:
        assert snapshot.count() == 0


def test_what_was_known_and_is_removed_meanwhile_comes_with_its_vector(
    catalogue: Catalogue, space: Space, folder: Path
) -> None:
    """Another process may remove between a worker's look and the recording."""
    add(make_run(catalogue, space), folder)
    for path in folder.iterdir():
        os.utime(path, (1, 1))

    class Overtaken(Run):
        def _process(self, sources: Sequence[Source], skip_embedded: bool = True) -> Batch:
            batch = super()._process(sources, skip_embedded)
            if skip_embedded:
                with catalogue.transaction() as writing:
                    writing.remove([1, 2])
            return batch

    tally = add(Overtaken(catalogue, space, Tiny(), batch_size=10), folder)
    with catalogue.snapshot() as snapshot:
        assert snapshot.count() == 5
        assert snapshot.vector_counts() == {space.id: 5}
        assert all(row.width for row in snapshot.items(snapshot.ids().tolist()))
    assert len(tally.added) == 2


def test_pictures_may_be_given_as_they_are(catalogue: Catalogue, space: Space) -> None:
    red = pictures.disc("red")
    sources = [
        Source(content=red, key="k", text="words", metadata={"x": 1}),
        Source(content=pictures.encoded(red, "PNG")),
        Source(content=red),
        Source(content=b"nothing", key="broken"),
        Source(content=b"nothing either"),
    ]
    tally = make_run(catalogue, space).add(sources)
    assert len(tally.added) == 3
    assert sorted(one.uri for one in tally.failures) == ["a picture without a key", "broken"]
    with catalogue.snapshot() as snapshot:
        rows = snapshot.items(tally.added)
    assert (rows[0].key, rows[0].text, rows[0].metadata, rows[0].width) == ("k", "words", {"x": 1}, 160)
    assert rows[1].format == "PNG"


def test_decoding_runs_beside_the_model(catalogue: Catalogue, space: Space, tmp_path: Path) -> None:
    for n in range(16):
        pictures.noise(n, (16, 16)).save(tmp_path / f"{n:02}.png")
    together = threading.Barrier(3, timeout=30)  # passes three at once, so three have to be inside
    first = iter([True] * 3)

    def before() -> None:
        if next(first, False):
            together.wait()

    embedder = Counting()
    embedder.before = before
    add(make_run(catalogue, space, embedder, workers=3), tmp_path)
    assert not together.broken


SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests in the background may ignore it
from pathlib import Path
from indexers.embedders.tiny import Tiny
from retrieval import Collection
class Slow(Tiny):
    def prepare(self, image):
        time.sleep(.02)
        return super().prepare(image)
with Collection.open(sys.argv[1], create=True, embedder=Slow(), batch=4, threads=1) as collection:
    print("ready", flush=True)
    collection.add(sys.argv[2], progress=lambda state: print(state.done, flush=True))
"""


def test_a_picture_in_full_size_is_gone_before_the_next_is_decoded(
    catalogue: Catalogue, space: Space, folder: Path
) -> None:
    seen: list[weakref.ref[Image]] = []
    living: list[int] = []

    class Watching(Tiny):
        @property
        def input_size(self) -> int:  # type: ignore[override]  # asked for when a picture is about to be decoded
            living.append(sum(picture() is not None for picture in seen))
            return 16

        def prepare(self, image: Image) -> Any:
            seen.append(weakref.ref(image))
            return super().prepare(image)

    add(make_run(catalogue, space, Watching(), workers=1, batch_size=4), folder)
    assert len(seen) > 1
    assert not any(living)


@pytest.mark.parametrize("is_isolated", [False, True])
def test_large_pictures_take_turns(
    catalogue: Catalogue, space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_isolated: bool
) -> None:
    if is_isolated and not isolation.can_isolate():
        pytest.skip("decoding in other processes needs POSIX")
    for module, name in ((turns, "LARGE"), (images, "OWN_PIXELS"), (isolation, "ISOLATED_PIXELS")):
        monkeypatch.setattr(module, name, 1)
    for number in range(8):
        pictures.noise(number).save(tmp_path / f"{number}.png")
    embedder, at_work, were_alone = Counting(), threading.Lock(), []

    def work() -> None:
        is_alone = at_work.acquire(blocking=False)
        were_alone.append(is_alone)
        time.sleep(0.02)
        if is_alone:
            at_work.release()

    embedder.before = work
    with isolation.DecoderPool(workers=2) as decoders:
        add(make_run(catalogue, space, embedder, batch_size=1, decoders=decoders if is_isolated else None), tmp_path)
    assert were_alone == [True] * 8


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_stopped_loses_only_what_was_in_flight(tmp_path: Path, signal_number: signal.Signals) -> None:
    place = tmp_path / "pictures"
    place.mkdir()
    for n in range(80):
        pictures.noise(n, (16, 16)).save(place / f"{n:02}.png")
    command = [sys.executable, "-c", SLOW, str(tmp_path / "c"), str(place)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    done = 0
    for line in process.stdout:
        done = int(line) if line.strip().isdigit() else 0
        if done >= 12:
            process.send_signal(signal_number)
            break
    done = max([done, *(int(line) for line in process.stdout if line.strip().isdigit())])
    process.stdout.close()
    process.wait()
    with Collection.open(tmp_path / "c", embedder="tiny") as collection:
        count = collection.count()
        assert done <= count < 80
        assert len(collection.search(vector=np.ones(13), k=100)) == count
        report = collection.add(place)
        assert (report.known, report.added) == (count, 80 - count)
        assert collection.verify().ok


def test_files_that_change_names_among_themselves_keep_what_was_said_of_them(tmp_path: Path) -> None:
    """A renaming that shifts every file by one, in batches that end in the middle of it."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for place in range(9):
        PIL.Image.new("RGB", (8, 8), (place * 20, 0, 0)).save(folder / f"{place}.png")
    with Collection.open(tmp_path / "collection", create=True, embedder="tiny", batch=2, threads=1) as collection:
        collection.add(folder)
        for place in range(9):
            collection.update(str(folder / f"{place}.png"), {"was": place})
        before = {item.metadata["was"]: item.id for item in collection.items().items}
        for place in reversed(range(9)):
            (folder / f"{place}.png").rename(folder / f"{place + 1}.png")
        os.utime(folder / "1.png", ns=(1, 1))
        report = collection.sync(folder)
        assert (report.added, report.failed, report.missing) == (0, 0, 1)
        assert {item.metadata["was"]: item.id for item in collection.items().items} == before
        moved = [collection.get(str(folder / f"{place + 1}.png")) for place in range(9)]
        assert [item.metadata["was"] for item in moved] == list(range(9))


def test_what_a_killed_run_left_undone_is_done_by_the_next(tmp_path: Path, folder: Path) -> None:
    with Collection.open(tmp_path / "collection", create=True, embedder="tiny") as collection:
        collection.add(folder, metadata={"album": "discs"})
        (old,) = (item.id for item in collection.items().items if item.uri == str(folder / "red.png"))
        with collection._catalogue.transaction() as writing:  # the first batch of a run that is killed then
            file = FoundFile(str(folder / "red.png"), str(folder / "red.png"), 1, 1, 1)
            arrival = Arrival(hash=b"x" * 20, uri=file.uri, file=file, vector=np.ones(13, np.float32))
            (stored,) = writing.put([arrival], 1, more_follow=True)
        assert collection.count() == 6
        collection.add(folder / "green.png")
        assert collection.get(stored.item_id).metadata == {"album": "discs"}
        with pytest.raises(ItemNotFound):
            collection.get(old)
