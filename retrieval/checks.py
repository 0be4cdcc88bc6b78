"""Checks of what a user passes: one table of parameters, held against every call of a collection.

`check_calls` wraps each public method of a class. Before the method runs, its arguments are looked up in `ARGUMENTS` by
the parameter's name, or by `method.parameter` where a name means something else there. What is wrong ends in an error
that names the parameter and the value; what is left as it is (None) is checked by the room that reads it, since it
takes more than the value to judge it. Every parameter of a public method has an entry: a test holds that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import isfunction, signature
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from indexers.errors import BadFilter, BadQuery, UsageError

MOST = 2**53
"""The largest number of anything: there are never more, and databases and arrays can count to it."""
ItemName = int | str
"""An item's id, key or path."""
Check = Callable[[str, Any], Any]
"""Called with a parameter's name and its value; returns the value to use. Raises UsageError."""

MAX_BITS = 1024
"""Bits of a whole number; one beyond it fits into no float, and can't even be printed."""
SHOWN = 120
"""Characters of a value that an error shows."""


def show_value(value: Any) -> str:
    """Return a value as an error shows it: cut short, whatever it is."""
    try:
        text = repr(value)
    except Exception:  # such as a number of more than 4300 digits
        return f"a value of the type {type(value).__name__} that is too large to be shown"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def is_number(value: Any) -> bool:
    """Return True for a finite real number that is no bool."""
    try:
        return not isinstance(value, bool) and isinstance(value, Real) and bool(np.isfinite(float(value)))
    except OverflowError:  # a whole number beyond every float
        return False


def is_whole(value: Any) -> bool:
    """Return True for an int of Python or NumPy that is no bool."""
    return not isinstance(value, bool) and isinstance(value, int | np.integer)


def check_whole(value: Any, description: str, least: int = 1, largest: int | None = None) -> int:
    """Return a whole number as an int; one above MOST becomes MOST, since there is never more of anything.

    Raises BadQuery if it is something else, below `least` or above `largest`; its message begins with `description`,
    which goes on in "a whole number", such as "page is" or "k is the number of hits,".
    """
    if not is_whole(value) or value < least:
        raise BadQuery(f"{description} a whole number of at least {least}; got {show_value(value)}")
    if largest is not None and value > largest:
        raise BadQuery(f"{description} a whole number of at most {largest:,}; got {show_value(value)}")
    return min(int(value), MOST)


def is_item_name(value: Any) -> bool:
    """Return True for the name of one item; anything else stands for several."""
    return isinstance(value, int | str | np.integer)


def list_names(names: ItemName | Iterable[ItemName]) -> list[ItemName]:
    """Return one name, or several, as a list."""
    return [names] if isinstance(names, int | str | np.integer) else list(names)


# ---- kinds of arguments


def whole(description: str, least: int = 1, largest: int | None = None) -> Check:
    """Return the check of a whole number. `description`: what it is, after "<parameter> is"."""
    return lambda name, value: check_whole(value, f"{name} is {description}".rstrip(), least, largest)


def identifier(description: str) -> Check:
    """Return the check of a whole number that names something, however large."""

    def check(name: str, value: Any) -> int:
        if not is_whole(value):
            raise BadQuery(f"{name} is {description}, a whole number; got {show_value(value)}")
        return int(value)

    return check


def number(description: str) -> Check:
    """Return the check of a finite number."""

    def check(name: str, value: Any) -> Any:
        if not is_number(value):
            raise BadQuery(f"{name} is {description}, a number; got {show_value(value)}")
        return value

    return check


def flag(name: str, value: Any) -> bool:
    """Check a truth value."""
    if not isinstance(value, bool | np.bool_) and not (is_whole(value) and value in (0, 1)):
        raise UsageError(f"{name} is True or False; got {show_value(value)}")
    return bool(value)


def text(name: str, value: Any) -> str:
    """Check a text; which one is for the room that reads it to say."""
    if not isinstance(value, str):
        raise BadQuery(f"{name} is a text; got {show_value(value)}")
    if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in value):
        raise BadQuery(f"{name} is a text that UTF-8 can carry, without a NUL; got {show_value(value)}")
    return value


def preference(name: str, value: Any) -> str:
    """Check what is to be kept first of duplicates."""
    if not text(name, value).strip():
        raise BadQuery(f"{name} is a format (heic), a folder, or oldest; got {show_value(value)}")
    return str(value)


def path(name: str, value: Any) -> Any:
    """Check a path."""
    if not isinstance(value, str | os.PathLike):
        raise UsageError(f"{name} is a path, as text or pathlib.Path; got {show_value(value)}")
    if not os.fspath(value):  # which pathlib would take for the current folder
        raise UsageError(f"{name} is an empty path; give the current folder as '.'")
    if "\0" in os.fsdecode(value):
        raise UsageError(f"{name} is a path, which can't hold a NUL; got {show_value(value)}")
    return value


def paths(name: str, value: Any) -> Any:
    """Check one path or several."""
    if isinstance(value, str | os.PathLike):
        return path(name, value)
    return [path(name, element) for element in _list(name, value, "a path, or several")]


def function(name: str, value: Any) -> Any:
    """Check something to be called."""
    if not callable(value):
        raise UsageError(f"{name} is a function that is called with each step; got {show_value(value)}")
    return value


def item_name(name: str, value: Any) -> ItemName:
    """Check the name of an item."""
    if isinstance(value, str):
        return value
    if not is_whole(value):
        raise UsageError(f"{name} is an item, by id, key or path; got {show_value(value)}")
    return int(value)


def item_names(name: str, value: Any) -> ItemName | list[ItemName]:
    """Check the name of one item, or of several."""
    if is_item_name(value):
        return item_name(name, value)
    return [item_name(name, element) for element in _list(name, value, "an item, or several, by id, key or path")]


def groups_of_items(name: str, value: Any) -> list[list[ItemName]]:
    """Check groups of items."""
    described = "a list of groups, each a list of items by id, key or path"
    return [
        [item_name(name, element) for element in _list(name, group, described)]
        for group in _list(name, value, described)
    ]


def texts(name: str, value: Any) -> Any:
    """Check one text for each picture or vector, None where there is none."""
    if isinstance(value, str):
        raise UsageError(f"{name} is a list of texts, one for each item; got the text {show_value(value)}")
    for element in (values := _list(name, value, "a list of texts, one for each item")):
        if element is not None and not isinstance(element, str):
            raise UsageError(f"{name} is a list of texts, one for each item; one of them is {show_value(element)}")
    return values


def mapping(name: str, value: Any) -> Any:
    """Check an object of names and values."""
    if not isinstance(value, Mapping) or any(not isinstance(key, str) for key in value):
        raise UsageError(f'{name} is an object such as {{"year": 2020}}; got {show_value(value)}')
    return value


def objects(name: str, value: Any) -> Any:
    """Check one object of names and values, or one for each item."""
    if isinstance(value, Mapping):
        return mapping(name, value)
    what = "an object, or a list of objects, one for each item"
    return [mapping(name, element) for element in _list(name, value, what)]


def condition(name: str, value: Any) -> Any:
    """Check that a filter is an object; what is in it, `filters` reads."""
    if not isinstance(value, Mapping):
        raise BadFilter(f'{name} is a filter, an object such as {{"year": 2020}}; got {show_value(value)}')
    return value


def pictures(name: str, value: Any) -> Any:
    """Check that something is a picture or several: what can be walked through, or is one itself."""
    if isinstance(value, Iterable | os.PathLike) or hasattr(value, "__array__"):
        if getattr(value, "shape", None) != ():
            return value
    elif hasattr(value, "convert"):  # a PIL image
        return value
    raise UsageError(f"{name} takes a path, bytes, an image or an array, or several; got {show_value(value)}")


def embedder(name: str, value: Any) -> Any:
    """Check an embedder, by name or as an instance."""
    if not isinstance(value, str) and not (hasattr(value, "embed") and hasattr(value, "name")):
        raise UsageError(f"{name} is an embedder's name, or an instance of your own; got {show_value(value)}")
    return value


def records(kind: str) -> Check:
    """Return the check of records of a class, which is named: `groups` are DuplicateGroups."""

    def check(name: str, value: Any) -> Any:
        for element in (elements := _list(name, value, f"a list of {kind}s")):
            record(kind)(name, element)
        return elements

    return check


def record(kind: str, method: str = "duplicates") -> Check:
    """Return the check of one record of a class, which is named; `method` returns such records."""

    def check(name: str, value: Any) -> Any:
        if type(value).__name__ != kind:
            raise UsageError(f"{name} takes a {kind}, as `{method}` returns them; got {show_value(value)}")
        return value

    return check


def _list(name: str, value: Any, description: str) -> list[Any]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise UsageError(f"{name} is {description}; got {show_value(value)}")
    try:
        return list(value)
    except TypeError:  # an array without a dimension
        raise UsageError(f"{name} is {description}; got {show_value(value)}") from None


FLAGS = (
    *("build", "catch_up", "check", "compare", "dry_run", "exact", "hidden", "rebuild"),
    *("once_per_copy", "overwrite", "partial", "repair", "purge", "replace", "retry_failed", "watch"),
)
"""Parameters that are True or False."""
UNCHECKED = (
    *("at_least", "cluster", "diversify", "exclude", "kinds", "labels", "merge", "methods", "metric", "rerank"),
    *("by", "region"),
    *("mix", "picture", "radius", "sample", "spaces", "threshold", "vector"),
    *("vectors", "within", "without_outliers", "at_most_wrong"),
)
"""Parameters that the room which reads them checks."""
ARGUMENTS: dict[str, Check | None] = {
    **dict.fromkeys(("a", "b", "cover", "item", "keep"), item_name),
    **dict.fromkeys(("continue_from", "items"), item_names),
    **dict.fromkeys(("keys", "texts", "uris"), texts),
    **dict.fromkeys(("folder", "manifest", "path"), path),
    **dict.fromkeys(FLAGS, flag),
    **dict.fromkeys(UNCHECKED),
    **dict.fromkeys(("kind", "level", "loose", "method", "model", "name", "of", "query", "reason", "rule"), text),
    **dict.fromkeys(("source", "space", "state", "text", "value"), text),
    "count": whole("the number of clusters,"),
    "cursor": identifier("the last id of the page before"),
    **dict.fromkeys(("clusters", "find_parts.finders", "merge_clusters.a", "merge_clusters.b", "rename.name")),
    "decision": identifier("the number of a decision"),
    "groups": records("DuplicateGroup"),
    "stack": record("Stack", "stacks"),
    "hops": whole("the number of steps,"),
    "into": groups_of_items,
    "k": whole("the number of hits,"),
    "lease": number("the seconds after which a silent process counts as dead"),
    "limit": whole("the number of items on a page,"),
    "metadata": objects,
    "n": lambda _, value: check_whole(value, "outliers takes the number of items,"),
    "page": whole(""),
    "paths": paths,
    "prefer": preference,
    "proposal": identifier("the number of a proposal"),
    "per_cluster": whole("how many hits one cluster may have,"),
    "pool": whole("how many of the nearest diversify= chooses from,"),
    "progress": function,
    "random_state": whole("the random seed,", 0, 2**32 - 1),
    "roots": paths,
    "settings": mapping,
    "since": whole("a change number, such as a report's `change`,", 0),
    "embedder": embedder,
    "folders": paths,
    "pictures": pictures,
    "where": condition,
    "add_texts.texts": texts,
    "batch": whole("the number of rows to claim at a time,"),
    "calibrate.pictures": whole("the number of pictures to try,"),
    "decide.group": record("DuplicateGroup"),
    "evaluate.draws": whole("the number of times that each clustering is repeated,", 0, 1000),
    "evaluate.k": whole("the number of clusters,"),
    "evaluate.sample": whole("the largest number of items to cluster,", 2),
    "export.vectors": flag,
    "import_from.vector": text,
    "make_clustering.k": whole("the number of clusters,"),
    "make_clustering.sample": whole("the number of items to learn from,"),
    "learn.labels": text,
    "search.group": flag,
    **dict.fromkeys(("suggest.k", "summary.k", "doubtful_labels.k"), whole("the number of pictures,")),
    "queue.metadata": mapping,
    "verify.pictures": flag,
    **dict.fromkeys(("propose.metadata", "sync.metadata", "update.metadata", "update_all.metadata"), mapping),
    **dict.fromkeys(("update_all.extend", "update_all.reduce"), mapping),
}
"""The check of each parameter of a public method; None: the room that reads it checks it."""

Class = TypeVar("Class", bound=type)


def check_calls(kind: Class) -> Class:
    """Wrap the public methods of a class, which say what is wrong with their arguments before they run.

    The class has the methods `_check_open(method name)`, which is called first, and `_explain_error(error)`, which is
    called with every error, and may raise another one in its place.
    """
    for name, method in list(vars(kind).items()):
        if not name.startswith("_") and isfunction(method):
            setattr(kind, name, _check_call(name, method))
    return kind


def _check_call(method_name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    parameters = list(signature(method).parameters.values())[1:]
    positions = [parameter.name for parameter in parameters]
    checks = {name: find_check(method_name, name) for name in positions}
    optional = {parameter.name for parameter in parameters if _takes_none(parameter)}

    @wraps(method)
    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        self._check_open(method_name)

        def check(name: str, value: Any) -> Any:
            checker = checks.get(name)
            if isinstance(value, np.ndarray) and value.ndim == 0:
                value = value.item()
            if isinstance(value, int) and value.bit_length() > MAX_BITS:
                raise UsageError(f"{name} is {show_value(value)}, beyond every number that means something here")
            return value if checker is None or (value is None and name in optional) else checker(name, value)

        # surplus and unknown arguments pass: the method itself refuses them as Python does
        checked = [check(name, value) for name, value in zip(positions, arguments, strict=False)]
        named = {name: check(name, value) for name, value in options.items()}
        try:
            return method(self, *checked, *arguments[len(checked) :], **named)
        except Exception as error:
            self._explain_error(error)
            if isinstance(error, MemoryError | OverflowError | RecursionError | UnicodeEncodeError):
                blamed = dict(zip(positions, checked, strict=False)) | named
                raise _blame_arguments(error, method_name, blamed) from error
            raise

    return call


def _blame_arguments(error: Exception, method_name: str, arguments: dict[str, Any]) -> UsageError:
    """Return the error for arguments that passed their checks, and are more than something deeper down can take."""
    values = ", ".join(f"{name}={show_value(value)}" for name, value in arguments.items())
    reason = "there is not enough memory" if isinstance(error, MemoryError) else str(error)
    return UsageError(f"{method_name}({values}) asks for more than can be done: {reason}")


def _takes_none(parameter: Any) -> bool:
    return parameter.default is None or "None" in str(parameter.annotation).split(" | ")


def find_check(method_name: str, parameter: str) -> Check | None:
    """Return the check of a method's parameter; None if its room checks it, KeyError if there is no entry."""
    name = f"{method_name}.{parameter}"
    return ARGUMENTS[name] if name in ARGUMENTS else ARGUMENTS.get(parameter)
