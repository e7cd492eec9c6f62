"""`handrail.generate`: a model's replies to turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from handrail.cli.files import some_turns
from handrail.cli.llm import open_sampler, spent_summary
from handrail.cli.options import left_out
from handrail.records import (
    Conversation,
    Loaded,
    Reply,
    RunError,
    Sample,
    SamplingParams,
    Skip,
    Spent,
    Turn,
)

if TYPE_CHECKING:
    from handrail.recipes.run import Progress
    from handrail.sampling import LocalSampler
    from handrail.sampling.server import ServerSampler
    from handrail.trees import OnLong


def load(
    model: str | Path = "world",
    *,
    dtype: Literal["auto", "float32", "bfloat16"] = "float32",
    style: Literal["auto", "guardrail", "chat"] = "auto",
) -> LocalSampler:
    """A model that writes replies: the world's, a folder, or a name on the model hub.

    `dtype`: of the computation; "auto" is bfloat16 where the device computes it natively, else
    float32, with other draws. `style`: of the prompts, the paper's guardrail prompt or the
    tokenizer's chat template; "auto" is what the model's folder states, else the template where
    there is one.
    """
    from handrail.models import ModelSettings, load_policy
    from handrail.sampling import LocalSampler
    from handrail.trees import Renderer

    policy = load_policy(model, ModelSettings(dtype=dtype))
    return LocalSampler(policy, Renderer(policy.tokenizer, style), name=system_name(model))


def sampling(**values: Any) -> SamplingParams:
    """How replies are drawn, from options that a user gave.

    Raises:
        SettingError: an option out of range.
    """
    from handrail.training import settings_from

    return settings_from(SamplingParams, values)


def system_name(model: str | Path) -> str:
    """A model's name in tables: the last part of its path that says something."""
    parts = [part for part in Path(model).parts if part not in ("final", ".", "/")]
    return parts[-1] if parts else str(model)


@dataclass(frozen=True)
class Generated:
    """A model's replies: `turns` with its replies only, and what went otherwise.

    `cut_off` counts replies that ended at the token limit. `spent`: what a model behind an endpoint
    took; None for others.
    """

    turns: tuple[Turn, ...]
    cut_off: int
    skipped: tuple[Skip, ...]
    model: str
    seconds: float
    spent: Spent | None = None

    def summary(self) -> dict[str, Any]:
        """Counts as plain data."""
        replies = sum(len(turn.replies) for turn in self.turns)
        return {
            "model": self.model,
            "turns": len(self.turns),
            "replies": replies,
            "cut_off": self.cut_off,
            **left_out(self.skipped),
            "seconds": round(self.seconds, 1),
            **({"asked": spent_summary(self.spent)} if self.spent else {}),
        }


class Draw(TypedDict, total=False):
    """How replies are drawn: the fields of `SamplingParams`."""

    n: int
    temperature: float
    top_p: float
    max_tokens: int
    seed: int


def generate(
    turns: str | Path | Iterable[Turn | Conversation] | Loaded[Turn],
    model: str | Path | LocalSampler | ServerSampler = "world",
    *,
    on_long: OnLong = "refuse",
    dtype: Literal["auto", "float32", "bfloat16"] = "float32",
    progress: Progress | None = None,
    **draw: Unpack[Draw],
) -> Generated:
    """Write a model's replies to turns; their own replies are neither shown nor kept.

    Args:
        turns: turns or conversations, a file of them, or what `handrail.turns` read of it.
        model: "world", a folder, a hub name, "openai:NAME" (a model behind an OpenAI-compatible
            endpoint), or what `load` or `open_sampler` gave.
        on_long: what to do with a prompt that leaves no room for `max_tokens` within the model's
            positions: "refuse" (an error), "skip" (the turn is left out), "cut_context" (the model
            is not shown its oldest messages; the turn given back has them). Both are counted. An
            endpoint knows its own limit, and a prompt that is too long for it is left out.
        dtype: of the computation; "auto" is bfloat16 where the device computes it natively.
        progress: called as (stage, done, total).
        **draw: n, replies per turn (1). temperature (0.7; 0 is greedy). top_p (1.0). max_tokens,
            where a reply is cut off (128; counted). seed (0): the same one gives the same draw.

    Raises:
        HandrailError: no turns, or a setting, record, model or prompt that cannot be used.
    """
    from handrail.recipes.run import quiet
    from handrail.sampling.server import ServerSampler
    from handrail.trees import check_on_long

    params = sampling(**draw)
    check_on_long(on_long)
    read = some_turns(turns, "reply to")
    told = partial(progress or quiet, "generate")
    if isinstance(model, str) and model.startswith("openai:"):
        model = open_sampler(model)
    if isinstance(model, ServerSampler):
        return _from_server(read, model, params, told)
    sampler = load(model, dtype=dtype) if isinstance(model, str | Path) else model
    return _from_here(read, sampler, params, on_long, told)


def _from_here(
    read: Loaded[Turn],
    sampler: LocalSampler,
    params: SamplingParams,
    on_long: OnLong,
    told: Callable[[float, float], None],
) -> Generated:
    """The replies of a model in this process."""
    from handrail.sampling import fit

    limit = sampler.policy.max_positions
    fits = fit(read.records, sampler.renderer, limit, params.max_tokens, on_long)
    out = set(fits.left_out)
    asked = {n: turn for n, turn in enumerate(read.records) if n not in out}
    shown = [
        turn.model_copy(update={"context": turn.context[fits.dropped.get(n, 0) :]})
        for n, turn in asked.items()
    ]
    begun = time.monotonic()
    told(0, len(asked))  # loading is done; the first prompts may take a while
    drawn = sampler.sample(shown, params, told)
    written, cut_off, silent = _replied(list(asked.values()), drawn, sampler.name)
    skipped = (*read.skipped, *fits.skipped, *silent)
    return Generated(written, cut_off, skipped, sampler.name, time.monotonic() - begun)


def _from_server(
    read: Loaded[Turn],
    sampler: ServerSampler,
    params: SamplingParams,
    told: Callable[[float, float], None],
) -> Generated:
    """The replies of a model behind an endpoint; those that failed are left out, with the reason.

    Raises:
        RunError: there is not one reply.
    """
    begun = time.monotonic()
    before = sampler.model.spent
    drawn = sampler.sample(read.records, params, told)
    failed = [
        Skip(what="reply", reason=f"{f.kind}: {f.problem}", where=turn)
        for turn, f in sampler.failures
    ]
    if not any(drawn):
        raise RunError(
            f"not one reply came ({failed[0].reason})", "See what the endpoint says to one prompt"
        )
    written, cut_off, silent = _replied(read.records, drawn, sampler.name)
    spent = sampler.model.spent.since(before)
    skipped = (*read.skipped, *failed, *silent)
    return Generated(written, cut_off, skipped, sampler.name, time.monotonic() - begun, spent)


def _replied(
    turns: Sequence[Turn], drawn: Sequence[Sequence[Sample]], author: str
) -> tuple[tuple[Turn, ...], int, list[Skip]]:
    """The turns with the replies drawn; how many were cut off; and draws that held nothing."""
    written: list[Turn] = []
    silent: list[Skip] = []
    cut_off = 0
    for turn, samples in zip(turns, drawn, strict=True):
        said = [sample for sample in samples if sample.text.strip()]
        if len(said) < len(samples):
            silent.append(Skip(what="reply", reason="the model said nothing", where=turn.id))
        cut_off += sum(sample.finish == "length" for sample in said)
        replies = tuple(Reply(text=s.text, author=author) for s in said)
        written.append(turn.model_copy(update={"replies": replies}))
    return tuple(written), cut_off, silent
