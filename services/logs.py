"""How our processes log: to standard error, one line an event, from level info (TILLROLL_LOG_LEVEL) up."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Any

import structlog


def configure_logs(default: str = "INFO") -> None:
    """Standard output is for answers; everything that is said on the way goes to standard error.

    `default` is the level where TILLROLL_LOG_LEVEL does not say another.
    """
    level = logging.getLevelNamesMapping().get(
        os.environ.get("TILLROLL_LOG_LEVEL", default).upper(), logging.INFO
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s %(levelname)s %(message)s")


def say_where_tasks_wait() -> None:
    """Print where each task of this process waits: what to send SIGUSR1 for when something hangs."""
    for task in asyncio.all_tasks():
        coroutine: Any = task.get_coro()
        places: list[str] = []
        while coroutine is not None:
            frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
            if frame:
                places.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
            coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
        sys.stderr.write(f"task {task.get_name()}: {' > '.join(places)}\n")
    sys.stderr.flush()
