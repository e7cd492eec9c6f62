"""Requests and answers of OpenAI's chat completions, as far as the played model needs them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handrail.records import Message

if TYPE_CHECKING:
    from handrail.world.player import Said

# A simple rule in place of a tokenizer.
CHARACTERS_PER_TOKEN = 4
_ROLES = {"developer": "system", "function": "tool"}
_MOST = 16


class ApiError(Exception):
    """An error with its HTTP status and OpenAI's form of body."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        retry_after: float | None = None,
        param: str = "",
    ) -> None:
        super().__init__(message)
        self.status, self.retry_after = status, retry_after
        kind = "server_error" if status >= 500 else "invalid_request_error"
        self.body: dict[str, Any] = {
            "error": {
                "message": message,
                "type": "requests" if status == 429 else kind,
                "param": param or None,
                "code": code,
            }
        }


@dataclass(frozen=True)
class Question:
    """A request for a chat completion."""

    messages: tuple[Message, ...]
    model: str
    n: int = 1
    seed: int | None = None
    max_tokens: int | None = None
    structured: bool = False


def question_of(body: bytes, model: str, no_schema: bool = False) -> Question:
    """The question of a request's body.

    Raises:
        ApiError: no JSON, another model than `model`, or values that no such request has.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is no JSON", "invalid_json") from None
    if not isinstance(data, dict):
        raise ApiError(400, "The body is no JSON object", "invalid_type")
    if data.get("model") != model:
        raise ApiError(
            404,
            f"The model {str(data.get('model'))!r} does not exist; there is '{model}'",
            "model_not_found",
            param="model",
        )
    if data.get("stream"):
        raise ApiError(400, "Streaming is not offered", "unsupported_value", param="stream")
    form = data.get("response_format")
    structured = isinstance(form, dict) and form.get("type") in ("json_schema", "json_object")
    if structured and no_schema:
        raise ApiError(
            400,
            "'response_format' is not supported by this model",
            "unsupported_parameter",
            param="response_format",
        )
    limit = "max_completion_tokens" if "max_completion_tokens" in data else "max_tokens"
    return Question(
        messages=_messages(data.get("messages")),
        model=model,
        n=_number(data, "n", 1, _MOST) or 1,
        seed=_number(data, "seed", -(2**63), 2**63),
        max_tokens=_number(data, limit, 1, 2**31),
        structured=structured,
    )


def _number(data: dict[str, Any], name: str, low: int, high: int) -> int | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ApiError(400, f"'{name}' is no whole number in range", "invalid_value", param=name)
    return value


def _messages(value: Any) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise ApiError(
            400, "'messages' is no list with a message", "invalid_type", param="messages"
        )
    out = []
    for at, one in enumerate(value):
        role = one.get("role") if isinstance(one, dict) else None
        role = _ROLES.get(role, role) if isinstance(role, str) else None
        if role not in ("system", "user", "assistant", "tool"):
            raise ApiError(
                400, f"messages[{at}] has no known role", "invalid_value", param="messages"
            )
        text = _text(one.get("content"), at)
        if text.strip():
            out.append(Message(role=role, content=text))
    if not out:
        raise ApiError(400, "The messages are empty", "invalid_value", param="messages")
    return tuple(out)


def _text(content: Any, at: int) -> str:
    """A message's text; parts are put together."""
    if content is None:
        return ""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        parts = [text for text in texts if isinstance(text, str)]
        if len(parts) == len(content):
            content = "\n".join(parts)
    if not isinstance(content, str):
        raise ApiError(400, f"messages[{at}] has no text", "invalid_type", param="messages")
    try:
        content.encode("utf-8")
    except UnicodeEncodeError:
        raise ApiError(
            400, f"messages[{at}] holds half of a surrogate pair", "invalid_value", param="messages"
        ) from None
    return content


def completion(question: Question, said: Sequence[Said], id: str) -> dict[str, Any]:
    """The body of an answer; usage is counted by characters."""
    choices = [_choice(question, index, one) for index, one in enumerate(said)]
    asked = tokens("".join(m.content for m in question.messages))
    told = sum(tokens(c["message"]["content"] or c["message"]["refusal"] or "") for c in choices)
    return {
        "id": id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": question.model,
        "choices": choices,
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": told,
            "total_tokens": asked + told,
        },
    }


def _choice(question: Question, index: int, said: Said) -> dict[str, Any]:
    text, finish = said.text, said.finish
    if question.max_tokens is not None and tokens(text) > question.max_tokens:
        text, finish = text[: question.max_tokens * CHARACTERS_PER_TOKEN], "length"
    # Endpoints tell a refusal apart from an answer where the answer would have had a form; what
    # the world cannot play must never pass for an answer.
    refused = said.declined and (question.structured or not said.fault)
    message = {
        "role": "assistant",
        "content": None if refused else text,
        "refusal": text if refused else None,
    }
    return {"index": index, "message": message, "finish_reason": finish, "logprobs": None}


def tokens(text: str) -> int:
    """About how many tokens a text has."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)
