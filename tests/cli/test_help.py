"""Help: fast, with examples that parse, for every command."""

from __future__ import annotations

import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from handrail.cli.console import Console
from handrail.cli.group import TOUR, VERBS, handrail
from handrail.cli.verb import Verb

HELP_S, VERB_HELP_S = 0.2, 0.4


def commands(group: click.Group, *above: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield (*above, name), command


COMMANDS = dict(commands(handrail))
LINES = sorted({*((name,) for name in VERBS), *COMMANDS})  # all that has a help, groups too


def parse(line: str) -> None:
    """Parse a command line as the shell and click would, without running it."""
    words = shlex.split(line.split("|")[-1])
    assert words[0] == "handrail"
    context: click.Context | None = None
    command: click.Command = handrail
    rest = words[1:]
    while isinstance(command, click.Group):
        context = command.make_context("handrail", rest[:1], parent=context, obj=Console())
        name, found, _ = command.resolve_command(context, rest)
        assert found is not None, name
        command, rest = found, rest[1:]
    command.make_context(words[-1], rest, parent=context)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_a_help_with_examples_that_parse(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert isinstance(command, Verb)
    assert command.help, "says what it does"
    assert command.examples
    for example in command.examples:
        assert f"handrail {' '.join(path)}" in example
        parse(example)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_is_explained(path: tuple[str, ...]) -> None:
    for param in COMMANDS[path].params:
        if isinstance(param, click.Option) and param.name not in ("seed", "dtype"):
            assert param.help, f"--{param.name} has no help"


@pytest.mark.parametrize("line", TOUR)
def test_the_tour_parses(line: str) -> None:
    parse(line)


def test_a_wrong_example_would_be_seen() -> None:
    with pytest.raises(click.UsageError):
        parse("handrail run quickstart --otu x")
    with pytest.raises(click.UsageError, match="Did you mean 'train'"):
        parse("handrail trian x")


def spent() -> float:
    """Processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def shown(*args: str, within: float) -> str:
    """The help's text; one of five whole processes takes less than `within` processor seconds.

    On a quiet machine that is the time one waits: there is one thread and nothing to wait for.
    Unlike it, it hardly depends on what else the machine does. The first that is fast enough
    settles it.
    """
    times: list[float] = []
    while len(times) < 5 and min(times, default=within) >= within:
        begun = spent()
        done = subprocess.run(
            [sys.executable, "-m", "handrail", *args, "--help"], capture_output=True, text=True
        )
        times.append(spent() - begun)
        assert done.returncode == 0
    assert min(times) < within
    return done.stdout


def test_help_is_fast_and_lists_every_verb() -> None:
    text = shown(within=HELP_S)
    assert all(f"\n  {name} " in text for name in VERBS)
    assert "Examples:" in text


@pytest.mark.parametrize("path", LINES, ids=" ".join)
def test_a_commands_help_is_fast_and_has_examples(path: tuple[str, ...]) -> None:
    text = shown(*path, within=VERB_HELP_S)
    assert f"handrail {' '.join(path)}" in text.split("Examples:")[1]
