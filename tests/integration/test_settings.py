"""Do settings find the running system, put the environment first, and keep secrets to themselves?"""

from __future__ import annotations

import os
import signal
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.runfile import NAME, read_run, remove_run, write_run
from services.settings import Settings, secret
from tests.integration.processes import Starter

CHOSEN: dict[str, str | int] = {"database_url": "postgresql://chosen/tillroll", "api_port": 4711}
PROVIDERS = {"company": {"issuer": "https://id.example", "client_id": "us", "trust_email": True}}
PROCESSES = {"relay": {"pid": 17, "restarts": 2, "alive": True}}
RUN = """
import pathlib, sys
from services.runfile import write_run
write_run(pathlib.Path(sys.argv[1]), {"api_port": 4711}, {})
print("written", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("TILLROLL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TILLROLL_DATA_DIR", str(tmp_path))


def test_every_field_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_another_terminal_finds_what_up_chose_and_the_environment_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings.load().api_port == 8460
    write_run(tmp_path, {**CHOSEN, "oidc_providers": PROVIDERS}, PROCESSES)
    assert Settings.load().api_port == 4711
    assert Settings.load().database_url == "postgresql://chosen/tillroll"
    assert Settings.load().oidc_providers["company"].trust_email
    monkeypatch.setenv("TILLROLL_API_PORT", "99")
    assert Settings.load().api_port == 99
    assert Settings.load(api_port=100).api_port == 100
    run = read_run(tmp_path)
    assert run
    assert run.processes == PROCESSES
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    remove_run(tmp_path)
    assert not (tmp_path / NAME).exists()


def test_what_a_killed_up_left_is_not_believed_and_a_living_one_keeps_its_file(tmp_path: Path) -> None:
    with Starter.of(RUN, tmp_path) as up:
        assert up.line() == "written\n"
        remove_run(tmp_path)  # not ours to remove
        assert Settings.load().api_port == 4711
        up.send(signal.SIGKILL)
        assert up.line() == ""
        up.wait()
    assert (tmp_path / NAME).exists()
    assert Settings.load().api_port == 8460


def test_children_get_the_same_settings_by_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.load(
        data_dir=Path("var"), api_port=12, nats_url="nats://a,nats://b", oidc_providers=PROVIDERS
    )
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == settings.model_copy(update={"data_dir": tmp_path / "var"})


def test_a_directory_of_files_may_hold_the_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tillroll_nats_url").write_text("nats://clerk:hush@nats:4222\n")
    monkeypatch.setenv("TILLROLL_SECRETS_DIR", str(tmp_path))
    settings = Settings.load()
    assert settings.nats_url == "nats://clerk:hush@nats:4222"
    assert "hush" not in repr(settings)


def test_a_secret_is_made_once_whoever_asks_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "some.key"
    with ThreadPoolExecutor(16) as pool:
        values = set(pool.map(lambda _: secret(path), range(64)))
    assert len(values) == 1
    assert len(values.pop()) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["some.key"]


def test_two_processes_make_one_secret(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys; from services.settings import secret; sys.stdin.read(1);"
        " print(secret(pathlib.Path(sys.argv[1])).hex())"
    )
    starters = [Starter.of(script, tmp_path / "some.key") for _ in range(4)]
    try:
        for starter in starters:
            starter.close()
        assert len({starter.line() for starter in starters}) == 1
    finally:
        for starter in starters:
            with starter:
                pass


def test_a_damaged_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.key").write_text("c2hvcnQ=\n")
    with pytest.raises(ValueError, match=r"some\.key does not hold 32 bytes"):
        secret(tmp_path / "some.key")


def test_defaults_are_loopback_and_free_of_secrets() -> None:
    settings = Settings(data_dir=Path("var"))
    assert settings.api_host == settings.internal_host == "127.0.0.1"
    assert settings.database_url is None
    assert settings.nats_url is None
