"""Where weights come from: a local file, a cache, or a download that gives up quickly; never what could run code."""

from __future__ import annotations

import logging
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from indexers.errors import MissingPackage, WeightsUnavailable

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
NO_DOWNLOAD = ("lite0", "classic", "tiny")
"""Embedders whose weights come with a package, or that have none."""

_PATIENCE = 5.0
"""Seconds until a server that doesn't answer counts as not reachable: Hugging Face's client would try for minutes."""


def is_file_name(text: str) -> bool:
    """Whether that is meant as a path: no tag of published weights has such an end or a separator."""
    return text.endswith(SUFFIXES) or "/" in text or os.sep in text


def make_absolute(text: str) -> str:
    """A path that means the same from every working folder."""
    return str(Path(text).expanduser().absolute())


def find_file(name: str, embedder: str) -> Path:
    """The file of that name: where it says, or, once it has been moved, in `folder()`. Raises WeightsUnavailable.

    A space remembers the path it was made with; the fingerprint makes sure that it is the same file elsewhere.
    """
    path = Path(name).expanduser()
    for place in (path, get_folder() / path.name):
        if place.is_file():
            return place
    raise WeightsUnavailable(
        f"the embedder {embedder!r} looks for its weights in {str(path)!r}, and there is no such file; "
        f"put it there or into {get_folder()}"
    )


def get_folder() -> Path:
    """Where a weights file may lie that is not where it was."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "nearkin" / "weights"


def hash_file(path: Path) -> str:
    """SHA-256 of the file's bytes, in hexadecimal; not computed again while size and time stay."""
    status = path.stat()
    return _hash_file(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _hash_file(path: Path, size: int, time: int) -> str:
    found = sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def read_tensors(path: Path, embedder: str) -> dict[str, Any]:
    """The tensors of a .safetensors, .pt, .pth or .bin file by name, on the CPU.

    Nothing in it can run: a pickle that holds more than tensors, and an archive of TorchScript, raise
    WeightsUnavailable. So does a damaged file.
    """
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)  # type: ignore[no-any-return]
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged file raises is anybody's guess
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsUnavailable(
            f"{path} can't be used as weights of the embedder {embedder!r}: {reason}. Only tensors are read, "
            "since a pickle may run any program; save the model's state_dict() as .safetensors"
        ) from error
    for key in ("state_dict_ema", "model_ema", "state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise WeightsUnavailable(f"{path} holds no tensors by name; save the model's state_dict() as .safetensors")
    return {name.removeprefix("module."): value for name, value in found.items()}


def fill_network(network: Any, path: Path, embedder: str) -> None:
    """Load the file into the network; every tensor has to fit. Raises WeightsUnavailable."""
    load_or_refuse(lambda: network.load_state_dict(read_tensors(path, embedder), strict=True), path, embedder)


def load_or_refuse(loading: Any, path: Path, embedder: str) -> Any:
    """Call `loading`, and say so if the file's tensors are of another network."""
    try:
        return loading()
    except (RuntimeError, KeyError, ValueError, AttributeError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = " ".join(lines)[:300]
        raise WeightsUnavailable(
            f"the weights in {path} do not fit the embedder {embedder!r}, they are of another network: {reason}"
        ) from error


def explain_missing(find: Callable[[], Path]) -> str:
    """Why the file can't be had without a download; "" if it can."""
    try:
        find()
    except WeightsUnavailable as error:
        return str(error)
    return ""


# ---- downloads


def make_error(embedder: str, what: str, tried: Sequence[str], setting: str) -> WeightsUnavailable:
    """The error: what was tried, the local alternative, and what needs no download."""
    return WeightsUnavailable(
        f"the embedder {embedder!r} needs the weights {what}, which are not on this machine and can't be had: "
        f"{'; '.join(tried)}. Bring the file by other means and give its path as {setting}, or use an embedder that "
        f"needs no download: {', '.join(NO_DOWNLOAD)}"
    )


def is_offline() -> bool:
    """Whether the environment forbids downloads (Hugging Face's own variables)."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in names)


def fetch_from_hub(repository: str, names: Sequence[str], download: bool = True) -> Path:
    """The first of these files of a Hugging Face repository, from its cache or by download.

    Raises OSError with the reason; within seconds where there is no network.
    """
    try:
        from huggingface_hub import constants, hf_hub_download
    except ImportError as error:
        raise MissingPackage("downloading weights needs the package 'huggingface_hub': pip install it") from error
    for name in names:
        try:
            return Path(hf_hub_download(repository, name, local_files_only=True))
        except OSError:
            continue
    address = f"{constants.ENDPOINT}/{repository}"
    if not download:
        raise OSError(f"{address} is not in the cache")
    if is_offline() or constants.HF_HUB_OFFLINE:
        raise OSError(f"{address} is not in the cache, and HF_HUB_OFFLINE forbids a download")
    _check_reachable(address)
    reasons = []
    for name in names:
        try:
            return Path(hf_hub_download(repository, name, etag_timeout=_PATIENCE))
        except Exception as error:  # OSError and ValueError of theirs, or of the client beneath
            reasons.append(str(error).strip().splitlines()[0])
    raise OSError(f"{address}: {reasons[0]}")


def fetch_from_url(url: str, target: Path, digest: str = "", download: bool = True) -> Path:
    """The file `target`, downloaded if it is not there; `digest`: how its SHA-256 begins. Raises OSError."""
    if not target.is_file():
        if not download:
            raise OSError(f"{target} is not there")
        if is_offline():
            raise OSError(f"{target} is not there, and HF_HUB_OFFLINE forbids a download of {url}")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            _download(url, partial)
            _check_digest(partial, url, digest)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    _check_digest(target, str(target), digest)
    return target


def _check_digest(path: Path, name: str, digest: str) -> None:
    if not hash_file(path).startswith(digest):
        raise OSError(f"{name} is damaged: its SHA-256 does not begin with {digest}")


def _download(url: str, target: Path) -> None:
    logging.getLogger("nearkin").info("downloading %s", url)
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as source, target.open("wb") as file:
            while block := source.read(1 << 20):
                file.write(block)
    except OSError as error:
        raise OSError(f"{url}: {getattr(error, 'reason', error)}") from error


def _check_reachable(address: str) -> None:
    """Raises OSError unless something answers there."""
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_PATIENCE).close()
    except urllib.error.HTTPError as error:
        error.close()  # an answer, if not a kind one; the client says more
    except OSError as error:
        raise OSError(f"{address} can't be reached: {getattr(error, 'reason', error)}") from error
