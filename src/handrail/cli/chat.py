"""`handrail chat`: a talk in the terminal, or over a pipe, with broken guardrails marked."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from handrail.cli.console import Console, count
from handrail.cli.verb import style_option, verb

if TYPE_CHECKING:
    from handrail.cli.talk import Chat

HELP = "/rules  /facts TEXT  /new  /save FILE  /quit"
ENDS = "The talk ends before this line"  # of a pipe, where nobody sees the error and says it anew


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
    may come from a pipe, one message a line; there, a line that cannot be answered ends the talk.
    In a talk: /rules shows the playbook, /facts TEXT shows the agent a fact, /new begins again,
    /save FILE keeps the talk, /quit ends it.
    """
    from handrail.cli import api
    from handrail.records import HandrailError

    console.kept = "The talk is not kept; /save FILE keeps one."
    params = api.sampling(temperature=temperature, max_tokens=max_tokens, seed=seed)
    console.say(f"Loading {model} ...")
    talks = [api.chat(model, playbook, params=params, style=style)]
    show = _Screen(console)
    show.rules(talks[0])
    failure = None
    try:
        _converse(talks, show)
    except HandrailError as error:
        failure = error  # told when what was said before is
    summary = _summary(talks)
    if console.json:
        console.result(summary, "")
    elif summary["replies"]:
        said = count(summary["replies"], "reply", "replies")
        show.line(f"{said}, {count(sum(summary['broken'].values()), 'guardrail')} broken")
    if failure is not None:
        raise failure


def _converse(talks: list[Chat], show: _Screen) -> None:
    """Answer line by line up to the end of the input; the newest of the talks goes on.

    Raises:
        HandrailError: a line from a pipe that cannot be read or answered; names the line.
    """
    for number, line in _lines(show):
        if line.startswith("/"):
            if not _order(talks, line, show):
                return
        else:
            show.reply(talks[-1], line, number)


def _summary(talks: list[Chat]) -> dict[str, Any]:
    """Replies and broken guardrails of the whole session, and what was said in each talk."""
    said = [[message.model_dump() for message in talk.messages] for talk in talks]
    broken: Counter[str] = Counter()
    for talk in talks:
        broken.update(talk.broken())
    return {
        "replies": sum(len(talk.answers) for talk in talks),
        "broken": dict(broken),
        "messages": said[-1],
        "earlier_talks": said[:-1],  # that /new ended
    }


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

    def reply(self, talk: Chat, text: str, number: int) -> None:
        """Show the reply as it is written, then the guardrails that it broke.

        Raises:
            HandrailError: no reply to this line, the input's `number`th, from a pipe.
        """
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
            if shown:
                self.line()
            if not self.live:
                raise type(error)(error.problem, f"{error.mend}. {ENDS}", _place(number)) from None
            self.line(f"{error} (/new begins again)", "yellow")
            return
        self.line("" if shown else "Agent: (said nothing)")
        for guardrail in talk.answers[-1].broken:
            self.line(f"  broken: {guardrail.text}", "red")


def _lines(show: _Screen) -> Iterator[tuple[int, str]]:
    """What the customer says, line by line with their numbers, from the terminal or a pipe.

    Raises:
        RecordError: a line from a pipe that is not UTF-8.
    """
    for number, line in enumerate(_typed(show) if show.live else _piped(), start=1):
        if line.strip():
            yield number, line.strip()


def _typed(show: _Screen) -> Iterator[str]:
    while True:
        try:
            line = input("You: ")
            line.encode()  # Python may pass bytes that are no text on as lone surrogates
        except EOFError:
            print()
            return
        except UnicodeError:
            show.line("This is not UTF-8, and was not said.", "yellow")
            continue
        yield line


def _piped() -> Iterator[str]:
    from handrail.records import RecordError

    # Bytes, as text is decoded many lines at a time: which one is at fault could not be told.
    source = getattr(sys.stdin, "buffer", sys.stdin)
    for number, raw in enumerate(source, start=1):
        if isinstance(raw, str):
            yield raw
            continue
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise RecordError(
                f"byte {error.start} (0x{raw[error.start]:02x}) is not UTF-8",
                f"Give the input as UTF-8. {ENDS}",
                _place(number),
            ) from None
        yield line


def _place(number: int) -> str:
    return f"input, line {number}"


def _order(talks: list[Chat], line: str, show: _Screen) -> bool:
    """Obey a line that begins with a slash; False ends the session."""
    from handrail.cli.talk import Chat

    talk = talks[-1]
    name, _, rest = line.partition(" ")
    if name == "/quit":
        return False
    if name == "/rules":
        show.rules(talk)
    elif name == "/facts" and rest.strip():
        talk.tell(rest.strip())
        show.line(f"Facts: {rest.strip()}")
    elif name == "/new":
        talks.append(Chat(talk.model, talk.playbook, talk.params, talk.opening))
        show.line("A new talk.")
    elif name == "/save" and rest.strip():
        _save(talk, Path(rest.strip()), show)
    else:
        show.line(HELP)
    return True


def _save(talk: Chat, path: Path, show: _Screen) -> None:
    from handrail.cli.files import records_out
    from handrail.records import HandrailError, write_jsonl

    record = talk.conversation()
    if record is None:
        show.line("Nothing to save yet.")
        return
    try:
        write_jsonl(records_out(path), [record])
    except (HandrailError, ValueError) as error:  # a path with a null byte is a ValueError
        show.console.warn(f"Not saved; the talk goes on. {error}")
        return
    show.line(f"Saved: {path}")
