"""The Python API: what every command does, as a function of a few lines.

import handrail
handrail.run("quickstart", "runs/first")
made = handrail.generate("test.jsonl", "runs/ipo/final", n=1)
handrail.judge({"base": "base.jsonl", "ipo": made.turns}).summary()
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from handrail.cli.care import check_world, pretrain_world
from handrail.cli.exchange import convert, export, feedback_turns, import_, list_sources
from handrail.cli.files import as_turns, read_config, read_playbook, read_records
from handrail.cli.fit import Fitted, train, training_settings
from handrail.cli.judging import Judged, judge
from handrail.cli.options import left_out
from handrail.cli.peek import record_text
from handrail.cli.runs import list_recipes, recipe_settings, report, run
from handrail.records import (
    Conversation,
    Loaded,
    Message,
    Playbook,
    Reply,
    SamplingParams,
    Skip,
    Turn,
    write_jsonl,
)

if TYPE_CHECKING:
    from handrail.cli.talk import Chat
    from handrail.recipes.run import Progress
    from handrail.sampling import LocalSampler

__all__ = [
    "Fitted",
    "Generated",
    "Judged",
    "chat",
    "check",
    "check_world",
    "convert",
    "doctor",
    "export",
    "feedback_turns",
    "generate",
    "import_",
    "judge",
    "list_recipes",
    "list_sources",
    "load",
    "pretrain_world",
    "read",
    "read_config",
    "recipe_settings",
    "record_text",
    "report",
    "run",
    "train",
    "training_settings",
    "turns",
    "write",
]

turns = as_turns  # `data turns`; functions here have an argument of that name


def read(
    path: str | Path, kind: str | None = None, on_error: Literal["stop", "skip"] = "stop"
) -> Loaded[Any]:
    """Read a file of records, whatever one kind it holds.

    Args:
        path: JSON Lines, `.gz` too.
        kind: "turn", "conversation", "playbook", "verdict" or "judgeerror"; by default found from
            the first line's fields.
        on_error: "stop" at the first bad line, or "skip" bad lines and list them in `.skipped`.

    Raises:
        RecordError: names file, line, field and mend.
    """
    return read_records(path, kind, on_error)


def check(
    path: str | Path, kind: str | None = None, on_error: Literal["stop", "skip"] = "stop"
) -> dict[str, Any]:
    """What a file of records holds, counted: `counts`, `warnings` and `skipped` (faults).

    handrail.check("turns.jsonl")["counts"]["pairs (better, worse)"]

    Args and errors are those of `read`.
    """
    from handrail.cli.records import census

    return census(str(path), kind, on_error)


def write(path: str | Path, records: Iterable[Any]) -> int:
    """Write records of one kind to JSON Lines (`.gz` too), whole or not at all; how many."""
    return write_jsonl(path, records)


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

    `cut_off` counts replies that ended at the token limit.
    """

    turns: tuple[Turn, ...]
    cut_off: int
    skipped: tuple[Skip, ...]
    model: str
    seconds: float

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
        }


def generate(
    turns: str | Path | Iterable[Turn | Conversation] | Loaded[Turn],
    model: str | Path | LocalSampler = "world",
    *,
    n: int = 1,
    temperature: float = 0.7,
    max_tokens: int = 128,
    seed: int = 0,
    dtype: Literal["auto", "float32", "bfloat16"] = "float32",
    progress: Progress | None = None,
) -> Generated:
    """Write a model's replies to turns; their own replies are neither shown nor kept.

    Args:
        turns: turns or conversations, a file of them, or what `handrail.turns` read of it.
        model: "world", a folder, a hub name, or what `load` gave.
        n: replies per turn.
        temperature: 0 is greedy.
        max_tokens: where a reply is cut off (counted).
        seed: the same seed gives the same draw.
        dtype: of the computation; "auto" is bfloat16 where the device computes it natively.
        progress: called as (stage, done, total).

    Raises:
        HandrailError: a setting, record or model that cannot be used, a prompt that does not fit.
    """
    from handrail.recipes.run import quiet

    params = sampling(n=n, temperature=temperature, max_tokens=max_tokens, seed=seed)
    read = as_turns(turns)
    asked = read.records
    sampler = load(model, dtype=dtype) if isinstance(model, str | Path) else model
    begun = time.monotonic()
    told = partial(progress or quiet, "generate")
    told(0, len(asked))  # loading is done; the first prompts may take a while
    written: list[Turn] = []
    skipped = list(read.skipped)
    cut_off = 0
    for turn, samples in zip(asked, sampler.sample(asked, params, told), strict=True):
        said = [sample for sample in samples if sample.text.strip()]
        if len(said) < len(samples):
            skipped.append(Skip(what="reply", reason="the model said nothing", where=turn.id))
        cut_off += sum(sample.finish == "length" for sample in said)
        replies = tuple(Reply(text=s.text, author=sampler.name) for s in said)
        written.append(turn.model_copy(update={"replies": replies}))
    return Generated(
        tuple(written), cut_off, tuple(skipped), sampler.name, time.monotonic() - begun
    )


def chat(
    model: str | Path | LocalSampler = "world",
    playbook: str | Path | Playbook | None = None,
    *,
    params: SamplingParams | None = None,
    style: Literal["auto", "guardrail", "chat"] = "auto",
) -> Chat:
    """A talk with a model under a playbook; `say` answers and tells what the reply broke.

    Without a playbook, the talk is one of the care world's (which one follows from the seed):
    its guardrails and the facts that its agent sees. `style` is of the prompts of a model that is
    named, as in `load`.
    """
    from handrail.cli.talk import Chat

    params = params or SamplingParams()
    opening: tuple[Message, ...] = ()
    if isinstance(playbook, str | Path):
        book: Playbook | None = read_playbook(playbook)
    elif playbook is not None:
        book = playbook
    else:
        book, opening = _world_talk(params.seed)
    sampler = load(model, style=style) if isinstance(model, str | Path) else model
    return Chat(sampler, book, params, opening)


def _world_talk(seed: int) -> tuple[Playbook | None, tuple[Message, ...]]:
    """A conversation of the world up to where its customer first speaks."""
    from handrail import world

    conversation = world.generate(1, seed)[0]
    first = next(i for i, m in enumerate(conversation.messages) if m.role in ("user", "assistant"))
    return conversation.playbook, conversation.messages[:first]


def doctor(progress: Progress | None = None) -> dict[str, Any]:
    """What this machine can do: threads, memory, accelerator, versions, speed, models that fit."""
    from handrail.cli import machine
    from handrail.training import TrainSettings

    return machine.doctor(TrainSettings().token_budget, progress)
