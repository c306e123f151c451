"""How do stores for Node come beside ours? Installed by npm into `build/`, if node and the registry are
there.
"""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import psycopg

PACKAGES = {
    "@eventide/message-db": "1.3.1",
    "@event-driven-io/emmett": "0.42.0",
    "@event-driven-io/emmett-postgresql": "0.42.0",
    "@event-driven-io/pongo": "0.16.11",
    "pg": "8.16.3",
}
DIRECTORY = Path("build/bench-node")
INSTALL_SECONDS_MAX = 180.0
CONNECTIONS = 10
"""Of a process: what node-postgres has by itself."""
_PROGRAMS = Path(__file__).parent / "node"
_PARTS = ("types", "functions", "indexes")
_BEFORE = ("schema/message-store.sql", "tables/messages.sql")
"""Not the extension pgcrypto, of which message-db uses only what Postgres has by itself since 13."""


class NodeMissing(Exception):
    """Node, npm or the packages can't be had; the message says which and why."""


async def install_packages() -> Path:
    """The folder that the packages are in; they are fetched once."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise NodeMissing("node is not on this machine")
    wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
    stamp = DIRECTORY / "installed"
    if not (stamp.exists() and stamp.read_text().split() == wanted):
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        (DIRECTORY / "package.json").write_text('{"private": true}\n')
        await _npm(wanted)
        stamp.write_text("\n".join(wanted))
    return DIRECTORY.absolute()


async def _npm(packages: list[str]) -> None:
    npm = await asyncio.create_subprocess_exec(
        "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", *packages,
        cwd=DIRECTORY, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(INSTALL_SECONDS_MAX):
            _, told = await npm.communicate()
    except TimeoutError:
        npm.kill()
        await npm.wait()
        raise NodeMissing(f"npm did not install in {INSTALL_SECONDS_MAX:.0f} s") from None
    if npm.returncode != 0:
        raise NodeMissing(f"npm could not install: {told.decode()[-200:]}")


def node_worker(program: str, database_url: str) -> list[str | Path]:
    """To be run in the folder of the packages."""
    return ["node", _PROGRAMS / f"{program}.mjs", database_url, str(CONNECTIONS)]


def install_message_db(database_url: str, packages: Path) -> None:
    """What `install.sh` of message-db runs, by its own files, without psql and roles of its own."""
    home = packages / "node_modules" / "@eventide" / "message-db" / "database"
    order = (home / "install-functions.sh").read_text()
    with psycopg.connect(database_url, autocommit=True) as connection:
        for name in _BEFORE:
            connection.execute((home / name).read_text().encode())
        connection.execute("SET search_path = message_store, public")
        for part in _PARTS:
            files = sorted(
                (home / part).glob("*.sql"), key=lambda file: order.find(f"{file.parent.name}/{file.name}")
            )
            for file in files:
                connection.execute(file.read_text().encode())
