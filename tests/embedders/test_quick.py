"""The same function in less time: folded normalisations, and what this machine and its packages can do."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest

from indexers.embedders.quick import (
    describe_processor,
    explain_missing_packages,
    fold_batch_norms,
    fold_if_equal,
    has_bf16,
    is_mostly_convolutions,
)

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("one_core")


def make_network() -> Any:
    """A convolution and its normalisation: 1 x 1, so that it can be computed by hand."""
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1, eps=0.0)).eval()
    convolution, normalisation = network
    with torch.no_grad():
        convolution.weight.fill_(2), convolution.bias.fill_(1)
        normalisation.running_mean.fill_(3), normalisation.running_var.fill_(4)
        normalisation.weight.fill_(6), normalisation.bias.fill_(5)
    return network.requires_grad_(False)


def test_a_normalisation_is_folded_into_its_convolution() -> None:
    """(2 x + 1 - 3) / 2 * 6 + 5 is 6 x - 1."""
    network = make_network()
    assert network(torch.full((1, 1, 1, 1), 10.0)).item() == 59
    fold_batch_norms(network)
    assert network[0].weight.item() == pytest.approx(6)
    assert network[0].bias.item() == pytest.approx(-1)
    assert isinstance(network[1], torch.nn.Identity)
    assert network(torch.full((1, 1, 1, 1), 10.0)).item() == pytest.approx(59)


def test_folding_returns_a_copy_and_leaves_the_network_as_it_was() -> None:
    network = make_network()
    folded = fold_if_equal(network, torch.linspace(-1, 1, 4).reshape(1, 1, 2, 2))
    assert folded is not network
    assert isinstance(folded[1], torch.nn.Identity)
    assert isinstance(network[1], torch.nn.BatchNorm2d)


class Reversed(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Normalises before its convolution, though it defines them the other way round."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(2, channels, 1)
        self.normalisation = torch.nn.BatchNorm2d(2)
        torch.nn.init.normal_(self.normalisation.weight)
        self.normalisation.running_mean.fill_(1)

    def forward(self, pixels: Any) -> Any:
        return self.convolution(self.normalisation(pixels))


@pytest.mark.parametrize("channels", [2, 3])  # with 3, the normalisation does not even fit the convolution
def test_a_network_that_computes_in_another_order_stays_as_it_is(channels: int) -> None:
    torch.manual_seed(0)
    network = Reversed(channels).eval().requires_grad_(False)
    assert fold_if_equal(network, torch.randn(3, 2, 4, 4)) is network


def test_a_network_without_normalisations_stays_as_it_is() -> None:
    network = torch.nn.Linear(3, 3)
    assert fold_if_equal(network, torch.ones(1, 3)) is network


@pytest.mark.parametrize(
    ("convolution", "linear", "expected"),
    [
        ((1, 10, 3), (3, 5), True),  # 90 + 10 numbers of 120
        ((1, 10, 3), (9, 20), False),  # 90 + 10 of 300
    ],
)
def test_most_of_the_weights_decide(convolution: tuple[int, ...], linear: tuple[int, int], expected: bool) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(*convolution), torch.nn.Linear(*linear))
    assert is_mostly_convolutions(network) is expected


def test_missing_packages_are_installed_by_an_extra() -> None:
    assert explain_missing_packages("json", "torch") == ""
    assert explain_missing_packages("json", "no_such_package") == "pip install 'nearkin[models]'"
    assert explain_missing_packages("no_such_package", extra="onnx") == "pip install 'nearkin[onnx]'"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("flags : fpu avx512_bf16 sse", True), ("Features : fp bf16", True), ("flags : fpu avx512f", False)],
)
def test_the_processor_says_whether_it_has_bfloat16(
    flags: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path, *_: flags)
    assert has_bf16.__wrapped__() is expected


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [("Darwin", "arm64", True), ("Darwin", "x86_64", False), ("Windows", "AMD64", False)],
)
def test_without_its_list_of_features_only_apples_own_processors_have_bfloat16(
    system: str, machine: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: str) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert has_bf16.__wrapped__() is expected


def test_the_processor_has_a_name() -> None:
    assert len(describe_processor()) > len(platform.system())


@pytest.mark.parametrize(
    ("content", "expected"),
    [("processor : 0\nmodel name : Fast 9\nmodel name : Fast 9\n", "Fast 9"), ("CPU part\t: 0xd0c\n", "0xd0c")],
)
def test_the_name_of_the_processor_is_the_systems(content: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path, *_: content)
    assert describe_processor() == f"{platform.system()} {platform.machine()} {expected}"
