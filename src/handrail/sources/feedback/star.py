"""STAR's questionnaires: what the customers said of the agent, as a rating of the whole dialogue.

Mosig, Mehri and Kober, "STAR: A Schema-Guided Dialog Dataset for Transfer Learning" (2020). After a
dialogue the customer answered with yes or no whether the agent stayed calm and helpful and, in most
tasks, whether the task was done. The rating is the share of yes, the same at every turn of the
dialogue: it says nothing of a single reply.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Literal

from handrail.records import Conversation, RecordError, Reply
from handrail.sources import star
from handrail.sources.feedback.cells import LEAVE
from handrail.sources.feedback.maker import Maker, Table
from handrail.sources.feedback.options import Options

CALM = "stay calm and helpful"
# Of what the weather was, and of the work itself: neither says how well the agent did.
_OTHER = ("say something about rain", "enjoy this task")


class StarOptions(Options):
    """Options of `star`.

    Attributes:
        turns: every reply of the agent's, or the last one, before which stands all the rest.
        task: where the question whether the task was done counts: in dialogues that go their
            straight course, always or never. Off that course a no may be none of the agent's fault.
    """

    turns: Literal["all", "last"] = "all"
    task: Literal["straight", "always", "never"] = "straight"


def fill(made: Maker, table: Table, options: StarOptions) -> None:
    """A turn per reply, with the rating of its dialogue; `guidelines.json` lies beside the file."""
    if table.path is None:
        raise RecordError("STAR is read from its files, not from the hub", "Name the file")
    read = star.load(table.path, on_error=made.on_error)
    for skip in read.skipped:
        made.skip(skip.what, skip.reason, skip.where, skip.count)
    for talk in read.records:
        made.attempt(f"{table.path}, {talk.id}", partial(_turns, made, talk, options))


def _turns(made: Maker, talk: Conversation, options: StarOptions) -> None:
    """The turns of a dialogue, or why it has none.

    Raises:
        RecordError: an answer that is neither yes nor no.
    """
    answers = judgements(talk)
    if not _counts(talk, options):
        answers.pop("task_done", None)
    if answers:
        _add(made, talk, answers, options)
    else:
        made.skip("conversation", "its customer said nothing of the agent", talk.id)


def judgements(talk: Conversation) -> dict[str, float]:
    """What the customer said of the agent: 1 yes, 0 no, by the names of the labels.

    Raises:
        RecordError: an answer that is neither.
    """
    found: dict[str, float] = {}
    for question, answer in json.loads(talk.tags["customer_questionnaire"]):
        if any(words in question for words in _OTHER):
            continue
        if not isinstance(answer, bool):
            raise RecordError(f"'{question}' is answered with {answer!r:.20}", LEAVE)
        found["calm_and_helpful" if CALM in question else "task_done"] = float(answer)
    return found


def _counts(talk: Conversation, options: StarOptions) -> bool:
    """Whether what was said of the task counts."""
    straight = talk.tags["happy_path"] == "true"
    return options.task == "always" or (options.task == "straight" and straight)


def _add(made: Maker, talk: Conversation, answers: dict[str, float], options: StarOptions) -> None:
    at = [i for i, message in enumerate(talk.messages) if message.role == "assistant"]
    rating = sum(answers.values()) / len(answers)
    for i in at if options.turns == "all" else at[-1:]:
        made.add(
            talk.messages[:i],
            (Reply(text=talk.messages[i].content, rating=rating, labels=answers),),
            talk.id,
            key=f"{talk.id.removeprefix('star-')}/{i}",
            conversation=talk.id,
            playbook=talk.playbook,
            set=made.name,
            category=talk.tags["tasks"],
            split=talk.tags["split"],
            scale="0..1",
            rating_of="dialogue",
        )
