r"""HH-RLHF: pairs of dialogues that differ in the assistant's last message.

Bai et al., "Training a Helpful and Harmless Assistant with Reinforcement Learning from Human
Feedback" (2022). `chosen` and `rejected` are whole dialogues, each message after a mark
"\n\nHuman:" or "\n\nAssistant:".
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import Literal

from handrail.records import Message, RecordError
from handrail.sources.feedback.cells import LEAVE, Cells
from handrail.sources.feedback.maker import Maker, Table, ranked
from handrail.sources.feedback.options import Options

ROLES: dict[str, Literal["user", "assistant"]] = {"Human": "user", "Assistant": "assistant"}
_MARK = re.compile(r"\n\n(Human|Assistant):")
_PART = re.compile(r"base|online|rejection[-_]sampled")


class HhOptions(Options):
    """Options of `hh_rlhf`.

    Attributes:
        set: the tag `set` of the turns; by default hh_helpful or hh_harmless, by the name of the
            file, its folder or the configuration, and hh_rlhf where that tells neither.
    """

    set: str = ""


def fill(made: Maker, table: Table, options: HhOptions) -> None:
    """One turn per pair: the dialogue that both share, the two last messages at ranks 1 and 2."""
    name = table.name.lower()
    kinds = [kind for kind in ("helpful", "harmless") if kind in name]
    chosen_set = options.set or (f"hh_{kinds[-1]}" if kinds else made.name)
    part = _PART.findall(name)

    def pair(row: Cells) -> None:
        chosen = dialogue(row.text("chosen"), "chosen")
        rejected = dialogue(row.text("rejected"), "rejected")
        if chosen == rejected:
            raise RecordError("'chosen' and 'rejected' are the same", LEAVE)
        if chosen[:-1] != rejected[:-1]:
            raise RecordError(
                "'chosen' and 'rejected' differ before the assistant's last message", LEAVE
            )
        context = _joined(chosen[:-1])
        if len(context) < len(chosen) - 1:
            made.warn("turn", "messages of one side in a row were joined", row.row.where)
        made.add(
            context,
            ranked((chosen[-1][1], rejected[-1][1]), (1, 2)),
            row.row.where,
            set=chosen_set,
            category=part[-1].replace("_", "-") if part else "",
            split=table.split,
        )

    made.each(table, pair)


def dialogue(text: str, column: str) -> list[tuple[str, str]]:
    """The messages of a dialogue as (mark, words); the last one is the assistant's.

    Raises:
        RecordError: no marks, text before the first, an empty message, or another end.
    """
    head, *pieces = _MARK.split(text)
    if head.strip() or not pieces:
        raise RecordError(
            f"'{column}' does not begin with a line 'Human:' or 'Assistant:' after two line breaks",
            LEAVE,
        )
    said = [(mark, words.strip()) for mark, words in zip(pieces[::2], pieces[1::2], strict=True)]
    if said[-1][0] != "Assistant":
        raise RecordError(f"'{column}' does not end with a message of the assistant's", LEAVE)
    for number, (mark, words) in enumerate(said, start=1):
        if not words and number == len(said):
            raise RecordError(f"'{column}' ends with an empty message", LEAVE)
        if not words:
            raise RecordError(f"'{column}': an empty message of {mark}'s inside", LEAVE)
    return said


def _joined(said: list[tuple[str, str]]) -> list[Message]:
    """The messages; those of one side in a row become one, as a chat template wants them."""
    return [
        Message(role=ROLES[mark], content="\n\n".join(words for _, words in run))
        for mark, run in groupby(said, key=lambda one: one[0])
    ]
