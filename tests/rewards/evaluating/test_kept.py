"""Scores on disk: none twice, nothing lost by a kill, what they cost."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import AskProgress, Guardrail, Playbook, SettingError, Spent, Turn
from handrail.rewards.evaluating import kept
from handrail.rewards.evaluating.costs import Opened
from handrail.rewards.evaluating.kept import KeptScorer, key_of
from tests.rewards.fakes import Batched, Trained, turn

T = turn()
SCORES = {str(n): float(n) for n in range(200)}


@dataclass
class Dies(Batched):
    """Dies when it is asked for a reply that the table does not hold."""

    def score_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[float]:
        if any(reply not in self.scores for _, reply in replies):
            raise KeyboardInterrupt
        return super().score_all(replies, progress)


def test_a_reply_is_scored_once_over_processes(tmp_path: Path) -> None:
    first, second = Batched(SCORES), Batched(SCORES)
    replies = [(T, "3"), (T, "none"), (T, "3"), (turn("other"), "3")]
    one = KeptScorer("runs/m", lambda: Opened(first), tmp_path)
    scores = one.score_all(replies)
    assert scores[0] == scores[2] == scores[3] == 3.0
    assert math.isnan(scores[1])
    assert sorted(first.asked) == ["3", "3", "none"]  # of two prompts
    again = KeptScorer("runs/m", lambda: Opened(second), tmp_path)
    assert again.score_all(replies)[0] == 3.0
    assert second.asked == []
    assert again.scored == 0
    assert (one.scored, one.problem) == (3, "")
    assert again.cost() == one.cost()


def test_what_was_scored_before_a_kill_is_kept_and_a_torn_line_passed_over(tmp_path: Path) -> None:
    model = Dies({str(n): float(n) for n in range(kept.FIRST)})
    replies = [(T, str(n)) for n in range(kept.FIRST + 5)]
    with pytest.raises(KeyboardInterrupt):
        KeptScorer("m", lambda: Opened(model), tmp_path).score_all(replies)
    (path,) = tmp_path.iterdir()
    with open(path, "ab") as file:
        file.write(b'{"scores": {"x": 1')  # a kill in the midst of a line
    rest = Batched(SCORES)
    assert KeptScorer("m", lambda: Opened(rest), tmp_path).score_all(replies) == [
        float(n) for n in range(kept.FIRST + 5)
    ]
    assert rest.asked == [str(n) for n in range(kept.FIRST, kept.FIRST + 5)]
    last = Batched(SCORES)
    KeptScorer("m", lambda: Opened(last), tmp_path).score_all(replies)
    assert last.asked == []


@given(
    st.binary(max_size=200) | st.sampled_from([b'{"scores": 3}', b'{"scores": {"a": "b"}}', b"[]"])
)
def test_whatever_stands_in_the_file_is_no_score(junk: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        one = KeptScorer("m", lambda: Opened(Batched(SCORES)), folder)
        assert one.path is not None
        one.path.write_bytes(junk)
        again = KeptScorer("m", lambda: Opened(Batched(SCORES)), folder)
        assert again.score(T, ["7"]) == [7.0]
        third = KeptScorer("m", lambda: Opened(Batched({})), folder)
        assert third.score(T, ["7"]) == [7.0]


def test_another_model_of_the_same_name_has_its_own_file(tmp_path: Path) -> None:
    KeptScorer("m", lambda: Opened(Batched(SCORES)), tmp_path, "old").score(T, ["7"])
    new = KeptScorer("m", lambda: Opened(Batched({"7": -1.0})), tmp_path, "new")
    assert new.score(T, ["7"]) == [-1.0]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_that_cannot_be_written_costs_the_keeping_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    one = KeptScorer("m", lambda: Opened(Batched(SCORES)), tmp_path / "file")
    assert one.score(T, ["7", "8"]) == [7.0, 8.0]
    assert "file" in one.problem
    assert one.score(T, ["8"]) == [8.0]


def test_what_a_score_depends_on() -> None:
    book = Playbook(guardrails=(Guardrail(id="g", text="Be kind."),))
    other = Playbook(guardrails=(Guardrail(id="g", text="Be brief."),))
    keys = [
        key_of(T, "a"),
        key_of(T, "b"),
        key_of(turn("Ho"), "a"),
        key_of(turn(playbook=book), "a"),
        key_of(turn(playbook=other), "a"),
    ]
    assert len(set(keys)) == 5
    assert key_of(turn(tags={"set": "x"}), "a") == keys[0]


def test_costs_are_per_1000_and_without_the_first_chunk(tmp_path: Path) -> None:
    one = KeptScorer("m", lambda: Opened(Batched(SCORES), 42, lambda t, r: len(r) + 1), tmp_path)
    one.score_all([(T, str(n)) for n in range(100)])
    cost = one.cost()
    assert cost.tokens == pytest.approx(1000 * (10 * 2 + 90 * 3) / 100)
    assert (cost.parameters, cost.money, cost.currency) == (42, 0.0, "")
    (path,) = tmp_path.iterdir()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    warm = [line for line in lines if "scores" in line and not line["first"]]
    assert warm
    assert cost.seconds == pytest.approx(
        1000 * sum(c["seconds"] for c in warm) / sum(c["replies"] for c in warm)
    )
    assert KeptScorer("m", lambda: Opened(Batched({})), tmp_path).cost() == cost


@dataclass
class Endpoint(Batched):
    """Costs 0.01 for each question that it was not asked before; fails where the table is empty."""

    spent: Spent = field(default_factory=Spent)
    price: bool = True

    def score_all(
        self, replies: Sequence[tuple[Turn, str]], progress: AskProgress | None = None
    ) -> list[float]:
        n = len(replies)
        self.spent = replace(
            self.spent,
            questions=self.spent.questions + n,
            cached=self.spent.cached + sum(reply == "1" for _, reply in replies),
            cost=self.spent.cost + 0.01 * sum(reply != "1" for _, reply in replies),
            unpriced=0 if self.price else n,
        )
        return super().score_all(replies, progress)


def test_money_is_of_what_went_over_the_wire_and_failures_are_asked_again(tmp_path: Path) -> None:
    def kept_(model: Endpoint) -> KeptScorer:
        return KeptScorer("model:x", lambda: Opened(model, ledger=lambda: model.spent), tmp_path)

    one = kept_(Endpoint({"1": 1.0, "2": 2.0}))
    assert math.isnan(one.score(T, ["1", "2", "fails"])[2])
    assert one.cost().money == pytest.approx(10.0)
    assert one.cost().currency == "USD"
    again = Endpoint({"fails": 5.0})
    assert kept_(again).score(T, ["1", "2", "fails"]) == [1.0, 2.0, 5.0]
    assert again.asked == ["fails"]
    unpriced = Endpoint({"9": 1.0}, price=False)
    free = KeptScorer("model:y", lambda: Opened(unpriced, ledger=lambda: unpriced.spent))
    free.score(T, ["9"])
    assert free.cost().money is None


def test_what_a_model_was_trained_with_is_known_without_opening_it(tmp_path: Path) -> None:
    def kept_() -> KeptScorer:
        return KeptScorer("m", lambda: Opened(Trained(SCORES)), tmp_path)

    assert kept_().trained_with == "rating/logistic"
    closed = KeptScorer("m", lambda: pytest.fail("opened"), tmp_path)
    assert closed.trained_with == "rating/logistic"
    assert closed.probability(0.0) == 0.5


@pytest.mark.parametrize("trained", ["rating/logistic", "rating/sigmoid_mse", "rating/mse"])
def test_a_kept_score_is_the_rating_that_the_model_says(trained: str) -> None:
    model = Trained(SCORES, trained_with=trained)
    one = KeptScorer("m", lambda: Opened(model))
    assert [one.probability(x) for x in (-3.0, 0.2)] == [model.probability(x) for x in (-3.0, 0.2)]
    other = KeptScorer("m", lambda: Opened(Trained(SCORES, trained_with="bradley_terry")))
    with pytest.raises(SettingError, match="no ratings"):
        other.probability(0.0)


def test_a_closed_scorer_is_opened_again_when_a_score_is_missing() -> None:
    opened: list[int] = []

    def opener() -> Opened:
        opened.append(1)
        return Opened(Batched(SCORES))

    one = KeptScorer("m", opener)
    assert one.score(T, ["1"]) == [1.0]
    one.close()
    assert one.score(T, ["1"]) == [1.0]
    assert len(opened) == 1
    assert one.score(T, ["2"]) == [2.0]
    assert len(opened) == 2


def test_progress_counts_what_was_kept(tmp_path: Path) -> None:
    one = KeptScorer("m", lambda: Opened(Batched(SCORES)), tmp_path)
    one.score(T, ["1", "2"])
    told: list[tuple[int, int]] = []
    one.score_all([(T, str(n)) for n in range(5)], lambda done, total: told.append((done, total)))
    assert told == [(5, 5)]
