"""Losses of reward models against slow, obvious versions and figures worked by hand."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from rewardfeedbacks import feedback

from handrail.objectives import REWARD_OBJECTIVES, BradleyTerry, Feedback, Rating, whole_step

SEEDS = st.integers(0, 10_000)
RANKED = [
    BradleyTerry(),
    BradleyTerry(margin=0.7),
    BradleyTerry(centring=0.05),
    BradleyTerry(margin=0.2, centring=0.5),
]
RATED = [Rating("mse"), Rating("mse", penalty=0.5), Rating("sigmoid_mse"), Rating("logistic")]
nan = math.nan


def random_feedback(seed: int, n_prompts: int = 3) -> Feedback:
    """Prompts of one to five replies with ranks (some tied) and ratings (some missing)."""
    g = torch.Generator().manual_seed(seed)
    turns: list[int] = []
    pairs: list[tuple[int, int]] = []
    for prompt in range(n_prompts):
        start, k = len(turns), int(torch.randint(1, 6, (1,), generator=g))
        ranks = torch.randint(0, 4, (k,), generator=g).tolist()
        pairs += [(start + i, start + j) for i in range(k) for j in range(k) if ranks[i] < ranks[j]]
        turns += [prompt] * k
    n = len(turns)
    ratings = torch.rand(n, generator=g, dtype=torch.float64)
    ratings[torch.rand(n, generator=g) < 0.2] = nan
    mismatched = (torch.rand(n, generator=g) < 0.1).tolist()
    scores = 2 * torch.randn(n, generator=g, dtype=torch.float64)
    weights = 0.5 + torch.rand(n, generator=g, dtype=torch.float64)
    return feedback(scores.tolist(), turns, pairs, ratings.tolist(), weights.tolist(), mismatched)


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def slow_ranked(objective: BradleyTerry, given: Feedback) -> float:
    """The mean over prompts of the mean over their pairs, in plain loops."""
    scores, weight = given.rewards_R().tolist(), given.weight_R.tolist()
    total = norm = 0.0
    for prompt in set(given.turn_R.tolist()):
        pairs = [pair for pair in given.pairs_P2.tolist() if given.turn_R[pair[0]] == prompt]
        if not pairs:
            continue
        for better, worse in pairs:
            share = math.sqrt(weight[better] * weight[worse]) / len(pairs)
            loss = -math.log(sigma(scores[better] - scores[worse] - objective.margin))
            loss += objective.centring * (scores[better] + scores[worse]) ** 2
            total += share * loss
            norm += share
    return total / norm


def slow_rated(objective: Rating, given: Feedback) -> float:
    """The weighted mean over rated replies, in plain loops."""
    total = norm = 0.0
    columns = (given.rewards_R(), given.rating_R, given.weight_R, given.mismatched_R)
    for r, s, weight, foreign in zip(*(c.tolist() for c in columns), strict=True):
        if math.isnan(s) or foreign:
            continue
        if objective.loss == "mse":
            over, under = max(0.0, r - 1.0), max(0.0, -r)
            loss = (r - s) ** 2 + objective.penalty * (over + under)
        elif objective.loss == "sigmoid_mse":
            loss = (sigma(r) - s) ** 2
        else:
            loss = -s * math.log(sigma(r)) - (1 - s) * math.log(sigma(-r))
        total += weight * loss
        norm += weight
    return total / norm


def slow(objective: BradleyTerry | Rating, given: Feedback) -> float:
    if isinstance(objective, BradleyTerry):
        return slow_ranked(objective, given)
    return slow_rated(objective, given)


def learnable(objective: BradleyTerry | Rating, given: Feedback) -> bool:
    return float(objective.units(given)) > 0


@pytest.mark.parametrize("objective", [*RANKED, *RATED], ids=repr)
@given(seed=SEEDS, n_prompts=st.integers(1, 4))
def test_equals_the_slow_version(objective, seed: int, n_prompts: int) -> None:
    given_ = random_feedback(seed, n_prompts)
    assume(learnable(objective, given_))
    loss = objective(given_)
    assert loss.value.item() == pytest.approx(slow(objective, given_), rel=1e-10)
    assert not any(value.requires_grad for value in loss.metrics.values())


@pytest.mark.parametrize("objective", [*RANKED, *RATED], ids=repr)
def test_gradient_equals_finite_differences(objective) -> None:
    given_ = random_feedback(5)
    assert learnable(objective, given_)
    (gradient,) = torch.autograd.grad(objective(given_).value, given_.scores_R)
    assert gradient.abs().sum() > 0

    def value(scores_R: torch.Tensor) -> torch.Tensor:
        return objective(dataclasses.replace(given_, scores_R=scores_R)).value

    assert torch.autograd.gradcheck(value, (given_.scores_R,))


def parts_of(given_: Feedback) -> list[Feedback]:
    """The same feedback as one micro-batch per prompt, turns and replies numbered anew."""
    parts = []
    for prompt in sorted(set(given_.turn_R.tolist())):
        at = (given_.turn_R == prompt).nonzero()[:, 0]
        pairs = given_.pairs_P2[torch.isin(given_.pairs_P2[:, 0], at)] - at[0]
        rows = ("length_R", "best_R", "desirable_R", "mismatched_R", "weight_R", "rating_R")
        cut = {name: getattr(given_, name)[at] for name in (*rows, "scores_R")}
        own = {"pairs_P2": pairs, "turn_R": torch.zeros_like(at), "reply_N": torch.arange(len(at))}
        parts.append(dataclasses.replace(given_, **cut, **own))
    return parts


@pytest.mark.parametrize("objective", [*RANKED, *RATED], ids=repr)
@given(seed=SEEDS)
def test_micro_batches_add_up_to_the_step(objective, seed: int) -> None:
    given_ = random_feedback(seed, 4)
    assume(learnable(objective, given_))
    whole = objective(given_)
    (gradient,) = torch.autograd.grad(whole.value, given_.scores_R)
    step = whole_step(objective, parts_of(given_))
    losses = [objective(part, step) for part in parts_of(given_)]
    value = torch.stack([loss.value for loss in losses]).sum()
    (parts_gradient,) = torch.autograd.grad(value, given_.scores_R)
    assert value.item() == pytest.approx(whole.value.item(), rel=1e-12)
    torch.testing.assert_close(parts_gradient, gradient, rtol=1e-9, atol=1e-12)
    for name, (total, weight) in whole.parts.items():
        assert sum(x.parts[name][0].item() for x in losses) == pytest.approx(total.item())
        assert sum(x.parts[name][1].item() for x in losses) == pytest.approx(weight.item())


@pytest.mark.parametrize("objective", [*RANKED, *RATED], ids=repr)
@given(seed=SEEDS)
def test_order_of_replies_does_not_matter(objective, seed: int) -> None:
    given_ = random_feedback(seed)
    assume(learnable(objective, given_))
    order_R = torch.randperm(len(given_.turn_R), generator=torch.Generator().manual_seed(seed))
    rows = ("length_R", "best_R", "desirable_R", "mismatched_R", "weight_R", "rating_R", "turn_R")
    moved = {name: getattr(given_, name)[order_R] for name in (*rows, "scores_R")}
    other = dataclasses.replace(
        given_, pairs_P2=order_R.argsort()[given_.pairs_P2].flip(0), **moved
    )
    one, two = objective(given_), objective(other)
    assert one.value.item() == pytest.approx(two.value.item(), rel=1e-12)
    for name, value in one.metrics.items():
        assert value.item() == pytest.approx(two.metrics[name].item(), rel=1e-12), name


def test_bradley_terry_worked_by_hand() -> None:
    """Scores 2, 1, 0 in the order of the ranks: gaps 1, 2, 1; and a prompt with a gap of -1."""
    given_ = feedback([2.0, 1.0, 0.0, 0.0, 1.0], [0, 0, 0, 1, 1], [(0, 1), (0, 2), (1, 2), (3, 4)])
    first = (2 * 0.3132617 + 0.1269280) / 3  # log(1 + e^-1) twice and log(1 + e^-2)
    second = 1.3132617  # log(1 + e^1)
    loss = BradleyTerry()(given_)
    assert loss.value.item() == pytest.approx((first + second) / 2, abs=1e-6)
    told = {name: value.item() for name, value in loss.metrics.items()}
    assert told["rewards/accuracy"] == pytest.approx(0.5)  # each prompt counts the same
    assert told["rewards/margin"] == pytest.approx((4 / 3 - 1) / 2)
    assert told["rewards/chosen"] == pytest.approx((5 / 3 + 0) / 2)
    assert told["rewards/rejected"] == pytest.approx((1 / 3 + 1) / 2)
    # (2+1)^2, (2+0)^2, (1+0)^2 and (0+1)^2
    centred = BradleyTerry(centring=0.01)(given_).value.item() - loss.value.item()
    assert centred == pytest.approx(0.01 * (14 / 3 + 1) / 2)
    wide = BradleyTerry(margin=1.0)(given_).value.item()
    assert wide == pytest.approx(
        ((2 * math.log(2) + 0.3132617) / 3 + math.log1p(math.exp(2))) / 2, abs=1e-6
    )
    assert BradleyTerry().units(given_).item() == 2


@pytest.mark.parametrize(
    ("loss", "score", "rating", "expected"),
    [
        ("mse", 0.4, 0.75, 0.1225),
        ("mse", 1.5, 1.0, 0.25 + 0.02 * 0.5),
        ("mse", -2.0, 0.0, 4.0 + 0.02 * 2.0),
        ("sigmoid_mse", 0.0, 0.75, 0.0625),
        ("sigmoid_mse", math.log(3), 0.25, 0.25),  # sigma(log 3) = 3/4
        ("logistic", 0.0, 0.3, math.log(2)),
        ("logistic", math.log(3), 1.0, math.log(4 / 3)),
        ("logistic", math.log(3), 0.0, math.log(4)),
        ("logistic", math.log(3), 0.5, (math.log(4 / 3) + math.log(4)) / 2),
    ],
)
def test_ratings_worked_by_hand(loss, score: float, rating: float, expected: float) -> None:
    told = Rating(loss)(feedback([score], ratings=[rating]))
    assert told.value.item() == pytest.approx(expected)
    given_ = score if loss == "mse" else sigma(score)
    assert told.metrics["ratings/given"].item() == pytest.approx(given_)
    assert told.metrics["ratings/mae"].item() == pytest.approx(abs(given_ - rating))
    assert told.metrics["ratings/mse"].item() == pytest.approx((given_ - rating) ** 2)


@pytest.mark.parametrize("loss", ["mse", "sigmoid_mse", "logistic"])
def test_a_rating_is_learnt_best_by_itself(loss) -> None:
    """The gradient vanishes where what is given is the rating, also between 0 and 1."""
    for rating in (0.2, 0.5, 0.9):
        score = rating if loss == "mse" else math.log(rating / (1 - rating))
        at = feedback([score], ratings=[rating])
        (gradient,) = torch.autograd.grad(Rating(loss)(at).value, at.scores_R)
        assert abs(gradient.item()) < 1e-9


def test_a_constant_changes_no_preference() -> None:
    """Scores have no zero of their own, unless they are centred."""
    given_ = random_feedback(1)
    moved = dataclasses.replace(given_, scores_R=given_.scores_R + 5.0)
    assert BradleyTerry()(moved).value.item() == pytest.approx(BradleyTerry()(given_).value.item())
    centred = BradleyTerry(centring=0.1)
    assert centred(moved).value.item() > centred(given_).value.item() + 1


@pytest.mark.parametrize("objective", [BradleyTerry(), Rating()], ids=repr)
def test_nothing_to_learn_from_gives_zero_and_a_gradient(objective) -> None:
    given_ = feedback([1.0, 2.0])
    loss = objective(given_)
    assert loss.value.item() == 0
    loss.value.backward()
    assert given_.scores_R.grad.tolist() == [0.0, 0.0]


def test_extreme_scores_stay_finite() -> None:
    given_ = feedback([-1e4, 1e4], pairs=[(0, 1)], ratings=[1.0, 0.0])
    for objective in (BradleyTerry(), Rating("logistic"), Rating("sigmoid_mse")):
        value = objective(given_).value
        assert value.isfinite()
        assert torch.autograd.grad(value, given_.scores_R)[0].isfinite().all()


def test_settings_that_cannot_be_meant_are_refused() -> None:
    for wrong in ({"margin": -1.0}, {"centring": nan}):
        with pytest.raises(ValueError, match="at least 0"):
            BradleyTerry(**wrong)
    with pytest.raises(ValueError, match="the losses of ratings are mse, sigmoid_mse, logistic"):
        Rating("huber")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="penalty"):
        Rating("mse", penalty=-0.1)
    assert all(kind.reads == "scores" for kind in REWARD_OBJECTIVES.values())
    with pytest.raises(ValueError, match="needs a reward model's scores"):
        BradleyTerry()(dataclasses.replace(feedback([1.0]), scores_R=None))
