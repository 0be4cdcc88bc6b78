"""The commands that learn from labels and suggest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.command import Command
from retrieval.cli.duplicates import undo_decisions
from retrieval.cli.names import find_items
from retrieval.cli.options import DEFAULT, AsJson, Folder, Where, complete_plugins, open_collection, parse_json
from retrieval.cli.output import print_json, say
from retrieval.cli.structure import write_hits
from retrieval.cli.viewer import Html, Open
from retrieval.pages.page import format_count

if TYPE_CHECKING:
    from retrieval.records.learning import Lesson, Suggestion

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of what is learned.")]
Value = Annotated[str | None, typer.Option("--value", help="The class, where there are more than yes and no.")]


def learn(
    name: Name,
    collection: Folder = DEFAULT,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="A classifier, or auto: what cross-validation favours.",
            autocompletion=complete_plugins("nearkin.classifiers"),
        ),
    ] = "auto",
    labels: Annotated[
        str | None,
        typer.Option("--labels", help="Where labels are: a metadata key, a level, a clustering, or folder."),
    ] = None,
    settings: Annotated[str | None, typer.Option("--settings", help="Settings of the method, in JSON.")] = None,
    as_json: AsJson = False,
) -> None:
    """Learn to tell pictures apart, by clusters of that name, by metadata or folders, and by what was accepted."""
    parsed: Any = parse_json(settings, "--settings")
    with open_collection(collection) as target:
        lesson = target.learn(name, method=method, labels=labels, settings=parsed)
    if as_json:
        return print_json(lesson.to_dict())
    show_lesson(lesson)
    say(f"see what it suggests: nearkin suggest {name}")


def lessons(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """List what is learned, and how well."""
    with open_collection(collection) as source:
        rows = source.lessons()
    if as_json:
        return print_json({"lessons": [row.to_dict() for row in rows]})
    for row in rows:
        show_lesson(row)
    say(format_count(len(rows), "lesson"))


def suggest(
    name: Name,
    collection: Folder = DEFAULT,
    k: Annotated[int, typer.Option("-k", "--k", help="Number of pictures.")] = 20,
    value: Value = None,
    at_most_wrong: Annotated[
        float | None,
        typer.Option("--at-most-wrong", help="The share that may be wrong, such as .02; needs 150 labels or more."),
    ] = None,
    questions: Annotated[
        bool, typer.Option("--questions", help="The pictures whose answer would teach most, not the surest.")
    ] = False,
    is_doubtful: Annotated[
        bool, typer.Option("--doubtful", help="Pictures whose labels are likely wrong, with what is likelier.")
    ] = False,
    where: Where = None,
    html: Html = None,
    is_opened: Open = False,
    as_json: AsJson = False,
) -> None:
    """Suggest pictures for what was learned, the surest first; nearkin label says whether they are it."""
    condition = parse_json(where, "--where")
    with open_collection(collection) as source:
        if is_doubtful:
            return show_doubtful(source.doubtful_labels(name, k), as_json)
        answer = source.suggest(name, k, value=value, at_most_wrong=at_most_wrong, where=condition)
        if as_json:
            print_json(answer.to_dict())
            return
        shown = answer.questions if questions else answer.suggestions
        title = f"Questions about {name}" if questions else f"{format_count(answer.total, 'suggestion')} of {name}"
        if write_hits(source, tuple(row.hit for row in shown), title, "suggestions.html", html, is_opened):
            return
        show_suggestions(shown)
    if at_most_wrong is not None and answer.threshold is None:
        say(f"no suggestion is so sure that at most {at_most_wrong:.1%} would be wrong; more labels may help")
    else:
        say(title)


def label(
    answer: Annotated[str, typer.Argument(help='"accept", "reject", or "undo" with the numbers of decisions.')],
    names: Annotated[
        list[str], typer.Argument(metavar="NAME ITEM...", help="What is learned, then items by id, key or path.")
    ],
    collection: Folder = DEFAULT,
    value: Value = None,
    as_json: AsJson = False,
) -> None:
    """Say what pictures are, or are not, for what is learned."""
    if answer == "undo":
        with open_collection(collection) as target:
            return undo_decisions(target, names, as_json)
    if answer not in ("accept", "reject") or len(names) < 2:
        raise typer.BadParameter("use: label accept NAME ITEM..., label reject NAME ITEM..., or label undo NUMBER...")
    with open_collection(collection) as target:
        items = find_items(target, names[1:])
        give = target.accept if answer == "accept" else target.reject
        decision = give(names[0], items, value=value)
    if as_json:
        return print_json({"decisions": [decision]})
    say(f"this is decision {decision}; take it back with: nearkin label undo {decision}")


def show_lesson(lesson: Lesson) -> None:
    """Print what is learned, and how well."""
    counts = ", ".join(f"{value} {count}" for value, count in lesson.classes.items())
    say(f"{lesson.name}: {lesson.chosen}, right in {lesson.accuracy:.1%} of {lesson.labels} labels ({counts})")
    if len(lesson.tried) > 1:
        say("  tried: " + ", ".join(f"{name} {accuracy:.1%}" for name, accuracy in lesson.tried.items()))
    if lesson.note:
        say(f"  {lesson.note}")


def show_suggestions(rows: tuple[Suggestion, ...]) -> None:
    """Print suggestions, one a line."""
    for row in rows:
        say(f"{row.confidence:>6.1%}  {row.value:<12} {row.hit.item:>7}  {row.hit.uri or row.hit.key}")


def show_doubtful(rows: tuple[Suggestion, ...], as_json: bool) -> None:
    """Print labels that are likely wrong."""
    if as_json:
        return print_json({"suggestions": [row.to_dict() for row in rows]})
    for row in rows:
        say(f"{row.label} may be {row.value}, {row.confidence:.1%} sure: {row.hit.item}  {row.hit.uri or row.hit.key}")
    say(format_count(len(rows), "doubtful label"))


COMMANDS = (
    Command(learn, "Learning", "nearkin learn dogs"),
    Command(lessons, "Learning", "nearkin lessons"),
    Command(suggest, "Learning", "nearkin suggest dogs --open"),
    Command(label, "Learning", "nearkin label accept dogs 17 203"),
)
