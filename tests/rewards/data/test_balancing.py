"""Balancing against a slow and plain version, and that no reply is lost or invented."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.records import RecordError, Reply, SettingError, Skip, Turn
from handrail.rewards.data.balance import Balance
from handrail.rewards.data.balancing import Augmented, balance
from handrail.rewards.data.ranges import Edges, RangeCounts
from tests.rewards.data.rated_turns import rated_turns

RATINGS = st.one_of(st.none(), st.floats(0, 1), st.sampled_from([0.4, 0.9, 0.41, 0.89, 0.506]))
ROWS = st.lists(st.lists(RATINGS, max_size=5), min_size=1, max_size=25).filter(
    lambda rows: any(x is not None for row in rows for x in row)
)


def texts(turns: Sequence[Turn]) -> Counter[str]:
    return Counter(r.text for t in turns for r in t.replies)


def ratings(turns: Sequence[Turn]) -> dict[str, float | None]:
    return {r.text: r.rating for t in turns for r in t.replies}


def shorter(turns: Sequence[Turn]) -> Augmented:
    """Paraphrases of every reply but those that end in 0, rated half as high."""
    made, skipped = [], []
    for turn in turns:
        replies = []
        for reply in turn.replies:
            if reply.text.endswith("0"):
                skipped.append(Skip(what="paraphrase", reason="no words", where=turn.id))
            else:
                assert reply.rating is not None
                replies.append(Reply(text=f"~ {reply.text}", rating=reply.rating / 2))
        if replies:
            update = {"id": f"{turn.id}~augment1", "replies": tuple(replies)}
            made.append(turn.model_copy(update=update))
    return Augmented(made, skipped)


def bin_of(rating: float, edges: Edges, bins: int) -> int:
    """The plain way: the last bin whose lower end is not above the rating."""
    low, high = edges.middle
    width = (high - low) / bins
    return max([b for b in range(bins) if low + b * width <= rating + 1e-12], default=0)


def test_the_weight_of_the_thesis() -> None:
    # 38,852 replies of which 4,104 are low; each low one twice makes 42,956 and 8,208.
    rows = [[0.2] * 4] * 1026 + [[0.95] * 13] * 599 + [[0.6] * 19] * 1419
    turns = rated_turns(rows)
    before = RangeCounts.of(turns, Edges())
    assert (before.low, before.middle, before.high) == (4104, 26961, 7787)
    made = balance(turns, "over_s + wgt_s_1")
    assert (made.after.rated, made.after.low) == (42956, 8208)
    assert made.weight == 42956 / 8208
    assert round(made.weight, 2) == 5.23
    assert balance(turns, "over_s + wgt_s_05").weight == 0.5 * 42956 / 8208
    assert balance(turns, "over_s + wgt_s_075").weight == 0.75 * 42956 / 8208
    weights = Counter(r.weight for t in made.turns for r in t.replies)
    assert weights == {42956 / 8208: 8208, 1.0: 42956 - 8208}


@given(ROWS, st.integers(1, 60), st.integers(1, 6), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_under_sampling_keeps_what_a_plain_count_says(
    rows: list[list[float | None]], n: int, bins: int, seed: int
) -> None:
    turns, edges = rated_turns(rows), Edges()
    made = balance(turns, Balance(under=n, bins=bins), seed=seed)
    held = Counter(
        bin_of(x, edges, bins)
        for x in ratings(turns).values()
        if x is not None and edges.of(x) == "middle"
    )
    quota = [n // bins + (b < n % bins) for b in range(bins)]
    kept = Counter(
        bin_of(x, edges, bins)
        for x in ratings(made.turns).values()
        if x is not None and edges.of(x) == "middle"
    )
    assert [kept[b] for b in range(bins)] == [min(held[b], quota[b]) for b in range(bins)]
    assert [(b.held, b.kept) for b in made.bins] == [(held[b], kept[b]) for b in range(bins)]
    # Everything else is as it was, in its order.
    left = texts(made.turns)
    assert left <= texts(turns)
    assert all(
        left[text] == 1
        for text, x in ratings(turns).items()
        if x is None or edges.of(x) != "middle"
    )
    order = {text: i for i, text in enumerate(ratings(turns))}
    places = [order[text] for t in made.turns for text in [r.text for r in t.replies]]
    assert places == sorted(places)
    short = sum(held[b] < quota[b] for b in range(bins))
    assert len(made.skipped) == (short > 0)
    assert not short or made.skipped[0].reason.startswith(f"{short} of {bins} bins hold fewer")


@given(ROWS, st.sampled_from([1.0, 1.5, 2.0, 2.3, 3.0]), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_over_sampling_copies_low_replies_only(
    rows: list[list[float | None]], factor: float, seed: int
) -> None:
    turns = rated_turns(rows)
    made = balance(turns, Balance(over=factor), seed=seed)
    low = [text for text, x in ratings(turns).items() if x is not None and x <= 0.4]
    found = texts(made.turns)
    assert sum(found[text] for text in low) == round(factor * len(low))
    assert all(int(factor) <= found[text] <= int(factor) + 1 for text in low)
    assert {text: n for text, n in found.items() if text not in low} == {
        text: 1 for text in ratings(turns) if text not in low
    }
    assert made.turns[: len(turns)] == turns
    assert made.after.low == round(factor * made.before.low)


@given(ROWS, st.booleans(), st.booleans(), st.integers(0, 30), st.sampled_from([0.0, 0.5, 0.75]))
@settings(max_examples=100, deadline=None)
def test_all_together_lose_and_invent_nothing(
    rows: list[list[float | None]], over: bool, augment: bool, under: int, strength: float
) -> None:
    turns = rated_turns(rows)
    how = Balance(
        augment=augment, over=2.0 if over else 1.0, under=under or None, strength=strength
    )
    made = balance(turns, how, seed=1, augmenter=shorter)
    before, after = ratings(turns), ratings(made.turns)
    assert len({t.id for t in made.turns}) == len(made.turns)
    by_id = {t.id: t for t in turns}
    for turn in made.turns:
        parent = by_id[turn.id.split("~")[0]]
        assert (turn.context, turn.playbook) == (parent.context, parent.playbook)
        for reply in turn.replies:
            own = reply.text.removeprefix("~ ")
            assert own in {r.text for r in parent.replies}
            assert after[own] == before[own]
    low = [text for text, x in before.items() if x is not None and x <= 0.4]
    found = texts(made.turns)
    assert all(found[text] == 1 + over for text in low)
    assert all(found[f"~ {text}"] == (augment and not text.endswith("0")) for text in low)
    rated = sum(r.rating is not None for t in made.turns for r in t.replies)
    n_low = sum(r.rating is not None and r.rating <= 0.4 for t in made.turns for r in t.replies)
    weight = max(1.0, strength * rated / n_low) if strength and n_low else 1.0
    assert made.weight == pytest.approx(weight)
    for reply in (r for t in made.turns for r in t.replies):
        is_low = reply.rating is not None and reply.rating <= 0.4
        assert reply.weight == pytest.approx(weight if is_low else 1.0)
    assert made.after == RangeCounts.of(made.turns, Edges())
    assert balance(turns, how, seed=1, augmenter=shorter) == made


def test_another_seed_draws_others_and_the_same_seed_the_same() -> None:
    turns = rated_turns([[0.42 + i / 250] for i in range(100)])
    kept = [set(texts(balance(turns, "under_s_20", seed=seed).turns)) for seed in (0, 0, 1)]
    assert kept[0] == kept[1] != kept[2]
    assert all(len(one) == 20 for one in kept)


def test_a_share_of_the_middle() -> None:
    turns = rated_turns([[0.42 + i / 250] for i in range(100)] + [[0.1]])
    assert balance(turns, "under_s_25%").after.middle == 25


def test_copies_up_to_a_number() -> None:
    turns = rated_turns([[0.1, 0.6], [0.2], [0.3, 0.35]])
    made = balance(turns, "over_s_9")
    assert made.after.low == 9
    assert [t.id for t in made.turns[3:]] == ["t0~over1", "t1~over1", "t2~over1", made.turns[-1].id]
    assert [r.text for r in made.turns[3].replies] == ["Reply t0.0"]
    assert balance(turns, "over_s_3").after.low == 4  # there are more already


def test_a_turn_whose_replies_all_went_is_gone() -> None:
    turns = rated_turns([[0.42], [0.43], [0.95, 0.44]])
    made = balance(turns, Balance(under=1, bins=1))
    assert sum(len(t.replies) for t in made.turns) == 2
    assert all(t.replies for t in made.turns)


def test_data_that_were_balanced_before_get_ids_of_their_own() -> None:
    twice = balance(balance(rated_turns([[0.1]]), "over_s").turns, "over_s")
    assert [t.id for t in twice.turns] == ["t0", "t0~over1", "t0~over1.2", "t0~over1~over1"]


def test_weights_multiply_those_that_were_there_and_never_fall_below_one() -> None:
    turn = rated_turns([[0.1, 0.9]])[0]
    low, high = turn.replies
    turn = turn.model_copy(update={"replies": (low.model_copy(update={"weight": 2.0}), high)})
    assert [r.weight for r in balance([turn], "wgt_1_4").turns[0].replies] == [2.8, 1.0]
    # N / N_low is 2, of which the half is 1; 2 of 3 low ones would give 0.75.
    assert balance(rated_turns([[0.1, 0.2, 0.9]]), "wgt_s_05").weight == 1.0


def test_no_low_rating_gives_no_weight_and_says_so() -> None:
    made = balance(rated_turns([[0.5]]), "wgt_s_05")
    assert made.weight == 1.0
    assert made.skipped[0].reason.startswith("no rating lies in the low range")


def test_what_cannot_be_balanced() -> None:
    with pytest.raises(RecordError, match="nothing to balance"):
        balance(rated_turns([[None]]), "over_s")
    with pytest.raises(RecordError, match=r"turn 't0', replies.1: the rating 5 is not within"):
        balance(rated_turns([[0.1, 5.0]]), "over_s")
    with pytest.raises(RecordError, match="the rating nan is not within"):
        balance(rated_turns([[float("nan")]]), "over_s")
    with pytest.raises(SettingError, match="'augment' needs something that paraphrases"):
        balance(rated_turns([[0.1]]), "augment")


def test_no_means_leave_all_as_it_is() -> None:
    turns = rated_turns([[0.1, None], []])
    made = balance(turns, "none")
    assert made.turns == turns
    assert made.before == made.after
