"""A small HTTP server that answers chat completions as a test's script says."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from handrail.asking import Form, JsonReading
from handrail.records import Message, Request


@dataclass(frozen=True)
class Say:
    """One HTTP answer. `drop` breaks the connection: before the answer, or in its middle."""

    text: str | None = '{"verdict": "a"}'
    status: int = 200
    finish: str = "stop"
    refusal: str | None = None
    error: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: Literal["", "before", "middle"] = ""
    usage: tuple[int, int] | None = (100, 10)
    raw: bytes | None = None

    def body(self) -> bytes:
        if self.raw is not None:
            return self.raw
        if self.status != 200:
            return json.dumps({"error": self.error or {"message": "no"}}).encode()
        message = {"role": "assistant", "content": self.text, "refusal": self.refusal}
        data: dict[str, Any] = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "served-name",
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish}],
        }
        if self.usage is not None:
            asked, wrote = self.usage
            data["usage"] = {"prompt_tokens": asked, "completion_tokens": wrote}
        return json.dumps(data).encode()


@dataclass(frozen=True)
class Got:
    """A request as it came: its body, headers, and how many came with the same messages before."""

    body: dict[str, Any]
    headers: dict[str, str]
    before: int
    number: int

    @property
    def last(self) -> str:
        return self.body["messages"][-1]["content"]


Script = Callable[[Got], Say]


class Scripted:
    """The server. `got` holds all requests; `most` is how many were on their way at a time."""

    def __init__(self, script: Script) -> None:
        self.script, self.got = script, list[Got]()
        self.now = self.most = 0
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._ready = threading.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def questions(self) -> list[str]:
        return [got.last for got in self.got]

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end)
            self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0)
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.close()

    def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.call_soon(self._loop.call_soon, self._loop.stop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        auth = next((x for x in head if x.lower().startswith("authorization:")), ": ")
        headers["authorization"] = auth.split(": ", 1)[1]
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        before = sum(got.body["messages"] == body["messages"] for got in self.got)
        got = Got(body, headers, before, len(self.got))
        self.got.append(got)
        self.now += 1
        self.most = max(self.most, self.now)
        say = self.script(got)
        await asyncio.sleep(say.delay)
        self.now -= 1
        if say.drop == "before":
            writer.transport.abort()
            return False
        content = say.body()
        lines = [f"HTTP/1.1 {say.status} X", "content-type: application/json"]
        lines += [f"content-length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in say.headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        writer.write(content[: len(content) // 2] if say.drop == "middle" else content)
        await writer.drain()
        if say.drop == "middle":
            writer.transport.abort()
            return False
        return True


@contextmanager
def scripted(script: Script = lambda got: Say()) -> Iterator[Scripted]:
    server = Scripted(script)
    try:
        yield server
    finally:
        server.stop()


class Choice(Form):
    """What the tests ask for."""

    verdict: Literal["a", "b"]


READING = JsonReading(Choice)


def question(n: int = 0, **more: Any) -> Request:
    values: dict[str, Any] = {"reading": READING, "max_tokens": 50} | more
    return Request("bins", "v1", (Message(role="user", content=f"question {n}"),), **values)


def questions(count: int) -> list[Request]:
    return [question(n) for n in range(count)]
