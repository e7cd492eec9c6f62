"""`handrail.train`: turns with feedback, an objective and a model, to an aligned model's folder."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handrail.cli.console import count
from handrail.cli.files import some_turns
from handrail.cli.fit_settings import check_policy, checked, resolve
from handrail.cli.options import left_out, plain
from handrail.cli.places import placed
from handrail.records import (
    Conversation,
    HandrailWarning,
    Loaded,
    RecordError,
    Skip,
    Turn,
)

if TYPE_CHECKING:
    from handrail.models import Trained
    from handrail.objectives import Objective
    from handrail.recipes.run import Progress
    from handrail.training import TrainResult
    from handrail.trees import Forest, TreeReply


@dataclass(frozen=True)
class Evaluated:
    """The turns that a training was evaluated on: counted as in `Fitted`, which has the losses."""

    turns: int
    replies: int
    pairs: int
    skipped: tuple[Skip, ...]


@dataclass(frozen=True)
class Fitted:
    """A finished training: the model's folder, what was learnt from and what was left out.

    `replies`: those in the trees; of KTO, the judged ones.
    """

    model: Path
    objective: str
    turns: int
    replies: int
    pairs: int
    result: TrainResult
    skipped: tuple[Skip, ...] = ()  # lines of the file, left out when it was read
    evaluated: Evaluated | None = None

    def summary(self) -> dict[str, Any]:
        """Counts and places as plain data."""
        evaluation = None
        if self.evaluated is not None:
            evaluation = {
                "turns": self.evaluated.turns,
                "replies": self.evaluated.replies,
                "pairs": self.evaluated.pairs,
                "best_loss": self.result.best_loss,
                "best_step": self.result.best_step,
                "stopped_early": self.result.stopped_early,
                **left_out(self.evaluated.skipped),
            }
        return {
            "model": str(self.model),
            "objective": self.objective,
            "turns": self.turns,
            "replies": self.replies,
            "pairs": self.pairs,
            "steps": self.result.steps,
            "metrics": str(self.result.metrics_path),
            "loss": self.result.loss,
            "evaluation": evaluation,
            **left_out((*self.skipped, *self.result.skipped)),
        }


def train(
    data: str | Path | Iterable[Turn | Conversation] | Loaded[Turn],
    objective: str = "ipo",
    *,
    model: str | Path = "world",
    out: str | Path = "runs/model",
    settings: Mapping[str, Any] | None = None,
    eval_turns: str | Path | Iterable[Turn | Conversation] | Loaded[Turn] | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Train a model on turns with feedback; its folder is `out/final`.

    Args:
        data: turns or conversations, a file of them, or what `handrail.turns` read of it. SFT
            learns the best reply of each turn, IPO, DPO and KTO-pair its better and worse ones,
            KTO the desirable and undesirable.
        objective: "sft", "ipo", "dpo", "kto" or "kto_pair".
        model: "world", a folder, or a hub name.
        out: the run's folder. Stopped at any moment, the same call goes on from there.
        settings: any of the settings that `training_settings` lists, by name.
        eval_turns: the same of turns to evaluate the loss on, which are not learnt from; the
            settings `eval_every` and `patience` say when, and when to stop.
        progress: called as (stage, done, total, note).

    Warns with a `HandrailWarning` where turns are both learnt from and evaluated on.

    Raises:
        HandrailError: a setting, record or model that cannot be used; data without anything that
            this objective learns from.
    """
    from handrail.models import load_policy
    from handrail.trees import Renderer, build_trees

    given = dict(settings or {})
    check_policy(objective)
    loading = checked(objective, given, eval_turns is not None)
    read = some_turns(data, "learn from")
    held = None if eval_turns is None else held_out(eval_turns, read.records)
    policy = load_policy(model, loading)
    chosen = resolve(objective, given, policy.max_positions, size_of(policy))
    renderer = Renderer(policy.tokenizer)
    work = Work(policy, str(model), objective, chosen, partial(build_trees, renderer=renderer))
    return fit(work, read, held, out, progress)


@dataclass(frozen=True)
class Work:
    """What is trained and how: the model (and its name), the objective's name, all settings.

    `build` makes turns into a forest: `build(turns, settings=trees)`.
    """

    model: Trained
    name: str
    objective: str
    chosen: dict[str, Any]
    build: Callable[..., Forest]


def fit(
    work: Work,
    read: Loaded[Turn],
    held: Loaded[Turn] | None,
    out: str | Path,
    progress: Progress | None,
) -> Fitted:
    """Train on the turns that were read, evaluate on those held out; the settings are kept."""
    from handrail.recipes.run import quiet, watcher, write_json
    from handrail.training import train as run

    chosen = work.chosen
    aim, training = chosen["objective"], chosen["training"]
    forest = _forest(read, work)
    eval_forest = None if held is None else _forest(held, work, "evaluation: ")
    watch = watcher(progress or quiet)
    result = run(work.model, forest, aim, training, out, eval_forest=eval_forest, progress=watch)
    chosen["model"] = work.model.settings  # with the number type that dtype=auto became
    about: dict[str, Any] = {"objective": work.objective, "model": work.name}
    about["settings"] = {part: plain(one) for part, one in chosen.items()}
    write_json(Path(out) / "config.json", about)
    return Fitted(
        result.final_folder,
        work.objective,
        len(read.records),
        *_counts(forest, aim),
        result,
        tuple(read.skipped),
        _evaluated(held, eval_forest, aim),
    )


def size_of(model: Trained) -> int:
    """How many weights a model has."""
    return sum(p.numel() for p in model.model.parameters())


def held_out(
    data: str | Path | Iterable[Turn | Conversation] | Loaded[Turn], learnt: list[Turn]
) -> Loaded[Turn]:
    """Turns to evaluate on; warns of those that are learnt from."""
    held = some_turns(data, "evaluate on")
    both = len({turn.id for turn in held.records} & {turn.id for turn in learnt})
    if both:
        text = (
            f"{both:,} of {count(len(held.records), 'turn')} to evaluate on "
            f"{'is' if both == 1 else 'are'} learnt from too, so the loss there says little of "
            "others. Evaluate on turns of other conversations"
        )
        warnings.warn(text, HandrailWarning, stacklevel=3)
    return held


def _forest(read: Loaded[Turn], work: Work, what: str = "") -> Forest:
    """Turns as token trees of what the objective learns from; `what` begins an error."""
    aim = work.chosen["objective"]
    trees = dataclasses.replace(
        work.chosen["trees"],
        replies="best" if aim.name == "sft" else "all",
        mismatched=aim.needs_mismatched,
    )
    with placed(read.file):
        forest = work.build(read.records, settings=trees)
    _check(forest, aim, trees.max_tokens, what)
    return forest


def _evaluated(
    held: Loaded[Turn] | None, forest: Forest | None, aim: Objective
) -> Evaluated | None:
    if held is None or forest is None:
        return None
    skips = (*held.skipped, *forest.skipped)
    return Evaluated(len(held.records), *_counts(forest, aim), skips)


def _counts(forest: Forest, aim: Objective) -> tuple[int, int]:
    """Replies that count as learnt from (or evaluated on), and pairs."""
    replies = sum(_learnt(reply, aim) for tree in forest.trees for reply in tree.replies)
    return replies, sum(len(tree.pairs) for tree in forest.trees)


def _learnt(reply: TreeReply, aim: Objective) -> bool:
    """Whether a reply counts as one that is learnt from: those of KTO's KL estimate do not."""
    judged = aim.unit != "replies" or reply.desirable >= 0
    return (
        not reply.mismatched and judged and (aim.unit != "ratings" or math.isfinite(reply.rating))
    )


def _check(forest: Forest, aim: Objective, max_tokens: int, what: str) -> None:
    """Refuse data that holds nothing which the objective learns from; says what was left out."""
    if aim.unit in ("pairs", "prompts") and not any(tree.pairs for tree in forest.trees):
        problem = f"no turn has a better and a worse reply, which {aim.name} learns from"
        other = "--loss logistic for ratings" if aim.unit == "prompts" else "--objective sft"
        mend = f"Give replies a rank, a rating or `desirable`, or use {other}"
    elif not any(tree.replies for tree in forest.trees):
        problem, mend = "no turn has a reply to learn from", "Check the replies' feedback"
    else:
        return
    from handrail.trees import NO_REPLY

    long: Counter[str] = Counter()
    for skip in forest.skipped:
        if skip.what in ("reply", "turn") and skip.reason != NO_REPLY:
            long[skip.reason] += skip.count
    for reason, times in long.most_common(1):
        problem += f"; {count(times, 'time')}: {reason}"
        mend = (
            f"Raise max_tokens (it is {max_tokens}) and with it token_budget, as far as the "
            "model's positions go, or set on_long to 'cut_context'"
        )
    raise RecordError(what + problem, mend)
