"""Small rows of each source's shapes, written for the tests, and files of them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def message(key: str, role: str, text: str, *replies: Row, **more: Any) -> Row:
    known = {"lang": "en", "deleted": False, "review_result": True, "synthetic": False}
    own = {"message_id": key, "role": role, "text": text, "replies": list(replies)}
    return own | known | more


TREE: Row = {
    "message_tree_id": "a",
    "tree_state": "ready_for_export",
    "prompt": message(
        "a",
        "prompter",
        "Hi?",
        message("b", "assistant", "Hello.", rank=1, labels={"quality": {"value": 0.5, "count": 3}}),
        message("c", "assistant", "Good day.", message("d", "prompter", "Bye"), rank=0),
    ),
}
FLAT: list[Row] = [
    {"message_id": "a", "parent_id": None, "role": "prompter", "text": "Hi?", "lang": "en",
     "rank": None, "labels": None, "deleted": False, "review_result": True, "synthetic": False,
     "model_name": None, "message_tree_id": "a", "tree_state": "ready_for_export"},
    {"message_id": "b", "parent_id": "a", "role": "assistant", "text": "Hello.", "lang": "en",
     "rank": 1, "labels": {"name": ["quality"], "value": [0.5], "count": [3]}, "deleted": False,
     "review_result": True, "synthetic": False, "model_name": None, "message_tree_id": "a",
     "tree_state": "ready_for_export"},
    {"message_id": "c", "parent_id": "a", "role": "assistant", "text": "Good day.", "lang": "en",
     "rank": 0, "labels": None, "deleted": False, "review_result": True, "synthetic": False,
     "model_name": None, "message_tree_id": "a", "tree_state": "ready_for_export"},
]  # fmt: skip
JUDGE = """###The instruction to evaluate:
Say hi.

###Response to evaluate:
Hi.

###Reference Answer (Score 5):
Hello there.

###Score Rubrics:
[Is it kind?]
Score 1: No.
Score 2: Hardly.
Score 3: Somewhat.
Score 4: Mostly.
Score 5: Yes.

###Feedback: """
STAR: Row = {
    "dialogue_id": 1,
    "tasks": ["ride_book"],
    "domains": ["ride"],
    "happy_path": True,
    "multi_task": False,
    "customer_scenario": "You want a ride.",
    "customer_questionnaire": [
        {"question": "Did the assistant stay calm and helpful?", "answer": True},
        {"question": "Did the assistant find you a suitable ride?", "answer": False},
    ],
    "agent_questionnaire": [],
    "turns": [
        {"role": "customer", "text": "Hello"},
        {"role": "agent", "text": "Hello, how can I help?", "action": "hello"},
    ],
}

# By source: rows that are good, of every shape that it reads; the first column that each needs.
GOOD: dict[str, list[list[Row]]] = {
    "oasst": [[TREE], FLAT],
    "hh_rlhf": [[{"chosen": "\n\nHuman: Hi\n\nAssistant: Hello",
                  "rejected": "\n\nHuman: Hi\n\nAssistant: Go"}]],
    "webgpt": [
        [{"prompt": "Why?", "answers": ["So.", "Thus."], "scores": [1.5, 0.5]}],
        [{"question": {"dataset": "eli5", "id": "1", "full_text": "Why?"}, "answer_0": "So.",
          "answer_1": "Thus.", "score_0": -0.5, "score_1": 0.5}],
    ],
    "prometheus": [
        [{"idx": 1, "response_source": "x", "category": "writing", "instruction": JUDGE,
          "gpt4_score": [1, 2, 5], "gpt4_feedback": ["", "", ""]}],
        [{"orig_instruction": "Say hi.", "orig_response": "Hi.", "orig_criteria": "Kind?",
          "orig_score": "4"}],
    ],
    "llama_factory": [
        [{"conversations": [{"from": "system", "value": "Be."}, {"from": "human", "value": "Hi"}],
          "chosen": {"from": "gpt", "value": "Hello"}, "rejected": {"from": "gpt", "value": "Go"}}],
        [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}],
          "label": True}],
    ],
    "shp": [[
        {"post_id": "p", "domain": "askbaking_train", "history": "Why?", "labels": 1,
         "c_root_id_A": "x", "c_root_id_B": "y", "score_A": 20, "score_B": 4,
         "human_ref_A": "So.", "human_ref_B": "Thus.", "score_ratio": 5.0},
        {"post_id": "p", "domain": "askbaking_train", "history": "Why?", "labels": 0,
         "c_root_id_A": "z", "c_root_id_B": "y", "score_A": 3, "score_B": 4,
         "human_ref_A": "Well.", "human_ref_B": "Thus.", "score_ratio": 1.33},
    ]],
    "stack_exchange": [[
        {"qid": 7, "question": "<p>Why?</p>", "metadata": ["https://cooking.stackexchange.com/q/7"],
         "answers": [{"text": "<p>So.</p>", "pm_score": 3}, {"text": "Thus.", "votes": 1}]},
    ]],
    "fine_grained_rlhf": [[
        {"question": "Why?", "passages": [["T", "A fact."]], "prediction 1": "a",
         "prediction 2": "b", "prediction 3": "c", "prediction 4": "d",
         "preference": [1, 1, 1, 0, 2, 2]},
    ]],
    "llmbar": [[
        {"subset": "natural", "idx": 0, "input": "Hi", "output_1": "a", "output_2": "b", "label": 2}
    ]],
}  # fmt: skip
NEEDED: dict[str, list[str]] = {
    "oasst": ["prompt", "message_id"],
    "hh_rlhf": ["chosen"],
    "webgpt": ["scores", "score_1"],
    "prometheus": ["gpt4_score", "orig_response"],
    "llama_factory": ["rejected", "label"],
    "shp": ["history"],
    "stack_exchange": ["answers"],
    "fine_grained_rlhf": ["preference"],
    "llmbar": ["label"],
}
CASES = [(name, i) for name, shapes in GOOD.items() for i in range(len(shapes))]


def write(path: Path, rows: Iterable[Any]) -> Path:
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
