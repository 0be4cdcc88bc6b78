from __future__ import annotations

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.types import Space
from tests.support.followers import add_space


@pytest.fixture
def space(catalogue: Catalogue) -> Space:
    """A space of eight dimensions."""
    return add_space(catalogue)
