"""`handrail.chat`: talk to a model under a playbook and see what each reply keeps and breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from handrail.records import (
    CheckResult,
    Conversation,
    Guardrail,
    HandrailError,
    Message,
    Playbook,
    SamplingParams,
    Turn,
)


class Streamer(Protocol):
    """What a chat needs of a model: one reply in pieces (`LocalSampler` has it)."""

    def stream(self, turn: Turn, params: SamplingParams) -> Iterator[str]: ...


@dataclass(frozen=True)
class Answer:
    """One reply with the guardrails that it kept and broke, by their checks."""

    text: str
    kept: tuple[Guardrail, ...]
    broken: tuple[Guardrail, ...]


class Chat:
    """A talk with a model under a playbook.

    `say` answers at once; `stream` yields the reply as it is written, after which `last` holds
    the answer. Guardrails without a check are shown to the model and cannot be marked.
    """

    def __init__(
        self,
        model: Streamer,
        playbook: Playbook | None,
        params: SamplingParams | None = None,
        opening: tuple[Message, ...] = (),
    ) -> None:
        self.model, self.playbook, self.opening = model, playbook, opening
        self.params = params or SamplingParams()
        self.messages: list[Message] = list(opening)
        self.answers: list[Answer] = []

    @property
    def last(self) -> Answer | None:
        """The newest answer of this talk, if there is one."""
        return self.answers[-1] if self.answers else None

    def tell(self, fact: str) -> None:
        """Show the agent a fact (an account card, an answer of the knowledge base)."""
        self.messages.append(Message(role="tool", content=fact))

    def say(self, text: str) -> Answer:
        """Say something as the customer; returns the reply with what it kept and broke."""
        for _ in self.stream(text):
            pass
        return self.answers[-1]

    def stream(self, text: str) -> Iterator[str]:
        """Say something as the customer; yields the reply in pieces.

        Where the model cannot reply (the talk is too long for it), nothing was said.

        Raises:
            HandrailError: the model cannot reply.
        """
        said = Message(role="user", content=text)
        turn = Turn(playbook=self.playbook, context=(*self.messages, said))
        # Each turn draws anew, and a talk with one seed can be repeated.
        params = self.params.model_copy(update={"seed": self.params.seed + len(self.answers)})
        pieces: list[str] = []
        try:
            for piece in self.model.stream(turn, params):
                pieces.append(piece)
                yield piece
        except HandrailError as error:
            # The turn was made here, and its id is a name that nobody who talks knows.
            problem = error.problem.replace(f"of turn '{turn.id}'", "of the talk with this message")
            raise type(error)(problem, error.mend, error.where) from None
        reply = "".join(pieces).strip()
        results = self.playbook.results(turn.context, reply) if self.playbook else {}
        self.messages.append(said)
        if reply:
            self.messages.append(Message(role="assistant", content=reply))
        self.answers.append(
            Answer(reply, self._with(results, "kept"), self._with(results, "broken"))
        )

    def again(self) -> None:
        """Begin a new talk under the same playbook."""
        self.messages = list(self.opening)
        self.answers = []

    def broken(self) -> dict[str, int]:
        """How often each guardrail was broken in this talk, by its id."""
        return dict(Counter(g.id for answer in self.answers for g in answer.broken))

    def conversation(self) -> Conversation | None:
        """The talk as a record; None while the agent has not spoken."""
        if not any(m.role == "assistant" for m in self.messages):
            return None
        return Conversation(messages=tuple(self.messages), playbook=self.playbook)

    def _with(self, results: dict[str, CheckResult], which: str) -> tuple[Guardrail, ...]:
        if self.playbook is None:
            return ()
        return tuple(self.playbook[g] for g, r in results.items() if r == CheckResult(which))
