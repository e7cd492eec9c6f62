"""One request over HTTP through the `openai` client: a reply, or a fault that says what to do."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from handrail.records import Message, ModelError, Request, Usage
from handrail.sampling.server.dialect import Dialect
from handrail.sampling.server.settings import EndpointSettings

if TYPE_CHECKING:
    import openai

_SHOWN = 300  # characters of an endpoint's own words in an error
_SECRET = 8  # characters from which a key is kept out of what the endpoint said
# A client looks at each of its connections for each request, so that a few clients of few
# connections take less time than one of many.
_CLIENTS, _PER_CLIENT = 8, 16
_CONNECT_S = 10.0  # until an address counts as one where nothing is
_APART_S = 0.0017  # between two requests: about what making and reading one takes a processor


@dataclass(frozen=True)
class Received:
    """A reply as it came. `usage` is None where the endpoint did not count."""

    text: str
    finish: str
    refusal: str = ""
    usage: Usage | None = None
    served: str = ""


@dataclass(frozen=True)
class Fault:
    """A request without a reply.

    `then` says what helps: "retry" (again, after `wait` seconds where the endpoint says), "resend"
    (at once, in another form), "stop" (nothing: no question will be answered), "fail" (this
    question will not). `unreachable`: nothing was there. `billed`: it may cost all the same.
    """

    problem: str
    then: Literal["retry", "resend", "stop", "fail"]
    mend: str = ""
    wait: float | None = None
    unreachable: bool = False
    billed: bool = False


class Wire:
    """Sends requests to one endpoint, in the form that it turns out to take (`dialect`)."""

    def __init__(self, settings: EndpointSettings) -> None:
        self.settings = settings
        self.dialect = Dialect(settings.model)
        self._clients: list[openai.AsyncOpenAI] = []
        self._sent = 0
        self._key = ""
        self._next = 0.0  # when the next request may leave, on the loop's clock

    def open(self) -> None:
        """Make the clients, with the environment's key.

        Raises:
            ModelError: there is no key, or the package is not installed.
        """
        if self._clients:
            return
        missing = False
        try:
            import openai
        except ModuleNotFoundError:
            missing = True
        if missing:
            raise ModelError(
                "asking an endpoint takes the package openai", "pip install 'handrail[llm]'"
            )
        self._key = self.settings.key()
        seconds = self.settings.timeout
        timeout = openai.Timeout(seconds, connect=min(seconds, _CONNECT_S))
        self._clients = [
            openai.AsyncOpenAI(
                api_key=self._key,
                base_url=self.settings.url,
                timeout=timeout,
                max_retries=0,  # retries are counted, so they are made elsewhere
                http_client=openai.DefaultAsyncHttpxClient(
                    # A proxy is for what is elsewhere.
                    trust_env=not self.settings.local,
                    timeout=timeout,
                ),
            )
            for _ in range(min(_CLIENTS, -(-self.settings.in_flight // _PER_CLIENT)))
        ]

    async def close(self) -> None:
        """Let go of the connections."""
        clients, self._clients, self._key = self._clients, [], ""
        for client in clients:
            await client.close()

    async def send(self, request: Request, messages: Sequence[Message]) -> Received | Fault:
        """One request, sent once."""
        import openai

        self._sent += 1
        client = self._clients[self._sent % len(self._clients)]
        body = self.dialect.body(request, messages)
        await self._turn()
        try:
            # The client's typed call walks through all of the body, which takes longer than
            # sending it.
            data = await client.post("/chat/completions", body=body, cast_to=object)
        except openai.APITimeoutError as error:
            if type(error.__cause__).__name__ == "ConnectTimeout":
                return self._unreachable("no connection in time")
            seconds = self.settings.timeout
            return Fault(f"no reply within {seconds:g} s", "retry", billed=True)
        except openai.APIStatusError as error:
            return self._refused(error, body)
        except openai.APIConnectionError as error:
            return self._lost(error)
        except (openai.APIError, ValueError) as error:  # such as a body that is no JSON
            return Fault(f"no usable answer ({self._clean(str(error))})", "retry", billed=True)
        return self._read(data)

    async def _turn(self) -> None:
        """Wait until the request before this one has had its time to be written.

        Requests that are made side by side are all sent late, at the pace of their sum; and their
        replies, coming together, keep them together. One after the other, they stay apart.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        mine = max(now, self._next)
        self._next = mine + _APART_S
        if mine > now:
            await asyncio.sleep(mine - now)

    def _read(self, data: Any) -> Received | Fault:
        """What an answer's body holds; a text where the endpoint did not call it JSON."""
        try:
            data = json.loads(data) if isinstance(data, str) else data
            choice = data["choices"][0]
            message = choice["message"]
            text, refusal = message.get("content") or "", message.get("refusal") or ""
            finish = choice.get("finish_reason") or "stop"
            served = str(data.get("model") or "")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return Fault(f"its answer is no chat completion: {self._clean(str(data))}", "retry")
        if isinstance(text, list):  # some endpoints give the content in parts
            text = "".join(str(p.get("text", "")) for p in text if isinstance(p, dict))
        return Received(
            text=self._scrub(str(text)),
            finish=str(finish),
            refusal=self._scrub(str(refusal)),
            usage=_usage(data.get("usage")),
            served=self._scrub(served),
        )

    def _refused(self, error: openai.APIStatusError, body: dict[str, Any]) -> Fault:
        """What an HTTP status other than 200 means."""
        status, words = error.status_code, self._clean(_words(error))
        told = f"HTTP {status}" + (f": {words}" if words else "")
        if status in (401, 403):
            return Fault(
                f"{self.settings.url} refused the key ({told})",
                "stop",
                f"Check what the variable {self.settings.key_env} holds",
            )
        if status == 402 or (status == 429 and "insufficient_quota" in _code(error)):
            return Fault(f"the endpoint wants to be paid first ({told})", "stop", "Add credit")
        if status == 404:
            return Fault(
                f"{self.settings.url} has no model '{self.settings.model}' ({told})",
                "stop",
                "Check the model's name and the base URL (it often ends in /v1)",
            )
        if status in (400, 422, 501) and self.dialect.adapted(words.lower(), body):
            return Fault(told, "resend")
        if status in (408, 409, 425, 429) or status >= 500:
            return Fault(told, "retry", wait=_wait(error.response.headers))
        return Fault(told, "fail")

    def _lost(self, error: openai.APIConnectionError) -> Fault:
        """A connection that could not be made, or broke."""
        cause: BaseException | None = error.__cause__
        kind = type(cause).__name__ if cause is not None else ""
        why = self._clean(str(cause or "")) or kind
        if kind in ("ConnectError", "UnsupportedProtocol", "ProxyError"):
            return self._unreachable(why)
        if kind == "LocalProtocolError":
            return Fault(f"the request cannot be sent ({kind})", "fail")
        return Fault(f"the connection was lost ({why})", "retry", billed=True)

    def _unreachable(self, why: str) -> Fault:
        return Fault(
            f"{self.settings.url} cannot be reached ({why})",
            "retry",
            "Check the base URL, and that the server runs",
            unreachable=True,
        )

    def _clean(self, text: str) -> str:
        """An endpoint's own words on one line, short, and without the key."""
        line = " ".join(self._scrub(text).split())
        return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."

    def _scrub(self, text: str) -> str:
        """The text without the key, and without half surrogate pairs, which no file takes."""
        whole = text.encode("utf-8", "replace").decode()
        # A word such as "none" or "ollama" that a local server takes is no secret, but may be said.
        secret = len(self._key) >= _SECRET
        return whole.replace(self._key, "(the key)") if secret else whole


def _usage(data: Any) -> Usage | None:
    try:
        asked, wrote = int(data["prompt_tokens"]), int(data["completion_tokens"])
    except (LookupError, TypeError, ValueError):
        return None
    return Usage(asked, wrote) if asked >= 0 and wrote >= 0 else None


def _words(error: openai.APIStatusError) -> str:
    """What the endpoint says, from the body where it is of the usual form."""
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            said = inner.get("message") or inner.get("detail") or inner
            named = f" (param: {inner['param']})" if inner.get("param") else ""
            return f"{said}{named}"
        return str(inner)
    return str(body or "")


def _code(error: openai.APIStatusError) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    return f"{body.get('code')} {body.get('type')}"


def _wait(headers: Any) -> float | None:
    """The seconds that a Retry-After header asks for."""
    exact, value = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if exact is not None:
            return max(0.0, float(exact) / 1000)
        if value is not None:
            return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return (
            None
            if value is None
            else max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        )
    except (TypeError, ValueError):
        return None
