"""What an evaluation may be asked for, and the checks of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from indexers import plugins
from indexers.errors import BadQuery
from indexers.types import Json
from retrieval.checks import check_whole

SAMPLE = 20_000
"""The largest number of items that are clustered, by default."""
MAX_RANKED = 100_000
"""The largest number of items that retrieval ranks."""


class Method(NamedTuple):
    """A clusterer by the name of its plug-in, and the parameters that the caller passed."""

    name: str
    parameters: Json

    @property
    def title(self) -> str:
        """The name with the parameters, such as `kmeans n_init=10`."""
        return " ".join([self.name, *(f"{key}={json.dumps(value)}" for key, value in self.parameters.items())])


class EvaluationRequest(NamedTuple):
    """The arguments of Collection.evaluate."""

    labels: str | None
    methods: tuple[Method, ...]
    k: int | None
    spaces: str | Sequence[str] | None
    draws: int
    sample: int
    random_state: int


def parse_methods(methods: Any) -> tuple[Method, ...]:
    """Read a list of names, and of pairs of a name and parameters. Raises BadQuery, UnknownPlugin."""
    if isinstance(methods, str) or not isinstance(methods, Sequence):
        raise BadQuery(f'methods is a list such as ["kmeans", ("partitions", {{"n_clusters": 9}})]; got {methods!r}')
    return tuple(map(_parse_method, methods))


def _parse_method(method: Any) -> Method:
    name, parameters = (method, {}) if isinstance(method, str) else _split_pair(method)
    plugins.find_member("nearkin.clusterers", name)
    try:
        return Method(name, json.loads(json.dumps(dict(parameters))))
    except (TypeError, ValueError) as error:
        raise BadQuery(f"the parameters of {name} must be JSON values; {parameters!r} are not: {error}") from error


def _split_pair(method: Any) -> tuple[str, Mapping[str, Any]]:
    match method:
        case (str(name), Mapping() as parameters):
            return name, parameters
    raise BadQuery(f"a method is a name, or a name and its parameters; got {method!r}")


def check_request(request: EvaluationRequest) -> None:
    """Check the arguments that can be judged without a collection. Raises BadQuery."""
    if request.labels is not None and not (isinstance(request.labels, str) and request.labels):
        raise BadQuery(f"labels is a metadata key, such as 'class'; got {request.labels!r}")
    if request.k is not None:
        check_whole(request.k, "k is the number of clusters,")
    check_whole(request.draws, "draws is the number of times that each clustering is repeated,", 0)
    check_whole(request.sample, "sample is the largest number of items to cluster,", 2)
    check_whole(request.random_state, "random_state is the random seed,", 0)
