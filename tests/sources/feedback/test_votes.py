"""Votes into ranks: worked examples, and what a ranking by votes must keep."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import RecordError
from handrail.sources.feedback import load
from handrail.sources.feedback.html_text import plain_text
from handrail.sources.feedback.maker import ranks_of
from handrail.sources.feedback.votes import pm_score, ranks_apart, spread
from tests.sources.feedback.small import GOOD, write

VOTES = st.lists(st.integers(-5, 60), min_size=1, max_size=7)
SHP = GOOD["shp"][0]
STACK = GOOD["stack_exchange"][0][0]


@pytest.mark.parametrize(
    ("votes", "accepted", "score"),
    # log2(1 + votes): 0, 1, 1.58, 2, 3.46, 3.58; a negative one is -1 even if accepted
    [(0, False, 0), (1, False, 1), (2, False, 2), (3, True, 3), (10, False, 3), (11, True, 5),
     (-1, False, -1), (-4, True, -1)],
)  # fmt: skip
def test_the_score_for_pre_training(votes: int, accepted: bool, score: int) -> None:
    assert pm_score(votes, accepted) == score


def test_ranks_a_ratio_apart() -> None:
    assert ranks_apart([10, 9, 1]) == [1, 2, 3]
    assert ranks_apart([10, 9, 1], 2) == [1, 1, 2]
    assert ranks_apart([1, 4, 10, 6], 2) == [2, 1, 1, 1]  # 10, 6 and 4 hang together
    assert ranks_apart([5, 0, -2, 0], 3) == [1, 2, 3, 2]


@given(votes=VOTES, ratio=st.floats(1, 5))
def test_unequal_ranks_are_the_ratio_apart(votes: list[int], ratio: float) -> None:
    ranks = ranks_apart(votes, ratio)
    assert min(ranks) == 1
    assert sorted(set(ranks)) == [*range(1, max(ranks) + 1)]
    for i, j in combinations(range(len(votes)), 2):
        better, worse = (i, j) if ranks[i] < ranks[j] else (j, i)
        if ranks[i] != ranks[j]:
            assert votes[better] > votes[worse]
            assert votes[worse] <= 0 or votes[better] >= ratio * votes[worse] * (1 - 1e-12)
        elif votes[i] == votes[j]:
            continue
        else:  # they share a rank only through a chain of votes that are nearer than the ratio
            low, high = sorted((votes[i], votes[j]))
            chain = sorted({v for v in votes if low <= v <= high})
            assert all(a > 0 and b < ratio * a for a, b in pairwise(chain))
    if ratio == 1:
        assert ranks == ranks_of(votes)


@given(votes=VOTES, most=st.integers(2, 8))
def test_a_spread_keeps_the_best_and_the_worst(votes: list[int], most: int) -> None:
    ranks = ranks_of(votes)
    kept = spread(ranks, most)
    assert kept == sorted(set(kept))
    assert len(kept) == min(most, len(votes))
    assert {min(ranks), max(ranks)} <= {ranks[i] for i in kept}
    assert spread(ranks, None) == [*range(len(votes))]


def test_comments_of_one_post_are_one_ranked_turn(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", SHP)
    (turn,) = load("shp", path).records
    assert turn.id == "shp/askbaking/p"
    assert {r.text: r.rank for r in turn.replies} == {"So.": 1, "Thus.": 2, "Well.": 3}
    assert turn.tags == {"set": "shp", "category": "askbaking", "split": "train"}
    other = [row | {"domain": "ask_baking_validation"} for row in SHP]
    (renamed,) = load("shp", write(tmp_path / "b.jsonl", other)).records
    assert (renamed.tags["category"], renamed.tags["split"]) == ("ask_baking", "dev")
    (bare,) = load("shp", write(tmp_path / "c.jsonl", [SHP[0] | {"domain": "eli_5"}])).records
    assert bare.tags == {"set": "shp", "category": "eli_5"}
    (apart,) = load("shp", path, min_score_ratio=2).records
    assert {r.text: r.rank for r in apart.replies} == {"So.": 1, "Thus.": 2, "Well.": 2}
    (two,) = load("shp", path, max_replies=2).records
    assert {r.text: r.rank for r in two.replies} == {"So.": 1, "Well.": 3}


def test_comparisons_one_by_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", SHP)
    turns = load("shp", path, join=False).records
    assert [{r.text: r.rank for r in t.replies} for t in turns] == [
        {"So.": 1, "Thus.": 2},
        {"Well.": 2, "Thus.": 1},
    ]
    assert len({t.conversation_id for t in turns}) == 1
    few = load("shp", path, join=False, min_score_ratio=2)
    assert len(few.records) == 1
    assert [s.reason for s in few.skipped] == ["no two comments are apart in votes by 2 times"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"labels": 0}, "prefers the comment with fewer votes .4 and 20."),
        ({"score_B": 4.5}, "comment 'y' had other words or votes"),
        ({"history": "How?"}, "post 'p' had another text"),
        ({"c_root_id_B": "x"}, "a comment is compared with itself"),
        ({"human_ref_B": " "}, "field 'human_ref_B': the text is empty"),
    ],
)
def test_comparisons_that_cannot_be(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    rows = [SHP[1], SHP[0] | change]
    with pytest.raises(RecordError, match=problem):
        load("shp", write(tmp_path / "a.jsonl", rows))
    loaded = load("shp", tmp_path / "a.jsonl", on_error="skip")
    assert [len(t.replies) for t in loaded.records] == [2 + (change.keys() == {"score_B"})]


def test_answers_of_a_question(tmp_path: Path) -> None:
    (turn,) = load("stack_exchange", write(tmp_path / "a.jsonl", [STACK])).records
    assert turn.id == "stack_exchange/cooking/7"
    assert turn.context[0].content == "Why?"
    assert [(r.text, r.rank) for r in turn.replies] == [("So.", 1), ("Thus.", 2)]
    assert turn.tags["category"] == "cooking"
    (raw,) = load("stack_exchange", tmp_path / "a.jsonl", plain=False).records
    assert raw.replies[0].text == "<p>So.</p>"
    with pytest.raises(RecordError, match="no two answers differ by 3 in score"):
        load("stack_exchange", tmp_path / "a.jsonl", min_gap=3)


def test_an_answer_without_votes_is_told(tmp_path: Path) -> None:
    row = STACK | {"answers": [{"text": "a"}, {"text": "b", "votes": 3, "accepted": True}]}
    with pytest.raises(RecordError, match="neither 'pm_score' nor 'votes'"):
        load("stack_exchange", write(tmp_path / "a.jsonl", [row]))


def test_html_as_a_reader_sees_it() -> None:
    html = (
        "<p>One &amp;\ntwo<br>three</p><ul><li>a</li><li>b</li></ul><pre><code>x\n  y</code></pre>"
    )
    assert plain_text(html) == "One & two\nthree\n\n- a\n- b\n\nx\n  y"
    assert plain_text("a < b and List<int>") == "a < b and List<int>"
    assert plain_text("<p>a<script>b</script></p>") == "a"


@given(text=st.text(st.characters(exclude_characters="<&", exclude_categories=("Cs",))))
def test_a_text_without_tags_stays_and_a_paragraph_keeps_its_words(text: str) -> None:
    assert plain_text(text) == text
    assert plain_text(f"<p>{text}</p>").split() == text.split()
