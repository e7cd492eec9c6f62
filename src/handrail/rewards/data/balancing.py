"""Doing what a `Balance` says: copies, draws, paraphrases and weights, the same for one seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np

from handrail.records import RecordError, SettingError, Skip, Turn
from handrail.rewards.data.balance import Balance
from handrail.rewards.data.ranges import Edges, RangeCounts

# (index of the turn, index of its reply)
Place = tuple[int, int]


@dataclass(frozen=True)
class Augmented:
    """Further turns with paraphrased replies, and the replies that were not paraphrased."""

    turns: Sequence[Turn]
    skipped: Sequence[Skip] = ()


# Makes further turns of turns that hold the low replies only.
Augmenter = Callable[[Sequence[Turn]], Augmented]


@dataclass(frozen=True)
class Bin:
    """A part of the middle: from where to where, how many replies it held, how many are kept."""

    low: float
    high: float
    held: int
    kept: int


@dataclass(frozen=True)
class Balanced:
    """Turns after balancing, and what was done.

    `weight` is the loss weight of low replies (1: none); `skipped` says what could not be done:
    bins that hold too few, replies without a paraphrase.
    """

    turns: list[Turn]
    method: Balance
    before: RangeCounts
    after: RangeCounts
    weight: float = 1.0
    bins: tuple[Bin, ...] = ()
    skipped: list[Skip] = field(default_factory=list)


def balance(
    turns: Sequence[Turn],
    method: Balance | str,
    *,
    seed: int = 0,
    augmenter: Augmenter | None = None,
) -> Balanced:
    """The turns with their ratings evened out.

    Copies and paraphrases are of the low replies as given, never of each other, and stand after
    all other turns, in turns of their own that hold them only (`~over1`, `~augment1` after the
    id). A reply of the middle that is not drawn is left out of its turn, and a turn without replies
    with it. Then low replies get their weight: N / N_low of what there is now, times the strength,
    but at least 1. Replies without a rating stay as they are.

    Args:
        turns: with ratings in 0..1.
        method: what to do, or its name ("over_s + under_s_8k + wgt_s_05").
        seed: of all draws; each kind has its own, so that one does not shift another.
        augmenter: makes the paraphrases; needed for `augment`.

    Raises:
        SettingError: `augment` without an augmenter.
        RecordError: a rating outside 0..1, or no rating at all.
    """
    how = Balance.parse(method) if isinstance(method, str) else method
    _check(turns)
    before = RangeCounts.of(turns, how.edges)
    if how.active and not before.rated:
        raise RecordError(
            "no reply has a rating, so there is nothing to balance",
            "Rate the replies, or give labels and their weights",
        )
    skipped: list[Skip] = []
    places = _places(turns, how.edges)
    low = places["low"]
    kept, bins, short = _draw_middle(turns, places["middle"], how, seed)
    taken_ids = {turn.id for turn in turns}
    further = _copies(turns, _chosen_copies(low, how, seed), taken_ids)
    if how.augment:
        made = _augmented(turns, low, augmenter)
        further += [_renamed(t, taken_ids) for t in made.turns]
        skipped += made.skipped
    out = [*_without(turns, set(places["middle"]) - kept), *further]
    weight, note = _weight(RangeCounts.of(out, how.edges), how)
    if weight != 1:
        out = [_weighted(turn, weight, how.edges) for turn in out]
    after = RangeCounts.of(out, how.edges)
    return Balanced(out, how, before, after, weight, bins, skipped + short + note)


def _check(turns: Sequence[Turn]) -> None:
    for turn in turns:
        for i, reply in enumerate(turn.replies):
            if reply.rating is not None and not 0 <= reply.rating <= 1:
                raise RecordError(
                    f"the rating {reply.rating:g} is not within 0 to 1",
                    "State the scale of the ratings, so that they can be brought to 0..1",
                    f"turn '{turn.id}', replies.{i}",
                )


def _places(turns: Sequence[Turn], edges: Edges) -> Mapping[str, list[Place]]:
    found: dict[str, list[Place]] = {"low": [], "middle": [], "high": []}
    for t, turn in enumerate(turns):
        for r, reply in enumerate(turn.replies):
            if reply.rating is not None:
                found[edges.of(reply.rating)].append((t, r))
    return found


def _draw_middle(
    turns: Sequence[Turn], middle: Sequence[Place], how: Balance, seed: int
) -> tuple[set[Place], tuple[Bin, ...], list[Skip]]:
    """The replies of the middle to keep, a like number from each bin; bins that hold too few."""
    if how.under is None:
        return set(middle), (), []
    wanted = how.under if how.under >= 1 else round(how.under * len(middle))
    ends = np.linspace(*how.edges.middle, how.bins + 1)
    ratings = [turns[t].replies[r].rating for t, r in middle]
    which = np.searchsorted(ends[1:-1], np.asarray(ratings, dtype=float), side="right")
    members: dict[int, list[Place]] = defaultdict(list)
    for place, b in zip(middle, which, strict=True):
        members[int(b)].append(place)
    kept: set[Place] = set()
    bins: list[Bin] = []
    short = 0
    for b in range(how.bins):
        # Where n is no multiple of the bins, the first ones give one more.
        quota = int(wanted) // how.bins + (b < int(wanted) % how.bins)
        held, ends_b = members[b], (float(ends[b]), float(ends[b + 1]))
        drawn = held if len(held) <= quota else Random(f"under/{seed}/{b}").sample(held, quota)
        kept.update(drawn)
        bins.append(Bin(*ends_b, len(held), len(drawn)))
        short += len(held) < quota
    if not short:
        return kept, tuple(bins), []
    reason = (
        f"{short} of {how.bins} bins hold fewer replies than the {round(wanted / how.bins):,} to "
        "keep of each, and give all that they hold"
    )
    where = f"the middle, {ends[0]:g} to {ends[-1]:g}"
    return kept, tuple(bins), [Skip(what="bin", reason=reason, where=where)]


def _chosen_copies(low: Sequence[Place], how: Balance, seed: int) -> list[list[Place]]:
    """Rounds of copies: whole ones, then a drawn rest."""
    target = how.over_to if how.over_to is not None else round(how.over * len(low))
    copies = max(0, target - len(low)) if low else 0
    whole, rest = divmod(copies, len(low)) if low else (0, 0)
    rounds = [list(low)] * whole
    return [*rounds, sorted(Random(f"over/{seed}").sample(list(low), rest))] if rest else rounds


def _copies(
    turns: Sequence[Turn], rounds: Sequence[Sequence[Place]], taken: set[str]
) -> list[Turn]:
    """Each round's replies in further turns, which hold only these."""
    made = []
    for n, places in enumerate(rounds, start=1):
        for turn in _only(turns, places):
            made.append(_renamed(turn.model_copy(update={"id": f"{turn.id}~over{n}"}), taken))
    return made


def _only(turns: Sequence[Turn], places: Sequence[Place]) -> list[Turn]:
    """The turns of these places, with the replies of these places."""
    by_turn: dict[int, list[int]] = defaultdict(list)
    for t, r in places:
        by_turn[t].append(r)
    return [
        turns[t].model_copy(update={"replies": tuple(turns[t].replies[r] for r in sorted(rs))})
        for t, rs in sorted(by_turn.items())
    ]


def _augmented(
    turns: Sequence[Turn], low: Sequence[Place], augmenter: Augmenter | None
) -> Augmented:
    if augmenter is None:
        raise SettingError(
            "'augment' needs something that paraphrases replies",
            "Give augmenter= (handrail.rewards.data.augment makes one), or leave augment out",
        )
    return augmenter(_only(turns, low))


def _renamed(turn: Turn, taken: set[str]) -> Turn:
    """The turn under an id that no other has: data that were balanced before hold copies too."""
    name, n = turn.id, 1
    while name in taken:
        n += 1
        name = f"{turn.id}.{n}"
    taken.add(name)
    return turn if name == turn.id else turn.model_copy(update={"id": name})


def _without(turns: Sequence[Turn], dropped: Collection[Place]) -> list[Turn]:
    """The turns without these replies; a turn that had no others is gone."""
    gone: dict[int, set[int]] = defaultdict(set)
    for t, r in dropped:
        gone[t].add(r)
    out = []
    for t, turn in enumerate(turns):
        if t not in gone:
            out.append(turn)
            continue
        left = tuple(reply for r, reply in enumerate(turn.replies) if r not in gone[t])
        if left:
            out.append(turn.model_copy(update={"replies": left}))
    return out


def _weight(counts: RangeCounts, how: Balance) -> tuple[float, list[Skip]]:
    """The loss weight of low replies, and why there is none where one was asked for."""
    if not how.strength and not how.constant:
        return 1.0, []
    if not counts.low:
        reason = "no rating lies in the low range, so no loss weight is given"
        return 1.0, [Skip(what="weight", reason=reason, where=how.name)]
    return how.constant or max(1.0, how.strength * counts.rated / counts.low), []


def _weighted(turn: Turn, weight: float, edges: Edges) -> Turn:
    """The turn, its low replies' loss weights times `weight`."""
    low = [r.rating is not None and edges.of(r.rating) == "low" for r in turn.replies]
    if not any(low):
        return turn
    replies = tuple(
        r.model_copy(update={"weight": r.weight * weight}) if is_low else r
        for r, is_low in zip(turn.replies, low, strict=True)
    )
    return turn.model_copy(update={"replies": replies})
