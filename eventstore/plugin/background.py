"""How does code that knows no event loop append? Through a loop in a thread of its own, for all threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from eventstore.log import LogUnavailable
from eventstore.tasks import end_tasks

T = TypeVar("T")
END_SECONDS_MAX = 10.0


class LoopThread:
    """An event loop that runs until `close`."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._ends: list[Callable[[], Awaitable[None]]] = []
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there; its result, or what it raised, here. Raises LogUnavailable once closed."""
        with self._lock:
            if self._closed:
                work.close()
                raise LogUnavailable("the recorder is closed")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()

    def at_end(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have `work` done when the loop is closed, before what was asked for earlier."""
        self._ends.append(work)

    def close(self) -> None:
        """Do the work for the end, and stop. A thread that collects garbage may call this, even its own."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _serve(self) -> None:
        self._loop.run_forever()
        try:
            self._loop.run_until_complete(self._end())
        finally:
            self._loop.close()

    async def _end(self) -> None:
        for work in reversed(self._ends):
            await work()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            # whoever waits for one of them, in `run`, must hear of its end
            _, late = await asyncio.wait(others, timeout=END_SECONDS_MAX)
            await end_tasks(*late)
