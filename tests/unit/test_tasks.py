"""Cancelling insists: a task that misses its cancellation once is cancelled again."""

from __future__ import annotations

import asyncio

import pytest

from eventstore.tasks import TaskGroup, end_tasks


async def deaf_once() -> None:
    """What Python 3.11's wait_for does when it is unlucky."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(60)


async def test_a_task_that_missed_its_cancellation_is_ended_all_the_same() -> None:
    task = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)
    await end_tasks(task)
    assert task.cancelled()


async def test_a_group_ends_by_its_error_though_a_task_missed_its_cancellation() -> None:
    async def group() -> None:
        async with TaskGroup() as tasks:
            tasks.create_task(deaf_once())
            await asyncio.sleep(0)
            raise ValueError("over")

    with pytest.raises(ExceptionGroup) as caught:
        await group()
    assert [str(error) for error in caught.value.exceptions] == ["over"]
