"""All measures of several models: what a score is taken as, and the results as plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pytest

from handrail.ranking import Resampling
from handrail.records import Outcome, SettingError, Turn, Verdict
from handrail.rewards.combining.rules import RuleScorer
from handrail.rewards.evaluating.evaluation import evaluate, scale_of_model, score_model
from handrail.rewards.evaluating.probes import probes
from handrail.rewards.evaluating.results import EvalSettings, Material, plain
from handrail.rewards.measures import Calibration, NoCalibration, RatingErrors, labels_of
from tests.rewards.measures.made import QUICK, turn

SETTINGS = EvalSettings(how=QUICK)


class Model:
    """Scores by the number at the end of a reply."""

    def __init__(self, name: str, trained_with: str, slope: float = 1.0) -> None:
        self.name, self.trained_with, self.slope = name, trained_with, slope

    def score(self, turn: Turn, replies: Sequence[str]) -> list[float]:
        return [self.slope * float(reply.split()[-1]) for reply in replies]

    def probability(self, score: float) -> float:
        return 1 / (1 + math.exp(-score))


def data(n: int = 12) -> tuple[Turn, ...]:
    return tuple(
        turn(
            f"t{i}",
            [1, 2, 3],
            [0.95, 0.5, 0.1],
            ["x", "y", "z"],
            ["good 3", "fair 0", "poor -2"],
            set="s" if i % 2 else "u",
        )
        for i in range(n)
    )


def test_what_a_score_is_taken_as() -> None:
    assert scale_of_model(Model("a", "bradley_terry"))[0] == "preference"
    assert scale_of_model(Model("a", ""))[0] == "preference"
    assert scale_of_model(Model("a", "rating/mse")) == ("rating", "")
    assert scale_of_model(RuleScorer("length"))[0] == "order"
    assert scale_of_model(RuleScorer("constant"))[0] == "rating"
    assert scale_of_model(Model("a", "combined"))[0] == "order"
    assert scale_of_model(Model("a", ""), "rating")[0] == "rating"
    with pytest.raises(SettingError, match="Did you mean 'rating'"):
        scale_of_model(Model("a", ""), "ratings")
    with pytest.raises(SettingError, match="trained on preferences"):
        scale_of_model(Model("a", "bradley_terry"), "rating")


def test_predictions_are_what_the_model_means() -> None:
    turns = data(1)
    made = score_model(Model("a", "rating/logistic"), turns)
    assert made.predicted is not None
    assert made.predicted[0][1] == 0.5
    named = score_model(Model("a", ""), turns, "rating", "b")
    assert (named.model, named.predicted) == ("b", made.predicted)
    assert score_model(RuleScorer("constant"), turns).predicted == ((0.5, 0.5, 0.5),)
    assert score_model(Model("a", "bradley_terry"), turns).predicted is None


def test_models_beside_each_other() -> None:
    turns = data()
    models = [
        Model("pref", "bradley_terry"),
        Model("abs", "rating/logistic"),
        Model("wrong", "bradley_terry", -1.0),
    ]
    verdicts = [
        Verdict(turn=t.id, a="x", b="y", dimension="p", outcome=Outcome.A, judge="gpt4")
        for t in turns
    ]
    given = Material(turns, tuple(labels_of(verdicts, turns)))
    told: list[tuple[str, int, int]] = []
    made = evaluate(
        [(score_model(one, turns), None) for one in models],
        given,
        SETTINGS,
        lambda *one: told.append(one),
    )
    pref, rated, wrong = made.models
    assert (pref.pairs.overall.value, wrong.pairs.overall.value) == (1.0, 0.0)
    assert isinstance(pref.calibration, Calibration)
    assert pref.calibration.of == "pairs"
    assert isinstance(rated.ratings, RatingErrors)
    assert not isinstance(pref.ratings, RatingErrors)
    assert "no zero" in pref.ratings.why
    assert (pref.agreement[0].overall.same.value, wrong.agreement[0].overall.same.value) == (1, 0)
    assert [(d.a, d.b, d.on) for d in made.differences[:2]] == [
        ("pref", "abs", "pairs"),
        ("pref", "abs", "verdicts of gpt4"),
    ]
    assert made.differences[2].paired.difference.value == 1.0
    assert (made.sets, made.prompts, made.replies) == ({"u": 6, "s": 6}, 12, 36)
    assert told[-1] == ("wrong", 3, 3)
    assert pref.best_of_n[0].steps[-1].of_oracle.value == 1.0


def test_the_results_are_plain_data_without_nan() -> None:
    turns = probes()[:3]
    one = score_model(RuleScorer("random"), turns)
    made = evaluate([(one, one)], Material(turns, probes=turns), SETTINGS)
    summary = made.summary()
    text = json.dumps(summary, allow_nan=False)
    assert json.loads(text) == summary
    assert summary["probes"] == 3
    assert summary["models"][0]["probe"]["passes"]["best > bad"]["n"] == 3
    assert "probes / care" not in summary["models"][0]["pairs"]["by_category"]
    assert "points" not in summary["models"][0]
    assert isinstance(made.models[0].calibration, NoCalibration)


def test_plain() -> None:
    assert plain({("a", "b"): float("nan"), "c": (1, 2.5)}) == {"a / b": None, "c": [1, 2.5]}
    assert plain(EvalSettings(how=Resampling(100)))["how"]["resamples"] == 100


def test_bad_settings_and_names() -> None:
    with pytest.raises(SettingError, match="margin"):
        EvalSettings(margin=-1)
    with pytest.raises(SettingError, match="no curve"):
        EvalSettings(bins=1)
    one = score_model(RuleScorer("length"), data(2))
    with pytest.raises(SettingError, match="two models have the name"):
        evaluate([(one, None), (one, None)], Material(data(2)), SETTINGS)


def test_only_turns_without_feedback() -> None:
    bare = turn("bare", texts=["good 3"])
    one = score_model(Model("m", "rating/mse"), (bare,))
    made = evaluate([(one, None)], Material((bare,)), SETTINGS).models[0]
    assert (made.pairs.overall.n, made.kwise.one_reply, made.best_of_n) == (0, 1, ())
    assert "no reply has both" in made.ratings.why  # type: ignore[union-attr]
