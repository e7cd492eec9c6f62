"""`handrail chat`: a talk in the terminal, or over a pipe, with broken guardrails marked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from handrail.cli.console import Console, count
from handrail.cli.verb import style_option, verb

if TYPE_CHECKING:
    from handrail.cli.talk import Chat

HELP = "/rules  /facts TEXT  /new  /save FILE  /quit"


@verb(
    "handrail chat --model world",
    "handrail chat --model ./my-model --playbook playbook.yaml",
    "echo 'I lost my card' | handrail chat --model world --json",
)
@click.option("--model", default="world", show_default=True, help="Hub name or folder, or 'world'.")
@click.option(
    "--playbook",
    help="JSON, YAML, or records: the first that they hold.  [default: one of the care world's]",
)
@click.option("--temperature", type=float, default=0.7, show_default=True, help="0 is greedy.")
@click.option("--max-tokens", type=int, default=128, show_default=True, help="Longest reply.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draws, and the rules.")
@style_option
def command(
    console: Console,
    model: str,
    playbook: str | None,
    temperature: float,
    max_tokens: int,
    seed: int,
    style: Any,
) -> None:
    """Talk to a model under a playbook: you are the customer.

    Replies appear as they are written; guardrails that a reply breaks are marked below it. Lines
    may come from a pipe, one message a line. In a talk: /rules shows the playbook, /facts TEXT
    shows the agent a fact, /new begins again, /save FILE keeps the talk, /quit ends it.
    """
    from handrail.cli import api

    console.kept = "The talk is not kept; /save FILE keeps one."
    params = api.sampling(temperature=temperature, max_tokens=max_tokens, seed=seed)
    console.say(f"Loading {model} ...")
    talk = api.chat(model, playbook, params=params, style=style)
    show = _Screen(console)
    show.rules(talk)
    for line in _lines(show):
        if line.startswith("/"):
            if not _order(talk, line, show):
                break
        else:
            show.reply(talk, line)
    summary = {
        "replies": len(talk.answers),
        "broken": talk.broken(),
        "messages": [m.model_dump() for m in talk.messages],
    }
    if console.json:
        console.result(summary, "")
    elif talk.answers:
        total = sum(len(answer.broken) for answer in talk.answers)
        said = count(len(talk.answers), "reply", "replies")
        show.line(f"{said}, {count(total, 'guardrail')} broken")


class _Screen:
    """Where the talk is shown: stdout, or nowhere when only JSON is wanted."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = sys.stdin.isatty() and sys.stdout.isatty() and not console.json
        self.colour = sys.stdout.isatty()

    def line(self, text: str = "", colour: str = "") -> None:
        if not self.console.json:
            click.secho(text, fg=colour or None)

    def rules(self, talk: Chat) -> None:
        if talk.playbook is not None:
            self.line("Guardrails in force:")
            for i, guardrail in enumerate(talk.playbook.guardrails, 1):
                note = "" if guardrail.check else "  (no check: cannot be marked)"
                self.line(f"  {i}. {guardrail.text}{note}")
        if self.live:
            self.line(f"You are the customer. {HELP}", "bright_black")

    def reply(self, talk: Chat, text: str) -> None:
        """Show the reply as it is written, then the guardrails that it broke."""
        from handrail.records import HandrailError

        if not self.live:
            self.line(f"You: {text}")
        shown = False
        try:
            for piece in talk.stream(text):
                if not self.console.json:
                    click.echo(piece if shown else f"Agent: {piece.lstrip()}", nl=False)
                shown = True
        except HandrailError as error:
            if not self.live:
                raise
            self.line(f"{error} (/new begins again)", "yellow")
            return
        self.line("" if shown else "Agent: (said nothing)")
        for guardrail in talk.answers[-1].broken:
            self.line(f"  broken: {guardrail.text}", "red")


def _lines(show: _Screen) -> Iterator[str]:
    """What the customer says, line by line, from the terminal or a pipe."""
    while True:
        if show.live:
            try:
                line = input("You: ")
            except EOFError:
                print()
                return
        else:
            line = sys.stdin.readline()
            if not line:
                return
        if line.strip():
            yield line.strip()


def _order(talk: Chat, line: str, show: _Screen) -> bool:
    """Obey a line that begins with a slash; False ends the talk."""
    name, _, rest = line.partition(" ")
    if name == "/quit":
        return False
    if name == "/rules":
        show.rules(talk)
    elif name == "/facts" and rest.strip():
        talk.tell(rest.strip())
        show.line(f"Facts: {rest.strip()}")
    elif name == "/new":
        talk.again()
        show.line("A new talk.")
    elif name == "/save" and rest.strip():
        _save(talk, Path(rest.strip()), show)
    else:
        show.line(HELP)
    return True


def _save(talk: Chat, path: Path, show: _Screen) -> None:
    from handrail.records import HandrailError, write_jsonl

    record = talk.conversation()
    if record is None:
        show.line("Nothing to save yet.")
        return
    try:
        write_jsonl(path, [record])
    except (HandrailError, ValueError) as error:  # a path with a null byte is a ValueError
        show.console.warn(f"Not saved; the talk goes on. {error}")
        return
    show.line(f"Saved: {path}")
