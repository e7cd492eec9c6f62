"""`handrail.score_replies`: every reply of some turns scored by one model or several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handrail.cli.files import records_out, some_turns
from handrail.cli.options import left_out
from handrail.cli.rewarding.scorers import kept, open_scorer
from handrail.records import Loaded, RecordError, Scorer, SettingError, Skip, Turn, score_each
from handrail.records.store import write_jsonl
from handrail.rewards.evaluating.scores import ScoredReply, scored_reply

if TYPE_CHECKING:
    from handrail.rewards.measures.distributions import Spread

Progress = Callable[[str, float, float], None]  # (stage, done, total)


@dataclass(frozen=True)
class Scores:
    """Replies with their scores: of each model, in the order of the turns."""

    models: tuple[str, ...]
    scored: tuple[ScoredReply, ...]
    turns: int
    skipped: tuple[Skip, ...] = ()

    def write(self, path: str | Path) -> int:
        """Write a line per reply and model, whole or not at all; how many.

        Raises:
            SettingError: `path` has the ending of another kind of file.
        """
        return write_jsonl(records_out(path), self.scored)

    def unscored(self, model: str) -> int:
        """Replies that do not fit the model."""
        return sum(one.score is None for one in self.scored if one.model == model)

    def spreads(self, model: str) -> list[Spread]:
        """Quartiles of a model's scores: of all replies, then by author where there are several."""
        import numpy as np

        from handrail.rewards.measures.distributions import spread_of

        own = [(s.author, s.score) for s in self.scored if s.model == model and s.score is not None]
        if not own:
            return []
        found = [spread_of(np.array([score for _, score in own]), "all", "all replies")]
        authors = list(dict.fromkeys(author for author, _ in own))
        for author in authors if 1 < len(authors) <= 12 else ():
            values = np.array([score for name, score in own if name == author])
            found.append(spread_of(values, "author", author or "(no author)"))
        return found

    def summary(self) -> dict[str, Any]:
        """The distributions as plain data."""
        models = [
            {
                "model": model,
                "unscored": self.unscored(model),
                "spreads": [asdict(spread) for spread in self.spreads(model)],
            }
            for model in self.models
        ]
        replies = len(self.scored) // max(1, len(self.models))
        return {"turns": self.turns, "replies": replies, "models": models} | left_out(self.skipped)


def score_replies(
    data: str | Path | Iterable[Turn] | Loaded[Any],
    models: str | Path | Scorer | Sequence[str | Path | Scorer],
    *,
    keep: str | Path | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Score every reply of turns.

    made = handrail.score_replies("turns.jsonl", "runs/rm/final")
    made.write("scored.jsonl")

    Args:
        data: turns with replies, or a file of them.
        models: names as `handrail reward score --model` takes them, or any `Scorer`.
        keep: a folder in which scores are kept as they come, so that a call that was stopped goes
            on.
        progress: called as (model, done, total).

    Raises:
        HandrailError: a file that is not as it should be, no reply, an unknown model, or two of one
            name.
    """
    named = [models] if isinstance(models, str | Path | Scorer) else list(models)
    if not named:
        raise SettingError("there is no model to score with", "Name one, or a rule such as length")
    names = [str(one) if isinstance(one, str | Path) else one.name for one in named]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingError(f"'{twice}' is named twice", "Name each model once")
    folder = None if keep is None else Path(keep)
    # What is named wrongly is told before a large file is read.
    scorers = [one if isinstance(one, Scorer) else _opened(str(one), folder) for one in named]
    read = some_turns(data, "score")
    places = [(turn, i) for turn in read.records for i in range(len(turn.replies))]
    if not places:
        raise RecordError("no turn has a reply", "Name turns with replies")
    pairs = [(turn, turn.replies[i].text) for turn, i in places]
    scored: list[ScoredReply] = []
    for name, scorer in zip(names, scorers, strict=True):

        def told(done: int, total: int, name: str = name) -> None:
            if progress is not None:
                progress(f"score with {name}", done, total)

        values = score_each(scorer, pairs, told)
        said = str(getattr(scorer, "trained_with", ""))
        scored += [
            scored_reply(turn, i, value, name, said)
            for (turn, i), value in zip(places, values, strict=True)
        ]
    return Scores(tuple(names), tuple(scored), len(read.records), tuple(read.skipped))


def _opened(name: str, folder: Path | None) -> Scorer:
    """The scorer of a name; a model's scores are kept in the folder."""
    return open_scorer(name, lambda model: kept(model, folder))
