"""Does compose.yaml hold together: do its parts exist, its commands run, and is it free of secrets?"""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.embedded.binaries import nats_program
from services.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "tillroll"}


def test_every_process_is_a_container() -> None:
    commands = {tuple(service["command"]) for service in OURS.values()}
    single = {"api", "relay", "projector", "agents", "gateways", "scheduler", "migrate"}
    assert commands == {(name,) for name in single} | {("world", "payment"), ("world", "carrier")}


@pytest.mark.skipif(find_spec("services.cli") is None, reason="there is no command line yet")
def test_every_command_is_one_of_the_command_line() -> None:
    def help_code(service: dict[str, Any]) -> int:
        arguments = [
            sys.executable,
            "-c",
            "from services.cli import main; main()",
            *service["command"],
            "--help",
        ]
        return subprocess.run(arguments, capture_output=True, check=False).returncode

    with ThreadPoolExecutor(2) as pool:
        codes = dict(zip(OURS, pool.map(help_code, OURS.values()), strict=True))
    assert codes == dict.fromkeys(OURS, 0)


def test_everything_that_is_named_is_there() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        mounted = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert mounted <= set(COMPOSE["volumes"])
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert copied
    assert all((ROOT / name).exists() for names in copied for name in names.split())


def test_every_variable_is_a_setting_and_every_address_a_service() -> None:
    environment = COMPOSE["x-process"]["environment"]
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | {f"{PREFIX}SECRETS_DIR"}
    assert set(environment) <= settings
    for name, value in environment.items():
        if name.endswith("_URL"):
            assert value.partition("://")[2].split(":")[0] in SERVICES


def test_no_secret_stands_in_it() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert "PASSWORD" not in name or name.endswith("_FILE")
            assert "@" not in value


def test_its_secrets_are_made_once_and_fit_the_servers(tmp_path: Path) -> None:
    """The script of `secrets` itself, on a directory of ours and without the change of owners."""
    script = SERVICES["secrets"]["command"][0].replace("$$", "$").replace("cd /secrets", f"cd {tmp_path}")
    script = re.sub(r"^chown .*$", "", script, flags=re.MULTILINE)
    for name in ("postgres", "nats", "tillroll"):
        (tmp_path / name).mkdir()

    def make() -> dict[str, str]:
        subprocess.run(["/bin/sh", "-euc", script], check=True)
        return {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}

    made = make()
    assert make() == made
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.rglob("*") if path.is_file())
    settings = Settings(_secrets_dir=tmp_path / "tillroll")
    assert settings.database_url == f"postgresql://tillroll:{made['password']}@postgres:5432/tillroll"
    assert settings.nats_url
    assert len(settings.nats_url.split(",")) == 3
    check = subprocess.run(
        [nats_program(None), "-t", "--config", tmp_path / "nats" / "nats.conf"],
        env={"NATS_NAME": "nats-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr
