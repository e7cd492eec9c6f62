"""An event loop in a thread of its own, so that asking works wherever it is called from.

A notebook has a loop running already, a script has none; and a keyboard interrupt reaches the
caller's thread, which then ends what runs here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_TICK_S = 0.1  # between two reports of progress
_END_S = 10.0  # what cancelled questions have to end


class LoopThread:
    """Runs coroutines to their end while the caller waits."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def run(self, work: Coroutine[Any, Any, T], tick: Callable[[], None] = lambda: None) -> T:
        """The result of `work`; `tick` is called now and then, in the caller's thread.

        Raises:
            Exception: what `work` raises. On an interrupt `work` is cancelled first.
        """
        ended = threading.Event()
        results: list[T] = []
        errors: list[BaseException] = []

        async def whole() -> None:
            try:
                results.append(await work)
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                errors.append(error)
            finally:
                ended.set()

        future = asyncio.run_coroutine_threadsafe(whole(), self._started())
        try:
            while not ended.wait(_TICK_S):
                tick()
        except BaseException:
            future.cancel()
            ended.wait(_END_S)
            raise
        if errors:
            raise errors[0]
        return results[0]

    def close(self, last: Callable[[], Awaitable[None]]) -> None:
        """Run `last` in the loop, and end it."""
        loop, self._loop = self._loop, None
        if loop is None or self._process != os.getpid():
            return

        async def end() -> None:
            try:
                await last()
            finally:
                asyncio.get_running_loop().stop()

        asyncio.run_coroutine_threadsafe(end(), loop)
        if self._thread is not None:
            self._thread.join(_END_S)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._process != os.getpid():  # no thread outlives a fork
                self._process = os.getpid()
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_work, args=(self._loop,), name="asking", daemon=True
                )
                self._thread.start()
                weakref.finalize(self, _stop, self._loop)  # where nobody closes it
            return self._loop


def _work(loop: asyncio.AbstractEventLoop) -> None:
    """The thread's work, until the loop is stopped."""
    try:
        loop.run_forever()
    finally:
        loop.close()


def _stop(loop: asyncio.AbstractEventLoop) -> None:
    """Stop a loop of another thread, if it still runs."""
    with contextlib.suppress(RuntimeError):  # it is closed already
        loop.call_soon_threadsafe(loop.stop)
