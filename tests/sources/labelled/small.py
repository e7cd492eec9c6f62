"""Small files in the form of each labelled data set, made up here."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handrail.records import Message, Outcome, Reply, Turn, Verdict, write_jsonl

Rows = list[dict[str, Any]]

RUBRIC_PROMPT = """###Task Description:
Rate it.

###The instruction to evaluate:
{instruction}

###Response to evaluate:
{response}

###Reference Answer (Score 5):
{reference}

###Score Rubrics:
[Is it right?]
Score 1: No.
Score 2: Hardly.
Score 3: Half.
Score 4: Nearly.
Score 5: Yes.

###Feedback: """


def llmbar() -> dict[str, Rows]:
    rows = [
        {
            "subset": ("natural", "adversarial_manual")[i % 2],
            "idx": i,
            "input": f"Question {i // 2}?",
            "output_1": "short",
            "output_2": "a longer answer" + "!" * i,
            "label": 1 + i % 2,
        }
        for i in range(6)
    ]
    rows[4]["output_1"] = ""
    rows[5]["output_1"] = rows[5]["output_2"]
    return {"pairs.jsonl.gz": rows}


def pandalm() -> dict[str, Rows]:
    labels = [(1, 1, 1), (2, 2, 1), (0, 1, 2), (2, 2, 2)]
    said = [(1, "1"), (2, "Tie"), (0, "garbage"), (2, "2")]
    rows = [
        {
            "idx": i,
            "motivation_app": "App",
            "cmp_key": "opt-7b_llama-7b",
            "instruction": f"Do {i // 2}.",
            "input": "" if i % 2 else "This",
            "response1": True if i == 0 else "yes",
            "response2": "" if i == 3 else "no, not at all",
            **{f"annotator{n}": label for n, label in enumerate(labels[i], start=1)},
            "judges": dict(zip(("pandalm-7b", "gpt-3.5-turbo"), said[i], strict=True)),
            "judge_reasons": {"pandalm-7b": "because", "gpt-3.5-turbo": None},
        }
        for i in range(4)
    ]
    return {"testset_3annotators.jsonl": rows}


def llmfao() -> dict[str, Rows]:
    names = {1: "Ada", 2: "Bo", 3: "Cy"}
    prompts = [
        {"id": p, "text": f"Prompt {p}", "type": "knowledge", "slug": "s", "stop": None}
        for p in (7, 8)
    ]
    results = [
        {"id": 10 * p + m, "model": m, "prompt": p, "name": name, "result": "x" * (m + p)}
        for p in (7, 8)
        for m, name in names.items()
    ]
    results[0]["result"] = " "
    pairs = [(7, 1, 2), (7, 2, 3), (8, 1, 3), (8, 3, 2)]
    shown = [
        {
            "id": str(i),
            "prompt": str(p),
            "model_x": str(x),
            "model_y": str(y),
            "left": names[x],
            "right": names[y],
        }
        for i, (p, x, y) in enumerate(pairs)
    ]
    votes = ["left", "left", "tie", "right", "tie", "left", "right", "right"]
    crowd = [
        {**shown[i // 2], "worker": str(i % 2), "winner": vote} for i, vote in enumerate(votes)
    ]
    return {
        "prompts.jsonl": prompts,
        "results.jsonl.gz": results,
        "crowd-comparisons.csv.gz": crowd,
        "gpt3-crowd-comparisons.csv": [{**row, "winner": "left"} for row in shown],
        "gpt4-crowd-comparisons.csv": [{**row, "winner": "tie"} for row in shown],
    }


def vicuna() -> dict[str, Rows]:
    systems = {"gpt35": "A", "vicuna-13b": "B", "bard": "C"}
    questions = [{"question_id": q, "text": f"Q{q}", "category": "generic"} for q in (1, 2, 3)]
    answers = [
        {
            "file": f"answer_{system}",
            "question_id": q,
            "answer_id": f"{letter}{q}",
            "model_id": f"{system}:v1",
            "text": "" if (system, q) == ("bard", 3) else f"{system} says {q}",
        }
        for system, letter in systems.items()
        for q in (1, 2, 3)
    ]
    human = [
        {
            "question_id": q,
            "answer1_file": "answer_gpt35",
            "answer2_file": "answer_vicuna-13b",
            "human_label": label,
        }
        for q, label in ((1, "CHATGPT"), (2, "TIE"), (3, "VICUNA13B"))
    ]
    reviews = [
        {
            "review_file": f"r/{a}{b}.jsonl",
            "review_id": f"{a}{b}{q}",
            "question_id": q,
            "answer1_id": f"{a}{q}",
            "answer2_id": f"{b}{q}",
            "reviewer_id": 1,
            "score": score,
            "text": f"{score}",
        }
        for q, a, b, score in (
            (1, "A", "B", [9.0, 8.5]),
            (2, "A", "B", [8, 8]),
            (3, "A", "B", [7.0, 6.0]),
            (1, "C", "B", [0.0, 9.0]),
        )
    ]
    return {
        "questions.jsonl": questions,
        "answers.jsonl.gz": answers,
        "human_labels_gpt35_vs_vicuna13b.jsonl": human,
        "gpt4_reviews.jsonl.gz": reviews,
    }


def alpaca_eval() -> dict[str, Rows]:
    outputs = [
        {
            "idx": i,
            "instruction": f"Instruction {i}",
            "dataset": "koala",
            "outputs": {"text_davinci_003": "base", "m": "model" if i else None, "n": "n"},
        }
        for i in range(4)
    ]

    def row(i: int, a: str, b: str, annotator: str, preference: float | None, *n: int) -> Any:
        return {
            "idx": i,
            "generator_1": a,
            "generator_2": b,
            "annotator": annotator,
            "preference": preference,
            "output_1_len": n[0],
            "output_2_len": n[1],
        }

    v1 = [(0, 2.0, 4, 0), (1, 1, 4, 5), (2, 0.0, 50, 5), (3, None, 4, 5)]
    annotations = [row(i, "text_davinci_003", "m", "alpaca_eval_gpt4", p, *n) for i, p, *n in v1]
    annotations += [
        row(i, "gpt4_1106_preview", "m", "weighted_alpaca_eval_gpt4_turbo", p, 99, 5 if i else 0)
        for i, p in enumerate((1.25, 1.75, 1.5, 1.0))
    ]
    board = {"win_rate": "50.0", "standard_error": "28.9", "n_wins": "1", "n_total": "3"}
    return {
        "outputs.jsonl.gz": outputs,
        "annotations.jsonl": annotations,
        "leaderboard_v1_gpt4.csv": [{"": "m", **board}],
        "leaderboard_v2_weighted.csv": [{"": "m", **board}],
        "evaluators_leaderboard.csv": [{"": "alpaca_eval_gpt4", "Proba. prefer longer": "0.7"}],
    }


def prometheus() -> dict[str, Rows]:
    rows = [
        {
            "idx": i // 2,
            "response_source": ("x", "y")[i % 2],
            "category": "generic",
            "instruction": RUBRIC_PROMPT.format(
                instruction=f"Ask {i // 2}", response="word " * (i + 1), reference="Best."
            ),
            "gpt4_score": [1 + i % 5, 1 + (i + i // 3) % 5, 1 + i % 4],
            "gpt4_feedback": ["a", "b", "c"],
        }
        for i in range(8)
    ]
    return {"vicuna_eval.jsonl.gz": rows[:4], "mt_bench_eval.jsonl": rows[4:]}


SETS = {
    "llmbar": llmbar,
    "pandalm": pandalm,
    "llmfao": llmfao,
    "vicuna": vicuna,
    "alpaca_eval": alpaca_eval,
    "prometheus": prometheus,
}


def put(folder: Path, files: Mapping[str, Sequence[Mapping[str, Any] | bytes]]) -> Path:
    """Write files of rows, by the ending of their names; bytes are lines as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        if ".csv" in name:
            out = io.StringIO()
            good = [dict(row) for row in rows if not isinstance(row, bytes)]
            writer = csv.DictWriter(out, list(good[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(good)
            data = out.getvalue().encode()
        else:
            data = b"".join(
                (row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n"
                for row in rows
            )
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def put_own(folder: Path) -> Path:
    """The user's own labels: three people on two turns."""
    turns = [
        Turn(
            id=f"t{i}",
            conversation_id=f"c{i}",
            context=(Message(role="user", content="Hello"),),
            replies=(Reply(text="a reply", author="old"), Reply(text="ok", author="new")),
        )
        for i in range(2)
    ]
    said = [
        Verdict(
            turn=turn.id,
            a="old",
            b="new",
            dimension="adherence",
            outcome=outcome,
            judge=f"human:{who}",
        )
        for turn, outcomes in zip(turns, (("A", "B", "BOTH"), ("B", "B", "B")), strict=True)
        for who, outcome in zip(("ann", "bob", "cem"), map(Outcome, outcomes), strict=True)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / "turns.jsonl", turns)
    write_jsonl(folder / "verdicts.jsonl", said)
    return folder


def put_all(data: Path) -> Path:
    """Every set in a folder of its own name."""
    for name, make in SETS.items():
        put(data / name, make())
    put_own(data / "own")
    return data
