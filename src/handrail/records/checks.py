"""Executable checks of guardrails: one small language for every playbook.

A check looks at the context and one reply and answers kept, broken or not applicable. It is plain
data (it lives in the JSON of a playbook), so a user can write one by hand:

    {"when": {"user": ["refund"]}, "require": ["5 (business )?days"]}
    {"forbid": ["(tell|give|send) me your PIN"]}

Patterns are Python regular expressions, matched without regard to case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from handrail.records.errors import nearest_name
from handrail.records.negation import negated


class CheckResult(StrEnum):
    """The three answers of a check."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_APPLICABLE = "not_applicable"


Context = Sequence[tuple[str, str]]  # (role, content) of each earlier message


@lru_cache(maxsize=8192)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


@lru_cache(maxsize=16384)
def _normal(text: str) -> str:
    """Curly quotes made straight and white space folded, so that patterns need not know them."""
    text = text.replace("\u2019", "'").replace("\u2018", "'")
    text = text.replace("\u201c", '"').replace("\u201d", '"')
    return re.sub(r"\s+", " ", text).strip()


def asserted(patterns: Sequence[str], text: str) -> bool:
    """Whether any pattern occurs in `text` outside the reach of a negation."""
    return _asserted(tuple(patterns), text)


@lru_cache(maxsize=16384)
def _asserted(patterns: tuple[str, ...], text: str) -> bool:
    # The same reply is looked at for many turns: as their history, as a candidate, by judges.
    return any(
        not _skipped(match) and not negated(text, match.start())
        for pattern in patterns
        for match in _compiled(pattern).finditer(text)
    )


def _skipped(match: re.Match[str]) -> bool:
    return "skip" in match.re.groupindex and match["skip"] is not None


def found(patterns: Sequence[str], text: str) -> bool:
    """Whether any pattern occurs in `text`, negated or not."""
    return _found(tuple(patterns), text)


@lru_cache(maxsize=8192)
def _found(patterns: tuple[str, ...], text: str) -> bool:
    # Rules share conditions, and the replies to one message share that message.
    return any(_compiled(p).search(text) for p in patterns)


class _Patterns(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known(cls, data: Any) -> Any:
        """Name the nearest field where one is unknown: a condition that is lost is always kept."""
        known = cls.model_fields  # a property, which takes its time
        for name in data if isinstance(data, dict) else ():
            if name not in known:
                close = nearest_name(str(name), known)
                raise ValueError(f"there is no field '{name}'; {close}")
        return data

    @field_validator("*", mode="before")
    @classmethod
    def _is_list(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, list | tuple):
            return value
        field = cls.model_fields[info.field_name or ""]
        if field.default == ():
            raise ValueError(
                f"expected a list of patterns; write [{json.dumps(value, ensure_ascii=False)}]"
                if isinstance(value, str)
                else f"expected a list of patterns, found {type(value).__name__}"
            )
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _compile(cls, value: object) -> object:
        if isinstance(value, tuple):
            for pattern in value:
                if pattern == "":
                    raise ValueError("an empty pattern is found in every text; write what to find")
                if isinstance(pattern, str):
                    try:
                        _compiled(pattern)
                    except (re.error, OverflowError, RecursionError) as error:
                        raise ValueError(
                            f"the pattern {pattern!r} does not compile ({error}); mend it or "
                            "escape its special characters with a backslash"
                        ) from None
        return value


def _shown(context: Context) -> str:
    """What the agent was shown since it last spoke."""
    texts: list[str] = []
    for role, text in reversed(context):
        if role == "assistant":
            break
        if role == "tool":
            texts.append(_normal(text))
    return "\n".join(texts)


class When(_Patterns):
    """When a check applies: every condition that is given must hold.

    `first`: the agent has not spoken yet (True) or has (False). `user`: a pattern occurs in the
    newest user message. `context`: in any earlier message. `said` / `unsaid`: some / no earlier
    agent message asserts a pattern. `reply`: the reply itself does something (asserts a pattern).
    `shown`: a pattern occurs in what the agent was shown (tool messages) since it last spoke.
    """

    first: bool | None = None
    user: tuple[str, ...] = ()
    user_not: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    context_not: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    reply: tuple[str, ...] = ()

    def holds(self, context: Context, reply: str) -> bool:
        """Whether the check applies to this reply in this context."""
        agent = [_normal(text) for role, text in context if role == "assistant"]
        user = [_normal(text) for role, text in context if role == "user"]
        newest = user[-1] if user else ""
        if self.first is not None and self.first != (not agent):
            return False
        if self.user and not found(self.user, newest):
            return False
        if self.user_not and found(self.user_not, newest):
            return False
        if self.shown and not found(self.shown, _shown(context)):
            return False
        if self.context or self.context_not:
            everything = "\n".join(_normal(text) for _, text in context)
            if self.context and not found(self.context, everything):
                return False
            if self.context_not and found(self.context_not, everything):
                return False
        if self.said and not any(asserted(self.said, text) for text in agent):
            return False
        if self.unsaid and any(asserted(self.unsaid, text) for text in agent):
            return False
        return not self.reply or asserted(self.reply, reply)


class Check(_Patterns):
    """A rule that code can judge. A reply breaks it if it applies and any part is not met.

    `require`: at least one pattern must be asserted (negated mentions do not count).
    `require_all`: each pattern must be asserted.
    `require_mention`: at least one pattern must occur, negated or not ("never share your PIN").
    `recall`: each pattern has groups; one of what they captured in the newest user message, or in
    what the agent was shown since it last spoke, must occur in the reply.
    `forbid`: none may be asserted ("I will not ask for your PIN" is not a breach).
    `forbid_mention`: none may occur at all, negated or not.
    `max_words`, `min_words`, `max_questions`: bounds on the reply.
    What a group named `skip` matched does not count: `(?P<skip>if you agree, .*)|I will send it`.
    """

    when: When = When()
    require: tuple[str, ...] = ()
    require_all: tuple[str, ...] = ()
    require_mention: tuple[str, ...] = ()
    recall: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    forbid_mention: tuple[str, ...] = ()
    max_words: int | None = Field(default=None, ge=1)
    min_words: int | None = Field(default=None, ge=1)
    max_questions: int | None = Field(default=None, ge=0)

    @field_validator("recall", mode="after")
    @classmethod
    def _captures(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if not _compiled(pattern).groups:
                raise ValueError(
                    f"the pattern {pattern!r} has no group; put what must be recalled in (...)"
                )
        return value

    @model_validator(mode="after")
    def _has_condition(self) -> Self:
        """A check without a condition would count as kept on every reply."""
        names = [name for name in type(self).model_fields if name != "when"]
        if all(getattr(self, name) in ((), None) for name in names):
            raise ValueError(
                "the check has no condition, so every reply would keep it; give it one of "
                f"{', '.join(names)}, or leave the check out"
            )
        return self

    def result(self, context: Context, reply: str) -> CheckResult:
        """Kept, broken or not applicable, for `reply` after `context` of (role, text)."""
        text = _normal(reply)
        if not self.when.holds(context, text):
            return CheckResult.NOT_APPLICABLE
        return CheckResult.KEPT if self._met(context, text) else CheckResult.BROKEN

    def _recalled(self, context: Context, text: str) -> bool:
        """Whether the reply holds all that the `recall` patterns captured."""
        newest = next((_normal(t) for role, t in reversed(context) if role == "user"), "")
        source = f"{newest}\n{_shown(context)}"
        for pattern in self.recall:
            captured = _compiled(pattern).search(source)
            held = [rf"\b{re.escape(g)}\b" for g in captured.groups() if g] if captured else []
            if held and not found(held, text):
                return False
        return True

    def _met(self, context: Context, text: str) -> bool:
        words = len(text.split())
        return not (
            (self.require and not asserted(self.require, text))
            or any(not asserted((p,), text) for p in self.require_all)
            or (self.require_mention and not found(self.require_mention, text))
            or (self.recall and not self._recalled(context, text))
            or (self.forbid and asserted(self.forbid, text))
            or (self.forbid_mention and found(self.forbid_mention, text))
            or (self.max_words is not None and words > self.max_words)
            or (self.min_words is not None and words < self.min_words)
            or (self.max_questions is not None and text.count("?") > self.max_questions)
        )
