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

from eventstore.roles import ROLES, Role
from services.embedded.binaries import nats_program
from services.settings import PREFIX, SECRET_BYTES, Settings, secret
from services.up import PROCESSES, WORLDS

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "tillroll"}


def test_every_process_is_a_container() -> None:
    commands = {tuple(service["command"]) for service in OURS.values()}
    single = {"api", "relay", "projector", "agents", "gateways", "scheduler", "sealer", "migrate"}
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


def volumes(name: str) -> dict[str, str]:
    """Where in the container each volume of the service is."""
    return {each.split(":")[0]: each.split(":")[1] for each in SERVICES[name].get("volumes", ())}


def test_each_process_mounts_its_own_secrets_and_nobody_elses() -> None:
    for name in OURS:
        secret = {volume: where for volume, where in volumes(name).items() if volume.startswith("secrets-")}
        assert secret == {f"secrets-{name}": "/secrets"}
        assert f"secrets-{name}:/secrets:ro" in SERVICES[name]["volumes"]
    for name in SERVICES.keys() - OURS.keys() - {"secrets"}:
        assert not volumes(name).keys() & {f"secrets-{each}" for each in OURS}
    journals = {name for name in OURS if "data" in volumes(name)}
    assert journals == {f"world-{kind}" for kind in WORLDS}


def make_secrets(directory: Path) -> dict[str, str]:
    """Run the script of `secrets` itself, on a directory of ours and without the change of owners."""
    (script,) = SERVICES["secrets"]["command"]
    script = script.replace("$$", "$").replace("cd /secrets", f"cd {directory}")
    script = re.sub(r"^chown .*$", "", script, flags=re.MULTILINE)
    for where in volumes("secrets").values():
        (directory / Path(where).name).mkdir(parents=True, exist_ok=True)
    subprocess.run(["/bin/sh", "-euc", script], check=True)
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_text() for path in files}


def test_its_secrets_are_made_once_and_fit_the_servers(tmp_path: Path) -> None:
    made = make_secrets(tmp_path)
    assert make_secrets(tmp_path) == made
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.rglob("*") if path.is_file())
    owner = Settings(_secrets_dir=tmp_path / "migrate")
    assert owner.database_url == f"postgresql://tillroll:{made['postgres/password']}@postgres:5432/tillroll"
    for name in PROCESSES:
        settings = Settings(_secrets_dir=tmp_path / name)
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


def test_a_process_has_the_addresses_of_its_roles_and_no_other(tmp_path: Path) -> None:
    made = make_secrets(tmp_path)
    owner = Settings(_secrets_dir=tmp_path / "migrate")
    passwords = owner.role_passwords()
    assert len(set(passwords.values())) == len(ROLES)
    wanted: dict[str, tuple[Role, ...]] = {**PROCESSES, **{f"world-{kind}": () for kind in WORLDS}}
    for name, roles in wanted.items():
        settings = Settings(_secrets_dir=tmp_path / name)
        assert settings.database_url is None
        given = {role: getattr(settings, f"{role}_url") for role in ROLES}
        assert given == {role: owner.url(role) if role in roles else None for role in ROLES}, name
        held = "".join(text for path, text in made.items() if path.startswith(f"{name}/"))
        hidden = {password for role, password in passwords.items() if role not in roles}
        assert not [each for each in (made["postgres/password"], *hidden) if each in held], name
    for kind in WORLDS:
        shared = {f"{kind}_webhook.key"} | ({"payment_api.key"} if kind == "payment" else set())
        assert {path for path in made if path.startswith(f"world-{kind}/")} == {
            f"world-{kind}/{name}" for name in shared
        }
        for name in shared:
            assert made[f"world-{kind}/{name}"] == made[f"gateways/{name}"]
    keys = {made[f"{name}/master.key"] for name in PROCESSES}
    assert len(keys) == 1
    assert len(secret(tmp_path / "api" / "master.key")) == SECRET_BYTES


def test_what_an_older_version_made_is_kept(tmp_path: Path) -> None:
    """Its passwords, and the master key: without it all personal data would be erased."""
    old = make_secrets(tmp_path / "old")
    new = tmp_path / "new"
    for file in ("postgres/password", "nats/nats.conf", "data/secrets/master.key"):
        (new / file).parent.mkdir(parents=True)
        (new / file).write_text(old.get(file, old["api/master.key"]))
    made = make_secrets(new)
    for file in ("postgres/password", "nats/nats.conf", "api/master.key", "migrate/tillroll_database_url"):
        assert made[file] == old[file]
    assert not [file for file in made if file.startswith("data/")], "the worlds mount it"


def test_an_older_version_without_a_sealer_gets_one_and_its_api_reads_audits(tmp_path: Path) -> None:
    old = make_secrets(tmp_path)
    for path in (tmp_path / "sealer").iterdir():
        path.unlink()
    for url in ("migrate/tillroll_seal_url", "api/tillroll_audit_url"):
        (tmp_path / url).unlink()
    made = make_secrets(tmp_path)
    new = {"migrate/tillroll_seal_url", "sealer/tillroll_seal_url", "sealer/seal.key"}
    assert made.keys() == old.keys()
    assert {name for name in made if made[name] != old[name]} == new
    assert made["migrate/tillroll_seal_url"] == made["sealer/tillroll_seal_url"]
