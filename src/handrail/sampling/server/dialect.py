"""The form of a request that an endpoint takes, found out from what it refuses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from handrail.records import Message, Request

_FORMATS = ("response_format", "json_schema", "json_object", "structured output", "guided")
# Words of a 400 that say which parameter the model does not take.
_NOT_TAKEN = re.compile(r"unsupported|not supported|does not support|unrecognized|unknown|extra")


class Dialect:
    """Strict JSON schemas where the endpoint knows them, else JSON objects, else words.

    And without the parameters that the model refuses by name. What was found out is told once, in
    `notes`.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self.notes: list[str] = []
        self._form: Literal["schema", "object", "text"] = "schema"
        self._tokens = "max_tokens"
        self._dropped: set[str] = set()

    def body(self, request: Request, messages: Sequence[Message]) -> dict[str, Any]:
        """A request's body, in the form that is known to be taken."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            self._tokens: request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
        }
        if request.seed is not None:
            # Another draw of the same question is another seed, or it would be the same reply.
            body["seed"] = request.seed + request.sample
        if request.top_p == 1.0:
            del body["top_p"]  # the default; some models take no such parameter
        schema = request.reading.schema
        if schema is not None and schema.get("type") == "object":
            if self._form == "schema":
                named = {"name": _plain(request.task), "schema": schema, "strict": True}
                body["response_format"] = {"type": "json_schema", "json_schema": named}
            elif self._form == "object":
                body["response_format"] = {"type": "json_object"}
        return {name: value for name, value in body.items() if name not in self._dropped}

    def adapted(self, words: str, body: dict[str, Any]) -> bool:
        """Whether the request can be sent in another form, after a refusal in these words."""
        if "response_format" in body and any(word in words for word in _FORMATS):
            sent = body["response_format"]["type"]
            if sent == "json_schema" and self._form == "schema":
                self._form = "object"
                self.notes.append(
                    "the endpoint takes no JSON schemas: JSON objects are asked for instead"
                )
            elif sent == "json_object" and self._form == "object":
                self._form = "text"
                self.notes.append(
                    "the endpoint has no structured output: replies are read as they come, and "
                    "asked for again where they cannot be"
                )
            return True
        if "max_tokens" in body and "max_completion_tokens" in words:
            self._tokens = "max_completion_tokens"
            return True
        for name in ("temperature", "seed", "top_p"):
            if name in body and name in words and _NOT_TAKEN.search(words):
                if name not in self._dropped:
                    self._dropped.add(name)
                    self.notes.append(f"the model takes no {name}: its own default is used")
                return True
        return False


def _plain(task: str) -> str:
    """A schema's name, of the letters that endpoints allow."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", task)[:64] or "answer"
