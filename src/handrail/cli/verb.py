"""What all commands share: examples in the help, --json, --quiet, --debug, settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from handrail.cli.console import Console

F = TypeVar("F", bound=Callable[..., Any])


class Verb(click.Command):
    """A command whose help ends with examples, and which has the common options."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.params += [_flag("json", "Print a JSON summary as the only thing on stdout.")]
        self.params += [_flag("quiet", "Show no progress.", "-q")]
        self.params += [_flag("debug", "Show the traceback of an error.")]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, one a line, as they can be pasted."""
        with formatter.section("Examples"):
            formatter.write_dl([(line, "") for line in self.examples])


class Verbs(click.Group):
    """A verb with verbs of its own (`data`, `world`), listed in the order they are added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were added."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each verb with the first sentence of its help, whole."""
        rows = [(name, c.get_short_help_str(limit=300)) for name, c in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def add(self, command: click.Command) -> click.Command:
        """Add a command; for use as a decorator."""
        self.add_command(command)
        return command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One example of each verb."""
        known = [c for c in self.commands.values() if isinstance(c, Verb)]
        with formatter.section("Examples"):
            formatter.write_dl([(command.examples[0], "") for command in known])


def verb(*examples: str, name: str | None = None) -> Callable[[F], Verb]:
    """Make a function `f(console, **options)` a command with these examples in its help."""

    def wrap(function: F) -> Verb:
        return click.command(name=name, cls=Verb, examples=examples)(click.pass_obj(function))

    return wrap


def _flag(name: str, text: str, *more: str) -> click.Option:
    def note(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        console = ctx.find_object(Console)
        if value and console is not None:
            setattr(console, name, True)

    return click.Option(
        [f"--{name}", *more], is_flag=True, expose_value=False, callback=note, help=text
    )


set_option = click.option(
    "settings",
    "--set",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting; may be given often. Lists and true/false as in JSON.",
)


on_error_option = click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="Stop at the first fault, or leave out what has one and count it.",
)


style_option = click.option(
    "--style",
    type=click.Choice(["auto", "guardrail", "chat"]),
    default="auto",
    show_default=True,
    help="Of the prompts; chat is the tokenizer's template, auto what the model's folder states.",
)


_OUT = "Run folder.  [default: runs/NAME]"
_EVAL = "Turns to evaluate the loss on; the settings eval_every and patience need them."


def training_options(function: F) -> F:
    """The options that every training has: --out, --eval, --config, --set and --on-error."""
    options = (
        click.option("--out", type=click.Path(path_type=Path), help=_OUT),
        click.option("eval_file", "--eval", help=_EVAL),
        click.option("--config", type=click.Path(path_type=Path), help="Settings as a YAML file."),
        set_option,
        on_error_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


def assignments(pairs: Sequence[str]) -> dict[str, Any]:
    """`name=value` texts as a dictionary; a value that is JSON is read as such.

    Of a name that is given twice the last value counts, so that one can be added to a command.
    """
    values: dict[str, Any] = {}
    for name, (*_, text) in named(pairs, "is not a setting", "--set name=value").items():
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


def named(pairs: Sequence[str], problem: str, form: str) -> dict[str, list[str]]:
    """The texts of each name in `name=text` texts, in the order in which they were given.

    Raises:
        SettingError: one of another form; tells the `problem` and the `form` to write.
    """
    from handrail.records.errors import SettingError

    texts: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise SettingError(f"'{pair}' {problem}", f"Write {form}")
        texts.setdefault(name.strip(), []).append(text)
    return texts
