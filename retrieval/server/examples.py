"""Examples in the OpenAPI document: a value for every field and every parameter, and whole answers made of them."""

from __future__ import annotations

from typing import Any

from indexers.types import Json
from retrieval.server.example_values import FIELDS, SPECIAL
from retrieval.server.problems import TYPE_PREFIX

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
