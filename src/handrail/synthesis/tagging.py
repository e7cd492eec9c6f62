"""Which agent messages follow which guardrails: asked once, and every tag checked once more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handrail.asking import show
from handrail.records import Answer, Conversation, Skip
from handrail.synthesis.ask import Asking, Progress, failed
from handrail.synthesis.forms import TagsForm

Rules = Mapping[str, str]  # a conversation's guardrails: texts (or ids) under their numbers


@dataclass(frozen=True)
class Tagged:
    """Which messages follow which guardrails, one mapping per conversation.

    `follows[i]` maps the index of an agent message (from 0) to guardrail numbers. Of `made` tags,
    `checked` were confirmed or not by the second call, and `dropped` did not stand.
    """

    follows: tuple[Mapping[int, tuple[str, ...]], ...]
    made: int = 0
    checked: int = 0
    dropped: int = 0
    skipped: tuple[Skip, ...] = ()


def tag_replies(
    conversations: Sequence[Conversation], numbered: Sequence[Rules], asking: Asking, told: Progress
) -> Tagged:
    """Ask which agent messages follow which guardrails, and check each message's tags again.

    Args:
        conversations: what was said.
        numbered: per conversation the texts of its guardrails under their numbers; where there are
            none, nothing is asked.
        asking: the model with the prompts tags, tag_check.
        told: called as (stage, done, total).
    """
    asked = [i for i, rules in enumerate(numbered) if rules]
    answers = asking.ask(
        [asking.request("tags", tag_values(conversations[i], numbered[i]),
                        about=conversations[i].id) for i in asked],
        lambda done, total: told("tags", done, total),
    )  # fmt: skip
    skipped: list[Skip] = []
    tags: list[dict[int, tuple[str, ...]]] = [{} for _ in conversations]
    for i, answer in zip(asked, answers, strict=True):
        if isinstance(answer, Answer):
            tags[i] = _sound(answer.data, conversations[i], numbered[i], skipped)
        else:
            skipped.append(failed(answer, "conversation's tags", conversations[i].id))
    follows, counts = _checked(conversations, numbered, tags, asking, told, skipped)
    return Tagged(tuple(follows), *counts, skipped=tuple(skipped))


def tag_values(conversation: Conversation, rules: Rules) -> dict[str, object]:
    """What the task `tags` is asked with."""
    return {"guardrails": dict(rules), "conversation": show.conversation(conversation.messages)}


def _sound(
    form: TagsForm, conversation: Conversation, rules: Rules, skipped: list[Skip]
) -> dict[int, tuple[str, ...]]:
    """The tags that name an agent's message and guardrails that exist; others are counted."""
    tags: defaultdict[int, list[str]] = defaultdict(list)
    for tag in form.tags:
        i = tag.message - 1
        if not 0 <= i < len(conversation.messages) or conversation.messages[i].role != "assistant":
            reason = "it names a message that is not the agent's"
            skipped.append(Skip(what="tag", reason=reason, where=conversation.id))
            continue
        for number in tag.guardrails:
            if number not in rules:
                reason = "it names a guardrail that does not exist"
                skipped.append(Skip(what="tag", reason=reason, where=conversation.id))
            elif number not in tags[i]:
                tags[i].append(number)
    return {i: tuple(numbers) for i, numbers in sorted(tags.items()) if numbers}


def check_values(
    conversation: Conversation, i: int, rules: Rules, numbers: Sequence[str]
) -> dict[str, object]:
    """What the task `tag_check` is asked with: message `i` and the guardrails that it is tagged."""
    return {
        "guardrails": {n: rules[n] for n in numbers},
        "conversation": show.conversation(conversation.messages[:i]),
        "reply": conversation.messages[i].content,
    }


def _checked(
    conversations: Sequence[Conversation],
    numbered: Sequence[Rules],
    tags: Sequence[Mapping[int, tuple[str, ...]]],
    asking: Asking,
    told: Progress,
    skipped: list[Skip],
) -> tuple[list[dict[int, tuple[str, ...]]], tuple[int, int, int]]:
    """The tags that the second call confirms, and (made, checked, dropped)."""
    places = [(c, i, numbers) for c, of_one in enumerate(tags) for i, numbers in of_one.items()]
    answers = asking.ask(
        [asking.request("tag_check", check_values(conversations[c], i, numbered[c], numbers),
                        about=f"{conversations[c].id}, message {i + 1}")
         for c, i, numbers in places],
        lambda done, total: told("check", done, total),
    )  # fmt: skip
    follows: list[dict[int, tuple[str, ...]]] = [{} for _ in conversations]
    made = checked = stood = 0
    for (c, i, numbers), answer in zip(places, answers, strict=True):
        made += len(numbers)
        where = f"{conversations[c].id}, message {i + 1}"
        if not isinstance(answer, Answer):
            skip = failed(answer, "tag that was not checked", where)
            skipped.append(skip.model_copy(update={"count": len(numbers)}))
            continue
        said: dict[str, bool] = {}
        for check in answer.data.checks:  # told both ways, it does not stand
            said[check.guardrail] = check.follows and said.get(check.guardrail, True)
        checked += sum(n in said for n in numbers)
        kept = tuple(n for n in numbers if said.get(n))
        stood += len(kept)
        for reason, n in (
            ("the check says that the reply does not follow it", sum(said.get(n) is False
                                                                     for n in numbers)),
            ("the check does not name it", sum(n not in said for n in numbers)),
        ):  # fmt: skip
            if n:
                skipped.append(Skip(what="tag", reason=reason, where=where, count=n))
        if kept:
            follows[c][i] = kept
    return follows, (made, checked, made - stood)
