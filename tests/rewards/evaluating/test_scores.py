"""Scores in a file: read as written, told by model, never a number where there is none."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from handrail.records import Message, RecordError, Reply, SettingError, Turn, write_jsonl
from handrail.rewards.combining.combine import CombinedReward, Part
from handrail.rewards.evaluating.evaluation import scale_of_model
from handrail.rewards.evaluating.scores import file_scorer, read_scores, scored_reply

TURN = Turn(
    id="t1",
    context=(Message(role="user", content="hi"),),
    replies=(Reply(text="a", author="x"), Reply(text="b")),
)


def written(
    path: Path, models: tuple[str, ...] = ("rm",), trained_with: str = "rating/mse"
) -> Path:
    values = (1.5, math.nan)
    write_jsonl(
        path,
        [scored_reply(TURN, i, values[i], m, trained_with) for m in models for i in range(2)],
    )
    return path


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    first, second = read_scores(written(tmp_path / "s.jsonl"))
    assert (first.turn, first.reply, first.author, first.score) == ("t1", 0, "x", 1.5)
    assert (second.text, second.score, second.model) == ("b", None, "rm")


def test_a_file_scores_its_own_replies(tmp_path: Path) -> None:
    path = written(tmp_path / "s.jsonl")
    scorer = file_scorer(str(path))
    assert (scorer.name, scorer.trained_with) == ("rm", "rating/mse")
    one, none = scorer.score(TURN, ["a", "b"])
    assert one == 1.5
    assert math.isnan(none)
    with pytest.raises(RecordError, match=r"no score of a reply of turn 't1': \"c\""):
        scorer.score(TURN, ["c"])


def test_of_several_models_one_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "s.jsonl", ("rm", "other"))
    assert file_scorer(f"{path}:other").name == "other"
    for name in (str(path), f"{path}:third"):
        with pytest.raises(SettingError, match="has the scores of rm, other"):
            file_scorer(name)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "turns.jsonl", [TURN])
    with pytest.raises(RecordError, match="not known here"):
        read_scores(tmp_path / "turns.jsonl")
    with pytest.raises(RecordError, match="no line of this file is a score"):
        read_scores(tmp_path / "turns.jsonl", "skip")


@pytest.mark.parametrize(
    ("trained_with", "rating", "scale"),
    [
        ("rating/mse", 1.5, "rating"),
        ("rating/logistic", 0.817574, "rating"),
        ("rating/sigmoid_mse", 0.817574, "rating"),
        ("", 0.817574, "preference"),  # nobody knows: the user's word counts
        ("bradley_terry", None, "preference"),
        ("combined", None, "order"),
        ("rule", None, "order"),
    ],
)
def test_a_file_is_read_as_its_model_would_be(
    trained_with: str, rating: float | None, scale: str, tmp_path: Path
) -> None:
    scorer = file_scorer(str(written(tmp_path / "s.jsonl", trained_with=trained_with)))
    assert scale_of_model(scorer)[0] == scale
    if rating is None:
        with pytest.raises(SettingError, match=f"no ratings: it was trained with '{trained_with}'"):
            Part(scorer, reads="probability")
        return
    mixed = CombinedReward([Part(scorer, reads="probability")])
    one, none = mixed.score(TURN, ["a", "b"])
    assert one == pytest.approx(rating, abs=1e-6)
    assert math.isnan(none)
    assert scale_of_model(mixed)[0] == "order"
