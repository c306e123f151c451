"""Do checkpoints reach NATS and a webhook, also ones that were away, and does the process do its work?"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import nats
import pytest
from aiohttp import web
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError
from nats.js.kv import KeyValue

from eventstore.tasks import end_tasks
from services.audit import outside
from services.audit.notes import Note, VerifierKey
from services.audit.outside import bucket_of
from services.runfile import read_run
from tests.integration.sealed import copies_of, sealed
from tests.integration.system import TILLROLL, system, tillroll
from tests.patience import HANGS


async def holds(jetstream: JetStreamContext, bucket: str, note: str) -> bool:
    try:
        found = await (await jetstream.key_value(bucket)).get("checkpoint")
    except NotFoundError:
        return False
    return found.value == note.encode()


async def test_the_latest_checkpoint_reaches_nats_and_the_webhook(
    database: str, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(outside, "COSIGNED_SECONDS", 0.05)
    posted: list[str] = []
    refusals = 2

    async def take(request: web.Request) -> web.Response:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            return web.Response(status=503)
        posted.append(await request.text())
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/seals", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    client = await nats.connect(nats_url)
    async with sealed(database, tmp_path) as log:
        bucket = bucket_of(log.signer.key.name)

        async def jetstream() -> JetStreamContext:
            return client.jetstream()

        copies = copies_of(
            log.settings, log.log, log.pool, log.signer,
            jetstream=jetstream, bucket=bucket, webhook_url=f"http://{host}:{port}/seals",
        )  # fmt: skip
        running = asyncio.create_task(copies.run())
        try:
            for count in (3, 400):
                await log.grow(count)
                await log.sealer.seal()
                copies.wake()
                async with asyncio.timeout(HANGS):
                    while not posted or f"\n{log.sealer.size}\n" not in posted[-1]:
                        await asyncio.sleep(0.02)
            kv: KeyValue = await client.jetstream().key_value(bucket)
            async with asyncio.timeout(HANGS):  # each place is filled by itself
                while (await kv.get("checkpoint")).value != posted[-1].encode() or log.size_outside() != 403:
                    await asyncio.sleep(0.02)
            assert posted[-1] == str(log.note())
            await client.jetstream().delete_key_value(bucket)
            # NATS was wiped: it is told again, though nothing new was sealed
            async with asyncio.timeout(HANGS):
                while not await holds(client.jetstream(), bucket, posted[-1]):
                    await asyncio.sleep(0.02)
        finally:
            await end_tasks(running)
            await client.close()
            await runner.cleanup()


def test_the_process_signs_what_comes_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    with system(tmp_path) as environment:
        add_admin(environment, "one@example.com")
        first = _checkpoint(environment)
        assert first["state"]["waited_s_max"] is not None, (
            "how long that took is told, and measured elsewhere"
        )
        run = read_run(tmp_path)
        assert run
        os.kill(int(str(run.processes["sealer"]["pid"])), signal.SIGKILL)
        add_admin(environment, "other@example.com")
        second = _checkpoint(environment, after=first["size"])
        assert second["state"]["halt"] is None
        (directory,) = (tmp_path / "seals").iterdir()
        key = VerifierKey.parse((directory / "key").read_text())
        assert str(key) == second["key"]
        assert Note.parse((directory / "checkpoint").read_text()).checkpoint(key).size >= first["size"]
        code, verdict = tillroll(
            environment, "verify", "--checkpoint", str(directory / "checkpoints"), "--key", str(key)
        )
        assert (code, verdict["problems"]) == (0, [])
        assert verdict["sealed"] >= first["size"]


def add_admin(environment: dict[str, str], address: str) -> None:
    """What appends some events."""
    assert tillroll(environment, "user", "add", address, "--role", "admin", "--generate-password")[0] == 0


def _checkpoint(environment: dict[str, str], after: int = 0) -> dict[str, Any]:
    """Once there is one beyond a size that covers all events."""
    deadline = time.monotonic() + HANGS  # only so that it ends
    while True:
        done = subprocess.run(
            [*TILLROLL, "checkpoint", "--json"], env=environment, capture_output=True, check=False
        )
        if done.returncode == 0:
            found = json.loads(done.stdout)
            if found["size"] > after and found["state"]["uncovered_events"] == 0:
                return dict(found)
        assert time.monotonic() < deadline, done.stderr.decode()
        time.sleep(0.2)
