"""Examples in the OpenAPI document: a value for every field and every parameter, and whole answers made of them."""

from __future__ import annotations

from typing import Any

from indexers.types import Json
from retrieval.server.problems import TYPE_PREFIX

FIELDS: dict[str, Any] = {
    "a": 3,
    "added": 2,
    "added_at": "2024-06-01T18:30:00Z",
    "after": ["boats", "harbour"],
    "ami": 0.71,
    "ari": 0.64,
    "as_of": 1207,
    "asked": {"paths": ["/photos/2024"], "metadata": None, "sync": True},
    "at": "2024-06-01T18:30:00Z",
    "at_least": "likely",
    "attempts": 1,
    "b": 7,
    "before": ["boats"],
    "born": 310,
    "bytes": 184_320,
    "certainty": "likely",
    "chance": 0.00005,
    "change": 1207,
    "check": False,
    "checked": ["the vectors of the space lite0: 1200 of 1200 items"],
    "children": [41, 42],
    "choice": {},
    "cluster": 12,
    "clusters": [4, 12, 41],
    "compare": False,
    "continue_from": [3, 7],
    "count": 8,
    "cover": 7,
    "cover_reason": "the sharpest",
    "cpu_seconds": 1.9,
    "created": 1_717_266_600.0,
    "current": True,
    "cursor": 100,
    "davies_bouldin": 1.4,
    "decided_at": None,
    "dead": ["process 812 on attic"],
    "decision": 5,
    "decisions": [5],
    "detail": "there is no item with the id 999",
    "diameter": 0.08,
    "dimension": 384,
    "diversify": 0.3,
    "done": 120,
    "draws": 3,
    "edge": 320,
    "embedder": "lite0",
    "ended": 1_717_266_660.0,
    "error": None,
    "errors": [{"where": ["body", "k"], "what": "a whole number is needed"}],
    "evidence": {"kind": "same picture", "score": 0.98, "inliers": 212, "differs": ["smaller"]},
    "exact": True,
    "exclude": [12, "boats", {"partition": 3}],
    "exception": "",
    "failed": 1,
    "failed_before": 0,
    "format": "JPEG",
    "gained": 3,
    "given": False,
    "given_count": True,
    "gone": 0.02,
    "group": False,
    "groups": [[12, 14], [31]],
    "guarded": False,
    "hidden": False,
    "hash": "45e4cc1b3f7030012e178f9eeb61a0fb5fcbf0e1",
    "height": 1080,
    "hops": 2,
    "id": 12,
    "ids": [[3, 7, 8], [21, 3, -1]],
    "index": "hnsw",
    "is_open": False,
    "item": 3,
    "into": [[12, 14]],
    "items": [3, 7, 8],
    "job": "18ec9829c49cc73c07895c3d",
    "k": 10,
    "keep": 7,
    "key": "harbour.jpg",
    "keys": ["a", "b"],
    "kind": "same picture",
    "kinds": ["embed"],
    "known": 118,
    "labels": "album",
    "level": "medium",
    "levels": ["coarse", "medium", "fine", "rooms"],
    "limit": 100,
    "locations": 1210,
    "loose": 9,
    "lost": 0,
    "made_at": "2024-06-01T18:30:00Z",
    "mean_average_precision": 0.58,
    "medoid": 3,
    "memory": 48_000_000,
    "merge": True,
    "metadata": {"album": "2024", "rating": 5},
    "method": "kmeans",
    "methods": ["kmeans", {"name": "kmeans", "parameters": {"n_init": 10}}],
    "metric": "cosine",
    "missing": False,
    "n": 20,
    "name": "boats",
    "nearest": 12,
    "new": 3,
    "nmi": 0.78,
    "note": "there are few clusters, so those of coarse are those of medium",
    "notes": ["20000 of 61230 items, drawn at random, were clustered"],
    "ok": True,
    "once_per_copy": False,
    "others": [4],
    "p_at_1": 0.83,
    "p_at_10": 0.71,
    "page": 1,
    "parameters": {"n_clusters": 12},
    "parent": 4,
    "partial": False,
    "partition": 3,
    "path": [7, 3],
    "paths": ["/photos/2024"],
    "per_cluster": 2,
    "picture": "new.jpg",
    "pictures": ["a.jpg", "b.jpg"],
    "pool": 80,
    "prefer": "oldest",
    "proposal": 3,
    "problem": None,
    "problems": [],
    "proof": "no other item can be nearer",
    "proved": True,
    "purity": 0.86,
    "query": "harbour oslo",
    "queued": 1200,
    "radius": 0.8,
    "random_state": 0,
    "rate": 41.5,
    "read": 118,
    "reason": "most pixels",
    "removed": 2,
    "rerank": None,
    "restored": 2,
    "deleted": 2,
    "removed_at": "2024-06-02T08:00:00Z",
    "kept_until": "2024-07-02T08:00:00Z",
    "purge": False,
    "repair": False,
    "repaired": [],
    "repairs": [],
    "replace": False,
    "replaced": 0,
    "report": {"added": 2, "known": 118, "failed": 1},
    "representatives": [3, 21, 8],
    "retry_failed": False,
    "returned": 1,
    "rule": "kept",
    "running": 128,
    "sample": 20_000,
    "score": 0.93,
    "scores": [[0.93, 0.88, 0.85], [0.91, 0.64, None]],
    "seconds": 2.4,
    "seen": "HARBOUR OFFICE\nopen 9 to 5",
    "settings": {"ef": 120},
    "shift": 0.05,
    "silhouette": 0.22,
    "similarity": 0.61,
    "since": 1100,
    "size": 37,
    "source": "an assistant",
    "space": "lite0",
    "spaces": ["lite0"],
    "stability": 0.88,
    "stability_ami": 0.9,
    "stability_ami_error": 0.01,
    "stability_error": 0.02,
    "stage": "read",
    "started": 1_717_266_601.0,
    "state": "done",
    "strange": 0.06,
    "sync": True,
    "taken_at": "2024-05-31T21:04:00",
    "text": "a harbour at dusk",
    "texts": ["a harbour", "a street"],
    "threshold": 0.9,
    "tightness": 0.78,
    "title": "No item with that id or key",
    "total": 121,
    "tries": 1,
    "type": "urn:nearkin:item-not-found",
    "updated": 37,
    "upload": "qGuwVmMbQWy0M2yZyZ7Bbw",
    "uri": "/photos/2024/harbour.jpg",
    "uris": ["/photos/2024/harbour.jpg"],
    "value": ["harbour"],
    "vector": [0.6, 0.8],
    "vectors": [[0.6, 0.8], [1.0, 0.0]],
    "version": "0.1.0",
    "waiting": 940,
    "watching": ["2024"],
    "weakest": 0.92,
    "weakest_pair": [3, 7],
    "weight": 0.5,
    "what": "born",
    "where": {"album": "2024"},
    "width": 1920,
    "within": [12, "boats", {"partition": 3}],
    "with_text": 17,
    "without_outliers": 0.0,
    "words": False,
    "workers": 2,
    "writable": True,
    "X-Nearkin": "1",
}
"""Examples by the name of a field or parameter; a parameter that is JSON as text is written as text."""
SPECIAL: dict[str, Any] = {
    "AddReport.items": [201, 202],
    "Body_add_items.metadata": '{"album": "2024"}',
    "DuplicateGroup.kind": "same picture",
    "DuplicateGroup.missing": [],
    "CorrectionRequest.clusters": [4, 12],
    "CorrectionRequest.kind": "merge",
    "Correction.kind": "merge",
    "DecisionRequest.what": "keep",
    "Drift.new": 0.1,
    "Evaluation.classes": 12,
    "Evaluation.items": 1200,
    "Evaluation.judged": 1200,
    "Evaluation.labelled": 1100,
    "Failure.reason": "not a picture but text, which begins with 'hello'",
    "Failure.uri": "/photos/2024/notes.jpg",
    "Hit.clusters": [4, 12, 41],
    "Item.id": 3,
    "Job.id": "18ec9829c49cc73c07895c3d",
    "Job.kind": "add",
    "Job.what": "2 added, 118 known, 1 failed",
    "JudgedClustering.clusters": 12,
    "JudgedClustering.kind": "method",
    "JudgedClustering.loose": 0.05,
    "JudgedClustering.name": "kmeans",
    "JudgedSpace.alone": 14,
    "JudgedSpace.queries": 1086,
    "Proposal.kind": "metadata",
    "ProposalRequest.clusters": [4],
    "ProposalRequest.kind": "keep",
    "Proposal.state": "open",
    "Proposal.metadata": {"tags": ["boats"]},
    "MethodToTry.name": "kmeans",
    "MethodToTry.parameters": {"n_init": 10},
    "NamedClustering.clusters": 12,
    "NamedClustering.items": 1200,
    "NamedClustering.name": "rooms",
    "MergedValue.key": "tags",
    "MergedValue.rule": "union",
    "Outlier.nearest": 21,
    "Outlier.reason": "its nearest picture (/photos/street.jpg) has a similarity of 0.31; half of all pictures have "
    "one of at least 0.74",
    "Outlier.score": 0.28,
    "Problem.status": 404,
    "Ready.status": "ok",
    "Alive.status": "ok",
    "ServedInfo.bytes": 9_437_184,
    "ServedInfo.failures": 1,
    "ServedInfo.items": 1200,
    "ServedInfo.missing": 2,
    "ServedInfo.vectors": 1200,
    "SpaceInfo.name": "lite0",
    "SpaceInfo.vectors": 1200,
    "CoverChoice.kind": "burst",
    "Stack.kind": "burst",
    "Stack.reason": "3 shots within 0.8 s by Canon EOS R5",
    "SyncReport.missing": 2,
    "Verification.pictures": False,
    "WorkInfo.kinds": {"embed": {"waiting": 940, "running": 128, "failed": 1}},
    "count_items.where": '{"album": "2024"}',
    "drop_clustering.name": "rooms",
    "drop_space.name": "clip",
    "export_items.format": "csv",
    "export_items.vectors": False,
    "export_items.where": '{"album": "2024"}',
    "get_clustering.name": "rooms",
    "get_upload_thumbnail.name": "qGuwVmMbQWy0M2yZyZ7Bbw",
    "list_clusters.loose": "nearest",
    "list_clusters.threshold": 0.8,
    "list_duplicates.cursor": 0,
    "list_stacks.cursor": 0,
    "list_stacks.kind": "burst",
    "list_items.where": '{"album": "2024"}',
    "refresh_clustering.name": "rooms",
    "size": 100,
    "use_space.name": "clip",
}
"""Examples that another field or parameter of that name can't share: by schema or operation, and name."""


PROBLEMS: dict[int, tuple[str, str, str]] = {
    400: ("bad-query", "The query is nothing that can be searched for", "k is a whole number of at least 1; got 0"),
    401: ("no-token", "A token is needed", "send Authorization: Bearer TOKEN"),
    403: ("reads-only", "This token only allows reading", "a request that changes something needs the write token"),
    404: ("item-not-found", "No item with that id or key", "there is no item with the id 999"),
    408: ("too-slow", "This request cannot be answered", "the request came too slowly"),
    413: ("too-much", "Request too large", "such a request may have at most 67,108,864 bytes"),
    416: ("no-such-part", "The picture does not have this range", "the picture has 184320 bytes"),
    421: ("wrong-host", "Unknown host", "this server is not known as 'x.example'; start it with --name to allow that"),
    422: ("unreadable-picture", "Not a picture, cut off, or damaged", "not a picture but text"),
    503: ("writer-busy", "Another process is writing", "another process is writing; try again when it is done"),
}
"""Kind, title and detail of an error with each status."""


def add_examples(document: Json) -> None:
    """Give every field of the document's schemas, every parameter and every answer an example."""
    schemas = document["components"]["schemas"]
    nested = []
    for name, schema in schemas.items():
        for field, shape in schema.get("properties", {}).items():
            if _refers(shape):
                nested.append(shape)
            else:
                shape.setdefault("examples", [find_example(name, field)])
    composed = [compose(shape, schemas) for shape in nested]
    for shape, example in zip(nested, composed, strict=True):
        shape["examples"] = [example]
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                parameter["example"] = find_example(operation["operationId"], parameter["name"])
            for code, response in operation["responses"].items():
                for content in response.get("content", {}).values():
                    if "$ref" in content.get("schema", {}):
                        content["example"] = (
                            make_problem(int(code)) if int(code) in PROBLEMS else compose(content["schema"], schemas)
                        )


def make_problem(status: int) -> Json:
    """Return an example of a problem document with that status."""
    kind, title, detail = PROBLEMS[status]
    return {"type": TYPE_PREFIX + kind, "title": title, "status": status, "detail": detail}


def find_example(owner: str, name: str) -> Any:
    """Return the example of a field of a schema, or of a parameter of an operation. Raises KeyError if it has none."""
    return SPECIAL[f"{owner}.{name}"] if f"{owner}.{name}" in SPECIAL else FIELDS[name]


def compose(shape: Json, schemas: Json) -> Any:
    """Return an example of a schema, made of those of its fields."""
    if "examples" in shape:
        return shape["examples"][0]
    if "$ref" in shape:
        return compose(schemas[shape["$ref"].rpartition("/")[2]], schemas)
    if "anyOf" in shape:
        return compose(shape["anyOf"][0], schemas)
    if shape.get("type") == "array":
        return [compose(shape["items"], schemas)]
    return {name: compose(field, schemas) for name, field in shape.get("properties", {}).items()}


def _refers(shape: Json) -> bool:
    """Return True for a schema by name, and for a list of such: its own fields have the examples."""
    if "anyOf" in shape:
        return all(_refers(choice) for choice in shape["anyOf"] if choice.get("type") != "null")
    return "$ref" in shape or "$ref" in shape.get("items", ())
