"""`handrail.select_reward`: which of several reward models to take for one's own data."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from handrail.cli.files import as_turns
from handrail.cli.rewarding.scorers import RULE, kept, open_scorer, plain_name, short_names
from handrail.ranking.estimates import DEFAULT, Resampling
from handrail.records import (
    Loaded,
    Scorer,
    SettingError,
    Skip,
    Turn,
    atomic_write,
    score_each,
)
from handrail.records.store import OnError

if TYPE_CHECKING:
    from handrail.rewards.evaluating.costs import Cost
    from handrail.rewards.evaluating.kept import KeptScorer
    from handrail.rewards.evaluating.questions import Drawn
    from handrail.rewards.evaluating.selection import Selection

Progress = Callable[[str, float, float], None]


class More(TypedDict, total=False):
    """What few need to say."""

    how: Resampling
    llm: Mapping[str, Any] | None


@dataclass(frozen=True)
class Choice:
    """Reward models compared on drawn questions, and the one to take.

    `scores` are each model's of the (better, worse) reply of each of `drawn.questions`. `scored`
    counts those that were made now, and not found in the folder. `problems`: why scores could not
    be kept.
    """

    selection: Selection
    drawn: Drawn
    scores: Mapping[str, Sequence[tuple[float, float]]]
    seed: int
    per_category: int
    scored: int = 0
    problems: tuple[str, ...] = ()
    skipped: tuple[Skip, ...] = ()

    @property
    def recommended(self) -> str:
        """The name of the model to take."""
        return self.selection.recommended.name

    def summary(self) -> dict[str, Any]:
        """All figures as plain data."""
        from handrail.cli.rewarding.select_text import summary_of

        return summary_of(self)

    def text(self) -> str:
        """Tables and the recommendation, for a reader."""
        from handrail.cli.rewarding.select_text import text_of

        return text_of(self)

    def write(self, folder: str | Path, command: str = "") -> Path:
        """Write report.html, selection.json and questions.jsonl; the page's path.

        Raises:
            RunError: one cannot be written.
        """
        from handrail.cli.rewarding.select_page import page_of
        from handrail.reports.page import write_report

        folder = Path(folder)
        with atomic_write(folder / "questions.jsonl") as file:
            for n, question in enumerate(self.drawn.questions):
                row = {
                    "turn": question.turn.id,
                    "category": question.category,
                    "better": question.better,
                    "worse": question.worse,
                    "scores": {name: of_it[n] for name, of_it in self.scores.items()},
                }
                file.write(json.dumps(row, ensure_ascii=False).replace("NaN", "null") + "\n")
        with atomic_write(folder / "selection.json") as file:
            json.dump(self.summary(), file, ensure_ascii=False, indent=1)
        return write_report(folder / "report.html", page_of(self, command))


def select_reward(
    models: Sequence[str | Scorer],
    data: str | Path | Iterable[Turn] | Loaded[Any],
    *,
    per_category: int = 50,
    seed: int = 0,
    scores: str | Path | None = None,
    on_error: OnError = "stop",
    progress: Progress | None = None,
    **more: Unpack[More],
) -> Choice:
    """Compare reward models by how often they prefer what people preferred, and recommend one.

    handrail.select_reward(["runs/pref/final", "mix.yaml", "length"], "shp.jsonl").recommended

    Args:
        models: names as `open_scorer` takes them (folder, hub name, combined reward's YAML file,
            "rule:NAME", "length", "model:NAME"), or scorers.
        data: turns whose replies are ranked, rated or desirable, or a file of them. Categories are
            their tags "category" (else "subset", else "set").
        per_category: questions drawn from each category, one pair of replies per prompt.
        seed: of the draws.
        scores: folder where scores are kept, so that a second run makes none; None keeps none.
        on_error: "stop" at the first bad line, or "skip" bad lines and count them.
        progress: called as (stage, done, total).
        **more: how, settings of the intervals; llm, how endpoints are reached, as `open_model`
            takes it.

    Raises:
        HandrailError: an unknown model, bad data, no question, or a model that scored none.
    """
    from handrail.rewards.combining.rules import FLOORS
    from handrail.rewards.evaluating.questions import draw_questions
    from handrail.rewards.evaluating.selection import select

    folder = None if scores is None else Path(scores)
    opened = _open_all(models, folder, more.get("llm"))
    read = as_turns(data, on_error)
    drawn = draw_questions(read.records, per_category, seed)
    made, costs = _score_all(opened, drawn, progress)
    floors = [RULE + rule for rule in FLOORS]
    how = more.get("how", DEFAULT)
    selection = select(list(opened), drawn.questions, list(made.values()), costs, floors, how)
    parts = list({id(part): part for one in opened.values() for part in _parts([one])}.values())
    return Choice(
        selection,
        drawn,
        made,
        seed,
        per_category,
        sum(part.scored for part in parts),
        tuple(part.problem for part in parts if part.problem),
        (*read.skipped, *drawn.skipped),
    )


def _score_all(
    opened: Mapping[str, Scorer], drawn: Drawn, progress: Progress | None
) -> tuple[dict[str, list[tuple[float, float]]], list[Cost]]:
    """Each model's scores of every question's (better, worse) reply, and what 1,000 take."""
    replies = [(q.turn, text) for q in drawn.questions for text in q.replies]
    made: dict[str, list[tuple[float, float]]] = {}
    costs: list[Cost] = []
    for name, scorer in opened.items():
        tell = None if progress is None else partial(progress, f"scores of {name}")
        begun = time.perf_counter()
        found = score_each(scorer, replies, tell)
        seconds = time.perf_counter() - begun
        made[name] = list(zip(found[::2], found[1::2], strict=True))
        for part in _parts([scorer]):
            part.close()
        gc.collect()  # before the next model takes its memory
        costs.append(_cost(scorer, 1000 * seconds / len(replies)))
    return made, costs


def _open_all(
    models: Sequence[str | Scorer], folder: Path | None, llm: Mapping[str, Any] | None
) -> dict[str, Scorer]:
    """The scorers by the names that tables show; a model that several use is one.

    Raises:
        SettingError: there is none, or two have one name.
        HandrailError: one is unknown.
    """
    if not models:
        raise SettingError("there is no model to choose from", "Name two or more")
    shared: dict[str, KeptScorer] = {}

    def opened(name: str) -> Scorer:
        if name not in shared:
            shared[name] = kept(name, folder, llm)
        return shared[name]

    made: dict[str, Scorer] = {}
    names = [plain_name(one) if isinstance(one, str) else one.name for one in models]
    for model, label in zip(models, short_names(names), strict=True):
        if label in made:
            raise SettingError(f"two models have the name '{label}'", "Give each its own")
        if isinstance(model, str):
            made[label] = _in_memory(open_scorer(model, opened))
        else:
            made[label] = _in_memory(model)
    return made


def _in_memory(scorer: Scorer) -> Scorer:
    """A scorer of one reply at a time as one that is kept; others as they are."""
    from handrail.rewards.combining.combine import CombinedReward
    from handrail.rewards.evaluating.costs import Opened
    from handrail.rewards.evaluating.kept import KeptScorer
    from handrail.rewards.evaluating.scores import FileScorer

    if isinstance(scorer, KeptScorer | CombinedReward | FileScorer):
        return scorer
    return KeptScorer(scorer.name, lambda: Opened(scorer))


def _parts(scorers: Iterable[Scorer]) -> list[KeptScorer]:
    """The models behind scorers, those of combined ones too."""
    from handrail.rewards.combining.combine import CombinedReward
    from handrail.rewards.evaluating.kept import KeptScorer

    found: list[KeptScorer] = []
    for scorer in scorers:
        inner = [p.scorer for p in scorer.parts] if isinstance(scorer, CombinedReward) else [scorer]
        found += [one for one in inner if isinstance(one, KeptScorer)]
    return found


def _cost(scorer: Scorer, seconds: float) -> Cost:
    """What 1,000 scores take: of the models behind a scorer, or as just measured."""
    from handrail.rewards.evaluating.costs import Cost
    from handrail.rewards.evaluating.scores import FileScorer

    if isinstance(scorer, FileScorer):
        return Cost()  # what its model took, the file does not say
    parts = list({id(part): part for part in _parts([scorer])}.values())
    if not parts:
        return Cost(seconds)
    total = parts[0].cost()
    for part in parts[1:]:
        total += part.cost()
    return total


def default_scores() -> Path:
    """Where commands keep scores: in the user's cache folder."""
    from handrail.cli.llm import default_cache

    return default_cache().parent / "scores"
