"""Which errors are our own, and how does a group of tasks end by one of them?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from commands.executor import TooMuchContention
from eventstore.log import LogUnavailable
from eventstore.tasks import TaskGroup

OUR_TROUBLE = (LogUnavailable, TooMuchContention, psycopg.Error)
"""Errors that pass, and are no failure of the provider."""


@asynccontextmanager
async def task_group() -> AsyncIterator[TaskGroup]:
    """A group of tasks that ends by the first error itself, and not by a group of errors."""
    try:
        async with TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as several:
        first: BaseException = several
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from several
