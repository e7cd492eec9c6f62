"""What a model is told when its reply could not be read."""

from __future__ import annotations

from handrail.asking.prompt import as_json
from handrail.records import Message, Request


def repair_messages(request: Request, text: str, problem: str) -> tuple[Message, ...]:
    """The question again, with the reply that was no answer and what was wrong with it."""
    schema = request.reading.schema
    form = "" if schema is None else f" Its JSON schema:\n{as_json(schema)}"
    again = f"That cannot be read: {problem}. Answer once more, in the form asked for only.{form}"
    text = text.encode("utf-8", "replace").decode("utf-8")  # JSON allows half a surrogate pair
    said = [Message(role="assistant", content=text)] if text.strip() else []
    return (*request.messages, *said, Message(role="user", content=again))
