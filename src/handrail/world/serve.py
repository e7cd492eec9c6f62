"""The care world as an OpenAI-compatible server: the played model over real HTTP.

Answers POST /v1/chat/completions (not streamed), GET /v1/models and GET /health.
"""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from handrail.records import HandrailError, SettingError, unknown_setting
from handrail.world.faults import FAULT_NAMES, Faults, question_key
from handrail.world.player import Player
from handrail.world.playing.oracle import Newest
from handrail.world.wire import ApiError, Question, completion, question_of

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_STARTED = 20.0  # seconds within which a server must be up


class Served:
    """The application and what it counts: attempts per question, requests in all."""

    def __init__(self, faults: Faults | None = None, model: str = "world") -> None:
        self.faults, self.model = faults or Faults(), model
        self.requests = 0
        self.server: uvicorn.Server | None = None
        self._player = Player(self.faults)
        self._attempts: Newest[list[int]] = Newest(200_000)

    @property
    def dead(self) -> bool:
        """Whether as many requests were answered as `die_after` allows."""
        return 0 < self.faults.die_after < self.requests

    def app(self) -> Starlette:
        """The ASGI application."""
        from starlette.applications import Starlette
        from starlette.routing import Route

        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models),
                Route("/health", self._health),
            ],
            exception_handlers={404: _unknown, 405: _unknown},
        )

    async def _health(self, request: Request) -> Response:
        return _json({"status": "ok", "requests": self.requests})

    async def _models(self, request: Request) -> Response:
        try:
            self._admit(request)
        except ApiError as error:
            return _failed(error)
        model = {"id": self.model, "object": "model", "created": 0, "owned_by": "handrail"}
        return _json({"object": "list", "data": [model]})

    async def _chat(self, request: Request) -> Response:
        started = time.monotonic()
        self.requests += 1
        if self.dead:
            return await self._die()
        try:
            self._admit(request)
            question = question_of(await request.body(), self.model, self.faults.no_schema)
        except ApiError as error:
            return _failed(error)
        key = question_key(question.messages, question.seed)
        attempts = self._attempts.get(key, lambda: [0])
        attempt, attempts[0] = attempts[0], attempts[0] + 1
        try:
            response = self._answered(question, key, attempt)
        except ApiError as error:
            response = _failed(error)
        # The latency is that of the whole answer: the time to find it is part of it.
        left = self.faults.latency(key, attempt) - (time.monotonic() - started)
        await asyncio.sleep(max(0.0, left))
        return response

    def _answered(self, question: Question, key: str, attempt: int) -> Response:
        fault = self.faults.transport_fault(key, attempt)
        if fault == "rate_limit_share":
            raise ApiError(
                429, "Rate limit reached", "rate_limit_exceeded", self.faults.retry_after
            )
        if fault == "fail":
            status = self.faults.draws("status", key, str(attempt)).choice((500, 502, 503))
            raise ApiError(status, "The server had an error", "server_error")
        said = [
            self._player.play(question.messages, question.seed, index)
            for index in range(question.n)
        ]
        return _json(completion(question, said, f"chatcmpl-{key[:24]}"))

    def _admit(self, request: Request) -> None:
        """Raises `ApiError` where the key is not the one that is demanded."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if self.faults.key and given != self.faults.key:
            raise ApiError(401, "Incorrect API key provided", "invalid_api_key")

    async def _die(self) -> Response:
        """Break off all connections and stop, as a server that was killed does."""
        server = self.server
        if server is not None:
            server.should_exit = server.force_exit = True
            for connection in list(server.server_state.connections):
                transport = getattr(connection, "transport", None)
                if transport is not None:
                    transport.abort()
        return _failed(ApiError(503, "The server is gone", "server_error"))


def _json(
    value: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    from starlette.responses import Response

    # ASCII, so that half a surrogate pair in a prompt cannot break the answer.
    return Response(json.dumps(value), status, headers, "application/json")


def _failed(error: ApiError) -> Response:
    wait = error.retry_after
    headers = {} if wait is None else {"retry-after": f"{wait:g}"}
    return _json(error.body, error.status, headers)


async def _unknown(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return _failed(
        ApiError(status, f"There is no {request.method} {request.url.path}", "not_found")
    )


class WorldServer:
    """The played model at an address of this machine, served by a thread of this process."""

    def __init__(self, served: Served, host: str = "127.0.0.1", port: int = 0) -> None:
        """Start, and return when it answers.

        Raises:
            SettingError: starlette or uvicorn is not installed.
            HandrailError: the port is in use, or the server does not start.
        """
        self.served = served
        self._server = _server_of(served)
        self._bound = _listening(host, port)
        self.url = _base_url(self._bound)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._bound],), daemon=True, name="care-world"
        )
        self._thread.start()
        until = time.monotonic() + _STARTED
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                self.stop()
                raise HandrailError("the world's server did not start", "Try again")
            time.sleep(0.005)

    def wait(self) -> None:
        """Until the server stops by itself."""
        while self._thread.is_alive():
            self._thread.join(0.2)

    def stop(self) -> None:
        """Stop; answers under way are given up after a second."""
        self._server.should_exit = True
        self._thread.join(timeout=5)
        self._bound.close()


@contextmanager
def serving(model: str = "world", **faults: Any) -> Iterator[str]:
    """The played model at a free port of this machine, in a thread; yields the base URL.

    Args:
        model: the name that it answers to.
        faults: settings of `Faults`.

    Raises:
        SettingError: starlette or uvicorn is not installed, or a setting is out of range.
        HandrailError: the server does not start.
    """
    for name in faults:
        if name not in FAULT_NAMES:
            raise unknown_setting(name, FAULT_NAMES, "the world's server")
    server = WorldServer(Served(Faults(**faults), model))
    try:
        yield server.url
    finally:
        server.stop()


def _server_of(served: Served) -> uvicorn.Server:
    """A server for the application, not started."""
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise SettingError(
            f"the world's server needs {error.name}, which is not installed",
            "Install it with: pip install 'handrail[llm]'",
        ) from None
    config = uvicorn.Config(
        served.app(),
        log_level="error",
        access_log=False,
        lifespan="off",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    served.server = uvicorn.Server(config)
    return served.server


def _listening(host: str, port: int) -> socket.socket:
    """A socket bound to the address; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Where the protocol is not named, asyncio leaves Nagle's algorithm on: 40 ms for each answer.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        problem = "is in use" if taken else f"cannot be used ({error})"
        raise HandrailError(
            f"port {port} of {host} {problem}", "Choose another with --port, or 0 for a free one"
        ) from None
    return bound


def _base_url(bound: socket.socket) -> str:
    """What an OpenAI client takes as its base URL."""
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"
