from __future__ import annotations

import pytest

from indexers.classifiers.contract import ClassifierContract
from indexers.classifiers.logistic import Logistic
from indexers.testing import ClassifierContract as Exported


def test_it_is_exported_and_says_what_to_override() -> None:
    assert Exported is ClassifierContract
    with pytest.raises(NotImplementedError, match="override `classifier`"):
        ClassifierContract().classifier()


def test_a_member_that_ignores_its_labels_fails() -> None:
    class Ignorant(ClassifierContract):
        def classifier(self, **more: object) -> Logistic:
            return Logistic(C=1e-12)

    with pytest.raises(AssertionError):
        Ignorant().test_new_rows_get_the_right_classes()
