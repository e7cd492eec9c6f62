"""A language model that is a script: one function per task, called with what the prompt carries."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from handrail.asking import DirectModel
from handrail.records import Assessment, Conversation, Message, Playbook, Turn
from handrail.synthesis import Asking

Script = Callable[[dict[str, Any]], Any]


def carried(messages: Sequence[Message]) -> dict[str, Any]:
    """The JSON object that a rendered prompt carries."""
    text = next(m.content for m in messages if m.role == "user")
    return json.JSONDecoder().raw_decode(text, text.index('{\n "task"'))[0]


class Scripted:
    """Answers each task by its function; `asked` counts the calls, `seen` keeps all messages."""

    def __init__(self, **scripts: Script) -> None:
        self.scripts, self.asked = scripts, Counter[str]()
        self.seen: list[Sequence[Message]] = []

    def __call__(self, messages: Sequence[Message]) -> str:
        data = carried(messages)
        self.asked[data["task"]] += 1
        self.seen.append(messages)
        answer = self.scripts[data["task"]](data)
        return answer if isinstance(answer, str) else json.dumps(answer)

    def asking(self, repairs: int = 0) -> Asking:
        return Asking(DirectModel(self, "scripted", repairs=repairs))


def talk(name: str, *texts: str, playbook: Playbook | None = None) -> Conversation:
    """A conversation that the customer opens, the two taking turns."""
    roles = ("user", "assistant")
    messages = tuple(Message(role=roles[i % 2], content=t) for i, t in enumerate(texts))
    return Conversation(id=name, messages=messages, playbook=playbook)


class WordJudge:
    """Each guardrail asks for its own text's last word: a reply without it breaks the guardrail."""

    name = "words"

    def __init__(self) -> None:
        self.asked = 0

    def assess(self, turn: Turn, reply: str) -> Assessment:
        self.asked += 1
        assert turn.playbook is not None
        held = {g.id: g.text.rstrip(".").split()[-1] in reply for g in turn.playbook.guardrails}
        return Assessment(
            keeps=tuple(g for g, there in held.items() if there),
            breaks=tuple(g for g, there in held.items() if not there),
        )
