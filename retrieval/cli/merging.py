"""Options and lines about what a picture that is kept takes over from its duplicates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.names import parse_id
from retrieval.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from indexers.types import Json
    from retrieval.records.duplicates import Merge, MergedValue

Merging = Annotated[
    bool, typer.Option("--merge", help="Let the picture that is kept take over tags, ratings, texts ... of the others.")
]
MergeRules = Annotated[
    list[str] | None,
    typer.Option(
        "--merge-rule",
        metavar="KEY=RULE",
        help="With --merge, how a key is merged: union, first, longest, earliest, greatest, own, ask, or the id of the "
        "item whose value is taken; * stands for keys without a usual rule. May be repeated.",
    ),
]
MOST_LETTERS = 80
"""Of a text that is shown."""


def parse_rules(merge: bool, texts: Sequence[str] | None) -> bool | Json:
    """Return whether duplicates are merged, or by which rules. Raises BadParameter."""
    if not texts:
        return merge
    rules: Json = {}
    for text in texts:
        key, sign, rule = text.rpartition("=")
        if not (key and sign and rule):
            raise typer.BadParameter(f"--merge-rule takes KEY=RULE, such as rating=first; got {text!r}")
        item_id = parse_id(rule)
        if item_id is not None:
            rules.setdefault(key, [])
        if item_id is not None and isinstance(rules[key], list):
            rules[key].append(item_id)
        elif item_id is None and key not in rules:
            rules[key] = rule
        else:
            raise typer.BadParameter(f"--merge-rule names two rules for {key!r}; give one")
    return rules


def show_merges(merges: Iterable[Merge]) -> None:
    """Print what each picture that is kept takes over, and what a person has to choose first."""
    for merge in merges:
        lines = [line for value in merge.values if (line := _describe(value))]
        for line in lines:
            say(f"into {merge.keep}: {line}")


def _describe(value: MergedValue) -> str:
    if value.is_open:
        choices = " or ".join(f"{_show(part.value)} (item {part.item})" for part in value.values)
        example = value.values[0].item
        rule = f"--merge-rule {value.key}={example}"
        return f"{value.key} is yours to choose: {choices}; {rule} takes that of item {example}"
    if value.before == value.after:
        others = [part for part in value.values if part.value != value.after]
        left = ", ".join(f"{_show(part.value)} (item {part.item})" for part in others)
        return f"{value.key} stays {_show(value.after)} ({value.rule}), not {left}" if others else ""
    before = "" if value.before is None else f"{_show(value.before)} -> "
    return f"{value.key} {before}{_show(value.after)} ({value.rule})"


def _show(value: Any) -> str:
    if isinstance(value, str):
        return value if len(value) <= MOST_LETTERS else f"{value[:MOST_LETTERS]}..."
    if isinstance(value, list):
        return ", ".join(map(_show, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {_show(part)}" for key, part in value.items())
    return json.dumps(value)
