"""Does the supervisor start, restart and end a whole system, and does it leave nothing behind?"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from services.embedded import NatsServer, PostgresServer, ServerFailed, Unreachable, check_nats
from services.supervisor import STOP_SIGNALS, Supervisor
from tests.integration.processes import POLL_INTERVAL_S, POLLS_MAX, Starter, ended, is_running

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
WITH_A_CHILD = ["/bin/sh", "-c", "sleep 600 & echo $!; wait"]
STUBBORN = ["/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 600; done"]
SYSTEM = """
import asyncio, json, os, pathlib, sys
from services.embedded import NatsServer, PostgresServer
from services.supervisor import Supervisor

async def main(data_dir: pathlib.Path) -> None:
    async with Supervisor(data_dir, echo=True) as supervisor:
        await supervisor.add_server("postgres", PostgresServer(data_dir, fsync=False))
        await supervisor.add_server("nats", NatsServer(data_dir))
        await supervisor.add("relay", [sys.executable, "-c", "import time; print('hello', flush=True); time.sleep(600)"], os.environ)
        print(json.dumps({name: each["pid"] for name, each in supervisor.status().items()}), flush=True)
        await supervisor.run_until_stopped()
    print(f"stopped by {supervisor.stopped_by.name}", flush=True)

asyncio.run(main(pathlib.Path(sys.argv[1])))
"""  # noqa: E501


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(POLLS_MAX):
        if condition():
            return
        await asyncio.sleep(POLL_INTERVAL_S)
    pytest.fail("it did not come about")


def _kill(supervisor: Supervisor, name: str) -> int:
    pid = supervisor.status()[name]["pid"]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


async def test_a_killed_child_is_started_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    changes: list[object] = []
    async with Supervisor(tmp_path, on_change=changes.append) as supervisor:
        await supervisor.add("sleeper", SLEEP, os.environ)
        for restarts in (1, 2):
            killed = _kill(supervisor, "sleeper")
            await _until(lambda wanted=restarts: supervisor.status()["sleeper"]["restarts"] == wanted)  # type: ignore[misc]
            await _until(lambda: supervisor.status()["sleeper"]["alive"])
            assert supervisor.status()["sleeper"]["pid"] != killed
        last = supervisor.status()["sleeper"]["pid"]
        assert last
    assert not is_running(last)
    assert "sleeper ended (signal SIGKILL)" in capfd.readouterr().err
    assert changes[-1] == {}


async def test_what_ends_by_itself_is_counted_and_its_last_words_are_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    def told() -> bool:
        said.append(capfd.readouterr().err)
        return "brief said last: cannot listen there" in "".join(said)

    async with Supervisor(tmp_path) as supervisor:
        await supervisor.add("brief", ["/bin/sh", "-c", "echo cannot listen there; exit 2"], {})
        await supervisor.add("sleeper", SLEEP, os.environ)
        _kill(supervisor, "sleeper")
        await _until(told)
        await _until(lambda: supervisor.status()["sleeper"]["restarts"] == 1)
        assert supervisor.status()["brief"]["failed"] >= 1
        assert supervisor.status()["sleeper"]["failed"] == 0


async def test_killed_servers_come_back_with_their_data_at_the_same_address(tmp_path: Path) -> None:
    async with Supervisor(tmp_path) as supervisor:
        dsn = await supervisor.add_server("postgres", PostgresServer(tmp_path, fsync=False))
        url = await supervisor.add_server("nats", NatsServer(tmp_path))
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE sale AS SELECT 42 AS number")
        for name in ("postgres", "nats"):
            killed = _kill(supervisor, name)
            await _until(
                lambda name=name, killed=killed: supervisor.status()[name]["pid"] not in {None, killed}
            )  # type: ignore[misc]
        await _until(lambda: _answers(dsn))
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT number FROM sale").fetchall() == [(42,)]
        await _until_nats_answers(url)
        assert [each["restarts"] for each in supervisor.status().values()] == [1, 1]


async def _until_nats_answers(url: str) -> None:
    for _ in range(POLLS_MAX):
        with contextlib.suppress(Unreachable):
            return await check_nats(url)
        await asyncio.sleep(POLL_INTERVAL_S)
    pytest.fail("NATS did not come back")


def _answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn).close()
    except psycopg.OperationalError:
        return False
    return True


async def test_what_cannot_start_says_so_and_the_rest_is_ended(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    started: list[int | None] = []

    async def start() -> None:
        async with supervisor:
            await supervisor.add("sleeper", SLEEP, os.environ)
            started.append(supervisor.status()["sleeper"]["pid"])
            await supervisor.add("missing", ["/no-such-program"], {})

    with pytest.raises(ServerFailed, match="no-such-program"):
        await start()
    assert started[0]
    assert not is_running(started[0])


async def test_children_of_a_killed_child_end_with_it(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "parent.log"
    async with Supervisor(tmp_path) as supervisor:
        await supervisor.add("parent", WITH_A_CHILD, os.environ)
        await _until(lambda: log.read_text().endswith("\n"))
        grandchild = int(log.read_text())
        _kill(supervisor, "parent")
        assert await ended(grandchild)
        await _until(lambda: log.read_text().count("\n") == 2)
    assert await ended(int(log.read_text().split()[1]))


async def test_one_that_will_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.supervisor.STOP_S_MAX", 0.2)
    async with Supervisor(tmp_path) as supervisor:
        await supervisor.add("stubborn", STUBBORN, os.environ)
        await _until(lambda: (tmp_path / "logs" / "stubborn.log").read_text() == "up\n")
        pid = supervisor.status()["stubborn"]["pid"]
        assert pid
    assert not is_running(pid)


async def test_output_bears_the_name_of_who_said_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = [
        sys.executable,
        "-c",
        "import time; print('x' * 200_000); print('short', flush=True); time.sleep(600)",
    ]
    said: list[str] = []

    def all_said() -> bool:
        said.append(capfd.readouterr().err)
        return "short" in "".join(said)

    async with Supervisor(tmp_path, echo=True) as supervisor:
        await supervisor.add("chatty", program, os.environ)
        await _until(all_said)
    lines = "".join(said).splitlines()
    assert all(line.startswith("      chatty | ") for line in lines)
    assert sum(line.count("x") for line in lines) == 200_000


IMPATIENT = """
import asyncio, os, pathlib, signal, sys
from services.supervisor import Supervisor

async def main(data_dir: pathlib.Path) -> None:
    async with Supervisor(data_dir) as supervisor:
        await supervisor.add("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], os.environ)
        os.kill(os.getpid(), signal.SIGINT)
        await supervisor.run_until_stopped()
    os.kill(os.getpid(), signal.SIGINT)  # while the rest of the program comes to its end
    await asyncio.sleep(0)

asyncio.run(main(pathlib.Path(sys.argv[1])))
os.kill(os.getpid(), signal.SIGINT)
print("ended in order", flush=True)
"""


async def test_a_second_ctrl_c_while_it_stops_changes_nothing(tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb") as said, Starter.of(IMPATIENT, tmp_path, stderr=said) as starter:
        assert starter.line() == "ended in order\n"
        assert starter.wait() == 0
    assert (tmp_path / "said").read_text() == ""


async def test_a_signal_whose_cancellation_is_swallowed_ends_the_block_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.supervisor.CANCEL_AGAIN_S", 0.01)
    swallowed, handlers = 0, {number: signal.getsignal(number) for number in STOP_SIGNALS}
    async with Supervisor(tmp_path) as supervisor:
        os.kill(os.getpid(), signal.SIGHUP)
        while swallowed < 3:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                swallowed += 1
        await asyncio.sleep(600)
    assert supervisor.stopped_by is signal.SIGHUP
    task = asyncio.current_task()
    assert task
    assert not task.cancelling()
    for number, handler in handlers.items():  # they are ignored from here on
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
async def test_a_signalled_supervisor_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with (tmp_path / "said").open("wb") as said, Starter.of(SYSTEM, tmp_path / "var", stderr=said) as starter:
        pids = json.loads(starter.line())
        assert list(pids) == ["postgres", "nats", "relay"]
        await _until(lambda: "hello" in (tmp_path / "said").read_text())
        os.killpg(starter.pid, number)  # as a terminal does with Ctrl-C: its whole foreground group
        if number != signal.SIGKILL:
            assert starter.line() == f"stopped by {number.name}\n"
            assert starter.wait() == 0
        assert await ended(*pids.values())
    assert (tmp_path / "said").read_text() == "       relay | hello\n"  # and no noise
