"""The records of an evaluation, and what can be asked of one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from indexers import plugins
from indexers.errors import BadQuery
from indexers.types import Json
from retrieval.checks import check_whole

SAMPLE = 20_000
"""Items that are clustered, where there are more."""
RANKED = 100_000
"""Items that are ranked by retrieval, where there are more."""


class Method(NamedTuple):
    """A clusterer by the name of its plug-in, and the parameters that were given."""

    name: str
    parameters: Json

    @property
    def title(self) -> str:
        """`kmeans n_init=10`"""
        return " ".join([self.name, *(f"{key}={json.dumps(value)}" for key, value in self.parameters.items())])


class Wanted(NamedTuple):
    """See Collection.evaluate."""

    labels: str | None
    methods: tuple[Method, ...]
    k: int | None
    spaces: str | Sequence[str] | None
    draws: int
    sample: int
    random_state: int


def named(methods: Any) -> tuple[Method, ...]:
    """Raises BadQuery, UnknownPlugin."""
    if isinstance(methods, str) or not isinstance(methods, Sequence):
        raise BadQuery(f'methods is a list such as ["kmeans", ("partitions", {{"n_clusters": 9}})]; got {methods!r}')
    return tuple(_method(one) for one in methods)


def _method(given: Any) -> Method:
    name, parameters = (given, {}) if isinstance(given, str) else _pair(given)
    plugins.member("nearkin.clusterers", name)
    try:
        return Method(name, json.loads(json.dumps(dict(parameters))))
    except (TypeError, ValueError) as error:
        raise BadQuery(f"the parameters of {name} are JSON values; {parameters!r} are not: {error}") from error


def _pair(given: Any) -> tuple[str, Mapping[str, Any]]:
    match given:
        case (str(name), Mapping() as parameters):
            return name, parameters
    raise BadQuery(f"a method is a name, or a name and its parameters; got {given!r}")


def check(how: Wanted) -> None:
    """Raises BadQuery."""
    if how.labels is not None and not (isinstance(how.labels, str) and how.labels):
        raise BadQuery(f"labels is a metadata key, such as 'class'; got {how.labels!r}")
    if how.k is not None:
        check_whole(how.k, "k is the number of clusters,")
    check_whole(how.draws, "draws is the number of times that each clustering is repeated,", 0)
    check_whole(how.sample, "sample is the largest number of items to cluster,", 2)
    check_whole(how.random_state, "random_state is the random seed,", 0)
