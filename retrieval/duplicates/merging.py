"""What the picture that is kept takes over from its duplicates: a rule for each key, and what comes of it.

Keys are those of metadata, and the item's own `text`. What only makes sense together goes together, under one key:
`taken_at` (the date and its time zone), `place` (latitude, longitude, altitude), `address` (city, state, country).
A metadata key of one of these names is written `metadata.place`, as in filters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from indexers.catalogue.file_metadata import DATE, TEXT
from indexers.catalogue.merges import Merging, join_values
from indexers.catalogue.metadata import OPAQUE_KEY
from indexers.errors import UsageError
from indexers.types import ItemRow, Json
from retrieval.checks import show_value
from retrieval.records.duplicates import ItemValue, Merge, MergedValue

Rules = Mapping[str, Any]
"""By key the name of a rule, or the id of an item whose value is taken (or several ids, each of another group)."""

ASK, OWN, FIRST, UNION, LONGEST, EARLIEST, GREATEST = (
    *("ask", "own", "first", "union", "longest", "earliest", "greatest"),
)
RULES = {
    UNION: "lists: what any of them holds",
    FIRST: "that of the picture that is kept, else of the first that has one",
    LONGEST: "the longest text",
    EARLIEST: "the earliest date",
    GREATEST: "the largest number; true before false",
    OWN: "that of the picture that is kept, and no other",
    ASK: "a person chooses where they differ",
}
"""The rules, and what each takes."""
TOGETHER = {
    "text": (TEXT,),
    "taken_at": (DATE, "utc_offset"),
    "place": ("latitude", "longitude", "altitude"),
    "address": ("city", "state", "country"),
}
"""The keys of this module that stand for something else than metadata of that name."""
DEFAULTS = {
    "text": LONGEST,
    "title": LONGEST,
    "caption": LONGEST,
    "tags": UNION,
    "tag_paths": UNION,
    "albums": UNION,
    "rating": GREATEST,
    "favourite": GREATEST,
    "hidden": OWN,
    "taken_at": EARLIEST,
    "place": FIRST,
    "address": FIRST,
    "camera": FIRST,
    "creator": FIRST,
    "copyright": FIRST,
    "label": FIRST,
}
"""The rule of each key that many programs know. Of others lists are joined, and a person chooses between the rest."""
ALL_OTHERS = "*"
"""Stands for the keys that have no rule in DEFAULTS."""
_PREFIX, EXAMPLE = "metadata.", '{"rating": "first"}'
_LEADERS = {part: name for name, parts in TOGETHER.items() for part in parts if part not in (TEXT, DATE)}


@dataclass(frozen=True, slots=True)
class _Statement:
    """What an item says under a key."""

    item_id: int
    value: Any


def check_rules(rules: bool | Rules) -> Rules:
    """Return rules by key; True: the usual ones. Raises UsageError for rules and keys that can't be."""
    if isinstance(rules, bool):
        return {}
    if not isinstance(rules, Mapping) or any(not isinstance(name, str) for name in rules):
        raise UsageError(f"merge is True, False, or rules by key, such as {EXAMPLE}; got {show_value(rules)}")
    for name, rule in rules.items():
        if name in _LEADERS:
            raise UsageError(f"{name!r} goes with {_list_companions(name)}; give the rule of {_LEADERS[name]!r}")
        if not (rule in RULES if isinstance(rule, str) else all(map(_is_id, _list_ids(rule)))):
            raise UsageError(
                f"there is no rule {show_value(rule)} for {name!r}; there are: {', '.join(RULES)}, or the id of the "
                "item whose value is taken"
            )
    return rules


def _list_companions(name: str) -> str:
    return ", ".join(_show_key(part) for part in TOGETHER[_LEADERS[name]] if part != name)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _list_ids(rule: Any) -> list[Any]:
    """Return the ids in a rule that names items; of something else what is no id."""
    if isinstance(rule, Sequence) and not isinstance(rule, str | bytes) and rule:
        return list(rule)
    return [rule]


def check_keys(rules: Rules, groups: Iterable[Sequence[ItemRow]]) -> None:
    """Raise UsageError for a rule of a key that nothing in the groups has, or an item that is in none of them."""
    rows = [row for group in groups for row in group]
    known = {name for row in rows for name in _split(row)} | {*DEFAULTS, ALL_OTHERS}
    item_ids = {row.id for row in rows}
    for name, rule in rules.items():
        if name not in known:
            own = sorted({name for row in rows for name in _split(row)})
            have = f"they have {', '.join(own)}" if own else "they have nothing to merge"
            raise UsageError(f"no picture to merge has the key {name!r}; {have}")
        strangers = [] if isinstance(rule, str) else [item_id for item_id in _list_ids(rule) if item_id not in item_ids]
        if strangers:
            raise UsageError(f"the rule for {name!r} names item {strangers[0]}, which is in none of the groups")


def plan_merge(kept: ItemRow, rest: Sequence[ItemRow], rules: Rules) -> Merge:
    """Return what an item takes over from the rest, which come in the order in which "first" asks them.

    Raises UsageError for a rule that does not fit the values.
    """
    said = [(row.id, _split(row)) for row in (kept, *rest)]
    names = list(dict.fromkeys(name for _, values in said for name in values))
    values = []
    for name in names:
        statements = [_Statement(item_id, parts[name]) for item_id, parts in said if name in parts]
        values.append(_merge_values(name, kept.id, statements, rules))
    return Merge(kept.id, tuple(row.id for row in rest), tuple(values))


def _split(row: ItemRow) -> Json:
    """Return an item's values by the keys of this module, without those that say nothing."""
    values = {
        key: value for key, value in join_values(row).items() if key != OPAQUE_KEY and value not in (None, "", [], {})
    }
    joined: Json = {}
    for name, parts in TOGETHER.items():
        together = {_show_key(part): values.pop(part) for part in parts if part in values}
        if together and (name != "taken_at" or name in together):
            joined[name] = together if len(parts) > 1 else together[name]
    return joined | {_name_key(key): value for key, value in values.items()}


def _name_key(key: str) -> str:
    return _PREFIX + key if key in TOGETHER or key.startswith(_PREFIX) else key


def _show_key(part: str) -> str:
    return {TEXT: "text", DATE: "taken_at"}.get(part, part)


def _join(name: str, value: Any) -> Json:
    """Return a value as the catalogue keeps it; None under the keys that it takes away."""
    if name not in TOGETHER:
        return {name.removeprefix(_PREFIX): value}
    parts = TOGETHER[name]
    return {part: value.get(_show_key(part)) if len(parts) > 1 else value for part in parts}


def _merge_values(name: str, kept_id: int, statements: Sequence[_Statement], rules: Rules) -> MergedValue:
    distinct, rule = _drop_repeated(statements), rules.get(name)
    wanted = set() if rule is None or isinstance(rule, str) else set(_list_ids(rule))
    chosen = [statement for statement in statements if statement.item_id in wanted]
    if not isinstance(rule, str):
        rule = _find_default(name, distinct, rules)
    before = next((statement.value for statement in statements if statement.item_id == kept_id), None)
    if chosen:
        after, rule = chosen[0].value, f"item {chosen[0].item_id}"
    elif len(distinct) == 1 and rule != OWN:
        after = distinct[0].value
    else:
        after = before if rule in (OWN, ASK) else _TAKE[rule](name, distinct)
    is_open = rule == ASK and len(distinct) > 1
    values = tuple(ItemValue(statement.item_id, statement.value) for statement in statements)
    return MergedValue(name, rule, before, after, is_open, values)


def _find_default(name: str, statements: Sequence[_Statement], rules: Rules) -> str:
    """Return the rule of a key for which a user has given none: the usual one, if it fits the values."""
    if name not in DEFAULTS and isinstance(rules.get(ALL_OTHERS), str):
        return str(rules[ALL_OTHERS])
    rule = DEFAULTS.get(name, UNION)
    try:
        if rule in _TAKE:
            _TAKE[rule](name, statements)
    except UsageError:
        return ASK
    return rule


def _drop_repeated(statements: Sequence[_Statement]) -> list[_Statement]:
    """Return what is said, once each; of what goes together nothing that another one says too and more."""
    distinct: list[_Statement] = []
    for statement in statements:
        if not any(_is_same(statement.value, known.value) for known in distinct):
            distinct.append(statement)
    return [
        statement
        for statement in distinct
        if not any(_is_part(statement.value, other.value) for other in distinct if other is not statement)
    ]


def _is_same(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _is_part(a: Any, b: Any) -> bool:
    return (
        isinstance(a, dict)
        and isinstance(b, dict)
        and a.items() != b.items()
        and all(key in b and _is_same(a[key], b[key]) for key in a)
    )


def _take_first(name: str, statements: Sequence[_Statement]) -> Any:
    return statements[0].value


def _take_union(name: str, statements: Sequence[_Statement]) -> Any:
    lists = [_check(UNION, name, statement, list, "lists") for statement in statements]
    union: list[Any] = []
    for part in (part for parts in lists for part in parts):
        if not any(_is_same(part, known) for known in union):
            union.append(part)
    return union


def _take_longest(name: str, statements: Sequence[_Statement]) -> Any:
    return max((_check(LONGEST, name, statement, str, "texts") for statement in statements), key=len)


def _take_greatest(name: str, statements: Sequence[_Statement]) -> Any:
    return max(_check(GREATEST, name, statement, int | float, "numbers, or true and false") for statement in statements)


def _take_earliest(name: str, statements: Sequence[_Statement]) -> Any:
    dates = []
    for statement in statements:
        text = statement.value["taken_at"] if name == "taken_at" else statement.value
        try:
            moment = datetime.fromisoformat(text)
        except (TypeError, ValueError):
            raise _refuse(EARLIEST, name, statement, "dates such as 2024-05-31T21:04:00") from None
        dates.append((moment.replace(tzinfo=None), statement.value))  # the clock that the camera showed
    return min(dates, key=lambda date: date[0])[1]


_TAKE: dict[str, Callable[[str, Sequence[_Statement]], Any]] = {
    FIRST: _take_first,
    UNION: _take_union,
    LONGEST: _take_longest,
    EARLIEST: _take_earliest,
    GREATEST: _take_greatest,
}


def _check(rule: str, name: str, statement: _Statement, kind: Any, described: str) -> Any:
    if not isinstance(statement.value, kind):
        raise _refuse(rule, name, statement, described)
    return statement.value


def _refuse(rule: str, name: str, statement: _Statement, described: str) -> UsageError:
    return UsageError(
        f"the rule {rule!r} is for {described}; item {statement.item_id} says {show_value(statement.value)} under "
        f"{name!r}: give another rule for that key"
    )


def build_merging(merge: Merge, content: bytes, decisions: tuple[int, ...] = ()) -> Merging:
    """Return what the catalogue has to write. Raises UsageError if a person has to choose first."""
    check_chosen([merge])
    changes = {
        key: part
        for value in merge.values
        if not _is_same(value.before, value.after)
        for key, part in _join(value.key, value.after).items()
    }
    return Merging(merge.keep, merge.items, content, changes, decisions)


def check_chosen(merges: Iterable[Merge]) -> None:
    """Raise UsageError if a person has to choose between values first."""
    for merge in merges:
        for value in merge.values:
            if value.is_open:
                raise UsageError(f"nothing was merged: {describe_choice(value)}")


def describe_choice(value: MergedValue) -> str:
    """Return what a person has to choose between, and how."""
    choices: dict[str, int] = {}
    for statement in value.values:
        choices.setdefault(show_value(statement.value), statement.item)
    listed = " or ".join(f"{text} (item {item_id})" for text, item_id in choices.items())
    first = value.values[0].item
    return (
        f"under {value.key!r} they say {listed}; choose by a rule for it, such as {value.key}={first} for that of item "
        f"{first}, or {value.key}=first"
    )
