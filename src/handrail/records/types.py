"""The nouns: small, frozen, validated. See docs/records.md for each with an example.

Roles are the field's: `user` is the customer, `assistant` the agent, `tool` what the agent was
shown (an account card, a knowledge-base answer), `system` an instruction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from handrail.records.checks import Check, CheckResult
from handrail.records.errors import nearest_name

Role = Literal["system", "user", "assistant", "tool"]
Unit = Annotated[float, Field(ge=0.0, le=1.0)]


class Noun(BaseModel):
    """Base of all records: frozen, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Provenance(Noun):
    """Where a record comes from: data set or file, its licence, and how it was made."""

    source: str = ""
    licence: str = ""
    made_by: str = ""
    parents: tuple[str, ...] = ()


def content_id(prefix: str, content: Any) -> str:
    """A stable id: the first 16 hex digits of the SHA-256 of the content as canonical JSON."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"{prefix}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


class Identified(Noun):
    """A record with a content-hash id (filled in when not given) and its provenance."""

    id: str = ""
    provenance: Provenance = Provenance()

    def model_post_init(self, _context: Any) -> None:
        """Fill an id that was not given from the content; equal content has equal ids."""
        if not self.id:
            content = self.model_dump(mode="json", exclude={"id", "provenance"})
            object.__setattr__(self, "id", content_id(type(self).__name__.lower(), content))


def _words(value: str) -> str:
    """The text of a message or reply; empty or unwritable texts are errors."""
    if not value.strip():
        raise ValueError("the text is empty; drop the message or give it a text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(
            "the text holds half of a surrogate pair; read the file as UTF-8"
        ) from None
    return value


class Message(Noun):
    """One message of a conversation."""

    role: Role
    content: str

    @field_validator("content")
    @classmethod
    def _not_empty(cls, value: str) -> str:
        return _words(value)


class Guardrail(Noun):
    """A rule for the agent, in words, with an executable check where one exists.

    `family` groups rules of one kind over playbooks (rows of the breach heat map).
    """

    id: str = Field(min_length=1)
    text: str = Field(min_length=1)
    check: Check | None = None
    family: str = ""

    @field_validator("id", "text")
    @classmethod
    def _not_empty(cls, value: str, info: ValidationInfo) -> str:
        if not value.strip():
            raise ValueError(f"the {info.field_name} is empty; write one or drop the guardrail")
        return value


class Playbook(Identified):
    """The guardrails in force in a conversation, in the order in which the prompt shows them."""

    guardrails: tuple[Guardrail, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [g.id for g in self.guardrails]
        if len(set(ids)) != len(ids):
            raise ValueError("two guardrails have the same id; give each its own")
        return self

    def __getitem__(self, guardrail_id: str) -> Guardrail:
        for guardrail in self.guardrails:
            if guardrail.id == guardrail_id:
                return guardrail
        raise KeyError(guardrail_id)

    def results(self, context: tuple[Message, ...], reply: str) -> dict[str, CheckResult]:
        """Every checkable guardrail's verdict on a reply: kept, broken or not applicable."""
        pairs = tuple((m.role, m.content) for m in context)
        return {g.id: g.check.result(pairs, reply) for g in self.guardrails if g.check is not None}


def _is_one(weight: float) -> bool:
    return weight == 1.0


class Reply(Noun):
    """One reply at a turn, with the feedback that exists for it.

    `rank` 1 is best and ties are equal ranks; `rating` is on any scale that the data states;
    `labels` are named degrees in 0..1; `keeps` and `breaks` name guardrails of the playbook.
    `weight` multiplies the reply's share of a loss: 1, and then not written, unless the data were
    balanced by weights.
    """

    text: str
    author: str = ""
    rank: int | None = Field(default=None, ge=1)
    rating: float | None = None
    labels: dict[str, Unit] = Field(default_factory=dict)
    desirable: bool | None = None
    keeps: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    weight: float = Field(default=1.0, gt=0.0, allow_inf_nan=False, exclude_if=_is_one)

    @field_validator("text")
    @classmethod
    def _not_empty(cls, value: str) -> str:
        return _words(value)


class Conversation(Identified):
    """A whole conversation, as it went. `tags` hold what the source knows (task, split, ...)."""

    messages: tuple[Message, ...] = Field(min_length=1)
    playbook: Playbook | None = None
    tags: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_agent(self) -> Self:
        if not any(m.role == "assistant" for m in self.messages):
            raise ValueError(
                "no message has the role 'assistant', so there is nothing to learn; "
                "map your agent's role to 'assistant'"
            )
        return self


class Turn(Identified):
    """A point where the bot must speak, with the replies that feedback exists for."""

    conversation_id: str = ""
    playbook: Playbook | None = None
    context: tuple[Message, ...] = ()
    replies: tuple[Reply, ...] = ()
    tags: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _feedback_names_guardrails(self) -> Self:
        known = {g.id for g in self.playbook.guardrails} if self.playbook else set()
        for i, reply in enumerate(self.replies if known else ()):
            for field, names in (("keeps", reply.keeps), ("breaks", reply.breaks)):
                for name in names:
                    if name not in known:
                        raise ValueError(
                            f"replies.{i}.{field} names '{name}', which is no guardrail of the "
                            f"turn's playbook; {nearest_name(name, known)}"
                        )
        return self

    def best(self) -> int | None:
        """Index of the reply that SFT learns: lowest rank, else first desirable, else rating.

        A turn with one reply and no feedback has that reply as its best one. A reply that is
        marked undesirable, or that breaks a guardrail, is never the best.
        """
        able = [i for i, r in enumerate(self.replies) if r.desirable is not False and not r.breaks]
        if not able:
            return None

        def worth(i: int) -> tuple[float, int, float]:
            r = self.replies[i]
            rank = float("inf") if r.rank is None else r.rank
            rating = float("inf") if r.rating is None else -r.rating
            return (rank, 0 if r.desirable else 1, rating)

        return min(able, key=worth)

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Every (better, worse) pair of reply indices; ties and unknowns give none."""
        for i, a in enumerate(self.replies):
            for j, b in enumerate(self.replies):
                if i != j and _better(a, b):
                    yield i, j


def _better(a: Reply, b: Reply) -> bool:
    """Whether the feedback puts `a` above `b`: by rank, else desirability, else rating."""
    if a.rank is not None and b.rank is not None:
        return a.rank < b.rank
    if a.desirable is not None and b.desirable is not None and a.desirable != b.desirable:
        return a.desirable
    if a.rating is not None and b.rating is not None:
        return a.rating > b.rating
    return False


class Skip(Noun):
    """Something left out or cut, with the reason: counted and shown in every report.

    Equal cases have equal `what` and `reason`, so that they add up; what is of one case only stands
    in `where`. `count` is more than 1 where cases were counted instead of listed.
    """

    what: str
    reason: str
    where: str = ""
    count: int = Field(default=1, ge=1)
