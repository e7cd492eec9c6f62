"""`handrail world serve`: the care world as a language model behind OpenAI's interface."""

from __future__ import annotations

from typing import Any

import click

from handrail.cli.console import Console, count
from handrail.cli.verb import F, verb

_SHARE = click.FloatRange(0, 1)
_POSITIVE = click.FloatRange(min=0)
# Option, type, what it does; in the order of world.faults.Faults, whose settings they are.
_FAULTS: tuple[tuple[str, Any, str], ...] = (
    ("--wrong", _SHARE, "Share of answers that are wrong ones of the right form."),
    ("--position-bias", _SHARE, "Share of comparisons that the reply shown first wins."),
    ("--length-bias", _SHARE, "Share of comparisons that the longer reply wins."),
    ("--malformed", _SHARE, "Share of answers cut off, in single quotes, without a field, ..."),
    ("--refuse", _SHARE, "Share of questions that are declined."),
    ("--truncate", _SHARE, "Share of answers that end in the middle (finish reason length)."),
    ("--rate-limit-share", _SHARE, "Share of attempts answered with 429 and Retry-After."),
    ("--fail", _SHARE, "Share of attempts answered with 500, 502 or 503."),
    ("--retry-after", _POSITIVE, "Seconds that a 429 tells clients to wait."),
    ("--latency-ms", _POSITIVE, "Milliseconds until an answer."),
    ("--latency-jitter", _SHARE, "Most of the latency that is added or taken away, as a share."),
    ("--die-after", click.IntRange(min=0), "Break off all connections after so many requests."),
)


def fault_options(function: F) -> F:
    """The settings of the played model's faults, as options that default to none."""
    for name, kind, text in reversed(_FAULTS):
        function = click.option(name, type=kind, help=text)(function)
    return function


@verb(
    "handrail world serve --port 8123",
    "handrail world serve --wrong 0.1 --position-bias 0.1 --malformed 0.05 --latency-ms 300",
    "handrail world serve --key secret --rate-limit-share 0.2 --no-schema",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8123,
    show_default=True,
    help="0 takes a free one.",
)
@click.option("--model", default="world", show_default=True, help="Name that it answers to.")
@fault_options
@click.option("--no-schema", is_flag=True, help="Answer 400 to requests for JSON by a schema.")
@click.option("--key", default="", help="API key to demand; any other is answered with 401.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all draws.")
def serve(console: Console, host: str, port: int, model: str, **faults: Any) -> None:
    """Play a language model over HTTP: what prompts ask is answered from the world's oracle.

    The interface is OpenAI's (chat completions, models). Prompts must carry their values as JSON,
    as Handrail's do ({{ data }}). Every fault is drawn from the seed and the messages, so a run is
    repeatable in any order. Ctrl-C stops it.
    """
    from handrail.sampling.server.settings import NO_KEY
    from handrail.world.faults import Faults
    from handrail.world.serve import Served, WorldServer

    given = {name: value for name, value in faults.items() if value is not None}
    served = Served(Faults(**given), model)
    server = WorldServer(served, host, port)
    # What is repeated of a key is blotted out of replies, so an example must be no word of theirs.
    key = "(the key)" if served.faults.key else NO_KEY
    text = (
        f"The care world answers as '{model}' at {server.url}\n"
        f"  export OPENAI_BASE_URL={server.url}\n"
        f"  export OPENAI_API_KEY={key}\n"
        "Ctrl-C stops it."
    )
    console.result({"base_url": server.url, "model": model}, text)
    try:
        server.wait()
        console.say(f"Broke off after {count(served.requests - 1, 'request')} (--die-after).")
    except KeyboardInterrupt:
        console.say(f"Stopped after {count(served.requests, 'request')}.")
    finally:
        server.stop()
