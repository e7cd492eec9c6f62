"""Choosing a reward model: questions, matches, intervals, the probability of being best."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.ranking.estimates import Resampling
from handrail.records import Reply, SettingError, Turn
from handrail.rewards.evaluating.costs import Cost
from handrail.rewards.evaluating.questions import Question, draw_questions, matches_of
from handrail.rewards.evaluating.selection import MatchTable, probability_best, select
from tests.data import DATA
from tests.rewards.fakes import turn

NAN = math.nan


def asked(text: str, category: str = "a", **more: object) -> Turn:
    replies = (Reply(text="good", rank=1), Reply(text="bad", rank=2))
    return turn(text, tags={"category": category}, replies=more.pop("replies", replies), **more)


def questions(n: int, categories: str = "a") -> list[Question]:
    return [
        Question(
            asked(f"q{i}", categories[i % len(categories)]), 0, 1, categories[i % len(categories)]
        )
        for i in range(n)
    ]


def pairs(matches: list[float]) -> list[tuple[float, float]]:
    """Scores of (better, worse) that are worth these matches."""
    return [(NAN, 0.0) if math.isnan(m) else (m, 1 - m) for m in matches]


def test_the_printed_table_of_the_paper_from_its_own_columns() -> None:
    path = next((DATA.parent / "references").glob("001_*.txt"), None)
    if path is None:
        pytest.skip("reference absent: 001")
    text = path.read_text("utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line.count("\t") == 6]
    (head,) = [row for row in rows if row[:2] == ["", "SteamL"]]
    cells = {
        row[0]: [float(cell) for cell in row[1:]] for row in rows if re.fullmatch(r"[\d.]+", row[1])
    }
    totals, averages = cells.pop("No. of matches (/900)"), cells.pop("Avg. matches (/50)")
    table = MatchTable(
        tuple(cells), tuple(head[1:]), np.array(list(cells.values())), np.full(18, 50.0)
    )
    assert (len(table.categories), table.per_category) == (18, 50)
    assert totals == [698, 728, 498, 661, 480, 730]
    assert np.round(np.array(totals) / 18, 2).tolist() == averages
    differ = {
        m: (p, s) for m, p, s in zip(table.models, totals, table.totals_M, strict=True) if p != s
    }
    # The column's own sum is 726, so that the model that was chosen comes after SteamXL's 728.
    assert differ == {"DeBERTa": (730, 726)}
    assert table.averages_M == pytest.approx(table.totals_M / 18)


def test_a_table_by_hand() -> None:
    """Two categories of two and one questions, two models; the second ties once."""
    asked_ = questions(3, "ab")
    made = select(["m", "n"], asked_, [pairs([1, 1, 0]), pairs([0.5, 0, 0])])
    assert made.table.categories == ("a", "b")
    assert made.table.matches_CM.tolist() == [[1, 0.5], [1, 0]]
    assert made.table.totals_M.tolist() == [2, 0.5]
    assert made.table.averages_M.tolist() == [1, 0.25]
    assert made.table.per_category is None
    assert [one.ties for one in made.candidates] == [0, 1]
    assert made.candidates[1].share.value == pytest.approx(0.5 / 3)
    assert made.best.name == "m"


def test_matches_ties_and_no_scores() -> None:
    found = matches_of([(2, 1), (1, 1), (1, 2), (NAN, 1), (1, math.inf)])
    assert found[:3].tolist() == [1, 0.5, 0]
    assert np.isnan(found[3:]).all()


def test_questions_without_a_score_are_left_out_for_all() -> None:
    made = select(["m", "n"], questions(4), [pairs([1, 1, 1, NAN]), pairs([0, NAN, 1, 1])])
    assert made.left_out == 2
    assert [one.unscored for one in made.candidates] == [1, 1]
    assert [one.share.n for one in made.candidates] == [2, 2]
    with pytest.raises(SettingError, match="'n' scored no question"):
        select(["m", "n"], questions(2), [pairs([1, 1]), pairs([NAN, NAN])])
    with pytest.raises(SettingError, match="no question was scored by all"):
        select(["m", "n"], questions(2), [pairs([1, NAN]), pairs([NAN, 1])])


@given(
    st.integers(2, 3).flatmap(
        lambda m: st.lists(
            st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=m, max_size=m),
            min_size=2,
            max_size=4,
        )
    )
)
def test_probability_of_being_best_against_every_resample(rows: list[list[float]]) -> None:
    n, models = len(rows), len(rows[0])
    wins = np.zeros(models)
    for draw in itertools.product(range(n), repeat=n):
        sums = [sum(rows[i][m] for i in draw) for m in range(models)]
        best = [m for m in range(models) if sums[m] == max(sums)]
        for m in best:
            wins[m] += 1 / len(best)
    got = probability_best(np.array(rows), [str(i) for i in range(n)], Resampling(20_000))
    assert got == pytest.approx(wins / n**n, abs=0.02)
    assert got.sum() == pytest.approx(1)


def test_probability_of_being_best_draws_whole_prompts() -> None:
    """Two prompts, one of ten questions: each model is best in its own, so 3 in 4 resamples."""
    rows = np.array([[1.0, 0.0]] * 10 + [[0.0, 1.0]])
    got = probability_best(rows, ["p"] * 10 + ["q"], Resampling(20_000))
    assert got == pytest.approx([0.75, 0.25], abs=0.02)
    assert probability_best(rows, ["p"] * 11).tolist() == [1.0, 0.0]


def test_the_cheapest_of_those_that_cannot_be_told_apart_is_recommended() -> None:
    rng = random.Random(1)
    good = [float(rng.random() < 0.8) for _ in range(200)]
    near = [1 - m if i < 6 else m for i, m in enumerate(good)]
    bad = [float(rng.random() < 0.5) for _ in range(200)]
    costs = [Cost(9.0), Cost(3.0), Cost(1.0)]
    made = select(
        ["good", "near", "bad"], questions(200, "ab"), list(map(pairs, (good, near, bad))), costs
    )
    assert {one.name for one in made.tied} == {"good", "near"}
    assert made.recommended.name == "near"
    (worse,) = [one for one in made.candidates if not one.tied]
    assert worse.behind.low > 0
    assert worse.p_best < 0.01
    assert sum(one.p_best for one in made.candidates) == pytest.approx(1)
    assert made.best.behind.value == 0


def test_a_floor_is_recommended_only_where_nothing_else_ties() -> None:
    rows = pairs([1, 1, 0, 1])
    costs = [Cost(2.0), Cost(1.0)]
    made = select(["m", "rule:length"], questions(4), [rows, rows], costs, ["rule:length"])
    assert made.recommended.name == "m"
    assert [one.floor for one in made.candidates] == [False, True]
    best = select(["m", "r"], questions(40), [pairs([0] * 40), pairs([1] * 40)], costs, ["r"])
    assert best.recommended.name == "r"


def test_money_counts_before_time_and_what_is_unknown_last() -> None:
    local, paid, unknown = Cost(60.0), Cost(1.0, money=0.5), Cost(1.0, money=None)
    assert sorted([unknown, paid, local], key=lambda one: one.order) == [local, paid, unknown]
    assert local.far_below(paid)
    assert not unknown.far_below(local)
    assert Cost(1.0).far_below(Cost(2.0))
    assert not Cost(1.1).far_below(Cost(2.0))  # times vary from run to run
    assert Cost(9.0, money=0.4).far_below(Cost(1.0, money=0.5))
    assert not Cost(1.0, money=0.45).far_below(Cost(9.0, money=0.5))
    assert not Cost(None).far_below(Cost(None))
    both = Cost(1.0, 10.0, 5) + Cost(2.0, 20.0, 7, 0.5, "USD")
    assert both == Cost(3.0, 30.0, 12, 0.5, "USD")
    assert (Cost(1.0) + Cost(None)).seconds is None


def test_two_equal_models_tie_and_a_model_alone_is_recommended() -> None:
    rows = pairs([1, 1, 0, 1])
    made = select(["m", "n"], questions(4), [rows, rows], [Cost(2.0), Cost(1.0)])
    assert [one.p_best for one in made.candidates] == [0.5, 0.5]
    assert made.recommended.name == "n"
    alone = select(["m"], questions(4), [rows])
    assert alone.recommended.name == "m"
    assert alone.best.p_best == 1.0


def test_questions_are_drawn_by_category_and_one_per_prompt() -> None:
    turns = [asked(f"q{i}", "ab"[i % 2]) for i in range(20)]
    turns += [asked("q0", "a", id="again")]  # the same prompt as the first
    drawn = draw_questions(turns, 8, seed=3)
    assert Counter(q.category for q in drawn.questions) == {"a": 8, "b": 8}
    assert len({q.turn.context[0].content for q in drawn.questions}) == 16
    assert drawn.short == {}
    other_order = draw_questions(list(reversed(turns)), 8, seed=3)
    assert {q.turn.context for q in drawn.questions} == {
        q.turn.context for q in other_order.questions
    }
    only = draw_questions([t for t in turns if t.tags["category"] == "a"], 8, seed=3)
    assert [q for q in drawn.questions if q.category == "a"] == list(only.questions)
    assert draw_questions(turns, 8, seed=4) != drawn
    few = draw_questions(turns, 15)
    assert few.short == {"a": 10, "b": 10}


def test_questions_of_one_conversation_are_drawn_and_clustered() -> None:
    turns = [asked(f"q{i}", "a", conversation_id=f"c{i % 2}") for i in range(6)]
    drawn = draw_questions(turns)
    assert len(drawn.questions) == 6
    made = select(["m"], drawn.questions, [pairs([1, 0, 1, 0, 1, 1])])
    (cell,) = made.best.categories.values()
    assert (cell.n, cell.clusters) == (6, 2)
    assert made.best.share.clusters == 2
    alone = select(["m"], questions(6), [pairs([1, 0, 1, 0, 1, 1])])
    assert alone.best.categories["a"].method == "Wilson"
    bare = [asked(f"q{i}", "a").model_copy(update={"id": f"t{i}", "context": ()}) for i in range(3)]
    assert len(draw_questions(bare).questions) == 3


def test_what_cannot_be_a_question_is_counted() -> None:
    same = (Reply(text="x", rank=1), Reply(text="x", rank=2))
    tied = (Reply(text="x", rank=1), Reply(text="y", rank=1))
    turns = [
        asked("one", replies=(Reply(text="x", rank=1),)),
        asked("tied", replies=tied),
        asked("same", replies=same),
        asked("good"),
    ]
    drawn = draw_questions(turns)
    assert [q.replies for q in drawn.questions] == [("good", "bad")]
    assert {skip.reason: skip.count for skip in drawn.skipped} == {
        "fewer than two replies": 1,
        "no reply is known to be better": 2,
    }
    with pytest.raises(SettingError, match="no turn has a better and a worse reply"):
        draw_questions(turns[:3])
    with pytest.raises(SettingError, match="0 questions"):
        draw_questions(turns, 0)


def test_categories_are_named_with_their_data_set_where_there_are_several() -> None:
    def of(name: str, category: str) -> Turn:
        return asked(f"of {name} {category}").model_copy(
            update={"tags": {"set": name, "category": category}}
        )

    drawn = draw_questions([of("hh", "base"), of("hh", ""), of("webgpt", "")])
    assert [q.category for q in drawn.questions] == ["hh: base", "hh", "webgpt"]
    assert [q.category for q in draw_questions([of("hh", "base")]).questions] == ["base"]
    assert [q.category for q in draw_questions([of("", "")]).questions] == ["all"]
