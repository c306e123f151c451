"""Cancelling insists: a task that misses its cancellation once is cancelled again."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from eventstore import tasks
from eventstore.tasks import TaskGroup, drop_task, end_tasks, finish
from tests.patience import HANGS

Work = Callable[[], Coroutine[Any, Any, None]]


async def deaf_once() -> None:
    """What Python 3.11's wait_for does when it is unlucky."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(60)


async def fail() -> None:
    await asyncio.sleep(0)
    raise OSError("no connection")


async def stay() -> None:
    await asyncio.sleep(60)


async def test_a_task_that_missed_its_cancellation_is_ended_all_the_same() -> None:
    task = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)
    await end_tasks(task)
    assert task.cancelled()


async def test_who_is_cancelled_while_it_ends_a_task_ends_it_all_the_same() -> None:
    """As those do who insist while we insist: the task would live on without anybody who knows of it."""
    task = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)
    ending = asyncio.create_task(end_tasks(task))
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.wait([ending])
    assert ending.cancelled()
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


async def test_what_was_made_ahead_and_is_dropped_fails_in_silence() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    failed, waiting = asyncio.create_task(fail()), asyncio.create_task(stay())
    await asyncio.wait([failed])
    await drop_task(failed)
    await drop_task(waiting)
    assert waiting.cancelled()
    del failed, waiting
    gc.collect()
    assert told == []


async def test_what_is_left_to_do_is_done_though_others_insist() -> None:
    done: list[str] = []

    async def leave() -> None:
        for turn in ("asked", "answered"):
            await asyncio.sleep(0)
            done.append(turn)

    leaving = asyncio.create_task(finish(leave()))
    await asyncio.sleep(0)
    while not leaving.done():
        leaving.cancel()
        await asyncio.sleep(0)
    assert leaving.cancelled()
    assert done == ["asked", "answered"]


async def test_what_is_left_to_do_may_fail() -> None:
    with pytest.raises(OSError, match="no connection"):
        await finish(fail())


@pytest.mark.parametrize("work", [fail, stay])
async def test_what_is_left_undone_once_we_are_cancelled_is_told(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "LEFT_SECONDS_MAX", 0.01)
    finishing = asyncio.create_task(finish(work()))
    await asyncio.sleep(0)
    finishing.cancel()
    with capture_logs() as told:
        await asyncio.wait([finishing])
    assert finishing.cancelled()
    assert [each["event"] for each in told] == ["left_undone"]


async def test_who_insists_does_not_lengthen_what_is_left_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "INSIST_SECONDS", 0.0)
    monkeypatch.setattr(tasks, "LEFT_SECONDS_MAX", 0.01)
    finishing = asyncio.create_task(finish(stay()))
    await asyncio.sleep(0)
    with capture_logs() as told:
        async with asyncio.timeout(HANGS):
            await end_tasks(finishing)
    assert finishing.cancelled()
    assert [each["event"] for each in told] == ["left_undone"]


async def slow_to_end() -> None:
    """As psycopg, which first cancels what it has sent."""
    try:
        await asyncio.sleep(60)
    finally:
        await finish(asyncio.sleep(0.1))


async def test_what_is_left_undone_is_told_though_others_insist_while_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "INSIST_SECONDS", 0.01)
    monkeypatch.setattr(tasks, "LEFT_SECONDS_MAX", 0.2)
    finishing = asyncio.create_task(finish(slow_to_end()))
    await asyncio.sleep(0)
    with capture_logs() as told:
        await end_tasks(finishing)
    assert finishing.cancelled()
    assert [each["event"] for each in told] == ["left_undone"]


@pytest.mark.parametrize("work", [fail, stay])
async def test_who_was_cancelled_before_has_as_long_and_ends_by_that(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "LEFT_SECONDS_MAX", 0.01)

    async def leave() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await finish(work())

    leaving = asyncio.create_task(leave())
    await asyncio.sleep(0)
    leaving.cancel()
    with capture_logs() as told:
        await asyncio.wait([leaving], timeout=HANGS)
    assert leaving.cancelled()
    assert [each["event"] for each in told] == ["left_undone"]


async def test_who_was_cancelled_before_may_go_on_after_what_was_left() -> None:
    """As the block of a timeout does, which takes its cancellation back."""
    done: list[str] = []

    async def leave() -> None:
        done.append("left")

    async def go() -> None:
        async with asyncio.timeout(0):
            try:
                await asyncio.sleep(60)
            finally:
                await finish(leave())
                done.append("and went on")

    with pytest.raises(TimeoutError):
        await go()
    assert done == ["left", "and went on"]


async def test_dropping_a_task_may_be_closed() -> None:
    waiting = asyncio.create_task(stay())
    dropping = drop_task(waiting)
    dropping.send(None)
    dropping.close()
    await end_tasks(waiting)


async def test_a_group_ends_by_its_error_though_its_block_missed_its_cancellation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "INSIST_SECONDS", 0.01)

    async def group() -> None:
        async with TaskGroup() as tasks:
            tasks.create_task(fail())
            await deaf_once()

    async with asyncio.timeout(HANGS):
        with pytest.raises(ExceptionGroup) as caught:
            await group()
    assert [str(error) for error in caught.value.exceptions] == ["no connection"]
    us = asyncio.current_task()
    assert us
    assert not us.cancelling()


async def test_a_group_that_fails_leaves_nobody_behind_who_seems_cancelled() -> None:
    """Python 3.11's does, where the failure comes after the block: `finish` would take it for our end."""

    async def group() -> None:
        async with TaskGroup() as tasks:
            tasks.create_task(fail())

    with pytest.raises(ExceptionGroup):
        await group()
    us = asyncio.current_task()
    assert us
    assert not us.cancelling()
    with pytest.raises(OSError, match="no connection"):
        await finish(fail())


async def test_who_is_cancelled_while_a_group_fails_is_cancelled_after_it() -> None:
    """Whoever catches the group's errors goes on otherwise, as nobody cancels him again."""
    went_on: list[str] = []

    async def group() -> None:
        async with TaskGroup() as tasks:
            tasks.create_task(fail())
            tasks.create_task(deaf_once())

    async def persist() -> None:
        try:
            await group()
        except* OSError:
            went_on.append("caught")
        await asyncio.sleep(0)
        went_on.append("lives")

    ending = asyncio.create_task(persist())
    while not ending.cancelling():
        await asyncio.sleep(0)
    ending.cancel()
    await asyncio.wait([ending], timeout=HANGS)
    assert ending.cancelled()
    assert went_on == ["caught"]


async def test_a_cancellation_that_is_on_its_way_is_not_lost_by_what_is_left_to_do() -> None:
    done: list[str] = []

    async def leave() -> None:
        done.append("left")

    async def end() -> None:
        us = asyncio.current_task()
        assert us
        us.cancel()
        await finish(leave())
        done.append("went on")

    ending = asyncio.create_task(end())
    await asyncio.wait([ending])
    assert ending.cancelled()
    assert done == ["left"]
