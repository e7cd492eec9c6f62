"""Turns with feedback made ready for reward models: ratings in 0..1, evened out, and counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from handrail.records import RunError, SettingError, Skip, Turn
from handrail.records.store import OnError
from handrail.rewards.data.balance import Balance
from handrail.rewards.data.balancing import Augmenter, Balanced, balance
from handrail.rewards.data.labels import LabelWeights, Scaling, label_weights, rate_by_labels
from handrail.rewards.data.rated import Rated, is_judged
from handrail.rewards.data.scales import Scale, rate_by_scale


@dataclass(frozen=True)
class PreferenceCounts:
    """What turns hold for preference models, before balancing.

    `one_reply` turns have nothing to compare; in `all_tied` ones no reply is better than another;
    `without` have two replies or more, but no feedback that could say so.
    """

    turns: int = 0
    pairs: int = 0
    one_reply: int = 0
    all_tied: int = 0
    without: int = 0


def preference_counts(turns: Iterable[Turn]) -> PreferenceCounts:
    """Pairs, and the turns that give none, by the reason."""
    found = {"turns": 0, "pairs": 0, "one_reply": 0, "all_tied": 0, "without": 0}
    for turn in turns:
        found["turns"] += 1
        pairs = sum(1 for _ in turn.pairs())
        found["pairs"] += pairs
        if len(turn.replies) < 2:
            found["one_reply"] += 1
        elif not pairs:
            told = sum(map(is_judged, turn.replies))
            found["all_tied" if told > 1 else "without"] += 1
    return PreferenceCounts(**found)


@dataclass(frozen=True)
class Prepared:
    """Turns made ready, how their ratings came about, and what was done to even them out."""

    turns: list[Turn]
    how: str
    balanced: Balanced
    preferences: PreferenceCounts
    seed: int = 0
    skipped: list[Skip] = field(default_factory=list)

    @property
    def summary(self) -> dict[str, Any]:
        """The counts, as plain data."""
        done = self.balanced
        return {
            "turns": len(self.turns),
            "ratings": self.how,
            "balance": done.method.name,
            "seed": self.seed,
            "before": asdict(done.before),
            "after": asdict(done.after),
            "weight": done.weight,
            "bins": [asdict(b) for b in done.bins],
            "preferences": asdict(self.preferences),
        }


def prepare(
    turns: Sequence[Turn],
    *,
    weights: str | Mapping[str, float] | LabelWeights | None = None,
    scaling: Scaling = "affine",
    scale: str | None = None,
    method: str | Balance = "none",
    seed: int = 0,
    augmenter: Augmenter | None = None,
    on_error: OnError = "stop",
) -> Prepared:
    """Ratings in 0..1 by labels or from a scale, then `balance`.

    Args:
        turns: with ratings, labels, or neither (then only preferences are counted).
        weights: of labels, which then make all ratings; None: the ratings that there are, and for
            replies that have none their label `quality`.
        scaling: of the weighted sum, see `LabelWeights`.
        scale: of the ratings, as in "1..5", where the turns do not state it.
        method: a `Balance`, or its name.
        seed: of all draws.
        augmenter: makes the paraphrases for `augment`.
        on_error: a reply without a valid rating: "stop", or "skip" leaves it unrated and counts it.

    Raises:
        HandrailError: weights, a scale or a method that cannot be; a reply without a valid rating;
            nothing to balance; or no reply was paraphrased where some should be.
    """
    how = Balance.parse(method) if isinstance(method, str) else method
    if scale is not None:
        Scale.parse(scale)
    if weights is not None and scale is not None:
        raise SettingError(
            "a scale is of ratings, and the weights make the ratings of labels in 0..1",
            "Give one of the two",
        )
    rated = _rated(turns, weights, scaling, scale, on_error)
    done = balance(rated.turns, how, seed=seed, augmenter=augmenter)
    failed = [skip for skip in done.skipped if skip.what == "paraphrase"]
    if how.augment and done.before.low and len(failed) >= done.before.low:
        raise RunError(
            f"none of {len(failed):,} low replies was paraphrased; of the first: "
            f"{failed[0].reason}",
            "Name another paraphraser, or leave augment out",
        )
    made = done.turns
    if how.name != "none":
        made = [t.model_copy(update={"tags": {**t.tags, "balance": how.name}}) for t in made]
    return Prepared(
        turns=made,
        how=rated.how,
        balanced=done,
        preferences=preference_counts(turns),
        seed=seed,
        skipped=[*rated.skipped, *done.skipped],
    )


def _rated(
    turns: Sequence[Turn],
    weights: str | Mapping[str, float] | LabelWeights | None,
    scaling: Scaling,
    scale: str | None,
    on_error: OnError,
) -> Rated:
    """The turns with their ratings in 0..1; as they are where nobody rated anything."""
    if weights is not None:
        return rate_by_labels(turns, label_weights(weights, scaling), on_error=on_error)
    if all(r.rating is None and not r.labels for t in turns for r in t.replies):
        return Rated(list(turns), how="none: no reply has a rating or labels")
    return rate_by_scale(turns, scale, on_error=on_error, labels="quality")
