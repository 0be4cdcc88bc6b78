from __future__ import annotations

import subprocess
import sys

import pytest

from indexers import clusterers, plugins


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, indexers.clusterers; print(any(name in sys.modules for name in ('numpy', 'sklearn', 'scipy')))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        __import__("indexers.clusterers").clusterers.nothing_of_that_name  # noqa: B018


@pytest.mark.parametrize("name", clusterers.__all__)
def test_each_estimator_is_found_by_its_name(name: str) -> None:
    assert getattr(clusterers, name).__name__ == name


def test_every_plug_in_is_among_them() -> None:
    built_in = {path.partition(":")[2] for path in plugins.BUILT_IN["nearkin.clusterers"].values()}
    assert built_in == set(clusterers.__all__) - {"Clusterer"}
