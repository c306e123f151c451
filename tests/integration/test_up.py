"""Does `up` refuse before it starts anything, and say that it is up only when all of it answers?"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from services import listening
from services.demo_people import let_people_in
from services.listening import CannotListen, check_free, listen, reserve_port
from services.runfile import read_run
from services.settings import Settings
from services.up import PROCESSES, choose_ports
from tests.integration.processes import is_running
from tests.integration.system import EVERYTHING, TILLROLL, system, tillroll, wait
from tests.patience import HANGS


def refused(data_dir: Path, **variables: str) -> str:
    """What `up` says when it ends at once; it has started nothing."""
    environment = os.environ | {"TILLROLL_DATA_DIR": str(data_dir), "TILLROLL_API_PORT": "0"} | variables
    done = subprocess.run([*TILLROLL, "up"], env=environment, capture_output=True, timeout=HANGS, check=False)
    assert done.returncode == 2, done
    assert not (data_dir / "postgres").exists()
    said = done.stdout.decode() + done.stderr.decode()
    assert said.count("\n") == 1, said
    return said


@pytest.mark.parametrize(
    "setting",
    [
        "TILLROLL_API_PORT",
        "TILLROLL_WEBHOOK_PORT",
        "TILLROLL_PAYMENT_WORLD_PORT",
        "TILLROLL_CARRIER_WORLD_PORT",
    ],
)
def test_a_taken_port_is_told_before_anything_is_started(tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        said = refused(tmp_path / "var", **{setting: str(port)})
    assert f"127.0.0.1:{port}" in said
    assert setting in said


def test_an_address_that_is_not_ours_names_the_setting(tmp_path: Path) -> None:
    assert "TILLROLL_API_HOST" in refused(tmp_path / "var", TILLROLL_API_HOST="192.0.2.1")


def test_a_setting_that_is_nonsense_is_named(tmp_path: Path) -> None:
    assert "TILLROLL_API_PORT: Input should be a valid integer" in refused(
        tmp_path / "var", TILLROLL_API_PORT="abc"
    )


def test_a_file_in_the_place_of_the_data_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file is not a directory" in refused(tmp_path / "file")


def stopped(data_dir: Path, begun: Callable[[], bool], then: Callable[[], None]) -> str:
    """What `up` has said, which a Ctrl-C has stopped once it had `begun`; `then` is done after that."""
    environment = os.environ | {"TILLROLL_DATA_DIR": str(data_dir), "TILLROLL_API_PORT": "0"}
    with (data_dir / "up.log").open("wb") as log:
        up = subprocess.Popen([*TILLROLL, "up"], env=environment, stdout=log, stderr=log)
    try:
        wait(begun, up)
        up.send_signal(signal.SIGINT)
        then()
        assert up.wait(timeout=HANGS) == 0, (data_dir / "up.log").read_text()[-3000:]
    finally:
        up.kill()
        up.wait()
    return (data_dir / "up.log").read_text()


def started(data_dir: Path) -> dict[str, int]:
    """The processes that `up` has told of, and their ids."""
    run = read_run(data_dir)
    return {name: each["pid"] or 0 for name, each in run.processes.items()} if run else {}


@pytest.mark.slow
def test_a_stop_while_servers_are_made_is_a_stop(tmp_path: Path) -> None:
    assert stopped(tmp_path, (tmp_path / "postgres" / "password").exists, lambda: None) == ""


@pytest.mark.slow
def test_a_stop_before_all_is_ready_is_a_stop(tmp_path: Path) -> None:
    """It waits for a relay that does nothing until the stop has come."""
    seen: dict[str, int] = {}

    def all_but_the_relay() -> bool:
        now = started(tmp_path)
        if "relay" in now.keys() - seen:
            os.kill(now["relay"], signal.SIGSTOP)
        seen.update(now)
        return seen.keys() == set(EVERYTHING)

    said = stopped(tmp_path, all_but_the_relay, lambda: os.kill(seen["relay"], signal.SIGCONT))
    assert said == ""
    assert not [name for name, pid in seen.items() if is_running(pid)]


@pytest.mark.slow
def test_gateways_that_can_not_listen_say_so_in_a_line(data_dir: Path, environment: dict[str, str]) -> None:
    run = read_run(data_dir)
    assert run
    done = subprocess.run(
        [*TILLROLL, "gateways"], env=environment, capture_output=True, timeout=HANGS, check=False
    )
    assert done.returncode == 2
    assert "TILLROLL_WEBHOOK_PORT" in done.stderr.decode().splitlines()[-1]
    assert b"Traceback" not in done.stderr


def test_a_free_address_may_be_listened_on_afterwards() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(CannotListen, match="A_HOST, A_PORT"):
            check_free("127.0.0.1", port, ("A_HOST", "A_PORT"))
    check_free("127.0.0.1", port, ("A_HOST", "A_PORT"))
    socket.create_server(("127.0.0.1", port)).close()


def the_only_ports(monkeypatch: pytest.MonkeyPatch, count: int) -> tuple[int, ...]:
    """The ports among which everybody chooses, from here on: all of them are free."""
    with ExitStack() as held:
        ports = tuple(held.enter_context(reserve_port("127.0.0.1")).getsockname()[1] for _ in range(count))
    assert set(ports) <= set(listening.PORTS)
    monkeypatch.setattr(listening, "PORTS", ports)
    return ports


def test_a_reserved_port_is_one_on_which_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = the_only_ports(monkeypatch, 2)
    with socket.create_server(("127.0.0.1", first)):
        for _ in range(10):
            with reserve_port("127.0.0.1") as reserved:
                assert reserved.getsockname() == ("127.0.0.1", second)
        with socket.create_server(("127.0.0.1", second)), pytest.raises(CannotListen, match="no port of"):
            reserve_port("127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_who_was_told_of_a_reserved_port_listens_there_again_and_again(host: str) -> None:
    with reserve_port("127.0.0.1") as reserved:
        port = reserved.getsockname()[1]
        for _ in range(3):
            with listen(host, port, listening.API) as listener:
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    accepted, _ = listener.accept()
                    accepted.close()  # first: so it is the server's end that lingers
                    assert connection.recv(1) == b""
                with pytest.raises(CannotListen):
                    listen(host, port, listening.API)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_systems_that_start_at_once_choose_no_port_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ports = the_only_ports(monkeypatch, 8)
    settings = Settings(data_dir=tmp_path, api_port=0)
    with ExitStack() as one, ExitStack() as other:
        chosen = [*choose_ports(settings, one).values(), *choose_ports(settings, other).values()]
        assert sorted(chosen) == sorted(ports)
        one.close()
        assert set(choose_ports(settings, other).values()) == set(chosen[:4])
        with pytest.raises(CannotListen, match="no port of"):
            choose_ports(settings, other)


def test_no_port_that_was_asked_for_is_chosen_for_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ports = the_only_ports(monkeypatch, 4)
    settings = Settings(data_dir=tmp_path, api_port=ports[0])
    for _ in range(10):
        with ExitStack() as held:
            chosen = choose_ports(settings, held)
        assert chosen["api_port"] == ports[0]
        assert sorted(chosen.values()) == sorted(ports)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def environment(data_dir: Path) -> Iterator[dict[str, str]]:
    """In which commands find a system that has said that it is up."""
    with system(data_dir) as environment:
        yield environment


@pytest.mark.slow
def test_it_is_up_only_when_every_process_holds_what_it_works_on(
    data_dir: Path, environment: dict[str, str]
) -> None:
    code, status = tillroll(environment, "status")
    assert code == 0, status
    assert {each["follower"] for each in status["followers"]} > {"relay", "agents"}
    run = read_run(data_dir)
    assert run
    assert set(run.processes) == set(EVERYTHING)
    assert "world_away" not in (data_dir / "logs" / "gateways.log").read_text()


@pytest.mark.slow
def test_results_are_on_standard_output_and_nothing_else_is(environment: dict[str, str]) -> None:
    said = {
        ("status",): "gateway:payment",
        ("verify",): "clean",
        ("rebuild", "sales"): "sales: generation 2 serves",
        ("migrate",): "the schema is up to date",
        ("parked",): "nothing is parked",
    }
    for arguments, result in said.items():
        done = subprocess.run(
            [*TILLROLL, *arguments], env=environment, capture_output=True, timeout=HANGS, check=False
        )
        assert done.returncode == 0, done
        assert result in done.stdout.decode(), done
        assert result not in done.stderr.decode(), done
        assert b"read_model" not in done.stderr, "a log line is for a process's log"


def healthy(port: int, log: str) -> bool:
    """Whether the API answers as the one of this log and epoch."""
    try:
        return bool(httpx.get(f"http://127.0.0.1:{port}/health").json()["log"]["name"] == log)
    except (httpx.HTTPError, KeyError):
        return False


@pytest.mark.slow
def test_a_new_epoch_is_taken_up_by_every_process_while_the_system_runs(
    data_dir: Path, environment: dict[str, str]
) -> None:
    run = read_run(data_dir)
    assert run
    port = int(run.settings["api_port"])
    before = httpx.get(f"http://127.0.0.1:{port}/health").json()["log"]["name"].rpartition(".")[0]
    code, minted = tillroll(environment, "migrate", "--new-epoch")
    assert (code, minted["run"]) == (0, [])
    assert minted["epoch"] > 1
    wait(lambda: healthy(port, f"{before}.{minted['epoch']}"))
    wait(lambda: all(restarts(data_dir, name) for name in PROCESSES))
    known = asyncio.run(let_people_in(Settings.load(data_dir=data_dir)))
    headers = {"Authorization": f"Bearer {known['DEMO_KEY']}"}
    goods = {"sku": "A", "quantity": 1}
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/stock/receive", json=goods, headers=headers)
    assert answer.status_code == 200, answer.text
    wait(lambda: tillroll(environment, "status")[0] == 0)
    assert "this process ends with it" in (data_dir / "up.log").read_text()


def restarts(data_dir: Path, name: str) -> Any:
    run = read_run(data_dir)
    return run and run.processes[name]["restarts"]
