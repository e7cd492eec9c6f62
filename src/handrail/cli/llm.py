"""What all commands that ask a language model share: options, the model, what it cost."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from handrail.records import Spent
    from handrail.sampling.server import AnswerCache, Endpoint, Prices, ServerSampler

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--base-url",
        metavar="URL",
        help="Where the endpoint is, as in http://localhost:8000/v1.  [default: OPENAI_BASE_URL "
        "of the environment, else OpenAI's]",
    ),
    click.option(
        "--key-env",
        metavar="NAME",
        help="Name of the environment variable that holds the key.  [default: OPENAI_API_KEY]",
    ),
    click.option("--in-flight", type=int, metavar="N", help="Questions at a time.  [default: 16]"),
    click.option(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="Until a request is given up and tried again.  [default: 120]",
    ),
    click.option(
        "--retries",
        type=int,
        metavar="N",
        help="Tries more after 429, 5xx, time-outs and lost connections.  [default: 6]",
    ),
    click.option("--max-requests", type=int, metavar="N", help="Send no more requests than this."),
    click.option(
        "--max-cost", type=float, metavar="AMOUNT", help="Spend no more than this, by the prices."
    ),
    click.option(
        "--prices",
        type=click.Path(path_type=Path),
        help="A YAML file of prices that go before the packaged ones.",
    ),
    click.option(
        "--prompts",
        type=click.Path(path_type=Path),
        help="A folder of prompts that go before the packaged ones (`handrail prompts export`).",
    ),
    click.option(
        "--cache",
        type=click.Path(path_type=Path),
        help="File of answers, so that none is paid for twice.  [default: answers.sqlite in "
        "the user's cache folder]",
    ),
    click.option("--no-cache", is_flag=True, help="Ask everything, and keep no answers."),
)


_SETTINGS = (
    *("base_url", "key_env", "in_flight", "timeout", "retries", "max_requests", "max_cost"),
    *("prices", "cache", "no_cache"),
)


def llm_options(function: F) -> F:
    """Give a command the options of asking a language model.

    The command gets `llm`, those that were given, for `open_model(name, **llm)`; and `prompts`, a
    folder or None.
    """

    @functools.wraps(function)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        given = {name: kwargs.pop(name) for name in _SETTINGS}
        llm = {k: v for k, v in given.items() if v is not None and v is not False}
        return function(*args, llm=llm, **kwargs)

    wrapped: Any = gathered
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    made: F = wrapped
    return made


def given_llm(options: dict[str, Any]) -> dict[str, Any]:
    """Take the options of `llm_options` that were given out of a command's options."""
    prompts = options.pop("prompts")
    llm: dict[str, Any] = options.pop("llm")
    return llm | ({} if prompts is None else {"prompts": prompts})


def no_llm(given: Mapping[str, Any], because: str) -> None:
    """Refuse options of asking a language model where none is asked.

    Raises:
        SettingError: there are some.
    """
    from handrail.records import SettingError

    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise SettingError(f"{names}: {because}, so no endpoint is asked", "Leave it out")


def open_model(
    name: str,
    *,
    cache: str | Path | AnswerCache | None = None,
    no_cache: bool = False,
    prices: str | Path | Prices | None = None,
    **settings: Any,
) -> Endpoint:
    """A language model that answers questions, by its name.

    Args:
        name: `openai:NAME` or NAME is a model behind an OpenAI-compatible endpoint; `world` is the
            care world, whose server is started in this process and ends with it. It may be told
            how to err (`handrail world serve --help`): `world:wrong=0.1,latency_ms=50`.
        cache: file of answers. None is the user's own (`default_cache()`); for the world, which
            costs nothing, none.
        no_cache: keep no answers.
        prices: YAML file of prices that go before the packaged ones.
        **settings: fields of `EndpointSettings`: base_url, key_env, in_flight, timeout, retries,
            repairs, max_requests, max_cost.

    Raises:
        HandrailError: a setting or file that cannot be used. A wrong key, name or address shows
            with the first question.
    """
    from handrail.cli.verb import assignments
    from handrail.recipes.opening import WORLD, model_name, open_endpoint

    model = model_name(name)
    kind, _, given = model.partition(":")
    faults = None
    if kind == WORLD and settings.get("base_url") is None:
        faults = assignments([pair for pair in given.split(",") if pair])
    if no_cache:
        cache = None
    elif cache is None and faults is None:
        cache = default_cache()
    return open_endpoint(model, cache, prices, faults, **settings)


def open_sampler(model: str, prompts: str | Path | None = None, **llm: Any) -> ServerSampler:
    """A model behind an endpoint that writes replies, with the prompt `reply`.

    Args:
        model: as in `open_model`, which takes the other arguments too.
        prompts: folder of prompts that go before the packaged ones.
        **llm: what `open_model` takes.
    """
    from handrail.asking import Prompts
    from handrail.sampling.server import ServerSampler

    return ServerSampler(open_model(model, **llm), Prompts(prompts))


def default_cache() -> Path:
    """The user's own file of answers: in XDG_CACHE_HOME, or where the system keeps caches."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given:
        base = Path(given)
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path.home() / ".cache"
    return base / "handrail" / "answers.sqlite"


def kept_answers(model: object) -> str:
    """What an interrupt leaves of asking this model, for `Console.kept`; empty without a cache."""
    cache = getattr(model, "cache", None)
    if cache is None or cache.problem:
        return ""
    return f"The answers that came are kept ({cache.path}): the same command asks for the others."


def spent_summary(spent: Spent) -> dict[str, Any]:
    """What asking cost, as plain data for --json. `cost` is null where no price is known."""
    return {
        "questions": spent.questions,
        "requests": spent.requests,
        "cached": spent.cached,
        "retries": spent.retries,
        "repairs": spent.repairs,
        "failures": dict(spent.failures),
        "prompt_tokens": spent.usage.prompt_tokens,
        "completion_tokens": spent.usage.completion_tokens,
        "cost": None if spent.unpriced and not spent.cost else round(spent.cost, 6),
        "currency": spent.currency,
        "unpriced": spent.unpriced,
    }


def spent_lines(spent: Spent) -> list[str]:
    """What asking cost, for a reader."""
    from handrail.cli.console import count
    from handrail.sampling.server.prices import money

    parts = [count(spent.requests, "request")]
    if spent.cached:
        parts.append(f"{spent.cached:,} from the cache")
    if spent.retries:
        parts.append(count(spent.retries, "retry", "retries"))
    if spent.repairs:
        parts.append(count(spent.repairs, "repair"))
    lines = [f"{count(spent.questions, 'question')}: " + ", ".join(parts)]
    usage = spent.usage
    tokens = f"{usage.prompt_tokens:,} + {usage.completion_tokens:,} tokens"
    if spent.unpriced and not spent.cost:
        lines.append(f"{tokens} (prompts + replies), price not known")
    else:
        more = f", and {count(spent.unpriced, 'request')} without a price" if spent.unpriced else ""
        lines.append(f"{tokens} (prompts + replies), {money(spent.cost)} {spent.currency}{more}")
    if spent.failures:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(spent.failures.items()))
        lines.append(
            f"{count(sum(spent.failures.values()), 'question')} without an answer: {kinds}"
        )
    return lines
