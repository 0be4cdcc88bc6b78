"""Models with random weights that several files try, each made once a session; see tests/support/networks.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:  # needs torch and others, which may be missing
    from tests.support.networks import Original, Originals


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Originals:
    from tests.support.networks import Originals

    return Originals(tmp_path_factory.mktemp("weights"))


@pytest.fixture(params=["clip", "resnet18", "timm"])
def original(request: pytest.FixtureRequest, originals: Originals) -> Original:
    return originals[request.param]


@pytest.fixture
def pictures() -> list[Image.Image]:
    from tests.support.networks import PICTURES

    return PICTURES
