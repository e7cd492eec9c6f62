"""The Python API: what every command does, as a function of a few lines.

import handrail
handrail.run("quickstart", "runs/first")
made = handrail.generate("test.jsonl", "runs/ipo/final", n=1)
handrail.judge({"base": "base.jsonl", "ipo": made.turns}).summary()
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from handrail.cli import synthesizing as synthesize
from handrail.cli.care import check_world, pretrain_world
from handrail.cli.draw import Generated, generate, load, sampling
from handrail.cli.exchange import convert, export, feedback_turns, import_, list_sources
from handrail.cli.feedback import feedback_settings, list_feedback, load_feedback
from handrail.cli.files import as_turns, read_config, read_playbook, read_records, records_out
from handrail.cli.filtering import evaluation_texts, filter_records
from handrail.cli.fit import Fitted, train
from handrail.cli.fit_settings import reward_settings, training_settings
from handrail.cli.judge_evaluation import judge_eval
from handrail.cli.judge_reproduction import judge_reproduce
from handrail.cli.judge_results import JudgeEvaluation
from handrail.cli.judging import Judged, judge
from handrail.cli.llm import open_model, open_sampler
from handrail.cli.peek import record_text
from handrail.cli.planning import Plan, power
from handrail.cli.ranking import Ranked, rank
from handrail.cli.rewarding.evaluating import evaluate_reward
from handrail.cli.rewarding.preparing import open_augmenter, prepare_rewards
from handrail.cli.rewarding.scoring import score_replies
from handrail.cli.rewarding.selecting import select_reward
from handrail.cli.rewarding.training import train_reward
from handrail.cli.runs import list_recipes, recipe_settings, report, run
from handrail.records import (
    Loaded,
    Message,
    Playbook,
    SamplingParams,
    write_jsonl,
)

if TYPE_CHECKING:
    from handrail.cli.talk import Chat
    from handrail.recipes.run import Progress
    from handrail.sampling import LocalSampler

__all__ = [
    "Fitted",
    "Generated",
    "JudgeEvaluation",
    "Judged",
    "Plan",
    "Ranked",
    "chat",
    "check",
    "check_world",
    "convert",
    "doctor",
    "evaluate_reward",
    "evaluation_texts",
    "export",
    "feedback_settings",
    "feedback_turns",
    "filter_records",
    "generate",
    "import_",
    "judge",
    "judge_eval",
    "judge_reproduce",
    "list_feedback",
    "list_recipes",
    "list_sources",
    "load",
    "load_feedback",
    "open_augmenter",
    "open_model",
    "open_sampler",
    "power",
    "prepare_rewards",
    "pretrain_world",
    "rank",
    "read",
    "read_config",
    "recipe_settings",
    "record_text",
    "report",
    "reward_settings",
    "run",
    "sampling",
    "score_replies",
    "select_reward",
    "synthesize",
    "train",
    "train_reward",
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
        kind: "turn", "conversation", "playbook", "verdict", "judgeerror" or "rating"; by default
            found from the first line's fields.
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
    """Write records of one kind to JSON Lines (`.gz` too), whole or not at all; how many.

    Raises:
        SettingError: `path` has the ending of another kind of file.
    """
    return write_jsonl(records_out(path), records)


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
