"""How our processes log: to standard error, one line an event, from level info (TILLROLL_LOG_LEVEL) up."""

from __future__ import annotations

import logging
import os
import sys

import structlog


def configure_logs() -> None:
    """Standard output is for answers; everything that is said on the way goes to standard error."""
    level = logging.getLevelNamesMapping().get(
        os.environ.get("TILLROLL_LOG_LEVEL", "INFO").upper(), logging.INFO
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
