"""Weights: local files, nothing that runs code, downloads that give up quickly."""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from indexers import plugins
from indexers.embedders import weights
from indexers.errors import WeightsUnavailable

torch = pytest.importorskip("torch")
BODY = b"tensors, or so they say" * 1000


class Evil:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".safetensors"])
@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_a_pickle_that_runs_something_is_refused(tmp_path: Path, suffix: str, writer: str) -> None:
    path, folder = tmp_path / f"evil{suffix}", tmp_path / "folder"
    if writer == "pickle":
        path.write_bytes(pickle.dumps({"weight": Evil(folder)}))
    else:
        torch.save({"weight": Evil(folder)}, path)
    with pytest.raises(WeightsUnavailable, match="Only tensors are read"):
        weights.read_tensors(path, "clip")
    assert not folder.exists()


def test_damaged_files_and_files_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    for content in (b"", b"\x80", b"PK\x03\x04 not a zip", os.urandom(3000)):
        path.write_bytes(content)
        with pytest.raises(WeightsUnavailable, match="can't be used"):
            weights.read_tensors(path, "clip")
    torch.save([torch.ones(3)], path)
    with pytest.raises(WeightsUnavailable, match="no tensors by name"):
        weights.read_tensors(path, "clip")


@pytest.mark.parametrize("wrapped", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_checkpoints_of_training_are_unwrapped(tmp_path: Path, wrapped: str | None, prefix: str) -> None:
    tensors = {f"{prefix}layer.weight": torch.arange(3.0)}
    torch.save({wrapped: tensors, "epoch": 3} if wrapped else tensors, tmp_path / "a.pt")
    assert weights.read_tensors(tmp_path / "a.pt", "clip")["layer.weight"].tolist() == [0, 1, 2]


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(3, 4).state_dict(), tmp_path / "a.pt")
    for network in (torch.nn.Linear(4, 4), torch.nn.Conv2d(3, 4, 1), torch.nn.Sequential(torch.nn.Linear(3, 4))):
        with pytest.raises(WeightsUnavailable, match="of another network"):
            weights.fill_network(network, tmp_path / "a.pt", "resnet18")


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.pt", tmp_path / "b.pt"
    path.write_bytes(BODY)
    copy.write_bytes(BODY)
    assert weights.hash_file(path) == weights.hash_file(copy) == sha256(BODY).hexdigest()
    path.write_bytes(BODY[::-1])
    os.utime(path, ns=(1, 1))
    assert weights.hash_file(path) == sha256(BODY[::-1]).hexdigest()


def test_a_file_that_was_moved_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    gone = str(tmp_path / "gone" / "my.pt")
    with pytest.raises(WeightsUnavailable, match=r"my\.pt'.*no such file; put it there or into .*nearkin.weights"):
        weights.find_file(gone, "clip")
    weights.get_folder().mkdir(parents=True)
    (weights.get_folder() / "my.pt").write_bytes(BODY)
    assert weights.find_file(gone, "clip") == weights.get_folder() / "my.pt"


# ---- downloads


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/good" else 404)
            self.end_headers()
            self.wfile.write(BODY)

        def log_message(self, *_: Any) -> None:
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_downloads_once_and_checks(server: str, tmp_path: Path) -> None:
    target = tmp_path / "cache" / "a.pt"
    assert weights.fetch_from_url(f"{server}/good", target, sha256(BODY).hexdigest()[:8]) == target
    assert target.read_bytes() == BODY
    assert weights.fetch_from_url("http://127.0.0.1:9/nobody", target) == target
    assert [path.name for path in target.parent.iterdir()] == ["a.pt"]


def test_a_wrong_or_missing_download_leaves_nothing(server: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="damaged"):
        weights.fetch_from_url(f"{server}/good", tmp_path / "a.pt", "0123")
    with pytest.raises(OSError, match="bad: Not Found"):
        weights.fetch_from_url(f"{server}/bad", tmp_path / "a.pt")
    assert not list(tmp_path.iterdir())


def test_gives_up_quickly_where_nothing_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    start = time.perf_counter()
    with pytest.raises(OSError, match="can't be reached"):
        weights.fetch_from_hub("nobody/nothing", ["model.safetensors"])
    with pytest.raises(OSError, match="refused"):
        weights.fetch_from_url("http://127.0.0.1:9/a.pt", tmp_path / "a.pt")
    assert time.perf_counter() - start < 5


def test_obeys_the_offline_variable(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(OSError, match="HF_HUB_OFFLINE forbids"):
        weights.fetch_from_url(f"{server}/good", tmp_path / "a.pt")
    with pytest.raises(OSError, match="HF_HUB_OFFLINE forbids"):
        weights.fetch_from_hub("nobody/nothing", ["model.safetensors"])


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("clip", "clip:MODEL/PATH"),
        ("resnet50", "resnet50:PATH"),
        ("timm:test_vit", "timm:MODEL/PATH"),
        ("torchvision:vgg16", "torchvision:MODEL/PATH"),
    ],
)
def test_weights_that_cannot_be_fetched_say_what_was_tried_at_once(
    name: str, setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("open_clip", "timm", "torchvision"):
        pytest.importorskip(package)
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(weights, "_download", refuse_download)
    embedder = plugins.load_member("nearkin.embedders", name)()
    start = time.perf_counter()
    with pytest.raises(
        WeightsUnavailable, match=r"can't be (fetched|reached).*no download: lite0, classic, tiny"
    ) as caught:
        embedder.fingerprint()
    assert time.perf_counter() - start < 5
    assert setting in str(caught.value)


def refuse_download(url: str, target: Path) -> None:
    raise OSError(f"{url} can't be reached")
