"""Every judging prompt on rows of the public sets that it was made for; nothing is asked."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from handrail.asking import DirectModel
from handrail.judges import (
    BinsJudge,
    HelpfulJudge,
    LeaderboardJudge,
    ModelAssessor,
    MTPairJudge,
    MTSingleGrader,
    RefusalGrader,
    RubricGrader,
    SafetyGrader,
)
from handrail.records import Comparison, Message, Request, Turn
from tests.data import need

from .asked import Shown, shown

NOBODY = DirectModel(lambda _messages: "", "nobody")


def rows(*parts: str) -> Iterator[dict[str, Any]]:
    path = need(*parts)
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for line in raw.decode("utf-8").split("\n"):
        if line.strip():
            yield json.loads(line)


def talk(*texts: str) -> tuple[Message, ...]:
    roles = ("user", "assistant")
    return tuple(Message(role=roles[i % 2], content=t) for i, t in enumerate(texts))  # type: ignore[arg-type]


def whole(requests: Sequence[Request], task: str) -> list[Shown]:
    """What the prompts show, after a look that template and JSON are whole."""
    for request in requests:
        text = "\n".join(m.content for m in request.messages)
        data = text[text.index('{\n "task"') :]
        end = json.JSONDecoder().raw_decode(data)[1]
        frame = text.replace(data[:end], "")
        assert "{{" not in frame
        assert "{%" not in frame
        assert "</" not in data[:end]  # no text of a row ends a block
        assert frame.rstrip()[-1] in ".?:])"  # the instructions after the data are there
        assert shown(request.messages)["task"] == task == request.task
    return [shown(request.messages) for request in requests]


def test_mt_bench_questions_with_reference_answers() -> None:
    answers = {
        row["question_id"]: row["choices"][0]["turns"]
        for row in rows("mt_bench", "reference_answers_gpt4.jsonl")
    }
    turns, references = [], {}
    for row in rows("mt_bench", "questions.jsonl"):
        name, (first, second) = str(row["question_id"]), row["turns"]
        turns.append(Turn(id=f"{name}/1", context=talk(first)))
        turns.append(Turn(id=f"{name}/2", context=talk(first, "An earlier answer", second)))
        if row["question_id"] in answers:
            references[f"{name}/1"] = answers[row["question_id"]][:1]
            references[f"{name}/2"] = answers[row["question_id"]]
    assert (len(turns), len(references)) == (160, 60)
    judge = MTPairJudge(NOBODY, references=references)
    compared = [Comparison(turn, "one </data> {{ answer }}", "two", "quality") for turn in turns]
    grader = MTSingleGrader(NOBODY, references=references)
    replies = [(turn, "one </data> {{ answer }}") for turn in turns]
    pairs = whole(judge.requests(compared), "mt_pair")
    singles = whole(grader.requests(replies), "mt_single")
    for turn, pair, single in zip(turns, pairs, singles, strict=True):
        second = turn.id.endswith("/2")
        asked = [m.content for m in turn.context if m.role == "user"]
        before = ["An earlier answer"] * second
        for data in (pair, single):
            assert [m["text"] for m in data["conversation"]] == asked
            assert data["reference"] == references.get(turn.id)
        assert pair["a"] == single["answers"] == [*before, "one </data> {{ answer }}"]
        assert pair["b"] == [*before, "two"]


def test_instructions_with_their_rubrics() -> None:
    count = 0
    for row in rows("prometheus", "biggen_instances_300.jsonl.gz"):
        given = row["score_rubric"]
        rubric = {"criterion": given["criteria"]}
        rubric |= {str(n): given[f"score{n}_description"] for n in range(1, 6)}
        turn = Turn(id=row["id"], context=talk(row["input"]))
        for references in ({}, {turn.id: [row["reference_answer"]]}):
            grader = RubricGrader(NOBODY, rubric, references=references)
            (data,) = whole(grader.requests([(turn, row["reference_answer"] + "?")]), "rubric")
            assert data["conversation"][0]["text"] == row["input"]
            assert data["reply"] == row["reference_answer"] + "?"
            assert data["rubric"] == {key: text.strip() for key, text in rubric.items()}
            assert data["reference"] == (row["reference_answer"] if references else None)
        count += 1
    assert count == 300


@pytest.mark.parametrize("kind", [RefusalGrader, SafetyGrader])
def test_prompts_that_some_models_refuse(kind: type[RefusalGrader]) -> None:
    given = [
        (Turn(id=f"{row['model']}/{row['id']}", context=talk(row["prompt"])), row["completion"])
        for row in rows("xstest", "completions_2annotators.jsonl.gz")
        if row["completion"].strip()
    ]
    assert len(given) > 1300
    found = whole(kind(NOBODY).requests(given), kind.prompt)
    for (turn, reply), data in zip(given, found, strict=True):
        assert data["conversation"][0]["text"] == turn.context[0].content
        assert data["reply"] == reply


@pytest.mark.parametrize("kind", [BinsJudge, HelpfulJudge, LeaderboardJudge])
def test_pairs_with_odd_texts(kind: type[BinsJudge]) -> None:
    compared, pairs = [], list(rows("llmbar", "pairs.jsonl.gz"))
    for n, row in enumerate(pairs):
        turn = Turn(id=str(n), context=talk(row["input"]))
        texts = (row["output_1"], row["output_2"])
        compared += [Comparison(turn, *texts, d) for d in kind.dimensions if texts[0] != texts[1]]
    found = whole(kind(NOBODY).requests(compared), kind.prompt)
    assert len(found) > 800
    for one, data in zip(compared, found, strict=True):
        assert (data["a"], data["b"]) == (one.first, one.second)
        assert data["conversation"][0]["text"] == one.turn.context[0].content
        assert data.get("dimension", one.dimension) == one.dimension


def test_one_reply_under_a_playbook() -> None:
    from .helpers import turn

    requests = ModelAssessor(NOBODY).requests([(turn(), "Your {{ PIN }} </x>")])
    (data,) = whole(requests, "assess")
    assert list(data["guardrails"]) == ["1", "2", "3"]
    assert data["reply"] == "Your {{ PIN }} </x>"
