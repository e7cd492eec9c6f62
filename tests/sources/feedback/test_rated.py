"""Ratings, desirability, graded pairs: what each loader makes of its rows."""

from __future__ import annotations

import copy
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import RecordError
from handrail.sources.feedback import load
from handrail.sources.feedback.pairs import PAIRS, _ranking
from handrail.sources.feedback.prometheus import PrometheusOptions
from tests.data import need
from tests.sources.feedback.small import GOOD, JUDGE, STAR, write


def test_prometheus_ratings_are_the_mean_of_three(tmp_path: Path) -> None:
    path = write(tmp_path / "vicuna_eval.jsonl", GOOD["prometheus"][0])
    (turn,) = load("prometheus", path).records
    assert [(r.text, r.author, r.rating) for r in turn.replies] == [
        ("Hi.", "x", pytest.approx(8 / 3))
    ]
    assert turn.tags == {"set": "prometheus", "category": "writing", "rubric": "Is it kind?",
                         "scale": "1..5"}  # fmt: skip
    assert turn.conversation_id == "prometheus/vicuna_eval/1"
    (by_rubric,) = load("prometheus", path, category="rubric", rubric="prompt").records
    assert by_rubric.tags["category"] == "Is it kind?"
    assert [(m.role, m.content) for m in by_rubric.context] == [
        ("system", "Is it kind?"),
        ("user", "Say hi."),
    ]


def test_prometheus_answers_to_one_prompt_share_a_turn(tmp_path: Path) -> None:
    row = GOOD["prometheus"][0][0]
    other = row | {"response_source": "y", "instruction": JUDGE.replace("Hi.", "Hey."),
                   "gpt4_score": [5, 5, 5]}  # fmt: skip
    (turn,) = load("prometheus", write(tmp_path / "a.jsonl", [row, other])).records
    assert {r.author: r.rating for r in turn.replies}["y"] == 5.0
    bad = row | {"gpt4_score": [0, 1, 2]}
    with pytest.raises(RecordError, match="a score of 0 is not from 1 to 5"):
        load("prometheus", write(tmp_path / "b.jsonl", [bad]))
    cut = row | {"instruction": JUDGE.replace("###Score Rubrics", "")}
    with pytest.raises(RecordError, match="lacks a part of the judge's prompt"):
        load("prometheus", write(tmp_path / "c.jsonl", [cut]))


@pytest.mark.parametrize("file", ["vicuna_eval", "mt_bench_eval"])
def test_prometheus_holds_320_ratings(file: str) -> None:
    turns = load("prometheus", need("prometheus", f"{file}.jsonl.gz")).records
    ratings = [r.rating for t in turns for r in t.replies]
    assert len(ratings) == 320
    assert all(r is not None and 1 <= r <= 5 for r in ratings)
    assert len({t.conversation_id for t in turns}) == 80
    assert PrometheusOptions().category == "topic"
    assert len({t.tags["category"] for t in turns}) == (9 if file == "vicuna_eval" else 8)


def test_llama_factory_pairs_and_labels() -> None:
    pairs = load("llama_factory", need("llama_factory", "dpo_en_demo.jsonl.gz"))
    assert len(pairs.records) == 295
    assert [(s.reason, s.count) for s in pairs.skipped] == [("repeats an earlier one", 5)]
    first = Counter(t.context[0].role for t in pairs.records)
    assert first["system"] <= 80
    assert first.keys() == {"system", "user"}
    labelled = load("llama_factory", need("llama_factory", "kto_en_demo.jsonl.gz")).records
    assert Counter(r.desirable for t in labelled for r in t.replies) == {True: 150, False: 150}
    assert {t.tags["set"] for t in labelled} == {"llama_factory_kto"}


@pytest.mark.parametrize(
    ("shape", "change", "problem"),
    [
        (0, {"conversations": []}, "field 'conversations': the list is empty"),
        (0, {"conversations": [{"from": "cat", "value": "x"}]}, "field 'from': expected one of"),
        (0, {"chosen": {"from": "human", "value": "x"}}, "field 'chosen' is not the assistant's"),
        (0, {"chosen": {"from": "gpt", "value": "Go"}}, "are the same"),
        (1, {"label": "maybe"}, "field 'label': expected true or false"),
        (1, {"messages": [{"role": "user", "content": "Hi"}]}, "is not the assistant's"),
    ],
)
def test_llama_factory_faults(
    tmp_path: Path, shape: int, change: dict[str, Any], problem: str
) -> None:
    rows = [GOOD["llama_factory"][shape][0] | change]
    with pytest.raises(RecordError, match=problem):
        load("llama_factory", write(tmp_path / "a.jsonl", rows))


def test_webgpts_two_forms_agree(tmp_path: Path) -> None:
    ours, hubs = (load("webgpt", write(tmp_path / f"{i}.jsonl", rows)).records[0]
                  for i, rows in enumerate(GOOD["webgpt"]))  # fmt: skip
    assert [r.rank for r in ours.replies] == [1, 2]
    assert [r.rank for r in hubs.replies] == [2, 1]
    assert ours.tags == {"set": "webgpt", "margin": "0.5"}
    assert hubs.tags == {"set": "webgpt", "margin": "0.5", "category": "eli5"}
    (rated,) = load("webgpt", tmp_path / "1.jsonl", ratings=True).records
    assert ([r.rating for r in rated.replies], rated.tags["scale"]) == ([-0.5, 0.5], "-1..1")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"scores": [1.5, 1.5]}, "scores 1.5 and 1.5 are not two from 0 to 2 that sum to 2"),
        ({"scores": [3, -1]}, "not two from 0 to 2"),
        ({"scores": [1]}, "field 'scores': expected a list of 2 numbers"),
        ({"answers": ["a"]}, "field 'answers': expected 2 texts, found 1"),
        ({"answers": ["a", 2]}, "field 'answers.1': expected a text"),
        ({"answers": ["a", " "]}, "field 'answers.1': the text is empty"),
    ],
)
def test_webgpt_faults(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(RecordError, match=problem):
        load("webgpt", write(tmp_path / "a.jsonl", [GOOD["webgpt"][0][0] | change]))


def test_llmbar_pairs_by_subset() -> None:
    loaded = load("llmbar", need("llmbar", "pairs.jsonl.gz"), on_error="skip")
    assert len(loaded.records) + sum(s.count for s in loaded.skipped) == 885
    assert Counter(t.tags["category"] for t in loaded.records)["natural"] == 100
    with pytest.raises(RecordError, match=r"line 855: field 'output_2': the text is empty"):
        load("llmbar", need("llmbar", "pairs.jsonl.gz"))


def test_four_answers_are_one_turn_where_their_comparisons_agree() -> None:
    path = need("fine_grained_rlhf", "dev_feedback.jsonl.gz")
    pairs = load("fine_grained_rlhf", path, join=False).records
    assert len(pairs) == 3000
    assert sum(t.replies[0].rank == t.replies[1].rank for t in pairs) == 384
    joined = load("fine_grained_rlhf", path)
    whole = [t for t in joined.records if len(t.replies) == 4]
    assert len(whole) + sum(w.count for w in joined.warnings) == 500
    assert [m.role for m in whole[0].context] == ["user", "tool"]
    without = load("fine_grained_rlhf", path, passages=False, join=False, ties=False)
    assert len(without.records) == 3000 - 384
    assert len(without.records[0].context) == 1


@given(ranks=st.lists(st.integers(1, 4), min_size=4, max_size=4))
def test_a_ranking_is_found_from_its_own_comparisons(ranks: list[int]) -> None:
    said = [0.0 if ranks[i] == ranks[j] else 1.0 if ranks[i] < ranks[j] else 2.0 for i, j in PAIRS]
    order = sorted(set(ranks))
    assert _ranking(said) == [order.index(rank) + 1 for rank in ranks]


def test_comparisons_in_a_circle_make_no_ranking() -> None:
    assert _ranking([1, 2, 1, 1, 1, 1]) is None  # 1 beats 2, 2 beats 3, 3 beats 1


def _star(tmp_path: Path, **change: Any) -> Path:
    guidelines = need("star", "guidelines.json")
    (tmp_path / "guidelines.json").write_bytes(guidelines.read_bytes())
    return write(tmp_path / "dev.jsonl", [copy.deepcopy(STAR) | change])


def test_a_questionnaire_rates_the_whole_dialogue(tmp_path: Path) -> None:
    (turn,) = load("star", _star(tmp_path)).records
    (reply,) = turn.replies
    assert reply.rating == 0.5
    assert reply.labels == {"calm_and_helpful": 1.0, "task_done": 0.0}
    assert turn.tags["rating_of"] == "dialogue"
    assert (turn.tags["scale"], turn.tags["category"], turn.tags["split"]) == (
        "0..1", "ride_book", "dev",
    )  # fmt: skip
    assert turn.conversation_id == "star-1"
    assert turn.playbook is not None


def test_off_the_straight_course_the_task_counts_by_choice(tmp_path: Path) -> None:
    path = _star(tmp_path, happy_path=False)
    assert [r.rating for r in load("star", path).records[0].replies] == [1.0]
    assert [r.rating for r in load("star", path, task="always").records[0].replies] == [0.5]
    loaded = load("star", _star(tmp_path, customer_questionnaire=[]), on_error="skip")
    assert [s.reason for s in loaded.skipped] == ["its customer said nothing of the agent"]
    odd = [{"question": "Did the assistant stay calm and helpful?", "answer": "often"}]
    with pytest.raises(RecordError, match="is answered with 'often'"):
        load("star", _star(tmp_path, customer_questionnaire=odd))


def test_stars_turns_are_the_agents() -> None:
    path = need("star", "dev.jsonl.gz")
    every, last = load("star", path).records, load("star", path, turns="last").records
    assert (len(every), len(last)) == (2696, 300)
    assert {t.conversation_id for t in last} == {t.conversation_id for t in every}


@given(answers=st.lists(st.booleans(), min_size=1, max_size=2))
def test_the_rating_is_the_share_of_yes(
    tmp_path_factory: pytest.TempPathFactory, answers: list[bool]
) -> None:
    asked = ["Did the robot stay calm and helpful?", "Did the assistant reserve your hotel?"]
    said = [{"question": q, "answer": a} for q, a in zip(asked, answers, strict=False)]
    path = _star(tmp_path_factory.getbasetemp(), customer_questionnaire=said)
    (turn,) = load("star", path).records
    assert turn.replies[0].rating == sum(answers) / len(answers)
    assert json.loads(turn.model_dump_json())["replies"][0]["rating"] is not None
