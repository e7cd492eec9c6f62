"""A chat-completions server of fixed latency, in a process of its own: `judge_server.py MS`.

Prints its port. It answers every question alike and at once but for the latency, so that what is
measured is who asks. Asked for a leaderboard it ranks two models, else it gives a bin.
"""

from __future__ import annotations

import asyncio
import json
import sys

BIN = '{"reason": "Both keep to the guardrails.", "verdict": "both"}'
LEADERBOARD = "[{'model': 'model_1', 'rank': 1}, {'model': 'model_2', 'rank': 2}]"


def body(content: str) -> bytes:
    """The whole HTTP answer that says this."""
    data = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": content},
            }
        ],
        "usage": {"prompt_tokens": 500, "completion_tokens": 30, "total_tokens": 530},
    }
    text = json.dumps(data).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(text)}"
    return head.encode() + b"\r\n\r\n" + text


ANSWERS = {False: body(BIN), True: body(LEADERBOARD)}


async def serve(latency: float) -> None:
    """Listen at a free port of this machine until killed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                sizes = [x for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")]
                asked = await reader.readexactly(int(sizes[0].split(b":")[1]))
                await asyncio.sleep(latency)
                writer.write(ANSWERS[b"model_1" in asked])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) / 1000))
