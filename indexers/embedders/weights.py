"""Find, download and read files of weights. Downloads give up quickly, and nothing that could run code is loaded."""

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

from indexers.devices import import_torch
from indexers.errors import MissingPackage, WeightsUnavailable

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
NO_DOWNLOAD = ("lite0", "classic", "tiny")
"""Embedders whose weights come with a package, or that have none."""

_PATIENCE = 5.0
"""Seconds until a silent server counts as unreachable: Hugging Face's client would try for minutes."""


def is_file_name(text: str) -> bool:
    """Return True if the text is meant as a path: no tag of published weights has such an end or a separator."""
    return text.endswith(SUFFIXES) or "/" in text or os.sep in text


def make_absolute(text: str) -> str:
    """Return the path that means the same from every working folder."""
    return str(Path(text).expanduser().absolute())


def find_file(name: str, embedder: str) -> Path:
    """Return the file at that path or, if it was moved, the file of its name in `get_folder()`.

    A space keeps the path that it was made with; the fingerprint makes sure that a file elsewhere is the same. Raises
    WeightsUnavailable.
    """
    path = Path(name).expanduser()
    for candidate in (path, get_folder() / path.name):
        if candidate.is_file():
            return candidate
    raise WeightsUnavailable(
        f"the embedder {embedder!r} looks for its weights in {str(path)!r}, and there is no such file; "
        f"put it there or into {get_folder()}"
    )


def get_folder() -> Path:
    """Return the folder in which files of weights are found that are not where they were."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "nearkin" / "weights"


def hash_file(path: Path) -> str:
    """Return the SHA-256 of the file's bytes, in hexadecimal; not computed again while size and time stay."""
    status = path.stat()
    return _hash_file(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _hash_file(path: Path, size: int, time: int) -> str:
    digest = sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_tensors(path: Path, embedder: str) -> dict[str, Any]:
    """Return the tensors of a .safetensors, .pt, .pth or .bin file by name, on the CPU.

    Nothing in the file can run: a pickle that holds more than tensors, and an archive of TorchScript, raise
    WeightsUnavailable. So does a damaged file.
    """
    torch = import_torch()

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)  # type: ignore[no-any-return]
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsUnavailable(
            f"{path} can't be used as weights of the embedder {embedder!r}: {reason}. Only tensors are read, "
            "since a pickle may run any program; save the model's state_dict() as .safetensors"
        ) from error
    for key in ("state_dict_ema", "model_ema", "state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise WeightsUnavailable(f"{path} holds no tensors by name; save the model's state_dict() as .safetensors")
    return {name.removeprefix("module."): value for name, value in content.items()}


def fill_network(network: Any, path: Path, embedder: str) -> None:
    """Load the file into the network; every tensor has to fit. Raises WeightsUnavailable."""
    load_or_refuse(lambda: network.load_state_dict(read_tensors(path, embedder), strict=True), path, embedder)


def load_or_refuse(load: Callable[[], Any], path: Path, embedder: str) -> Any:
    """Call `load` and return its result. Raises WeightsUnavailable if the file's tensors are of another network."""
    try:
        return load()
    except (RuntimeError, KeyError, ValueError, AttributeError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = " ".join(lines)[:300]
        raise WeightsUnavailable(
            f"the weights in {path} do not fit the embedder {embedder!r}, they are of another network: {reason}"
        ) from error


def explain_missing(find: Callable[[], Path]) -> str:
    """Return the reason why `find` finds no file of weights; "" if it finds one."""
    try:
        find()
    except WeightsUnavailable as error:
        return str(error)
    return ""


# ---- downloads


def make_error(embedder: str, name: str, reasons: Sequence[str], setting: str) -> WeightsUnavailable:
    """Return the error for weights that can't be fetched, with what to do instead.

    `name` describes the weights, `reasons` has one reason for each attempt, `setting` takes a local file.
    """
    return WeightsUnavailable(
        f"the embedder {embedder!r} needs the weights {name}, which are not on this machine and can't be fetched: "
        f"{'; '.join(reasons)}. Bring the file by other means and give its path as {setting}, or use an embedder that "
        f"needs no download: {', '.join(NO_DOWNLOAD)}"
    )


def is_offline() -> bool:
    """Return True if the environment forbids downloads (by Hugging Face's variables)."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in names)


def fetch_from_hub(repository: str, names: Sequence[str], download: bool = True) -> Path:
    """Return the first of these files of a Hugging Face repository, from its cache or by download.

    Raises OSError with the reason, within seconds if there is no network.
    """
    try:
        from huggingface_hub import constants, hf_hub_download
    except ImportError as error:
        raise MissingPackage("downloading weights needs a package: pip install huggingface_hub") from error
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
        except Exception as error:  # their own OSError and ValueError, or any of the client below
            reasons.append(str(error).strip().splitlines()[0])
    raise OSError(f"{address}: {reasons[0]}")


def fetch_from_url(url: str, target: Path, digest: str = "", download: bool = True) -> Path:
    """Return the file `target`, downloaded if it is missing; `digest` is the start of its SHA-256. Raises OSError."""
    if not target.is_file():
        if not download:
            raise OSError(f"{target} is missing")
        if is_offline():
            raise OSError(f"{target} is missing, and HF_HUB_OFFLINE forbids a download of {url}")
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
    """Raise OSError unless a server answers."""
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_PATIENCE).close()
    except urllib.error.HTTPError as error:
        error.close()  # an answer too; the client will tell more
    except OSError as error:
        raise OSError(f"{address} can't be reached: {getattr(error, 'reason', error)}") from error
