"""A language model that is a function in this process: the same rounds, no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from handrail.asking.rounds import repair_messages
from handrail.records import Answer, AskProgress, Failure, Message, Request, Spent, Unreadable


class DirectModel:
    """Answers by calling `reply(messages)`; what cannot be read is asked again `repairs` times."""

    def __init__(
        self, reply: Callable[[Sequence[Message]], str], name: str = "direct", repairs: int = 1
    ) -> None:
        self.name, self.repairs, self._reply = name, repairs, reply
        self._questions = self._requests = self._repaired = 0
        self._failures: Counter[str] = Counter()

    @property
    def spent(self) -> Spent:
        """What was asked so far; nothing has a price."""
        return Spent(
            questions=self._questions,
            requests=self._requests,
            repairs=self._repaired,
            failures=dict(self._failures),
            unpriced=self._requests,
        )

    def ask(
        self, requests: Sequence[Request], progress: AskProgress | None = None
    ) -> list[Answer | Failure]:
        """One answer or failure each, in the order asked."""
        answers: list[Answer | Failure] = []
        for request in requests:
            answers.append(self._one(request))
            if progress is not None:
                progress(len(answers), len(requests))
        return answers

    def _one(self, request: Request) -> Answer | Failure:
        self._questions += 1
        messages = request.messages
        for repairs in range(self.repairs + 1):
            self._requests += 1
            text = self._reply(messages)
            try:
                data = request.reading.read(text)
            except Unreadable as error:
                unread = error
                if repairs < self.repairs:
                    self._repaired += 1
                    messages = repair_messages(request, text, error.problem)
                continue
            return Answer(data=data, text=text, model=self.name, repairs=repairs)
        self._failures[unread.kind] += 1
        return Failure(kind=unread.kind, problem=unread.problem, raw=text, model=self.name)
