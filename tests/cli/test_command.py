"""Commands: each stands in its panel of the help, with an example that can be typed as it is."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest
import typer

from retrieval.cli import app as cli
from retrieval.cli.command import Command, Panel
from tests.support.shell import Shell

ROOT = typer.main.get_command(cli.app)
NAMES = [shlex.split(command.example)[1] for command in cli.COMMANDS]


@pytest.mark.parametrize("command", cli.COMMANDS, ids=NAMES)
def test_an_example_names_its_command_and_can_be_parsed(command: Command) -> None:
    program, name, *words = shlex.split(command.example)
    assert (program, name) == ("nearkin", command.name or command.function.__name__)
    parsed = ROOT.commands[name].make_context(name, words)  # type: ignore[attr-defined]
    assert parsed.command.epilog == f"Example: {command.example}"


@pytest.mark.parametrize("command", cli.COMMANDS, ids=NAMES)
def test_an_example_fits_into_a_line(command: Command) -> None:
    assert len(f"Example: {command.example}") < 80


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_and_option_has_its_help(name: str) -> None:
    for parameter in ROOT.commands[name].params:  # type: ignore[attr-defined]
        assert parameter.help, parameter.name


def test_the_help_shows_commands_in_panels(shell: Shell) -> None:
    lines = shell("--help").stdout.splitlines()
    titles = [line.strip("╭─╮ ") for line in lines if line.startswith("╭")]
    assert titles == ["Options", *get_args(Panel)]
    paragraph = "this embeds the pictures of the collection a second time, into a space of their own."
    assert paragraph in shell("add", "--help").stdout
    assert "Example: nearkin search holiday.jpg -k 5" in shell("search", "--help").stdout


def test_a_command_has_the_name_of_its_function_or_its_own() -> None:
    def greet(name: str) -> None:
        """Greet somebody."""

    app = typer.Typer()
    Command(greet, "Search", "nearkin greet Ada").register(app)
    Command(greet, "Search", "nearkin say-hello Ada", "say-hello").register(app)
    assert list(typer.main.get_command(app).commands) == ["greet", "say-hello"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("nearkin clu", ["clusters", "cluster", "clusterings"]),
        ("nearkin search --lev", ["--level"]),
        ("nearkin clusters --level m", ["medium"]),
        ("nearkin add --embedder ti", ["timm", "tiny"]),
        ("nearkin search holi", []),  # so that the shell completes the names of files
    ],
)
def test_bash_completes_commands_options_and_values(tmp_path: Path, words: str, completions: list[str]) -> None:
    program = tmp_path / "nearkin"
    code = "import sys; sys.argv[0] = 'nearkin'; from retrieval.cli.app import main; main()"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n')
    program.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    script = (
        'eval "$(nearkin --show-completion bash)"\n'
        f"COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
        '_nearkin_completion nearkin; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == completions


def name_paths(command: Command) -> list[list[str]]:
    """Return the words that come before the value of each argument and option of a command that takes a path."""
    words = []
    for name, hint in get_type_hints(command.function, include_extras=True).items():
        if get_origin(hint) is Annotated and "Path" in str(hint.__origin__):
            info = hint.__metadata__[0]
            options = [option for option in (info.default, *(info.param_decls or ())) if str(option).startswith("-")]
            is_argument = type(info).__name__ == "ArgumentInfo"
            words.append([] if is_argument else [options[0] if options else f"--{name}"])
    return words


@pytest.mark.parametrize(
    ("name", "words"),
    [(name, words) for name, command in zip(NAMES, cli.COMMANDS, strict=True) for words in name_paths(command)],
)
def test_no_argument_and_no_option_takes_an_empty_path(shell: Shell, name: str, words: list[str]) -> None:
    before = {"export-onnx": ["lite0"], "denoise": ["1"]}.get(name, [])
    assert "an empty path; give the current folder as '.'" in shell(name, *before, *words, "", code=2).stderr
