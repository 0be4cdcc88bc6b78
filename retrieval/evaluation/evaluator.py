"""Evaluating a collection: plans what is compared, reads it from each space, and lets the methods run."""

from __future__ import annotations

from collections.abc import Callable

from indexers.catalogue.catalogue import Catalogue
from retrieval.clusters.browser import ClusterBrowser
from retrieval.evaluation import evaluate
from retrieval.evaluation.request import EvaluationRequest, check_request
from retrieval.records.evaluation import Evaluation
from retrieval.spaces.spaces import Spaces

Watch = Callable[[int, int, str], object]


class Evaluator:
    """Evaluates the clusterings and embedders of a collection."""

    def __init__(self, catalogue: Catalogue, spaces: Spaces, browser: ClusterBrowser) -> None:
        self._catalogue, self._spaces, self._browser = catalogue, spaces, browser

    def evaluate(self, request: EvaluationRequest, progress: Watch | None) -> Evaluation:
        """Compare clusterings and spaces. Raises BadQuery, UnknownPlugin, SpaceNotFound, UsageError."""
        check_request(request)
        self._spaces.view()
        with self._catalogue.snapshot() as snapshot:
            plan = evaluate.plan_evaluation(snapshot, request)

        def gather(space: str) -> evaluate.SpaceData | None:
            return self._browser.read_tree(
                lambda moment: evaluate.gather_space_data(moment, plan), None, patient=False, space=space
            )

        return evaluate.run_evaluation(plan, gather, progress or (lambda done, total, step: None))
