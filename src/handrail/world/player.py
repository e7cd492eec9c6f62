"""The care world as a language model: it answers prompts as a perfect annotator would, or errs.

A prompt carries its values as a JSON object (docs/prompts.md); the player reads the newest one and
answers from the oracle, in exactly the form of the task. What it cannot know it declines in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from handrail.records import Message
from handrail.world.faults import REFUSAL, Faults, cut_off, malformed, mistaken, question_key
from handrail.world.playing import breaking, dimensions, following, helping, speaking, writing
from handrail.world.playing.asked import Asked, CannotPlay, asked_in
from handrail.world.playing.oracle import KeptOracle
from handrail.world.playing.played import Played

Task = Callable[[Asked, KeptOracle], Played]

TASKS: Mapping[str, Task] = {
    "bins": dimensions.bins,
    "assess": dimensions.assess,
    "helpful": helping.helpful,
    "leaderboard": helping.leaderboard,
    "mt_pair": helping.mt_pair,
    "mt_single": helping.mt_single,
    "rubric": helping.rubric,
    "refusal": helping.refusal,
    "safety": helping.safety,
    "prefer": helping.prefer,
    "guardrails": following.guardrails,
    "tags": following.tags,
    "tag_check": following.tag_check,
    "merge": following.merge,
    "violate": breaking.violate,
    "paraphrase": writing.paraphrase,
    "classify": writing.classify,
    "questions": writing.questions,
    "score_prompts": writing.score_prompts,
    "reply": speaking.reply,
}


@dataclass(frozen=True)
class Said:
    """What the model says. `fault` names the one that was put in, empty for none.

    `declined`: it is no answer but the words of a refusal.
    """

    text: str
    finish: Literal["stop", "length"] = "stop"
    declined: bool = False
    fault: str = ""


class Player:
    """Answers chat messages from the world's oracle, with faults at chosen rates."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._oracle = KeptOracle()

    def reply(self, messages: Sequence[Message]) -> str:
        """The answer's text; for `asking.DirectModel`."""
        return self.play(messages).text

    def play(self, messages: Sequence[Message], seed: int | None = None, index: int = 0) -> Said:
        """The answer to chat messages.

        Args:
            messages: the conversation with the model, as a request holds it.
            seed: the request's own seed, where it has one.
            index: which of the answers to the same request.
        """
        key = question_key(messages, seed, index)
        fault = self.faults.answer_fault(key)
        if fault == "refuse":
            return Said(REFUSAL, declined=True, fault=fault)
        try:
            played = self._played(messages, key)
        except CannotPlay as reason:
            return Said(f"I cannot answer this: {reason}.", declined=True)
        rng = self.faults.draws("spoilt", key)
        if fault == "malformed":
            return Said(malformed(played, rng), fault=fault)
        if fault == "truncate":
            return Said(cut_off(played.write(played.value)), finish="length", fault=fault)
        return Said(played.write(mistaken(played, fault, rng)), fault=fault)

    def _played(self, messages: Sequence[Message], key: str) -> Played:
        asked = asked_in(messages, key)
        if asked.task not in TASKS:
            known = ", ".join(TASKS)
            raise CannotPlay(f'the world does not play "{asked.task}"; it plays {known}')
        return TASKS[asked.task](asked, self._oracle)
